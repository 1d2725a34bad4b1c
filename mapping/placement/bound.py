"""What no placement of blocks in the shapes they have can beat."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from wse_sim.hardware import DType, Wafer
from wse_sim.kernels.blocks import Blocks
from wse_sim.kernels.collective.lanes import rows_of
from wse_sim.kernels.collective.timing import Timing, wavelets
from wse_sim.mapping.placement.costs import Costs, LinkCost, lane_wavelets
from wse_sim.mapping.placement.floor import Floor, Flow


def lower_bound(floor: Floor) -> Costs:
    """Each hand-over as if its two blocks lay alone, as near as they can, no PE dead and every lane straight.

    Blocks cannot all have the neighbours they want, so a ring of many may have no placement that reaches it.
    """
    busy, traffic, busiest = [float(block.work) for block in floor.blocks], 0.0, 0.0
    latency = sum(busy)
    for link, (a, b) in enumerate(floor.links):
        source, target = floor.blocks[a], floor.blocks[b]
        least = _nearest(
            floor.wafer, floor.elements(link), floor.dtype, floor.flow(link), (source.width, source.height),
            (target.width, target.height),
        )  # fmt: skip
        latency += least.cycles
        traffic += least.traffic
        busy[a] += least.give
        busy[b] += least.take
        busiest = max(busiest, lane_wavelets(floor, link, source.at((0, 0))))
    return Costs(latency, max(busy), traffic, busiest)


def gap(score: float, bound: float) -> float:
    """By which part of the bound a score is above it."""
    return score / bound - 1 if bound else float(score > 0)


@lru_cache(maxsize=1024)
def _nearest(
    wafer: Wafer, total: int, dtype: DType, flow: Flow | None, size: tuple[int, int], other: tuple[int, int]
) -> LinkCost:
    """Fewest cycles and least traffic over all offsets along y, and one hop if that puts them side by side."""
    (_, high), (_, deep) = size, other
    mine, theirs = (Blocks(total, rows) for rows in (high, deep))
    rows = rows_of(mine, theirs)
    first, last = np.array([r.start for r in rows]), np.array([r.stop - 1 for r in rows])
    starts, offsets = np.arange(len(rows)), np.arange(-deep, high + 1)[:, None]
    north, south = (np.maximum(0, way) for way in (starts - first - offsets, last + offsets - starts))
    across = ((offsets > -deep) & (offsets < high)).astype(np.int64)
    hops = int((across[:, 0] + np.maximum(north, south).max(axis=1)).min())
    links = int((across + north + south).sum(axis=1).min())
    if flow:
        take = flow.take + hops * wafer.hop_cycles
        return LinkCost(take, links * flow.words, flow.give, take)
    t, words = Timing(wafer), wavelets(mine.size, dtype)
    cycles = t.issue(2) + t.stage(hops) + words + t.pauses(words)
    return LinkCost(cycles, links * words, cycles)
