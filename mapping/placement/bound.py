"""What no placement of blocks in the shapes they have can beat."""

from __future__ import annotations

from functools import lru_cache

import numpy as np

from wse_sim.hardware import DType, Wafer
from wse_sim.kernels.blocks import Blocks
from wse_sim.kernels.collective.lanes import rows_of
from wse_sim.kernels.collective.timing import Timing, wavelets
from wse_sim.mapping.placement.costs import Costs, lane_wavelets
from wse_sim.mapping.placement.floor import Floor


def lower_bound(floor: Floor) -> Costs:
    """Each hand-over as if its two blocks lay alone, as near as they can, no PE dead and every lane straight.

    Blocks cannot all have the neighbours they want, so a ring of many may have no placement that reaches it.
    """
    sends, traffic, busiest = [0.0] * len(floor.blocks), 0.0, 0.0
    for a, b in floor.links:
        source, target = floor.blocks[a], floor.blocks[b]
        cycles, least = _nearest(
            floor.wafer, floor.total, floor.dtype, (source.width, source.height), (target.width, target.height)
        )
        sends[a] += cycles
        traffic += least
        busiest = max(busiest, lane_wavelets(floor, source.at((0, 0))))
    busy = [block.work + send for block, send in zip(floor.blocks, sends, strict=True)]
    return Costs(sum(busy), max(busy), traffic, busiest)


def gap(score: float, bound: float) -> float:
    """By which part of the bound a score is above it."""
    return score / bound - 1 if bound else float(score > 0)


@lru_cache(maxsize=1024)
def _nearest(
    wafer: Wafer, total: int, dtype: DType, size: tuple[int, int], other: tuple[int, int]
) -> tuple[float, float]:
    """Fewest cycles and least traffic over all offsets along y, and one hop if that puts them side by side."""
    (_, high), (_, deep) = size, other
    mine, theirs = Blocks(total, high), Blocks(total, deep)
    rows = rows_of(mine, theirs)
    first, last = np.array([r.start for r in rows]), np.array([r.stop - 1 for r in rows])
    starts, offsets = np.arange(len(rows)), np.arange(-deep, high + 1)[:, None]
    north, south = (np.maximum(0, way) for way in (starts - first - offsets, last + offsets - starts))
    across = ((offsets > -deep) & (offsets < high)).astype(np.int64)
    hops = int((across[:, 0] + np.maximum(north, south).max(axis=1)).min())
    links = int((across + north + south).sum(axis=1).min())
    t, words = Timing(wafer), wavelets(mine.size, dtype)
    cycles = t.issue(2) + t.stage(hops) + words + t.pauses(words)
    return float(cycles), float(links * words)
