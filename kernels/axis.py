"""The two axes of the grid. Nothing else in the kernels asks which of them is which."""

from __future__ import annotations

from enum import Enum

from wse_sim.hardware import Region
from wse_sim.hardware.geometry import EAST, NORTH, SOUTH, WEST, Direction, Index


class Axis(Enum):
    """Along which a line of PEs runs: X from west to east, Y from north to south.

    forward    port towards higher positions
    backward   port towards lower positions
    dimension  where the axis lies in host arrays (height, width, ...)
    """

    X = "x"
    Y = "y"

    @property
    def forward(self) -> Direction:
        return EAST if self is Axis.X else SOUTH

    @property
    def backward(self) -> Direction:
        return WEST if self is Axis.X else NORTH

    @property
    def dimension(self) -> int:
        return 1 if self is Axis.X else 0

    @property
    def across(self) -> Axis:
        """The other axis."""
        return Axis.Y if self is Axis.X else Axis.X

    def span(self, region: Region) -> range:
        """Absolute positions of a region along the axis."""
        return region.xs if self is Axis.X else region.ys

    def length(self, region: Region) -> int:
        """PEs of a region along the axis."""
        return len(self.span(region))

    def part(self, region: Region, key: Index) -> Region:
        """Some positions along the axis, of all lines of the region."""
        return region[key, :] if self is Axis.X else region[:, key]

    def size(self, along: int, across: int) -> tuple[int, int]:
        """(width, height) of `along` PEs on the axis by `across` lines."""
        return (along, across) if self is Axis.X else (across, along)
