"""MeshGEMV: y = x W on a square of PEs, summed in two phases along y (arXiv 2502.04563, MeshInfra/WaferLLM).

x, w, y  (m,), (m * n,) and (n,) of f16 on each PE, two elements to a wavelet; x is the same on all PEs of a row
how      each PE adds up its tile's share with a map; two chains per group meet at the group's root; two chains of
         roots meet at the middle one, which sends the result to all PEs at once
columns  do the same and do not meet, so one column takes the cycles of the square: the program is one column
"""

from __future__ import annotations

from wse_sim.hardware import Wafer, f16, i32
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective.line import line_on
from wse_sim.kernels.collective.shapes import k_tree, level_sizes
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.matrix import gemv
from wse_sim.kernels.published.compiled import DESCRIPTOR, load_descriptors
from wse_sim.program.builder import Builder
from wse_sim.program.program import Program


def tree(side: int, groups: int) -> Tree:
    """The groups, each with its root in the middle."""
    return k_tree(side, level_sizes(side, (-(-side // groups),)))


def cost(wafer: Wafer, side: int, m: int, n: int, groups: int) -> int:
    """Cycles from the launch to the last PE's end, the clock's two readings included."""
    kernel = gemv.cost(wafer, tree(side, groups), m, n, weights=f16, dtype=f16, apart=0)
    beside = 2 * (wafer.clock_cycles + wafer.scalar_memory_cycles) + 3 * DESCRIPTOR * wafer.scalar_int_cycles
    return wafer.task_switch_cycles + beside + kernel


def make(side: int, m: int, n: int, groups: int) -> Program:
    """A column of the square; `times` holds each PE's clock before and after."""
    build = Builder(1, side, name=f"MeshGEMV {side} {m} {n} {groups}")
    x, w = build.buffer("x", f16, m), build.buffer("w", f16, m * n)
    y, times = build.buffer("y", f16, n), build.buffer("times", i32, 2)
    line = line_on(build, build.grid, Axis.Y, tree(side, groups))
    pe = build.main()
    pe.store(times[0], pe.clock())
    load_descriptors(pe, 3)
    gemv.emit(pe, line, x=x, w=w, y=y)
    pe.store(times[1], pe.clock())
    return build.finish()
