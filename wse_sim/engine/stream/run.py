"""One component after the other: rounds of operations, each dated before the next begins."""

from __future__ import annotations

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.jit import jit
from wse_sim.engine.stream.count import count_component, delay_until
from wse_sim.engine.stream.flow import enqueue, run_round
from wse_sim.engine.stream.settle import NOTHING, settle
from wse_sim.engine.stream.stairs import DRAFTS, GROUND, draft_size, free_pace
from wse_sim.engine.stream.stash import save
from wse_sim.engine.stream.tables import (
    COMPONENT,
    DEADLOCK,
    FINE,
    FIRST,
    LAG,
    LOWEST,
    LOWEST_PORTS,
    MESSAGES,
    NOTES,
    OPERATIONS,
    PACE,
    PLACES,
    QUEUE_FIRST,
    QUEUE_LENGTH,
    STEPS,
    TOO_LONG,
    WORDS,
    Stream,
)


@jit
def run_rounds(stream: Stream, rounds: int) -> None:
    """Does operations of the current component and dates them, until no core can go on."""
    while stream.failed[0] == FINE and rounds > 0:
        settle(stream)
        if stream.failed[0] != FINE or stream.counter[QUEUE_LENGTH] == 0:
            return
        run_round(stream)
        rounds -= 1


@jit
def begin_component(stream: Stream) -> None:
    """An empty trace, and its active PEs ready to go."""
    counter, parts, progress = stream.counter, stream.components, stream.progress
    counter[OPERATIONS] = counter[MESSAGES] = counter[PLACES] = counter[NOTES] = 0
    counter[QUEUE_FIRST] = counter[QUEUE_LENGTH] = 0
    counter[WORDS] = 1
    counter[LOWEST] = counter[LOWEST_PORTS] = NOTHING
    for kind in range(stream.trace.free.shape[0]):
        stream.trace.free[kind] = 0
    step = stream.trace.step
    step[GROUND - 1, PACE], step[GROUND, FIRST], step[GROUND, LAG] = free_pace(stream), 0, 0
    counter[STEPS] = DRAFTS + 2 * (draft_size(stream) + 1)
    component, core = counter[COMPONENT], stream.state.cores.state
    save(stream)
    for index in range(parts.first_tree[component], parts.first_tree[component + 1]):
        tree = parts.tree[index]
        progress.head[tree] = progress.tail[tree] = -1
        for node in range(stream.trees.first[tree], stream.trees.first[tree + 1]):
            progress.read[node] = -1
            progress.waits[node] = 0
    for index in range(parts.first[component], parts.first[component + 1]):
        pe = parts.pe[index]
        progress.last[pe] = -1
        progress.contended[pe] = 0
        if core[pe, at.ACTIVE] != 0:
            core[pe, at.READY] = max(core[pe, at.READY], stream.begin[0])
            enqueue(stream, pe)


@jit
def end_component(stream: Stream) -> None:
    """Counts what a component has done, and goes on to the next."""
    if not is_at_rest(stream):
        stream.failed[0] = DEADLOCK
    elif is_long(stream):
        stream.failed[0] = TOO_LONG
    if stream.failed[0] != FINE:
        return
    count_component(stream)
    if stream.failed[0] == FINE:
        stream.counter[COMPONENT] += 1


@jit
def is_long(stream: Stream) -> bool:
    """Whether an operation has ended after the limit."""
    parts, component = stream.components, stream.counter[COMPONENT]
    for index in range(parts.first[component], parts.first[component + 1]):
        pe = parts.pe[index]
        if stream.progress.last[pe] >= 0:
            delay = delay_until(stream, np.int64(stream.progress.last[pe]))
            if stream.state.cores.state[pe, at.READY] - stream.begin[0] + delay > stream.begin[1]:
                return True
    return False


@jit
def is_at_rest(stream: Stream) -> bool:
    """Whether all operations have ended, all tasks have run, and all words have been read."""
    parts, component = stream.components, stream.counter[COMPONENT]
    core = stream.state.cores.state
    for index in range(parts.first[component], parts.first[component + 1]):
        pe = parts.pe[index]
        if core[pe, at.MODE] != at.FREE or core[pe, at.ACTIVE] != 0:
            return False
    for index in range(parts.first_tree[component], parts.first_tree[component + 1]):
        tree = parts.tree[index]
        for node in range(stream.trees.first[tree], stream.trees.first[tree + 1]):
            if stream.trees.fifo[node] >= stream.state.fabric.queue[0]:
                if stream.progress.read[node] != stream.progress.tail[tree]:
                    return False
    return True
