"""Routers at which messages meet: exact arbitration among words whose dates of arrival are known.

Two messages that never want the same output in the same cycle do not notice each other. Those that do are moved word by
word, as SEMANTICS.md says, together with all others that pass the router meanwhile; each such set is arbitrated anew
until the dates around it do not change any more. As every word depends only on earlier cycles, dates that agree with
each other everywhere are the machine's.
"""

from __future__ import annotations

import numpy as np

from wse_sim.engine.jit import jit
from wse_sim.engine.stream.dates import arriving, change_place, date_place, leaving, unhindered
from wse_sim.engine.stream.due import place_due, place_of
from wse_sim.engine.stream.stairs import LATEST, NEVER, Stair, date_of, first_date, last_date, meet
from wse_sim.engine.stream.tables import (
    DATES_DUE,
    FIRST,
    G_AFTER,
    G_BEFORE,
    G_COUNT,
    G_OPEN,
    LAG,
    P_DUE,
    PACE,
    ROUTER_FIFOS,
    SHARES,
    STEPS,
    UNKNOWN_TURN,
    Stream,
)

R_NODE, R_MESSAGE, R_UNTIL, R_INDEX, R_READY, R_BEFORE = map(np.int64, range(6))
"""Columns of a router buffer: node, message at its head, last message, next word, when it may move, the last did."""
R_STEPS, R_LAG = map(np.int64, range(6, 8))
"""Of the staircase in the making: steps, last lag."""
R_FREE, R_FREE_STEPS = map(np.int64, range(8, 10))
"""Of the dates at which the words could move if no other buffer did: step at the next word, steps."""


@jit
def tail_of(stream: Stream, node: int) -> int:
    return np.int64(stream.progress.tail[stream.trees.tree[node]])


# -- meetings -------------------------------------------------------------------------------------------


@jit
def find_meetings(stream: Stream, message: int, node: int) -> None:
    """Marks the router if the message meets another one there; both are then due."""
    fabric, trees, pe = stream.state.fabric, stream.trees, stream.trees.pe[node]
    needs = trees.needs[node] & ~SHARES
    own = leaving(stream, message, node)
    count = stream.trace.message[message, G_COUNT]
    first, last = first_date(stream, own), last_date(stream, own, count)
    for index in range(fabric.first[pe], fabric.first[pe + 1]):
        other = trees.node[index]
        if other < 0 or other == node or not trees.needs[other] & needs or stream.progress.latest[other] < first:
            continue
        passing = tail_of(stream, other)
        while passing >= 0:
            stair = leaving(stream, passing, other)
            words = stream.trace.message[passing, G_COUNT]
            if stair[1] > 0:
                if last_date(stream, stair, words) < first:
                    break
                is_open = stream.trace.message[passing, G_OPEN] > 0
                if not is_open and first_date(stream, stair) <= last and meet(stream, own, count, stair, words):
                    stream.progress.contended[pe] = 1
                    place_due(stream, passing, other)
                    place_due(stream, message, node)
            passing = np.int64(stream.trace.message[passing, G_BEFORE])


# -- arbitration ----------------------------------------------------------------------------------------


@jit
def arbitrate(stream: Stream, message: int, node: int) -> bool:
    """Dates a message anew at a router that has refused words, and all that pass there at the same time."""
    pe = stream.trees.pe[node]
    arrival = arriving(stream, message, node)
    begin, since = NEVER, NEVER
    if arrival[1] > 0:
        since, _ = passage(stream, message, node)
    if arrival[1] > 0 and stream.trace.message[message, G_OPEN] == 0:
        begin = gather(stream, pe, message, node)
    if begin == NEVER:
        changed = date_place(stream, message, node)
    else:
        turn = turn_before(stream, pe, begin)
        if turn < 0:
            stream.failed[0] = UNKNOWN_TURN
            return False
        since = begin
        changed = move_words(stream, pe, turn)
    if changed:
        later_due(stream, pe, since)
    return changed


