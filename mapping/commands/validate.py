"""`wse-sim validate`: published cycle counts beside the simulator's."""

from __future__ import annotations

import json
import sys
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from wse_sim.errors import UsageError
from wse_sim.mapping.validation.compare import Compared, Summary, Validation, compare
from wse_sim.mapping.validation.harness import ALLOWANCES
from wse_sim.mapping.validation.rows import read_rows, shipped_rows


def validate_command(*, data: Path | None, max_seconds: float, as_json: bool) -> None:
    """Compares and prints."""
    if not max_seconds > 0:
        raise UsageError(f"--max-seconds is {max_seconds:g}: expected more than 0")
    rows = shipped_rows() if data is None else read_rows(data)
    if not rows:
        raise UsageError(f"{data} has no rows below its header: expected one or more")
    found = compare(rows, max_seconds=max_seconds)
    if as_json:
        _print_json(found)
    else:
        _print_text(found)


def _print_json(found: Validation) -> None:
    document = {
        "rows": [_as_dict(row) for row in found.rows],
        "skipped": [asdict(row) for row in found.skipped],
        "sources": {name: asdict(summary) for name, summary in found.sources.items()},
    }
    sys.stdout.write(json.dumps(document) + "\n")


def _as_dict(row: Compared) -> dict[str, str | float]:
    return {
        "source": row.source,
        "configuration": row.configuration,
        "measured": row.measured,
        "simulated": row.simulated,
        "error": row.error,
    }


def _print_text(found: Validation) -> None:
    console = Console(markup=False, emoji=False)
    console.print(_rows(found))
    if found.skipped:
        console.print(_skipped(found))
    console.print(_sources(found.sources))
    for source in found.sources:
        if source in ALLOWANCES:
            what, origin = ALLOWANCES[source]
            console.print(f"{source}: {what}; {origin}")


def _rows(found: Validation) -> Table:
    table = Table(title="published and simulated", box=None)
    table.add_column("source", no_wrap=True)
    table.add_column("configuration", overflow="fold")
    for column in ("measured", "simulated", "error"):
        table.add_column(column, justify="right", no_wrap=True)
    for row in found.rows:
        table.add_row(
            row.source, row.configuration, _number(row.measured), _number(row.simulated), f"{100 * row.error:+.1f} %"
        )
    return table


def _skipped(found: Validation) -> Table:
    table = Table(title="skipped", box=None)
    table.add_column("source", no_wrap=True)
    table.add_column("configuration", overflow="fold")
    table.add_column("reason", overflow="fold")
    for row in found.skipped:
        table.add_row(row.source, row.configuration, row.reason)
    return table


def _sources(sources: dict[str, Summary]) -> Table:
    table = Table(title="errors by source", box=None)
    table.add_column("source", no_wrap=True)
    for column in ("mean", "max", "rows", "skipped"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, summary in sources.items():
        errors = (_percent(summary.mean_abs_error), _percent(summary.max_abs_error))
        table.add_row(name, *errors, str(summary.rows), str(summary.skipped))
    return table


def _percent(error: float | None) -> str:
    return "" if error is None else f"{100 * error:.1f} %"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.4g}"
