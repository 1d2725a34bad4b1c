"""softmax(Q K^T) V on a square of PEs in one program: scores, the softmax of their rows, a GEMM (WaferLLM's prefill).

q, k    as in `mesh_scores`: rows on y, features on x
v       as `b` of `mesh_gemm`, skewed; the shares of a row are its `a`, column by column, so nothing is moved between
c       tile (m, d) on each PE, column by column
flow    each PE goes from one part to the next by itself: a task at the end of the one lets the next begin
times   clock of each PE before and after
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import Wafer, i32
from wse_sim.kernels.published import mesh_gemm, mesh_scores, row_laws, row_tiles
from wse_sim.program.builder import Builder
from wse_sim.program.program import Program

Array = NDArray[Any]
ARGUMENTS = mesh_scores.ARGUMENTS | mesh_gemm.ARGUMENTS


def _parts(t: mesh_scores.Tiles) -> tuple[row_tiles.Tile, mesh_gemm.Tiles]:
    return row_tiles.Tile(t.side, t.m, t.n, by_column=True), mesh_gemm.Tiles(t.side, t.m, t.n, t.d)


def reference(q: Array, k: Array, v: Array) -> Array:
    """softmax(Q K^T) V in double precision; nothing scales the scores."""
    return np.asarray(row_laws.softmax(q.astype(np.float64) @ k.astype(np.float64).T) @ v.astype(np.float64))


def cost(wafer: Wafer, t: mesh_scores.Tiles) -> int:
    """Cycles of a launch: of the parts one after the other, whose PEs wait for each other in between as at an end."""
    rows, product = _parts(t)
    return mesh_scores.cost(wafer, t) + row_laws.softmax_cost(wafer, rows) + mesh_gemm.cost(wafer, product)


def make(t: mesh_scores.Tiles) -> Program:
    """The program; m rows of Q, n of K and V, d features on each PE."""
    build = Builder(t.side, t.side, name=f"attention {t.side} {t.m} {t.n} {t.d}")
    main, times = build.task("main", start=True), build.buffer("times", i32, 2)
    shares = build.task("softmax")
    tile, tiles = _parts(t)
    scoring = mesh_scores.make_scoring(build, t)
    product = mesh_gemm.make_multiplication(build, tiles, y_ring=scoring.ring)
    rows = row_tiles.make_rows(build, tile, scoring.scores, product.a)
    pe = build.on(build.grid, main)
    pe.store(times[0], pe.clock())
    scoring.begin(pe)
    scoring.emit(build, lambda pe: pe.activate(shares))
    pe = build.on(build.grid, shares)
    row_tiles.emit_softmax(pe, rows)
    product.begin(pe)
    product.emit(build, lambda pe: pe.store(times[1], pe.clock()))
    return build.finish()
