"""Numbers, once all dates are known: each core runs its code again as its words come.

The main thread does not wait for background slots but where their dates say that they have ended. (What touches the
memory of an operation in a slot before its end races with it.)
"""

from __future__ import annotations

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.arithmetic import load
from wse_sim.engine.cycle.burst import NO_RUN, add_run, compute_elements, mac_run
from wse_sim.engine.cycle.control import change_task, go_on
from wse_sim.engine.cycle.main_thread import number, uses_fabric
from wse_sim.engine.cycle.operand import element, inside
from wse_sim.engine.cycle.scalar import FINE as DONE
from wse_sim.engine.cycle.scalar import OUTSIDE as REACHES_OUT
from wse_sim.engine.cycle.scalar import execute
from wse_sim.engine.cycle.stream import advance_all, prepare
from wse_sim.engine.cycle.tasks import pick_task
from wse_sim.engine.faults import DIVISION, OUTSIDE, report_fault
from wse_sim.engine.jit import jit
from wse_sim.engine.layout import DST, EACH, A, B
from wse_sim.engine.stream.dates import delay_until, end_of, of_operation
from wse_sim.engine.stream.stairs import LATEST, first_date
from wse_sim.engine.stream.tables import (
    C_RISK,
    COMPONENT,
    FINE,
    FULL,
    G_COUNT,
    G_LEFT,
    G_TREE,
    G_WORDS,
    ISSUING,
    O_A,
    O_AFTER,
    O_B,
    O_COUNT,
    O_CUE,
    O_OUT,
    O_PACE,
    QUEUE_LENGTH,
    R_CUE,
    R_ORDINAL,
    R_TIME,
    U_SLOT,
    WORDS,
    Stream,
)
from wse_sim.engine.stream.values import compute_operation
from wse_sim.engine.stream.words import drop_words, new_words
from wse_sim.hardware.operations import ScalarCode

_CLOCK = np.int64(ScalarCode.CLOCK)
ORDINAL = at.READY  # column of a core that counts its instructions meanwhile
NOBODY, ZERO, ONE = map(np.int64, (-1, 0, 1))


@jit
def begin_numbers(stream: Stream) -> None:
    """Puts all cores of the component on a stack, the first on top."""
    parts, progress, counter = stream.components, stream.progress, stream.counter
    core = stream.state.cores.state
    component = counter[COMPONENT]
    counter[QUEUE_LENGTH] = 0
    counter[WORDS] = 1
    for kind in range(stream.trace.free.shape[0]):
        stream.trace.free[kind] = 0
    first, end = parts.first[component], parts.first[component + 1]
    for back in range(end - first):
        pe = np.int64(parts.pe[end - 1 - back])
        progress.parked[pe] = 0
        if progress.script[pe] >= 0:
            progress.done[pe] = progress.first[pe]
            core[pe, ORDINAL] = 0
            progress.queue[counter[QUEUE_LENGTH]] = pe
            counter[QUEUE_LENGTH] += 1


@jit
def compute_numbers(stream: Stream) -> None:
    """Empties the stack; `failed` says if there is no room for words, and it has to be called again."""
    counter = stream.counter
    while counter[QUEUE_LENGTH] > 0:
        counter[QUEUE_LENGTH] -= 1
        pe = np.int64(stream.progress.queue[counter[QUEUE_LENGTH]])
        if not compute_core(stream, pe):
            counter[QUEUE_LENGTH] += 1
            return


@jit
def compute_core(stream: Stream, pe: int) -> bool:
    """Runs a core until it waits or has woken others, which come first; False if there is no room for words."""
    state, progress, trace = stream.state, stream.progress, stream.trace
    while True:
        if progress.slotted[pe] and not end_slots(stream, pe):
            return stream.failed[0] == FINE
        run_to_operation(stream, pe)
        operation = np.int64(progress.done[pe])
        if operation < 0:
            return True
        if trace.operation[operation, O_PACE] == ISSUING:
            slot = stream.scripts.cue[trace.operation[operation, O_CUE], U_SLOT]
            progress.pending[pe * (state.cores.threads - 1) + slot] = trace.operation[operation, O_B]
        else:
            if not has_words(stream, operation):
                progress.parked[pe] = 1
                return True
            thread = pe * state.cores.threads
            woken = do_operation(stream, pe, thread, operation)
            if stream.failed[0] != FINE:
                return False
            advance_all(state, pe, state.cores.thread[thread, at.T_ROW])
            if woken:
                go_on_after(stream, pe, operation)
                return True
        go_on_after(stream, pe, operation)


@jit
def go_on_after(stream: Stream, pe: int, operation: int) -> None:
    stream.state.cores.state[pe, at.MODE] = at.RUNNING
    stream.progress.done[pe] = stream.trace.operation[operation, O_AFTER]


