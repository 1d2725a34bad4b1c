"""The interleaved ring: a ring on a line of PEs whose neighbours are at most two links apart, as MeshGEMM has it.

ring     even positions upwards, then odd ones downwards, back to 0
colours  three: a PE receives on one and sends on another, and its router passes messages of its neighbours on the third
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from wse_sim.errors import ProgramError
from wse_sim.hardware import Region
from wse_sim.hardware.geometry import RAMP, Route
from wse_sim.kernels.axis import Axis
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.fabric import Color

COLORS = 3
HOPS = 2  # links between neighbours, at most
PERIOD = 2 * COLORS  # positions after which parity and colour repeat


def ring_order(length: int) -> list[int]:
    """Positions in the order of the ring."""
    return [*range(0, length, 2), *reversed(range(1, length, 2))]


def ring_places(length: int) -> list[int]:
    """Place in the ring of each position."""
    places = [0] * length
    for place, position in enumerate(ring_order(length)):
        places[position] = place
    return places


class Flow(NamedTuple):
    """A message from each position to the next one in the ring."""

    sender: int
    receiver: int
    color: int


def flows(length: int) -> list[Flow]:
    """Every message of a shift forward; the colours at each router differ."""
    order = ring_order(length)
    found = []
    for sender, receiver in zip(order, [*order[1:], order[0]], strict=True):
        turns_back = sender % 2 == 0 and receiver < sender
        found.append(Flow(sender, receiver, (receiver + 2 if turns_back else sender + 2 - 2 * (sender % 2)) % COLORS))
    return found


class Member(NamedTuple):
    """Positions that use the same colours: indices of the colours they receive and send on."""

    positions: slice
    receives: int
    sends: int


@dataclass(frozen=True)
class Ring:
    """Shifts by one in one direction of the ring, on all lines of a region."""

    region: Region
    axis: Axis
    colors: tuple[Color, ...]
    members: tuple[Member, ...]

    def code(self, pe: Code) -> Iterator[tuple[Code, Color, Color]]:
        """Code for the PEs of each member on the lines of `pe`, the colour they receive on and the one they send on."""
        for positions, receives, sends in self.members:
            yield pe.on(self.axis.part(pe.region, positions)), self.colors[receives], self.colors[sends]


def make_ring(build: Builder, region: Region, axis: Axis, *, forward: bool = True, name: str = "ring") -> Ring:
    """Takes three colours; `forward` is from each position to the next one in the order of the ring."""
    length = axis.length(region)
    if length < 2:
        raise ProgramError(f"a ring along {axis.name} of {region!r}, on lines of {length} PEs: expected 2 or more")
    colors = tuple(build.color(f"{name}.{i}") for i in range(COLORS))
    receives, sends = [0] * length, [0] * length
    painted: dict[tuple[int, Route], list[int]] = {}
    for start, end, color in flows(length):
        sender, receiver = (start, end) if forward else (end, start)
        sends[sender], receives[receiver] = color, color
        for position, route in _way(sender, receiver, axis):
            painted.setdefault((color, route), []).append(position)
    for (color, route), positions in painted.items():
        for run in _slices(sorted(positions)):
            build.route(colors[color], axis.part(region, run), route)
    pairs = list(zip(receives, sends, strict=True))
    alike = {pair: [p for p in range(length) if pairs[p] == pair] for pair in sorted(set(pairs))}
    members = [Member(positions, *pair) for pair, found in alike.items() for positions in _slices(found)]
    return Ring(region, axis, colors, tuple(members))


def _way(sender: int, receiver: int, axis: Axis) -> Iterator[tuple[int, Route]]:
    """The routes of a message, position by position."""
    ahead = axis.forward if receiver > sender else axis.backward
    yield sender, RAMP >> ahead
    for between in range(min(sender, receiver) + 1, max(sender, receiver)):
        yield between, ahead.opposite >> ahead
    yield receiver, ahead.opposite >> RAMP


def _slices(positions: list[int]) -> list[slice]:
    """Ascending positions as few slices of the ring's period."""
    left = dict.fromkeys(positions)
    found = []
    for first in positions:
        if first in left:
            run = [first]
            while run[-1] + PERIOD in left:
                run.append(run[-1] + PERIOD)
            for position in run:
                del left[position]
            found.append(slice(first, run[-1] + 1, PERIOD))
    return found
