"""Shift: every PE of a line hands its vector to the next one.

x, to  (n,) on each PE, apart from each other; `to` gets the neighbour's x
ends   open: the last PE's x goes nowhere, and the first PE's `to` stays; ring: it goes back to the first
how    each PE sends in a background slot while it receives, and then waits for the slot
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.errors import ProgramError
from wse_sim.hardware import DType, Region, Wafer, f32
from wse_sim.hardware.geometry import RAMP
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective.member import Operand, join_slot, lines_of, steady
from wse_sim.kernels.collective.timing import Timing, wavelets
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.fabric import Color
from wse_sim.program.memory import View

Array = NDArray[Any]


def reference(x: Array, to: Array, *, forward: bool = True, ring: bool = False) -> Array:
    """What `to` holds in the end, (length, ..., n), of x and of `to` before."""
    moved = np.roll(x, 1 if forward else -1, axis=0)
    if not ring:
        first = 0 if forward else len(x) - 1
        moved[first] = to[first]
    return moved


def cost(wafer: Wafer, length: int, n: int, *, ring: bool = False, dtype: DType = f32) -> int:
    """Cycles from the start on all PEs until the last has gone on; a line of one PE takes none.

    The way back of a ring passes all PEs.
    """
    if length == 1:
        return 0
    t, words = Timing(wafer), wavelets(n, dtype)
    if length == 2 and not ring:
        return t.issue(2) + t.stage() + words
    return exchange_cycles(wafer, words, farthest=length - 1 if ring else 1)


def exchange_cycles(
    wafer: Wafer, words: int, *, hops: int = 1, farthest: int | None = None, pace: int = 1
) -> int:  # fmt: skip
    """Cycles until a PE has sent and received, one of both in a background slot.

    pace  cycles of the operation on a wavelet that comes
    """
    t = Timing(wafer)
    done = max(
        t.issue(2) + (1 + pace) * (words + t.pauses(words)),
        through_cycles(wafer, words, hops=hops, farthest=farthest, pace=pace),
    )
    return t.asynchronous(2) + done + wafer.completion_cycles + t.asynchronous(1)


def through_cycles(
    wafer: Wafer, words: int, *, hops: int = 1, farthest: int | None = None, pace: int = 1
) -> int:  # fmt: skip
    """Cycles from the first wavelet that PEs send until they have sent and received all.

    A core sends or receives in a cycle, not both: once words come over `hops` links, it sends every other cycle.
    """
    t = Timing(wafer)
    flow = words + t.pauses(words)
    sent = flow + max(0, pace * flow - t.stage(hops))
    return max(sent + t.stage(farthest or hops), (1 + pace) * flow)


def exchange(
    code: Code, sends: Color, x: View, receives: Color, to: View, *, slot: int, operation: str | None = None
) -> None:
    """Sends x while `to` gets what comes, or the result of an operation on that and `to`."""
    code.mov(sends, x, slot=slot)
    if operation is None:
        code.mov(to, receives)
    else:
        code.vector(operation, to, receives, to)
    join_slot(code, slot, to)


@dataclass(frozen=True)
class Shift:
    """Shifts by one along all lines of a region.

    colors  of even and of odd senders, then of the way back of a ring
    """

    region: Region
    axis: Axis
    forward: bool
    ring: bool
    colors: tuple[Color, ...]

    def emit(self, pe: Code, x: Operand, to: Operand, *, slot: int = 0) -> None:
        """Copies each PE's `x` to the next PE's `to`, on each line that `pe` covers; `slot` must be free."""
        region = lines_of(pe, self.region, self.axis, "a shift")
        source, target = steady(x), steady(to)
        if source.buffer is target.buffer:
            raise ProgramError(f"a shift from {source!r} to {target!r}: expected two buffers; copy it there first")
        for positions, taken, given in _stations(self.axis.length(region), self.forward, self.ring):
            code = pe.on(self.axis.part(region, positions))
            if taken is not None and given is not None:
                exchange(code, self.colors[given], source, self.colors[taken], target, slot=slot)
            elif taken is not None:
                code.mov(target, self.colors[taken])
            elif given is not None:
                code.mov(self.colors[given], source)


def make_shift(
    build: Builder, region: Region, axis: Axis, *, forward: bool = True, ring: bool = False, name: str = "shift"
) -> Shift:
    """Takes two colours, and one more for the way back of a ring; `forward` is towards higher positions."""
    colors = tuple(build.color(f"{name}.{part}") for part in ("even", "odd", "back")[: 3 if ring else 2])
    ahead = axis.forward if forward else axis.backward
    length = axis.length(region)
    for positions, taken, given in _stations(length, forward, ring):
        there = axis.part(region, positions)
        if taken is not None:
            way = ahead.opposite if taken == BACK else ahead
            build.route(colors[taken], there, way.opposite >> RAMP)
        if given is not None:
            build.route(colors[given], there, RAMP >> (ahead.opposite if given == BACK else ahead))
    if ring:
        build.route(colors[BACK], axis.part(region, slice(1, length - 1)), ahead >> ahead.opposite)
    return Shift(region, axis, forward, ring, colors)


BACK = 2


def _stations(length: int, forward: bool, ring: bool) -> list[tuple[slice, int | None, int | None]]:
    """Positions, the colour they take from and the colour they give to."""
    if length == 1:
        return []
    ends = BACK if ring else None
    last = (length - 2) % 2
    found: list[tuple[slice, int | None, int | None]] = [(slice(0, 1), ends, 0)]
    found += [(slice(length - 1, length), last, ends)]
    found += [(slice(1 + k, length - 1, 2), k, 1 - k) for k in (0, 1)]
    if forward:
        return found
    return [(_mirrored(positions, length), taken, given) for positions, taken, given in found]


def _mirrored(positions: slice, length: int) -> slice:
    """The same positions counted from the other end, in ascending order."""
    there = range(length)[positions]
    back = sorted(length - 1 - p for p in (there[0], there[-1])) if there else [0, -1]
    return slice(back[0], back[1] + 1, positions.step)
