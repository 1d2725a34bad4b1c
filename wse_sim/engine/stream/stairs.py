"""Staircases: the dates of a message's words at one place.

Compiled functions pass one as (at, steps, shift). A new one is made in one of two drafts at the start of the pool and
copied to its end when it is kept.
"""

from __future__ import annotations

import numpy as np

from wse_sim.engine.jit import jit
from wse_sim.engine.stream.tables import FIRST, FULL, LAG, PACE, STEPS, Stream

Stair = tuple[int, int, int]
NEVER, LATEST = np.int64(-(1 << 40)), np.int64(1 << 40)
UNSET = (np.int64(0), np.int64(0), np.int64(0))
GROUND = np.int64(1)  # the staircase of lag 0, its header at 0
DRAFTS = np.int64(2)  # where the drafts begin


@jit
def date_of(stream: Stream, stair: Stair, index: int) -> int:
    """Date of one word."""
    at, steps, shift = stair
    low, high = np.int64(0), steps - 1
    while low < high:
        middle = (low + high + 1) >> 1
        if stream.trace.step[at + middle, FIRST] <= index:
            low = middle
        else:
            high = middle - 1
    return index + stream.trace.step[at + low, LAG] + shift


@jit
def last_date(stream: Stream, stair: Stair, count: int) -> int:
    return count - 1 + stream.trace.step[stair[0] + stair[1] - 1, LAG] + stair[2]


@jit
def first_date(stream: Stream, stair: Stair) -> int:
    return np.int64(stream.trace.step[stair[0], LAG]) + stair[2]


@jit
def words_before(stream: Stream, stair: Stair, count: int, date: int) -> int:
    """How many of a message's words have an earlier date."""
    if first_date(stream, stair) >= date:
        return np.int64(0)
    at, steps, shift = stair
    low, high = np.int64(0), steps - 1
    while low < high:
        middle = (low + high + 1) >> 1
        if stream.trace.step[at + middle, FIRST] + stream.trace.step[at + middle, LAG] + shift < date:
            low = middle
        else:
            high = middle - 1
    end = np.int64(stream.trace.step[at + low + 1, FIRST]) if low + 1 < steps else count
    return min(end, date - stream.trace.step[at + low, LAG] - shift)


@jit
def next_ready(stream: Stream, stair: Stair, place: int, pace: int, pause: int) -> int:
    """Date at which the group that begins a step could be done at the earliest: the one before it has rested."""
    word = np.int64(stream.trace.step[stair[0] + place, FIRST])
    ready = word - 1 + stream.trace.step[stair[0] + place - 1, LAG] + stair[2] + pace
    return ready + 1 if pause > 0 and word % pause == 0 else ready


@jit
def draft_size(stream: Stream) -> int:
    """Steps that fit into a draft; a message may have as many words."""
    return np.int64(stream.trace.draft.shape[1])


@jit
def after_drafts(size: int) -> int:
    """The first step that is not of the ground or of two drafts of a size."""
    return DRAFTS + 2 * (size + 1)


@jit
def is_draft(stream: Stream, stair: Stair) -> bool:
    return stair[0] > GROUND and stair[0] < after_drafts(draft_size(stream))


@jit
def other_draft(stream: Stream, at: int) -> int:
    """Where to make a new staircase while the one at `at` is read."""
    first = DRAFTS + 1
    return first + draft_size(stream) + 1 if at == first else first


@jit
def free_pace(stream: Stream) -> int:
    """The pace that any words keep that pass one by one."""
    return np.int64(stream.state.costs.stream_pause == 0)


@jit
def raised(stream: Stream, stair: Stair, count: int, bound: Stair, bound_count: int, offset: int, delay: int) -> Stair:
    """The staircase, each word i no earlier than word i - offset of `bound` plus a delay, where there is one."""
    if bound[1] == 0:
        return stair
    more = bound[2] + delay - offset  # by which the lags of `bound` grow
    step = stream.trace.step
    if step[bound[0] + bound[1] - 1, LAG] + more <= first_date(stream, stair):
        return stair
    if bound[0] == stair[0] and offset >= 0 and more <= stair[2]:
        return stair
    return merged(stream, stair, count, bound, bound_count, offset, more)


