"""`wse-sim validate`: published cycle counts beside the simulator's."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from wse_sim.errors import UsageError
from wse_sim.mapping.validation.compare import Compared, Summary, Validation, compare
from wse_sim.mapping.validation.composed import fidelity_of
from wse_sim.mapping.validation.harness import BESIDE
from wse_sim.mapping.validation.rows import read_rows, shipped_rows

TITLES = {
    "MeshGEMV": "MeshGEMV, WSE-3 silicon",
    "MeshGEMM": "MeshGEMM, WSE-3 silicon",
    "FYN": "two-phase reduce, WSE-2, vendor's simulator (FYN)",
    "SUMMA": "SUMMA GEMM, CS-2 silicon",
    "FABSIL": "micro-benchmarks, CS-3 silicon (FABSIL)",
    "FABSIL (simulator)": "of these, vendor's WSE-3 simulator",
    "FABSIM": "micro-benchmarks and plain code, vendor's WSE-3 simulator (FABSIM)",
    "MIMD": "norms, softmax, gates, attention, projections, GEMM, vendor's WSE-3 simulator (MIMD)",
    "relay": "tile relay, vendor's WSE-3 simulator",
}
"""What the sources that ship are, for a table that stands alone."""
FITTED = "*: this row sized a number, of the machine or beside it, so its error is a fit's; `not used`: all other rows"
COMPOSED = "~: composed of launches on fewer PEs, as its steps are alike; --fidelity exact simulates the whole grid"


def validate_command(
    *, data: Path | None, max_seconds: float, fidelity: str, as_json: bool, as_markdown: bool = False
) -> None:
    """Compares and prints."""
    if not max_seconds > 0:
        raise UsageError(f"--max-seconds is {max_seconds:g}: expected more than 0")
    if as_json and as_markdown:
        raise UsageError("--json and --markdown: expected one of them")
    rows = shipped_rows() if data is None else read_rows(data)
    if not rows:
        raise UsageError(f"{data} has no rows below its header: expected one or more")
    found = compare(rows, max_seconds=max_seconds, fidelity=fidelity_of(fidelity))
    if as_json:
        _print_json(found)
    elif as_markdown:
        sys.stdout.write(markdown(found))
    else:
        _print_text(found)


# -- JSON ---------------------------------------------------------------------------------------------


def _print_json(found: Validation) -> None:
    document = {
        "rows": [_as_dict(row) for row in found.rows],
        "skipped": [asdict(row) for row in found.skipped],
        "sources": {name: asdict(summary) for name, summary in found.sources.items()},
    }
    sys.stdout.write(json.dumps(document) + "\n")


def _as_dict(row: Compared) -> dict[str, str | float | list[str]]:
    return {
        "source": row.source,
        "configuration": row.configuration,
        "measured": row.measured,
        "simulated": row.simulated,
        "error": row.error,
        "used_for": list(row.used),
        "fidelity": row.fidelity,
    }


# -- Markdown -----------------------------------------------------------------------------------------


def markdown(found: Validation) -> str:
    """The errors by source as a table."""
    columns = ("source", "rows", "composed", "mean error", "largest", "rows not used", "mean", "largest", "left out")
    lines = ["| " + " | ".join(columns) + " |", "|---" * len(columns) + "|"]
    lines += ["| " + " | ".join([TITLES.get(name, name), *_cells(s)]) + " |" for name, s in found.sources.items()]
    return "\n".join(lines) + "\n"


def _cells(s: Summary) -> list[str]:
    unseen = (_percent(s.unseen_mean_abs_error), _percent(s.unseen_max_abs_error))
    every = (_percent(s.mean_abs_error), _percent(s.max_abs_error))
    return [str(s.rows), str(s.composed or ""), *every, str(s.unseen_rows), *unseen, str(s.skipped)]


# -- text ---------------------------------------------------------------------------------------------


def _print_text(found: Validation) -> None:
    console = Console(markup=False, emoji=False)
    if found.rows:
        console.print(_rows(found))
    for table in _skipped(found):
        console.print(table)
    console.print(_sources(found.sources))
    if any(row.in_sample for row in found.rows):
        console.print(FITTED)
    if any(row.fidelity == "sampled" for row in found.rows):
        console.print(COMPOSED)
    _print_beside(console, list(found.sources))


def _rows(found: Validation) -> Table:
    table = Table(title="published and simulated", box=None)
    table.add_column("source", no_wrap=True)
    table.add_column("configuration", overflow="fold")
    for column in ("measured", "simulated", "error"):
        table.add_column(column, justify="right", no_wrap=True)
    table.add_column("")
    for row in found.rows:
        error = f"{100 * row.error:+.1f} %"
        mark = ("*" if row.in_sample else "") + ("~" if row.fidelity == "sampled" else "")
        table.add_row(row.source, row.configuration, _number(row.measured), _number(row.simulated), error, mark)
    return table


def _skipped(found: Validation) -> Iterator[Table]:
    """What was left out, by reason; rows for whose cost there was no time are counted, the first and the last named."""
    if not found.skipped:
        return
    table = Table(title="skipped", box=None)
    table.add_column("source", no_wrap=True)
    table.add_column("configuration", overflow="fold")
    table.add_column("reason", overflow="fold")
    costly: dict[str, list[str]] = {}
    for row in found.skipped:
        if row.reason.startswith("cost"):
            costly.setdefault(row.source, []).append(row.configuration)
        else:
            table.add_row(row.source, row.configuration, row.reason)
    for source, rows in costly.items():
        many = f"{len(rows)} rows, from {rows[0]} to {rows[-1]}" if len(rows) > 1 else rows[0]
        table.add_row(source, many, "cost: no time for them in --max-seconds; --json says what each would take")
    yield table


def _sources(sources: dict[str, Summary]) -> Table:
    table = Table(title="errors by source", box=None)
    table.add_column("source", no_wrap=True)
    for column in ("rows", "composed", "mean", "max", "not used", "mean", "max", "skipped"):
        table.add_column(column, justify="right", no_wrap=True)
    for name, summary in sources.items():
        table.add_row(name, *_cells(summary))
    return table


def _print_beside(console: Console, sources: list[str]) -> None:
    """The numbers that are no machine's, each once, with the sources that lean on it."""
    numbers: dict[str, list[str]] = {}
    for source in sources:
        for number in BESIDE.get(source, ()):
            numbers.setdefault(str(number), []).append(source)
    if numbers:
        console.print("\nsimulated besides the machine's numbers, which `wse-sim show` prints:")
    for text, users in numbers.items():
        console.print(f"  {', '.join(users)}: {text}")


def _percent(error: float | None) -> str:
    return "" if error is None else f"{100 * error:.1f} %"


def _number(value: float) -> str:
    return f"{value:,.0f}" if value >= 100 else f"{value:.4g}"
