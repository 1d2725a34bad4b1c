"""What bounded a run: the state that took most PE-cycles, where, and who the others waited for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import numpy.typing as npt

from wse_sim.hardware.states import BUSY, FABRIC, WEIGHTS, State
from wse_sim.report.breakdown import kernel_of
from wse_sim.report.grids import Box, box_around

if TYPE_CHECKING:
    from wse_sim.report.report import Report

WAITING = (*FABRIC, *WEIGHTS, State.SLOT_WAIT, State.IDLE)
"""States in which a PE does nothing of its own: somebody else, or the fabric, takes the time."""

WORKING = tuple(state for state in State if state not in WAITING)
_IDLE_IS_THE_ANSWER = 2 / 3  # share of PE-cycles above which idling is more than the end of a chain of waits
_WORTH_NAMING = 0.1  # share of PE-cycles above which a second state is named
_HOT = 0.5  # a PE belongs to the region if it has this part of the most that any PE has


@dataclass(frozen=True)
class Bottleneck:
    """Where the time went.

    state          the one with most PE-cycles; IDLE only if more than two thirds of all are idle
    share          part of all PE-cycles in it
    section        part of the program in which it was met most: a kernel, where several sections are of one kernel
    sections       how many those are
    section_share  part of the state's PE-cycles met there
    box            rectangle around the PEs of those sections which were in the state for long
    second         the next state, if it took a tenth of all PE-cycles or more
    idle_share     part of all PE-cycles that were idle
    worker         PE that worked most; of a report in tiles, that tile
    worker_share   part of its cycles in which it did not wait
    worker_state   what it did most of that time
    link_share     part of the cycles in which the busiest link carried a wavelet
    """

    state: State
    share: float
    section: str
    sections: int
    section_share: float
    box: Box
    second: State | None
    second_share: float
    idle_share: float
    worker: Box
    worker_share: float
    worker_state: State
    link_share: float

    @property
    def waits(self) -> bool:
        """True if PEs mostly waited, for another PE or for the fabric."""
        return self.state in WAITING


def find_bottleneck(report: Report) -> Bottleneck:
    """Goes by PE-cycles; among equals a state that is no work comes first, as it can be shortened."""
    order = sorted(State, key=lambda s: (-report.totals[s], s in BUSY, s))
    others: list[State] = [state for state in order if state is not State.IDLE and report.totals[state]]
    if report.share(State.IDLE) > _IDLE_IS_THE_ANSWER or not others:
        others.insert(0, State.IDLE)
    state = others[0]
    second = others[1] if len(others) > 1 and report.share(others[1]) >= _WORTH_NAMING else None
    cycles = report.sections.cycles[:, state]
    name, chosen = _kernel(report.sections.names, cycles)
    worker, worker_share, worker_state = _worker(report)
    return Bottleneck(
        state=state,
        share=report.share(state),
        section=name,
        sections=len(chosen),
        section_share=int(cycles[chosen].sum()) / max(report.totals[state], 1),
        box=_where(report, state, chosen),
        second=second,
        second_share=0.0 if second is None else report.share(second),
        idle_share=report.share(State.IDLE),
        worker=worker,
        worker_share=worker_share,
        worker_state=worker_state,
        link_share=max((link.share for link in report.busiest_links(1)), default=0.0),
    )


def _kernel(names: Sequence[str], cycles: npt.NDArray[np.int64]) -> tuple[str, list[int]]:
    """The kernel with most of the cycles (sections,), and its sections; of one section the whole name."""
    kernels: dict[str, list[int]] = {}
    for section in np.flatnonzero(cycles).tolist() or range(len(names)):
        kernels.setdefault(kernel_of(names[section]), []).append(section)
    kernel, chosen = max(kernels.items(), key=lambda item: int(cycles[item[1]].sum()))
    return (names[chosen[0]] if len(chosen) == 1 else kernel), chosen


def _where(report: Report, state: State, sections: list[int]) -> Box:
    """Rectangle around the PEs that were in the state for long, of those that have code in the sections."""
    shares = report.shares(state)
    inside = np.any([_cells(report, report.sections.boxes[section].tolist()) for section in sections], axis=0)
    if not shares[inside].any():
        inside = np.ones_like(inside)
    most = shares[inside].max()
    return box_around(inside & (shares >= _HOT * most), report.width, report.height, report.tile)


def _cells(report: Report, box: list[int]) -> npt.NDArray[np.bool_]:
    """Cells of the grids that touch a rectangle; all if there is none."""
    left, top, right, bottom = (at // report.tile for at in box)
    cells = np.zeros(report.states.shape[:2], np.bool_)
    cells[top : bottom + 1, left : right + 1] = True
    return cells if box[0] >= 0 else ~cells


def _worker(report: Report) -> tuple[Box, float, State]:
    shares = report.shares(*WORKING)
    cell = int(np.argmax(shares))
    counts = report.states.reshape(-1, len(State))[cell]
    return report.box_of(cell), float(shares.flat[cell]), max(WORKING, key=lambda s: int(counts[s]))
