"""The dates of one operation, and of one message at one FIFO, from those around them.

A word leaves a FIFO when it is visible, one cycle or more after the word before it, and once all FIFOs behind have
room again: a FIFO of capacity c takes word j the cycle after word j - c has left it, or later. An operation does a
group when all its words are there, it has rested, and its output queue has room. What is not known yet bounds nothing.
"""

from __future__ import annotations

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.jit import jit
from wse_sim.engine.stream.due import operation_due, place_due, place_of, ports_due
from wse_sim.engine.stream.stairs import (
    GROUND,
    UNSET,
    Stair,
    first_date,
    kept,
    last_date,
    not_before,
    paced,
    raised,
    same,
)
from wse_sim.engine.stream.tables import (
    G_AFTER,
    G_BEFORE,
    G_COUNT,
    G_OPEN,
    G_SOURCE,
    G_TREE,
    IN_SLOT,
    ISSUING,
    O_A,
    O_AFTER,
    O_AT,
    O_B,
    O_BEFORE,
    O_COUNT,
    O_CUE,
    O_LAST,
    O_LEAF_A,
    O_LEAF_B,
    O_OUT,
    O_PACE,
    O_PE,
    O_SHIFT,
    O_START,
    O_STEPS,
    P_AT,
    P_SHIFT,
    P_STEPS,
    SHARES,
    U_ROW,
    Stream,
)

# -- what is known --------------------------------------------------------------------------------------


@jit
def of_operation(stream: Stream, operation: int) -> Stair:
    """Dates of an operation's groups."""
    record = stream.trace.operation
    return (
        np.int64(record[operation, O_AT]), np.int64(record[operation, O_STEPS]), np.int64(record[operation, O_SHIFT])
    )  # fmt: skip


@jit
def is_leaf(stream: Stream, node: int) -> bool:
    return stream.trees.fifo[node] >= stream.state.fabric.queue[0]


@jit
def leaving(stream: Stream, message: int, node: int) -> Stair:
    """Dates at which a message's words leave a FIFO."""
    place = place_of(stream, message, node)
    at = np.int64(stream.trace.place[place, P_AT])
    if is_leaf(stream, node):
        return of_operation(stream, at) if at >= 0 else UNSET
    return at, np.int64(stream.trace.place[place, P_STEPS]), np.int64(stream.trace.place[place, P_SHIFT])


@jit
def arriving(stream: Stream, message: int, node: int) -> Stair:
    """Dates from which a message's words are visible at a FIFO."""
    parent = stream.trees.parent[node]
    if parent < 0:
        stair = of_operation(stream, stream.trace.message[message, G_SOURCE])
    else:
        stair = leaving(stream, message, parent)
    return stair[0], stair[1], stair[2] + stream.trees.latency[node]


@jit
def end_of(stream: Stream, operation: int) -> int:
    """Date at which an operation's last group has rested."""
    count = stream.trace.operation[operation, O_COUNT]
    return last_date(stream, of_operation(stream, operation), count) + stream.trace.operation[operation, O_LAST]


@jit
def delay_until(stream: Stream, operation: int) -> int:
    """Cycles that the stream operations of a PE have taken, this one the last."""
    return end_of(stream, operation) - stream.trace.operation[operation, O_START]


@jit
def free_again(stream: Stream, issue: int) -> int:
    """Date at which a slot is free after the operation that was started in it there."""
    operation, started = stream.trace.operation[issue, O_B], end_of(stream, issue)
    if operation >= 0:
        return end_of(stream, operation) + stream.state.costs.completion
    row = stream.scripts.cue[stream.trace.operation[issue, O_CUE], U_ROW]
    return started + max(stream.state.code.row[row, at.ISSUE] + stream.state.costs.completion, np.int64(1))


@jit
def started_before(stream: Stream, issue: int) -> tuple[int, int]:
    """An operation that was started in a slot there or earlier, the latest; and where one was before that; -1: none."""
    record = stream.trace.operation
    while issue >= 0 and record[issue, O_B] < 0:
        issue = np.int64(record[issue, O_A])
    if issue < 0:
        return np.int64(-1), np.int64(-1)
    return np.int64(record[issue, O_B]), np.int64(record[issue, O_A])


@jit
def start_of_operation(stream: Stream, operation: int) -> int:
    """Date at which its first group may be done: a known time of main thread lies between two operations.

    Of the start of a slot's operation: date at which the main thread comes there.
    """
    record = stream.trace.operation
    before = record[operation, O_BEFORE]
    if before < 0:
        return np.int64(record[operation, O_START])
    return end_of(stream, before) + record[operation, O_START] - record[before, O_START]


