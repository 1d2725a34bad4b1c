"""Simulated annealing: from the best simple order, blocks move and change places; only legal placements are visited."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import lru_cache
from math import exp

import numpy as np

from wse_sim.errors import FitError
from wse_sim.hardware import Region
from wse_sim.mapping.placement.bound import lower_bound
from wse_sim.mapping.placement.costs import IMPOSSIBLE, score
from wse_sim.mapping.placement.floor import Floor, Pe, disjoint
from wse_sim.mapping.placement.hilbert import hilbert
from wse_sim.mapping.placement.rows import row_major, serpentine

STEPS = 5_000
HOT, COLD = 0.1, 0.001  # of what might be gained: a rise that is taken with probability 1/e, at first and in the end
LEAST = 0.02  # what might be gained at least, of the bound without the blocks' work: as long as a heat is needed


@lru_cache(maxsize=64)
def annealed(floor: Floor, *, steps: int = STEPS) -> tuple[Region, ...]:
    """The best placement met, never worse than those of the simple orders; the seed is the floor's."""
    here = best_of(floor, (serpentine, row_major, hilbert))
    if len(floor.blocks) < 2:
        return here
    rng = np.random.default_rng(floor.seed)
    now = score(floor, here)
    best, least = here, now
    bound, idle = (lower_bound(each).score(floor.weights) for each in (floor, _without_work(floor)))
    for step in range(steps):
        there = _moved(floor, here, rng)
        if there is None:
            continue
        then = score(floor, there)
        gain = max(least % IMPOSSIBLE - bound, LEAST * idle)  # of lanes that cannot be laid there is no more or less
        heat = gain * HOT * (COLD / HOT) ** (step / steps)
        if then <= now or rng.random() < exp((now - then) / heat):
            here, now = there, then
            if now < least:
                best, least = here, now
    return best


def _without_work(floor: Floor) -> Floor:
    return replace(floor, blocks=tuple(replace(block, work=0) for block in floor.blocks))


def best_of(floor: Floor, orders: Sequence[Callable[[Floor], tuple[Region, ...]]]) -> tuple[Region, ...]:
    """The placement with the lowest score; raises the first order's FitError if none finds room."""
    found, failed = [], []
    for order in orders:
        try:
            found.append(order(floor))
        except FitError as error:
            failed.append(error)
    if not found:
        raise failed[0]
    return min(found, key=lambda regions: score(floor, regions))


def _moved(floor: Floor, here: tuple[Region, ...], rng: np.random.Generator) -> tuple[Region, ...] | None:
    """A block elsewhere, two in each other's places, or a run of blocks turned round; None if that cannot be."""
    count = len(here)
    i, j = (int(k) for k in rng.choice(count, 2, replace=False))
    kind = rng.random()
    there = list(here)
    if kind < 0.5:
        moved = [i]
        there[i] = floor.blocks[i].at(_corner(floor, here, i, rng))
    elif kind < 0.75:
        moved = [i, j]
        there[i], there[j] = _instead(floor, here, i, j), _instead(floor, here, j, i)
    else:
        moved = list(range(min(i, j), max(i, j) + 1))
        for k, other in zip(moved, reversed(moved), strict=True):
            there[k] = _instead(floor, here, k, other)
    if not all(floor.alive(there[k]) for k in moved):
        return None
    if kind < 0.5:
        clear = not any(there[i].intersects(other) for k, other in enumerate(there) if k != i)
    else:
        clear = disjoint(there)
    return tuple(there) if clear else None


def _instead(floor: Floor, here: Sequence[Region], i: int, other: int) -> Region:
    """A block with its corner where another one's is."""
    return floor.blocks[i].at((here[other].xs[0], here[other].ys[0]))


def _corner(floor: Floor, here: Sequence[Region], i: int, rng: np.random.Generator) -> Pe:
    """Beside another block or halfway along it, at a wall, or next to a dead PE."""
    block, other = floor.blocks[i], here[int(rng.integers(len(here)))]
    xs = [other.xs[0], other.xs.stop, other.xs[0] - block.width, other.xs.stop - block.width, here[i].xs[0], 0]
    ys = [other.ys[0], other.ys.stop, other.ys[0] - block.height, other.ys.stop - block.height, here[i].ys[0], 0]
    ys.append(other.ys[0] + (other.height - block.height) // 2)
    if floor.dead:
        x, y = sorted(floor.dead)[int(rng.integers(len(floor.dead)))]
        xs += [x + 1, x - block.width]
        ys += [y + 1, y - block.height]
    return xs[int(rng.integers(len(xs)))], ys[int(rng.integers(len(ys)))]
