"""The tables of the README are what `python -m wse_sim.mapping.comparison.overview` prints."""

from __future__ import annotations

from pathlib import Path

import pytest

from wse_sim.hardware import by_name
from wse_sim.mapping.comparison.overview import MODELS, WAFERS, overview
from wse_sim.mapping.plan.mapping import Phase
from wse_sim.mapping.strategies import STRATEGIES
from wse_sim.mapping.strategies.table import table as strategy_table

README = Path(__file__).parents[2] / "README.md"
PHASES: tuple[Phase, ...] = ("decode", "prefill")


def table(phase: Phase) -> list[str]:
    """Lines of a phase's table."""
    text = README.read_text().split(f"<!-- overview {phase} -->\n")[1].split("<!-- end of overview -->")[0]
    return text.strip().splitlines()


ROWS = [(phase, row) for phase in PHASES for row in table(phase)[2:]]


@pytest.mark.parametrize("phase", PHASES)
def test_the_tables_have_a_column_for_each_strategy_and_name_every_model(phase: Phase) -> None:
    head, _, *rows = table(phase)
    assert head == "| model, wafer | " + " | ".join(STRATEGIES) + " |"
    named = [row.split("|")[1].strip() for row in rows]
    every = [f"{model.removeprefix('cerebras-gpt-').upper()}, {wafer.name}" for model in MODELS for wafer in WAFERS]
    assert named == every
    assert all(cell.strip() for row in rows for cell in row.split("|")[1:-1])


def test_the_formulas_of_the_strategies_are_those_of_the_code() -> None:
    text = README.read_text().split("<!-- strategies -->\n")[1].split("\n<!-- end of strategies -->")[0]
    assert text.splitlines() == [*strategy_table()]


@pytest.mark.slow
@pytest.mark.parametrize(("phase", "row"), ROWS, ids=[f"{phase} {row.split('|')[1].strip()}" for phase, row in ROWS])
def test_a_row_is_what_the_command_prints(phase: Phase, row: str) -> None:
    model, _, wafer = row.split("|")[1].strip().partition(", ")
    found = [*overview(phase, models=[f"cerebras-gpt-{model.lower()}"], wafers=[by_name(wafer)])]
    assert row == found[-1]
