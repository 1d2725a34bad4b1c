"""Who does what: cores go from stream operation to stream operation as their words come, whatever the time.

Each thread of a core is a sequential process: the main thread starts the operations of slots in an order of its own,
and waits for a slot that is in use. A FIFO has one giver and one taker; so the order of operations does not depend on
time. (Threads of a core that use a colour at the same time are found when all dates are known.) An operation is done
when all words that it takes have been sent. A core that waits in vain here waits in vain on the machine.
"""

from __future__ import annotations

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.jit import jit
from wse_sim.engine.stream.due import operation_due, place_due
from wse_sim.engine.stream.settle import look_at_message, look_at_operation
from wse_sim.engine.stream.tables import (
    C_CUE,
    DATES_DUE,
    DEADLOCK,
    FINE,
    FULL,
    G_AFTER,
    G_BEFORE,
    G_COUNT,
    G_LEFT,
    G_OPEN,
    G_PLACES,
    G_SOURCE,
    G_TREE,
    G_WORDS,
    IN_SLOT,
    ISSUING,
    MESSAGES,
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
    OPERATIONS,
    P_AT,
    P_DUE,
    P_SHIFT,
    P_STEPS,
    PLACES,
    QUEUE_FIRST,
    QUEUE_LENGTH,
    U_A,
    U_B,
    U_GROUPS,
    U_LAST,
    U_OUT,
    U_PACE,
    U_ROW,
    U_SLOT,
    U_START,
    UNMATCHED,
    WOKEN,
    Stream,
)

NOBODY = np.int64(-1)


@jit
def enqueue(stream: Stream, pe: int) -> None:
    """Puts a core at the end of those that can go on, if it is not among them."""
    if stream.progress.queued[pe]:
        return
    stream.progress.queued[pe] = 1
    size = stream.progress.queue.shape[0]
    place = stream.counter[QUEUE_FIRST] + stream.counter[QUEUE_LENGTH]
    stream.progress.queue[place - size if place >= size else place] = pe
    stream.counter[QUEUE_LENGTH] += 1


@jit
def run_round(stream: Stream) -> None:
    """Every core that can go on does its next operation, which is dated; `failed` says what was in the way.

    Cores that wait for what an operation sends follow it at once, so that the trace is close in memory.
    """
    counter, queue = stream.counter, stream.progress.queue
    run_woken(stream)
    for _ in range(counter[QUEUE_LENGTH]):
        if stream.failed[0] != FINE:
            return
        pe = np.int64(queue[counter[QUEUE_FIRST]])
        stream.progress.queued[pe] = 0
        goes_on = go_on(stream, pe)
        if stream.failed[0] != FINE:
            return
        counter[QUEUE_FIRST] = 0 if counter[QUEUE_FIRST] + 1 == queue.shape[0] else counter[QUEUE_FIRST] + 1
        counter[QUEUE_LENGTH] -= 1
        if goes_on:
            enqueue(stream, pe)
        run_woken(stream)


@jit
def wake(stream: Stream, pe: int) -> None:
    """Puts a core on the stack of those that can go on at once, if it is not among those that can go on."""
    if not stream.progress.queued[pe]:
        stream.progress.queued[pe] = 1
        stream.progress.woken[stream.counter[WOKEN]] = pe
        stream.counter[WOKEN] += 1


@jit
def run_woken(stream: Stream) -> None:
    """Empties the stack of cores that have been woken."""
    counter, progress = stream.counter, stream.progress
    while counter[WOKEN] > 0:
        counter[WOKEN] -= 1
        pe = np.int64(progress.woken[counter[WOKEN]])
        progress.queued[pe] = 0
        goes_on = go_on(stream, pe)
        if stream.failed[0] != FINE:
            wake(stream, pe)
            return
        if goes_on:
            enqueue(stream, pe)


@jit
def go_on(stream: Stream, pe: int) -> bool:
    """Slots whose words have come, then the main thread's next operation; whether it can go on from there."""
    scripts, progress = stream.scripts, stream.progress
    if progress.slotted[pe]:
        start_slots(stream, pe)
        if stream.failed[0] != FINE:
            return False
    script, done = np.int64(progress.script[pe]), np.int64(progress.done[pe])
    cue, end = scripts.script[script, C_CUE] + done, scripts.script[script + 1, C_CUE]
    if cue == end:
        return False
    if scripts.cue[cue, U_SLOT] >= 0:
        operation = issue_slot(stream, pe, cue)
    else:
        operation = do_operation(stream, pe, cue)
    if operation < 0:
        return False
    progress.done[pe] = done + 1
    follow(stream, pe, operation)
    date(stream, operation)
    if scripts.cue[cue, U_SLOT] >= 0 and scripts.cue[cue, U_GROUPS] > 0:
        start_slot(stream, pe, operation)
    return cue + 1 < end and stream.failed[0] == FINE


@jit
def date(stream: Stream, operation: int) -> None:
    look_at_operation(stream, operation)
    look_at_message(stream, operation)


