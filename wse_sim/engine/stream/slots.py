"""Background slots: the dates of their groups, in cycles that the main thread leaves to them.

Operations in slots of a core that are in use at the same time are dated together, group by group, as SEMANTICS.md says:
they take turns. As every group depends only on earlier cycles, and on the main thread, which never waits for a group of
a slot, dates that agree with each other everywhere are the machine's.
"""

from __future__ import annotations

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.jit import jit
from wse_sim.engine.stream.dates import (
    arriving,
    change_operation,
    date_operation,
    of_operation,
    prompt_groups,
    start_of_operation,
    started_before,
)
from wse_sim.engine.stream.due import operation_due
from wse_sim.engine.stream.stairs import (
    LATEST,
    NEVER,
    Stair,
    date_of,
    first_date,
    last_date,
    paced,
    words_before,
)
from wse_sim.engine.stream.tables import (
    FIRST,
    LAG,
    O_A,
    O_B,
    O_BEFORE,
    O_COUNT,
    O_CUE,
    O_LEAF_A,
    O_LEAF_B,
    O_OUT,
    O_PACE,
    O_PE,
    O_STEPS,
    OPERATION_DUE,
    PACE,
    ROUTER_FIFOS,
    STEPS,
    U_SLOT,
    Stream,
)
from wse_sim.engine.stream.windows import (
    S_FREE,
    S_FREE_STEPS,
    S_INDEX,
    S_LAG,
    S_LISTED,
    S_OPERATION,
    S_PAUSE,
    S_READY,
    S_STEPS,
    S_UNTIL,
    W_BEGIN,
    W_END,
    begin_windows,
    next_window,
    resume_windows,
)


@jit
def date_in_slot(stream: Stream, operation: int) -> bool:
    """Dates a slot's operation anew, and all in other slots at the same time; whether any dates have changed."""
    record = stream.trace.operation
    stair = prompt_groups(stream, operation)
    if stair[1] == 0:
        return False
    pe, count = np.int64(record[operation, O_PE]), np.int64(record[operation, O_COUNT])
    begin, end = prompt_begin(stream, operation), last_date(stream, stair, count)
    turn, slots = np.int64(0), stream.state.cores.threads - 1
    if slots > 1:
        begin, alone = gather(stream, pe, operation, begin, end)
        if not alone:
            turn = turn_before(stream, pe, begin)
    else:
        alone = True
        list_alone(stream, operation)
    if alone:
        if has_window(stream, operation, stair):
            return change_alone(stream, pe, operation, stair, begin)
        begin_operation(stream, slot_of(stream, operation), operation, stair, NEVER)
    else:
        for slot in range(slots):
            if stream.slot[slot, S_OPERATION] >= 0:
                begin_slot(stream, slot, np.int64(stream.slot[slot, S_OPERATION]), NEVER)
    return take_turns(stream, pe, turn, begin)


@jit
def list_alone(stream: Stream, operation: int) -> None:
    for slot in range(stream.state.cores.threads - 1):
        stream.slot[slot, S_OPERATION] = stream.slot[slot, S_LISTED] = stream.slot[slot, S_UNTIL] = -1
    slot = slot_of(stream, operation)
    stream.slot[slot, S_OPERATION] = stream.slot[slot, S_LISTED] = stream.slot[slot, S_UNTIL] = operation


@jit
def slot_of(stream: Stream, operation: int) -> int:
    return np.int64(stream.scripts.cue[stream.trace.operation[operation, O_CUE], U_SLOT])


@jit
def has_streams(stream: Stream, operation: int) -> bool:
    record = stream.trace.operation
    return record[operation, O_A] >= 0 or record[operation, O_B] >= 0 or record[operation, O_OUT] >= 0


@jit
def prompt_begin(stream: Stream, operation: int) -> int:
    """A date before which an operation surely does not ask for the issue slot."""
    record = stream.trace.operation
    date = start_of_operation(stream, operation)
    for message, leaf in ((record[operation, O_A], O_LEAF_A), (record[operation, O_B], O_LEAF_B)):
        if message >= 0:
            arrival = arriving(stream, np.int64(message), np.int64(record[operation, leaf]))
            if arrival[1] > 0:
                date = max(date, first_date(stream, arrival))
    return date


