"""What `wse-sim run` gives: as text, as JSON, as files."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, fields, replace
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from wse_sim.hardware import f16
from wse_sim.mapping.generation.batch_session import BatchGeneration
from wse_sim.mapping.generation.sampling import Sampling
from wse_sim.mapping.region.layout import Layout
from wse_sim.report.breakdown import Line, breakdown, kernel_of, phase_of
from wse_sim.report.report import Report
from wse_sim.report.trace import Recording

COLUMNS = {"busy": "busy", "memory": "memory", "fabric": "waiting", "issue": "issue", "idle": "idle"}
"""Groups of states that tables show, and what they call them."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """What the run gave.

    texts          of each sequence, the prompt and what was generated; None without a tokenizer
    max_abs_error  largest difference between a logit and the numpy reference's; None if no logit was computed
    seed           of the weights; None if they are a checkpoint's
    sampling       how tokens were drawn; None: the likeliest
    recording      of the cycles that were asked for
    """

    layout: Layout
    generation: BatchGeneration
    report: Report
    texts: tuple[str | None, ...]
    max_abs_error: float | None
    seed: int | None
    sampling: Sampling | None
    recording: Recording | None = None

    @property
    def values(self) -> str:
        """Where the numbers were computed."""
        if self.report.provenance.fidelity == "exact":
            return "computed by the simulated PEs"
        computed = any(one.positions for one in self.generation.sequences)
        return "computed outside the fabric by the same arithmetic" if computed else "not computed"

    @property
    def tokens_per_second(self) -> float:
        """Tokens fed in the steps after all prompts (in all steps if there are none), at the wafer's nominal clock."""
        sequences, cycles = self.generation.sequences, self.generation.cycles
        first = max(one.prompt_launches for one in sequences)
        fed = sum(max(0, len(one.cycles) - first) for one in sequences)
        if not fed:
            first, fed = 0, sum(len(one.prompt_ids) for one in sequences)
        seconds = self.layout.wafer.seconds(sum(cycles[first:]))
        return fed / seconds if seconds else 0.0


# -- JSON -------------------------------------------------------------------------------------------------


def as_json(outcome: Outcome) -> dict[str, Any]:
    """The result as one JSON object."""
    report, generation, layout = outcome.report, outcome.generation, outcome.layout
    links = report.busiest_links(1)
    sequences = [
        {
            "text": text,
            "token_ids": list(one.token_ids),
            "prompt_ids": list(one.prompt_ids),
            "stopped": one.stopped,
        }
        for text, one in zip(outcome.texts, generation.sequences, strict=True)
    ]
    return {
        "model": layout.config.name,
        **sequences[0],
        "sequences": sequences,
        "cycles": report.cycles,
        "prompt_at_once": generation.sequences[0].at_once,
        "cycles_per_token": list(generation.cycles),
        "tokens_per_second": outcome.tokens_per_second,
        "fidelity": report.provenance.fidelity,
        "composed": report.provenance.composed,
        "values": outcome.values,
        "grid": [layout.width, layout.height],
        "tight": layout.tight,
        "wafer": layout.wafer.name,
        "context": layout.context,
        "dtype": layout.dtype.name,
        "accumulate": layout.accumulate.name,
        "seed": outcome.seed,
        "sampling": None if outcome.sampling is None else dict(vars(outcome.sampling)),
        "pe_states": {state.name: cycles for state, cycles in report.totals.items()},
        "kernels": [_line_as_json(line, report) for line in breakdown(report, kernel_of)],
        "phases": [_line_as_json(line, report) for line in breakdown(report, phase_of)],
        "links": {
            "total_wavelets": int(report.links.wavelets.sum()),
            "busiest": [links[0].x, links[0].y, links[0].direction.name] if links else None,
            "busiest_wavelets": links[0].wavelets if links else 0,
            "busiest_share": links[0].share if links else 0.0,
        },
        "sram": {"peak_bytes": int(report.sram.peak.max()), "limit_bytes": report.sram.limit},
        "max_abs_error": outcome.max_abs_error,
        "provenance": provenance_of(report),
    }


def _line_as_json(line: Line, report: Report) -> dict[str, Any]:
    return {
        "name": line.name,
        "cycles": line.cycles,
        "share": line.cycles / max(report.cycles, 1),
        "pe_cycles": dict(line.groups),
        "wavelets": line.wavelets,
        "operations": line.operations,
    }


def provenance_of(report: Report) -> dict[str, Any]:
    """How the result was made: machine, program, versions, and the guesses it leans on."""
    return {
        **{f.name: getattr(report.provenance, f.name) for f in fields(report.provenance)},
        "libraries": dict(report.provenance.libraries),
        "wafer": report.wafer.name,
        "overrides": dict(report.overrides),
        "assumed": list(report.assumed),
    }


# -- text -------------------------------------------------------------------------------------------------


def print_outcome(outcome: Outcome, console: Console) -> None:
    """Text first, then the numbers."""
    generation, report = outcome.generation, outcome.report
    for text, one in zip(outcome.texts, generation.sequences, strict=True):
        shown = text if text is not None else " ".join(map(str, one.token_ids))
        if shown:
            if text is None:
                console.print("token ids ", end="")
            console.print(shown, style="bold", markup=False, highlight=False)
            console.print()
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in _facts(outcome):
        table.add_row(name, value)
    console.print(table)
    console.print()
    console.print(_state_table(report))
    console.print()
    console.print(_breakdown_table(report, "kernel", list(breakdown(report, kernel_of))))
    console.print()
    console.print(_breakdown_table(report, "phase", list(_alike(list(breakdown(report, phase_of))))))
    console.print()
    console.print(report.explain(), markup=False, highlight=False)


