"""Booking who is visited when. A visit that finds nothing to do changes nothing, so a spare one is harmless."""

from __future__ import annotations

from wse_sim.engine.jit import inlined
from wse_sim.engine.state import GROUP_BITS, PLANES, Wakes


@inlined
def wake_router(wakes: Wakes, pe: int, when: int) -> None:
    """Visits a router in cycle `when`, at most PLANES - 1 cycles ahead."""
    plane = when & (PLANES - 1)
    wakes.router[plane, pe] = 1
    wakes.router_group[plane, pe >> GROUP_BITS] = 1
    wakes.any[plane] = 1


@inlined
def wake_core(wakes: Wakes, pe: int, now: int, when: int) -> None:
    """Visits a core in cycle `when`; further ahead than the planes reach, it is visited on the way."""
    plane = min(when, now + PLANES - 1) & (PLANES - 1)
    wakes.core[plane, pe] = 1
    wakes.core_group[plane, pe >> GROUP_BITS] = 1
    wakes.any[plane] = 1
