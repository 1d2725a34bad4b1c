"""`wse-sim run`: a checkpoint and a prompt in; text, cycles and where they went out."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from wse_sim.engine.jit import is_cached
from wse_sim.errors import CheckpointError, UsageError
from wse_sim.hardware import by_name, f16, f32
from wse_sim.mapping.fit import default_grid, require_fit
from wse_sim.mapping.layout import Layout
from wse_sim.mapping.model import Checkpoint, load_checkpoint, load_shipped
from wse_sim.mapping.model import logits as reference_logits
from wse_sim.mapping.session import Generation, OnStep, Session, generate
from wse_sim.report.report import Report

DEFAULT_PROMPT = "Alice was beginning to"
DTYPES = {"f32": f32, "f16": f16}


@dataclass(frozen=True)
class Request:
    """The options of the command, as given."""

    checkpoint: Path | None
    prompt: str | None
    ids: str | None
    tokens: int
    wafer: str
    grid: str | None
    dtype: str
    accumulate: str
    threads: int
    every_position: bool
    out: Path | None
    json: bool


@dataclass(frozen=True, eq=False)
class Outcome:
    """What the run gave.

    text           the prompt and what was generated; None without a tokenizer
    max_abs_error  largest difference between a logit and the numpy reference's
    """

    layout: Layout
    generation: Generation
    report: Report
    text: str | None
    max_abs_error: float


def run_command(request: Request) -> None:
    """Runs, prints, writes."""
    console = Console(stderr=True)
    if request.out is not None:
        _require_writable(request.out)
    outcome = run(request, console)
    if request.out is not None:
        _write(outcome, request.out)
    if request.json:
        sys.stdout.write(json.dumps(as_json(outcome)) + "\n")
    else:
        print_outcome(outcome, Console())
        if request.out is not None:
            console.print(f"\nreport.json, logits.npy and pictures are in {request.out}", markup=False, highlight=False)


def run(request: Request, console: Console) -> Outcome:
    """Loads, maps, simulates and compares."""
    checkpoint = load_shipped() if request.checkpoint is None else load_checkpoint(request.checkpoint)
    ids = _prompt_ids(checkpoint, request)
    layout = _layout(checkpoint, request)
    require_fit(layout)
    if not is_cached(parallel=request.threads > 1):
        console.print("compiling the engine: about a minute, once", style="dim")
    session = Session(layout, checkpoint.tensors, threads=request.threads)
    with _progress(console, len(ids) + max(request.tokens - 1, 0)) as on_step:
        generation = generate(session, ids, request.tokens, every_position=request.every_position, on_step=on_step)
    return Outcome(
        layout=layout,
        generation=generation,
        report=session.report(),
        text=None if checkpoint.text is None else checkpoint.text.decode([*ids, *generation.token_ids]),
        max_abs_error=_max_abs_error(checkpoint, generation),
    )


def _prompt_ids(checkpoint: Checkpoint, request: Request) -> list[int]:
    if request.ids is not None and request.prompt is not None:
        raise UsageError("--prompt and --ids are both given: expected one of them")
    if request.ids is not None:
        try:
            return [int(part) for part in request.ids.split(",")] if request.ids.strip() else []
        except ValueError:
            raise UsageError(f"--ids {request.ids!r}: expected token ids separated by commas, as 5,17,9") from None
    if checkpoint.text is None:
        raise CheckpointError(
            f"{checkpoint.folder} has no tokenizer: expected tokenizer.json, or vocab.json and merges.txt; "
            "add one, or give token ids with --ids 5,17,9"
        )
    prompt = request.prompt
    if prompt is None:
        prompt = DEFAULT_PROMPT
    return checkpoint.text.encode(prompt)


def _layout(checkpoint: Checkpoint, request: Request) -> Layout:
    for option, given in (("dtype", request.dtype), ("accumulate", request.accumulate)):
        if given not in DTYPES:
            raise UsageError(f"--{option} {given}: expected {' or '.join(DTYPES)}")
    wafer, dtype, accumulate = by_name(request.wafer), DTYPES[request.dtype], DTYPES[request.accumulate]
    width, height = _grid(request.grid) if request.grid else default_grid(checkpoint.config, wafer, dtype)
    return Layout(
        config=checkpoint.config, wafer=wafer, width=width, height=height, dtype=dtype, accumulate=accumulate
    )


def _grid(text: str) -> tuple[int, int]:
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(p.isascii() and p.isdigit() and int(p) > 0 for p in parts):
        raise UsageError(f"--grid {text}: expected WIDTHxHEIGHT in PEs, as 16x16")
    return int(parts[0]), int(parts[1])


@contextmanager
def _progress(console: Console, steps: int) -> Iterator[OnStep | None]:
    """A bar on a terminal, nothing elsewhere."""
    if not console.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("tokens", total=steps)
        yield lambda done, cycles: bar.update(task, completed=done, description=f"tokens ({cycles:,} cycles)")


def _max_abs_error(checkpoint: Checkpoint, generation: Generation) -> float:
    if not generation.positions:
        return 0.0
    fed = [*generation.prompt_ids, *generation.token_ids][: generation.positions[-1] + 1]
    expected = reference_logits(checkpoint.config, checkpoint.tensors, fed)[list(generation.positions)]
    return float(np.abs(generation.logits - expected).max())


# -- output -----------------------------------------------------------------------------------------------


def as_json(outcome: Outcome) -> dict[str, Any]:
    """The result as one JSON object."""
    report, generation = outcome.report, outcome.generation
    links = report.busiest_links(1)
    return {
        "text": outcome.text,
        "token_ids": list(generation.token_ids),
        "prompt_ids": list(generation.prompt_ids),
        "cycles": report.cycles,
        "cycles_per_token": list(generation.cycles),
        "tokens_per_second": tokens_per_second(outcome),
        "grid": [outcome.layout.width, outcome.layout.height],
        "wafer": outcome.layout.wafer.name,
        "dtype": outcome.layout.dtype.name,
        "accumulate": outcome.layout.accumulate.name,
        "pe_states": {state.name: cycles for state, cycles in report.totals.items()},
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


def provenance_of(report: Report) -> dict[str, Any]:
    """How the result was made: machine, program, versions, and the guesses it leans on."""
    return {
        **{f.name: getattr(report.provenance, f.name) for f in fields(report.provenance)},
        "libraries": dict(report.provenance.libraries),
        "wafer": report.wafer.name,
        "overrides": dict(report.overrides),
        "assumed": list(report.assumed),
    }


def tokens_per_second(outcome: Outcome) -> float:
    """Of the steps that fed a generated token back (of the prompt's if none did), at the wafer's nominal clock."""
    cycles = outcome.generation.cycles[len(outcome.generation.prompt_ids) :] or outcome.generation.cycles
    seconds = outcome.layout.wafer.seconds(sum(cycles))
    return len(cycles) / seconds if seconds else 0.0


def print_outcome(outcome: Outcome, console: Console) -> None:
    """Text first, then the numbers."""
    generation, report = outcome.generation, outcome.report
    shown = outcome.text if outcome.text is not None else " ".join(map(str, generation.token_ids))
    console.print(shown, style="bold", markup=False, highlight=False)
    console.print()
    table = Table(show_header=False, box=None, pad_edge=False)
    for name, value in _facts(outcome):
        table.add_row(name, value)
    console.print(table)
    console.print()
    console.print(_state_table(report))
    console.print()
    console.print(report.explain(), markup=False, highlight=False)


def _facts(outcome: Outcome) -> Sequence[tuple[str, str]]:
    report, layout, generation = outcome.report, outcome.layout, outcome.generation
    clock = layout.wafer.clock_hz / 1e9
    links = ", ".join(
        f"({link.x}, {link.y}) {link.direction.name.lower()} {link.share:.1%}" for link in report.busiest_links(3)
    )
    return [
        ("machine", f"{layout.wafer.name}, {layout.width} x {layout.height} PEs, {_precision(layout)}"),
        ("cycles", f"{report.cycles:,} in {len(generation.cycles)} steps, {generation.cycles[-1]:,} in the last"),
        ("speed", f"{tokens_per_second(outcome):,.0f} tokens/s at {clock:g} GHz"),
        ("fabric", f"{int(report.links.wavelets.sum()):,} wavelets over links; busiest links {links or 'none'}"),
        ("SRAM", f"{int(report.sram.peak.max()):,} of {report.sram.limit:,} bytes on the fullest PE"),
        ("check", f"largest logit error against numpy {outcome.max_abs_error:.2e}"),
    ]


def _precision(layout: Layout) -> str:
    sums = f" with sums in {layout.accumulate.name}" if layout.dtype is f16 else ""
    return layout.dtype.name + sums


def _state_table(report: Report) -> Table:
    table = Table("where PE-cycles went", "share", "", box=None, pad_edge=False)
    for state, cycles in sorted(report.totals.items(), key=lambda item: -item[1]):
        if cycles:
            table.add_row(state.name.lower().replace("_", " "), f"{report.share(state):6.1%}", state.meaning)
    return table


def _require_writable(folder: Path) -> None:
    """Finds out before the run, not after it."""
    folder.mkdir(parents=True, exist_ok=True)
    if not os.access(folder, os.W_OK):
        raise UsageError(f"--out {folder}: cannot write there; expected a folder that can be written")


def _write(outcome: Outcome, folder: Path) -> None:
    import matplotlib.pyplot as plt

    plt.switch_backend("Agg")

    from wse_sim.report.pictures import draw_links, draw_utilisation

    outcome.report.to_json(folder / "report.json")
    np.save(folder / "logits.npy", outcome.generation.logits)
    for name, draw in (("utilisation.png", draw_utilisation), ("links.png", draw_links)):
        figure = draw(outcome.report).get_figure(root=True)
        assert figure is not None
        figure.savefig(folder / name, dpi=150, bbox_inches="tight")
        plt.close(figure)