@jit
def after_room(stream: Stream, stair: Stair, message: int, node: int) -> Stair:
    """The staircase of a message on its way into a FIFO, no word before there is room for it."""
    record = stream.trace.message
    count, offset = np.int64(record[message, G_COUNT]), np.int64(stream.trees.capacity[node])
    earlier = np.int64(message)
    while True:
        words, bound = np.int64(record[earlier, G_COUNT]), leaving(stream, earlier, node)
        if earlier != message and bound[1] > 0 and last_date(stream, bound, words) < first_date(stream, stair):
            return stair  # all words of this message and of those before are gone by then
        if earlier != message or count > offset:
            stair = raised(stream, stair, count, bound, words, offset, np.int64(1))
        earlier = np.int64(record[earlier, G_BEFORE])
        if earlier < 0 or offset <= 0:
            return stair
        offset -= record[earlier, G_COUNT]


# -- what follows ---------------------------------------------------------------------------------------


@jit
def date_operation(stream: Stream, operation: int) -> bool:
    """Dates an operation of the main thread anew; whether they have changed."""
    record = stream.trace.operation
    if record[operation, O_PACE] == ISSUING:
        date, before = start_of_operation(stream, operation), record[operation, O_A]
        if before >= 0:
            date = max(date, free_again(stream, before))
        return change_operation(stream, operation, (GROUND, np.int64(1), date))
    stair = prompt_groups(stream, operation)
    if stair[1] == 0:
        return False
    stair = paced(stream, stair, np.int64(record[operation, O_COUNT]), np.int64(record[operation, O_PACE]))
    return change_operation(stream, operation, stair)


@jit
def prompt_groups(stream: Stream, operation: int) -> Stair:
    """Dates at which an operation's groups have their words and room; UNSET if no words are known."""
    record = stream.trace.operation
    count = np.int64(record[operation, O_COUNT])
    one, other, out = record[operation, O_A], record[operation, O_B], record[operation, O_OUT]
    start = start_of_operation(stream, operation)
    stair = GROUND, np.int64(1), start
    if one >= 0:
        arrival = arriving(stream, one, record[operation, O_LEAF_A])
        if arrival[1] == 0:
            return UNSET
        stair = not_before(stream, arrival, count, start)
    if other >= 0:
        arrival = arriving(stream, other, record[operation, O_LEAF_B])
        if arrival[1] == 0:
            return UNSET
        if one >= 0:
            stair = raised(stream, stair, count, arrival, count, np.int64(0), np.int64(0))
        else:
            stair = not_before(stream, arrival, count, start)
    if out >= 0:
        stair = after_room(stream, stair, out, stream.trees.first[stream.trace.message[out, G_TREE]])
    return stair


@jit
def change_operation(stream: Stream, operation: int, stair: Stair) -> bool:
    """Keeps new dates; False when they are the old ones."""
    record = stream.trace.operation
    one, other, out = record[operation, O_A], record[operation, O_B], record[operation, O_OUT]
    old = of_operation(stream, operation)
    if same(stream, stair, old):
        return False
    stair = kept(stream, stair)
    if stair[1] == 0:
        operation_due(stream, operation)
        return False
    record[operation, O_AT], record[operation, O_STEPS], record[operation, O_SHIFT] = stair
    if stream.progress.slotted[record[operation, O_PE]]:
        since = start_of_operation(stream, operation)
        slots_due(stream, operation, min(since, first_date(stream, old)) if old[1] > 0 else since)
    operation_due(stream, record[operation, O_AFTER])
    if record[operation, O_PACE] == ISSUING:
        operation_due(stream, other)
        if other < 0:
            operation_due(stream, out)
        return True
    if out >= 0:
        place_due(stream, out, stream.trees.first[stream.trace.message[out, G_TREE]])
    if one >= 0:
        input_taken(stream, one, record[operation, O_LEAF_A], stair, old[1] == 0)
    if other >= 0:
        input_taken(stream, other, record[operation, O_LEAF_B], stair, old[1] == 0)
    return True


@jit
def slots_due(stream: Stream, operation: int, date: int) -> None:
    """The issue slot is free in other cycles from a date on: slots may have to wait, and the main thread for one.

    That begins with the old dates, where what is before the operation has moved without it for a while.
    """
    record = stream.trace.operation
    if stream.trace.due[operation] & IN_SLOT:
        operation_due(stream, record[record[operation, O_BEFORE], O_OUT])
        return
    pe, slots = record[operation, O_PE], stream.state.cores.threads - 1
    for place in range(pe * slots, pe * slots + slots):
        other, issue = started_before(stream, np.int64(stream.progress.issue[place]))
        while other >= 0:
            dates = of_operation(stream, other)
            if dates[1] > 0 and last_date(stream, dates, np.int64(record[other, O_COUNT])) < date:
                break
            operation_due(stream, other)
            other, issue = started_before(stream, issue)


