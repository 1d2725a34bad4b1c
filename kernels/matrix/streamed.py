"""Streamed GEMV: y = x W, a vector times a matrix that comes from the host while it is needed.

matrix, x, y  as in `matrix.gemv`
w        never whole on a PE: its tile comes in parts of some rows each, see `matrix.feed`
how      while a part arrives, each PE adds up the products of the part before; then the line sums the shares
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import DType, Region, Wafer, f32
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective import all_reduce
from wse_sim.kernels.collective.line import Line
from wse_sim.kernels.collective.timing import Timing, wavelets
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.matrix import feed, gemv
from wse_sim.kernels.matrix.feed import Feed
from wse_sim.kernels.price import Price
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer, each

Array = NDArray[Any]


@dataclass(frozen=True)
class Parts:
    """How the tile of a PE, rows x cols, comes: `count` parts of `rows_of_part` rows, the last one padded."""

    rows: int
    cols: int
    count: int

    @property
    def rows_of_part(self) -> int:
        return -(-self.rows // self.count)

    @property
    def elements(self) -> int:
        """Of a part."""
        return self.rows_of_part * self.cols

    def rows_in(self, part: int) -> int:
        """Rows of a part that are not pads."""
        return max(0, min(self.rows - part * self.rows_of_part, self.rows_of_part))


def tiles(matrix: Array, region: Region, axis: Axis, parts: Parts) -> Array:
    """A matrix (d_in, d_out) as the parts of its tiles, (count, height, width, elements); see `Feed.values`."""
    whole = gemv.tiles(matrix, region, axis)
    missing = parts.count * parts.elements - whole.shape[2]
    padded = np.pad(whole, [(0, 0), (0, 0), (0, missing)])
    return np.moveaxis(padded.reshape(*whole.shape[:2], parts.count, parts.elements), 2, 0)


reference = gemv.reference


def cost(
    wafer: Wafer, tree: Tree, region: Region, parts: Parts, *, weights: DType = f32, dtype: DType = f32
) -> int:
    """Cycles from the start on all PEs until the last PE has its output: the link or the PEs, whichever is slower."""
    words = wavelets(parts.elements, weights)
    link = feed.cycles(wafer, region, words)
    work = gemv.local_cost(wafer, parts.rows_of_part, parts.cols, weights=weights, dtype=dtype)
    held = parts.rows_of_part * Price(wafer).elements("mac", parts.cols, dtype, weights)
    receiving = words * held // work  # words come evenly, and delay what holds the issue slot
    work += feed.cost_of_posting(wafer)
    clear = Price(wafer).vector("mov", parts.cols, dtype, None)
    way = Timing(wafer).stage(max(map(len, feed.halves(wafer, region).values())))
    along = all_reduce.cost(wafer, tree, parts.cols, dtype=dtype)
    return link + way + clear + (parts.count - 1) * max(link, work + receiving) + work + along


def emit(pe: Code, line: Line, source: Feed, parts: Parts, *, x: Buffer, y: Buffer) -> None:
    """y = x W; `pe` covers all PEs of the feed."""
    with pe.builder.section("streamed"):
        source.post(pe, 0)
        pe.mov(y, 0.0)
        for part in range(parts.count):
            w = source.join(pe, part)
            if part + 1 < parts.count:
                source.post(pe, part + 1)
            rows, first = parts.rows_in(part), part * parts.rows_of_part
            if rows:
                pe.mac(y, w[: parts.cols].stepping(parts.cols), each(x[first : first + rows]))
        line.all_reduce(pe, y[:])
