"""The table of the README: every strategy for a family of models on the wafers, feasible or why not.

`python -m wse_sim.mapping.comparison.overview` prints it as Markdown; estimates only.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from wse_sim.hardware import WSE2, WSE3, Wafer, f16
from wse_sim.mapping.comparison.compare import row_of_strategy
from wse_sim.mapping.comparison.row import Row
from wse_sim.mapping.model import PRESETS, preset
from wse_sim.mapping.plan.mapping import Phase
from wse_sim.mapping.strategies import STRATEGIES, Problem

MODELS = tuple(name for name in PRESETS if name.startswith("cerebras-gpt"))
WAFERS = (WSE2, WSE3)
REASONS = {
    "shards that divide": "heads indivisible",
    "": "no room",
}
"""Short forms of reasons by what they contain, the first that does."""


def overview(phase: Phase, *, models: Sequence[str] = MODELS, wafers: Sequence[Wafer] = WAFERS) -> Iterator[str]:
    """Lines of a Markdown table: a line a model and wafer, a column a strategy."""
    yield "| model, wafer | " + " | ".join(STRATEGIES) + " |"
    yield "|---" * (1 + len(STRATEGIES)) + "|"
    for model in models:
        for wafer in wafers:
            problem = Problem(config=preset(model), wafer=wafer, phase=phase, dtype=f16)
            cells = [cell_of(row_of_strategy(name, problem)) for name in STRATEGIES]
            yield f"| {model.removeprefix('cerebras-gpt-').upper()}, {wafer.name} | " + " | ".join(cells) + " |"


def cell_of(row: Row) -> str:
    """Cycles per token of a sequence, and tokens per second of all; or why there are none."""
    if not row.feasible:
        return next(short for part, short in REASONS.items() if part in row.why_not)
    return f"{_short(row.cycles_per_token)}, {_short(row.tokens_per_s)}/s"


def _short(value: float | None) -> str:
    """Three digits or so."""
    assert value is not None
    if value < 1e3:
        return f"{value:,.0f}"
    return f"{value / 1e3:,.1f} k" if value < 1e5 else f"{value / 1e3:,.0f} k"


if __name__ == "__main__":
    PHASES: tuple[Phase, ...] = ("decode", "prefill")
    for phase in PHASES:
        sys.stdout.write(f"\n{phase}\n\n")
        for line in overview(phase):
            sys.stdout.write(line + "\n")
            sys.stdout.flush()