def _facts(outcome: Outcome) -> Iterator[tuple[str, str]]:
    report, layout, generation = outcome.report, outcome.layout, outcome.generation
    clock = layout.wafer.clock_hz / 1e9
    links = ", ".join(
        f"({link.x}, {link.y}) {link.direction.name.lower()} {link.share:.1%}" for link in report.busiest_links(3)
    )
    weights = "" if outcome.seed is None else f", random weights of seed {outcome.seed}"
    yield "model", f"{layout.config.name}{weights}"
    tight = ", tight layout" * layout.tight
    yield "machine", f"{layout.wafer.name}, {layout.width} x {layout.height} PEs{tight}, {_precision(layout)}"
    composed = f"; {report.provenance.composed}" * bool(report.provenance.composed)
    yield "fidelity", f"{report.provenance.fidelity}{composed}; numbers {outcome.values}"
    if layout.batch > 1:
        yield "batch", f"{layout.batch} sequences, {sum(len(one.cycles) for one in generation.sequences):,} tokens fed"
    if outcome.sampling is not None:
        yield "sampling", outcome.sampling.describe()
    steps = len(generation.cycles)
    yield "cycles", f"{report.cycles:,} in {steps} step{'s' * (steps != 1)}, {generation.cycles[-1]:,} in the last"
    at_once = generation.sequences[0].at_once
    if at_once:
        yield "prefill", f"{at_once:,} tokens of the prompt at once, in {generation.cycles[0]:,} cycles"
    rate = outcome.tokens_per_second
    each = f", {layout.wafer.clock_hz / rate:,.0f} cycles a token" if rate else ""
    yield "speed", f"{rate:,.0f} tokens/s at {clock:g} GHz{each}"
    yield "fabric", f"{int(report.links.wavelets.sum()):,} wavelets over links; busiest links {links or 'none'}"
    yield "SRAM", f"{int(report.sram.peak.max()):,} of {report.sram.limit:,} bytes on the fullest PE"
    if outcome.max_abs_error is not None:
        yield "check", f"largest logit error against numpy in f32 {outcome.max_abs_error:.2e}"


def _precision(layout: Layout) -> str:
    sums = f" with sums in {layout.accumulate.name}" if layout.dtype is f16 else ""
    return layout.dtype.name + sums


def _state_table(report: Report) -> Table:
    table = Table("where PE-cycles went", "share", "", box=None, pad_edge=False)
    for state, cycles in sorted(report.totals.items(), key=lambda item: -item[1]):
        if cycles:
            table.add_row(state.name.lower().replace("_", " "), f"{report.share(state):6.1%}", state.meaning)
    return table


def _breakdown_table(report: Report, title: str, lines: list[Line]) -> Table:
    """Cycles of an average PE: the lines add up to the run."""
    table = Table(title, box=None, pad_edge=False, collapse_padding=True)  # 80 columns are enough
    for name in ("cycles", "share", *COLUMNS.values(), "wavelets"):
        table.add_column(name, justify="right")
    for line in lines:
        share = line.cycles / max(report.cycles, 1)
        groups = (f"{line.share(group):.0%}" for group in COLUMNS)
        table.add_row(line.name, f"{line.cycles:,.0f}", f"{share:.1%}", *groups, f"{line.wavelets:,}")
    return table


def _alike(lines: list[Line]) -> Iterator[Line]:
    """Layers in a row that differ in nothing are one line, with the cycles of each."""
    first = 0
    for i, line in enumerate(lines):
        following = lines[i + 1] if i + 1 < len(lines) else None
        if following is not None and _counts(following) == _counts(line):
            continue
        if i > first:
            word, _, number = lines[first].name.rpartition(" ")
            yield replace(line, name=f"{word}s {number}-{line.name.rpartition(' ')[2]}, each")
        else:
            yield line
        first = i + 1


def _counts(line: Line) -> tuple[object, ...]:
    return (line.cycles, line.groups, line.wavelets, line.operations)


# -- files ------------------------------------------------------------------------------------------------


def write_outcome(outcome: Outcome, folder: Path) -> None:
    """report.json, utilisation.png, links.png and logits.npy, of a batch logits-0.npy and so on.

    Of a recording also trace.npz, trace.json.gz and trace.log.
    """
    import matplotlib.pyplot as plt

    plt.switch_backend("Agg")

    from wse_sim.report.pictures import draw_links, draw_utilisation

    outcome.report.to_json(folder / "report.json")
    for number, one in enumerate(outcome.generation.sequences):
        np.save(folder / (f"logits-{number}.npy" if outcome.layout.batch > 1 else "logits.npy"), one.logits)
    if outcome.recording is not None:
        outcome.recording.save(folder / "trace.npz")
        outcome.recording.to_chrome(folder / "trace.json.gz")
        outcome.recording.to_wse_viz(folder / "trace.log")
    for name, draw in (("utilisation.png", draw_utilisation), ("links.png", draw_links)):
        figure = draw(outcome.report).get_figure(root=True)
        assert figure is not None
        figure.savefig(folder / name, dpi=150, bbox_inches="tight")
        plt.close(figure)
