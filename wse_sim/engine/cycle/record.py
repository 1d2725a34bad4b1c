"""The loop over cycles with a tape running: it steps the same phases and reads off what they changed.

A core in a recorded cycle never runs ahead, so that what it is in the middle of tells what the cycles until its next
visit count as; only a background slot that works in a cycle changes what that cycle counts as.
"""

from __future__ import annotations

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.cycle.burst import memory_cycles, stalls
from wse_sim.engine.cycle.clock import end_cycle, next_busy
from wse_sim.engine.cycle.core import work
from wse_sim.engine.cycle.fifo import LOW
from wse_sim.engine.cycle.filter import passed
from wse_sim.engine.cycle.pour import pour
from wse_sim.engine.cycle.router import route
from wse_sim.engine.jit import inlined, jit
from wse_sim.engine.layout import DST, A
from wse_sim.engine.state import GROUP, PLANES, Fabric, State
from wse_sim.engine.tape import (
    FULL,
    MOVES,
    MOVES_PER_CORE,
    MOVES_PER_ROUTER,
    OPEN_COUNT,
    OPEN_FROM,
    OPEN_LAST,
    OPEN_PIECES,
    OUTPUT_BITS,
    SLICES,
    SLICES_PER_CORE,
    SLOT_SPAN,
    SLOT_START,
    SPANS,
    STATE_BITS,
    Tape,
)
from wse_sim.hardware.states import State as Doing

_IDLE, _SCALAR, _SLOT_WAIT = np.int64(Doing.IDLE), np.int64(Doing.SCALAR), np.int64(Doing.SLOT_WAIT)
_PORT, _BANK, _PENDING = np.int64(Doing.PORT_STALL), np.int64(Doing.BANK_STALL), np.int64(Doing.PENDING_WRITE)
_TASK_SWITCH, _WEIGHT_WAIT = np.int64(Doing.TASK_SWITCH), np.int64(Doing.WEIGHT_WAIT)
_NO_ROW = np.int64(-1)
_FOR_EVER = np.int64(1 << 62)


@jit
def run_recorded(state: State, tape: Tape, now: int, until: int, bounds: np.ndarray) -> int:
    """`_run_cycles` on one thread, with a tape; also returns, with the cycle reached, when the tape is full."""
    strips = bounds.shape[0] - 1
    while now < until:
        now = next_busy(state, now, until)
        if now < 0 or now >= until:
            return now
        state.wakes.horizon[0] = now
        pour(state, now)
        plane = now & (PLANES - 1)
        cores = list_visited(tape, state.wakes.core, state.wakes.core_group, plane)
        routers = list_visited(tape, state.wakes.router, state.wakes.router_group, now & state.wakes.router_last)
        if is_full(state, tape, routers, cores + routers):
            tape.written[FULL] = now
            return now
        for strip in range(strips):
            route(state.fabric, state.wakes, now, bounds[strip], bounds[strip + 1])
        note_moves(state.fabric, tape, state.fabric.first, routers, now)
        cores = list_visited(tape, state.wakes.core, state.wakes.core_group, plane)
        for strip in range(strips):
            work(state, now, bounds[strip], bounds[strip + 1], strip)
        note_moves(state.fabric, tape, state.fabric.queue, cores, now)
        for i in range(cores):
            note_core(state, tape, tape.visited[i], now)
        if not end_cycle(state, now):
            return now + 1
        now += 1
    return now


@inlined
def list_visited(tape: Tape, flags: np.ndarray, group_flags: np.ndarray, plane: int) -> int:
    """Writes the recorded PEs that a phase will visit to `tape.visited`; returns how many."""
    count = 0
    for i in range(tape.areas):
        group = tape.groups[i]
        if group_flags[plane, group]:
            for pe in range(group * GROUP, group * GROUP + GROUP):
                if flags[plane, pe] and tape.number[pe] >= 0:
                    tape.visited[count] = pe
                    count += 1
    return count


@jit
def is_full(state: State, tape: Tape, routers: int, cores: int) -> bool:
    """Whether a cycle with so many visits may write more than there is room for."""
    moves = routers * MOVES_PER_ROUTER + cores * MOVES_PER_CORE
    return (
        tape.written[MOVES] + moves > tape.most_moves
        or tape.written[SLICES] + cores * SLICES_PER_CORE > tape.most_slices
        or tape.written[SPANS] + cores * (state.cores.threads - 1) > tape.most_spans
    )


