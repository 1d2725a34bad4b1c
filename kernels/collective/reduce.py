"""Reduce: one PE of each line gets the sum (or largest, or smallest) of all PEs' vectors, element by element.

x        (n,) on each PE; the result replaces it at the line's root, elsewhere x ends up as a partial result
travel   as dtype `carry`; each addition rounds once, to `carry` where it is sent on, else to the dtype of x
order    that of the tree: a PE adds what arrives to its own, one vector after the other
shapes   chain, two-phase, k-tree, star, binary tree, generated: see `plan`
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import DType, Region, Wafer, f32
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective import chunks, star
from wse_sim.kernels.collective.flow import end_of
from wse_sim.kernels.collective.member import Operand, Palette, steady
from wse_sim.kernels.collective.shapes import sides
from wse_sim.kernels.collective.timing import Timing, wavelets
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.collective.wires import Place, Wires, lay
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer, View

Array = NDArray[Any]
Operation = Literal["add", "max", "min"]


def reference(tree: Tree, x: Array, operation: Operation = "add", carry: DType | None = None) -> Array:
    """The root's result, (..., n), of x (length, ..., n): the machine's additions in the machine's order."""
    sends = x.dtype if carry is None else carry.numpy
    own = list(x)
    left = [len(senders) for senders in tree.takes]
    sent = [x[p].astype(sends) for p in range(tree.length)]
    for sender, taker in tree.edges:
        left[taker] -= 1
        result = combine(operation, sent[sender], own[taker])
        goes_on = left[taker] == 0 and taker not in tree.stored
        own[taker] = result.astype(x.dtype)
        sent[taker] = (result if goes_on else own[taker]).astype(sends)
    return np.asarray(own[tree.root])


def combine(operation: Operation, arrived: Array, own: Array) -> Array:
    """One operation in a type wide enough to round only afterwards."""
    wide = np.float64 if own.dtype.kind == "f" else np.int64
    a, b = arrived.astype(wide), own.astype(wide)
    if operation == "add":
        return np.asarray(a + b)
    return np.where(b > a, b, a) if operation == "max" else np.where(b < a, b, a)


def cost(
    wafer: Wafer, tree: Tree, n: int, *, operation: Operation = "add", dtype: DType = f32, carry: DType | None = None
) -> int:
    """Cycles from the start on all PEs until the root has the result; a line of one PE takes none."""
    t, sends = Timing(wafer), carry or dtype
    pace = max(t.wavelet(operation, to, sends, sends) for to in (dtype, sends))
    words = wavelets(n, sends)
    stream = words * max(pace, t.wavelet("mov", sends, dtype, sends)) + t.pauses(words)
    return star.cost(wafer, tree, n, stream, sends) if tree.relay else end_of(wafer, tree, stream)


@dataclass(frozen=True)
class Reduce:
    """Reductions along all lines of a region.

    behind  i32[1] on each PE, where cores hand vectors on: how many PEs send through it
    """

    wires: Wires
    behind: Buffer | None = None

    def emit(self, pe: Code, x: Operand, operation: Operation = "add", *, carry: DType | None = None) -> None:
        """Leaves the result in `x` at the root of each line that `pe` covers."""
        view, tree = steady(x), self.wires.tree
        kind = carry or view.dtype
        for place in self.wires.places(pe, "a reduction"):
            if self.behind is None:
                _take_and_send(place, operation, view, kind)
            elif place.outputs:
                star.send(place, view, kind, self.behind)
            else:
                star.collect(place, operation, view, kind, [len(side) - 1 for side in sides(tree.length, tree.root)])


def _take_and_send(place: Place, operation: Operation, x: View, kind: DType) -> None:
    code, inputs, outputs, stores = place
    goes_on = bool(inputs and outputs) and not stores
    for color in inputs[:-1] if goes_on else inputs:
        code.vector(operation, x, color, x, carry=kind)
    for out in outputs:
        if goes_on:
            code.vector(operation, out, inputs[-1], x, carry=kind)
        else:
            code.mov(out, x, carry=kind)


def make_reduce(
    build: Builder, region: Region, axis: Axis, tree: Tree, *, name: str = "reduce", color: Palette | None = None
) -> Reduce:
    """Takes the colours of the tree's channels; `plan` and `shapes` make trees."""
    behind = chunks.count_behind(build, region, axis, tree.root, f"{name}.behind") if tree.relay else None
    return Reduce(lay(build, region, axis, tree, name=name, color=color), behind)
