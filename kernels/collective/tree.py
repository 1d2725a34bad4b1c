"""The shape of a reduction on a line of PEs: a tree of chains, and what each position does in it.

The first level deals the line to groups; in each, two chains run from the ends to a root, every PE adding its own. The
roots of a level are the points of the next, until one is left. Published as the K-tree of MeshGEMV (arXiv 2502.04563),
there with K = 2 levels.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise
from typing import NamedTuple

from wse_sim.errors import ProgramError


@dataclass(frozen=True)
class Chain:
    """Points that pass partial results on, the far end first, the root last.

    level    0 for the chain of single PEs
    forward  whether it runs towards higher positions
    """

    level: int
    forward: bool
    points: range

    @property
    def root(self) -> int:
        return self.points[-1]

    def channel(self, index: int) -> int:
        """Channel from points[index] to the next one: they alternate, and the two sides of a root differ."""
        distance = len(self.points) - 1 - index
        return 2 * self.level + (distance + self.forward) % 2


@dataclass(frozen=True)
class Level:
    """A level of a tree: its points, and the groups they are dealt to.

    before  points of a full group that lie before its root
    """

    number: int
    points: range
    size: int
    before: int

    @cached_property
    def roots(self) -> range:
        """One per group; the first group, or else the last, is cut short if the size does not divide the points."""
        spare = (len(self.points) - 1) % self.size
        return self.points[min(self.before, spare) :: self.size]

    @cached_property
    def chains(self) -> tuple[Chain, ...]:
        """Every chain with at least one point besides its root."""
        step, after = self.points.step, self.size - 1 - self.before
        found = []
        for root in self.roots:
            low = max(self.points[0], root - self.before * step)
            high = min(self.points[-1], root + after * step)
            sides = [(True, range(low, root + 1, step)), (False, range(high, root - 1, -step))]
            found += [Chain(self.number, forward, points) for forward, points in sides if len(points) > 1]
        return tuple(found)


class Port(NamedTuple):
    """A channel and whether its wavelets go towards higher positions."""

    channel: int
    forward: bool


class Part(NamedTuple):
    """What one PE of the line does.

    inputs   what arrives, in the order in which it is taken
    outputs  what it sends: at most one, none at the root; the other way round if reversed
    passes   what its router only hands on
    """

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    passes: tuple[Port, ...]

    def reversed(self) -> Part:
        """The same wires, used from the root outwards."""
        turned = [tuple(Port(c, not forward) for c, forward in ports) for ports in self]
        return Part(turned[1], turned[0], turned[2])


class Station(NamedTuple):
    """Positions that do the same."""

    positions: range
    part: Part


@dataclass(frozen=True)
class Tree:
    """A reduction tree on positions 0 .. length - 1.

    sizes    points of a group, level by level; the last level is one group
    befores  points of a full group before its root
    """

    length: int
    sizes: tuple[int, ...]
    befores: tuple[int, ...]

    def __post_init__(self) -> None:
        if self.length < 1:
            raise ProgramError(f"a line of {self.length} PEs: expected 1 or more")
        for size, before in zip(self.sizes, self.befores, strict=True):
            if size < 2 or not 0 <= before < size:
                raise ProgramError(
                    f"groups of {size} points, {before} of them before the root: expected 2 or more, and fewer"
                )
        if len(self.levels[-1].roots if self.sizes else range(self.length)) > 1:
            raise ProgramError(f"groups of {self.sizes} leave several roots on a line of {self.length}: add a level")

    @cached_property
    def levels(self) -> tuple[Level, ...]:
        found: list[Level] = []
        points = range(self.length)
        for number, (size, before) in enumerate(zip(self.sizes, self.befores, strict=True)):
            found.append(Level(number, points, size, before))
            points = found[-1].roots
        return tuple(found)

    @property
    def root(self) -> int:
        """Position where the result ends up."""
        return self.levels[-1].roots[0] if self.sizes else 0

    @property
    def channels(self) -> int:
        """Colours it needs."""
        return 2 * len(self.sizes)

    @cached_property
    def chains(self) -> tuple[Chain, ...]:
        """Every chain, in the order in which their roots take them: by level, the shorter one first."""
        return tuple(sorted((c for level in self.levels for c in level.chains), key=lambda c: (c.level, len(c.points))))

    @cached_property
    def queues(self) -> int:
        """Most colours that a PE receives when the result is broadcast from the root as well."""
        return max(len(part.inputs) + (self.root not in positions) for positions, part in self.stations)

    # -- parts ------------------------------------------------------------------------------------

    @cached_property
    def stations(self) -> tuple[Station, ...]:
        """What each PE does; every position is in exactly one station."""
        inputs: list[list[Port]] = [[] for _ in range(self.length)]
        passes: list[list[Port]] = [[] for _ in range(self.length)]
        outputs: list[tuple[Port, ...]] = [()] * self.length
        for chain in self.chains:
            for i, (point, following) in enumerate(pairwise(chain.points)):
                port = Port(chain.channel(i), chain.forward)
                outputs[point] = (port,)
                inputs[following].append(port)
                for between in range(point, following, 1 if chain.forward else -1)[1:]:
                    passes[between].append(port)
        alike: dict[Part, list[int]] = {}
        for position in range(self.length):
            part = Part(tuple(inputs[position]), outputs[position], tuple(passes[position]))
            alike.setdefault(part, []).append(position)
        return tuple(Station(run, part) for part, found in alike.items() for run in self._runs(found))

    def _runs(self, positions: list[int]) -> list[range]:
        """The positions as few ranges, of strides that repeat along the line."""
        steps = {level.points.step for level in self.levels} | {1}
        return min((_runs(positions, k * step) for step in sorted(steps) for k in (1, 2)), key=len)


def _runs(positions: list[int], stride: int) -> list[range]:
    """Ascending positions as ranges of one stride."""
    left = dict.fromkeys(positions)
    found = []
    for first in positions:
        if first in left:
            last = first
            while last + stride in left:
                last += stride
            found.append(range(first, last + 1, stride))
            for taken in found[-1]:
                del left[taken]
    return found


# -- shapes -------------------------------------------------------------------------------------------


def chain(length: int, root: int | None = None) -> Tree:
    """One group: two chains that meet at `root`, by default in the middle; at an end it is a single chain."""
    if root is None:
        root = length // 2
    if not 0 <= root < length:
        raise ProgramError(f"root {root} on a line of {length} PEs: expected 0 to {length - 1}")
    return Tree(length, (length,), (root,)) if length > 1 else Tree(length, (), ())


def tree(length: int, groups: Iterable[int]) -> Tree:
    """Groups of the sizes given, level by level, each root in the middle; a last level joins what is left."""
    sizes: list[int] = []
    points = length
    for size in groups:
        if size < 1:
            raise ProgramError(f"a group of {size} points: expected 1 or more")
        if 1 < size < points:
            sizes.append(size)
            points = -(-points // size)
    if points > 1:
        sizes.append(points)
    return Tree(length, tuple(sizes), tuple(size // 2 for size in sizes))
