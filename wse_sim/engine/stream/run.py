"""One component after the other: scripts, rounds of operations, each dated before the next begins, and numbers."""

from __future__ import annotations

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.jit import jit
from wse_sim.engine.stream.cast import cast, cues_of
from wse_sim.engine.stream.count import count_component, end_core
from wse_sim.engine.stream.count_slots import slots_end
from wse_sim.engine.stream.dates import delay_until
from wse_sim.engine.stream.flow import enqueue, next_open_slot, run_round
from wse_sim.engine.stream.numbers import begin_numbers, compute_numbers
from wse_sim.engine.stream.settle import NOTHING, settle
from wse_sim.engine.stream.stairs import GROUND, after_drafts, draft_size, free_pace
from wse_sim.engine.stream.tables import (
    ACTING,
    CASTING,
    COMPONENT,
    COMPUTING,
    DEADLOCK,
    FINE,
    FIRST,
    LAG,
    LOWEST,
    LOWEST_PORTS,
    MESSAGES,
    OPERATIONS,
    PACE,
    PHASE,
    PLACE_IN,
    PLACES,
    QUEUE_FIRST,
    QUEUE_LENGTH,
    SCRIPTS,
    SCRIPTS_BEFORE,
    SINGULAR,
    STEPS,
    TANGLED,
    TOO_LONG,
    TRACED,
    WOKEN,
    Stream,
)
from wse_sim.engine.stream.tangle import is_tangled
from wse_sim.engine.stream.twins import is_twin, take_over

SOME_OF_THEIR_OWN = 1 << 6  # scripts of a component; more are not written if most of its PEs need one to themselves
MOST_OF_THEIR_OWN = 1 << 10  # or if most of the PEs looked at so far do


@jit
def go(stream: Stream, rounds: int) -> None:
    """Goes on with the current component, and begins the next when it is done; `failed` says what is in the way."""
    counter = stream.counter
    if counter[PHASE] == CASTING:
        cast_component(stream)
    if counter[PHASE] == ACTING:
        act(stream, rounds)
    if counter[PHASE] == COMPUTING and stream.failed[0] == FINE:
        compute_numbers(stream)
        if stream.failed[0] == FINE:
            leave_component(stream)


@jit
def begin_component(stream: Stream) -> None:
    counter = stream.counter
    counter[QUEUE_FIRST] = counter[QUEUE_LENGTH] = counter[WOKEN] = 0
    counter[PHASE], counter[PLACE_IN], counter[SCRIPTS_BEFORE] = CASTING, 0, counter[SCRIPTS]


@jit
def clear_trace(stream: Stream) -> None:
    """Nothing has been done and sent yet."""
    counter, parts, progress, component = stream.counter, stream.components, stream.progress, stream.counter[COMPONENT]
    counter[OPERATIONS] = counter[MESSAGES] = counter[PLACES] = 0
    counter[LOWEST] = counter[LOWEST_PORTS] = NOTHING
    counter[TRACED], slots = -1, stream.state.cores.threads - 1
    step = stream.trace.step
    step[GROUND - 1, PACE], step[GROUND, FIRST], step[GROUND, LAG] = free_pace(stream), 0, 0
    counter[STEPS] = after_drafts(draft_size(stream))
    for index in range(parts.first[component], parts.first[component + 1]):
        pe = parts.pe[index]
        progress.done[pe] = progress.contended[pe] = progress.slotted[pe] = 0
        progress.first[pe] = progress.last[pe] = -1
        progress.turn[pe] = stream.state.fabric.turn[pe]
        progress.first_slot[pe] = stream.state.cores.state[pe, at.TURN]
        for place in range(pe * slots, pe * slots + slots):
            progress.issue[place] = progress.pending[place] = -1
    for index in range(parts.first_tree[component], parts.first_tree[component + 1]):
        tree = parts.tree[index]
        progress.head[tree] = progress.tail[tree] = -1
        for node in range(stream.trees.first[tree], stream.trees.first[tree + 1]):
            progress.read[node] = -1
            progress.waits[node] = 0
            progress.latest[node] = -1


