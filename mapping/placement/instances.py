"""Instances on which placements differ; `python -m wse_sim.mapping.placement.instances` prints what each makes of them.

The objective is the latency of hand-overs in cycles: from one region to the next, and from the last back to the first,
which has embedding and head.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from itertools import pairwise
from math import ceil

from wse_sim.errors import FitError
from wse_sim.hardware import WSE2
from wse_sim.mapping.placement import PLACEMENTS, Block, Floor, lower_bound, ring
from wse_sim.mapping.placement.costs import IMPOSSIBLE, score
from wse_sim.mapping.placement.solve import EXACT, solve


def _floor(width: int, height: int, sizes: list[tuple[int, int]], **more: object) -> Floor:
    blocks = tuple(Block(*size) for size in sizes)
    return Floor(width, height, blocks, ring(len(blocks)), WSE2, total=48, **more)  # type: ignore[arg-type]


DEAD = frozenset({(13, 3), (5, 15), (20, 12)})
INSTANCES = {
    "chain of 6 equal regions": Floor(
        24, 24, (Block(6, 6),) * 6, tuple(pairwise(range(6))), WSE2, total=48
    ),
    "ring of 6 equal regions": _floor(24, 24, [(6, 6)] * 6),
    "ring of 4 unequal regions, 2 dead PEs": _floor(
        16, 10, [(7, 4), (4, 4), (4, 3), (5, 4)], dead=frozenset({(7, 2), (12, 6)})
    ),
    "ring of 6 unequal regions, 3 dead PEs": _floor(
        30, 24, [(12, 10), (6, 6), (6, 6), (8, 6), (6, 8), (6, 6)], dead=DEAD
    ),
}


def table() -> Iterator[list[str]]:
    """A line for each instance: its name, the score of each placement, and two bounds, without and with a solver."""
    yield ["instance", *PLACEMENTS, "solver's bound", "lower bound"]
    for name, floor in INSTANCES.items():
        scores = {way: _score(floor, way) for way in PLACEMENTS}
        bounds = solve(floor).bound, lower_bound(floor).score(floor.weights)
        shown = [f"{value:.0f}" if value < IMPOSSIBLE else "-" for value in scores.values()]
        yield [name, *shown, *(f"{ceil(bound - EXACT)}" for bound in bounds)]


def _score(floor: Floor, way: str) -> float:
    try:
        return score(floor, PLACEMENTS[way].place(floor))
    except FitError:
        return IMPOSSIBLE


if __name__ == "__main__":
    for line in table():
        sys.stdout.write("| " + " | ".join(line) + " |\n")
        sys.stdout.flush()
