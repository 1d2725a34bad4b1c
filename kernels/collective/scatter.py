"""Scatter: one PE of each line hands every PE its part of a long vector.

whole  (length * n,) on the root; n elements fill whole wavelets
x      (n,) on each PE
how    the root sends the farthest PE's part first; each PE hands on what belongs to those behind it and keeps the rest
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from numpy.typing import NDArray

from wse_sim.hardware import DType, Region, Wafer, f32
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective import chunks
from wse_sim.kernels.collective.member import Operand, position, steady
from wse_sim.kernels.collective.shapes import chain, sides
from wse_sim.kernels.collective.timing import Timing, wavelets
from wse_sim.kernels.collective.wires import Wires, lay
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer

Array = NDArray[Any]


def reference(whole: Array, length: int) -> Array:
    """What the PEs' `x` hold, (length, n), of whole (length * n,)."""
    return whole.reshape(length, -1)


def cost(wafer: Wafer, length: int, n: int, *, root: int = 0, dtype: DType = f32) -> int:
    """Cycles from the start on all PEs until the last PE has its part.

    The root sends to the longer side first, then to the other one, then copies its own part. The end of a side gets its
    part first, a stage per PE away; the root's neighbour gets its own last.
    """
    t, words = Timing(wafer), wavelets(n, dtype)
    free = done = 0
    for side in sorted((points for points in (root, length - 1 - root) if points), reverse=True):
        first = max(free, chunks.hand_on_cycles(wafer) - t.issue(2) - t.stage()) + t.issue(2)
        free = first + side * words
        turn = t.issue(2) if side > 1 else 0
        done = max(done, first + side * t.stage() + words + turn, free + t.stage() + max(0, turn - words))
    return max(done, free + chunks.copy_cycles(wafer, n, dtype))


@dataclass(frozen=True)
class Scatter:
    """Scatters along all lines of a region.

    behind  i32[1] on each PE: how many PEs it hands parts on to
    """

    wires: Wires
    behind: Buffer

    def emit(self, pe: Code, whole: Operand, x: Operand) -> None:
        """Deals `whole` at the root of a line to the `x` of all its PEs, for each line that `pe` covers."""
        source, view, tree = steady(whole), steady(x), self.wires.tree
        n = chunks.elements(view, source, tree.length, "a scatter")
        for code, inputs, outputs, _ in self.wires.places(pe, "a scatter"):
            if not inputs:
                for color, side in reversed([*zip(outputs, sides(tree.length, tree.root), strict=True)]):
                    code.mov(color, chunks.farthest_first(side, source, n))
                code.mov(view, chunks.own(tree.root, source, n))
                continue
            with code.scope():
                for color in outputs:
                    code.mov(color, inputs[0], n=code.load(self.behind) * n, carry=view.dtype)
            code.mov(view, inputs[0])


def make_scatter(build: Builder, region: Region, axis: Axis, *, root: int = 0, name: str = "scatter") -> Scatter:
    """Takes two colours; `root` is a position along the axis, counted from the end if negative."""
    length = axis.length(region)
    tree = chain(length, position(root, length, name))
    behind = chunks.count_behind(build, region, axis, tree.root, f"{name}.behind")
    return Scatter(lay(build, region, axis, tree, name=name, outwards=True), behind)
