"""A message from one PE to another on the same row, past the PEs between.

x      (n,) of f32; n wavelets
times  clock of the first PE before it sends, of the last one after it has all
"""

from __future__ import annotations

from wse_sim.hardware import Wafer, f32, i32
from wse_sim.hardware.geometry import EAST, RAMP, WEST
from wse_sim.kernels.collective.timing import Timing
from wse_sim.program.builder import Builder
from wse_sim.program.program import Program


def cost(wafer: Wafer, hops: int, n: int) -> int:
    """Cycles until the last PE has the last wavelet."""
    t = Timing(wafer)
    return wafer.task_switch_cycles + wafer.clock_cycles + wafer.scalar_memory_cycles + t.issue(2) + t.stage(hops) + n


def make(hops: int, n: int) -> Program:
    """The program."""
    build = Builder(hops + 1, 1, name=f"transfer {hops} {n}")
    x, times, color = build.buffer("x", f32, n), build.buffer("times", i32, 2), build.color("message")
    first, last = build.grid[0, :], build.grid[-1, :]
    build.route(color, first, RAMP >> EAST)
    build.route(color, build.grid[1:-1, :], WEST >> EAST)
    build.route(color, last, WEST >> RAMP)
    pe = build.main(first)
    pe.store(times[0], pe.clock())
    pe.mov(color, x)
    pe = build.main(last)
    pe.mov(x, color)
    pe.store(times[1], pe.clock())
    return build.finish()
