"""Levels over time: how many words a queue holds, and whether a link is in use."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from wse_sim.report.grids import Counts
from wse_sim.report.trace.events import QUEUE, STILL_THERE

if TYPE_CHECKING:
    from wse_sim.report.trace.recording import Recording


class Levels(NamedTuple):
    """Changes of a level at places, by place and then by cycle; from `cycle` on the level is `level`.

    place  (changes, columns) what the level is of
    """

    place: Counts
    cycle: Counts
    level: Counts


def queue_levels(recording: Recording) -> Levels:
    """Words in each queue that held any; places are (PE, colour, port).

    Words that came before the window count from its first cycle on.
    """
    stays = recording.stays
    place = np.stack([stays.pe, stays.color, stays.port], axis=1)
    gone = stays.left != STILL_THERE
    cycle = np.concatenate([np.maximum(stays.entered, recording.first), stays.left[gone]])
    change = np.concatenate([np.ones(len(stays), np.int64), np.full(int(gone.sum()), -1)])
    return _levels(np.concatenate([place, place[gone]]), cycle, change)


def link_levels(recording: Recording) -> Levels:
    """1 while a link carries a wavelet in each cycle, 0 after; places are (PE, direction)."""
    stays = recording.stays
    found = []
    for direction in range(4):
        used = np.flatnonzero((stays.port != QUEUE) & (stays.outputs >> direction & 1 == 1))
        place = np.stack([stays.pe[used], np.full(len(used), direction)], axis=1)
        found.append((place, stays.left[used]))
    place, cycle = np.concatenate([p for p, _ in found]), np.concatenate([c for _, c in found])
    change = np.concatenate([np.ones(len(cycle), np.int64), np.full(len(cycle), -1)])
    return _levels(np.concatenate([place, place]), np.concatenate([cycle, cycle + 1]), change)


def _levels(place: Counts, cycle: Counts, change: Counts) -> Levels:
    """Sums of changes, one for each place and cycle in which the level is another than before."""
    order = np.lexsort((cycle, *place.T[::-1]))
    place, cycle, change = place[order], cycle[order], change[order]
    if not len(order):
        return Levels(place, cycle, change)
    new_place = np.any(place[1:] != place[:-1], axis=1)
    last_of_cycle = np.append(new_place | (cycle[1:] != cycle[:-1]), True)
    level = np.cumsum(change)  # every place comes back to what it began with only if its words have left
    first_of_place = np.insert(new_place, 0, True)
    before = (level - change)[first_of_place]
    level -= np.repeat(before, np.diff(np.append(np.flatnonzero(first_of_place), len(order))))
    place, cycle, level = place[last_of_cycle], cycle[last_of_cycle], level[last_of_cycle]
    start = np.insert(np.any(place[1:] != place[:-1], axis=1), 0, True)
    changed = start | (level != np.insert(level[:-1], 0, 0))
    return Levels(place[changed], cycle[changed], level[changed])
