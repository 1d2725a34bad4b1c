"""Turn: vectors whose elements are split along one axis become split along the other.

x      (rows, source.size) on each PE: elements split along the line, the same on all PEs across it
to     (rows, target.size) on each PE: elements split across the line, the same on all PEs along it
how    each line fetches, as panels, the tiles that hold its elements, and takes from each what is its own; where blocks
       end alike, it is the one tile on the diagonal
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.errors import ProgramError
from wse_sim.hardware import DType, Wafer, f32, i32
from wse_sim.kernels.blocks import Blocks, spread, starts_of
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.matrix import gemm_panels
from wse_sim.kernels.matrix.gemm_panels import Panels
from wse_sim.kernels.price import Price
from wse_sim.kernels.rows import Count, cost_of_rows, each_row, times
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer
from wse_sim.program.register import Register

Array = NDArray[Any]


@dataclass(frozen=True)
class Turn:
    """From `source` blocks along the lines of `panels` to `target` blocks across them.

    start  i32[1] on each PE: the first element of its line's block
    owner  i32[1] on each PE: the position that holds this element
    """

    panels: Panels
    source: Blocks
    target: Blocks
    start: Buffer
    owner: Buffer

    def emit(
        self, pe: Code, x: Buffer, to: Buffer, panel: Buffer, *, rows: Count,
        part: tuple[Register, Register] | None = None,
    ) -> None:  # fmt: skip
        """to = x for the first `rows` rows, as many on all PEs of a line.

        panel  of the size of `x`
        part   which row of x is the first of `to`, and how many are written, on each PE; None: all
        """
        tile, size = x.view(0, times(pe, rows, self.source.size)), self.source.size
        with pe.builder.section("turn"), pe.scope():
            start, owner = pe.load(self.start), pe.load(self.owner)
            with pe.loop(most_pieces(self.source, self.target)):
                first = owner * size
                low = first.maximum(start)
                end = (first + size).minimum(start + self.target.size)
                count = end.minimum(self.source.total) - low
                with pe.when(count > 0):
                    held = panel.view(0, tile.length)
                    self.panels.emit(pe, owner, 1, tile, lambda _index: held, held)
                    source = low - first
                    if part is not None:
                        source += part[0] * size
                    places = (low - start, self.target.size), (source, size)
                    with each_row(pe, rows if part is None else part[1], *places) as (here, there):
                        pe.mov(to.at(here, count), panel.at(there, count))
                owner += 1


def cost(
    wafer: Wafer, tree: Tree, source: Blocks, target: Blocks, rows: int, *, dtype: DType = f32, taken: int | None = None
) -> int:
    """Cycles for `rows` vectors on lines that reduce by `tree`, until the slowest line is through.

    taken  of these rows, how many a PE takes; None: all
    """
    price, own_rows = Price(wafer), rows if taken is None else taken
    ends, pieces = target.starts + target.counts, most_pieces(source, target)
    found = 0
    for start, end in zip(target.starts.tolist(), ends.tolist(), strict=True):
        one = price.scalar("load load imul") + price.loop(pieces)
        for owner in range(start // source.size, -(-end // source.size)):
            own = min(end, (owner + 1) * source.size) - max(start, owner * source.size)
            one += price.scalar("imul imax iadd iadd imin imin isub ilt isub isub iadd")
            one += wafer.branch_not_taken_cycles
            one += price.scalar("" if taken is None else "imul iadd")
            one += cost_of_rows(price, own_rows, price.vector("mov", own, dtype, dtype), places=2)
            one += gemm_panels.cost(wafer, tree, owner, 1, rows * source.size, dtype=dtype)
        found = max(found, one)
    return found


def make_turn(build: Builder, panels: Panels, source: Blocks, target: Blocks, *, name: str = "turn") -> Turn:
    """The constants on the region of the lines."""
    line = panels.line
    if source.total != target.total or source.parts != line.length:
        raise ProgramError(
            f"turn from {source} to {target} on lines of {line.length} PEs: expected as many elements, and a block a PE"
        )
    region, across = line.region, line.axis.across
    start = starts_of(build, f"{name}.start", target, across, region)
    owners = np.arange(target.parts) * target.size // source.size
    return Turn(panels, source, target, start, build.constant(f"{name}.owner", i32, spread(owners, across), on=region))


def most_pieces(source: Blocks, target: Blocks) -> int:
    """Of how many source blocks a target block has elements, at most."""
    starts, counts = target.starts, target.counts
    pieces = (starts + counts - 1) // source.size - starts // source.size + 1
    return int(np.where(counts > 0, pieces, 0).max())
