"""An exact solver for few blocks: a mixed-integer linear program, solved by HiGHS (`scipy.optimize.milp`).

x[b, p]     1 if block b lies at position p: one for each block, and at most one block on each PE
y[l, p, q]  1 if the source of link l lies at p and its target at q, only where lanes can be laid; summed over q it is
            x[source, p], over p x[target, q]
objective   latency and traffic are sums of costs times y; the period is at least each block's work and hand-overs; the
            busiest link's load is demanded link by link where a solution exceeds it, until none does
limits      nodes of the search tree and rounds of such demands, no clock: the result does not depend on the machine
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import lru_cache
from itertools import product
from typing import Any

import numpy as np

from wse_sim.errors import FitError, UsageError
from wse_sim.hardware import Region
from wse_sim.mapping.placement.anneal import annealed
from wse_sim.mapping.placement.bound import gap
from wse_sim.mapping.placement.costs import IMPOSSIBLE, LinkCost, link_cost, loads, loads_of, score
from wse_sim.mapping.placement.floor import Floor, Pe

MOST_PAIRS = 60_000  # variables y; with more only positions where edges of blocks meet are looked at
EXACT = 1e-6  # of a bound: what the solver's arithmetic leaves
NODES = 2_000  # of the search tree, in each round
ROUNDS = 40


@dataclass(frozen=True)
class Solved:
    """A placement and what is proved of it.

    bound           score that none on the positions looked at beats
    every_position  whether those were all there are
    gap             part of the bound by which the placement's score is above it: 0 where it is proved to be the best
    """

    regions: tuple[Region, ...]
    bound: float
    every_position: bool
    gap: float


def solved(floor: Floor) -> tuple[Region, ...]:
    """The best placement; see `solve`."""
    return solve(floor).regions


@lru_cache(maxsize=16)
def solve(floor: Floor, *, nodes: int = NODES, rounds: int = ROUNDS) -> Solved:
    """Raises FitError if there is no placement or if the program would be too large, UsageError without scipy.

    Positions are all of the floor, or where that makes too many pairs those at which edges of blocks meet, those of the
    annealed placement among them; so the result is never worse than that.

    nodes, rounds  limits; what is found when they are reached counts, with the gap that is left
    """
    best = annealed(floor)
    positions, every = _positions(floor, best)
    program, bound = _Program(floor, positions, nodes), 0.0
    for _ in range(rounds):
        regions, proved = program.solve()
        bound = max(bound, proved)
        if regions is None:
            break
        best = min((regions, best), key=lambda found: score(floor, found))
        if not floor.weights.busiest or not program.demand(regions):
            break
    least = score(floor, best)
    if least >= IMPOSSIBLE:
        raise FitError(f"{len(floor.blocks)} regions: not all hand-overs can be laid in any of the places looked at")
    bound = least if bound > least * (1 - EXACT) else bound
    return Solved(best, bound, every, gap(least, bound))


def _positions(floor: Floor, start: tuple[Region, ...]) -> tuple[list[list[Pe]], bool]:
    """For each block its corners, and whether they are all."""
    every = [
        [(x, y) for y in range(floor.height - b.height + 1) for x in range(floor.width - b.width + 1)
         if floor.alive(b.at((x, y)))]
        for b in floor.blocks
    ]  # fmt: skip
    if _pairs(floor, every) <= MOST_PAIRS:
        return every, True
    xs = _edges(floor.width, [b.width for b in floor.blocks]) | {r.xs[0] for r in start}
    ys = _edges(floor.height, [b.height for b in floor.blocks]) | {r.ys[0] for r in start}
    some = [[(x, y) for x, y in found if x in xs and y in ys] for found in every]
    some = [list(dict.fromkeys([*found, (r.xs[0], r.ys[0])])) for found, r in zip(some, start, strict=True)]
    if _pairs(floor, some) > 4 * MOST_PAIRS:
        raise FitError(
            f"{len(floor.blocks)} regions with {max(map(len, some)):,} places each are too many for the solver: "
            "expected fewer or larger regions; try --placement annealed"
        )
    return some, False


def _edges(side: int, lengths: Iterable[int]) -> set[int]:
    """Where an edge can be if blocks stand one against the other from a wall."""
    found = {0}
    for length in lengths:
        found |= {at + length for at in found if at + length < side}
        if len(found) > 64:
            break
    return found


def _pairs(floor: Floor, positions: list[list[Pe]]) -> int:
    return sum(len(positions[a]) * len(positions[b]) for a, b in floor.links)


class _Program:
    """Columns are x, then y of each link, then the period, then the busiest link's load."""

    def __init__(self, floor: Floor, positions: list[list[Pe]], nodes: int) -> None:
        self.floor, self.positions, self.nodes = floor, positions, nodes
        self.starts = np.cumsum([0, *map(len, positions)])
        self.pairs = [self._of_link(link, a, b) for link, (a, b) in enumerate(floor.links)]
        self.first = np.cumsum([self.starts[-1], *map(len, self.pairs)])
        self.period = int(self.first[-1])
        self.size = self.period + 2
        self.rows: list[tuple[dict[int, float], float, float]] = []
        self._place()
        for link in range(len(floor.links)):
            self._tie(link)
        self._bound_period()

    def _of_link(self, link: int, a: int, b: int) -> list[tuple[int, int, LinkCost]]:
        """Positions of source and target between which lanes can be laid."""
        floor, found = self.floor, []
        for (i, p), (j, q) in product(enumerate(self.positions[a]), enumerate(self.positions[b])):
            source, target = floor.blocks[a].at(p), floor.blocks[b].at(q)
            if not source.intersects(target):
                cost = link_cost(floor, link, source, target)
                if cost is not None:
                    found.append((i, j, cost))
        return found

    def _place(self) -> None:
        on: dict[Pe, dict[int, float]] = {}
        for b, found in enumerate(self.positions):
            first = int(self.starts[b])
            self.rows.append(({first + i: 1.0 for i in range(len(found))}, 1.0, 1.0))
            for i, corner in enumerate(found):
                for pe in self.floor.blocks[b].at(corner):
                    on.setdefault(pe, {})[first + i] = 1.0
        kept = {frozenset(columns) for columns in on.values()}
        self.rows += [(dict.fromkeys(sorted(columns), 1.0), 0.0, 1.0) for columns in sorted(kept, key=sorted)]

    def _tie(self, link: int) -> None:
        a, b = self.floor.links[link]
        for side, block in ((0, a), (1, b)):
            start = int(self.starts[block])
            rows: list[dict[int, float]] = [{start + i: -1.0} for i in range(len(self.positions[block]))]
            for k, pair in enumerate(self.pairs[link]):
                rows[(pair[0], pair[1])[side]][int(self.first[link]) + k] = 1.0
            self.rows += [(row, 0.0, 0.0) for row in rows]

    def _bound_period(self) -> None:
        if not self.floor.weights.period:
            return
        for a, block in enumerate(self.floor.blocks):
            row = {self.period: 1.0}
            for link, (source, target) in enumerate(self.floor.links):
                for k, (*_, cost) in enumerate(self.pairs[link]):
                    held = cost.give * (source == a) + cost.take * (target == a)
                    if held:
                        row[int(self.first[link]) + k] = -held
            self.rows.append((row, float(block.work), np.inf))

    def _objective(self) -> Any:
        weights, found = self.floor.weights, np.zeros(self.size)
        for link, pairs in enumerate(self.pairs):
            for k, (_, _, cost) in enumerate(pairs):
                found[int(self.first[link]) + k] = weights.latency * cost.cycles + weights.traffic * cost.traffic
        found[self.period], found[self.period + 1] = weights.period, weights.busiest
        return found

    def demand(self, regions: tuple[Region, ...]) -> bool:
        """Rows for the link that carries most; False if it is demanded already."""
        carried = loads(self.floor, regions)
        at = tuple(int(k) for k in np.unravel_index(int(carried.argmax()), carried.shape))
        row: dict[int, float] = {self.period + 1: 1.0}
        for link, (a, b) in enumerate(self.floor.links):
            source, target = self.floor.blocks[a], self.floor.blocks[b]
            for k, (i, j, _) in enumerate(self.pairs[link]):
                ends = source.at(self.positions[a][i]), target.at(self.positions[b][j])
                words = int(loads_of(self.floor, link, *ends)[at])
                if words:
                    row[int(self.first[link]) + k] = -float(words)
        if (row, 0.0, np.inf) in self.rows:
            return False
        self.rows.append((row, 0.0, np.inf))
        return True

    def solve(self) -> tuple[tuple[Region, ...] | None, float]:
        """The best placement of the rows so far, None if none was found, and the bound that the solver has proved."""
        try:
            from scipy.optimize import Bounds, LinearConstraint, milp
            from scipy.sparse import csr_array
        except ImportError:
            raise UsageError(
                "placement 'solved' needs scipy: pip install 'wse-sim[search]'; or try --placement annealed"
            ) from None
        where = [(i, column, value) for i, (row, _, _) in enumerate(self.rows) for column, value in row.items()]
        i, columns, values = zip(*where, strict=True)
        matrix = csr_array((values, (i, columns)), shape=(len(self.rows), self.size))
        free = np.ones(self.size)
        free[self.period :] = np.inf
        whole = np.zeros(self.size)
        whole[: self.starts[-1]] = 1
        result = milp(
            self._objective(), integrality=whole, bounds=Bounds(0, free),
            constraints=LinearConstraint(matrix, [low for _, low, _ in self.rows], [high for *_, high in self.rows]),
            options={"node_limit": self.nodes},
        )  # fmt: skip
        fixed = self.floor.weights.latency * sum(block.work for block in self.floor.blocks)
        bound = fixed + (0.0 if result.mip_dual_bound is None else float(result.mip_dual_bound))
        if result.x is None:
            return None, bound
        chosen = [
            int(np.argmax(result.x[self.starts[b] : self.starts[b + 1]])) for b in range(len(self.positions))
        ]
        regions = tuple(
            block.at(found[k]) for block, found, k in zip(self.floor.blocks, self.positions, chosen, strict=True)
        )
        return regions, bound
