"""Reductions as lists of arrivals: what the root of a line adds, in which order, with one rounding per addition.

A side is a list of vectors, the root's neighbour first. Each model gives what comes to the root from a side, in the
order in which the root takes it, as pairs of a rank and a vector; of both sides the lower rank is taken first.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, reduce
from typing import Any

import numpy as np
from numpy.typing import NDArray

Array = NDArray[Any]
Arrivals = list[tuple[int, Array]]


def add(a: Array, b: Array) -> Array:
    """One rounding."""
    return (a.astype(np.float64) + b.astype(np.float64)).astype(a.dtype)


def root_sum(arrivals: Callable[[list[Array]], Arrivals], vectors: list[Array], root: int) -> Array:
    """The root's result: the shorter side is the first to be asked."""
    sides = sorted([vectors[:root][::-1], vectors[root + 1 :]], key=len)
    found = [arrived for side in sides for arrived in arrivals(side)]
    return reduce(add, [vector for _, vector in sorted(found, key=lambda pair: pair[0])], vectors[root])


def by_takes(takes: tuple[tuple[int, ...], ...], vectors: list[Array], position: int) -> Array:
    """What a position has once it has taken from all others in their order."""
    return reduce(add, [by_takes(takes, vectors, sender) for sender in takes[position]], vectors[position])


def chain(side: list[Array]) -> Arrivals:
    return [(0, reduce(add, side[::-1]))] if side else []


def star(side: list[Array]) -> Arrivals:
    return [(0, vector) for vector in side]


def nested(*sizes: int) -> Callable[[list[Array]], Arrivals]:
    """Groups counted from the root on, groups of their heads, and so on; at last a chain."""

    def arrivals(side: list[Array]) -> Arrivals:
        found: Arrivals = []
        for rank, size in enumerate(sizes):
            mine, rest = side[: size - 1], side[size - 1 :]
            found += [(rank, vector) for _, vector in chain(mine)]
            side = [reduce(add, rest[i : i + size][::-1]) for i in range(0, len(rest), size)]
        return [*found, *((len(sizes), vector) for _, vector in chain(side))]

    return arrivals


@cache
def least_energy(length: int, depth: int, fan_in: int) -> float:
    """Wavelet-hops of the best tree with its root at the end: the published recursion."""
    if length == 1:
        return 0
    if not depth or not fan_in:
        return float("inf")
    return min(
        least_energy(i, depth, fan_in - 1) + least_energy(length - i, depth - 1, fan_in) + i for i in range(1, length)
    )


Nested = tuple[Any, ...]
"""A tree whose root is next to the root's: (links to its taker, the trees it takes from, in order)."""


@cache
def all_trees(points: int) -> list[Nested]:
    """Every tree on so many points in which no two edges cross, each position taking the nearest first."""
    found: list[Nested] = []

    def grow(begun: Nested, at: int) -> None:
        if at == points:
            found.append(begun)
        for size in range(1, points - at + 1):
            for tree in all_trees(size):
                grow((*begun, (at, tree)), at + size)

    grow((), 1)
    return found


def fan_in(tree: Nested) -> int:
    return max(len(tree), *(fan_in(below) for _, below in tree), 0)


def sends_at(tree: Nested, way: Callable[[int], int], issue: Callable[[int], int], stream: int) -> int:
    """When the root of a tree begins to send what it takes last; vectors that wait slow nobody down."""
    free, begin = 0, issue(2)
    for i, (links, below) in enumerate(tree):
        arrival = sends_at(below, way, issue, stream) + way(links)
        begin = max(free + issue(3 if i == len(tree) - 1 else 2), arrival)
        free = begin + stream
    return begin
