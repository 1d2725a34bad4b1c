"""What a placement costs: latency, period, traffic and the busiest link, under the routes that hand-overs are given."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import DType, Region, Wafer
from wse_sim.kernels.blocks import Blocks
from wse_sim.kernels.collective import handover
from wse_sim.kernels.collective.lanes import Lanes, lanes
from wse_sim.kernels.collective.timing import wavelets
from wse_sim.mapping.placement.floor import Floor, Flow, Pe, Weights

IMPOSSIBLE = 1e12  # score of a hand-over for which no lanes can be laid, whatever the weights; fewer are better


@dataclass(frozen=True)
class Costs:
    """Of a token or a prompt, as `Weights` has them: cycles, cycles, wavelet-hops, wavelets.

    missing  hand-overs for which no lanes can be laid; the costs are those of the others
    """

    latency: float
    period: float
    traffic: float
    busiest: float
    missing: int = 0

    def score(self, weights: Weights) -> float:
        """The objective."""
        pairs = (
            (weights.latency, self.latency), (weights.period, self.period), (weights.traffic, self.traffic),
            (weights.busiest, self.busiest),
        )  # fmt: skip
        return self.missing * IMPOSSIBLE + sum(weight * cost for weight, cost in pairs)


@dataclass(frozen=True)
class LinkCost:
    """Of one hand-over: cycles until it is there, wavelets times hops, cycles of its source and of its target."""

    cycles: float
    traffic: float
    give: float
    take: float = 0.0


def laid(floor: Floor, link: int, source: Region, target: Region) -> Lanes:
    """The lanes of a link between two places."""
    return lanes(source, target, floor.elements(link), dead=floor.dead, within=floor.grid)


def lane_wavelets(floor: Floor, link: int, source: Region) -> int:
    """On each lane of a hand-over."""
    flow = floor.flow(link)
    return flow.words if flow else wavelets(Blocks(floor.elements(link), source.height).size, floor.dtype)


def link_cost(floor: Floor, link: int, source: Region, target: Region) -> LinkCost | None:
    """None if no lanes can be laid. Where no dead PE is near only the offset between the two counts."""
    x, y, flow, total = source.xs[0], source.ys[0], floor.flow(link), floor.elements(link)
    if floor.dead:
        xs = range(min(x, target.xs[0]), max(source.xs.stop, target.xs.stop))
        ys = range(min(y, target.ys[0]), max(source.ys.stop, target.ys.stop))
        if not floor.alive(Region(xs, ys)):
            return _cost(floor.wafer, total, floor.dtype, flow, source, laid(floor, link, source, target))
    return relative_cost(
        floor.wafer, total, floor.dtype, flow, (source.width, source.height), (target.width, target.height),
        (target.xs[0] - x, target.ys[0] - y),
    )  # fmt: skip


@lru_cache(maxsize=1 << 18)
def relative_cost(
    wafer: Wafer, total: int, dtype: DType, flow: Flow | None, size: tuple[int, int], other: tuple[int, int],
    offset: tuple[int, int],
) -> LinkCost | None:  # fmt: skip
    """From a rectangle to another whose corner is so far away, nothing dead near; `total` elements along y."""
    source = Region(range(size[0]), range(size[1]))
    target = Region(range(offset[0], offset[0] + other[0]), range(offset[1], offset[1] + other[1]))
    return _cost(wafer, total, dtype, flow, source, lanes(source, target, total))


def _cost(
    wafer: Wafer, total: int, dtype: DType, flow: Flow | None, source: Region, found: Lanes
) -> LinkCost | None:
    if not found:
        return None
    if flow:
        take = flow.take + found.hops * wafer.hop_cycles
        return LinkCost(take, found.links * flow.words, flow.give, take)
    size = Blocks(total, source.height).size
    cycles = handover.cost(wafer, found, size, dtype=dtype)
    return LinkCost(cycles, found.links * wavelets(size, dtype), cycles)


def costs(floor: Floor, regions: Sequence[Region]) -> Costs:
    """All four."""
    return replace(_sums(floor, regions), busiest=float(loads(floor, regions).max(initial=0)))


def score(floor: Floor, regions: Sequence[Region]) -> float:
    """The objective; links are looked at one by one only if their load counts."""
    return (costs if floor.weights.busiest else _sums)(floor, regions).score(floor.weights)


def _sums(floor: Floor, regions: Sequence[Region]) -> Costs:
    """All but the busiest link."""
    busy, traffic, missing = [float(block.work) for block in floor.blocks], 0.0, 0
    latency = sum(busy)
    for link, (a, b) in enumerate(floor.links):
        found = link_cost(floor, link, regions[a], regions[b])
        if found is None:
            missing += 1
        else:
            latency += found.cycles
            traffic += found.traffic
            busy[a] += found.give
            busy[b] += found.take
    return Costs(latency, max(busy), traffic, 0.0, missing)


def loads(floor: Floor, regions: Sequence[Region]) -> NDArray[np.int64]:
    """Wavelets of all hand-overs on each link, [direction, y, x] by the PE that a link leaves: E, W, S, N."""
    return sum(
        (loads_of(floor, link, regions[a], regions[b]) for link, (a, b) in enumerate(floor.links)),
        np.zeros((4, floor.height, floor.width), np.int64),
    )


def loads_of(floor: Floor, link: int, source: Region, target: Region) -> NDArray[np.int64]:
    """The same of one hand-over."""
    found, words = np.zeros((4, floor.height, floor.width), np.int64), lane_wavelets(floor, link, source)
    for lane in laid(floor, link, source, target).lanes:
        (x, y), rows = lane.corners[-1], lane.rows
        ends = (x, max(y, rows[-1])), (x, min(y, rows[0]))
        for before, after in (*pairwise(lane.corners), *(((x, y), end) for end in ends)):
            _add(found, before, after, words)
    return found


def _add(found: NDArray[np.int64], a: Pe, b: Pe, words: int) -> None:
    """Along a row or a column; beyond its ends nothing."""
    (x, y), (to_x, to_y) = a, b
    if to_x > x:
        found[0, y, x:to_x] += words
    elif to_x < x:
        found[1, y, to_x + 1 : x + 1] += words
    elif to_y > y:
        found[2, y:to_y, x] += words
    elif to_y < y:
        found[3, to_y + 1 : y + 1, x] += words
