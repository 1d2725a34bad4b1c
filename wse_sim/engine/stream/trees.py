"""Routes -> trees and components."""

from __future__ import annotations

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.jit import jit
from wse_sim.engine.layout import F_NEXT, F_OUTPUTS, F_OWNER, F_PORT, F_SHAPE, RAMP_INPUT
from wse_sim.engine.state import Fabric, State
from wse_sim.engine.stream.tables import SHARES, Components, Trees
from wse_sim.engine.table import Table

RAMP = np.int64(4)


def make_trees(state: State, table: object, covered: np.ndarray) -> tuple[Trees, Components]:
    """All trees of a program's routes.

    covered  (pes,) bool: PEs whose instructions the stream engine knows
    """
    fabric = state.fabric
    size = fabric.fifos
    sources = int((fabric.pool[fabric.at[: fabric.queue[0]] + at.F_PORT] == RAMP).sum())
    wide = {name: np.empty(size, np.int32) for name in ("fifo", "parent", "child", "pe", "tree")}
    short = {name: np.empty(size, np.int16) for name in ("latency", "capacity")}
    flags = {name: np.zeros(size, np.int8) for name in ("children", "needs")}
    trees = Trees(
        first=np.zeros(sources + 1, np.int32),
        leaves=np.zeros(sources, np.int32),
        node=np.full(size, -1, np.int32),
        **wide, **short, **flags,
    )  # fmt: skip
    group = np.arange(len(covered) + 1)
    count, nodes = _grow(table, Table(trees), group, twice := np.zeros(len(covered), np.uint8))
    kept = {name: getattr(trees, name)[:nodes].copy() for name in (*wide, *short, *flags)}
    trees = trees._replace(first=trees.first[: count + 1].copy(), leaves=trees.leaves[:count].copy(), **kept)
    return trees, _components(trees, group, covered & (twice == 0))


def _components(trees: Trees, group: np.ndarray, covered: np.ndarray) -> Components:
    pes = len(covered)
    _flatten(group)
    size = np.bincount(group[:pes], minlength=pes)
    label = np.where(size[group[:pes]] > 1, group[:pes], pes)  # PEs that talk to nobody: together
    own = trees.pe[trees.first[:-1]]
    label[own[size[group[own]] == 1]] = own[size[group[own]] == 1]  # but for those that talk to themselves
    name, component = np.unique(label, return_inverse=True)
    by_tree = component[own]
    count = len(name)
    streams = np.bincount(component, ~covered, count) == 0
    first, pe = _starts(component, count), np.argsort(component, kind="stable").astype(np.int32)
    tree = np.argsort(by_tree, kind="stable").astype(np.int32)
    place, tree_place = np.empty(pes, np.int32), np.empty(len(tree), np.int32)
    place[pe] = np.arange(pes) - np.repeat(first[:-1], np.diff(first))
    tree_place[tree] = np.arange(len(tree))
    return Components(
        first=first,
        pe=pe,
        first_tree=_starts(by_tree, count),
        tree=tree,
        streams=streams.astype(np.uint8),
        place=place,
        tree_place=tree_place,
        twin=np.zeros(count, np.uint8),
    )


def _starts(of: np.ndarray, count: int) -> np.ndarray:
    return np.concatenate([[0], np.cumsum(np.bincount(of, minlength=count))]).astype(np.int32)


@jit
def _grow(state: State, trees: Trees, group: np.ndarray, twice: np.ndarray) -> tuple[int, int]:
    """Follows the routes from every output queue, breadth first; returns how many trees and nodes there are.

    group  (pes,) int64: grows together where words pass
    twice  (pes,) uint8: set where two routes lead to the same place
    """
    fabric = state.fabric
    count, nodes = 0, 0
    for source in range(twice.shape[0]):
        for root in range(fabric.first[source], fabric.first[source + 1]):
            record = fabric.at[root]
            if fabric.pool[record + F_PORT] != RAMP or fabric.pool[record + F_OUTPUTS] == 0:
                continue
            trees.first[count] = nodes
            done = nodes
            add_node(fabric, trees, nodes, count, root, np.int64(-1))
            nodes += 1
            while done < nodes:
                join(group, source, trees.pe[done])
                trees.child[done] = nodes
                record = fabric.at[trees.fifo[done]]
                if trees.fifo[done] >= fabric.queue[0]:
                    trees.leaves[count] += 1
                    done += 1
                    continue
                trees.needs[done] = needs_of(fabric, trees.pe[done], trees.fifo[done])
                for port in range(5):
                    if fabric.pool[record + F_OUTPUTS] >> port & 1:
                        target = index_of(fabric, fabric.pool[record + F_NEXT + port])
                        if trees.node[target] >= 0:
                            twice[trees.pe[done]] = 1
                        else:
                            add_node(fabric, trees, nodes, count, target, done)
                            trees.children[done] += 1
                            nodes += 1
                done += 1
            count += 1
    trees.first[count] = nodes
    return count, nodes


@jit
def add_node(fabric: Fabric, trees: Trees, node: int, tree: int, index: int, parent: int) -> None:
    record = fabric.at[index]
    form = fabric.pool[record + F_SHAPE]
    trees.node[index] = node
    trees.fifo[node], trees.parent[node], trees.tree[node] = index, parent, tree
    trees.pe[node] = fabric.pool[record + F_OWNER]
    trees.latency[node], trees.capacity[node] = form >> 32, (form >> 16) & 0xFFFF


@jit
def index_of(fabric: Fabric, record: int) -> int:
    """The FIFO whose record it is."""
    owner = fabric.pool[record + F_OWNER]
    for index in range(fabric.first[owner], fabric.first[owner + 1]):
        if fabric.at[index] == record:
            return index
    index = fabric.queue[owner]
    while fabric.at[index] != record:
        index += 1
    return index


@jit
def needs_of(fabric: Fabric, pe: int, index: int) -> int:
    """What a router buffer's word needs to itself in its cycle, and whether another buffer may want it."""
    needs = of_router(fabric, index)
    for other in range(fabric.first[pe], fabric.first[pe + 1]):
        if other != index and needs & of_router(fabric, other):
            return needs | SHARES
    return needs


@jit
def of_router(fabric: Fabric, index: int) -> int:
    """A bit for each output, and RAMP_INPUT for a buffer that the core fills."""
    outputs = np.int64(fabric.pool[fabric.at[index] + F_OUTPUTS])
    if outputs != 0 and fabric.pool[fabric.at[index] + F_PORT] == RAMP:
        return outputs | RAMP_INPUT
    return outputs


@jit
def join(group: np.ndarray, one: int, other: int) -> None:
    """One group of both PEs' groups; the lowest PE names it."""
    a, b = root_of(group, one), root_of(group, other)
    if a < b:
        group[b] = a
    elif b < a:
        group[a] = b


@jit
def root_of(group: np.ndarray, pe: int) -> int:
    while group[pe] != pe:
        group[pe] = group[group[pe]]
        pe = group[pe]
    return pe


@jit
def _flatten(group: np.ndarray) -> None:
    for pe in range(group.shape[0]):
        group[pe] = root_of(group, pe)
