"""Broadcast: every PE of a line gets the vector of one of them.

x      (n,) on each PE; the root's replaces all others, bit for bit unless `carry` is narrower than x
how    the root sends both ways in one shot; each router hands every wavelet to its core and to the next router at once
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import DType, Region, Wafer, f32
from wse_sim.hardware.geometry import RAMP, Outputs
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective.member import Operand, Palette, lines_of, position, steady
from wse_sim.kernels.collective.timing import Timing, wavelets
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.fabric import Color

Array = NDArray[Any]


def reference(root: int, x: Array, carry: DType | None = None) -> Array:
    """What every PE holds in the end, (length, ..., n), of x (length, ..., n)."""
    sent = x[root] if carry is None else x[root].astype(carry.numpy).astype(x.dtype)
    result = np.broadcast_to(sent, x.shape).copy()
    result[root] = x[root]
    return result


@lru_cache(maxsize=1 << 14)
def cost(wafer: Wafer, length: int, root: int, n: int, *, dtype: DType = f32, carry: DType | None = None) -> int:
    """Cycles from the start on all PEs until the farthest has the last wavelet; a line of one PE takes none."""
    if length == 1:
        return 0
    t, sends = Timing(wafer), carry or dtype
    pace = max(t.wavelet("mov", sends, dtype, sends), t.wavelet("mov", dtype, sends, sends))
    words = wavelets(n, sends)
    return t.issue(2) + t.stage(max(root, length - 1 - root)) + words * pace + t.pauses(words)


@dataclass(frozen=True)
class Broadcast:
    """A colour and routes for broadcasts from position `root` along all lines of a region."""

    region: Region
    axis: Axis
    root: int
    color: Color

    def emit(self, pe: Code, x: Operand, *, carry: DType | None = None) -> None:
        """Copies the root's `x` to `x` on all PEs of each line that `pe` covers."""
        region, view = lines_of(pe, self.region, self.axis, "a broadcast"), steady(x)
        kind = carry or view.dtype
        if self.axis.length(region) == 1:
            return
        pe.on(self.axis.part(region, self.root)).mov(self.color, view, carry=kind)
        for side in (slice(0, self.root), slice(self.root + 1, None)):
            there = self.axis.part(region, side)
            if there:
                pe.on(there).mov(view, self.color, carry=kind)


def make_broadcast(
    build: Builder, region: Region, axis: Axis, *, root: int = 0, name: str = "broadcast", color: Palette | None = None
) -> Broadcast:
    """Allocates a colour and paints its routes; `root` counts from the end of the line if negative."""
    length = axis.length(region)
    root = position(root, length, name)
    channel = (color or build.color)(name)
    behind, ahead = [axis.backward] * (root > 0), [axis.forward] * (root < length - 1)
    if length > 1:
        build.route(channel, axis.part(region, root), RAMP >> Outputs([*behind, *ahead]))
    for side, end, onward in (
        (slice(1, root), slice(0, min(1, root)), axis.backward),
        (slice(root + 1, length - 1), slice(max(root + 1, length - 1), length), axis.forward),
    ):
        build.route(channel, axis.part(region, side), onward.opposite >> RAMP | onward)
        build.route(channel, axis.part(region, end), onward.opposite >> RAMP)
    return Broadcast(region, axis, root, channel)