@jit
def input_taken(stream: Stream, message: int, leaf: int, stair: Stair, is_first: bool) -> None:
    """The dates at which a message leaves an input queue have changed: its router may have to wait."""
    parent, arrival = stream.trees.parent[leaf], arriving(stream, message, leaf)
    room = stream.trees.capacity[leaf] - stream.trees.latency[leaf]
    prompt = stair[0] == arrival[0] and stair[2] < arrival[2] + room
    if not (is_first and prompt):
        place_due(stream, message, parent)
    room_due(stream, message, leaf)
    if is_first:
        stream.trace.message[message, G_OPEN] -= 1
        if stream.trace.message[message, G_OPEN] == 0:
            close_message(stream, message)


@jit
def room_due(stream: Stream, message: int, node: int) -> None:
    """A message leaves a FIFO at other dates: those behind it, short ones together, may have to wait for room there."""
    record, parent, room = stream.trace.message, stream.trees.parent[node], np.int64(stream.trees.capacity[node])
    following = np.int64(record[message, G_AFTER])
    while following >= 0 and room > 0:
        if parent < 0:
            operation_due(stream, record[following, G_SOURCE])
        else:
            place_due(stream, following, parent)
        room -= record[following, G_COUNT]
        following = np.int64(record[following, G_AFTER])


@jit
def close_message(stream: Stream, message: int) -> None:
    """All operations that take a message are known: before, it went where there may be no room, and met nobody.

    Where others meet, it has its part in whose turn it is, even if it has an output to itself.
    """
    tree = stream.trace.message[message, G_TREE]
    for node in range(stream.trees.first[tree], stream.trees.first[tree + 1]):
        if stream.trees.needs[node] & SHARES:
            ports_due(stream, message, node)
        if stream.progress.contended[stream.trees.pe[node]] and not is_leaf(stream, node):
            place_due(stream, message, node)


@jit
def date_place(stream: Stream, message: int, node: int) -> bool:
    """Dates anew when a message leaves a router buffer, as if all outputs were its own; whether they have changed."""
    stair = unhindered(stream, message, node)
    return stair[1] > 0 and change_place(stream, message, node, stair)


@jit
def unhindered(stream: Stream, message: int, node: int) -> Stair:
    """Dates at which a message could leave a router buffer if all outputs were its own."""
    stair = arriving(stream, message, node)
    if stair[1] == 0:
        return stair
    record, trees = stream.trace.message, stream.trees
    count, before = np.int64(record[message, G_COUNT]), record[message, G_BEFORE]
    if before >= 0:
        words = np.int64(record[before, G_COUNT])
        stair = raised(stream, stair, count, leaving(stream, before, node), words, 1 - words, np.int64(1))
    for child in range(trees.child[node], trees.child[node] + trees.children[node]):
        stair = after_room(stream, stair, message, child)
    return stair


@jit
def change_place(stream: Stream, message: int, node: int, stair: Stair) -> bool:
    """Keeps new dates; False when they are the old ones."""
    place, old = place_of(stream, message, node), leaving(stream, message, node)
    if same(stream, stair, old):
        return False
    prompt = stair == arriving(stream, message, node)
    stair = kept(stream, stair)
    if stair[1] == 0:
        place_due(stream, message, node)
        return False
    stream.trace.place[place, P_AT], stream.trace.place[place, P_STEPS], stream.trace.place[place, P_SHIFT] = stair
    record, trees = stream.trace.message, stream.trees
    last = last_date(stream, stair, np.int64(record[message, G_COUNT]))
    stream.progress.latest[node] = max(np.int64(stream.progress.latest[node]), last)
    for child in range(trees.child[node], trees.child[node] + trees.children[node]):
        if is_leaf(stream, child):
            operation_due(stream, stream.trace.place[place_of(stream, message, child), P_AT])
        else:
            place_due(stream, message, child)
    parent, following = trees.parent[node], record[message, G_AFTER]
    place_due(stream, following, node)
    room_due(stream, message, node)
    if not (prompt and old[1] == 0):
        place_due(stream, message, parent)
    if parent < 0:
        operation_due(stream, record[message, G_SOURCE])
    if trees.needs[node] & SHARES and record[message, G_OPEN] == 0:
        ports_due(stream, message, node)
    return True
