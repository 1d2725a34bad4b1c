"""`wse-sim search`: the mappings that nothing beats, for a goal and within limits."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from wse_sim.mapping.commands.problem import Asked, problem_of
from wse_sim.mapping.comparison.compare import names_of
from wse_sim.mapping.placement import placement
from wse_sim.mapping.search.search import Limits, search
from wse_sim.mapping.search.search import Progress as Tell

if TYPE_CHECKING:
    import pandas as pd


def search_command(
    asked: Asked, *, goal: str, strategies: str, placements: str, limits: Limits, fidelity: str, finalists: int,
    out: Path | None, workers: int, scheduler: str | None, as_json: bool,
) -> None:  # fmt: skip
    """Searches, with a bar where somebody looks, and prints."""
    problem = problem_of(asked)
    chosen = None if placements == "all" else [placement(name.strip()).name for name in placements.split(",")]
    if chosen:
        problem = problem.with_(placement=chosen[0])
    with _bar(shown=sys.stderr.isatty()) as progress:
        found = search(
            problem, goal=goal, limits=limits, fidelity=fidelity,  # type: ignore[arg-type]
            strategies=names_of(strategies), placements=chosen, finalists=finalists, out=out, workers=workers,
            scheduler=scheduler, progress=progress,
        )  # fmt: skip
    if as_json:
        sys.stdout.write(json.dumps({"goal": goal, "rows": _plain(found)}) + "\n")
        return
    Console().print(table_of(found, goal, problem.wafer.name))


def table_of(found: pd.DataFrame, goal: str, wafer: str) -> Table:
    """A line for each mapping."""
    first = found.iloc[0]
    table = Table(
        "strategy", "placement", "PEs", "copies", "parts", "at\nonce", "cycles\nper token", "tokens\nper s",
        "mJ per\ntoken", title=f"{first.model} on {wafer}, {first.phase}, best {goal} first, {first.fidelity}",
        title_justify="left", box=None, pad_edge=False, padding=(0, 1, 0, 0),
    )  # fmt: skip
    for place, column in enumerate(table.columns):
        column.no_wrap = True
        column.justify = "left" if place < 2 else "right"
    for _, row in found.iterrows():
        table.add_row(
            row.strategy, row.placement, f"{row.pes:,}", str(row.replicas), str(row.parts),
            f"{row.replicas * row.sequences}", f"{row.cycles_per_token:,}", f"{row.tokens_per_s:,.0f}",
            f"{1e3 * row.joules_per_token:.3g}",
        )  # fmt: skip
    return table


def _plain(found: pd.DataFrame) -> list[dict[str, object]]:
    """Rows as JSON has them."""
    asked = [asdict(candidate) for candidate in found["candidate"]]
    rows = json.loads(found.drop(columns="candidate").to_json(orient="records"))
    return [row | {"candidate": one} for row, one in zip(rows, asked, strict=True)]


@contextmanager
def _bar(*, shown: bool) -> Iterator[Tell | None]:
    """A bar for each fidelity, on stderr."""
    if not shown:
        yield None
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True) as bar:
        tasks: dict[str, object] = {}

        def tell(what: str, done: int, total: int) -> None:
            if what not in tasks:
                tasks[what] = bar.add_task(what, total=total)
            bar.update(tasks[what], completed=done, total=total)  # type: ignore[arg-type]

        yield tell
