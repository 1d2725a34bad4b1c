"""`Wires`: the colours and routes of a tree on all lines of a region, for collectives to use."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

from wse_sim.hardware import Region
from wse_sim.hardware.geometry import RAMP, Direction
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective.member import Palette, lines_of
from wse_sim.kernels.collective.tree import Part, Port, Station, Tree
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.fabric import Color


class Place(NamedTuple):
    """PEs that do the same: their code, the colours they receive, in order, and those they send."""

    code: Code
    inputs: tuple[Color, ...]
    outputs: tuple[Color, ...]
    stores: bool


@dataclass(frozen=True)
class Wires:
    """A tree laid out along an axis of a region.

    stations  what the positions do; reversed if the data goes from the root outwards
    channels  colours in the order of the tree's channels
    """

    region: Region
    axis: Axis
    tree: Tree
    stations: tuple[Station, ...]
    channels: tuple[Color, ...]

    def places(self, pe: Code, name: str) -> Iterator[Place]:
        """For each station, its PEs on the lines that `pe` covers."""
        region = lines_of(pe, self.region, self.axis, name)
        for positions, part in self.stations:
            inputs = tuple(self.channels[port.channel] for port in part.inputs)
            outputs = tuple(self.channels[port.channel] for port in part.outputs)
            yield Place(pe.on(self.axis.part(region, _slice(positions))), inputs, outputs, part.stores)


def lay(
    build: Builder,
    region: Region,
    axis: Axis,
    tree: Tree,
    *,
    name: str,
    outwards: bool = False,
    color: Palette | None = None,
) -> Wires:
    """Allocates a colour per channel of the tree and paints the routes."""
    channels = tuple((color or build.color)(f"{name}.{i + 1}") for i in range(tree.channels))
    stations = tuple(Station(s.positions, s.part.reversed() if outwards else s.part) for s in tree.stations)
    for positions, part in stations:
        _paint(build, axis.part(region, _slice(positions)), axis, part, channels)
    return Wires(region, axis, tree, stations, channels)


def _paint(build: Builder, region: Region, axis: Axis, part: Part, channels: tuple[Color, ...]) -> None:
    for port in part.inputs:
        build.route(channels[port.channel], region, _ahead(axis, port).opposite >> RAMP)
    for port in part.outputs:
        build.route(channels[port.channel], region, RAMP >> _ahead(axis, port))
    for port in part.passes:
        build.route(channels[port.channel], region, _ahead(axis, port).opposite >> _ahead(axis, port))


def _ahead(axis: Axis, port: Port) -> Direction:
    return axis.forward if port.forward else axis.backward


def _slice(positions: range) -> slice:
    return slice(positions.start, positions.stop, positions.step)
