"""Words from outside the wafer, and which of a colour's wavelets a PE takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.errors import ProgramError
from wse_sim.hardware.geometry import RAMP, Direction, Region
from wse_sim.program.fabric import Color
from wse_sim.program.values import whole


@dataclass(frozen=True, eq=False)
class HostStream:
    """Words of the host that enter the routers of some PEs at an edge of the grid, as from a neighbour beyond it.

    region  entry PEs; each has words of its own
    side    their port that faces the edge
    where   file:line that made it
    """

    name: str
    color: Color
    region: Region
    side: Direction
    where: str

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True, eq=False)
class Filter:
    """A PE's ramp takes `keep` of every `of` wavelets of a colour; the others go past it.

    first  (height, width) of the region: the first one taken, counted from 0
    where  file:line that made it
    """

    color: Color
    region: Region
    keep: int
    of: int
    first: NDArray[np.int64]
    where: str


def make_host_stream(name: str, color: Color, region: Region, side: Direction, *, where: str) -> HostStream:
    """A host stream; ProgramError where no words can enter."""
    if not isinstance(side, Direction) or side is RAMP:
        raise ProgramError(f"host stream {name!r} enters from {side!r}: expected EAST, NORTH, WEST or SOUTH")
    if not region:
        raise ProgramError(f"host stream {name!r} on {region!r}: expected one PE or more")
    return HostStream(name, color, region, side, where)


def make_filter(color: Color, region: Region, *, keep: int, of: int, first: NDArray[Any] | int, where: str) -> Filter:
    """A filter whose `first` is broadcast to (height, width) of the region; ProgramError where it cannot be."""
    every = whole(of, f"`of` of a filter of colour {color!r}", least=1)
    kept = whole(keep, f"`keep` of a filter of colour {color!r}", least=0)
    given, shape = np.asarray(first), (region.height, region.width)
    try:
        starts = np.broadcast_to(given, shape).astype(np.int64)
    except ValueError:
        raise ProgramError(
            f"first of a filter of colour {color!r} has shape {given.shape}: expected (height, width) = {shape}, "
            "or one that broadcasts to it"
        ) from None
    if given.dtype.kind not in "iu" or kept > every or (region and not 0 <= starts.min() <= starts.max() < every):
        raise ProgramError(
            f"filter of colour {color!r} takes {kept} of {every} wavelets, the first at {given!r}: expected no "
            f"more than there are, and whole numbers 0..{every - 1}"
        )
    starts.flags.writeable = False
    return Filter(color, region, kept, every, starts, where)


def packed(values: NDArray[Any]) -> NDArray[np.uint32]:
    """The wavelets (ports, words) of values (ports, n): one each, or two of 16 bits, the first in the low bits."""
    values = np.array(values, values.dtype.newbyteorder("="), order="C")
    if values.dtype.itemsize == 4:
        return values.view(np.uint32)
    padded = np.pad(values, ((0, 0), (0, values.shape[1] % 2)))
    return np.ascontiguousarray(padded).view(np.uint32)
