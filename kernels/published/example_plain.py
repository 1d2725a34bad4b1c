"""Plain code and micro-benchmarks put to work on shapes that tests draw: see `examples`."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import DType, Wafer, f16, f32
from wse_sim.kernels.contract import Example, Expected, Kernel, Shape
from wse_sim.kernels.published import parallel, plain, plain_attention, plain_laws, vector
from wse_sim.program.program import Program

Array = NDArray[Any]
NEAR = 2e-5  # of the largest: sums of f32 in another order than numpy's


def _random(seed: int, *size: int) -> Array:
    return np.random.default_rng(seed).standard_normal(size).astype(np.float32)


Reference = Callable[[Array, Array], Array]
VECTORS: tuple[tuple[str, Callable[[int], Program], str, Reference], ...] = (
    ("sum", plain.sum_of, "result", lambda x, _: x.sum(keepdims=True)),
    ("dot", plain.dot_of, "result", lambda x, y: (x * y).sum(keepdims=True)),
    ("axpy", plain.axpy, "y", lambda x, y: y + 2 * x),
    ("relu", plain.relu, "y", lambda x, _: np.maximum(x, 0)),
    ("silu", plain.silu, "y", lambda x, _: plain_laws.silu(x)),
    ("l2 norm", plain.l2_norm, "y", lambda x, _: x / np.linalg.norm(x)),
    ("rms norm", plain.rms_norm, "y", plain_laws.rms_norm),
    ("cross entropy", lambda n: plain.cross_entropy(n, 0), "result", lambda x, _: plain_laws.likelihood(x, 0)),
)
"""Kernels on vectors: what they are called, the program, the buffer of the result, its values."""


def _vectors(wafer: Wafer, _: DType, shape: Shape, seed: int) -> Example:
    name, make, result, reference = VECTORS[shape["which"]]
    n = shape["n"]
    x, y = _random(seed, 2, n)
    program = make(n)
    given = {"x": x, "y": y, "weight": y}
    inputs = {b.name: given[b.name].reshape(1, 1, n) for b in program.buffers if b.name in given}
    expected = reference(x.astype(np.float64), y.astype(np.float64)).reshape(1, 1, -1)
    scale = max(1.0, float(np.abs(x * y).sum()), float(np.abs(x).sum())) if result == "result" else 1.0
    near = NEAR * scale / max(float(np.abs(expected).max()), 1e-30)
    return Example(program, inputs, {result: Expected(expected, tolerance=near)}, plain_laws.cost(wafer, name, n))


def _matrices(wafer: Wafer, _: DType, shape: Shape, seed: int) -> Example:
    n, product = shape["n"], shape["which"] > 0
    a, b = _random(seed, 2, n, n)
    name, program = ("matrix-matrix", plain.matrix_matrix(n)) if product else ("matrix-vector", plain.matrix_vector(n))
    inputs = {"a": a, "b": b} if product else {"a": a, "x": b[0]}
    exact = a.astype(np.float64) @ (b if product else b[0])
    expected = Expected(exact.reshape(1, 1, -1), tolerance=1e-3)
    flat = {buffer: values.reshape(1, 1, -1) for buffer, values in inputs.items()}
    return Example(program, flat, {"c" if product else "y": expected}, plain_laws.cost(wafer, name, n))


def _attention(wafer: Wafer, _: DType, shape: Shape, seed: int) -> Example:
    queries, tokens, d, vectors = shape["queries"], shape["tokens"], shape["d"], shape["vectors"] > 0
    q, keys, values = _random(seed, queries, d), _random(seed + 1, tokens, d), _random(seed + 2, tokens, d)
    expected = Expected(plain_laws.attention(q, keys, values).reshape(1, 1, -1), tolerance=1e-4)
    return Example(
        program=plain_attention.make(queries, tokens, d, vectors=vectors),
        inputs={name: part.reshape(1, 1, -1) for name, part in (("q", q), ("keys", keys), ("values", values))},
        outputs={"out": expected},
        cost=plain_laws.attention_cost(wafer, queries, tokens, d, vectors=vectors),
    )


def _parallel(wafer: Wafer, _: DType, shape: Shape, seed: int) -> Example:
    width, n, dot = shape["width"], shape["n"], shape["dot"] > 0
    x, y = _random(seed, 2, 1, width, n)
    program = (parallel.dot_of if dot else parallel.sum_of)(width, n)
    exact = parallel.reference(x, y if dot else None)
    near = NEAR * float(np.abs(x * y if dot else x).sum()) / max(abs(exact), 1e-30)
    return Example(
        program=program,
        inputs={"x": x, "y": y} if dot else {"x": x},
        outputs={"result": Expected(np.array([[[exact]]]), program.grid[0, :], tolerance=near)},
        cost=parallel.cost(wafer, width, n, dot=dot),
    )


STREAMS = {"copy": vector.copy, "fill": vector.fill, "add": vector.add, "multiply-add": vector.multiply_add}


def _streams(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    """Micro-benchmarks whose result stays."""
    n, name = shape["n"], list(STREAMS)[shape["which"]]
    x, y = (_random(seed + i, 1, 1, n).astype(dtype.numpy) for i in range(2))
    program = STREAMS[name](n, dtype)
    names = {buffer.name for buffer in program.buffers}
    return Example(
        program=program,
        inputs={k: v for k, v in (("x", x), ("y", y)) if k in names},
        outputs={"z" if "z" in names else "y": Expected(vector.reference(name, x, y))},
        cost=vector.cost(wafer, name, n, dtype),
    )


PLAIN = (
    Kernel("plain code on vectors", _vectors, {"n": (1, 60), "which": (0, len(VECTORS) - 1)}),
    Kernel("plain code on matrices", _matrices, {"n": (1, 9), "which": (0, 1)}),
    Kernel("plain attention", _attention, {"queries": (1, 3), "tokens": (1, 9), "d": (1, 9), "vectors": (0, 1)}),
    Kernel("parallel sum and dot product", _parallel, {"width": (1, 9), "n": (1, 40), "dot": (0, 1)}),
    Kernel("vector operations", _streams, {"n": (1, 200), "which": (0, len(STREAMS) - 1)}, dtypes=(f32, f16)),
)
