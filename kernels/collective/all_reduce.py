"""All-reduce: every PE of a line gets the sum (or largest, or smallest) of all PEs' vectors, element by element.

x      (n,) on each PE, replaced by the result
how    a reduction along a tree of chains, then a broadcast from its root; the routes are those of a `Line`
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from numpy.typing import NDArray

from wse_sim.errors import ProgramError
from wse_sim.hardware import DType, Wafer, f32
from wse_sim.kernels.collective import broadcast, reduce
from wse_sim.kernels.collective.timing import Timing
from wse_sim.kernels.collective.tree import Tree, tree

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


def plan(
    wafer: Wafer, length: int, *, words: int = 1, groups: tuple[int, ...] | None = None, queues: int = 4
) -> Tree:
    """The tree of least cost for vectors of `words` wavelets.

    groups  sizes to keep to, level by level, the last level joining what is left; () is a plain chain. None: two levels
            at most, of any size.
    queues  colours that a PE of the line may receive, the broadcast's included: 4 leaves a free choice; 2 at least
    """
    levels = [groups] if groups is not None else [(), *((size,) for size in range(2, length) if queues > 2)]
    candidates = [shape for sizes in levels for shape in _rooted(wafer, tree(length, sizes), words, queues)]
    for shape in sorted(candidates, key=lambda shape: cost(wafer, shape, words)):
        if shape.queues <= queues:
            return shape
    raise ProgramError(f"no tree of groups {groups} on {length} PEs receives {queues} colours at most: allow more")


def _rooted(wafer: Wafer, shape: Tree, words: int, queues: int) -> Iterator[Tree]:
    """The tree with roots in the middle, and with roots so late that their shorter chain is through just in time.

    To spare queues, roots of the first of two levels lie at an end: they take one chain instead of two.
    """
    if len(shape.sizes) > 1 and queues < 4:
        yield Tree(shape.length, shape.sizes, (shape.sizes[0] - 1, *shape.befores[1:]))
        return
    yield shape
    t = Timing(wafer)
    befores = []
    for level in shape.levels:
        ahead = (words + t.issue(2)) // t.stage(level.points.step)
        befores.append(min(level.size - 1, (level.size + ahead) // 2))
    yield Tree(shape.length, shape.sizes, tuple(befores))
