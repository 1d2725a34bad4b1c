"""Cores: who issues in a cycle, and what the cycle counts as.

The main thread comes before background slots of low priority, so its own time never depends on them. Where no slot is
live it runs ahead: instructions on memory and registers are done at once and their cycles counted in bulk. An
instruction that meets the fabric waits for its cycle. While slots are live the main thread goes one segment at a time:
a segment is some overhead cycles, in which a slot may issue, and then cycles that hold the issue slot. A slot of high
priority takes those, too, and the cycles in which a segment would begin; all that follows is then a cycle later.
"""

from __future__ import annotations

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.cycle.main_thread import run_main
from wse_sim.engine.cycle.slots import finish_slots, run_slots
from wse_sim.engine.cycle.tally import count_cycles, recount, set_label
from wse_sim.engine.cycle.wake import wake_core
from wse_sim.engine.jit import inlined, jit
from wse_sim.engine.state import GROUP, PLANES, State, Wakes
from wse_sim.engine.table import prefetch
from wse_sim.hardware.states import State as Doing

_IDLE, _SLOT_WAIT, _WEIGHT_WAIT = np.int64(Doing.IDLE), np.int64(Doing.SLOT_WAIT), np.int64(Doing.WEIGHT_WAIT)
NEVER = np.int64(1 << 62)
AHEAD = 8  # visits between asking for memory and using it


@jit
def work(state: State, now: int, first_group: int, last_group: int, strip: int) -> None:
    """One cycle of the cores of some groups of PEs: a few ahead, what a visit needs is asked for."""
    visited, first = state.wakes.visited, first_group * GROUP
    last = list_booked(state.wakes, now & (PLANES - 1), first_group, last_group)
    for place in range(first, last + AHEAD):
        if place < last:
            prefetch_core(state, visited[place])
        middle = place - AHEAD // 2
        if first <= middle < last:
            prefetch_streams(state, visited[middle])
        if place - AHEAD >= first:
            visit(state, visited[place - AHEAD], now, strip)


@jit
def list_booked(wakes: Wakes, plane: int, first_group: int, last_group: int) -> int:
    """Lists the PEs whose cores are visited; returns the end of the list."""
    place = first_group * GROUP
    for group in range(first_group, last_group):
        if wakes.core_group[plane, group]:
            wakes.core_group[plane, group] = 0
            for pe in range(group * GROUP, group * GROUP + GROUP):
                if wakes.core[plane, pe]:
                    wakes.core[plane, pe] = 0
                    wakes.visited[place] = pe
                    place += 1
    return place


@inlined
def prefetch_core(state: State, pe: int) -> None:
    """The core, and the operation of its main thread."""
    thread = pe * state.cores.threads
    prefetch(state.cores.state, (pe, at.MODE))
    prefetch(state.cores.state, (pe, at.FINISH))
    prefetch(state.cores.thread, (thread, at.T_STATE))
    prefetch(state.cores.thread, (thread, at.T_START))
    prefetch(state.tally.state, (pe, at.MODE))


@inlined
def prefetch_streams(state: State, pe: int) -> None:
    """The FIFOs that the main thread's operation takes from and gives to."""
    if state.cores.state[pe, at.MODE] != at.STREAMING:
        return
    thread = pe * state.cores.threads
    row = state.cores.thread[thread, at.T_ROW]
    for operand in range(3):
        if state.code.row[row, at.DST + operand * at.OPERAND + at.O_KIND] == at.STREAM:
            fifo = state.cores.thread[thread, at.T_DST + operand]
            prefetch(state.fabric.pool, fifo)
            prefetch(state.fabric.pool, fifo + at.F_RING)


@jit
def visit(state: State, pe: int, now: int, strip: int) -> None:
    """Completions, a slot of high priority or the main thread, then any slot in what the main thread leaves free."""
    core = state.cores.state
    if core[pe, at.LIVE] == 0 and core[pe, at.READY] > now:
        wake_core(state.wakes, pe, now, core[pe, at.READY])
        return
    issued = np.int64(-1)
    if core[pe, at.LIVE] > 0:
        finish_slots(state, pe, now)
        issued = run_slots(state, pe, now, True)
    if issued < 0:
        if core[pe, at.SINCE] <= now < core[pe, at.READY]:  # it may have stood still
            set_label(state, pe, now, strip, label_of_group(state, pe))
        run_main(state, pe, now, strip)
        if core[pe, at.LIVE] > 0 and not is_held(core, pe, now):
            issued = run_slots(state, pe, now, False)
    elif is_held(core, pe, now):
        stand_still(state, pe, now, strip)
    if issued >= 0:
        if core[pe, at.SINCE] > now:
            recount(state, pe, strip, core[pe, at.BUBBLE], issued)
        else:
            set_label(state, pe, now, strip, issued)
    elif core[pe, at.READY] <= now:
        set_label(state, pe, now, strip, waiting_label(state, pe))
    book_next(state, pe, now, issued >= 0)


@inlined
def is_held(core: np.ndarray, pe: int, now: int) -> bool:
    """Whether the main thread holds the issue slot."""
    return core[pe, at.OCCUPIED] <= now < core[pe, at.READY]


@jit
def stand_still(state: State, pe: int, now: int, strip: int) -> None:
    """The main thread loses a cycle of those in which it holds the issue slot: it goes on a cycle later."""
    core = state.cores.state
    core[pe, at.OCCUPIED] += 1
    core[pe, at.READY] += 1
    if core[pe, at.SINCE] > now:  # they are counted already
        count_cycles(state, pe, strip, core[pe, at.BUBBLE], np.int64(1))
        core[pe, at.SINCE] += 1


@jit
def label_of_group(state: State, pe: int) -> int:
    """What a cycle counts as that the latest group of the main thread's stream operation takes."""
    return state.code.row[state.cores.thread[pe * state.cores.threads, at.T_ROW], at.STATE]


@jit
def waiting_label(state: State, pe: int) -> int:
    """What a cycle counts as in which nothing issued: the main thread's reason, else the lowest live slot's."""
    core = state.cores.state
    first = pe * state.cores.threads
    if core[pe, at.MODE] == at.STREAMING:
        return state.cores.thread[first, at.T_WHY]
    if core[pe, at.MODE] == at.RUNNING:
        slot = state.code.row[state.code.sequence[core[pe, at.PC]], at.SLOT]
        waits = state.cores.thread[first + 1 + slot, at.T_WHY] == _WEIGHT_WAIT
        return _WEIGHT_WAIT if waits else _SLOT_WAIT
    for slot in range(1, state.cores.threads):
        if state.cores.thread[first + slot, at.T_STATE] != at.UNUSED:
            return state.cores.thread[first + slot, at.T_WHY]
    return _IDLE


@inlined
def book_next(state: State, pe: int, now: int, issued: bool) -> None:
    """Books the next cycle in which this core may go on by itself; wavelets and room wake it besides."""
    core = state.cores.state
    due = core[pe, at.READY] if core[pe, at.READY] > now else NEVER
    if core[pe, at.LIVE] > 0:
        if issued:
            due = now + 1
        first = pe * state.cores.threads
        for slot in range(1, state.cores.threads):
            if state.cores.thread[first + slot, at.T_STATE] != at.UNUSED:
                ready = state.cores.thread[first + slot, at.T_READY]
                if ready > now:
                    due = min(due, ready)
                elif state.cores.thread[first + slot, at.T_START] == now:  # one of high priority may go next
                    due = now + 1
    if due < NEVER:
        wake_core(state.wakes, pe, now, due)
