"""Tasks: which one runs next on a free main thread."""

from __future__ import annotations

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.cycle.fifo import peek, pop, visible
from wse_sim.engine.cycle.tally import begin_segment
from wse_sim.engine.cycle.wake import wake_router
from wse_sim.engine.jit import jit
from wse_sim.engine.state import State
from wse_sim.hardware.states import State as Doing

_TASK_SWITCH = np.int64(Doing.TASK_SWITCH)


@jit
def pick_task(state: State, pe: int, now: int) -> int:
    """The lowest task that is active, or whose wavelet has arrived, and not blocked; -1: none."""
    core = state.cores.state
    role = state.cores.role[pe]
    for task in range(state.code.tasks):
        if state.code.entry[role, task] < 0 or core[pe, at.BLOCKED] >> task & 1:
            continue
        if core[pe, at.ACTIVE] >> task & 1:
            return task
        trigger = state.code.trigger[role, task]
        if trigger >= 0 and visible(state.fabric, state.fabric.at[state.fabric.queue[pe] + trigger], now):
            return task
    return -1


@jit
def start_task(state: State, pe: int, task: int, now: int, strip: int) -> None:
    """Clears the activation, or takes the wavelet that is the task's argument, and switches to the task."""
    core = state.cores.state
    role = state.cores.role[pe]
    trigger = state.code.trigger[role, task]
    if core[pe, at.ACTIVE] >> task & 1:
        core[pe, at.ACTIVE] &= ~(1 << task)
    elif trigger >= 0:
        fifo = state.fabric.at[state.fabric.queue[pe] + trigger]
        state.cores.ints[pe, state.code.argument[task]] = np.int32(np.uint32(peek(state.fabric, fifo)))
        if pop(state.fabric, fifo, now):
            wake_router(state.wakes, pe, now + 1)
    core[pe, at.MODE] = at.RUNNING
    core[pe, at.PC] = state.code.entry[role, task]
    begin_segment(state, pe, now, strip, _TASK_SWITCH, state.costs.task_switch)