# -- wavelets ---------------------------------------------------------------------------------------------


@jit
def note_moves(fabric: Fabric, tape: Tape, first: np.ndarray, visited: int, now: int) -> None:
    """Words that left FIFOs of visited PEs in this cycle; their slots in the rings still hold them.

    first  (pes + 1,): first FIFO of each PE, of its router or its core
    """
    place = tape.written[MOVES]
    for i in range(visited):
        pe = tape.visited[i]
        for index in range(first[pe], first[pe + 1]):
            fifo = fabric.at[index]
            taken = fabric.pool[fifo + at.F_HEAD]
            if (taken >> 32) & LOW == now & LOW:
                slot = (taken - 1) & fabric.pool[fifo + at.F_SHAPE] & 0xFFFF
                word = fabric.pool[fifo + at.F_RING + slot]
                tape.moves[place, 0] = index
                tape.moves[place, 1] = now - ((now - (word >> 32)) & LOW)
                tape.moves[place, 2] = now
                outputs = fabric.pool[fifo + at.F_OUTPUTS]
                if outputs & at.FILTERED:
                    outputs = passed(fabric, fifo, outputs)
                tape.moves[place, 3] = (outputs << OUTPUT_BITS) | (word & LOW)
                place += 1
    tape.written[MOVES] = place


# -- cores ------------------------------------------------------------------------------------------------


@inlined
def note_core(state: State, tape: Tape, pe: int, now: int) -> None:
    """After a visit: what has passed since the last one is certain now, and what lies ahead is planned anew."""
    number = tape.number[pe]
    write_pieces(tape, number, now)
    plan(state, tape, pe, number, now)
    note_slots(state, tape, pe, number, now)


@inlined
def write_pieces(tape: Tape, number: int, now: int) -> None:
    """Slices up to `now`, as planned."""
    start = tape.open[number, OPEN_FROM]
    for piece in range(tape.open[number, OPEN_COUNT]):
        end = min(tape.open[number, OPEN_PIECES + 2 * piece], now)
        if end > start:
            write_slice(tape, number, tape.open[number, OPEN_PIECES + 2 * piece + 1], start, end)
            start = end
    tape.open[number, OPEN_FROM] = now


@inlined
def write_slice(tape: Tape, number: int, what: int, start: int, end: int) -> None:
    """One more slice, or a longer last one; idle time is not written."""
    if what & ((1 << STATE_BITS) - 1) == _IDLE:
        return
    last = tape.open[number, OPEN_LAST]
    if last >= 0 and tape.slices[last, 2] == start and tape.slices[last, 3] == what:
        tape.slices[last, 2] = end
        return
    place = tape.written[SLICES]
    tape.slices[place, 0] = number
    tape.slices[place, 1] = start
    tape.slices[place, 2] = end
    tape.slices[place, 3] = what
    tape.open[number, OPEN_LAST] = place
    tape.written[SLICES] = place + 1


@inlined
def plan(state: State, tape: Tape, pe: int, number: int, now: int) -> None:
    """What the cycles from `now` on count as until the core is visited again."""
    core = state.cores.state
    tape.open[number, OPEN_COUNT] = 0
    if core[pe, at.SINCE] <= now:
        add_piece(tape, number, _FOR_EVER, core[pe, at.LABEL], row_of_label(state, pe, now))
        return
    if core[pe, at.ISSUED] == now:
        row = state.cores.thread[last_issued(state, pe), at.T_ROW]
        add_piece(tape, number, now + 1, state.code.row[row, at.STATE], row)
    row = core[pe, at.ROW]
    overhead = row if core[pe, at.BUBBLE] != _TASK_SWITCH else state.code.sequence[core[pe, at.PC]]
    add_piece(tape, number, core[pe, at.OCCUPIED], core[pe, at.BUBBLE], overhead)
    if core[pe, at.READY] > core[pe, at.OCCUPIED]:
        plan_held(state, tape, pe, number, row)


