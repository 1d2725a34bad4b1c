"""Dates -> what the cycles of cores count as, what FIFOs have passed, when sections began and ended."""

from __future__ import annotations

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.jit import jit
from wse_sim.engine.stream.dates import (
    arriving,
    end_of,
    leaving,
    of_operation,
    start_of_operation,
)
from wse_sim.engine.stream.router import last_of_before, turn_before
from wse_sim.engine.stream.stairs import date_of, last_date, same
from wse_sim.engine.stream.tables import (
    COMPONENT,
    G_AFTER,
    G_COUNT,
    G_TREE,
    MESSAGES,
    N_LEAVES,
    N_OPERATION,
    N_SECTION,
    N_TIME,
    NOTES,
    O_A,
    O_B,
    O_COUNT,
    O_LAST,
    O_LEAF_A,
    O_LEAF_B,
    O_OUT,
    O_PACE,
    O_PE,
    O_ROW,
    O_START,
    OPERATIONS,
    UNKNOWN_TURN,
    Stream,
)
from wse_sim.engine.stream.thread import mark
from wse_sim.hardware.states import State as Doing

_INPUT_WAIT, _OUTPUT_BLOCKED = np.int64(Doing.INPUT_WAIT), np.int64(Doing.OUTPUT_BLOCKED)
ALL_DATES = np.int64(1 << 40)
LOW = np.int64(0xFFFFFFFF)


@jit
def count_component(stream: Stream) -> None:
    """Writes a component's dates into the machine's counters; before it, none of them has changed but its cores'."""
    component, parts = stream.counter[COMPONENT], stream.components
    for index in range(parts.first[component], parts.first[component + 1]):
        turn = turn_at_end(stream, parts.pe[index])
        if turn < 0:
            stream.failed[0] = UNKNOWN_TURN
            return
        stream.state.fabric.turn[parts.pe[index]] = turn
    for operation in range(stream.counter[OPERATIONS]):
        count_operation(stream, operation)
    for message in range(stream.counter[MESSAGES]):
        tree = stream.trace.message[message, G_TREE]
        for node in range(stream.trees.first[tree], stream.trees.first[tree + 1]):
            count_fifo(stream, message, node)
    for place in range(stream.counter[NOTES]):
        operation = stream.trace.note[place, N_OPERATION]
        time = stream.trace.note[place, N_TIME] + delay_until(stream, operation) + stream.begin[0]
        mark(stream, stream.trace.note[place, N_SECTION], time, stream.trace.note[place, N_LEAVES])
    for index in range(parts.first[component], parts.first[component + 1]):
        end_core(stream, parts.pe[index])


@jit
def delay_until(stream: Stream, operation: int) -> int:
    """Cycles that the stream operations of a PE have taken, this one the last."""
    return end_of(stream, operation) - stream.trace.operation[operation, O_START]


@jit
def end_core(stream: Stream, pe: int) -> None:
    """The cycle at which a core rests."""
    operation = stream.progress.last[pe]
    if operation >= 0:
        core, delay = stream.state.cores.state, delay_until(stream, operation)
        core[pe, at.READY] += delay
        core[pe, at.OCCUPIED] += delay
        core[pe, at.SINCE] += delay
        core[pe, at.FINISH] += delay


@jit
def turn_at_end(stream: Stream, pe: int) -> int:
    fabric = stream.state.fabric
    if fabric.first[pe + 1] == fabric.first[pe]:
        return np.int64(fabric.turn[pe])
    return turn_before(stream, pe, ALL_DATES)


# -- cores ----------------------------------------------------------------------------------------------


@jit
def count_operation(stream: Stream, operation: int) -> None:
    """Cycles at work, waiting for input, and for room."""
    record, state = stream.trace.operation, stream.state
    pe, row, count = record[operation, O_PE], record[operation, O_ROW], np.int64(record[operation, O_COUNT])
    pause, pace = state.costs.stream_pause, np.int64(record[operation, O_PACE])
    before_last = (count - 1) * pace
    if pause > 0:
        before_last += (count - 1) // pause
    waited = last_date(stream, of_operation(stream, operation), count) - start_of_operation(stream, operation)
    waited -= before_last
    blocked = blocked_cycles(stream, operation) if waited > 0 else np.int64(0)
    section = state.code.row[row, at.SECTION]
    add_cycles(stream, pe, section, np.int64(state.code.row[row, at.STATE]), before_last + record[operation, O_LAST])
    add_cycles(stream, pe, section, _INPUT_WAIT, waited - blocked)
    add_cycles(stream, pe, section, _OUTPUT_BLOCKED, blocked)


@jit
def add_cycles(stream: Stream, pe: int, section: int, label: int, cycles: int) -> None:
    stream.state.tally.state[pe, label] += cycles
    stream.state.tally.section[0, section, label] += cycles


@jit
def blocked_cycles(stream: Stream, operation: int) -> int:
    """Cycles in which all input was there, but no room."""
    record = stream.trace.operation
    if record[operation, O_OUT] < 0:
        return np.int64(0)
    own = of_operation(stream, operation)
    one, other = record[operation, O_A], record[operation, O_B]
    first = second = own
    if one >= 0:
        first = arriving(stream, one, record[operation, O_LEAF_A])
        if same(stream, own, first):
            return np.int64(0)
    if other >= 0:
        second = arriving(stream, other, record[operation, O_LEAF_B])
        if same(stream, own, second):
            return np.int64(0)
    pause, total, free = stream.state.costs.stream_pause, np.int64(0), start_of_operation(stream, operation)
    for i in range(record[operation, O_COUNT]):
        there = free
        if one >= 0:
            there = max(there, date_of(stream, first, i))
        if other >= 0:
            there = max(there, date_of(stream, second, i))
        date = date_of(stream, own, i)
        total += date - there
        free = date + record[operation, O_PACE]
        if pause > 0 and (i + 1) % pause == 0:
            free += 1
    return total


# -- FIFOs ----------------------------------------------------------------------------------------------


@jit
def count_fifo(stream: Stream, message: int, node: int) -> None:
    """Words that a FIFO has passed, and the cycles in which a visible word waited there."""
    pool = stream.state.fabric.pool
    fifo = stream.state.fabric.at[stream.trees.fifo[node]]
    own, arrival = leaving(stream, message, node), arriving(stream, message, node)
    count = np.int64(stream.trace.message[message, G_COUNT])
    if own != arrival:
        before = last_of_before(stream, message, node)
        for i in range(count):
            date = date_of(stream, own, i)
            pool[fifo + at.F_BLOCKED] += date - max(date_of(stream, arrival, i), before + 1)
            before = date
    head, tail = pool[fifo + at.F_HEAD], pool[fifo + at.F_TAIL]
    pool[fifo + at.F_TAIL] = (tail + count) & LOW
    stamp = head >> 32
    if stream.trace.message[message, G_AFTER] < 0:
        stamp = stream.begin[0] + last_date(stream, own, count)
    pool[fifo + at.F_HEAD] = (stamp & LOW) << 32 | ((head + count) & LOW)
