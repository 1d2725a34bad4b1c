"""The reductions put to work on shapes that tests draw: see `examples`."""

from __future__ import annotations

from wse_sim.hardware import DType, Wafer, f16, f32, i32
from wse_sim.kernels.collective import all_reduce, law, plane, reduce, ring_all_reduce
from wse_sim.kernels.collective.example_lines import Lines, random_values
from wse_sim.kernels.collective.line import line_on
from wse_sim.kernels.collective.plan import ALGORITHMS, plan
from wse_sim.kernels.collective.timing import wavelets
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.contract import Example, Expected, Kernel, Shape
from wse_sim.program.builder import Builder

OPERATIONS: tuple[reduce.Operation, ...] = ("add", "max", "min")


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


def _all_reduce(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    bench, n, operation = Lines(wafer, dtype, shape, seed), shape["n"], OPERATIONS[shape["operation"]]
    x, values = bench.build.buffer("x", dtype, n), bench.values(n)
    line = line_on(bench.build, bench.region, bench.axis, _tree(bench, n))
    line.all_reduce(bench.build.main(), x, operation)
    outputs = {"x": Expected(bench.placed(all_reduce.reference(line.tree, values, operation)))}
    cost = all_reduce.cost(wafer, line.tree, n, operation=operation, dtype=dtype)
    return bench.example({"x": values}, outputs, cost, _to_all(bench, n))


def _to_all(bench: Lines, n: int) -> int:
    """Cycles that all PEs need to get to know each other's vectors."""
    far = bench.length - 1
    return wavelets(n, bench.dtype) + far * bench.wafer.hop_cycles if far else 0


def _ring_all_reduce(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    bench, n, operation = Lines(wafer, dtype, shape, seed), shape["n"], OPERATIONS[shape["operation"]]
    x, values = bench.build.buffer("x", dtype, n), bench.values(n)
    made = ring_all_reduce.make_ring_all_reduce(bench.build, bench.region, bench.axis)
    made.emit(bench.build.main(), x, operation)
    outputs = {"x": Expected(bench.placed(ring_all_reduce.reference(values, operation)))}
    cost = ring_all_reduce.cost(wafer, bench.length, n, operation=operation, dtype=dtype)
    return bench.example({"x": values}, outputs, cost, _to_all(bench, n))


def _plane(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    n, algorithm, operation = shape["n"], ALGORITHMS[shape["algorithm"]], OPERATIONS[shape["operation"]]
    width, height, all_pes = shape["width"], shape["height"], shape["all_pes"] > 0
    build, words = Builder(width, height), wavelets(n, dtype)
    x = build.buffer("x", dtype, n)
    root = None if algorithm == "k-tree" else (shape["root"] % width, shape["root"] % height)
    made = plane.make_plane(build, build.grid, algorithm=algorithm, root=root, wafer=wafer, words=words)
    (made.all_reduce if all_pes else made.reduce)(build.main(), x, operation)
    values = random_values(dtype, (height, width, n), seed)
    rows, column = made.rows.tree, made.column.tree
    total = plane.reference(rows, column, values, operation)
    where = build.grid if all_pes else made.root
    cost = plane.cost(wafer, rows, column, n, operation=operation, dtype=dtype, all_pes=all_pes)
    bound = plane.bound(wafer, build.grid, (rows.root, column.root), words)
    return Example(
        build.finish(), {"x": values}, {"x": Expected(total, where)}, wafer.task_switch_cycles + cost, bound
    )


_LINES = {"axis": (0, 1), "length": (1, 40), "lines": (1, 3)}
_REDUCED = {"root": (0, 39), "n": (1, 70), "operation": (0, 2), "algorithm": (0, len(ALGORITHMS) - 1)}
_ALL = (f32, f16, i32)

KERNELS = (
    Kernel("reduce", _reduce, {**_LINES, **_REDUCED, "group": (0, 12)}, _ALL),
    Kernel("all_reduce", _all_reduce, {**_LINES, **_REDUCED, "group": (0, 12)}, _ALL),
    Kernel("ring all_reduce", _ring_all_reduce, {**_LINES, "n": (1, 200), "operation": (0, 2)}, _ALL),
    Kernel("plane", _plane, {"width": (1, 12), "height": (1, 12), **_REDUCED, "all_pes": (0, 1)}, _ALL),
)
