"""`wse-sim compare`: what each strategy makes of a model, side by side."""

from __future__ import annotations

import json
import sys

from rich.console import Console
from rich.table import Table

from wse_sim.mapping.commands.problem import Asked, problem_of
from wse_sim.mapping.comparison.compare import names_of
from wse_sim.mapping.comparison.many import rows_of_strategies
from wse_sim.mapping.comparison.row import Row, fidelity_of


def compare_command(
    asked: Asked, *, strategies: str, fidelity: str, position: int | None, workers: int, as_json: bool
) -> None:
    """Plans, finds out, prints."""
    names, problem = names_of(strategies), problem_of(asked)
    rows = rows_of_strategies(names, problem, fidelity=fidelity_of(fidelity), position=position, workers=workers)
    if as_json:
        sys.stdout.write(json.dumps({"rows": [row.to_dict() for row in rows]}) + "\n")
        return
    console = Console()
    console.print(table_of(rows))
    for row in rows:
        if not row.feasible:
            console.print(f"{row.strategy}: {row.why_not}", markup=False, highlight=False)


def table_of(rows: list[Row]) -> Table:
    """One line a mapping."""
    first = rows[0]
    table = Table(
        "strategy", "PEs", "at\nonce", "cycles\nper token", "tokens\nper s", "of\npeak", "SRAM", "busiest\nlink",
        "mJ per\ntoken", title=f"{first.model} on {first.wafer}, {first.phase}, {first.fidelity}", title_justify="left",
        box=None, pad_edge=False, padding=(0, 1, 0, 0),
    )  # fmt: skip
    for column in table.columns:
        column.no_wrap = True
        column.justify = "left" if column.header == "strategy" else "right"
    for row in rows:
        table.add_row(*_cells(row))
    return table


def _cells(row: Row) -> list[str]:
    if not row.feasible:
        return [row.strategy, *["-"] * 8]
    assert row.replicas is not None
    assert row.sequences is not None
    return [
        row.strategy,
        f"{row.pes:,}",
        f"{row.replicas * row.sequences}",
        f"{row.cycles_per_token:,}",
        f"{row.tokens_per_s:,.0f}",
        f"{row.utilisation:.1%}",
        f"{row.sram_peak_bytes:,}",
        "-" if row.busiest_link_share is None else f"{row.busiest_link_share:.1%}",
        f"{1e3 * (row.joules_per_token or 0):.3g}",
    ]
