"""Who adds what to whom: the shape of a reduction on a line of PEs, and what each position does in it.

Every position but the root sends its sum to one other position, once it has taken in all that is sent to it. `shapes`
makes the trees of published algorithms.
"""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import NamedTuple

from wse_sim.errors import ProgramError

STRIDES = 12  # distances that are tried as the stride of positions that do the same


class Edge(NamedTuple):
    """A vector on its way from one position to another."""

    sender: int
    taker: int

    @property
    def forward(self) -> bool:
        """Whether it goes towards higher positions."""
        return self.taker > self.sender

    @property
    def length(self) -> int:
        """Links on the way."""
        return abs(self.taker - self.sender)

    @property
    def between(self) -> range:
        """Positions that it passes."""
        return range(min(self) + 1, max(self))


class Port(NamedTuple):
    """A channel and whether its wavelets go towards higher positions."""

    channel: int
    forward: bool


class Part(NamedTuple):
    """What one PE of the line does.

    inputs   what arrives, in the order in which it is taken
    outputs  what it sends: at most one, none at the root; the other way round if reversed
    passes   what its router only hands on
    stores   whether it has the whole sum in memory before it sends; else the last sum is sent on as it forms
    """

    inputs: tuple[Port, ...]
    outputs: tuple[Port, ...]
    passes: tuple[Port, ...]
    stores: bool = False

    def reversed(self) -> Part:
        """The same wires, used from the root outwards."""
        turned = [tuple(Port(c, not forward) for c, forward in ports) for ports in self[:3]]
        return Part(turned[1], turned[0], turned[2])


class Station(NamedTuple):
    """Positions that do the same."""

    positions: range
    part: Part


@dataclass(frozen=True)
class Tree:
    """A reduction on positions 0 .. length - 1.

    edges   one for each position but the root; those to one taker in the order in which it takes them, and before the
            edge on which it sends
    stored  positions that have the whole sum in memory before they send
    relay   edges between neighbours, if no router passes a vector by: cores hand it on along these
    """

    length: int
    edges: tuple[Edge, ...]
    stored: frozenset[int] = field(default=frozenset(), kw_only=True)
    relay: tuple[Edge, ...] = field(default=(), kw_only=True)

    def __post_init__(self) -> None:
        if self.length < 1:
            raise ProgramError(f"a line of {self.length} PEs: expected 1 or more")
        sent: set[int] = set()
        for sender, taker in self.edges:
            if not (0 <= sender < self.length and 0 <= taker < self.length) or sender in sent or taker in sent:
                raise ProgramError(
                    f"an edge from {sender} to {taker} in a tree on {self.length} positions: expected each position "
                    "to send once, after it has taken all that is sent to it"
                )
            sent.add(sender)
        if len(sent) != self.length - 1:
            raise ProgramError(f"{len(sent)} edges in a tree on {self.length} positions: expected one less")

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        """Once, for closed forms ask for it again and again."""
        return hash((self.length, self.edges))

    @cached_property
    def root(self) -> int:
        """Position where the result ends up."""
        return min(set(range(self.length)) - {edge.sender for edge in self.edges})

    @cached_property
    def takes(self) -> tuple[tuple[int, ...], ...]:
        """Whom each position takes from, in order."""
        found: list[list[int]] = [[] for _ in range(self.length)]
        for sender, taker in self.edges:
            found[taker].append(sender)
        return tuple(map(tuple, found))

    # -- wires ------------------------------------------------------------------------------------

    @property
    def wires(self) -> tuple[Edge, ...]:
        """The edges that routes are painted for."""
        return self.relay or self.edges

    @cached_property
    def channels(self) -> int:
        """Colours it needs: the most edges that touch one position."""
        return max(self._channel.values(), default=-1) + 1

    @cached_property
    def _channel(self) -> dict[Edge, int]:
        """Edges that share a position differ in their channel; the lowest one that is free, from left to right."""
        free: list[int] = []
        busy: list[tuple[int, int]] = []
        found: dict[Edge, int] = {}
        for edge in sorted(self.wires, key=lambda edge: (min(edge), max(edge))):
            while busy and busy[0][0] < min(edge):
                heapq.heappush(free, heapq.heappop(busy)[1])
            found[edge] = heapq.heappop(free) if free else len(busy)
            heapq.heappush(busy, (max(edge), found[edge]))
        return found

    @cached_property
    def queues(self) -> int:
        """Most colours that a PE receives when the result is broadcast from the root as well."""
        taken = Counter(edge.taker for edge in self.wires)
        return max((taken[p] + (p != self.root) for p in range(self.length)), default=0)

    @cached_property
    def stations(self) -> tuple[Station, ...]:
        """What each PE does; every position is in exactly one station."""
        inputs: list[list[Port]] = [[] for _ in range(self.length)]
        passes: list[list[Port]] = [[] for _ in range(self.length)]
        outputs: list[tuple[Port, ...]] = [()] * self.length
        for edge in self.wires:
            port = Port(self._channel[edge], edge.forward)
            outputs[edge.sender] = (port,)
            inputs[edge.taker].append(port)
            for position in edge.between:
                passes[position].append(port)
        alike: dict[Part, list[int]] = {}
        for p in range(self.length):
            part = Part(tuple(inputs[p]), outputs[p], tuple(sorted(passes[p])), p in self.stored)
            alike.setdefault(part, []).append(p)
        return tuple(Station(run, part) for part, found in alike.items() for run in _ranges(found))


def _ranges(positions: Sequence[int]) -> list[range]:
    """Ascending positions as few ranges: of one stride, a distance between some of them."""
    strides = {b - a for k in (1, 2) for a, b in zip(positions, positions[k:], strict=False)} or {1}
    return min((_runs(positions, stride) for stride in sorted(strides)[:STRIDES]), key=len)


def _runs(positions: Iterable[int], stride: int) -> list[range]:
    """Ascending positions as ranges of one stride."""
    left = dict.fromkeys(positions)
    found = []
    for first in list(left):
        if first in left:
            last = first
            while last + stride in left:
                last += stride
            found.append(range(first, last + 1, stride))
            for taken in found[-1]:
                del left[taken]
    return found
