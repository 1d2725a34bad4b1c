"""Projections of a batch: GEMVs one after the other on a square of PEs, each summed in two phases (MIMD_dataflow).

x, w, y  (batch * m,), (matrices * m * n,) and (batch * matrices * n,) of f16 on each PE; x is the same along a row
how      each sequence of the batch with each matrix as in MeshGEMV; columns do not meet, so the program is one column
times    clock of each PE before and after
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import Wafer, f16, i32
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective.line import line_on
from wse_sim.kernels.matrix import gemv
from wse_sim.kernels.published import mesh_gemv
from wse_sim.kernels.published.compiled import load_descriptors
from wse_sim.program.builder import Builder
from wse_sim.program.program import Program

Array = NDArray[Any]


@dataclass(frozen=True)
class Shape:
    """A square of `side` PEs in `groups` of a column; m inputs and n outputs of each matrix on each."""

    side: int
    m: int
    n: int
    groups: int
    batch: int
    matrices: int


def reference(s: Shape, x: Array, w: Array) -> Array:
    """Outputs (batch, matrices, n) of x (batch, side m) and w (matrices, side m, n)."""
    line = mesh_gemv.tree(s.side, s.groups)
    return np.array([[gemv.reference(line, sequence, matrix, dtype=f16) for matrix in w] for sequence in x])


def cost(wafer: Wafer, s: Shape) -> int:
    """Cycles of a launch: a GEMV ends for the PEs of its first chains before it does for all."""
    one = mesh_gemv.cost(wafer, s.side, s.m, s.n, s.groups)
    launched = wafer.task_switch_cycles + 2 * (wafer.clock_cycles + wafer.scalar_memory_cycles)
    return launched + s.batch * s.matrices * (one - launched)


def make(s: Shape) -> Program:
    """A column of the square."""
    build = Builder(1, s.side, name=f"projections {s.side} {s.m} {s.n}")
    x, w = build.buffer("x", f16, s.batch * s.m), build.buffer("w", f16, s.matrices * s.m * s.n)
    y, times = build.buffer("y", f16, s.batch * s.matrices * s.n), build.buffer("times", i32, 2)
    line = line_on(build, build.grid, Axis.Y, mesh_gemv.tree(s.side, s.groups))
    pe = build.main()
    pe.store(times[0], pe.clock())
    for sequence in range(s.batch):
        for number in range(s.matrices):
            load_descriptors(pe, 3)
            gemv.emit(
                pe, line, x=x.view(sequence * s.m, s.m), w=w.view(number * s.m * s.n, s.m * s.n),
                y=y.view((sequence * s.matrices + number) * s.n, s.n),
            )  # fmt: skip
    pe.store(times[1], pe.clock())
    return build.finish()