@jit
def has_words(stream: Stream, operation: int) -> bool:
    """Whether the words that an operation takes have been computed."""
    record, message = stream.trace.operation, stream.trace.message
    one, other = np.int64(record[operation, O_A]), np.int64(record[operation, O_B])
    return (one < 0 or message[one, G_WORDS] >= 0) and (other < 0 or message[other, G_WORDS] >= 0)


@jit
def do_operation(stream: Stream, pe: int, thread: int, operation: int) -> bool:
    """The elements of a thread's operation; whether cores have been woken that wait for what it sends.

    `failed` says if there is no room for words.
    """
    trace = stream.trace
    one, other = np.int64(trace.operation[operation, O_A]), np.int64(trace.operation[operation, O_B])
    out, words = np.int64(trace.operation[operation, O_OUT]), NOBODY
    if out >= 0:
        if 2 * trace.operation[operation, O_COUNT] + stream.counter[WORDS] >= trace.word.shape[0]:
            stream.failed[0], stream.failed[1] = FULL, NOBODY
            return False
        words = new_words(stream, np.int64(trace.message[out, G_COUNT]))
    compute_operation(stream, pe, thread, words_of(stream, one), words_of(stream, other), words)
    leave_words(stream, one)
    leave_words(stream, other)
    if out < 0:
        return False
    trace.message[out, G_WORDS] = words
    return wake_readers(stream, pe, out)


@jit
def end_slots(stream: Stream, pe: int) -> bool:
    """Computes what slots have been given, as words come; False if the main thread must not go on yet.

    It waits for all that ends before its next operation begins.
    """
    progress, slots = stream.progress, stream.state.cores.threads - 1
    first, following = pe * slots, np.int64(progress.done[pe])
    goes_on = True
    while goes_on:
        goes_on = False
        for slot in range(slots):
            operation = np.int64(progress.pending[first + slot])
            if operation < 0 or not has_words(stream, operation):
                continue
            if is_after_others(stream, first, slots, first_date(stream, of_operation(stream, operation))):
                continue
            thread = pe * stream.state.cores.threads + 1 + slot
            woken = do_operation(stream, pe, thread, operation)
            if stream.failed[0] != FINE:
                return False
            advance_all(stream.state, pe, stream.state.cores.thread[thread, at.T_ROW])
            progress.pending[first + slot] = NOBODY
            if woken:
                return False
            goes_on = True
    date = LATEST
    if following >= 0:
        date = first_date(stream, of_operation(stream, following))
    if is_after_others(stream, first, slots, date):
        progress.parked[pe] = 1
        return False
    return True


@jit
def is_after_others(stream: Stream, first: int, slots: int, date: int) -> bool:
    """Whether the operation of a slot has ended by a date, and has not been computed yet."""
    for place in range(first, first + slots):
        operation = np.int64(stream.progress.pending[place])
        if operation >= 0 and end_of(stream, operation) <= date:
            return True
    return False


@jit
def words_of(stream: Stream, message: int) -> int:
    return np.int64(stream.trace.message[message, G_WORDS]) if message >= 0 else NOBODY


@jit
def leave_words(stream: Stream, message: int) -> None:
    """One of the message's readers has read it."""
    if message >= 0:
        record = stream.trace.message
        record[message, G_LEFT] -= 1
        if record[message, G_LEFT] == 0:
            drop_words(stream, np.int64(record[message, G_WORDS]), np.int64(record[message, G_COUNT]))


@jit
def wake_readers(stream: Stream, pe: int, message: int) -> bool:
    """Puts the cores on the stack that wait for the message, and this one below them; whether there are any."""
    trees, progress, counter = stream.trees, stream.progress, stream.counter
    tree = stream.trace.message[message, G_TREE]
    woken, queues = False, stream.state.fabric.queue[0]
    for node in range(trees.first[tree], trees.first[tree + 1]):
        if trees.fifo[node] < queues:
            continue
        reader = np.int64(trees.pe[node])
        if progress.parked[reader]:
            progress.parked[reader] = 0
            if not woken:
                progress.queue[counter[QUEUE_LENGTH]] = pe
                counter[QUEUE_LENGTH] += 1
                woken = True
            progress.queue[counter[QUEUE_LENGTH]] = reader
            counter[QUEUE_LENGTH] += 1
    return woken


# -- between stream operations ----------------------------------------------------------------------------


