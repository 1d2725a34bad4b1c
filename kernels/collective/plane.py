"""`Plane`: reduce, broadcast and all-reduce over all PEs of a rectangle.

x    (n,) on each PE
how  the lines along x reduce to their roots, a column; the column reduces to one PE; a broadcast takes the way back
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import WSE2, DType, Region, Wafer, f32
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective import broadcast, reduce
from wse_sim.kernels.collective.line import Line, make_line
from wse_sim.kernels.collective.member import Operand
from wse_sim.kernels.collective.plan import Algorithm
from wse_sim.kernels.collective.reduce import Operation
from wse_sim.kernels.collective.timing import Timing
from wse_sim.kernels.collective.tree import Tree
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code

Array = NDArray[Any]


def reference(
    rows: Tree, column: Tree, x: Array, operation: Operation = "add", carry: DType | None = None
) -> Array:
    """The root's result (n,), of x (height, width, n), by the trees along x and along y."""
    sums = reduce.reference(rows, np.moveaxis(x, 1, 0), operation, carry)
    return reduce.reference(column, sums, operation, carry)


def cost(
    wafer: Wafer, rows: Tree, column: Tree, n: int, *, operation: Operation = "add", dtype: DType = f32,
    carry: DType | None = None, all_pes: bool = True,
) -> int:  # fmt: skip
    """Cycles from the start on all PEs until the root, or with `all_pes` the last PE, has the result."""
    found = sum(
        reduce.cost(wafer, tree, n, operation=operation, dtype=dtype, carry=carry) for tree in (rows, column)
    )
    if not all_pes:
        return found
    return found + sum(
        broadcast.cost(wafer, tree.length, tree.root, n, dtype=dtype, carry=carry) for tree in (rows, column)
    )


def bound(wafer: Wafer, region: Region, root: tuple[int, int], words: int) -> int:
    """Cycles that any reduction to the PE at `root` of a rectangle takes, from the start on all PEs."""
    spans = zip(root, (region.width, region.height), strict=True)
    far = sum(max(at, length - 1 - at) for at, length in spans)
    t = Timing(wafer)
    return t.issue(2) + t.stage(far) + words if far else 0


@dataclass(frozen=True)
class Plane:
    """All PEs of a region, ready to work together as often as a program likes.

    rows    the lines along x
    column  along y, the PEs where these have their roots

    In all methods `pe` covers the region, and `x` is worked on in place. `carry` is the dtype on the fabric, by default
    that of x.
    """

    rows: Line
    column: Line

    @property
    def root(self) -> Region:
        """The PE where reductions end and broadcasts begin."""
        return Axis.Y.part(self.column.region, self.column.root)

    def reduce(self, pe: Code, x: Operand, operation: Operation = "add", carry: DType | None = None) -> None:
        """Leaves the result on the root; other PEs' `x` are partial results afterwards."""
        self.rows.reduce(pe, x, operation, carry)
        self.column.reduce(pe.on(self.column.region), x, operation, carry)

    def broadcast(self, pe: Code, x: Operand, carry: DType | None = None) -> None:
        """Copies the root's `x` to all PEs."""
        self.column.broadcast(pe.on(self.column.region), x, carry)
        self.rows.broadcast(pe, x, carry)

    def all_reduce(
        self, pe: Code, x: Operand, operation: Operation = "add", carry: DType | None = None
    ) -> None:
        """Leaves the result on all PEs."""
        self.reduce(pe, x, operation, carry)
        self.broadcast(pe, x, carry)


def make_plane(
    build: Builder,
    region: Region,
    *,
    algorithm: Algorithm = "k-tree",
    root: tuple[int, int] | None = None,
    groups: tuple[int, ...] | None = None,
    name: str = "plane",
    wafer: Wafer = WSE2,
    words: int = 1,
) -> Plane:
    """A rectangle, with the trees that `plan` makes of the options for vectors of `words` wavelets.

    root  (column, row) of the region where the result ends up, by default in the middle
    """
    x, y = root if root is not None else (None, None)

    def line(where: Region, axis: Axis, at: int | None) -> Line:
        return make_line(
            build, where, axis, algorithm=algorithm, root=at, groups=groups, name=f"{name}.{axis.value}", wafer=wafer,
            words=words, queues=len(wafer.input_queue_depths) // 2,
        )  # fmt: skip

    rows = line(region, Axis.X, x)
    return Plane(rows, line(Axis.X.part(region, rows.root), Axis.Y, y))
