"""Words from outside the wafer, and which of a colour's wavelets a PE takes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware.geometry import Direction, Region
from wse_sim.program.fabric import Color


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


def words_of(values: NDArray[Any]) -> NDArray[np.uint32]:
    """The wavelets (ports, words) of values (ports, n): one each, or two of 16 bits, the first in the low bits."""
    if values.dtype.itemsize == 4:
        return np.ascontiguousarray(values).view(np.uint32)
    padded = np.pad(values, ((0, 0), (0, values.shape[1] % 2)))
    return np.ascontiguousarray(padded).view(np.uint32)