@jit
def follow(stream: Stream, pe: int, operation: int) -> None:
    """The operation is the main thread's next."""
    record, before = stream.trace.operation, stream.progress.last[pe]
    record[operation, O_BEFORE] = before
    if before >= 0:
        record[before, O_AFTER] = operation
    else:
        stream.progress.first[pe] = operation
    stream.progress.last[pe] = operation


@jit
def do_operation(stream: Stream, pe: int, cue: int) -> int:
    """A stream operation if its words are there; -1: it waits for them."""
    groups = np.int64(stream.scripts.cue[cue, U_GROUPS])
    leaf_a, leaf_b = input_of(stream, pe, cue, U_A), input_of(stream, pe, cue, U_B)
    tree = output_of(stream, pe, cue)
    if stream.failed[0] != FINE:
        return NOBODY
    message_a = next_message(stream, leaf_a)
    if leaf_a >= 0 and message_a < 0:
        return NOBODY
    message_b = next_message(stream, leaf_b)
    if leaf_b >= 0 and message_b < 0:
        return NOBODY
    if not fits(stream, pe, cue, message_a, groups) or not fits(stream, pe, cue, message_b, groups):
        return NOBODY
    if not has_room(stream, tree):
        stream.failed[0] = FULL
        return NOBODY
    operation = new_operation(stream, pe, cue)
    record = stream.trace.operation
    record[operation, O_A], record[operation, O_B] = message_a, message_b
    record[operation, O_LEAF_A], record[operation, O_LEAF_B] = leaf_a, leaf_b
    if tree >= 0:
        record[operation, O_OUT] = new_message(stream, tree, groups, operation)
    take(stream, leaf_a, message_a, operation)
    take(stream, leaf_b, message_b, operation)
    return operation


# -- background slots -----------------------------------------------------------------------------------


@jit
def issue_slot(stream: Stream, pe: int, cue: int) -> int:
    """The start of a slot's operation; -1: the slot is in use, for words that have not been sent yet."""
    record, slots = stream.trace.operation, stream.state.cores.threads - 1
    place = pe * slots + stream.scripts.cue[cue, U_SLOT]
    before = np.int64(stream.progress.issue[place])
    if before >= 0 and is_open(stream, before):
        return NOBODY
    if not has_room(stream, NOBODY):
        stream.failed[0] = FULL
        return NOBODY
    operation = new_operation(stream, pe, cue)
    record[operation, O_COUNT], record[operation, O_PACE], record[operation, O_LAST] = 1, ISSUING, 0
    record[operation, O_A] = before
    if before >= 0:
        record[before, O_OUT] = operation
    stream.progress.issue[place] = operation
    stream.progress.slotted[pe] = 1
    return operation


@jit
def is_open(stream: Stream, issue: int) -> bool:
    """Whether the operation that was started in a slot still waits for words that have not been sent."""
    record = stream.trace.operation
    return record[issue, O_B] < 0 and stream.scripts.cue[record[issue, O_CUE], U_GROUPS] > 0


@jit
def next_open_slot(stream: Stream, pe: int, slot: int) -> int:
    """The first slot from one on whose operation still waits for words that have not been sent; -1: none."""
    slots = stream.state.cores.threads - 1
    for each in range(slot, slots):
        issue = np.int64(stream.progress.issue[pe * slots + each])
        if issue >= 0 and is_open(stream, issue):
            return np.int64(each)
    return NOBODY


@jit
def start_slots(stream: Stream, pe: int) -> None:
    """Goes on with the slots whose words have been sent meanwhile."""
    slot = next_open_slot(stream, pe, np.int64(0))
    while slot >= 0 and stream.failed[0] == FINE:
        start_slot(stream, pe, np.int64(stream.progress.issue[pe * (stream.state.cores.threads - 1) + slot]))
        slot = next_open_slot(stream, pe, slot + 1)


@jit
def start_slot(stream: Stream, pe: int, issue: int) -> None:
    """The operation in a slot, if its words are there."""
    record = stream.trace.operation
    cue = np.int64(record[issue, O_CUE])
    operation = do_operation(stream, pe, cue)
    if operation >= 0:
        record[issue, O_B], record[operation, O_BEFORE] = operation, issue
        record[operation, O_START] += stream.state.code.row[stream.scripts.cue[cue, U_ROW], at.ISSUE]
        stream.trace.due[operation] |= IN_SLOT
        date(stream, operation)


# -- messages -------------------------------------------------------------------------------------------


@jit
def input_of(stream: Stream, pe: int, cue: int, column: int) -> int:
    """Node of the input queue from which an operation takes its a or b; -1: from none."""
    local = np.int64(stream.scripts.cue[cue, column])
    if local < 0:
        return NOBODY
    return reached(stream, pe, cue, np.int64(stream.trees.node[stream.state.fabric.queue[pe] + local]))


