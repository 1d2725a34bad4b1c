"""Message: a vector goes from one PE to another, past the PEs between.

x, to  (n,) on the two PEs
way    along x first, then along y
"""

from __future__ import annotations

from dataclasses import dataclass

from wse_sim.errors import ProgramError
from wse_sim.hardware import DType, Region, Wafer, f32
from wse_sim.kernels.collective.lanes import straight
from wse_sim.kernels.collective.member import Operand, steady
from wse_sim.kernels.collective.timing import Timing, wavelets
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.fabric import Color


def cost(wafer: Wafer, hops: int, n: int, *, dtype: DType = f32) -> int:
    """Cycles from the start on both PEs until the last wavelet is there."""
    t, words = Timing(wafer), wavelets(n, dtype)
    return t.issue(2) + t.stage(hops) + words + t.pauses(words)


@dataclass(frozen=True)
class Message:
    """A way from one PE to another."""

    source: Region
    target: Region
    color: Color

    def emit(self, pe: Code, x: Operand, to: Operand) -> None:
        """Copies the source's `x` to the target's `to`; `pe` covers both."""
        pe.on(self.source).mov(self.color, steady(x))
        pe.on(self.target).mov(steady(to), self.color)


def make_message(build: Builder, source: Region, target: Region, *, name: str = "message") -> Message:
    """Takes a colour; each region is one PE."""
    if len(source) != 1 or len(target) != 1 or source == target:
        raise ProgramError(f"a message from {source!r} to {target!r}: expected two single PEs, as in grid[3, 4]")
    color = build.color(name)
    ((start,), (end,)) = source, target
    for region, port, outputs in straight(start, end).runs():
        build.route(color, region, port >> outputs)
    return Message(source, target, color)
