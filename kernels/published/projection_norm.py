"""RMSNorm(A B + R) on a square of PEs in one program: a GEMM, the residual, the norm of the rows (MIMD_dataflow).

a, b    as in `mesh_gemm`; its `c` is column by column, and so are `added`, the residual's tile, and y
weight  (n,) of f16 on each PE
times   clock of each PE before and after
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import Wafer, f16, i32
from wse_sim.kernels.price import Price
from wse_sim.kernels.published import mesh_gemm, row_laws, row_tiles
from wse_sim.program.builder import Builder
from wse_sim.program.program import Program

Array = NDArray[Any]
ARGUMENTS = mesh_gemm.ARGUMENTS


def _tile(t: mesh_gemm.Tiles) -> row_tiles.Tile:
    return row_tiles.Tile(t.side, t.m, t.n, by_column=True)


def reference(a: Array, b: Array, added: Array, weight: Array) -> Array:
    """The norm in double precision."""
    x = a.astype(np.float64) @ b.astype(np.float64) + added
    return row_laws.rms_norm(x, weight)


def cost(wafer: Wafer, t: mesh_gemm.Tiles) -> int:
    """Cycles of a launch: of the parts one after the other."""
    add = Price(wafer).vector("add", t.m * t.n, f16, f16, f16, in_place=True)
    return mesh_gemm.cost(wafer, t) + add + row_laws.rms_norm_cost(wafer, _tile(t))


def make(t: mesh_gemm.Tiles, *, epsilon: float = 1e-5) -> Program:
    """The program."""
    build = Builder(t.side, t.side, name=f"projection and norm {t.side} {t.m} {t.k} {t.n}")
    main, times, norm = build.task("main", start=True), build.buffer("times", i32, 2), build.task("norm")
    product = mesh_gemm.make_multiplication(build, t)
    y, added = (build.buffer(name, f16, t.m * t.n) for name in ("y", "added"))
    weight = build.buffer("weight", f16, t.n)
    rows = row_tiles.make_rows(build, _tile(t), product.c, y)
    pe = build.on(build.grid, main)
    pe.store(times[0], pe.clock())
    product.begin(pe)
    product.emit(build, lambda pe: pe.activate(norm))
    pe = build.on(build.grid, norm)
    pe.add(product.c, product.c, added)
    row_tiles.emit_rms_norm(pe, rows, weight, epsilon)
    pe.store(times[1], pe.clock())
    return build.finish()