@jit
def cast_component(stream: Stream) -> None:
    """Gives each active PE its script; those with stream operations are ready to go."""
    counter, parts, progress = stream.counter, stream.components, stream.progress
    component, core = counter[COMPONENT], stream.state.cores.state
    first = parts.first[component]
    while first + counter[PLACE_IN] < parts.first[component + 1]:
        pe = np.int64(parts.pe[first + counter[PLACE_IN]])
        script = np.int64(-1)
        if core[pe, at.ACTIVE] != 0:
            script = cast(stream, pe)
            if script < 0:
                return
        progress.script[pe] = script
        progress.queued[pe] = 0
        if script >= 0 and cues_of(stream, script) > 0:
            enqueue(stream, pe)
        counter[PLACE_IN] += 1
        written = counter[SCRIPTS] - counter[SCRIPTS_BEFORE]
        of_all = written > SOME_OF_THEIR_OWN and 2 * written > parts.first[component + 1] - first
        so_far = written > MOST_OF_THEIR_OWN and 2 * written > counter[PLACE_IN]
        if stream.begin[3] and (of_all or so_far):
            stream.failed[0] = SINGULAR
            return
    if is_twin(stream):
        take_over(stream)
        count(stream)
    else:
        clear_trace(stream)
        counter[PHASE] = ACTING


@jit
def act(stream: Stream, rounds: int) -> None:
    """Does operations of the current component and dates them, until no core can go on; then counts."""
    for _ in range(rounds):
        settle(stream)
        if stream.failed[0] != FINE:
            return
        if stream.counter[QUEUE_LENGTH] == 0 and stream.counter[WOKEN] == 0:
            end_acts(stream)
            return
        run_round(stream)
        if stream.failed[0] != FINE:
            return


@jit
def end_acts(stream: Stream) -> None:
    """Nothing can go on: counts what the component has done, if it is all that there was to do."""
    if not is_at_rest(stream):
        stream.failed[0] = DEADLOCK
    elif is_long(stream):
        stream.failed[0] = TOO_LONG
    elif is_tangled(stream):
        stream.failed[0] = TANGLED
    else:
        count(stream)


@jit
def count(stream: Stream) -> None:
    count_component(stream)
    if stream.failed[0] == FINE:
        stream.counter[PHASE], stream.counter[TRACED] = COMPUTING, stream.counter[COMPONENT]
        stream.counter[QUEUE_LENGTH] = 0
        if stream.begin[2]:
            begin_numbers(stream)


@jit
def leave_component(stream: Stream) -> None:
    """Its cores rest; on to the next."""
    parts, counter = stream.components, stream.counter
    for index in range(parts.first[counter[COMPONENT]], parts.first[counter[COMPONENT] + 1]):
        end_core(stream, np.int64(parts.pe[index]))
    counter[COMPONENT] += 1


@jit
def is_long(stream: Stream) -> bool:
    """Whether a core has ended after the limit."""
    parts, component, progress = stream.components, stream.counter[COMPONENT], stream.progress
    for index in range(parts.first[component], parts.first[component + 1]):
        pe = parts.pe[index]
        if progress.last[pe] >= 0:
            delay = delay_until(stream, np.int64(progress.last[pe]))
            if stream.scripts.core[progress.script[pe], at.READY] + delay > stream.begin[1]:
                return True
            if progress.slotted[pe] and slots_end(stream, np.int64(pe)) > stream.begin[1]:
                return True
    return False


@jit
def is_at_rest(stream: Stream) -> bool:
    """Whether all operations have been done, and all words have been read."""
    parts, component, progress = stream.components, stream.counter[COMPONENT], stream.progress
    for index in range(parts.first[component], parts.first[component + 1]):
        pe = parts.pe[index]
        if progress.script[pe] >= 0 and progress.done[pe] < cues_of(stream, np.int64(progress.script[pe])):
            return False
        if progress.slotted[pe] and next_open_slot(stream, np.int64(pe), np.int64(0)) >= 0:
            return False
    for index in range(parts.first_tree[component], parts.first_tree[component + 1]):
        tree = parts.tree[index]
        for node in range(stream.trees.first[tree], stream.trees.first[tree + 1]):
            if stream.trees.fifo[node] >= stream.state.fabric.queue[0]:
                if stream.progress.read[node] != stream.progress.tail[tree]:
                    return False
    return True
