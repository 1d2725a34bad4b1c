"""Rows of several strategies at once: simulations in processes of this machine, as many as its memory has room for."""

from __future__ import annotations

import os
from collections.abc import Sequence
from functools import partial

from wse_sim.mapping.comparison.compare import planned, row_of
from wse_sim.mapping.comparison.row import Fidelity, Row
from wse_sim.mapping.plan.mapping import Mapping
from wse_sim.mapping.strategies import Problem

# Bytes of a process that simulates, measured: of itself, the compiled engine included; and of each PE, in a run
# without numbers (13B on a whole WSE-2) and in one with (111M on 98 x 98 PEs).
OF_A_PROCESS, OF_A_PE = 1 << 30, {"sampled": 20_000, "exact": 150_000}
SHARE = 0.5  # of the machine's memory that all processes together may take


def rows_of_strategies(
    names: Sequence[str], problem: Problem, *, fidelity: Fidelity = "estimate", position: int | None = None,
    workers: int = 0,
) -> list[Row]:  # fmt: skip
    """A row for each strategy, in their order, whatever process it comes from.

    workers  processes; 1: none but this; 0: one for each core, fewer where memory is short. Estimates need no other
    """
    made = [planned(name, problem, fidelity) for name in names]
    tasks = [(index, mapping) for index, mapping in enumerate(made) if isinstance(mapping, Mapping)]
    count = 1 if fidelity == "estimate" else workers or _room([mapping for _, mapping in tasks], fidelity)
    if count == 1:
        return [row if isinstance(row, Row) else _row((0, row), fidelity, position) for row in made]
    from wse_sim.mapping.search.workers import each

    work = partial(_row, fidelity=fidelity, position=position)
    found = {index: row for (index, _), row in each(work, tasks, workers=count)}
    return [row if isinstance(row, Row) else found[index] for index, row in enumerate(made)]


def _row(task: tuple[int, Mapping], fidelity: Fidelity, position: int | None) -> Row:
    return row_of(task[1], fidelity=fidelity, position=position)


def _room(mappings: Sequence[Mapping], fidelity: Fidelity) -> int:
    """Processes that the cores and the memory of this machine have room for."""
    largest = max((_simulated(mapping, fidelity) for mapping in mappings), default=0)
    memory = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    each_takes = OF_A_PROCESS + OF_A_PE[fidelity] * largest
    return max(1, min(os.cpu_count() or 1, int(SHARE * memory // each_takes)))


def _simulated(mapping: Mapping, fidelity: Fidelity) -> int:
    """PEs of the largest machine that is simulated."""
    if fidelity == "exact":
        return mapping.area
    return max(part.region.width * part.region.height for part in mapping.parts(0))
