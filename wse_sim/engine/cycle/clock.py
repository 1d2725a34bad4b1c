"""The loop over cycles: routers, then cores; within each, the order of visits does not matter."""

from __future__ import annotations

from collections.abc import Callable
from functools import cache
from types import FunctionType

import numba
import numpy as np

from wse_sim.engine.cycle.core import work
from wse_sim.engine.cycle.fifo import age_stamps
from wse_sim.engine.cycle.pour import pour
from wse_sim.engine.cycle.router import route
from wse_sim.engine.jit import compiled, jit
from wse_sim.engine.state import PLANES, State
from wse_sim.engine.table import Table

AGE_EVERY = 1 << 29  # cycles

Clock = Callable[[Table, int, int, np.ndarray], int]


def _run_cycles(state: State, now: int, until: int, bounds: np.ndarray) -> int:
    """Runs from cycle `now` up to `until`; returns the cycle reached, or -1 - it where all have come to rest.

    bounds  (strips + 1,) int64: groups of PEs at which strips begin; strips may run on threads of their own
    """
    strips = bounds.shape[0] - 1
    while now < until:
        now = next_busy(state, now, until)
        if now < 0 or now >= until:
            return now
        pour(state, now)
        for strip in numba.prange(strips):
            route(state.fabric, state.wakes, now, bounds[strip], bounds[strip + 1])
        for strip in numba.prange(strips):
            work(state, now, bounds[strip], bounds[strip + 1], strip)
        if not end_cycle(state, now):
            return now + 1
        now += 1
    return now


@jit
def next_busy(state: State, now: int, until: int) -> int:
    """The next cycle in which anyone is visited; -1 - now when nobody is ever again."""
    for ahead in range(PLANES):
        if state.wakes.any[(now + ahead) & (PLANES - 1)]:
            return min(now + ahead, until)
    return -1 - now


@jit
def end_cycle(state: State, now: int) -> bool:
    """Clears the cycle's plane; False when a fault has come to pass."""
    wakes = state.wakes
    wakes.any[now & (PLANES - 1)] = 0
    if now - wakes.aged[0] >= AGE_EVERY:
        age_stamps(state.fabric, now)
        wakes.aged[0] = now
    for strip in range(state.tally.strips):
        if state.tally.fault[strip, 0] != 0 and state.tally.fault[strip, 2] <= now:
            return False
    return True


@cache
def clock(*, parallel: bool) -> Clock:
    """The compiled loop; the parallel one is compiled when it is first asked for.

    It goes by a name of its own: numba's cache tells functions apart by name, not by how they are compiled.
    """
    if not parallel:
        return jit(_run_cycles)
    twin = FunctionType(_run_cycles.__code__, globals(), "_run_cycles_on_threads")
    twin.__qualname__ = twin.__name__
    return compiled(twin, parallel=True)
