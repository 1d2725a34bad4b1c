"""Which task a core picks, and when, where the ends of operations in slots activate and unblock tasks.

A script then ends where its core would pick a task while such operations are in use, and the next begins with the task.
Cores pick in the order of dates. What the others will do from the earliest date on changes nothing before it, nor in
the few cycles after it that a task needs to act on another core; so all dates up to then are certain, if words that
nobody takes yet fill their queue until FAR, and what has not been sent does not come.
"""

from __future__ import annotations

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.jit import jit
from wse_sim.engine.stream.cast import cast, cues_of
from wse_sim.engine.stream.dates import delay_until, free_again, of_operation, slots_due
from wse_sim.engine.stream.due import revise
from wse_sim.engine.stream.flow import enqueue, follow, has_room, is_open, new_operation
from wse_sim.engine.stream.stairs import FAR, GROUND, LATEST
from wse_sim.engine.stream.tables import (
    AWAITED,
    B_CUE,
    B_TASK,
    B_TIME,
    C_BLOCK,
    C_CUE,
    COMPONENT,
    FULL,
    HEAPED,
    O_A,
    O_AT,
    O_B,
    O_BEFORE,
    O_CUE,
    O_LEAF_A,
    O_LEAF_B,
    O_SHIFT,
    O_STEPS,
    PICKED,
    REVISED,
    TOO_LONG,
    U_ROW,
    Stream,
)
from wse_sim.program.instruction import Done

ACTIVE, BLOCKED, WITHIN, BEGIN = map(np.int64, range(4))  # columns of `control`
ACTS_AFTER = 4  # cycles from a group to the end of another core's operation that it can change, at least
NOBODY, ONE = np.int64(-1), np.int64(1)
_ACTIVATE = np.int64(Done.ACTIVATE.value)
_PES = np.int64(1 << 24)  # more than there are; entries of the heap are date * _PES + PE


