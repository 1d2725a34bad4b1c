"""What each PE and queue did in a phase that was measured, from where the core entered it to where it left it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.gather import by_operation, gather_report, traffic
from wse_sim.hardware.states import State as Doing
from wse_sim.program.instruction import Reroute
from wse_sim.report.grids import Counts
from wse_sim.report.report import Report

if TYPE_CHECKING:
    from wse_sim.engine.machine import Machine


def counts_within(machine: Machine, phase: int) -> Counts:
    """(PEs, states + 4) cycles and work as in `Tally`, also of PEs that have not left it."""
    tally = machine.state.tally
    counts: Counts = tally.passed[phase].copy()
    still = tally.measured[machine.state.cores.state[:, at.WITHIN]] == phase + 1
    counts[still] += np.concatenate([tally.state[still], tally.work[still]], axis=1)
    return counts


def is_balanced(machine: Machine, phase: int) -> bool:
    """Whether each queue gave as many words in the phase as the routers that fill it gave on, in theirs.

    Then as many were on their way when the phase began as when it ended. Colours that are filtered or rerouted are
    left out, for what fills a queue is not in their routes.
    """
    fabric = machine.state.fabric
    taken, routers = machine.state.tally.passed_words[phase, :, 0], int(fabric.queue[0])
    outputs = fabric.pool[fabric.at[:routers] + at.F_OUTPUTS]
    unknown = [p.instruction.color.id for p in machine.program.placed if isinstance(p.instruction, Reroute)]
    unknown += fabric.color[:routers][outputs & at.FILTERED != 0].tolist()
    fixed = ~np.isin(fabric.color[:routers], np.unique(unknown))
    surplus = np.zeros(fabric.fifos, np.int64)  # words given to a queue, less those that it gave
    for port in range(5):
        source = np.flatnonzero(fixed & (outputs >> port & 1 != 0))
        target = np.searchsorted(fabric.at, fabric.pool[fabric.at[source] + at.F_NEXT + port])
        surplus[target] += taken[source] - taken[target]
    return not surplus.any()


def report_without(machine: Machine, phase: int, lengths: Sequence[int]) -> Report:
    """The report had the phase, which took `lengths` cycles of each launch, not been there.

    Sections, and the largest use of SRAM, are those of the whole.
    """
    report, tally = gather_report(machine), machine.state.tally
    grid, states, words = (report.height, report.width), len(Doing), tally.passed_words[phase]
    links = traffic(machine, words[:, 0], words[:, 0], words[:, 1])
    elements, operations, read, written = (tally.passed[phase, :, states + k].reshape(grid) for k in range(4))
    inside = tally.measured[machine.state.code.row[:, at.SECTION]] == phase + 1
    work = replace(report.work, by_operation=by_operation(machine, inside), elements=elements, operations=operations)
    return replace(
        report,
        cycles=report.cycles - sum(lengths),
        launches=tuple(whole - length for whole, length in zip(report.launches, lengths, strict=True)),
        states=report.states - tally.passed[phase, :, :states].reshape(report.states.shape),
        links=report.links.minus(links),
        sram=report.sram.minus(replace(report.sram, read=read, written=written)),
        work=report.work.minus(work),
    )
