"""The kernels of this folder put to work on shapes that tests draw: see also `example_rows` and `example_plain`."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import VECTOR_OPERATIONS, DType, Wafer, f16, f32
from wse_sim.kernels.collective import law
from wse_sim.kernels.collective.timing import wavelets
from wse_sim.kernels.contract import Example, Expected, Kernel, Shape
from wse_sim.kernels.matrix import gemv
from wse_sim.kernels.published import mesh_gemm, mesh_gemv, relay, ring_shift, summa, transfer, two_phase
from wse_sim.kernels.published.example_plain import PLAIN
from wse_sim.kernels.published.example_rows import ROWS, twice

Array = NDArray[Any]


def _mesh_gemv(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    side, m, n, groups = (shape[name] for name in ("side", "m", "n", "groups"))
    random = np.random.default_rng(seed)
    x = random.standard_normal(side * m).astype(dtype.numpy)
    w = random.standard_normal((side * m, n)).astype(dtype.numpy)
    y = gemv.reference(mesh_gemv.tree(side, groups), x, w, dtype=dtype)
    return Example(
        program=mesh_gemv.make(side, m, n, groups),
        inputs={"x": x.reshape(side, 1, m), "w": w.reshape(side, 1, m * n)},
        outputs={"y": Expected(y)},
        cost=mesh_gemv.cost(wafer, side, m, n, groups),
        bound=2 * (side // 2) * wafer.hop_cycles,
    )


def _two_phase(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    step, n = shape["step"], shape["n"]
    length = step * shape["groups"]
    program = two_phase.make(length, n, step)
    x = np.random.default_rng(seed).integers(-9, 9, (1, length, n)).astype(dtype.numpy)
    first = program.grid[0, 0]
    return Example(
        program=program,
        inputs={"x": x},
        outputs={"x": Expected(x.sum(axis=1, keepdims=True), first)},
        cost=two_phase.cost(wafer, length, n, step),
        bound=law.bound(wafer, length, 0, n),
    )


def _transfer(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    hops, n = shape["hops"], shape["n"]
    back = shape["back"] > 0
    program = transfer.make(hops, n, back=back)
    x = np.random.default_rng(seed).standard_normal((1, hops + 2, n)).astype(dtype.numpy)
    sender, receiver = (-1, 1) if back else (1, -1)
    return Example(
        program=program,
        inputs={"x": x},
        outputs={"x": Expected(transfer.reference(x[:, sender]), program.grid[receiver, :])},
        cost=transfer.cost(wafer, hops, n, back=back),
        bound=hops * wafer.hop_cycles + n,
    )


def _mesh_gemm(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    t = mesh_gemm.Tiles(*(shape[name] for name in ("side", "m", "k", "n")))
    random = np.random.default_rng(seed)
    a = random.standard_normal((t.side * t.m, t.side * t.k)).astype(dtype.numpy)
    b = random.standard_normal((t.side * t.k, t.side * t.n)).astype(dtype.numpy)
    inputs = {"a": twice(mesh_gemm.a_tiles(a, t)), "b": twice(mesh_gemm.b_tiles(b, t))}
    c = mesh_gemm.a_tiles(mesh_gemm.reference(a, b, t), mesh_gemm.Tiles(t.side, t.m, t.n, 1))
    return Example(
        program=mesh_gemm.make(t),
        inputs=inputs,
        outputs={"c": Expected(c)},
        cost=mesh_gemm.cost(wafer, t),
        bound=t.side * t.k * t.n * -(-t.m // wafer.rate(VECTOR_OPERATIONS["mac"], dtype, dtype)[0]),
        arguments=mesh_gemm.ARGUMENTS,
    )


def _summa(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    side, t = shape["side"], shape["t"]
    random = np.random.default_rng(seed)
    a, b = (random.standard_normal((side * t, side * t)).astype(dtype.numpy) for _ in "ab")
    inputs = {name: twice(summa.tiles(matrix, side)) for name, matrix in (("a", a), ("b", b))}
    return Example(
        program=summa.make(side, t),
        inputs=inputs,
        outputs={"c": Expected(summa.tiles(summa.reference(a, b), side))},
        cost=summa.cost(wafer, side, t),
        bound=side * t**3,
        arguments=summa.ARGUMENTS,
    )


def _ring_shift(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    length, n, shifts = (shape[name] for name in ("length", "n", "shifts"))
    x = np.random.default_rng(seed).standard_normal((length, n)).astype(dtype.numpy)
    held, before = (ring_shift.reference(x, shifts - back) for back in (0, 1))
    places = (held, before) if shifts % 2 == 0 else (before, held)
    if shifts == 0:
        places = (held, np.zeros_like(held))
    return Example(
        program=ring_shift.make(length, n, shifts),
        inputs={"x": twice(x[None])},
        outputs={"x": Expected(np.concatenate(places, axis=-1)[None])},
        cost=ring_shift.cost(wafer, n, shifts),
        bound=shifts * wavelets(n, dtype),
        arguments=ring_shift.ARGUMENTS,
    )


def _relay(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    hops, n, tasks = shape["hops"], shape["n"], shape["tasks"] > 0
    program = relay.make(hops, n, dtype=dtype, tasks=tasks)
    x = np.random.default_rng(seed).standard_normal((1, hops + 1, n)).astype(dtype.numpy)
    return Example(
        program=program,
        inputs={"x": x},
        outputs={"x": Expected(relay.reference(x[:, :1]), program.grid[1:, :])},
        cost=relay.cost(wafer, hops, n, dtype=dtype, tasks=tasks),
        bound=hops * (wafer.hop_cycles + wavelets(n, dtype)),
    )


MESHES = (
    Kernel(
        "MeshGEMV", _mesh_gemv, {"side": (4, 32), "m": (1, 8), "n": (1, 8), "groups": (1, 8)}, dtypes=(f16,),
        legal=lambda shape: shape["groups"] <= shape["side"],
    ),
    Kernel("MeshGEMM", _mesh_gemm, {"side": (2, 8), "m": (1, 12), "k": (1, 6), "n": (1, 8)}, dtypes=(f16,)),
    Kernel("SUMMA", _summa, {"side": (1, 6), "t": (1, 7)}, dtypes=(f32,)),
    Kernel("ring shift", _ring_shift, {"length": (2, 30), "n": (1, 60), "shifts": (0, 5)}, dtypes=(f16,)),
    Kernel("two-phase reduce", _two_phase, {"step": (1, 8), "groups": (1, 8), "n": (1, 64)}, dtypes=(f32,)),
    Kernel("transfer", _transfer, {"hops": (1, 30), "n": (1, 64), "back": (0, 1)}, dtypes=(f32,)),
    Kernel("relay", _relay, {"hops": (1, 20), "n": (1, 64), "tasks": (0, 1)}, dtypes=(f32, f16)),
)  # fmt: skip

KERNELS = (*MESHES, *ROWS, *PLAIN)
