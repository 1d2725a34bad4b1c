"""The matrix kernels put to work on shapes that tests draw.

Sizes: `along` PEs on each of `across` lines along `axis` (0: x, 1: y), a matrix of `d_in` x `d_out`; flags are 0 or 1.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import VECTOR_OPERATIONS, DType, Wafer, f16, f32
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.bench import Bench
from wse_sim.kernels.blocks import Blocks, counts_of, matrix_tiles
from wse_sim.kernels.collective.line import make_line
from wse_sim.kernels.collective.timing import wavelets
from wse_sim.kernels.contract import Example, Expected, Kernel, Shape
from wse_sim.kernels.matrix import gemm_nn, gemm_nt, gemv, streamed, turn
from wse_sim.kernels.matrix.feed import cycles as link_cycles
from wse_sim.kernels.matrix.feed import halves, make_feed
from wse_sim.kernels.matrix.gemm_panels import make_panels
from wse_sim.program.builder import Builder

Array = NDArray[Any]


def _gemv(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    axis, d_in, d_out = tuple(Axis)[shape["axis"]], shape["d_in"], shape["d_out"]
    rows, cols = Blocks(d_in, shape["along"]).size, Blocks(d_out, shape["across"]).size
    stride = gemv.smooth_stride(cols, dtype) if shape["smooth"] else cols
    total = f32 if shape["single"] else dtype
    build = Builder(*axis.size(shape["along"], shape["across"]))
    grid = build.grid
    x, w = build.buffer("x", dtype, rows), build.buffer("w", dtype, rows * stride)
    y, bias = build.buffer("y", total, cols, bank_offset=8), build.buffer("bias", total, cols)
    line = make_line(build, grid, axis, wafer=wafer, words=wavelets(cols, total))
    accumulate, broadcast = shape["accumulate"] > 0, shape["broadcast"] > 0
    gemv.emit(
        build.main(), line, x=x, w=w, y=y, bias=bias if shape["bias"] else None, accumulate=accumulate, stride=stride,
        broadcast=broadcast,
    )  # fmt: skip

    random = np.random.default_rng(seed)
    vector, matrix = (random.standard_normal(n).astype(dtype.numpy) for n in (d_in, (d_in, d_out)))
    added, before = (random.standard_normal(d_out).astype(total.numpy) for _ in range(2))
    start = shape["bias"] * added.astype(np.float64) + shape["accumulate"] * before.astype(np.float64)
    expected = gemv.reference(line.tree, vector, matrix, start=start.astype(total.numpy), dtype=total)
    inputs = {
        "x": gemv.input_tiles(vector, grid, axis),
        "w": gemv.tiles(matrix, grid, axis, stride=stride),
        "y": gemv.output_tiles(before, grid, axis),
        "bias": gemv.output_tiles(added, grid, axis),
    }
    where = grid if broadcast else axis.part(grid, line.root)
    cost = gemv.cost(wafer, line.tree, rows, cols, weights=dtype, dtype=total, stride=stride, broadcast=broadcast)
    hops = (shape["along"] - 1) * wafer.hop_cycles
    return Example(
        program=build.finish(),
        inputs=inputs,
        outputs={"y": Expected(gemv.output_tiles(expected, grid, axis), where)},
        cost=wafer.task_switch_cycles + cost,
        bound=wavelets(cols, total) + (hops if broadcast else hops // 2) if shape["along"] > 1 else 0,
    )


def _streamed(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    axis, d_in, d_out = tuple(Axis)[shape["axis"]], shape["d_in"], shape["d_out"]
    total = f32 if shape["single"] else dtype
    build = Builder(*axis.size(shape["along"], shape["across"]))
    grid = build.grid
    sizes = Blocks(d_in, shape["along"]).size, Blocks(d_out, shape["across"]).size
    parts = streamed.Parts(*sizes, min(shape["parts"], sizes[0]))
    source = make_feed(build, grid, halves(wafer, grid), n=parts.elements, dtype=dtype)
    x, y = build.buffer("x", dtype, parts.rows), build.buffer("y", total, parts.cols, bank_offset=8)
    line = make_line(build, grid, axis, wafer=wafer, words=wavelets(parts.cols, total))
    streamed.emit(build.main(), line, source, parts, x=x, y=y)
    random = np.random.default_rng(seed)
    vector, matrix = (random.standard_normal(n).astype(dtype.numpy) for n in (d_in, (d_in, d_out)))
    expected = streamed.reference(line.tree, vector, matrix, dtype=total)
    values = source.values(streamed.tiles(matrix, grid, axis, parts))
    words = parts.count * wavelets(parts.elements, dtype)
    return Example(
        program=build.finish(),
        inputs={"x": gemv.input_tiles(vector, grid, axis)},
        outputs={"y": Expected(gemv.output_tiles(expected, grid, axis))},
        cost=wafer.task_switch_cycles + streamed.cost(wafer, line.tree, grid, parts, weights=dtype, dtype=total),
        bound=link_cycles(wafer, grid, words),
        streams={stream.name: rows for stream, rows in values},
    )


@dataclass
class _Gemm:
    """C = A W on a rectangle, in the making; rows of A in blocks along y."""

    wafer: Wafer
    dtype: DType
    shape: Shape
    seed: int

    def __post_init__(self) -> None:
        s, self.sums = self.shape, f32 if self.shape["single"] else self.dtype
        self.build = Builder(s["width"], s["height"])
        self.grid = self.build.grid
        self.rows = Blocks(s["m"], s["height"])
        self.k_on_x, self.k_on_y = Blocks(s["k"], s["width"]), Blocks(s["k"], s["height"])
        self.n_on_x, self.n_on_y = Blocks(s["n"], s["width"]), Blocks(s["n"], s["height"])
        self.counts = counts_of(self.build, "count", self.rows, Axis.Y, self.grid)
        self.along_x, self.along_y = (
            make_line(self.build, self.grid, axis, wafer=self.wafer, words=words, name=axis.value)
            for axis, words in ((Axis.X, self.rows.size * self.n_on_y.size), (Axis.Y, 8))
        )
        random = np.random.default_rng(self.seed)
        self.a_matrix, self.w_matrix, self.added = (
            random.standard_normal(size).astype(self.dtype.numpy)
            for size in ((s["m"], s["k"]), (s["k"], s["n"]), s["n"])
        )
        self.a = self.build.buffer("a", self.dtype, self.rows.size * self.k_on_x.size)
        self.c = self.build.buffer("c", self.sums, self.rows.size * self.n_on_x.size, bank_offset=8)
        self.bias = self.build.buffer("bias", self.dtype, self.n_on_x.size) if s["bias"] else None

    def example(self, expected: Array, axis: Axis, cost: int) -> Example:
        """`axis` is the one along which W has its rows."""
        a = matrix_tiles(self.a_matrix, self.rows, self.k_on_x)
        inputs = {"a": a, "w": gemv.tiles(self.w_matrix, self.grid, axis)}
        if self.bias is not None:
            inputs["bias"] = gemv.output_tiles(self.added, self.grid, Axis.Y)
        macs = self.rows.size * self.n_on_x.size * self.shape["k"]
        return Example(
            program=self.build.finish(),
            inputs=inputs,
            outputs={"c": Expected(matrix_tiles(expected, self.rows, self.n_on_x))},
            cost=self.wafer.task_switch_cycles + self.wafer.scalar_memory_cycles + cost,
            bound=macs // self.wafer.rate(VECTOR_OPERATIONS["mac"], self.sums, self.dtype)[0],
        )


def _gemm_nn(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    g = _Gemm(wafer, dtype, shape, seed)
    sizes = gemm_nn.Sizes(g.rows.size, g.k_on_x, g.k_on_y, g.n_on_x.size, shape["group_x"], shape["group_y"])
    w = g.build.buffer("w", dtype, g.k_on_y.size * g.n_on_x.size)
    scratch, pe = gemm_nn.make_scratch(g.build, sizes, dtype, g.grid), g.build.main()
    along_x, along_y = (make_panels(g.build, line, name=line.axis.value) for line in (g.along_x, g.along_y))
    gemm_nn.emit(
        pe, along_x, along_y, sizes, a=g.a, w=w, c=g.c, scratch=scratch, rows=pe.load(g.counts), bias=g.bias
    )
    bias = None if g.bias is None else g.added
    expected = gemm_nn.reference(g.a_matrix, g.w_matrix, bias=bias, dtype=g.sums)
    cost = gemm_nn.cost(
        wafer, g.along_x.tree, g.along_y.tree, sizes, weights=dtype, dtype=g.sums, bias=g.bias is not None
    )
    return g.example(expected, Axis.Y, cost)


def _gemm_nt(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    g = _Gemm(wafer, dtype, shape, seed)
    sizes = gemm_nt.Sizes(g.rows.size, g.k_on_x, g.n_on_y, g.n_on_x, shape["group_y"])
    b = g.build.buffer("w", dtype, g.k_on_x.size * g.n_on_y.size)
    scratch = gemm_nt.make_scratch(g.build, sizes, dtype, g.sums, g.grid)
    starts, pe = gemm_nt.make_starts(g.build, sizes, g.grid), g.build.main()
    gemm_nt.emit(
        pe, g.along_x, make_panels(g.build, g.along_y), sizes, a=g.a, b=b, c=g.c, starts=starts, scratch=scratch,
        rows=pe.load(g.counts), bias=g.bias,
    )  # fmt: skip
    bias = None if g.bias is None else g.added
    expected = gemm_nt.reference(g.along_x.tree, g.a_matrix, g.w_matrix.T, bias=bias, dtype=g.sums)
    cost = gemm_nt.cost(
        wafer, g.along_x.tree, g.along_y.tree, sizes, weights=dtype, dtype=g.sums, bias=g.bias is not None
    )
    return g.example(expected, Axis.X, cost)


def _turn(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    bench, rows = Bench(wafer, dtype, shape, seed), shape["rows"]
    axis = tuple(Axis)[shape["axis"]]
    source, target = (Blocks(shape["features"], a.length(bench.region)) for a in (axis, axis.across))
    x = bench.values(rows, source.total)
    line = bench.line(axis, words=wavelets(rows * source.size, dtype))
    made = turn.make_turn(bench.build, make_panels(bench.build, line), source, target)
    held, to, panel = (
        bench.build.buffer(name, dtype, rows * blocks.size)
        for name, blocks in (("x", source), ("to", target), ("panel", source))
    )
    made.emit(bench.pe, held, to, panel, rows=rows)
    for name, blocks, along in (("x", source, axis), ("to", target, axis.across)):
        tiles = np.moveaxis(blocks.deal(x), 1, 0).reshape(blocks.parts, rows * blocks.size)
        placed = bench.everywhere(np.expand_dims(tiles, 1 - along.dimension))
        if name == "x":
            bench.inputs[name] = placed
        else:
            bench.outputs[name] = Expected(placed)
    return bench.done(turn.cost(wafer, line.tree, source, target, rows, dtype=dtype), rows * target.size // 4)


def _every_row_works(shape: Shape) -> bool:
    """Rows of PEs without rows of A fetch ahead of the others, which takes less than `cost`."""
    return bool(Blocks(shape["m"], shape["height"]).counts.min() > 0)


_FLAGS = ("axis", "single", "smooth", "bias", "accumulate", "broadcast")
_GEMM = {
    "width": (1, 7), "height": (1, 7), "m": (1, 20), "k": (1, 40), "n": (1, 40), "group_y": (1, 3), "single": (0, 1),
    "bias": (0, 1),
}  # fmt: skip

_TURN = {"width": (1, 6), "height": (1, 6), "axis": (0, 1), "rows": (1, 5), "features": (1, 60)}

KERNELS = (
    Kernel(
        "gemv",
        _gemv,
        {"along": (1, 20), "across": (1, 4), "d_in": (1, 100), "d_out": (1, 80), **dict.fromkeys(_FLAGS, (0, 1))},
        (f32, f16),
    ),
    Kernel(
        "gemv streamed",
        _streamed,
        {"along": (1, 12), "across": (1, 6), "d_in": (1, 80), "d_out": (1, 60), "parts": (1, 5), "axis": (0, 1),
         "single": (0, 1)},
        (f32, f16),
        margin=40,
    ),
    Kernel("gemm nn", _gemm_nn, {**_GEMM, "group_x": (1, 3)}, (f32, f16), _every_row_works, margin=48),
    Kernel("gemm nt", _gemm_nt, _GEMM, (f32, f16), _every_row_works),
    Kernel("turn", _turn, _TURN, (f32, f16)),
)
