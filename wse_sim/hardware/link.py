"""The host's link: where its I/O channels enter the wafer, and how many words each of them gives."""

from __future__ import annotations

from dataclasses import dataclass
from math import gcd

from wse_sim.hardware.dtypes import WAVELET_BYTES
from wse_sim.hardware.geometry import Direction, Region
from wse_sim.hardware.wafer import Wafer


@dataclass(frozen=True)
class Edges:
    """The wafer's edges with I/O channels, as a program in its north-west corner counts x and y.

    width, height  of the wafer, columns and rows changed where the program lies on its side
    sides          edges with channels
    channels       of each of them
    """

    width: int
    height: int
    sides: tuple[Direction, ...]
    channels: int

    def reached(self, region: Region) -> tuple[Direction, ...]:
        """Sides at which a rectangle lies at an edge with channels."""
        ends = {
            Direction.EAST: region.xs.stop == self.width,
            Direction.NORTH: region.ys.start == 0,
            Direction.WEST: region.xs.start == 0,
            Direction.SOUTH: region.ys.stop == self.height,
        }
        return tuple(side for side in self.sides if ends[side])

    def channel(self, x: int, y: int, side: Direction) -> int:
        """Which channel of a side serves a PE: each has an equal stretch of the wafer's edge."""
        place, length = (y, self.height) if side.dx else (x, self.width)
        return place * self.channels // length


def edges_of(wafer: Wafer, width: int, height: int) -> Edges:
    """Those of a wafer for a program of so many columns and rows, upright or on its side."""
    lies = wafer.lies(width, height)
    across, down = (wafer.height, wafer.width) if lies else (wafer.width, wafer.height)
    # transposed: what was east is south, what was north is west
    turned = {Direction.EAST: Direction.SOUTH, Direction.SOUTH: Direction.EAST,
              Direction.NORTH: Direction.WEST, Direction.WEST: Direction.NORTH}  # fmt: skip
    sides = [turned[Direction(edge)] if lies else Direction(edge) for edge in wafer.io_edges]
    return Edges(across, down, tuple(sorted(sides)), wafer.io_channels // len(wafer.io_edges))


def channel_rate(wafer: Wafer) -> tuple[int, int]:
    """(gain, price): a channel's credit grows by `gain` a cycle, and a word costs `price`."""
    gain, price = wafer.host_bytes_per_second, wafer.io_channels * WAVELET_BYTES * wafer.clock_hz
    common = gcd(gain, price)
    return gain // common, price // common