@jit
def choose(stream: Stream) -> bool:
    """Lets the cores pick a task that do so first; False if none will, or `failed` says what is in the way."""
    look_again(stream)
    first = earliest(stream)
    if first < 0:
        return False
    if first // _PES > stream.begin[1]:
        stream.failed[0] = TOO_LONG
        return False
    until = first // _PES + stream.state.costs.task_switch + ACTS_AFTER
    while first >= 0 and first // _PES < until:
        if not begin_script_at(stream, first % _PES, first // _PES):
            return False
        first = earliest(stream)
    return True


@jit
def begin_script_at(stream: Stream, pe: int, date: int) -> bool:
    """The core picks a task, with which its next script begins."""
    progress, scripts, record = stream.progress, stream.scripts, stream.trace.operation
    if not has_room(stream, NOBODY):
        stream.failed[0], stream.failed[1] = FULL, NOBODY
        return False
    before, free = np.int64(progress.script[pe]), free_at(stream, pe)
    active, blocked = tasks_at(stream, pe, date)
    control = progress.control
    control[pe, ACTIVE], control[pe, BLOCKED] = active, blocked
    control[pe, WITHIN] = scripts.core[before, at.WITHIN]
    control[pe, BEGIN] = PICKED
    if next_end(stream, pe, date) < LATEST:
        control[pe, BEGIN] |= AWAITED
    script = cast(stream, pe)
    if script < 0:
        return False
    operation = new_operation(stream, pe, np.int64(scripts.script[script, C_CUE]))
    record[operation, O_LEAF_A], record[operation, O_LEAF_B] = script, free
    record[operation, O_AT], record[operation, O_STEPS], record[operation, O_SHIFT] = GROUND, 1, date
    stream.trace.due[operation] = 0
    follow(stream, pe, operation)
    slots_due(stream, operation, date)
    progress.script[pe], progress.picked[pe], progress.done[pe] = script, operation, 1
    progress.rests_until[pe] = -1
    if cues_of(stream, script) > 1:
        enqueue(stream, pe)
    else:
        revise(stream, pe)
    return True


# -- tasks ----------------------------------------------------------------------------------------------


@jit
def free_at(stream: Stream, pe: int) -> int:
    """Date from which on the main thread has nothing to do in its script."""
    last, delay = np.int64(stream.progress.last[pe]), np.int64(0)
    if last >= 0:
        if stream.trace.operation[last, O_STEPS] == 0:
            return FAR
        delay = delay_until(stream, last)
    return np.int64(stream.scripts.core[stream.progress.script[pe], at.READY]) + delay


@jit
def next_pick(stream: Stream, pe: int) -> int:
    """Date at which a core at the end of its script picks a task, as far as is known; FAR: it does not."""
    date = free_at(stream, pe)
    while date < FAR:
        active, blocked = tasks_at(stream, pe, date)
        if has_code(stream, pe, active & ~blocked):
            return date
        date = next_end(stream, pe, date)
    return FAR


@jit
def has_code(stream: Stream, pe: int, tasks: int) -> bool:
    """Whether any of the tasks has code on a PE."""
    code = stream.state.code
    for task in range(code.tasks):
        if tasks >> task & 1 and code.entry[stream.state.cores.role[pe], task] >= 0:
            return True
    return False


@jit
def tasks_at(stream: Stream, pe: int, date: int) -> tuple[int, int]:
    """Tasks that are active, and those that are blocked, at a date at which the core is at the end of its script."""
    progress, record, rows = stream.progress, stream.trace.operation, stream.state.code.row
    slots, picked = stream.state.cores.threads - 1, picked_at(stream, pe)
    core = stream.scripts.core
    active = np.int64(core[progress.script[pe], at.ACTIVE])
    blocked = np.int64(core[progress.script[pe], at.BLOCKED])
    for place in range(pe * slots, pe * slots + slots):
        issue = np.int64(progress.issue[place])
        while issue >= 0:
            row = stream.scripts.cue[record[issue, O_CUE], U_ROW]
            end = end_in_slot(stream, issue)
            if end <= picked:
                break
            if rows[row, at.DONE] != 0 and end <= date:
                task = np.int64(rows[row, at.TASK])
                if rows[row, at.DONE] == _ACTIVATE:
                    active |= ONE << task
                elif last_block(stream, pe, task) < end:
                    blocked &= ~(ONE << task)
            issue = np.int64(record[issue, O_A])
    return active, blocked


@jit
def picked_at(stream: Stream, pe: int) -> int:
    """Date at which the core's script began."""
    operation = np.int64(stream.progress.picked[pe])
    return np.int64(stream.trace.operation[operation, O_SHIFT]) if operation >= 0 else NOBODY


@jit
def next_end(stream: Stream, pe: int, date: int) -> int:
    """The first date after another at which a slot's operation starts a task; FAR: not known; LATEST: there is none."""
    progress, record, found = stream.progress, stream.trace.operation, LATEST
    slots = stream.state.cores.threads - 1
    for place in range(pe * slots, pe * slots + slots):
        issue = np.int64(progress.issue[place])
        while issue >= 0:
            end = end_in_slot(stream, issue)
            if end <= date:
                break
            if stream.state.code.row[stream.scripts.cue[record[issue, O_CUE], U_ROW], at.DONE] != 0:
                found = min(found, end)
            issue = np.int64(record[issue, O_A])
    return found


@jit
def end_in_slot(stream: Stream, issue: int) -> int:
    """Date at which what is started in a slot completes; FAR: not known."""
    record = stream.trace.operation
    if is_open(stream, issue) or record[issue, O_STEPS] == 0:
        return FAR
    operation = np.int64(record[issue, O_B])
    if operation >= 0 and of_operation(stream, operation)[1] == 0:
        return FAR
    return min(free_again(stream, issue), FAR)


@jit
def last_block(stream: Stream, pe: int, task: int) -> int:
    """Date at which the core's script has last blocked a task; -1: it has not."""
    scripts, script = stream.scripts, np.int64(stream.progress.script[pe])
    first, block = np.int64(scripts.script[script, C_BLOCK]), scripts.block
    for back in range(scripts.script[script + 1, C_BLOCK] - first):
        place = scripts.script[script + 1, C_BLOCK] - 1 - back
        if block[place, B_TASK] == task:
            operation = np.int64(stream.progress.last[pe])
            for _ in range(cues_of(stream, script) - 1 - block[place, B_CUE]):
                operation = np.int64(stream.trace.operation[operation, O_BEFORE])
            delay = delay_until(stream, operation) if block[place, B_CUE] >= 0 else np.int64(0)
            return block[place, B_TIME] + delay
    return NOBODY


# -- whose turn it is -----------------------------------------------------------------------------------


@jit
def look_again(stream: Stream) -> None:
    """Finds anew when cores pick a task of which something has changed."""
    progress, counter = stream.progress, stream.counter
    while counter[REVISED] > 0:
        counter[REVISED] -= 1
        pe = np.int64(progress.revised[counter[REVISED]])
        progress.is_revised[pe] = 0
        script = np.int64(progress.script[pe])
        if script < 0 or progress.done[pe] < cues_of(stream, script):
            continue
        date = next_pick(stream, pe)
        if date >= FAR:
            progress.rests_until[pe] = -1
        elif progress.rests_until[pe] != date:
            progress.rests_until[pe] = date
            push(stream, pe)


@jit
def earliest(stream: Stream) -> int:
    """The entry on top of the heap, of a core that still picks a task then; -1: there is none."""
    progress, counter = stream.progress, stream.counter
    while counter[HEAPED] > 0:
        top = progress.heap[0]
        if progress.rests_until[top % _PES] == top // _PES:
            return top
        counter[HEAPED] -= 1
        progress.heap[0] = progress.heap[counter[HEAPED]]
        sink(stream)
    return NOBODY


@jit
def push(stream: Stream, pe: int) -> None:
    progress, counter = stream.progress, stream.counter
    if counter[HEAPED] == progress.heap.shape[0]:
        clear_heap(stream)
        return
    progress.heap[counter[HEAPED]] = progress.rests_until[pe] * _PES + pe
    counter[HEAPED] += 1
    rise(stream)


@jit
def clear_heap(stream: Stream) -> None:
    """Leaves out all entries that no longer hold."""
    parts, progress, counter, component = stream.components, stream.progress, stream.counter, stream.counter[COMPONENT]
    counter[HEAPED] = 0
    for index in range(parts.first[component], parts.first[component + 1]):
        pe = np.int64(parts.pe[index])
        if progress.rests_until[pe] >= 0:
            progress.heap[counter[HEAPED]] = progress.rests_until[pe] * _PES + pe
            counter[HEAPED] += 1
            rise(stream)


@jit
def rise(stream: Stream) -> None:
    """The last entry to its place."""
    heap, place = stream.progress.heap, stream.counter[HEAPED] - 1
    while place > 0 and heap[place] < heap[(place - 1) >> 1]:
        above = (place - 1) >> 1
        heap[place], heap[above] = heap[above], heap[place]
        place = above


@jit
def sink(stream: Stream) -> None:
    """The first entry to its place."""
    heap, place, end = stream.progress.heap, np.int64(0), stream.counter[HEAPED]
    while 2 * place + 1 < end:
        below = 2 * place + 1
        if below + 1 < end and heap[below + 1] < heap[below]:
            below += 1
        if heap[place] <= heap[below]:
            return
        heap[place], heap[below] = heap[below], heap[place]
        place = below