@jit
def plan_held(state: State, tape: Tape, pe: int, number: int, row: int) -> None:
    """The cycles in which the main thread holds the issue slot: what an operation in memory loses comes last."""
    core, record, rows = state.cores.state, state.cores.thread, state.code.row
    if rows[row, at.KIND] != at.MAP and rows[row, at.KIND] != at.VECTOR:
        add_piece(tape, number, core[pe, at.READY], _SCALAR, row)
        return
    thread = pe * state.cores.threads
    count = record[thread, at.T_COUNT]
    busy, port = memory_cycles(state.code, state.costs, row, count)
    end = core[pe, at.OCCUPIED] + busy
    add_piece(tape, number, end, rows[row, at.STATE], row)
    if end < core[pe, at.READY]:
        add_piece(tape, number, end + port, _PORT, row)
    if end + port < core[pe, at.READY]:
        dst, a = record[thread, at.T_DST], record[thread, at.T_A]
        if rows[row, at.KIND] == at.MAP:  # its step has moved its views on
            dst, a = dst - rows[row, DST + at.O_STEP], a - rows[row, A + at.O_STEP]
        bank, _ = stalls(state.code, state.costs, row, dst, a, record[thread, at.T_B], count)
        add_piece(tape, number, end + port + bank, _BANK, row)
        add_piece(tape, number, core[pe, at.READY], _PENDING, row)


@inlined
def add_piece(tape: Tape, number: int, end: int, label: int, row: int) -> None:
    place = OPEN_PIECES + 2 * tape.open[number, OPEN_COUNT]
    tape.open[number, place] = end
    tape.open[number, place + 1] = ((row + 1) << STATE_BITS) | label
    tape.open[number, OPEN_COUNT] += 1


@jit
def last_issued(state: State, pe: int) -> int:
    """The thread of the slot that last did a group."""
    slots = state.cores.threads - 1
    return pe * state.cores.threads + 1 + (state.cores.state[pe, at.TURN] + slots - 1) % slots


@jit
def row_of_label(state: State, pe: int, now: int) -> int:
    """The instruction that a PE's label comes from; -1 while it is idle."""
    core, record = state.cores.state, state.cores.thread
    if core[pe, at.ISSUED] == now:
        return record[last_issued(state, pe), at.T_ROW]
    if core[pe, at.LABEL] == _SLOT_WAIT or (core[pe, at.LABEL] == _WEIGHT_WAIT and core[pe, at.MODE] == at.RUNNING):
        return state.code.sequence[core[pe, at.PC]]
    if core[pe, at.MODE] != at.FREE:
        return core[pe, at.ROW]
    first = pe * state.cores.threads
    for thread in range(first + 1, first + state.cores.threads):
        if record[thread, at.T_STATE] != at.UNUSED:
            return record[thread, at.T_ROW]
    return _NO_ROW


# -- background slots -------------------------------------------------------------------------------------


@inlined
def note_slots(state: State, tape: Tape, pe: int, number: int, now: int) -> None:
    """Ends and begins of operations in background slots; one may end and another begin in a cycle."""
    record = state.cores.thread
    slots = state.cores.threads - 1
    for slot in range(slots):
        thread = pe * state.cores.threads + 1 + slot
        place = number * slots + slot
        in_use = record[thread, at.T_STATE] != at.UNUSED
        if tape.slot[place, SLOT_SPAN] >= 0 and not (
            in_use and record[thread, at.T_START] == tape.slot[place, SLOT_START]
        ):
            tape.spans[tape.slot[place, SLOT_SPAN], 4] = now
            tape.slot[place, SLOT_SPAN] = -1
        if in_use and tape.slot[place, SLOT_SPAN] < 0:
            span = tape.written[SPANS]
            tape.spans[span, 0] = number
            tape.spans[span, 1] = slot
            tape.spans[span, 2] = record[thread, at.T_ROW]
            tape.spans[span, 3] = record[thread, at.T_START]
            tape.spans[span, 4] = -1
            tape.slot[place, SLOT_START] = record[thread, at.T_START]
            tape.slot[place, SLOT_SPAN] = span
            tape.written[SPANS] = span + 1


@jit
def begin_tape(state: State, tape: Tape, now: int) -> None:
    """Before the first recorded cycle: what every recorded core is in the middle of."""
    for number in range(tape.recorded):
        pe = tape.pes[number]
        tape.open[number, OPEN_FROM] = now
        plan(state, tape, pe, number, now)
        note_slots(state, tape, pe, number, now)


@jit
def end_tape(tape: Tape, now: int) -> None:
    """After the last recorded cycle, `now` - 1: slices that are still open."""
    for number in range(tape.recorded):
        write_pieces(tape, number, now)