@jit
def gather(stream: Stream, pe: int, message: int, node: int) -> int:
    """Lists the messages that pass a router while this one does, or while those do; returns when the first arrives.

    NEVER: there is no other.
    """
    fabric, router = stream.state.fabric, stream.router
    first = fabric.first[pe]
    buffers = fabric.first[pe + 1] - first
    begin, end = passage(stream, message, node)
    for k in range(buffers):
        router[k, R_NODE] = stream.trees.node[first + k]
        router[k, R_MESSAGE] = router[k, R_UNTIL] = -1
    own = stream.trees.fifo[node] - first
    router[own, R_MESSAGE] = router[own, R_UNTIL] = message
    alone, grows = True, True
    while grows:
        grows = False
        for k in range(buffers):
            if router[k, R_NODE] < 0:
                continue
            other = tail_of(stream, router[k, R_NODE])
            while other >= 0:
                dated = arriving(stream, other, router[k, R_NODE])[1] > 0
                if dated and stream.trace.message[other, G_OPEN] == 0:
                    other_begin, other_end = passage(stream, other, router[k, R_NODE])
                    if other_end < begin:
                        break
                    if other_begin <= end and other_end >= begin:
                        if router[k, R_UNTIL] < other:
                            router[k, R_UNTIL] = other
                            grows = True
                        if router[k, R_MESSAGE] < 0 or router[k, R_MESSAGE] > other:
                            router[k, R_MESSAGE] = other
                            grows = True
                        begin, end = min(begin, other_begin), max(end, other_end)
                        alone = alone and other == message
                other = np.int64(stream.trace.message[other, G_BEFORE])
    return NEVER if alone else begin


@jit
def passage(stream: Stream, message: int, node: int) -> tuple[int, int]:
    """First and last date at the router, by what comes now and by what was known before."""
    arrival = arriving(stream, message, node)
    count = stream.trace.message[message, G_COUNT]
    own = leaving(stream, message, node)
    begin, end = first_date(stream, arrival), last_date(stream, arrival, count)
    if own[1] > 0:
        begin, end = min(begin, first_date(stream, own)), max(end, last_date(stream, own, count))
    return begin, end


@jit
def move_words(stream: Stream, pe: int, turn: int) -> bool:
    """Moves the words of the listed messages cycle by cycle; whether any dates have changed."""
    fabric, router = stream.state.fabric, stream.router
    first = fabric.first[pe]
    buffers = fabric.first[pe + 1] - first
    now = LATEST
    for k in range(buffers):
        if router[k, R_MESSAGE] >= 0:
            router[k, R_BEFORE] = last_of_before(stream, router[k, R_MESSAGE], router[k, R_NODE])
            begin_message(stream, k)
            now = min(now, router[k, R_READY])
    changed = False
    while now < LATEST:
        used, served, following, movers = np.int64(0), np.int64(-1), LATEST, np.int64(0)
        for k in range(buffers):
            if router[k, R_MESSAGE] >= 0:
                if router[k, R_READY] <= now:
                    movers, served = movers + 1, k
                else:
                    following = min(following, router[k, R_READY])
        if movers == 1:
            changed |= move_run(stream, served, now, following)
            turn = (served + 1) % buffers
            if router[served, R_MESSAGE] >= 0:
                following = min(following, router[served, R_READY])
            now = following
            continue
        served = -1
        for asked in range(buffers):
            k = (turn + asked) % buffers
            if router[k, R_MESSAGE] < 0 or router[k, R_READY] > now:
                continue
            needs = stream.trees.needs[router[k, R_NODE]] & ~SHARES
            if used & needs:
                router[k, R_READY] = now + 1
            else:
                used |= needs
                served = k if served < 0 else served
                changed |= move_run(stream, k, now, now + 1)
            if router[k, R_MESSAGE] >= 0:
                following = min(following, router[k, R_READY])
        turn = (served + 1) % buffers
        now = following
    return changed


