"""What a decode step sends over the links of a region, in closed form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import DType, Region, f32, i32
from wse_sim.kernels.collective.plan import plan
from wse_sim.kernels.collective.timing import wavelets
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.matrix import feed
from wse_sim.kernels.transformer.heads import head_slots
from wse_sim.mapping.region.arrivals import words_of_a_step
from wse_sim.mapping.region.layout import Layout

Loads = NDArray[np.int64]  # [towards higher, towards lower positions; link of a line]


@dataclass(frozen=True)
class Traffic:
    """Of one token.

    wavelets  hops over all links
    along_x   wavelets over that link along x which carries most
    along_y   the same along y
    """

    wavelets: int
    along_x: int
    along_y: int


def streamed_traffic(layout: Layout, region: Region) -> Traffic:
    """Of a step's weights from the host: every word goes along all columns that hear its side."""
    words = words_of_a_step(layout)
    parts = [len(columns) for columns in feed.halves(layout.wafer, region).values()]
    hops = layout.height * sum(words * n * (n - 1) for n in parts)
    return Traffic(hops, words * max(parts) if max(parts) > 1 else 0, 0)


def traffic_of(layout: Layout, position: int, *, spare: bool = False) -> Traffic:
    """The sums of a part's kernels; not the hand-overs between parts."""
    along_x, along_y, shard = _trees(layout, spare=spare)
    x, y, layers = Lines(along_x), Lines(along_y), len(layout.held)
    inside = x if shard is along_x else Lines(shard)
    for elements in _layer_on_x(layout):
        x.sum(elements, layout.accumulate, layout.height, times=layers)
    for elements, dtype in _layer_on_y(layout):
        y.sum(elements, dtype, layout.width, times=layers)
    full, last = divmod(position, layout.height)
    heads = layout.config.n_head // layout.shards
    for tokens, rows in ((full + 1, last + 1), (full, layout.height - last - 1)):
        inside.sum(heads * tokens, layout.accumulate, rows, times=layers, busiest=tokens > full)
    if inside is not x:
        x.add_stretches(inside)
    if layout.embedding:
        x.sum(layout.hidden.size, layout.dtype, layout.height)
    if layout.head:
        add_head(layout, x, y, position)
    return Traffic(x.hops + y.hops, x.busiest, y.busiest)


def add_head(layout: Layout, x: Lines, y: Lines, position: int) -> None:
    """Logits and the token after a position; the rows of PEs from the first to that token's have most to do."""
    y.sum(1, f32, layout.width, times=2)
    y.reduce(layout.vocabulary.size, layout.accumulate, layout.width)
    y.spread(1, i32, layout.width)
    x.sum(1, f32, 1, times=2, busiest=y.tree.root <= position % layout.height)  # on the row that has the logits


def sums(layout: Layout, position: int, *, spare: bool = False) -> Iterator[tuple[Tree, int]]:
    """Every sum over lines of a token's step: the tree, and wavelets of the vector."""
    along_x, along_y, inside = _trees(layout, spare=spare)
    if layout.embedding:
        yield along_x, wavelets(layout.hidden.size, layout.dtype)
    if layout.head:
        yield from [(along_x, 1)] * 2
        yield from ((along_y, words) for words in (1, 1, wavelets(layout.vocabulary.size, layout.accumulate), 1))
    tokens, heads = position // layout.height + 1, layout.config.n_head // layout.shards
    layer = [(along_x, wavelets(elements, layout.accumulate)) for elements in _layer_on_x(layout)]
    layer += [(along_y, wavelets(elements, dtype)) for elements, dtype in _layer_on_y(layout)]
    layer.append((inside, wavelets(heads * tokens, layout.accumulate)))
    yield from layer * len(layout.held)


