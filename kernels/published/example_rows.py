"""Norms, softmax, gates, scores, attention and projections put to work on shapes that tests draw: see `examples`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import DType, Wafer, f16
from wse_sim.kernels.contract import Example, Expected, Kernel, Shape
from wse_sim.kernels.published import attention_core, mesh_gemm, mesh_scores, projection_norm, projections, row_laws
from wse_sim.kernels.published import row_tiles as tiles

Array = NDArray[Any]
ROUNDED = 0.01  # of the largest: some twenty roundings of f16, of which sums of exponentials keep most


def twice(parts: Array) -> Array:
    """With room for the tile that comes next."""
    return np.concatenate([parts, np.zeros_like(parts)], axis=-1)


def _random(seed: int, *size: int) -> Array:
    return np.random.default_rng(seed).uniform(-1, 1, size).astype(np.float16)


# -- rows ---------------------------------------------------------------------------------------------


def _tile(shape: Shape) -> tiles.Tile:
    return tiles.Tile(shape["width"], shape["rows"], shape["cols"])


def _dealt(matrix: Array, t: tiles.Tile) -> Array:
    """A matrix (rows, features) as a tile on each PE of a line."""
    return matrix.reshape(t.rows, t.width, t.cols).transpose(1, 0, 2).reshape(1, t.width, -1)


def _rms_norm(wafer: Wafer, _: DType, shape: Shape, seed: int) -> Example:
    t = _tile(shape)
    x, weight = _random(seed, t.rows, t.features), _random(seed + 1, t.features)
    return Example(
        program=tiles.rms_norm(t),
        inputs={"x": _dealt(x, t), "weight": weight.reshape(1, t.width, t.cols)},
        outputs={"y": Expected(_dealt(row_laws.rms_norm(x, weight), t), tolerance=ROUNDED)},
        cost=row_laws.launched(wafer, row_laws.rms_norm_cost(wafer, t)),
    )


def _layer_norm(wafer: Wafer, _: DType, shape: Shape, seed: int) -> Example:
    t = _tile(shape)
    x, (weight, bias) = _random(seed, t.rows, t.features), _random(seed + 1, 2, t.features)
    per_pe = {name: values.reshape(1, t.width, t.cols) for name, values in (("weight", weight), ("bias", bias))}
    return Example(
        program=tiles.layer_norm(t),
        inputs={"x": _dealt(x, t), **per_pe},
        outputs={"y": Expected(_dealt(row_laws.layer_norm(x, weight, bias), t), tolerance=4 * ROUNDED)},
        cost=row_laws.launched(wafer, row_laws.layer_norm_cost(wafer, t)),
    )


def _softmax(wafer: Wafer, _: DType, shape: Shape, seed: int) -> Example:
    t, mapped = _tile(shape), shape["mapped"] > 0
    x = 4 * _random(seed, t.rows, t.features)
    return Example(
        program=tiles.softmax(t, mapped=mapped),
        inputs={"x": _dealt(x, t)},
        outputs={"y": Expected(_dealt(row_laws.softmax(x), t), tolerance=ROUNDED)},
        cost=row_laws.launched(wafer, row_laws.softmax_cost(wafer, t, mapped=mapped)),
    )


def _activation(wafer: Wafer, _: DType, shape: Shape, seed: int) -> Example:
    n, which = shape["n"], shape["which"]
    x, y = 4 * _random(seed, 1, 1, n), _random(seed + 1, 1, 1, n)
    program = (tiles.silu_gate, tiles.silu, tiles.gelu)[which](n)
    expected = (y * row_laws.silu(x), row_laws.silu(x), row_laws.gelu(x))[which]
    cost = row_laws.gelu_cost(wafer, n) if which == 2 else row_laws.silu_cost(wafer, n, gate=which == 0)
    return Example(
        program, {"x": x, "y": y}, {"y": Expected(expected, tolerance=ROUNDED)}, row_laws.launched(wafer, cost)
    )


# -- squares ------------------------------------------------------------------------------------------


def _scores(wafer: Wafer, _: DType, shape: Shape, seed: int) -> Example:
    t = mesh_scores.Tiles(*(shape[name] for name in ("side", "m", "n", "d")))
    q, k = _random(seed, t.side * t.m, t.side * t.d), _random(seed + 1, t.side * t.n, t.side * t.d)
    found = mesh_scores.reference(q, k).reshape(t.side, t.m, t.side, t.n).transpose(0, 2, 3, 1)
    return Example(
        program=mesh_scores.make(t),
        inputs={"q": mesh_scores.tiles(q, t.side), "k": twice(mesh_scores.tiles(k, t.side))},
        outputs={"scores": Expected(found.reshape(t.side, t.side, -1), tolerance=ROUNDED)},
        cost=mesh_scores.cost(wafer, t),
        arguments=mesh_scores.ARGUMENTS,
    )


def _attention(wafer: Wafer, _: DType, shape: Shape, seed: int) -> Example:
    t = mesh_scores.Tiles(*(shape[name] for name in ("side", "m", "n", "d")))
    product = mesh_gemm.Tiles(t.side, t.m, t.n, t.d)
    q = _random(seed, t.side * t.m, t.side * t.d)
    k, v = (_random(seed + i, t.side * t.n, t.side * t.d) for i in (1, 2))
    c = mesh_gemm.a_tiles(attention_core.reference(q, k, v), mesh_gemm.Tiles(t.side, t.m, t.d, 1))
    return Example(
        program=attention_core.make(t),
        inputs={
            "q": mesh_scores.tiles(q, t.side), "k": twice(mesh_scores.tiles(k, t.side)),
            "b": twice(mesh_gemm.b_tiles(v, product)),
        },
        outputs={"c": Expected(c, tolerance=2 * ROUNDED)},
        cost=attention_core.cost(wafer, t),
        arguments=attention_core.ARGUMENTS,
    )  # fmt: skip


def _projection_norm(wafer: Wafer, _: DType, shape: Shape, seed: int) -> Example:
    t = mesh_gemm.Tiles(*(shape[name] for name in ("side", "m", "k", "n")))
    a, b = _random(seed, t.side * t.m, t.side * t.k), _random(seed + 1, t.side * t.k, t.side * t.n)
    added, weight = _random(seed + 2, t.side * t.m, t.side * t.n), _random(seed + 3, t.side * t.n)
    out = mesh_gemm.Tiles(t.side, t.m, t.n, 1)
    return Example(
        program=projection_norm.make(t),
        inputs={
            "a": twice(mesh_gemm.a_tiles(a, t)), "b": twice(mesh_gemm.b_tiles(b, t)),
            "added": mesh_gemm.a_tiles(added, out), "weight": weight.reshape(1, t.side, t.n),
        },
        outputs={"y": Expected(
            mesh_gemm.a_tiles(projection_norm.reference(a, b, added, weight), out), tolerance=2 * ROUNDED
        )},
        cost=projection_norm.cost(wafer, t),
        arguments=projection_norm.ARGUMENTS,
    )  # fmt: skip


def _projections(wafer: Wafer, _: DType, shape: Shape, seed: int) -> Example:
    s = projections.Shape(**shape)
    x, w = _random(seed, s.batch, s.side * s.m), _random(seed + 1, s.matrices, s.side * s.m, s.n)
    y = projections.reference(s, x, w)
    return Example(
        program=projections.make(s),
        inputs={
            "x": x.reshape(s.batch, s.side, s.m).swapaxes(0, 1).reshape(s.side, 1, -1),
            "w": w.reshape(s.matrices, s.side, s.m * s.n).swapaxes(0, 1).reshape(s.side, 1, -1),
        },
        outputs={"y": Expected(y.reshape(1, 1, -1))},
        cost=projections.cost(wafer, s),
    )


_SQUARE = {"side": (2, 7), "m": (1, 6), "n": (1, 6)}
_LINE = {"width": (1, 12), "rows": (1, 6), "cols": (1, 20)}

ROWS = (
    Kernel("RMSNorm on tiles", _rms_norm, _LINE, dtypes=(f16,)),
    Kernel("LayerNorm on tiles", _layer_norm, {**_LINE, "cols": (3, 20)}, dtypes=(f16,)),
    Kernel("softmax on tiles", _softmax, {**_LINE, "mapped": (0, 1)}, dtypes=(f16,)),
    Kernel("SiLU gate, SiLU, GELU on tiles", _activation, {"n": (1, 60), "which": (0, 2)}, dtypes=(f16,)),
    Kernel("scores", _scores, {**_SQUARE, "d": (1, 6)}, dtypes=(f16,), margin=60),
    Kernel("attention core", _attention, {**_SQUARE, "d": (1, 6)}, dtypes=(f16,)),
    Kernel("projection and norm", _projection_norm, {**_SQUARE, "k": (1, 6)}, dtypes=(f16,)),
    Kernel(
        "projections", _projections,
        {"side": (4, 16), "m": (1, 6), "n": (1, 6), "groups": (1, 4), "batch": (1, 3), "matrices": (1, 3)},
        dtypes=(f16,),
    ),
)  # fmt: skip
