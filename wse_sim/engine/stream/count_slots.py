"""Dates -> what the cycles of a core count as in which background slots work, or are all that is in use."""

from __future__ import annotations

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.jit import jit
from wse_sim.engine.stream.dates import (
    arriving,
    delay_until,
    end_of,
    free_again,
    of_operation,
    start_of_operation,
    started_before,
)
from wse_sim.engine.stream.slots import has_streams, last_group, slot_of, turn_before
from wse_sim.engine.stream.stairs import LATEST, NEVER, date_of, next_ready, words_before
from wse_sim.engine.stream.tables import (
    FIRST,
    H_LABEL,
    H_SECTION,
    ISSUING,
    LAG,
    O_A,
    O_AFTER,
    O_B,
    O_BEFORE,
    O_COUNT,
    O_CUE,
    O_LEAF_A,
    O_LEAF_B,
    O_PACE,
    U_ROW,
    U_WITHIN,
    Stream,
)
from wse_sim.engine.stream.windows import (
    IDLE,
    IN_GAP,
    S_OPERATION,
    W_BEFORE,
    W_BEGIN,
    W_END,
    W_GAP,
    W_KIND,
    W_WORD,
    begin_windows,
    next_window,
)
from wse_sim.hardware.states import State as Doing

_OVERHEAD, _SLOT_WAIT = np.int64(Doing.OVERHEAD), np.int64(Doing.SLOT_WAIT)
_INPUT_WAIT, _OUTPUT_BLOCKED = np.int64(Doing.INPUT_WAIT), np.int64(Doing.OUTPUT_BLOCKED)


@jit
def add_cycles(stream: Stream, pe: int, section: int, label: int, cycles: int) -> None:
    stream.state.tally.state[pe, label] += cycles
    stream.state.tally.section[0, section, label] += cycles
    phase = np.int64(stream.state.tally.measured[section]) - 1
    if phase >= 0:
        stream.state.tally.passed[phase, pe, label] += cycles


@jit
def slots_end(stream: Stream, pe: int) -> int:
    """Date from which no slot is in use."""
    slots, end = stream.state.cores.threads - 1, np.int64(0)
    for place in range(pe * slots, pe * slots + slots):
        if stream.progress.issue[place] >= 0:
            end = max(end, free_again(stream, np.int64(stream.progress.issue[place])))
    return end


@jit
def count_slots(stream: Stream, pe: int) -> None:
    """Takes the cycles in which slots do groups from what they would count as else, and counts those after the script.

    The main thread's have been counted as if there were no slots.
    """
    slots = stream.state.cores.threads - 1
    for slot in range(slots):
        stream.slot[slot, S_OPERATION] = -1
        operation, issue = started_before(stream, np.int64(stream.progress.issue[pe * slots + slot]))
        while operation >= 0:
            count_groups(stream, pe, operation)
            operation, issue = started_before(stream, issue)
    script = np.int64(stream.progress.script[pe])
    begin = delay_until(stream, np.int64(stream.progress.last[pe])) + stream.scripts.core[script, at.READY]
    section = np.int64(stream.scripts.core[script, at.WITHIN])
    for place in range(pe * slots, pe * slots + slots):
        issue = np.int64(stream.progress.issue[place])
        if issue >= 0:
            end = free_again(stream, issue)
            if end > begin:
                count_idle(stream, pe, section, issue, begin, end)
                begin = end
    stream.state.cores.state[pe, at.TURN] = turn_before(stream, pe, LATEST)


# -- groups ---------------------------------------------------------------------------------------------


@jit
def count_groups(stream: Stream, pe: int, operation: int) -> None:
    """Of an operation in a slot, window by window."""
    record, window = stream.trace.operation, stream.window
    dates, count = of_operation(stream, operation), np.int64(record[operation, O_COUNT])
    label = state_of(stream, operation)
    begin_windows(stream, np.int64(record[operation, O_BEFORE]))
    done = np.int64(0)
    while done < count:
        before = window[W_BEFORE]
        next_window(stream)
        groups = words_before(stream, dates, count, window[W_END]) - done
        if groups <= 0:
            continue
        section = section_of_window(stream, pe, before)
        add_cycles(stream, pe, section, label, groups)
        if window[W_KIND] == IN_GAP:
            add_cycles(stream, pe, section, np.int64(stream.scripts.gap[window[W_GAP] - 1, H_LABEL]), -groups)
        elif window[W_KIND] != IDLE:
            main = np.int64(record[before, O_AFTER])
            if record[main, O_PACE] == ISSUING:
                add_cycles(stream, pe, section, _SLOT_WAIT, -groups)
            else:
                there = min(all_there(stream, main, window[W_WORD]), window[W_END])
                early = max(words_before(stream, dates, count, there) - done, np.int64(0))
                add_cycles(stream, pe, section, _INPUT_WAIT, -early)
                add_cycles(stream, pe, section, _OUTPUT_BLOCKED, early - groups)
        done += groups


@jit
def state_of(stream: Stream, operation: int) -> int:
    """State in which the core works when it does a group of an operation."""
    row = stream.scripts.cue[stream.trace.operation[operation, O_CUE], U_ROW]
    return np.int64(stream.state.code.row[row, at.STATE])


@jit
def section_of_window(stream: Stream, pe: int, before: int) -> int:
    """Section in which the main thread is meanwhile; `before`: its last operation before."""
    record, window, cues = stream.trace.operation, stream.window, stream.scripts.cue
    if window[W_KIND] == IN_GAP:
        return np.int64(stream.scripts.gap[window[W_GAP] - 1, H_SECTION])
    if window[W_KIND] == IDLE:
        return np.int64(stream.scripts.core[stream.progress.script[pe], at.WITHIN])
    main = np.int64(record[before, O_AFTER])
    if record[main, O_PACE] == ISSUING:
        return np.int64(cues[record[main, O_CUE], U_WITHIN])
    return np.int64(stream.state.code.row[cues[record[main, O_CUE], U_ROW], at.SECTION])