class Lines:
    """Lines along an axis: hops of all of them, and loads of the links of one with most to do."""

    def __init__(self, tree: Tree) -> None:
        self.tree, self.hops = tree, 0
        self.loads: Loads = np.zeros((2, tree.length - 1), np.int64)

    def sum(self, elements: int, dtype: DType, lines: int, *, times: int = 1, busiest: bool = True) -> None:
        """An all-reduce on so many lines."""
        self.reduce(elements, dtype, lines, times=times, busiest=busiest)
        self.spread(elements, dtype, lines, times=times, busiest=busiest)

    def reduce(self, elements: int, dtype: DType, lines: int, *, times: int = 1, busiest: bool = True) -> None:
        """A sum at the root."""
        words = times * wavelets(elements, dtype)
        self.hops += lines * words * _hops_to_root(self.tree)
        self.loads += busiest * words * _loads_to_root(self.tree)

    def spread(self, elements: int, dtype: DType, lines: int, *, times: int = 1, busiest: bool = True) -> None:
        """A broadcast from the root."""
        words = times * wavelets(elements, dtype)
        self.hops += lines * words * (self.tree.length - 1)
        self.loads += busiest * words * _loads_from_root(self.tree)

    def bring(
        self, owners: range, elements: int, dtype: DType, lines: int, *, times: int = 1, busiest: bool = True
    ) -> None:
        """A tile of each owner to the root, on the wires of the tree."""
        words, before = times * wavelets(elements, dtype), _ways(self.tree)
        towards = before[owners.stop] - before[owners.start]
        self.hops += lines * words * int(towards.sum())
        self.loads += busiest * words * towards

    def add_stretches(self, inside: Lines) -> None:
        """What goes over equal stretches of these lines, side by side: those of one."""
        length = inside.tree.length
        self.hops += self.tree.length // length * inside.hops
        for start in range(0, self.tree.length, length):
            self.loads[:, start : start + length - 1] += inside.loads

    @property
    def busiest(self) -> int:
        """Of the link that carries most."""
        return int(self.loads.max(initial=0))


def _trees(layout: Layout, *, spare: bool) -> tuple[Tree, Tree, Tree]:
    """Along x, along y, and along x within a shard."""
    (words_x, words_y), (queues_x, queues_y) = layout.line_words, layout.line_queues(spare=spare)
    along_x = plan(layout.wafer, layout.width, words=words_x, queues=queues_x)
    along_y = plan(layout.wafer, layout.height, words=words_y, queues=queues_y)
    return along_x, along_y, line_of_a_shard(layout) or along_x


def line_of_a_shard(layout: Layout) -> Tree | None:
    """Along x within a shard; None where there is only one."""
    return plan(layout.wafer, layout.width // layout.shards, groups=()) if layout.shards > 1 else None


def _layer_on_x(layout: Layout) -> tuple[int, ...]:
    """Elements of each vector of a layer that is summed over lines along x, scores excepted, in the type of sums."""
    return layout.hidden.size, layout.hidden.size


def _layer_on_y(layout: Layout) -> tuple[tuple[int, DType], ...]:
    """Elements of each vector of a layer that is summed over lines along y, and their type, in order."""
    size, inner, added = layout.features.size, layout.inner.size, layout.accumulate
    slots = head_slots(layout.features, layout.config.n_head).slots
    norm = (1, f32), (1, f32)
    attention = (3 * size, added), (slots, f32), (size + slots, added)
    return *norm, *attention, *norm, (inner, added), (inner, layout.dtype)


# -- lines ----------------------------------------------------------------------------------------------


@lru_cache(maxsize=1024)
def hops_of(tree: Tree) -> int:
    """Links that a wavelet of an all-reduce crosses on a line: the edges to the root, and the broadcast from it."""
    return _hops_to_root(tree) + tree.length - 1


def _hops_to_root(tree: Tree) -> int:
    return sum(edge.length for edge in tree.wires)


@lru_cache(maxsize=1024)
def _loads_to_root(tree: Tree) -> Loads:
    """Times that a vector of a sum crosses each link."""
    found = np.zeros((2, tree.length - 1), np.int64)
    for sender, taker in tree.wires:
        found[int(sender > taker), min(sender, taker) : max(sender, taker)] += 1
    return found


@lru_cache(maxsize=1024)
def _loads_from_root(tree: Tree) -> Loads:
    """The same of a broadcast."""
    found = np.zeros((2, tree.length - 1), np.int64)
    found[1, : tree.root] = found[0, tree.root :] = 1
    return found


@lru_cache(maxsize=16)
def _ways(tree: Tree) -> Loads:
    """[owner, ...]: times that tiles of all positions before an owner's cross each link on their way to the root."""
    following = dict(tree.wires)
    found: Loads = np.zeros((tree.length + 1, 2, tree.length - 1), np.int64)
    for owner in range(tree.length):
        at = owner
        while at in following:
            to = following[at]
            found[owner + 1, int(at > to), min(at, to) : max(at, to)] += 1
            at = to
    return found.cumsum(axis=0)
