"""The matrix kernels put to work on shapes that tests draw.

Sizes: `along` PEs on each of `across` lines along `axis` (0: x, 1: y), a matrix of `d_in` x `d_out`; flags are 0 or 1.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import DType, Wafer, f16, f32
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.blocks import Blocks
from wse_sim.kernels.collective.line import make_line
from wse_sim.kernels.collective.timing import wavelets
from wse_sim.kernels.contract import Example, Expected, Kernel, Shape
from wse_sim.kernels.matrix import gemv
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


_FLAGS = ("axis", "single", "smooth", "bias", "accumulate", "broadcast")

KERNELS = (
    Kernel(
        "gemv",
        _gemv,
        {"along": (1, 20), "across": (1, 4), "d_in": (1, 100), "d_out": (1, 80), **dict.fromkeys(_FLAGS, (0, 1))},
        (f32, f16),
    ),
)