@jit
def begin_message(stream: Stream, k: int) -> None:
    """The next message comes to a buffer's head: when its words could move if no other buffer did."""
    router, message, node = stream.router, stream.router[k, R_MESSAGE], stream.router[k, R_NODE]
    stair = unhindered(stream, message, node)
    for i in range(stair[1]):
        stream.trace.draft[ROUTER_FIFOS + k, i, FIRST] = stream.trace.step[stair[0] + i, FIRST]
        stream.trace.draft[ROUTER_FIFOS + k, i, LAG] = stream.trace.step[stair[0] + i, LAG] + stair[2]
    router[k, R_FREE_STEPS], router[k, R_FREE] = stair[1], 0
    router[k, R_INDEX] = router[k, R_STEPS] = 0
    router[k, R_LAG] = NEVER
    find_ready(stream, k)


@jit
def find_ready(stream: Stream, k: int) -> None:
    """When the next word of a buffer is visible, the word before is gone, and there is room behind."""
    router, free = stream.router, stream.trace.draft
    row, index, place = ROUTER_FIFOS + k, router[k, R_INDEX], router[k, R_FREE]
    while place + 1 < router[k, R_FREE_STEPS] and free[row, place + 1, FIRST] <= index:
        place += 1
    router[k, R_FREE] = place
    router[k, R_READY] = max(router[k, R_BEFORE] + 1, index + free[row, place, LAG])


@jit
def date_before(stream: Stream, message: int, node: int, index: int) -> int:
    """Date at which word `index` leaves a FIFO; negative indices are words of messages before."""
    while index < 0:
        message = np.int64(stream.trace.message[message, G_BEFORE])
        if message < 0:
            return NEVER
        index += stream.trace.message[message, G_COUNT]
    stair = leaving(stream, message, node)
    return date_of(stream, stair, index) if stair[1] > 0 else NEVER


@jit
def last_of_before(stream: Stream, message: int, node: int) -> int:
    return date_before(stream, message, node, np.int64(-1))


@jit
def move_run(stream: Stream, k: int, now: int, until: int) -> bool:
    """Moves a buffer's words, one a cycle, up to a cycle or to the first that has to wait.

    Returns, at the end of a message, whether its dates have changed.
    """
    router, draft = stream.router, stream.trace.draft
    index, message, lag = router[k, R_INDEX], router[k, R_MESSAGE], now - router[k, R_INDEX]
    if lag > router[k, R_LAG]:
        draft[k, router[k, R_STEPS], FIRST], draft[k, router[k, R_STEPS], LAG] = index, lag
        router[k, R_STEPS] += 1
        router[k, R_LAG] = lag
    count, place = np.int64(stream.trace.message[message, G_COUNT]), router[k, R_FREE] + 1
    while place < router[k, R_FREE_STEPS] and draft[ROUTER_FIFOS + k, place, LAG] <= lag:
        place += 1
    end = count if place == router[k, R_FREE_STEPS] else np.int64(draft[ROUTER_FIFOS + k, place, FIRST])
    end = min(end, index + until - now)
    router[k, R_INDEX], router[k, R_BEFORE] = end, end - 1 + lag
    if end < count:
        find_ready(stream, k)
        return False
    stream.trace.place[place_of(stream, message, router[k, R_NODE]), P_DUE] &= ~DATES_DUE
    changed = change_place(stream, message, router[k, R_NODE], drafted(stream, k))
    if message == router[k, R_UNTIL]:
        router[k, R_MESSAGE] = -1
    else:
        router[k, R_MESSAGE] = stream.trace.message[message, G_AFTER]
        begin_message(stream, k)
    return changed


