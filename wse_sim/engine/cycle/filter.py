"""Filters before the ramp, wavelet by wavelet."""

from __future__ import annotations

import numpy as np

from wse_sim.engine.jit import inlined, jit
from wse_sim.engine.layout import F_RING, F_SHAPE, FILTERED, L_KEEP, L_OF, L_PLACE, L_WITHHELD
from wse_sim.engine.state import Fabric

RAMP_BIT = np.int64(1 << 4)


@inlined
def filter_of(fabric: Fabric, fifo: int) -> int:
    """Where a filtered buffer's words are."""
    return np.int64(fifo + F_RING + (fabric.pool[fifo + F_SHAPE] & 0xFFFF) + 1)


@jit
def passes(fabric: Fabric, fifo: int, outputs: int) -> int:
    """The outputs of a filtered buffer's oldest wavelet: without the ramp if it is withheld."""
    words = filter_of(fabric, fifo)
    taken = fabric.pool[words + L_PLACE] < fabric.pool[words + L_KEEP]
    return np.int64(outputs & ~FILTERED if taken else outputs & ~FILTERED & ~RAMP_BIT)


@jit
def count_passed(fabric: Fabric, fifo: int) -> None:
    """After a wavelet has left a filtered buffer."""
    words = filter_of(fabric, fifo)
    place = fabric.pool[words + L_PLACE]
    if place >= fabric.pool[words + L_KEEP]:
        fabric.pool[words + L_WITHHELD] += 1
    fabric.pool[words + L_PLACE] = place + 1 if place + 1 < fabric.pool[words + L_OF] else 0


@jit
def passed(fabric: Fabric, fifo: int, outputs: int) -> int:
    """The outputs through which a filtered buffer's last wavelet went."""
    words = filter_of(fabric, fifo)
    place = fabric.pool[words + L_PLACE]
    before = place - 1 if place > 0 else fabric.pool[words + L_OF] - 1
    taken = before < fabric.pool[words + L_KEEP]
    return np.int64(outputs & ~FILTERED if taken else outputs & ~FILTERED & ~RAMP_BIT)
