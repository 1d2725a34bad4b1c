"""Trees made for a machine, a length of line and a length of vector.

The published generated tree (Luczynski et al., HPDC'24, arXiv 2404.15888) has the least energy for its depth and
contention, by a recursion over trees joined from two, and the best depth and contention by a law. Here the recursion is
over cycles. A tree of P points is joined from that on the i points next to its root, and that on the others, whose root
sends over i links. Until a root has taken everything, and until it sends if it sends on what it takes last:

    free(c, P)  = min over i of max(free(c - 1, i) + issue, begin(c, P - i) + stage(i)) + stream
    begin(c, P) = min over i of max(free(c - 1, i) + issue, begin(c, P - i) + stage(i))

where c is the most that a PE takes. It also limits the channels, to c + 1 and those of the root's later vectors.
"""

from __future__ import annotations

from collections.abc import Iterator
from itertools import chain, zip_longest
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import Wafer
from wse_sim.kernels.collective.shapes import shared, sides
from wse_sim.kernels.collective.timing import Timing
from wse_sim.kernels.collective.tree import Edge, Tree

Array = NDArray[Any]
NEVER = 1 << 40


def generated(
    wafer: Wafer, length: int, root: int | None = None, *, stream: int, fan_in: int = 8, others: int | None = None
) -> Iterator[Tree]:  # fmt: skip
    """Trees for vectors of `stream` cycles; the best of them is meant.

    fan_in  most vectors that the root takes
    others  most that any other PE takes; None: as many

    To the root at an end there is one tree. In the middle the root takes one side after the other, or both by turns.
    """
    walks = [side[::-1] for side in sides(length, root)]
    if not walks:
        yield Tree(length, ())
        return
    made = Recursion(wafer, stream, len(walks[-1]), fan_in if others is None else others)
    takes, after, parts = shared(fan_in, len(walks)), 0, []
    for walk in walks:
        table = made.rooted(takes, after, stream)
        parts += made.parts(walk, table)
        after = int(table.cycles[-1, len(walk)])
    yield Tree(length, tuple(chain.from_iterable(parts)))
    if len(walks) > 1:
        table = made.rooted(takes, 0, 2 * stream + Timing(wafer).issue(2))
        turns = zip_longest(*(made.parts(walk, table) for walk in walks), fillvalue=())
        yield Tree(length, tuple(chain.from_iterable(part for turn in turns for part in turn)))


class Table:
    """Cycles of the best trees, and how many points are next to their roots, by (most takes, points)."""

    def __init__(self, most: int, points: int, first: int) -> None:
        self.cycles = np.full((most + 1, points + 1), NEVER, np.int64)
        self.near = np.zeros((most + 1, points + 1), np.int64)
        self.cycles[:, 1] = first

    def fill(self, c: int, p: int, ready: Array, arrival: Array, stream: int) -> None:
        """The best of p points, from the cycles when a root is ready and when the last vector arrives, by i - 1."""
        begins = np.maximum(ready, arrival)
        best = int(begins.argmin())
        self.cycles[c, p], self.near[c, p] = begins[best] + stream, best + 1


class Recursion:
    """The best trees for vectors of `stream` cycles on up to so many points, none of which takes more than `most`."""

    def __init__(self, wafer: Wafer, stream: int, points: int, most: int) -> None:
        self._timing, self.points, self.most = Timing(wafer), points, most
        self._way = self._timing.stage(0) + wafer.hop_cycles * np.arange(points + 1)  # over so many links
        self._begin = Table(most, points, self._timing.issue(2))
        self._free = Table(most, points, 0)
        for c in range(1, most + 1):
            ready = self._free.cycles[c - 1] + self._timing.issue(3)
            for p in range(2, points + 1):
                self._begin.fill(c, p, ready[1:p], self._arrivals(c, p), 0)
            self._fill_free(self._free, c, c, stream)

    def rooted(self, takes: int, first: int, stream: int) -> Table:
        """For a root that takes so many at most, is busy until cycle `first`, and `stream` cycles with each."""
        found = Table(takes, self.points, first)
        for c in range(1, takes + 1):
            self._fill_free(found, c, self.most, stream)
        return found

    def parts(self, points: range, rooted: Table) -> list[list[Edge]]:
        """The edges of the best tree on these points, the root first: those that lead to each vector that it takes."""
        found: list[list[Edge]] = []
        for c in range(len(rooted.near) - 1, 0, -1):
            if len(points) > 1:
                near = int(rooted.near[c, len(points)])
                far, points = points[near:], points[:near]
                found.append([*self._edges(far, self.most), Edge(far[0], points[0])])
        return found[::-1]

    def _fill_free(self, table: Table, c: int, others: int, stream: int) -> None:
        ready = table.cycles[c - 1] + self._timing.issue(2)
        for p in range(2, self.points + 1):
            table.fill(c, p, ready[1:p], self._arrivals(others, p), stream)

    def _arrivals(self, c: int, p: int) -> Array:
        """When what the others send arrives, by i - 1."""
        return self._begin.cycles[c, p - 1 : 0 : -1] + self._way[1:p]

    def _edges(self, points: range, most: int) -> list[Edge]:
        """The edges of a tree whose root sends on what it takes last."""
        found: list[Edge] = []
        waiting = [(points, most, self._begin)]
        while waiting:
            here, c, table = waiting.pop()
            if len(here) > 1:
                near = int(table.near[c, len(here)])
                found.append(Edge(here[near], here[0]))
                waiting += [(here[:near], c - 1, self._free), (here[near:], c, self._begin)]
        return found[::-1]
