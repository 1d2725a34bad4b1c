"""The kernels of this folder that have a closed form, on shapes that tests draw.

MeshGEMM, SUMMA and the shifts along a ring have none: `wse-sim validate` compares them with published cycles.
"""

from __future__ import annotations

import numpy as np

from wse_sim.hardware import DType, Wafer, f16, f32
from wse_sim.kernels.contract import Example, Expected, Kernel, Shape
from wse_sim.kernels.matrix import gemv
from wse_sim.kernels.published import mesh_gemv, transfer, two_phase


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
        bound=(length - 1) * wafer.hop_cycles + (n if length > 1 else 0),
    )


def _transfer(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    hops, n = shape["hops"], shape["n"]
    program = transfer.make(hops, n)
    x = np.random.default_rng(seed).standard_normal((1, hops + 1, n)).astype(dtype.numpy)
    return Example(
        program=program,
        inputs={"x": x},
        outputs={"x": Expected(x[:, :1], program.grid[-1, :])},
        cost=transfer.cost(wafer, hops, n),
        bound=hops * wafer.hop_cycles + n,
    )


KERNELS = (
    Kernel(
        "MeshGEMV", _mesh_gemv, {"side": (4, 32), "m": (1, 8), "n": (1, 8), "groups": (1, 8)}, dtypes=(f16,),
        legal=lambda shape: shape["groups"] <= shape["side"],
    ),
    Kernel("two-phase reduce", _two_phase, {"step": (1, 8), "groups": (1, 8), "n": (1, 64)}, dtypes=(f32,)),
    Kernel("transfer", _transfer, {"hops": (1, 30), "n": (1, 64)}, dtypes=(f32,)),
)  # fmt: skip
