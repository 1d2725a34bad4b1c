"""A message along a line of PEs, past the PEs between, by clocks that a signal has set.

x        (n,) of f32; n wavelets from the second PE to the last, or back
signal   one wavelet from the first PE to all others, whose arrival is taken as the same instant on all of them once
         `hop_cycles` a hop are subtracted: how the SDK's benchmarks set clocks, from the north-west (its hosts subtract
         x + y), so what a hop takes beyond that shows twice against the signal's way and not at all along it
times    clock of each PE: when it had the signal, before it sent, after it had all
"""

from __future__ import annotations

from typing import Any

from numpy.typing import NDArray

from wse_sim.hardware import Wafer, f32, i32
from wse_sim.hardware.geometry import RAMP
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective.timing import Timing
from wse_sim.program.builder import Builder
from wse_sim.program.program import Program

Array = NDArray[Any]
EVENTS = 3
SIGNAL, SENT, RECEIVED = range(EVENTS)  # places in `times`


def reference(x: Array) -> Array:
    """What the last PE to receive holds: what the sender does."""
    return x


def cost(wafer: Wafer, hops: int, n: int, *, back: bool = False) -> int:
    """Cycles of a launch, on a line that lies within a die."""
    t = Timing(wafer)
    clock = wafer.clock_cycles + wafer.scalar_memory_cycles
    begin = wafer.task_switch_cycles + t.issue(2) + t.stage(hops + 1 if back else 1) + 1 + 2 * clock
    return begin + t.issue(2) + t.stage(hops) + n + t.pauses(n) + clock


def latency(wafer: Wafer, times: Array, *, back: bool = False) -> int:
    """Cycles from the reading before the message to that after it, of `times` (PEs of the line, 3)."""
    ends = (-1, 1) if back else (1, -1)
    sent, received = (
        int(times[at, event] - times[at, SIGNAL]) + wafer.hop_cycles * (at % len(times))
        for at, event in zip(ends, (SENT, RECEIVED), strict=True)
    )
    return received - sent


def make(hops: int, n: int, *, axis: Axis = Axis.X, back: bool = False) -> Program:
    """The program, a line of `hops` + 2 PEs; `back`: the message goes against the signal."""
    shape = (hops + 2, 1) if axis is Axis.X else (1, hops + 2)
    build = Builder(*shape, name=f"transfer {hops} {n}")
    x, times = build.buffer("x", f32, n), build.buffer("times", i32, EVENTS)
    signal, message = build.color("signal"), build.color("message")
    line = [axis.part(build.grid, places) for places in (slice(0, 1), slice(1, 2), slice(2, -1), slice(-1, None))]
    first, near, between, far = line
    ahead, behind = axis.forward, axis.backward
    build.route(signal, first, RAMP >> ahead)
    build.route(signal, near, behind >> RAMP | ahead)
    build.route(signal, far, behind >> RAMP)
    if back:
        ahead, behind, near, far = behind, ahead, far, near
    build.route(message, near, RAMP >> ahead)
    build.route(message, far, behind >> RAMP)
    if between:
        build.route(signal, between, axis.backward >> axis.forward)
        build.route(message, between, behind >> ahead)
    pe = build.main(first)
    pe.mov(signal, x[:1])
    arrived = build.buffer("arrived", f32, 1)
    for region, sends in ((near, True), (far, False)):
        pe = build.main(region)
        pe.mov(arrived, signal)
        pe.store(times[SIGNAL], pe.clock())
        if sends:
            pe.store(times[SENT], pe.clock())
            pe.mov(message, x)
        else:
            pe.mov(x, message)
            pe.store(times[RECEIVED], pe.clock())
    return build.finish()