@jit
def output_of(stream: Stream, pe: int, cue: int) -> int:
    """Tree that the operation sends into; -1: it sends nothing."""
    local = np.int64(stream.scripts.cue[cue, U_OUT])
    if local < 0:
        return NOBODY
    node = reached(stream, pe, cue, np.int64(stream.trees.node[stream.state.fabric.first[pe] + local]))
    return np.int64(stream.trees.tree[node]) if node >= 0 else NOBODY


@jit
def reached(stream: Stream, pe: int, cue: int, node: int) -> int:
    """The node; none means that words never come or go there."""
    if node < 0:
        fails_at(stream, DEADLOCK, pe, cue)
    return node


@jit
def fails_at(stream: Stream, why: int, pe: int, cue: int) -> None:
    stream.failed[0], stream.failed[1], stream.failed[2] = why, pe, stream.scripts.cue[cue, U_ROW]


@jit
def next_message(stream: Stream, leaf: int) -> int:
    """The message that an input queue's PE reads next; -1: not sent yet, and the PE is noted as waiting."""
    if leaf < 0:
        return NOBODY
    last = stream.progress.read[leaf]
    tree = stream.trees.tree[leaf]
    found = stream.progress.head[tree] if last < 0 else stream.trace.message[last, G_AFTER]
    if found < 0:
        stream.progress.waits[leaf] = 1
    return np.int64(found)


@jit
def fits(stream: Stream, pe: int, cue: int, message: int, groups: int) -> bool:
    """Whether the operation takes exactly what was sent."""
    if message < 0 or stream.trace.message[message, G_COUNT] == groups:
        return True
    fails_at(stream, UNMATCHED, pe, cue)
    return False


@jit
def has_room(stream: Stream, tree: int) -> bool:
    """Whether the trace has room for one more operation and what it sends into a tree."""
    trace, counter = stream.trace, stream.counter
    if counter[OPERATIONS] == trace.operation.shape[0] or counter[MESSAGES] == trace.message.shape[0]:
        return False
    if tree < 0:
        return True
    nodes = stream.trees.first[tree + 1] - stream.trees.first[tree]
    return counter[PLACES] + nodes <= trace.place.shape[0]


@jit
def new_operation(stream: Stream, pe: int, cue: int) -> int:
    """What the cue says, with no words and nothing before or after."""
    record, cues = stream.trace.operation, stream.scripts.cue
    operation = stream.counter[OPERATIONS]
    stream.counter[OPERATIONS] = operation + 1
    record[operation, O_PE], record[operation, O_CUE] = pe, cue
    record[operation, O_COUNT], record[operation, O_START] = cues[cue, U_GROUPS], cues[cue, U_START]
    for column in (O_BEFORE, O_AFTER, O_A, O_B, O_OUT, O_LEAF_A, O_LEAF_B):
        record[operation, column] = NOBODY
    record[operation, O_AT] = record[operation, O_STEPS] = record[operation, O_SHIFT] = 0
    record[operation, O_PACE], record[operation, O_LAST] = cues[cue, U_PACE], cues[cue, U_LAST]
    stream.trace.due[operation] = 0
    operation_due(stream, operation)
    return operation


@jit
def new_message(stream: Stream, tree: int, groups: int, operation: int) -> int:
    """What the operation sends; PEs that wait for it can go on."""
    record, trees, progress = stream.trace.message, stream.trees, stream.progress
    message, before = stream.counter[MESSAGES], progress.tail[tree]
    stream.counter[MESSAGES] = message + 1
    record[message, G_TREE], record[message, G_COUNT], record[message, G_SOURCE] = tree, groups, operation
    record[message, G_WORDS] = NOBODY
    record[message, G_PLACES] = stream.counter[PLACES]
    record[message, G_BEFORE], record[message, G_AFTER] = before, -1
    record[message, G_LEFT] = record[message, G_OPEN] = trees.leaves[tree]
    if before >= 0:
        record[before, G_AFTER] = message
    else:
        progress.head[tree] = message
    progress.tail[tree] = message
    place = stream.counter[PLACES]
    for node in range(trees.first[tree], trees.first[tree + 1]):
        leaf = trees.fifo[node] >= stream.state.fabric.queue[0]
        stream.trace.place[place, P_AT] = NOBODY if leaf else np.int64(0)
        stream.trace.place[place, P_STEPS] = stream.trace.place[place, P_SHIFT] = 0
        stream.trace.place[place, P_DUE] = np.int64(0) if leaf else DATES_DUE
        place += 1
        if leaf and progress.waits[node]:
            progress.waits[node] = 0
            wake(stream, np.int64(trees.pe[node]))
    stream.counter[PLACES] = place
    place_due(stream, message, trees.first[tree])
    return message


@jit
def take(stream: Stream, leaf: int, message: int, operation: int) -> None:
    """The operation reads a message from an input queue; no queue: nothing."""
    if leaf >= 0:
        record = stream.trace.message
        stream.progress.read[leaf] = message
        place = record[message, G_PLACES] + leaf - stream.trees.first[record[message, G_TREE]]
        stream.trace.place[place, P_AT] = operation