@jit
def first_of(stream: Stream, operation: int) -> int:
    """Date of its first group, as known before; LATEST: nothing is known."""
    dates = of_operation(stream, operation)
    return first_date(stream, dates) if dates[1] > 0 else LATEST


# -- one operation alone --------------------------------------------------------------------------------


@jit
def has_window(stream: Stream, operation: int, stair: Stair) -> bool:
    """Whether the main thread leaves all cycles from the first group to the last to the slot."""
    record = stream.trace.operation
    pause = stream.state.costs.stream_pause
    if pause > 0 and not has_streams(stream, operation):
        return False
    begin, count = first_date(stream, stair), np.int64(record[operation, O_COUNT])
    begin_windows(stream, np.int64(record[operation, O_BEFORE]))
    while stream.window[W_END] <= begin:
        next_window(stream)
    if stream.window[W_BEGIN] > begin:
        return False
    longest = count * record[operation, O_PACE] + (count // pause if pause > 0 else np.int64(0))
    return last_date(stream, stair, count) + longest < stream.window[W_END]


@jit
def change_alone(stream: Stream, pe: int, operation: int, stair: Stair, begin: int) -> bool:
    record = stream.trace.operation
    stair = paced(stream, stair, np.int64(record[operation, O_COUNT]), np.int64(record[operation, O_PACE]))
    stream.slot[slot_of(stream, operation), S_OPERATION] = -1
    begin = min(begin, first_of(stream, operation))
    changed = change_operation(stream, operation, stair)
    if changed:
        others_due(stream, pe, begin)
    return changed


# -- operations that take turns -------------------------------------------------------------------------


@jit
def gather(stream: Stream, pe: int, operation: int, begin: int, end: int) -> tuple[int, bool]:
    """Lists the operations of each slot that may ask for the issue slot while others that are listed do.

    Returns the date from which on they may, and whether there is no other.
    """
    record, slots = stream.trace.operation, stream.state.cores.threads - 1
    list_alone(stream, operation)
    old = of_operation(stream, operation)
    if old[1] > 0:
        end = max(end, last_date(stream, old, np.int64(record[operation, O_COUNT])))
    alone, grows = True, True
    while grows:
        grows = False
        for slot in range(slots):
            other, issue = started_before(stream, np.int64(stream.progress.issue[pe * slots + slot]))
            while other >= 0:
                one, dates = other, of_operation(stream, other)
                other, issue = started_before(stream, issue)
                if dates[1] == 0:
                    continue
                last = last_date(stream, dates, np.int64(record[one, O_COUNT]))
                if last < begin and one != operation:
                    break
                first = prompt_begin(stream, one)
                if first <= end and last >= begin:
                    if stream.slot[slot, S_UNTIL] < one:
                        stream.slot[slot, S_UNTIL] = one
                        grows = True
                    if stream.slot[slot, S_OPERATION] < 0 or stream.slot[slot, S_OPERATION] > one:
                        stream.slot[slot, S_OPERATION] = one
                        grows = True
                    begin, end = min(begin, first), max(end, last)
                    alone = alone and one == operation
    return begin, alone


@jit
def turn_before(stream: Stream, pe: int, date: int) -> int:
    """The slot that is asked first in a cycle: the one after that which did the last group before."""
    slots = stream.state.cores.threads - 1
    slot, _ = last_group(stream, pe, date - 1)
    return (slot + 1) % slots if slot >= 0 else np.int64(stream.state.cores.state[pe, at.TURN])


@jit
def last_group(stream: Stream, pe: int, date: int) -> tuple[int, int]:
    """The slot that did the last group up to a date, and when; -1: none did."""
    record, slots = stream.trace.operation, stream.state.cores.threads - 1
    found, latest = np.int64(-1), NEVER
    for slot in range(slots):
        other, issue = started_before(stream, np.int64(stream.progress.issue[pe * slots + slot]))
        while other >= 0:
            dates, count = of_operation(stream, other), np.int64(record[other, O_COUNT])
            if dates[1] > 0 and first_date(stream, dates) <= date:
                when = date_up_to(stream, dates, count, date)
                if when > latest:
                    found, latest = np.int64(slot), when
                break
            other, issue = started_before(stream, issue)
    return found, latest


@jit
def date_up_to(stream: Stream, stair: Stair, count: int, date: int) -> int:
    """The date of the last word up to a date, which is that of a word or later than one."""
    return date_of(stream, stair, words_before(stream, stair, count, date + 1) - 1)


@jit
def others_due(stream: Stream, pe: int, begin: int) -> None:
    """Operations in other slots may now meet those that are listed, or find another turn: all that end later."""
    record, slots = stream.trace.operation, stream.state.cores.threads - 1
    if slots == 1:
        return
    for slot in range(slots):
        first, until = stream.slot[slot, S_LISTED], stream.slot[slot, S_UNTIL]
        other, issue = started_before(stream, np.int64(stream.progress.issue[pe * slots + slot]))
        while other >= 0:
            dates = of_operation(stream, other)
            if dates[1] > 0 and last_date(stream, dates, np.int64(record[other, O_COUNT])) < begin:
                break
            if until < 0 or not first <= other <= until:
                operation_due(stream, other)
            other, issue = started_before(stream, issue)


@jit
def begin_slot(stream: Stream, slot: int, operation: int, before: int) -> None:
    """A listed operation of a slot comes next, or the first after it that has anything to do."""
    until = stream.slot[slot, S_UNTIL]
    while operation >= 0:
        stair = prompt_groups(stream, operation)
        if stair[1] > 0:
            begin_operation(stream, slot, operation, stair, before)
            return
        operation = next_in_slot(stream, operation, until)
    stream.slot[slot, S_OPERATION] = -1


@jit
def next_in_slot(stream: Stream, operation: int, until: int) -> int:
    """The slot's next operation that is listed; -1: none."""
    record = stream.trace.operation
    while operation != until:
        issue = np.int64(record[record[operation, O_BEFORE], O_OUT])
        while issue >= 0 and record[issue, O_B] < 0:
            issue = np.int64(record[issue, O_OUT])
        if issue < 0:
            break
        return np.int64(record[issue, O_B])
    return np.int64(-1)


@jit
def begin_operation(stream: Stream, slot: int, operation: int, stair: Stair, before: int) -> None:
    """Takes down when its groups have their words and room."""
    row, draft = ROUTER_FIFOS + slot, stream.trace.draft
    slots = stream.slot
    stream.trace.due[operation] &= ~OPERATION_DUE
    for i in range(stair[1]):
        draft[row, i, FIRST] = stream.trace.step[stair[0] + i, FIRST]
        draft[row, i, LAG] = stream.trace.step[stair[0] + i, LAG] + stair[2]
    slots[slot, S_OPERATION] = operation
    slots[slot, S_FREE_STEPS], slots[slot, S_FREE] = stair[1], 0
    slots[slot, S_INDEX] = slots[slot, S_STEPS] = 0
    slots[slot, S_LAG] = NEVER
    slots[slot, S_PAUSE] = stream.state.costs.stream_pause if has_streams(stream, operation) else np.int64(0)
    slots[slot, S_READY] = max(before + 1, np.int64(draft[row, 0, LAG]))


@jit
def take_turns(stream: Stream, pe: int, turn: int, begin: int) -> bool:
    """Does the groups of the listed operations, cycle by cycle; whether any dates have changed."""
    slots, slot, window = stream.state.cores.threads - 1, stream.slot, stream.window
    issue = LATEST
    for k in range(slots):
        if slot[k, S_OPERATION] >= 0:
            issue = min(issue, np.int64(stream.trace.operation[slot[k, S_OPERATION], O_BEFORE]))
            slot[k, S_LISTED] = slot[k, S_OPERATION]
    begin_windows(stream, issue)
    now, changed = NEVER, False
    while True:
        ready, chosen, asked, following = np.int64(0), np.int64(0), LATEST, LATEST
        for k in range(slots):
            if slot[k, S_OPERATION] >= 0:
                if slot[k, S_READY] > now:
                    following = min(following, slot[k, S_READY])
                else:
                    ready += 1
                    place = k - turn if k >= turn else k - turn + slots
                    if place < asked:
                        asked, chosen = place, np.int64(k)
        if ready == 0:
            if following == LATEST:
                break
            now = following
            continue
        while window[W_END] <= now:
            next_window(stream)
        if window[W_BEGIN] > now:
            now = window[W_BEGIN]
            continue
        until = now + 1 if ready > 1 else min(window[W_END], following)
        now = do_groups(stream, chosen, now, until)
        turn = chosen + 1 if chosen + 1 < slots else np.int64(0)
        if slot[chosen, S_INDEX] < 0:
            begin = min(begin, first_of(stream, slot[chosen, S_OPERATION]))
            changed |= end_operation(stream, chosen, now - 1)
    if changed:
        others_due(stream, pe, begin)
    return changed


@jit
def do_groups(stream: Stream, slot: int, now: int, until: int) -> int:
    """Does a slot's groups, one a cycle, up to a cycle or to the first that has to wait; the cycle after the last.

    S_INDEX is -1 when the operation has none left.
    """
    slots, draft, row = stream.slot, stream.trace.draft, ROUTER_FIFOS + slot
    record, operation = stream.trace.operation, slots[slot, S_OPERATION]
    index, pace, pause = slots[slot, S_INDEX], np.int64(record[operation, O_PACE]), slots[slot, S_PAUSE]
    lag, count = now - index, np.int64(record[operation, O_COUNT])
    if lag > slots[slot, S_LAG]:
        draft[slot, slots[slot, S_STEPS], FIRST], draft[slot, slots[slot, S_STEPS], LAG] = index, lag
        slots[slot, S_STEPS] += 1
        slots[slot, S_LAG] = lag
    end, place, steps = index + 1, slots[slot, S_FREE], slots[slot, S_FREE_STEPS]
    if pace == 1:
        end = min(count, index + until - now)
        if pause > 0:
            end = min(end, (index // pause + 1) * pause)
        while place + 1 < steps and draft[row, place + 1, FIRST] < end:
            place += 1
            if draft[row, place, LAG] > lag:
                end = np.int64(draft[row, place, FIRST])
                place -= 1
                break
    while place + 1 < steps and draft[row, place + 1, FIRST] <= end:
        place += 1
    slots[slot, S_FREE] = place
    last = end - 1 + lag
    if end == count:
        slots[slot, S_INDEX] = -1
        return last + 1
    ready = last + pace
    if pause > 0 and end % pause == 0:
        ready += 1
    slots[slot, S_INDEX], slots[slot, S_READY] = end, max(ready, end + np.int64(draft[row, place, LAG]))
    return last + 1


@jit
def end_operation(stream: Stream, slot: int, last: int) -> bool:
    """Keeps the dates that have been found; the slot's next operation that is listed begins."""
    record, operation = stream.trace.operation, stream.slot[slot, S_OPERATION]
    changed = change_operation(stream, operation, drafted(stream, slot, np.int64(record[operation, O_PACE])))
    following = next_in_slot(stream, operation, stream.slot[slot, S_UNTIL])
    if following >= 0:
        begin_slot(stream, slot, following, last)
    else:
        stream.slot[slot, S_OPERATION] = -1
    issue = np.int64(record[record[operation, O_BEFORE], O_OUT])
    if issue >= 0 and record[issue, O_STEPS] > 0:
        date_operation(stream, issue)
        resume_windows(stream, issue)
    return changed


@jit
def drafted(stream: Stream, slot: int, pace: int) -> Stair:
    """The staircase in the making, at the end of the pool, where it stays only if something refers to it."""
    step, at_ = stream.trace.step, stream.counter[STEPS] + 1
    step[at_ - 1, PACE] = pace
    for i in range(stream.slot[slot, S_STEPS]):
        step[at_ + i, FIRST], step[at_ + i, LAG] = stream.trace.draft[slot, i, FIRST], stream.trace.draft[slot, i, LAG]
    return at_, stream.slot[slot, S_STEPS], np.int64(0)