@jit
def drafted(stream: Stream, k: int) -> Stair:
    """The staircase in the making, at the end of the pool, where it stays only if something refers to it."""
    step, at = stream.trace.step, stream.counter[STEPS] + 1
    step[at - 1, PACE] = np.int64(stream.state.costs.stream_pause == 0)
    for i in range(stream.router[k, R_STEPS]):
        step[at + i, FIRST], step[at + i, LAG] = stream.trace.draft[k, i, FIRST], stream.trace.draft[k, i, LAG]
    return at, stream.router[k, R_STEPS], np.int64(0)


@jit
def later_due(stream: Stream, pe: int, date: int) -> None:
    """Whose turn it is depends on what passes from a date on, or passed before the dates changed."""
    fabric = stream.state.fabric
    for index in range(fabric.first[pe], fabric.first[pe + 1]):
        node = stream.trees.node[index]
        if node < 0:
            continue
        message = tail_of(stream, node)
        while message >= 0:
            stair = leaving(stream, message, node)
            if stair[1] > 0 and first_date(stream, stair) <= date:
                break
            place_due(stream, message, node)
            message = np.int64(stream.trace.message[message, G_BEFORE])


# -- turns ----------------------------------------------------------------------------------------------


@jit
def turn_before(stream: Stream, pe: int, date: int) -> int:
    """The buffer that a router asks first in a cycle: one past the first that moved in the cycle before with moves.

    Goes back to a cycle in which only one buffer moved, and from there forward. -1: that is too far.
    """
    fabric, router = stream.state.fabric, stream.router
    first = fabric.first[pe]
    buffers = fabric.first[pe + 1] - first
    for k in range(buffers):
        node = stream.trees.node[first + k]
        router[k, R_LAG] = node
        router[k, R_STEPS] = -1  # message whose words are looked at, R_INDEX the word, R_READY its date
        if node >= 0:
            step_back(stream, k, tail_of(stream, node), date)
    depth, turn = np.int64(0), np.int64(-1)
    while turn < 0:
        latest, movers = NEVER, np.int64(0)
        for k in range(buffers):
            if router[k, R_STEPS] >= 0:
                if router[k, R_READY] > latest:
                    latest, movers = router[k, R_READY], np.int64(0)
                if router[k, R_READY] == latest:
                    movers |= np.int64(1) << k
        if movers == 0:
            turn = fabric.turn[pe]
        elif movers & (movers - 1) == 0:
            turn = (bit_of(movers) + 1) % buffers
        else:
            if depth == stream.turns.shape[0]:
                return np.int64(-1)
            stream.turns[depth] = movers
            depth += 1
            for k in range(buffers):
                if movers >> k & 1:
                    step_back(stream, k, router[k, R_STEPS], latest)
    while depth > 0:
        depth -= 1
        movers = stream.turns[depth]
        while not movers >> turn & 1:
            turn = (turn + 1) % buffers
        turn = (turn + 1) % buffers
    return turn


@jit
def bit_of(mask: int) -> int:
    bit = np.int64(0)
    while mask > 1:
        mask >>= 1
        bit += 1
    return bit


@jit
def step_back(stream: Stream, k: int, message: int, date: int) -> None:
    """Finds the last word of a buffer that moved before a date, in this message or one before."""
    router, node = stream.router, stream.router[k, R_LAG]
    router[k, R_STEPS] = -1
    while message >= 0:
        stair = leaving(stream, message, node)
        if stair[1] > 0 and first_date(stream, stair) < date:
            count = np.int64(stream.trace.message[message, G_COUNT])
            low, high = np.int64(0), count - 1
            if last_date(stream, stair, count) < date:
                low = high
            while low < high:
                middle = (low + high + 1) >> 1
                if date_of(stream, stair, middle) < date:
                    low = middle
                else:
                    high = middle - 1
            router[k, R_STEPS], router[k, R_INDEX] = message, low
            router[k, R_READY] = date_of(stream, stair, low)
            return
        message = np.int64(stream.trace.message[message, G_BEFORE])
