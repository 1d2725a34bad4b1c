"""Which wavelet is which: stays of one wavelet in queue after queue, copies of a multicast included."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wse_sim.hardware.geometry import Direction
from wse_sim.report.grids import Counts
from wse_sim.report.trace.events import QUEUE, STILL_THERE

if TYPE_CHECKING:
    from wse_sim.report.trace.recording import Recording

NONE = -1


def parents(recording: Recording) -> Counts:
    """For each stay, the index of the stay that its wavelet came from; -1 for one that began in an output queue,
    or outside what was recorded.

    A router moves at most one wavelet of a colour in a cycle, so PE, colour and cycle name it.
    """
    stays = recording.stays
    span = recording.end + 1  # all that came into a queue came before the end
    moved = np.flatnonzero((stays.port != QUEUE) & (stays.left != STILL_THERE))
    colors = max(len(recording.colors), 1)
    key = (stays.pe * colors + stays.color) * span
    order = moved[np.argsort(key[moved] + stays.left[moved])]
    left = key[order] + stays.left[order]
    came = np.flatnonzero((stays.port != Direction.RAMP) & (stays.entered >= 0))
    step = np.array([d.dx + d.dy * recording.width for d in Direction] + [0])
    giver = stays.pe[came] + step[stays.port[came]]
    wanted = (giver * colors + stays.color[came]) * span + stays.entered[came]
    at = np.minimum(np.searchsorted(left, wanted), max(len(left) - 1, 0))
    found = np.full(len(stays), NONE, np.int64)
    if len(left):
        known = left[at] == wanted
        found[came[known]] = order[at[known]]
    return found


def wavelet_of(recording: Recording) -> Counts:
    """A number for each stay, the same for all stays of a wavelet and of its copies: the index of the first."""
    parent = parents(recording)
    root = np.where(parent == NONE, np.arange(len(parent)), parent)
    while True:
        further = root[root]
        if np.array_equal(further, root):
            return root
        root = further