@jit
def all_there(stream: Stream, operation: int, index: int) -> int:
    """Date from which the input of a group is visible; NEVER: it needs none."""
    record, date = stream.trace.operation, NEVER
    for message, leaf in ((record[operation, O_A], O_LEAF_A), (record[operation, O_B], O_LEAF_B)):
        if message >= 0:
            arrival = arriving(stream, np.int64(message), np.int64(record[operation, leaf]))
            date = max(date, date_of(stream, arrival, index))
    return date


# -- cycles without the main thread ---------------------------------------------------------------------


@jit
def count_idle(stream: Stream, pe: int, section: int, issue: int, begin: int, end: int) -> None:
    """Cycles in which the main thread is free, and this the lowest slot in use: its reason, but for groups of others.

    An operation without elements starts and completes.
    """
    record, step = stream.trace.operation, stream.trace.step
    operation = np.int64(record[issue, O_B])
    if operation < 0:
        count_reason(stream, pe, section, _OVERHEAD, begin, end)
        return
    dates, count = of_operation(stream, operation), np.int64(record[operation, O_COUNT])
    ready = start_of_operation(stream, operation)
    count_reason(stream, pe, section, _OVERHEAD, begin, min(end, ready))
    for k in range(dates[1]):
        word = np.int64(step[dates[0] + k, FIRST])
        date = word + step[dates[0] + k, LAG] + dates[2]
        if date <= begin:
            continue
        if word > 0:
            rests = word - 1 + step[dates[0] + k - 1, LAG] + dates[2] + 1
            ready = ready_at(stream, operation, k)
            count_rest(stream, pe, section, operation, k - 1, max(begin, rests), ready)
        there = min(max(all_there(stream, operation, word), ready), date)
        count_reason(stream, pe, section, _INPUT_WAIT, max(begin, ready), there)
        count_reason(stream, pe, section, _OUTPUT_BLOCKED, max(begin, there), date)
    last = count - 1 + step[dates[0] + dates[1] - 1, LAG] + dates[2]
    ready = end_of(stream, operation)
    count_rest(stream, pe, section, operation, dates[1] - 1, max(begin, last + 1), ready)
    count_reason(stream, pe, section, _OVERHEAD, max(begin, ready), end)


@jit
def ready_at(stream: Stream, operation: int, place: int) -> int:
    """Date at which the group that begins a step of the operation's staircase could be done at the earliest."""
    if place == 0:
        return start_of_operation(stream, operation)
    pause = stream.state.costs.stream_pause if has_streams(stream, operation) else np.int64(0)
    pace = np.int64(stream.trace.operation[operation, O_PACE])
    return next_ready(stream, of_operation(stream, operation), place, pace, pause)


@jit
def count_rest(stream: Stream, pe: int, section: int, operation: int, place: int, begin: int, end: int) -> None:
    """While it rests after a step of its staircase, it keeps the last reason."""
    if begin < end:
        count_reason(stream, pe, section, last_reason(stream, pe, operation, place), begin, end)


@jit
def count_reason(stream: Stream, pe: int, section: int, label: int, begin: int, end: int) -> None:
    """Cycles in which no slot does a group."""
    if begin >= end:
        return
    record, slots, cycles = stream.trace.operation, stream.state.cores.threads - 1, end - begin
    for place in range(pe * slots, pe * slots + slots):
        if stream.progress.issue[place] >= 0:
            other = np.int64(record[stream.progress.issue[place], O_B])
            if other >= 0:
                dates, count = of_operation(stream, other), np.int64(record[other, O_COUNT])
                cycles -= words_before(stream, dates, count, end) - words_before(stream, dates, count, begin)
    add_cycles(stream, pe, section, label, cycles)


@jit
def last_reason(stream: Stream, pe: int, operation: int, place: int) -> int:
    """Why the operation could not go on when it last asked in vain, up to a step of its staircase."""
    step, dates = stream.trace.step, of_operation(stream, operation)
    for back in range(place + 1):
        k = place - back
        word, ready = np.int64(step[dates[0] + k, FIRST]), ready_at(stream, operation, k)
        asked = last_asked(stream, pe, operation, ready, word + step[dates[0] + k, LAG] + dates[2])
        if asked >= ready:
            return _INPUT_WAIT if asked < all_there(stream, operation, word) else _OUTPUT_BLOCKED
    return _OVERHEAD


@jit
def last_asked(stream: Stream, pe: int, operation: int, begin: int, end: int) -> int:
    """The last of some cycles in which the operation was asked whether it can do a group; NEVER: in none of them."""
    if begin >= end:
        return NEVER
    window, found = stream.window, NEVER
    begin_windows(stream, np.int64(stream.trace.operation[operation, O_BEFORE]))
    while window[W_END] < end:
        next_window(stream)
        date = min(window[W_END], end) - 1
        while date >= max(window[W_BEGIN], begin):
            if is_asked(stream, pe, operation, date):
                found = date
                break
            date -= 1
    return found


@jit
def is_asked(stream: Stream, pe: int, operation: int, date: int) -> bool:
    """Whether no slot that comes before in a cycle does a group in it."""
    slots = stream.state.cores.threads - 1
    slot, latest = last_group(stream, pe, date)
    if latest < date:
        return True
    turn = turn_before(stream, pe, date)
    own = slot_of(stream, operation)
    return (own - turn + slots) % slots < (slot - turn + slots) % slots
