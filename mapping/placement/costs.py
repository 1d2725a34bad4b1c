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
from wse_sim.mapping.placement.floor import Floor, Pe, Weights

IMPOSSIBLE = 1e12  # score of a hand-over for which no lanes can be laid, whatever the weights; fewer are better


@dataclass(frozen=True)
class Costs:
    """Of a token, as `Weights` has them: cycles, cycles, wavelet-hops, wavelets.

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
    """Of one hand-over: cycles until it is there, and wavelets times hops."""

    cycles: float
    traffic: float


def laid(floor: Floor, source: Region, target: Region) -> Lanes:
    """The lanes from a place to another."""
    return lanes(source, target, floor.total, dead=floor.dead, within=floor.grid)


def lane_wavelets(floor: Floor, source: Region) -> int:
    """On each lane of a hand-over."""
    return wavelets(Blocks(floor.total, source.height).size, floor.dtype)


def link_cost(floor: Floor, source: Region, target: Region) -> LinkCost | None:
    """None if no lanes can be laid. Where no dead PE is near only the offset between the two counts."""
    x, y = source.xs[0], source.ys[0]
    if floor.dead:
        xs = range(min(x, target.xs[0]), max(source.xs.stop, target.xs.stop))
        ys = range(min(y, target.ys[0]), max(source.ys.stop, target.ys.stop))
        if not floor.alive(Region(xs, ys)):
            return _cost(floor.wafer, floor.total, floor.dtype, source, laid(floor, source, target))
    return relative_cost(
        floor.wafer, floor.total, floor.dtype, (source.width, source.height), (target.width, target.height),
        (target.xs[0] - x, target.ys[0] - y),
    )  # fmt: skip


@lru_cache(maxsize=1 << 18)
def relative_cost(
    wafer: Wafer, total: int, dtype: DType, size: tuple[int, int], other: tuple[int, int], offset: tuple[int, int]
) -> LinkCost | None:
    """From a rectangle to another whose corner is so far away, nothing dead near."""
    source = Region(range(size[0]), range(size[1]))
    target = Region(range(offset[0], offset[0] + other[0]), range(offset[1], offset[1] + other[1]))
    return _cost(wafer, total, dtype, source, lanes(source, target, total))


def _cost(wafer: Wafer, total: int, dtype: DType, source: Region, found: Lanes) -> LinkCost | None:
    if not found:
        return None
    size = Blocks(total, source.height).size
    return LinkCost(handover.cost(wafer, found, size, dtype=dtype), found.links * wavelets(size, dtype))


def costs(floor: Floor, regions: Sequence[Region]) -> Costs:
    """All four."""
    return replace(_sums(floor, regions), busiest=float(loads(floor, regions).max(initial=0)))


def score(floor: Floor, regions: Sequence[Region]) -> float:
    """The objective; links are looked at one by one only if their load counts."""
    return (costs if floor.weights.busiest else _sums)(floor, regions).score(floor.weights)


def _sums(floor: Floor, regions: Sequence[Region]) -> Costs:
    """All but the busiest link."""
    sends, traffic, missing = [0.0] * len(regions), 0.0, 0
    for a, b in floor.links:
        found = link_cost(floor, regions[a], regions[b])
        if found is None:
            missing += 1
        else:
            sends[a] += found.cycles
            traffic += found.traffic
    busy = [block.work + send for block, send in zip(floor.blocks, sends, strict=True)]
    return Costs(sum(busy), max(busy), traffic, 0.0, missing)


def loads(floor: Floor, regions: Sequence[Region]) -> NDArray[np.int64]:
    """Wavelets of a token's hand-overs on each link, [direction, y, x] by the PE that a link leaves: E, W, S, N."""
    found = np.zeros((4, floor.height, floor.width), np.int64)
    for a, b in floor.links:
        words = lane_wavelets(floor, regions[a])
        for lane in laid(floor, regions[a], regions[b]).lanes:
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
