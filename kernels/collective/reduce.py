"""Reduce: one PE of each line gets the sum (or largest, or smallest) of all PEs' vectors, element by element.

x        (n,) on each PE; the result replaces it at the line's root, elsewhere x ends up as a partial result
travel   as dtype `carry`; each addition rounds once, to `carry` where it is sent on, else to the dtype of x
order    that of the tree: a PE adds what arrives to its own, the shorter chain first
shapes   of the tree: a chain to an end or to the middle, two-phase with a group size, more levels (`tree`)
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import DType, Region, Wafer, f32
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective.member import Operand, Palette, steady
from wse_sim.kernels.collective.timing import Timing, wavelets
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.collective.wires import Wires, lay
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code

Array = NDArray[Any]
Operation = Literal["add", "max", "min"]


def reference(tree: Tree, x: Array, operation: Operation = "add", carry: DType | None = None) -> Array:
    """The root's result, (..., n), of x (length, ..., n): the machine's additions in the machine's order."""
    sends = x.dtype if carry is None else carry.numpy
    own = list(x)
    parts = {p: part for positions, part in tree.stations for p in positions}
    left = {p: len(part.inputs) for p, part in parts.items()}
    sent = {p: own[p].astype(sends) for p, part in parts.items() if not part.inputs}
    for chain in tree.chains:
        for sender, taker in pairwise(chain.points):
            left[taker] -= 1
            result = combine(operation, sent[sender], own[taker])
            if left[taker] == 0 and parts[taker].outputs:
                sent[taker] = result.astype(sends)
            else:
                own[taker] = result.astype(x.dtype)
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
    """Cycles from the start on all PEs until the root has the result; a line of one PE takes none.

    Level by level: a chain's first wavelet takes a stage per point; then one wavelet follows the other. A root takes
    its longer chain once it is through with the shorter one. In the next level the far ends begin to send while they
    take their last chain, and the others join in when they are through with all of theirs. Two chains that arrive
    together take turns at the root's router until the queue of the one that has to wait is full. What the next level
    sends may share links with the chains of this one; how much depends on who is early: half of the worst is counted.
    """
    t, sends = Timing(wafer), carry or dtype
    pace = max(t.wavelet(operation, to, sends, sends) for to in (dtype, sends))
    words = wavelets(n, sends)
    stream = words * max(pace, t.wavelet("mov", sends, dtype, sends)) + t.pauses(words)
    queue = wafer.input_queue_depths[0] + wafer.ramp_in_cycles
    begin, free = t.issue(2), 0
    for level in tree.levels:
        stage = t.stage(level.points.step)
        sides = sorted(points for points in (level.before, level.size - 1 - level.before) if points)
        late = free + t.issue(3) - stage
        arrivals = [max(begin, late if points > 1 else 0) + points * stage for points in sides]
        shared = min(queue, max(0, stream - 1 - (arrivals[-1] - arrivals[0]))) if len(sides) > 1 else 0
        for arrival in arrivals:
            begin = max(free + t.issue(2), arrival)
            free = begin + stream + shared
            shared = 0
        free += max(0, 2 * words - stream) // 2 if len(level.roots) > 1 else 0
    return free


@dataclass(frozen=True)
class Reduce:
    """Reductions along all lines of a region."""

    wires: Wires

    def emit(self, pe: Code, x: Operand, operation: Operation = "add", *, carry: DType | None = None) -> None:
        """Leaves the result in `x` at the root of each line that `pe` covers."""
        view = steady(x)
        kind = carry or view.dtype
        for code, inputs, outputs in self.wires.code(pe, "a reduction"):
            if outputs and not inputs:
                code.mov(outputs[0], view, carry=kind)
            for i, color in enumerate(inputs):
                to = outputs[0] if outputs and i == len(inputs) - 1 else view
                code.vector(operation, to, color, view, carry=kind)


def make_reduce(
    build: Builder, region: Region, axis: Axis, tree: Tree, *, name: str = "reduce", color: Palette | None = None
) -> Reduce:
    """Takes two colours per level of the tree."""
    return Reduce(lay(build, region, axis, tree, name=name, color=color))
