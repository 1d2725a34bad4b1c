"""Two-phase reduce along a row, as in the wafer-scale reduce paper (HPDC'24, arXiv 2404.15888).

x       (n,) of f32 on each PE of a row; the first PE ends up with the sum
phases  a chain in each group of `step` PEs to its first PE; then, from memory, a chain of these past the PEs between
"""

from __future__ import annotations

from wse_sim.errors import ProgramError
from wse_sim.hardware import Wafer, f32
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective import reduce
from wse_sim.kernels.collective.shapes import two_phase
from wse_sim.kernels.collective.tree import Tree
from wse_sim.program.builder import Builder
from wse_sim.program.program import Program


def tree(length: int, step: int) -> Tree:
    """The two phases; `step` divides the length, and is the length for a plain chain."""
    if length % step:
        raise ProgramError(f"groups of {step} on a line of {length} PEs: expected a size that divides it")
    return two_phase(length, step, 0, stored=True)


def cost(wafer: Wafer, length: int, n: int, step: int) -> int:
    """Cycles from the launch until the first PE has the sum."""
    return wafer.task_switch_cycles + reduce.cost(wafer, tree(length, step), n)


def make(length: int, n: int, step: int) -> Program:
    """The program. Every element of `x` begins as 1."""
    build = Builder(length, 1, name=f"two-phase reduce {length} {n} {step}")
    x = build.buffer("x", f32, n, init=1.0)
    reduce.make_reduce(build, build.grid, Axis.X, tree(length, step)).emit(build.main(), x)
    return build.finish()
