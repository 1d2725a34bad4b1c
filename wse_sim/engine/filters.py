"""Filters of the routers: which of a colour's wavelets go to the ramp.

A filtered router buffer has FILTERED among its outputs, and words of its own behind its ring.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.layout import FILTERED, L_KEEP, L_OF, L_PLACE, L_WITHHELD
from wse_sim.engine.state import Fabric
from wse_sim.program.program import Program

LOW = 0xFFFFFFFF


class Filtered(NamedTuple):
    """Router buffers with a filter.

    fifo             (n,) indices into `Fabric.at`
    keep, of, place  (n,) of each; place: of the first wavelet in its period, the first one taken at 0
    """

    fifo: np.ndarray
    keep: np.ndarray
    of: np.ndarray
    place: np.ndarray


def filtered(program: Program, fifo: np.ndarray, role: np.ndarray, first: np.ndarray) -> Filtered:
    """The buffers that the program's filters stand behind.

    fifo   (roles, colours, 5) local router buffer
    role   (pes,)
    first  (pes + 1,) first router buffer of each PE
    """
    found: list[np.ndarray] = [np.zeros((4, 0), np.int64)]
    for made in program.filters:
        pes = (np.asarray(made.region.ys)[:, None] * program.width + np.asarray(made.region.xs)).ravel()
        inputs = np.array([_input(program, i, made.color.id) for i in range(len(program.roles))], np.int64)
        index = first[pes] + fifo[role[pes], made.color.id, inputs[role[pes]]]
        full = np.full(len(pes), made.of)
        found.append(np.stack([index, np.full(len(pes), made.keep), full, -made.first.ravel() % made.of]))
    return Filtered(*np.concatenate(found, axis=1))


def _input(program: Program, role: int, color: int) -> int:
    """Port at which a role's router takes a colour at the start; 0 if it has no route of it."""
    routes = program.routes_of(program.roles[role])
    return next((int(r[0].input) for c, r in routes.items() if c.id == color), 0)


def install(fabric: Fabric, made: Filtered) -> None:
    """Writes the filters' words, for which the pool has room."""
    record = fabric.at[made.fifo]
    words = record + at.F_RING + (fabric.pool[record + at.F_SHAPE] & 0xFFFF) + 1
    fabric.pool[record + at.F_OUTPUTS] |= FILTERED
    for column, values in ((L_KEEP, made.keep), (L_OF, made.of), (L_PLACE, made.place)):
        fabric.pool[words + column] = values


def filters_of(fabric: Fabric) -> np.ndarray:
    """Indices of the router buffers that have a filter."""
    record = fabric.at[: fabric.queue[0]]
    return np.flatnonzero(fabric.pool[record + at.F_OUTPUTS] & FILTERED)


def withheld(fabric: Fabric, index: np.ndarray) -> np.ndarray:
    """Wavelets that each of some filters kept from the ramp."""
    record = fabric.at[index]
    words: np.ndarray = fabric.pool[record + at.F_RING + (fabric.pool[record + at.F_SHAPE] & 0xFFFF) + 1 + L_WITHHELD]
    return words


def last_moves(fabric: Fabric, index: np.ndarray, now: int) -> int:
    """The cycle in which a wavelet last left one of some filtered buffers, not long before `now`; -1: none."""
    stamps = (fabric.pool[fabric.at[index] + at.F_HEAD] >> 32) & LOW
    return int((now - ((now - stamps) & LOW)).max(initial=-1))