@jit
def run_to_operation(stream: Stream, pe: int) -> None:
    """Runs instructions up to the next stream operation, or until there is nothing to do."""
    state = stream.state
    core, rows = state.cores.state, state.code.row
    while core[pe, at.MODE] != at.STREAMING:
        if core[pe, at.MODE] == at.FREE:
            task = pick_task(state, pe, ZERO)
            if task < 0:
                return
            core[pe, at.ACTIVE] &= ~(ONE << task)
            core[pe, at.MODE], core[pe, at.PC] = at.RUNNING, state.code.entry[state.cores.role[pe], task]
        place = core[pe, at.PC]
        row = state.code.sequence[place]
        kind = rows[row, at.KIND]
        core[pe, at.PC] = place + 1
        if kind == at.VECTOR or kind == at.MAP:
            compute_vector(stream, pe, row, kind == at.MAP)
        elif kind == at.SCALAR:
            date = date_of(stream, pe) if rows[row, at.OP] == _CLOCK else ZERO
            failure = execute(state, pe, row, date)
            if failure != DONE:
                at_fault(stream, pe, row, OUTSIDE if failure == REACHES_OUT else DIVISION, ZERO)
        elif kind == at.END_TASK:
            core[pe, at.MODE] = at.FREE
        elif kind == at.ACTIVATE or kind == at.BLOCK or kind == at.UNBLOCK:
            change_task(state, pe, row)
        else:
            go_on(state, pe, place, row)
        core[pe, ORDINAL] += 1


@jit
def compute_vector(stream: Stream, pe: int, row: int, is_map: bool) -> None:
    """An operation in memory; one with streams is made ready."""
    state = stream.state
    rows, record = state.code.row, state.cores.thread
    slot = rows[row, at.SLOT]
    thread = pe * state.cores.threads + 1 + slot
    count = number(state, pe, rows[row, at.LENGTH], rows[row, at.LENGTH_AT])
    steps = number(state, pe, rows[row, at.COUNT], rows[row, at.COUNT_AT]) if is_map else ONE
    prepare(state, pe, thread, row, count, steps, ZERO)
    for operand, place in ((DST, at.T_DST), (A, at.T_A), (B, at.T_B), (EACH, at.T_EACH)):
        if rows[row, operand + at.O_WHERE] >= 0:
            n, times = (steps, ONE) if operand == EACH else (count, steps)
            if not inside(state.code, state.memory, pe, row, operand, record[thread, place], n, times):
                at_fault(stream, pe, row, OUTSIDE, operand)
                return
    if is_map:
        compute_map(stream, pe, thread, row)
    elif slot >= 0:
        state.cores.state[pe, at.MODE] = at.STREAMING
        return
    elif not uses_fabric(state, row):
        compute_elements(
            state.code, state.cores, state.memory, pe, row,
            record[thread, at.T_DST], record[thread, at.T_A], record[thread, at.T_B], count, 0.0,
        )  # fmt: skip
    elif count > 0:
        state.cores.state[pe, at.MODE] = at.STREAMING
        return
    advance_all(state, pe, row)


@jit
def compute_map(stream: Stream, pe: int, thread: int, row: int) -> None:
    state = stream.state
    rows, record = state.code.row, state.cores.thread
    dst, a, b = record[thread, at.T_DST], record[thread, at.T_A], record[thread, at.T_B]
    count, each, dtype = record[thread, at.T_COUNT], record[thread, at.T_EACH], rows[row, EACH + at.O_DTYPE]
    kind = mac_run(state.code, row)
    for i in range(record[thread, at.T_STEPS]):
        scalar = load(state.memory, dtype, element(state.code, row, EACH, each, i))
        if kind != NO_RUN:
            add_run(state.memory, kind, dst, a, scalar, count)
        else:
            compute_elements(state.code, state.cores, state.memory, pe, row, dst, a, b, count, scalar)
        dst += rows[row, DST + at.O_STEP]
        a += rows[row, A + at.O_STEP]


@jit
def at_fault(stream: Stream, pe: int, row: int, code: int, detail: int) -> None:
    """Reports a fault that only numbers could tell, at its date; the core stops."""
    report_fault(stream.state, pe, row, date_of(stream, pe), ZERO, code, detail)
    stream.progress.done[pe] = NOBODY
    stream.state.cores.state[pe, at.MODE] = at.STREAMING


@jit
def date_of(stream: Stream, pe: int) -> int:
    """Date of the instruction to which a core has come, if its script has written it down."""
    script, risk = np.int64(stream.progress.script[pe]), stream.scripts.risk
    ordinal = stream.state.cores.state[pe, ORDINAL]
    date = stream.begin[0]
    for each in range(stream.scripts.script[script, C_RISK], stream.scripts.script[script + 1, C_RISK]):
        if risk[each, R_ORDINAL] == ordinal:
            date += risk[each, R_TIME]
            operation = np.int64(stream.progress.first[pe])
            for _ in range(risk[each, R_CUE]):
                operation = np.int64(stream.trace.operation[operation, O_AFTER])
            if risk[each, R_CUE] >= 0:
                date += delay_until(stream, operation)
    return date
