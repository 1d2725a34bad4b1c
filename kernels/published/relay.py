"""Store and forward: a PE receives a whole message, then sends it on, as the public relay benchmarks do.

row    a message of `n` elements goes from the first PE of a row to the last, whole from hop to hop
tasks  each receipt ends in a task that sends the message on
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from wse_sim.hardware import DType, Wafer, f32, i32
from wse_sim.hardware.geometry import EAST, RAMP, WEST
from wse_sim.kernels.collective.timing import Timing, wavelets
from wse_sim.program.builder import Builder
from wse_sim.program.instruction import activate
from wse_sim.program.program import Program

Array = NDArray[Any]


def reference(x: Array) -> Array:
    """What every PE but the first holds: what the first does."""
    return x


def cost(wafer: Wafer, hops: int, n: int, *, dtype: DType = f32, tasks: bool = True) -> int:
    """Cycles until the last PE has read its clock."""
    t, words = Timing(wafer), wavelets(n, dtype)
    begins = wafer.completion_cycles + wafer.task_switch_cycles if tasks else 0
    hop = t.issue(2) + t.stage() + words + t.pauses(words) + begins
    return wafer.task_switch_cycles + hops * hop + 2 * (wafer.clock_cycles + wafer.scalar_memory_cycles)


def make(hops: int, n: int, *, dtype: DType = f32, tasks: bool = True) -> Program:
    """The program; without `tasks` a receipt is synchronous and the sending follows it at once.

    times  clock of the first PE before, of the last one after
    """
    build = Builder(hops + 1, 1, name=f"relay {hops} {n}")
    x, times = build.buffer("x", dtype, n), build.buffer("times", i32, 2)
    colors = [build.color("even"), build.color("odd")]
    arrived = build.task("arrived")
    for place in range(hops + 1):
        here = build.grid[place, :]
        pe = build.main(here)
        after = build.on(here, arrived) if tasks else pe
        comes, goes = colors[(place + 1) % 2], colors[place % 2]
        if place == 0:
            pe.store(times[0], pe.clock())
            after = pe
        else:
            build.route(comes, here, WEST >> RAMP)
            if tasks:
                pe.mov(x, comes, slot=0, then=activate(arrived))
            else:
                pe.mov(x, comes)
        if place < hops:
            build.route(goes, here, RAMP >> EAST)
            after.mov(goes, x)
        else:
            after.store(times[1], after.clock())
    return build.finish()
