"""Loops, branches, task bits and run-time routes."""

from __future__ import annotations

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.cycle.fifo import is_empty
from wse_sim.engine.cycle.wake import wake_router
from wse_sim.engine.faults import NOT_DRAINED, report_fault
from wse_sim.engine.jit import jit
from wse_sim.engine.layout import A
from wse_sim.engine.state import State


@jit
def go_on(state: State, pe: int, place: int, row: int) -> int:
    """Loop and branch instructions: moves the program counter; returns the cycles it takes."""
    rows, ints, core = state.code.row, state.cores.ints, state.cores.state
    kind = rows[row, at.KIND]
    register = rows[row, A + at.O_BASE]
    jumps = True
    if kind == at.LOOP or kind == at.END_LOOP:
        count = rows[row, at.COUNT] if rows[row, at.COUNT_AT] < 0 else ints[pe, rows[row, at.COUNT_AT]]
        ints[pe, register] = 0 if kind == at.LOOP else ints[pe, register] + 1
        goes_round = ints[pe, register] < count
        jumps = goes_round if kind == at.END_LOOP else not goes_round
    elif kind == at.WHEN:
        jumps = ints[pe, register] == 0
    elif kind == at.END_WHEN:
        jumps = False
    if jumps:
        core[pe, at.PC] = state.code.jump[place]
        return np.int64(rows[row, at.COST_TAKEN])
    return np.int64(rows[row, at.COST])


@jit
def change_task(state: State, pe: int, row: int) -> None:
    core = state.cores.state
    bit = np.int64(1) << state.code.row[row, at.TASK]
    kind = state.code.row[row, at.KIND]
    if kind == at.ACTIVATE:
        core[pe, at.ACTIVE] |= bit
    elif kind == at.BLOCK:
        core[pe, at.BLOCKED] |= bit
    else:
        core[pe, at.BLOCKED] &= ~bit


@jit
def rewrite_route(state: State, pe: int, row: int, now: int, strip: int) -> None:
    """The router takes the colour from the new input, and to the new outputs, from the next cycle on."""
    fabric, rows = state.fabric, state.code.row
    role = state.cores.role[pe]
    for port in range(5):
        local = state.code.fifo[role, rows[row, at.COLOR], port]
        if local < 0:
            continue
        fifo = fabric.at[fabric.first[pe] + local]
        if fabric.pool[fifo + at.F_OUTPUTS] != 0 and not is_empty(fabric, fifo):
            report_fault(state, pe, row, now, strip, NOT_DRAINED, port)
        fabric.pool[fifo + at.F_OUTPUTS] = rows[row, at.OUTPUTS] if port == rows[row, at.INPUT] else 0
    wake_router(state.wakes, pe, now + 1)
