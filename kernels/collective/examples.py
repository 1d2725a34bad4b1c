"""The collectives put to work on shapes that tests draw.

Sizes: `length` PEs on each of `lines` lines along `axis` (0: x, 1: y), `n` elements or `words` wavelets per PE; a
`root` counts round the line; `operation` is an index of OPERATIONS, `algorithm` one of ALGORITHMS; `group` is the size
of groups where the algorithm has some, 0 the best.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import DType, Region, Wafer, f16, f32, i32
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective import all_reduce, broadcast, gather, handover, law, reduce, scatter, shift
from wse_sim.kernels.collective.line import line_on
from wse_sim.kernels.collective.plan import ALGORITHMS, plan
from wse_sim.kernels.collective.timing import wavelets
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.contract import Example, Expected, Kernel, Shape
from wse_sim.program.builder import Builder

Array = NDArray[Any]
AXES = tuple(Axis)
OPERATIONS: tuple[reduce.Operation, ...] = ("add", "max", "min")


@dataclass
class Lines:
    """Some lines of PEs and random values for them."""

    wafer: Wafer
    dtype: DType
    shape: Shape
    seed: int

    def __post_init__(self) -> None:
        self.axis = AXES[self.shape["axis"]]
        self.length = self.shape["length"]
        self.build = Builder(*self.axis.size(self.length, self.shape["lines"]))
        self.region = self.build.grid
        self.root = self.shape.get("root", 0) % self.length
        self.random = np.random.default_rng(self.seed)

    def values(self, n: int) -> Array:
        """(length, lines, n)"""
        size = (self.length, self.shape["lines"], n)
        if self.dtype.is_float:
            return self.random.standard_normal(size).astype(self.dtype.numpy)
        return self.random.integers(-(2**31), 2**31, size).astype(self.dtype.numpy)

    def placed(self, values: Array) -> Array:
        """(length, lines, n) as the host sees it, (height, width, n)."""
        return np.moveaxis(values, 0, self.axis.dimension)

    def at_root(self, values: Array, root: int) -> Expected:
        """(lines, n) that only the root of each line has."""
        return Expected(self.placed(values[None]), self.axis.part(self.region, root))

    def example(self, inputs: dict[str, Array], outputs: dict[str, Expected], cost: int, bound: int) -> Example:
        placed = {name: self.placed(values) for name, values in inputs.items()}
        return Example(self.build.finish(), placed, outputs, self.wafer.task_switch_cycles + cost, bound)


def _tree(bench: Lines, n: int) -> Tree:
    """The tree of a drawn algorithm, root and group size."""
    algorithm, group = ALGORITHMS[bench.shape["algorithm"]], bench.shape["group"]
    return plan(
        bench.wafer,
        bench.length,
        words=wavelets(n, bench.dtype),
        algorithm=algorithm,
        root=None if algorithm == "k-tree" else bench.root,
        groups=(group,) if group and algorithm in ("k-tree", "two-phase") else None,
    )


def _reduce(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    bench, n, operation = Lines(wafer, dtype, shape, seed), shape["n"], OPERATIONS[shape["operation"]]
    x, values, tree = bench.build.buffer("x", dtype, n), bench.values(n), _tree(bench, n)
    reduce.make_reduce(bench.build, bench.region, bench.axis, tree).emit(bench.build.main(), x, operation)
    outputs = {"x": bench.at_root(reduce.reference(tree, values, operation), tree.root)}
    cost = reduce.cost(wafer, tree, n, operation=operation, dtype=dtype)
    bound = law.bound(wafer, bench.length, tree.root, wavelets(n, dtype))
    return bench.example({"x": values}, outputs, cost, bound)


def _broadcast(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    bench, n = Lines(wafer, dtype, shape, seed), shape["n"]
    x, values, root = bench.build.buffer("x", dtype, n), bench.values(n), bench.root
    broadcast.make_broadcast(bench.build, bench.region, bench.axis, root=root).emit(bench.build.main(), x)
    outputs = {"x": Expected(bench.placed(broadcast.reference(root, values)))}
    cost = broadcast.cost(wafer, bench.length, root, n, dtype=dtype)
    far = max(root, bench.length - 1 - root)
    return bench.example({"x": values}, outputs, cost, wavelets(n, dtype) + far * wafer.hop_cycles)


def _all_reduce(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    bench, n, operation = Lines(wafer, dtype, shape, seed), shape["n"], OPERATIONS[shape["operation"]]
    x, values = bench.build.buffer("x", dtype, n), bench.values(n)
    line = line_on(bench.build, bench.region, bench.axis, _tree(bench, n))
    line.all_reduce(bench.build.main(), x, operation)
    outputs = {"x": Expected(bench.placed(all_reduce.reference(line.tree, values, operation)))}
    cost = all_reduce.cost(wafer, line.tree, n, operation=operation, dtype=dtype)
    return bench.example({"x": values}, outputs, cost, wavelets(n, dtype) + (bench.length - 1) * wafer.hop_cycles)


def _shift(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    bench, n = Lines(wafer, dtype, shape, seed), shape["n"]
    forward, ring = shape["forward"] > 0, shape["ring"] > 0
    x, to = bench.build.buffer("x", dtype, n), bench.build.buffer("to", dtype, n)
    values, before = bench.values(n), bench.values(n)
    made = shift.make_shift(bench.build, bench.region, bench.axis, forward=forward, ring=ring)
    made.emit(bench.build.main(), x, to)
    after = shift.reference(values, before, forward=forward, ring=ring)
    cost = shift.cost(wafer, bench.length, n, ring=ring, dtype=dtype)
    far = bench.length - 1 if ring else 1
    bound = wavelets(n, dtype) + far * wafer.hop_cycles
    return bench.example({"x": values, "to": before}, {"to": Expected(bench.placed(after))}, cost, bound)


def _gather(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    bench, n = Lines(wafer, dtype, shape, seed), shape["words"] * dtype.per_wavelet
    x, whole = bench.build.buffer("x", dtype, n), bench.build.buffer("whole", dtype, n * bench.length)
    values, root = bench.values(n), bench.root
    made = gather.make_gather(bench.build, bench.region, bench.axis, root=root)
    made.emit(bench.build.main(), x, whole)
    gathered = np.stack([gather.reference(line) for line in values.swapaxes(0, 1)])
    cost = gather.cost(wafer, bench.length, n, root=root, dtype=dtype)
    bound = shape["words"] * (bench.length - 1)
    return bench.example({"x": values}, {"whole": bench.at_root(gathered, root)}, cost, bound)


def _scatter(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    bench, n = Lines(wafer, dtype, shape, seed), shape["words"] * dtype.per_wavelet
    whole, x = bench.build.buffer("whole", dtype, n * bench.length), bench.build.buffer("x", dtype, n)
    values, root = bench.values(n * bench.length), bench.root
    made = scatter.make_scatter(bench.build, bench.region, bench.axis, root=root)
    made.emit(bench.build.main(), whole, x)
    dealt = np.stack([scatter.reference(line, bench.length) for line in values[root]], axis=1)
    cost = scatter.cost(wafer, bench.length, n, root=root, dtype=dtype)
    bound = shape["words"] * (bench.length - 1)
    return bench.example({"whole": values}, {"x": Expected(bench.placed(dealt))}, cost, bound)


def _two_regions(shape: Shape) -> tuple[Builder, Region, Region]:
    """A source of rows x columns PEs, and a target as high, to each side of it."""
    rows, columns, side, gap = (shape[name] for name in ("rows", "columns", "side", "gap"))
    wide = columns if side < 2 else max(columns, rows)
    at = [(columns + gap, 0), (-wide - gap, 0), (0, rows + gap), (0, -rows - gap), (columns + gap, rows),
          (-wide - gap, rows), (columns, -rows - gap), (-wide, -rows - gap)][side]  # fmt: skip
    left, top = max(0, -at[0]), max(0, -at[1])
    width, height = max(columns, at[0] + wide), max(rows, at[1] + rows)
    build = Builder(width + left, height + top)
    source = build.grid[left : left + max(columns, wide if side in (2, 3) else 0), top : top + rows]
    target = build.grid[left + at[0] : left + at[0] + wide, top + at[1] : top + at[1] + rows]
    return build, source, target


def _handover(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    build, source, target = _two_regions(shape)
    n = shape["n"]
    x = build.buffer("x", dtype, n)
    made = handover.make_handover(build, source, target, size=n, dtype=dtype)
    made.send(build.main(source), x)
    made.post(build.main(target))
    made.take(build.main(target), x)
    values = np.random.default_rng(seed).standard_normal((build.grid.height, 1, n)).astype(dtype.numpy)
    left = np.zeros((target.height, target.width, n), dtype.numpy)
    laid = handover.lanes(source, target)
    for lane in laid:
        left[lane.end[1] - target.ys[0], lane.end[0] - target.xs[0]] = values[lane.start[1], 0]
    hops = max(lane.hops for lane in laid)
    cost = handover.cost(wafer, hops, n, dtype=dtype) + handover.cost_of_taking(wafer, n, dtype=dtype)
    bound = wavelets(n, dtype) + hops * wafer.hop_cycles
    return Example(
        build.finish(), {"x": values}, {"x": Expected(left, region=target)}, wafer.task_switch_cycles + cost, bound
    )


_SIZES = {"axis": (0, 1), "length": (2, 40), "lines": (1, 3)}
_ROOTED = {**_SIZES, "root": (0, 39)}
_REDUCTION = {
    **_ROOTED, "n": (1, 70), "operation": (0, 2), "algorithm": (0, len(ALGORITHMS) - 1), "group": (0, 12),
}  # fmt: skip
_SIDES = {"rows": (1, 9), "columns": (1, 9), "side": (0, 7), "gap": (0, 4), "n": (1, 40)}
_ALL = (f32, f16, i32)

KERNELS = (
    Kernel("reduce", _reduce, _REDUCTION, _ALL),
    Kernel("broadcast", _broadcast, {**_ROOTED, "n": (1, 70)}, _ALL),
    Kernel("all_reduce", _all_reduce, _REDUCTION, _ALL),
    Kernel("shift", _shift, {**_SIZES, "n": (1, 70), "forward": (0, 1), "ring": (0, 1)}, _ALL),
    Kernel("gather", _gather, {**_ROOTED, "words": (1, 24)}, _ALL),
    Kernel("scatter", _scatter, {**_ROOTED, "words": (1, 24)}, _ALL),
    Kernel("handover", _handover, _SIDES, (f32, f16), margin=24),
)
