"""The trees of published reductions.

chain        from both ends to the root, every PE adding its own
two-phase    a chain in each group of PEs, then a chain of the groups' heads
k-tree       the same in any number of levels, each group with a chain from both of its ends to a root in its midst
             (MeshGEMV, arXiv 2502.04563, with two levels)
star         the root adds one vector after the other
binary-tree  pairs, pairs of pairs, ...; where PEs lack input queues for so many, the first level is of longer chains
(all but the k-tree: Luczynski et al., HPDC'24, arXiv 2404.15888; their generated trees: see `generate`)

A `root` is a position, by default in the middle.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise

from wse_sim.errors import ProgramError
from wse_sim.kernels.collective.tree import Edge, Tree


def chain(length: int, root: int | None = None) -> Tree:
    """Two chains that meet at the root; at an end it is a single chain."""
    return Tree(length, tuple(edge for side in sides(length, root) for edge in _along(side)))


def star(length: int, root: int | None = None) -> Tree:
    """Every vector comes to the root as it is, the nearest of a side first; no router passes one by, cores hand on."""
    walks = sides(length, root)
    edges = tuple(Edge(sender, side[-1]) for side in walks for sender in reversed(side[:-1]))
    return Tree(length, edges, relay=tuple(edge for side in walks for edge in _along(side)))


def two_phase(length: int, group: int, root: int | None = None, *, stored: bool = False) -> Tree:
    """Groups of so many PEs, the root and each head at the end of theirs.

    stored  whether a head has its group's sum in memory before it sends; else it sends on the last vector it takes
    """
    return _nested(length, (group,), root, stored=stored)


def binary_tree(length: int, root: int | None = None, *, fan_in: int = 8) -> Tree:
    """Pairs again and again; no PE takes more than `fan_in` vectors."""
    walks = sides(length, root)
    levels = shared(fan_in, len(walks))
    first = 2
    while first << (levels - 1) < max(map(len, walks), default=1):
        first += 1
    return _nested(length, (first, *[2] * (levels - 1)), root)


def k_tree(length: int, sizes: Sequence[int], befores: Sequence[int] | None = None) -> Tree:
    """Groups of the sizes given, level by level; the last level is one group.

    befores  points of a full group before its root; by default half of them
    """
    edges: list[Edge] = []
    points = range(length)
    for size, before in zip(sizes, befores or [size // 2 for size in sizes], strict=True):
        if size < 2 or not 0 <= before < size:
            raise ProgramError(
                f"groups of {size} points, {before} of them before the root: expected 2 or more, and fewer"
            )
        spare, step = (len(points) - 1) % size, points.step
        roots = points[min(before, spare) :: size]
        for root in roots:
            low, high = max(points[0], root - before * step), min(points[-1], root + (size - 1 - before) * step)
            ends = sorted((range(low, root + 1, step), range(high, root - 1, -step)), key=len)
            edges += [edge for end in ends for edge in _along(end)]
        points = roots
    if len(points) > 1:
        raise ProgramError(f"groups of {tuple(sizes)} leave several roots on a line of {length}: add a level")
    return Tree(length, tuple(edges))


def level_sizes(length: int, groups: Iterable[int]) -> tuple[int, ...]:
    """Sizes for a k-tree: the groups given, level by level, then one of what is left."""
    sizes: list[int] = []
    points = length
    for size in groups:
        if size < 1:
            raise ProgramError(f"a group of {size} points: expected 1 or more")
        if 1 < size < points:
            sizes.append(size)
            points = -(-points // size)
    return (*sizes, points) if points > 1 else tuple(sizes)


# -- parts --------------------------------------------------------------------------------------------


def sides(length: int, root: int | None = None) -> tuple[range, ...]:
    """The positions from each end to the root, the shorter side first; none where the root is the end."""
    at = _position(length, root)
    walks = (range(at + 1), range(length - 1, at - 1, -1))
    return tuple(sorted((walk for walk in walks if len(walk) > 1), key=len))


def _position(length: int, root: int | None) -> int:
    if length < 1:
        raise ProgramError(f"a line of {length} PEs: expected 1 or more")
    if root is None:
        return length // 2
    if not 0 <= root < length:
        raise ProgramError(f"root {root} on a line of {length} PEs: expected 0 to {length - 1}")
    return root


def shared(fan_in: int, walks: int) -> int:
    """How many vectors each side of the root may send to it."""
    if fan_in < max(1, walks):
        raise ProgramError(f"a tree with a fan-in of {fan_in}: expected one vector or more from each side of the root")
    return fan_in // max(1, walks)


def _along(points: Iterable[int]) -> Iterator[Edge]:
    """A chain: the far end first, the head last."""
    return (Edge(sender, taker) for sender, taker in pairwise(points))


def _nested(length: int, groups: Sequence[int], root: int | None, *, stored: bool = False) -> Tree:
    """Chains in groups, of their heads in groups of these, ..., and at last of all heads of a side."""
    edges: list[Edge] = []
    begun: set[int] = set()  # heads that begin a chain with a sum
    heads = [walk[::-1] for walk in sides(length, root)]  # from the root outwards
    for size in (*groups, length):
        if size < 1:
            raise ProgramError(f"a group of {size} points: expected 1 or more")
        summed = {edge.taker for edge in edges}
        for points in heads:
            chains = [points[first : first + size][::-1] for first in range(0, len(points), size)]
            begun |= {chain[0] for chain in chains if len(chain) > 1} & summed
            edges += [edge for chain in chains for edge in _along(chain)]
        heads = [points[::size] for points in heads]
    return Tree(length, tuple(edges), stored=frozenset(begun if stored else ()))
