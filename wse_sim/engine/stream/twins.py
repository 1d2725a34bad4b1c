"""Components that are alike: what one has done when, its twin does at the same dates, with numbers of its own."""

from __future__ import annotations

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.jit import jit
from wse_sim.engine.state import Fabric
from wse_sim.engine.stream.tables import (
    COMPONENT,
    G_LEFT,
    G_TREE,
    G_WORDS,
    MESSAGES,
    O_LEAF_A,
    O_LEAF_B,
    O_PE,
    OPERATIONS,
    TRACED,
    Components,
    Stream,
    Trees,
)

NOBODY = np.int64(-1)


# -- the same structure -----------------------------------------------------------------------------------


def alike(parts: Components, trees: Trees, fabric: Fabric, code: np.ndarray) -> np.ndarray:
    """Whether each component is shaped like the one before, PE by PE and FIFO by FIFO, (components,) uint8.

    code  (pes,) int: the same for PEs that run the same and number their FIFOs alike
    """
    count = len(parts.streams)
    by_pe = np.repeat(np.arange(count), np.diff(parts.first))  # component of each place in parts.pe
    by_tree = np.repeat(np.arange(count), np.diff(parts.first_tree))
    nodes = np.diff(trees.first)[parts.tree]
    by_node = np.repeat(by_tree, nodes)
    found = parts.streams.astype(np.bool_)
    found[:1] = False
    for component in (by_pe, by_tree, by_node):
        size = np.bincount(component, minlength=count)
        found[1:] &= size[1:] == size[:-1]
    if not found.any():
        return found.astype(np.uint8)
    first = np.repeat(trees.first[parts.tree], nodes)
    begin = np.cumsum(nodes) - nodes
    node = first + np.arange(len(by_node)) - np.repeat(begin, nodes)  # each component's nodes, tree by tree
    pe, fifo, parent, place = trees.pe[node], trees.fifo[node], trees.parent[node], parts.place
    base = np.where(fifo < fabric.queue[0], fabric.first[pe], fabric.queue[pe])
    _compare(found, by_pe, (code[parts.pe], np.diff(fabric.first)[parts.pe]))
    _compare(found, by_tree, (nodes, trees.leaves[parts.tree]))
    _compare(found, by_node, (
        place[pe], fifo - base, fifo < fabric.queue[0], np.where(parent < 0, -1, parent - first),
        trees.child[node] - first, trees.children[node], trees.latency[node], trees.capacity[node], trees.needs[node],
    ))  # fmt: skip
    return found.astype(np.uint8)


def _compare(found: np.ndarray, component: np.ndarray, columns: tuple[np.ndarray, ...]) -> None:
    """Clears where what belongs to a component differs from what belongs to the one before, which has as much."""
    of = np.flatnonzero(found[component])
    before = of - np.bincount(component, minlength=len(found))[component[of]]
    for column in columns:
        found[component[of[column[of] != column[before]]]] = False


# -- the same dates ---------------------------------------------------------------------------------------


@jit
def is_twin(stream: Stream) -> bool:
    """Whether the trace that is there is of a component that has done what this one is about to do."""
    parts, progress, component = stream.components, stream.progress, stream.counter[COMPONENT]
    if component == 0 or stream.counter[TRACED] != component - 1 or parts.twin[component] == 0:
        return False
    first, other = parts.first[component], parts.first[component - 1]
    for place in range(parts.first[component + 1] - first):
        pe, twin = parts.pe[first + place], parts.pe[other + place]
        if progress.script[pe] != progress.script[twin] or stream.state.fabric.turn[pe] != progress.turn[twin]:
            return False
        if progress.slotted[twin] and stream.state.cores.state[pe, at.TURN] != progress.first_slot[twin]:
            return False
    return True


@jit
def take_over(stream: Stream) -> None:
    """Makes the trace of the component before this one's."""
    parts, progress, component = stream.components, stream.progress, stream.counter[COMPONENT]
    first, other, slots = parts.first[component], parts.first[component - 1], stream.state.cores.threads - 1
    for place in range(parts.first[component + 1] - first):
        pe, twin = parts.pe[first + place], parts.pe[other + place]
        progress.first[pe], progress.last[pe] = progress.first[twin], progress.last[twin]
        progress.contended[pe], progress.turn[pe] = progress.contended[twin], progress.turn[twin]
        progress.slotted[pe], progress.first_slot[pe] = progress.slotted[twin], progress.first_slot[twin]
        for slot in range(slots):
            progress.issue[pe * slots + slot] = progress.issue[twin * slots + slot]
            progress.pending[pe * slots + slot] = -1
    shift = parts.first_tree[component] - parts.first_tree[component - 1]
    for index in range(parts.first_tree[component], parts.first_tree[component + 1]):
        tree, twin = parts.tree[index], parts.tree[index - shift]
        progress.head[tree], progress.tail[tree] = progress.head[twin], progress.tail[twin]
        ahead = trees_ahead(stream, tree, twin)
        for node in range(stream.trees.first[tree], stream.trees.first[tree + 1]):
            progress.read[node], progress.latest[node] = progress.read[node - ahead], progress.latest[node - ahead]
            progress.waits[node] = progress.waits[node - ahead]
    record = stream.trace.operation
    for operation in range(stream.counter[OPERATIONS]):
        record[operation, O_PE] = parts.pe[first + parts.place[record[operation, O_PE]]]
        record[operation, O_LEAF_A] = twin_of(stream, np.int64(record[operation, O_LEAF_A]), shift)
        record[operation, O_LEAF_B] = twin_of(stream, np.int64(record[operation, O_LEAF_B]), shift)
    record = stream.trace.message
    for message in range(stream.counter[MESSAGES]):
        tree = np.int64(parts.tree[parts.tree_place[record[message, G_TREE]] + shift])
        record[message, G_TREE], record[message, G_LEFT] = tree, stream.trees.leaves[tree]
        record[message, G_WORDS] = NOBODY


@jit
def twin_of(stream: Stream, node: int, shift: int) -> int:
    """The node of the tree `shift` places later; none: none."""
    if node < 0:
        return node
    parts, tree = stream.components, np.int64(stream.trees.tree[node])
    return node + trees_ahead(stream, np.int64(parts.tree[parts.tree_place[tree] + shift]), tree)


@jit
def trees_ahead(stream: Stream, tree: int, other: int) -> int:
    return np.int64(stream.trees.first[tree] - stream.trees.first[other])
