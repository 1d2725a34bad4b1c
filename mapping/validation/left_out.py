"""Why rows of figures are not simulated."""

from __future__ import annotations

import re

from wse_sim.mapping.validation.rows import Row

OWN_NUMBER = "a number of the machine itself: the preset states it"
NOT_WRITTEN = "the published program is not written here"
PIPELINE = "stages of the core's pipeline are not modelled one by one"
HOST = "the span includes loading and copies from the host, whose timing is not modelled"
UNRECORDED = "the source does not record the configuration"

REASONS = (
    ("workload", "dispatch to first wavelet|last wavelet to completion|DSR load-use|dependent FP|branch", OWN_NUMBER),
    ("workload", "loop back edge|decode to execute|SRAM size|footprint", OWN_NUMBER),
    ("workload", "FP op|completion latency|scalar add|DSD add|8-element reduction|send to receive-complete", PIPELINE),
    ("workload", "route turn", "no cost of turns is modelled: no other source supports one"),
    ("workload", "hop latency west", "the source does not explain it; no other direction shows it"),
    ("workload", "bank conflict", "the source does not say which operation; strided widths are not modelled"),
    ("workload", "contention|run-to-run|short device-internal|HPDC model|check:", "no cycles of a program"),
    ("workload", "trace span|run twice|total simulated cycles|GEMM host-launched", HOST),
    ("size", "configuration not recorded", UNRECORDED),
    ("workload", "GEMV tile|Attention tail|Jacobi|cache attention", UNRECORDED),
    ("workload", "Single-tile matvec", "1 multiply-add of f32 per cycle; two other sources have 0.5, as the preset"),
    ("workload", "GEMV|stencil|Power method|gradient|Preconditioned|BiCG|Cholesky|Laplacian|Lorenzo", NOT_WRITTEN),
    ("workload", "Wide mult|Residual|Game of Life|FFT", NOT_WRITTEN),
    ("workload", "^(decode|prefill|end-to-end) ", "whole models are not simulated on grids so large"),
    ("unit", "^(?!.*cycles)", "its unit is no cycles"),
)


def why_not(row: Row) -> str:
    """The reason that a row of figures is left out for."""
    for column, pattern, reason in REASONS:
        if re.search(pattern, row.cells[column]):
            return reason
    return "no kernel here reproduces this figure"
