"""Booking who is visited when. A visit that finds nothing to do changes nothing, so a spare one is harmless.

A router's booking is eight bytes, each written by one giver: no two words reach a port in the same cycle, for a link
carries one in a cycle and a core sends one. Byte p says in which buffer of port p a word arrives, by its F_NUMBER.
"""

from __future__ import annotations

import numpy as np

from wse_sim.engine.jit import inlined
from wse_sim.engine.layout import F_NUMBER, F_OWNER, F_PORT
from wse_sim.engine.state import GROUP_BITS, PLANES, Fabric, Wakes

_AGAIN = np.int64(7)  # byte of a booking that names no buffer
_LOOK = np.uint8(1)


@inlined
def wake_router(wakes: Wakes, pe: int, when: int) -> None:
    """Visits a router in cycle `when`, a little ahead, because it may have got room."""
    _book(wakes, pe, when, _AGAIN, _LOOK)


@inlined
def announce(fabric: Fabric, wakes: Wakes, fifo: int, when: int) -> None:
    """Visits the router that a buffer belongs to in cycle `when`, in which a word arrives there."""
    number = np.uint8(fabric.pool[fifo + F_NUMBER])
    _book(wakes, fabric.pool[fifo + F_OWNER], when, fabric.pool[fifo + F_PORT], number)


@inlined
def _book(wakes: Wakes, pe: int, when: int, byte: int, value: int) -> None:
    plane = when & wakes.router_last
    wakes.router_byte[plane, pe, byte] = value
    wakes.router_group[plane, pe >> GROUP_BITS] = 1
    wakes.any[when & (PLANES - 1)] = 1


@inlined
def wake_core(wakes: Wakes, pe: int, now: int, when: int) -> None:
    """Visits a core in cycle `when`; further ahead than the planes reach, it is visited on the way."""
    plane = min(when, now + PLANES - 1) & (PLANES - 1)
    wakes.core[plane, pe] = 1
    wakes.core_group[plane, pe >> GROUP_BITS] = 1
    wakes.any[plane] = 1
