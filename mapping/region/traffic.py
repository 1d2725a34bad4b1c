"""What a decode step sends over the links of a region, in closed form."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import Region, f32
from wse_sim.kernels.collective.plan import plan
from wse_sim.kernels.collective.timing import wavelets
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.matrix import feed
from wse_sim.mapping.region.arrivals import words_of_a_layer
from wse_sim.mapping.region.layout import Layout


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
    words = len(layout.held) * words_of_a_layer(layout)
    parts = [len(columns) for columns in feed.halves(layout.wafer, region).values()]
    hops = layout.height * sum(words * n * (n - 1) for n in parts)
    return Traffic(hops, words * max(parts) if max(parts) > 1 else 0, 0)


def traffic_of(layout: Layout, position: int, *, spare: bool = False) -> Traffic:
    """The all-reduces of a part's kernels; not the hand-overs between parts."""
    along_x, along_y, inside = _trees(layout, spare=spare)
    on_x, on_y = list(_along_x(layout)), list(_along_y(layout))
    scores = _scores(layout, position)
    hops = sum(on_x) * hops_of(along_x) * layout.height + sum(on_y) * hops_of(along_y) * layout.width
    hops += scores * hops_of(inside) * layout.height * layout.shards
    busiest_x = sum(on_x) * _load(along_x) + scores * _load(inside)
    return Traffic(hops, busiest_x, sum(on_y) * _load(along_y))


def sums(layout: Layout, position: int, *, spare: bool = False) -> Iterator[tuple[Tree, int]]:
    """Every sum over lines of a token's step: the tree, and wavelets of the vector."""
    along_x, along_y, inside = _trees(layout, spare=spare)
    yield from ((along_x, words) for words in _along_x(layout))
    yield from ((along_y, words) for words in _along_y(layout))
    layers = len(layout.held)
    yield from ((inside, _scores(layout, position) // layers) for _ in range(layers))


def _trees(layout: Layout, *, spare: bool) -> tuple[Tree, Tree, Tree]:
    """Along x, along y, and along x within a shard."""
    (words_x, words_y), (queues_x, queues_y) = layout.line_words, layout.line_queues(spare=spare)
    along_x = plan(layout.wafer, layout.width, words=words_x, queues=queues_x)
    along_y = plan(layout.wafer, layout.height, words=words_y, queues=queues_y)
    return along_x, along_y, line_of_a_shard(layout) or along_x


def line_of_a_shard(layout: Layout) -> Tree | None:
    """Along x within a shard; None where there is only one."""
    return plan(layout.wafer, layout.width // layout.shards, groups=()) if layout.shards > 1 else None


def _along_x(layout: Layout) -> Iterator[int]:
    """Wavelets of each vector that is summed over lines along x, scores excepted."""
    hidden = wavelets(layout.hidden.size, layout.accumulate)
    if layout.embedding:
        yield wavelets(layout.hidden.size, layout.dtype)
    if layout.head:
        yield from (1, 1)
    yield from [hidden, hidden] * len(layout.held)


def _along_y(layout: Layout) -> Iterator[int]:
    """The same along y."""
    features, inner, sums = layout.features.size, layout.inner.size, layout.accumulate
    layer = [1, 1, wavelets(3 * features, sums), 1, wavelets(features + 1, f32), 1, 1, wavelets(inner, sums)]
    yield from [*layer, wavelets(inner, layout.dtype)] * len(layout.held)
    if layout.head:
        yield from along_y_of_head(layout)


def along_y_of_head(layout: Layout) -> tuple[int, ...]:
    """Wavelets of each vector that the head sums along y."""
    return 1, 1, wavelets(layout.vocabulary.size, layout.accumulate), 1


def _scores(layout: Layout, position: int) -> int:
    tokens, heads = position // layout.height + 1, layout.config.n_head // layout.shards
    return len(layout.held) * wavelets(heads * tokens, layout.accumulate)


@lru_cache(maxsize=1024)
def hops_of(tree: Tree) -> int:
    """Links that a wavelet of an all-reduce crosses on a line: the edges to the root, and the broadcast from it."""
    return sum(abs(edge.sender - edge.taker) for edge in tree.wires) + tree.length - 1


@lru_cache(maxsize=1024)
def _load(tree: Tree) -> int:
    """Times that a vector of an all-reduce crosses the link that it crosses most."""
    return int(loads_of_sum(tree).max(initial=0))


@lru_cache(maxsize=1024)
def loads_of_sum(tree: Tree) -> NDArray[np.int64]:
    """Times that a vector of an all-reduce crosses each link, [to higher, to lower positions; link]."""
    found = loads_outwards(tree).copy()
    for sender, taker in tree.wires:
        found[int(sender > taker), min(sender, taker) : max(sender, taker)] += 1
    return found


@lru_cache(maxsize=1024)
def loads_outwards(tree: Tree) -> NDArray[np.int64]:
    """The same of a broadcast from the root."""
    found = np.zeros((2, tree.length - 1), np.int64)
    found[1, : tree.root] = found[0, tree.root :] = 1
    return found
