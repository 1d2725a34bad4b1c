"""Threads of a core that use a colour at the same time: the words would be mixed, which the dates do not show."""

from __future__ import annotations

import numpy as np

from wse_sim.engine.jit import jit
from wse_sim.engine.stream.dates import is_leaf, of_operation, start_of_operation
from wse_sim.engine.stream.due import place_of
from wse_sim.engine.stream.stairs import last_date
from wse_sim.engine.stream.tables import (
    COMPONENT,
    G_AFTER,
    G_SOURCE,
    IN_SLOT,
    O_COUNT,
    O_CUE,
    P_AT,
    U_SLOT,
    Stream,
)


@jit
def is_tangled(stream: Stream) -> bool:
    """Whether a thread begins to send or to receive on a colour before another thread has ended."""
    parts, component, trees = stream.components, stream.counter[COMPONENT], stream.trees
    for index in range(parts.first_tree[component], parts.first_tree[component + 1]):
        tree = np.int64(parts.tree[index])
        for node in range(trees.first[tree], trees.first[tree + 1]):
            ends = node == trees.first[tree] or is_leaf(stream, node)
            if ends and stream.progress.slotted[trees.pe[node]] and meets_itself(stream, tree, np.int64(node)):
                return True
    return False


@jit
def meets_itself(stream: Stream, tree: int, node: int) -> bool:
    """Whether threads meet at the root of a tree, or at a leaf."""
    record, message, before = stream.trace.message, np.int64(stream.progress.head[tree]), np.int64(-1)
    while message >= 0:
        user = np.int64(record[message, G_SOURCE])
        if is_leaf(stream, node):
            user = np.int64(stream.trace.place[place_of(stream, message, node), P_AT])
        if before >= 0 and thread_of(stream, before) != thread_of(stream, user):
            count = np.int64(stream.trace.operation[before, O_COUNT])
            if start_of_operation(stream, user) <= last_date(stream, of_operation(stream, before), count):
                return True
        before, message = user, np.int64(record[message, G_AFTER])
    return False


@jit
def thread_of(stream: Stream, operation: int) -> int:
    """Slot of an operation; -1: the main thread."""
    if not stream.trace.due[operation] & IN_SLOT:
        return np.int64(-1)
    return np.int64(stream.scripts.cue[stream.trace.operation[operation, O_CUE], U_SLOT])