@jit
def merged(stream: Stream, stair: Stair, count: int, bound: Stair, bound_count: int, offset: int, more: int) -> Stair:
    """The upper envelope; the staircase itself if it is never lower."""
    step = stream.trace.step
    at, steps, shift = stair
    begin, end = max(np.int64(0), offset), min(count, bound_count + offset)
    if begin >= end:
        return stair
    p, q = np.int64(0), np.int64(0)
    while q + 1 < bound[1] and step[bound[0] + q + 1, FIRST] + offset <= begin:
        q += 1
    to = other_draft(stream, at)
    made, binds, high, i = np.int64(0), False, NEVER, np.int64(0)
    while i < count:
        lag = step[at + p, LAG] + shift
        if i >= begin and step[bound[0] + q, LAG] + more > lag:
            lag = step[bound[0] + q, LAG] + more
            binds = True
        if lag > high:
            step[to + made, FIRST], step[to + made, LAG] = i, lag
            made += 1
            high = lag
        following = count
        if p + 1 < steps:
            following = min(following, np.int64(step[at + p + 1, FIRST]))
        if i < begin:
            following = min(following, begin)
        elif q + 1 < bound[1] and step[bound[0] + q + 1, FIRST] + offset < end:
            following = min(following, step[bound[0] + q + 1, FIRST] + offset)
        if p + 1 < steps and step[at + p + 1, FIRST] == following:
            p += 1
        if i >= begin and q + 1 < bound[1] and step[bound[0] + q + 1, FIRST] + offset == following:
            q += 1
        i = following
    if not binds:
        return stair
    step[to - 1, PACE] = free_pace(stream)
    return to, made, np.int64(0)


@jit
def not_before(stream: Stream, stair: Stair, count: int, date: int) -> Stair:
    """The staircase, its first word no earlier than a date."""
    if date <= first_date(stream, stair):
        return stair
    if date >= stream.trace.step[stair[0] + stair[1] - 1, LAG] + stair[2]:
        return GROUND, np.int64(1), np.int64(date)
    return merged(stream, stair, count, (GROUND, np.int64(1), date), count, np.int64(0), date)


@jit
def paced(stream: Stream, stair: Stair, count: int, pace: int) -> Stair:
    """The staircase, at least `pace` cycles from word to word, and a pause after every so many words."""
    step = stream.trace.step
    at, steps, shift = stair
    if step[at - 1, PACE] >= pace:
        return stair
    pause = np.int64(stream.state.costs.stream_pause)
    to = other_draft(stream, at)
    made, p, high = np.int64(0), np.int64(0), NEVER
    for i in range(count):
        if p + 1 < steps and step[at + p + 1, FIRST] == i:
            p += 1
        if i > 0:
            high += pace - 1
            if pause > 0 and i % pause == 0:
                high += 1
        high = max(high, step[at + p, LAG] + shift)
        if made == 0 or high > step[to + made - 1, LAG]:
            step[to + made, FIRST], step[to + made, LAG] = i, high
            made += 1
    step[to - 1, PACE] = pace
    return to, made, np.int64(0)


@jit
def same(stream: Stream, one: Stair, other: Stair) -> bool:
    """Whether all dates are equal."""
    if one[1] != other[1]:
        return False
    if one[0] == other[0]:
        return one[2] == other[2]
    step = stream.trace.step
    for k in range(one[1]):
        if step[one[0] + k, FIRST] != step[other[0] + k, FIRST]:
            return False
        if step[one[0] + k, LAG] + one[2] != step[other[0] + k, LAG] + other[2]:
            return False
    return True


@jit
def kept(stream: Stream, stair: Stair) -> Stair:
    """Out of the draft, or from the end of the pool, to stay; UNSET if the pool is full."""
    step, at = stream.trace.step, stream.counter[STEPS] + 1
    if stair[0] != at and not is_draft(stream, stair):
        return stair
    if at + stair[1] + draft_size(stream) >= step.shape[0]:
        stream.failed[0] = FULL
        return UNSET
    if stair[0] != at:
        step[at - 1, PACE] = step[stair[0] - 1, PACE]
        for k in range(stair[1]):
            step[at + k, FIRST], step[at + k, LAG] = step[stair[0] + k, FIRST], step[stair[0] + k, LAG]
    stream.counter[STEPS] = at + stair[1]
    return at, stair[1], stair[2]


@jit
def meet(stream: Stream, one: Stair, count: int, other: Stair, other_count: int) -> bool:
    """Whether two words have the same date."""
    step = stream.trace.step
    p, q = np.int64(0), np.int64(0)
    while True:
        first, second = one[0] + p, other[0] + q
        end = step[first + 1, FIRST] if p + 1 < one[1] else count
        other_end = step[second + 1, FIRST] if q + 1 < other[1] else other_count
        lag, other_lag = step[first, LAG] + one[2], step[second, LAG] + other[2]
        begin, other_begin = step[first, FIRST] + lag, step[second, FIRST] + other_lag
        end += lag
        other_end += other_lag
        if begin < other_end and other_begin < end:
            return True
        if end <= other_end:
            p += 1
            if p == one[1]:
                return False
        else:
            q += 1
            if q == other[1]:
                return False
