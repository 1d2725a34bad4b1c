"""Why rows of figures are not simulated."""

from __future__ import annotations

import re

from wse_sim.mapping.validation.rows import Row

OWN_NUMBER = "a number of the machine itself: the preset states it"
NOT_WRITTEN = "the published program is not written here"
PIPELINE = "stages of the core's pipeline are not modelled one by one"
HOST = "the span includes loading and copies from the host, whose timing is not modelled"
UNRECORDED = "the source does not record the configuration"

NEVER = (
    ("size", "3.09 then 3.30", "the source does not explain it. With clocks set by a signal from the west, dies' edges "
     "show twice: its 3.09 cycles a hop from 32 to 64 come out as 3.06, its 3.30 from there to 128 as 2.53"),
    ("workload", "trace span|run twice|total simulated cycles|incl\\. host", HOST),
    ("size", "configuration not recorded|not stated", UNRECORDED),
    ("workload", "GEMV tile|attention tail|jacobi|cache attention", UNRECORDED),
    ("workload", "contention|run-to-run|short device-internal|HPDC model|^check:", "no cycles of a program"),
    ("workload", "^(decode|prefill|end-to-end) ", "whole models are not simulated on grids so large"),
    ("workload", " vs |speed-?up|headline", "a comparison of two programs, no cycles of one"),
    ("metric", r"speed-?up|model error|\bratio|efficiency|\breduction", "no cycles of a program"),
    ("metric", "skew", "a machine's clocks, no cycles of a program"),
    ("metric", "^configuration$", "states a configuration, no cycles"),
)  # fmt: skip
"""Of rows that kernels and micro-benchmarks are not asked for: a column, what it holds, the reason."""

OTHERS = (
    ("workload", "dispatch to first wavelet|last wavelet to completion|DSR load-use|dependent FP|branch", OWN_NUMBER),
    ("workload", "loop back edge|decode to execute|SRAM size|footprint|ramp latency", OWN_NUMBER),
    ("workload", "FP op|completion latency|scalar add|DSD add|8-element reduction|send to receive-complete", PIPELINE),
    ("workload", "route turn", "no cost of turns is modelled: no other source supports one"),
    ("workload", "bank conflict", "the source does not say which operation; strided widths are not modelled"),
    ("workload", "single-tile matvec", "1 multiply-add of f32 per cycle; two other sources have 0.5, as the preset"),
    ("workload", "host-launched", HOST),
    ("workload", "GEMV|stencil|Power method|gradient|Preconditioned|BiCG|Cholesky|Laplacian|Lorenzo", NOT_WRITTEN),
    ("workload", "Wide mult|Residual|Game of Life|FFT|snake|experiment grid", NOT_WRITTEN),
    ("unit", "^(?!.*(cycle|second|^[mnu]?s$))", "its unit is no cycles"),
)
"""Of the others that nothing reproduces."""

Reasons = tuple[tuple[str, str, str], ...]


def never(row: Row) -> str | None:
    """The reason not to look for a kernel at all."""
    return _reason(row, NEVER)


def why_not(row: Row) -> str:
    """The reason that a row of figures is left out for."""
    found = _reason(row, OTHERS)
    if found is None and not re.search("WSE|CS-?[123]", row.cells["hardware"], re.IGNORECASE):
        return f"hardware is {row.cells['hardware'].strip()[:40]!r}: expected a WSE-1, WSE-2 or WSE-3"
    return found or "no kernel here reproduces this figure"


def _reason(row: Row, reasons: Reasons) -> str | None:
    for column, pattern, reason in reasons:
        if re.search(pattern, row.cells[column], re.IGNORECASE):
            return reason
    return None
