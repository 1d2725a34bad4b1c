"""Gather: one PE of each line gets the vectors of all, one after the other.

x      (n,) on each PE; n elements fill whole wavelets
whole  (length * n,) on the root
how    each PE sends its own vector towards the root, then hands on those of the PEs behind it
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
from wse_sim.kernels.collective.timing import wavelets
from wse_sim.kernels.collective.wires import Wires, lay
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer

Array = NDArray[Any]


def reference(x: Array) -> Array:
    """What the root's `whole` holds, (length * n,), of x (length, n)."""
    return x.reshape(-1)


def cost(wafer: Wafer, length: int, n: int, *, root: int = 0, dtype: DType = f32) -> int:
    """Cycles from the start on all PEs until the root is through.

    The root takes one side after the other, then copies its own vector.
    """
    gathered = chunks.gathered_cycles(wafer, length, root, wavelets(n, dtype))
    return gathered + chunks.copy_cycles(wafer, n, dtype)


@dataclass(frozen=True)
class Gather:
    """Gathers along all lines of a region.

    behind  i32[1] on each PE: how many PEs send through it
    """

    wires: Wires
    behind: Buffer

    def emit(self, pe: Code, x: Operand, whole: Operand) -> None:
        """Leaves all `x` of a line in `whole` at its root, for each line that `pe` covers."""
        view, target, tree = steady(x), steady(whole), self.wires.tree
        n = chunks.elements(view, target, tree.length, "a gather")
        for code, inputs, outputs, _ in self.wires.places(pe, "a gather"):
            if outputs:
                code.mov(outputs[0], view)
                with code.scope():
                    for color in inputs:
                        code.mov(outputs[0], color, n=code.load(self.behind) * n, carry=view.dtype)
            else:
                for color, side in zip(inputs, sides(tree.length, tree.root), strict=True):
                    code.mov(chunks.nearest_first(side, target, n), color)
                code.mov(chunks.own(tree.root, target, n), view)


def make_gather(build: Builder, region: Region, axis: Axis, *, root: int = 0, name: str = "gather") -> Gather:
    """Takes two colours; `root` is a position along the axis, counted from the end if negative."""
    length = axis.length(region)
    tree = chain(length, position(root, length, name))
    behind = chunks.count_behind(build, region, axis, tree.root, f"{name}.behind")
    return Gather(lay(build, region, axis, tree, name=name), behind)
