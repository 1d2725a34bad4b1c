"""Background slots: asynchronous operations, and what they do to tasks when they end."""

from __future__ import annotations

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.cycle.stream import advance_all, step
from wse_sim.engine.jit import jit
from wse_sim.engine.state import State
from wse_sim.hardware.states import State as Doing
from wse_sim.program.instruction import Done

_OVERHEAD = np.int64(Doing.OVERHEAD)
_ACTIVATE, _UNBLOCK = np.int64(Done.ACTIVATE.value), np.int64(Done.UNBLOCK.value)


@jit
def finish_slots(state: State, pe: int, now: int) -> None:
    """Applies the completions that are due."""
    core, record, rows = state.cores.state, state.cores.thread, state.code.row
    first = pe * state.cores.threads
    for thread in range(first + 1, first + state.cores.threads):
        if record[thread, at.T_STATE] == at.UNUSED or record[thread, at.T_READY] > now:
            continue
        if record[thread, at.T_STATE] == at.WORKING and record[thread, at.T_DONE] == record[thread, at.T_COUNT]:
            end_slot(state, thread)
        if record[thread, at.T_STATE] == at.FINISHING and record[thread, at.T_READY] <= now:
            row = record[thread, at.T_ROW]
            record[thread, at.T_STATE] = at.UNUSED
            core[pe, at.LIVE] -= 1
            advance_all(state, pe, row)
            if rows[row, at.DONE] == _ACTIVATE:
                core[pe, at.ACTIVE] |= 1 << rows[row, at.TASK]
            elif rows[row, at.DONE] == _UNBLOCK:
                core[pe, at.BLOCKED] &= ~(1 << rows[row, at.TASK])


@jit
def end_slot(state: State, thread: int) -> None:
    """The rest after the last group is over; the completion is seen a little later."""
    record = state.cores.thread
    record[thread, at.T_STATE] = at.FINISHING
    record[thread, at.T_WHY] = _OVERHEAD
    record[thread, at.T_READY] += state.costs.completion


@jit
def run_slots(state: State, pe: int, now: int, high: bool) -> int:
    """Lets one slot issue, asked round-robin; returns the state it works in, -1: none could.

    high  whether to ask only those that go before the main thread, which has not started anything in this cycle yet
    """
    core, record, rows = state.cores.state, state.cores.thread, state.code.row
    slots = state.cores.threads - 1
    for k in range(slots):
        slot = (core[pe, at.TURN] + k) % slots
        thread = pe * state.cores.threads + 1 + slot
        if record[thread, at.T_STATE] != at.WORKING or record[thread, at.T_READY] > now:
            continue
        if high and (not rows[record[thread, at.T_ROW], at.HIGH] or record[thread, at.T_START] == now):
            continue
        if step(state, pe, thread, now):
            core[pe, at.TURN] = (slot + 1) % slots
            core[pe, at.ISSUED] = now
            return rows[record[thread, at.T_ROW], at.STATE]
    return -1
