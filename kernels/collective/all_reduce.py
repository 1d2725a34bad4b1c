"""All-reduce: every PE of a line gets the sum (or largest, or smallest) of all PEs' vectors, element by element.

x      (n,) on each PE, replaced by the result
how    a reduction along a tree of chains, then a broadcast from its root; the routes are those of a `Line`
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from wse_sim.hardware import DType, Wafer, f32
from wse_sim.kernels.collective import broadcast, reduce
from wse_sim.kernels.collective.tree import Tree

Array = NDArray[Any]


def reference(shape: Tree, x: Array, operation: reduce.Operation = "add", carry: DType | None = None) -> Array:
    """What every PE holds in the end, (length, ..., n), of x (length, ..., n)."""
    result = x.copy()
    result[shape.root] = reduce.reference(shape, x, operation, carry)
    return broadcast.reference(shape.root, result, carry)


def cost(
    wafer: Wafer, shape: Tree, n: int, *, operation: reduce.Operation = "add", dtype: DType = f32,
    carry: DType | None = None,
) -> int:  # fmt: skip
    """Cycles from the start on all PEs until the last PE has the result; a line of one PE takes none."""
    gathered = reduce.cost(wafer, shape, n, operation=operation, dtype=dtype, carry=carry)
    return gathered + broadcast.cost(wafer, shape.length, shape.root, n, dtype=dtype, carry=carry)
