"""Shifts along the interleaved ring, as MeshGEMM's skew does them one after the other.

x      (n,) of f16 on each PE of a line; after `shifts` of them each PE holds what came from so many places back
how    a PE sends and receives in two background slots; the first end activates the task that the other unblocks, and
       that task lets the next shift begin
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import Wafer, f16, i32
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective.ring import HOPS, make_ring, ring_order
from wse_sim.kernels.collective.shift import through_cycles
from wse_sim.kernels.collective.timing import Timing, wavelets
from wse_sim.kernels.price import Price
from wse_sim.program.builder import Builder
from wse_sim.program.instruction import activate, unblock
from wse_sim.program.program import Program

Array = NDArray[Any]
ARGUMENTS = {"left": 0}
"""What a launch is given."""


def reference(x: Array, shifts: int) -> Array:
    """What each PE holds in the end, (length, n), of x (length, n)."""
    order = ring_order(len(x))
    held: Array = np.empty_like(x)
    held[order] = np.roll(x[order], shifts, axis=0)
    return held


def cost(wafer: Wafer, n: int, shifts: int) -> int:
    """Cycles of a launch."""
    t, price, words = Timing(wafer), Price(wafer), wavelets(n, f16)
    task = wafer.task_switch_cycles
    clock = price.scalar("clock store")
    begin = task + clock + price.scalar("mov") + wafer.task_control_cycles
    turn = task + price.scalar("ilt")
    issue = wafer.branch_not_taken_cycles + price.scalar("load load") + 2 * t.asynchronous(2)
    moved = through_cycles(wafer, words, hops=HOPS) + wafer.completion_cycles + task + 2 * wafer.task_control_cycles
    return begin + shifts * (turn + issue + moved) + turn + wafer.branch_taken_cycles + clock


def make(length: int, n: int, shifts: int) -> Program:
    """The program; `x` is twice as long, `places` says where what is held begins, `times` the clock at both ends."""
    build = Builder(length, 1, name=f"ring shift {length} {n} {shifts}")
    x = build.buffer("x", f16, 2 * n)
    places, times = build.buffer("places", i32, 2, init=np.array([0, n])), build.buffer("times", i32, 2)
    left = build.argument("left", "int")
    main, moved, shift = build.task("main", start=True), build.task("moved", blocked=True), build.task("shift")
    ring = make_ring(build, build.grid, Axis.X)
    pe = build.on(build.grid, main)
    pe.store(times[0], pe.clock())
    pe.set(left, shifts)
    pe.activate(shift)
    pe = build.on(build.grid, shift)
    remaining = pe.use(left)
    with pe.when(remaining > 0):
        held, spare = pe.load(places[0]), pe.load(places[1])
        for code, receives, sends in ring.code(pe):
            code.mov(x.at(spare, n), receives, slot=0, then=activate(moved))
            code.mov(sends, x.at(held, n), slot=1, then=unblock(moved))
        pe.store(places[0], spare)
        pe.store(places[1], held)
        remaining -= 1
        pe.otherwise()
        pe.store(times[1], pe.clock())
    pe = build.on(build.grid, moved)
    pe.block(moved)
    pe.activate(shift)
    return build.finish()
