"""Two-phase reduce along a row, as in the wafer-scale reduce paper (HPDC'24, arXiv 2404.15888).

x       (n,) of f32 on each PE of a row; the first PE ends up with the sum
phases  a chain in each group of `step` PEs to its first PE; then, from memory, a chain of these past the PEs between
"""

from __future__ import annotations

from wse_sim.errors import ProgramError
from wse_sim.hardware import Wafer, f32
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective.timing import Timing
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.collective.wires import lay
from wse_sim.program.builder import Builder
from wse_sim.program.program import Program


def cost(wafer: Wafer, length: int, n: int, step: int) -> int:
    """Cycles of the two chains, each wavelet a stage behind the one before."""
    t, groups = Timing(wafer), length // step
    first = t.issue(2) + (step - 1) * t.stage() + n
    second = t.issue(2) + (groups - 1) * t.stage(step) + n if groups > 1 else 0
    return wafer.task_switch_cycles + (first if step > 1 else 0) + second


def make(length: int, n: int, step: int) -> Program:
    """The program; `step` divides the length, and is the length for a plain chain. Every element of `x` begins as 1."""
    if length % step:
        raise ProgramError(f"groups of {step} on a line of {length} PEs: expected a size that divides it")
    build = Builder(length, 1, name=f"two-phase reduce {length} {n} {step}")
    x = build.buffer("x", f32, n, init=1.0)
    sizes = tuple(size for size in (step, length // step) if size > 1)
    wires = lay(build, build.grid, Axis.X, Tree(length, sizes, (0,) * len(sizes)), name="reduce")
    pe = build.main()
    for positions, part in wires.stations:
        code = pe.on(build.grid[positions.start : positions.stop : positions.step, :])
        out = part.outputs[0].channel if part.outputs else None
        for channel in (port.channel for port in part.inputs):
            goes_on = out is not None and channel // 2 == out // 2
            code.add(wires.channels[out] if out is not None and goes_on else x, wires.channels[channel], x)
            out = None if goes_on else out
        if out is not None:
            code.mov(wires.channels[out], x)
    return build.finish()
