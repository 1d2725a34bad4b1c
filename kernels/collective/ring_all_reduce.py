"""All-reduce on a ring: the vector is cut into a chunk per PE; each chunk goes round twice.

x      (n,) on each PE of a line, replaced by the sum (or largest, or smallest) of all, element by element
chunks `length` of them, of equal size but for the last ones, which are shorter or empty
how    reduce-scatter: in length - 1 steps each PE sends a chunk and adds its own to the one that comes; then one chunk
       is complete on each PE; all-gather: in as many steps the complete ones go round
ring   the interleaved one: no neighbour is more than two links away
source the bandwidth-optimal all-reduce of Patarasuk and Yuan (2009), which latency beats here: see `cost`
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.errors import ProgramError
from wse_sim.hardware import DType, Region, Wafer, f32, i32
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.blocks import Blocks, spread
from wse_sim.kernels.collective.member import Operand, lines_of, steady
from wse_sim.kernels.collective.reduce import Operation, combine
from wse_sim.kernels.collective.ring import HOPS, Ring, make_ring, ring_order, ring_places
from wse_sim.kernels.collective.shift import exchange, exchange_cycles
from wse_sim.kernels.collective.timing import Timing, wavelets
from wse_sim.kernels.price import Price
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer, View
from wse_sim.program.register import Register

Array = NDArray[Any]


def reference(x: Array, operation: Operation = "add") -> Array:
    """What every PE holds in the end, (length, ..., n), of x (length, ..., n): a chunk's sum begins at its own PE."""
    length, order = len(x), ring_order(len(x))
    chunks = Blocks(x.shape[-1], length)
    total = x[0].copy()
    for chunk, (start, count) in enumerate(zip(chunks.starts, chunks.counts, strict=True)):
        part = np.s_[..., start : start + count]
        found = x[order[chunk]][part]
        for step in range(1, length):
            found = combine(operation, found, x[order[(chunk + step) % length]][part]).astype(x.dtype)
        total[part] = found
    return np.broadcast_to(total, x.shape)


def cost(wafer: Wafer, length: int, n: int, *, operation: Operation = "add", dtype: DType = f32) -> int:
    """Cycles from the start on all PEs until the last PE has the result; a line of one PE takes none."""
    if length == 1:
        return 0
    price, chunks = Price(wafer), Blocks(n, length)
    place = price.scalar("isub ilt imul iadd mov") + (0 if _even(chunks) else price.scalar("isub imin imax mov"))
    found = 0
    for name in (operation, "mov"):
        pace = Timing(wafer).wavelet(name, dtype, dtype, dtype)
        step = exchange_cycles(wafer, wavelets(chunks.size, dtype), hops=HOPS, pace=pace)
        found += price.loop(length - 1) + (length - 1) * (step + place)
    return found


def _even(chunks: Blocks) -> bool:
    return chunks.size * chunks.parts == chunks.total


@dataclass(frozen=True)
class RingAllReduce:
    """All-reduces along all lines of a region.

    place  i32[1] on each PE: its place in the ring
    """

    region: Region
    axis: Axis
    ring: Ring | None
    place: Buffer

    def emit(self, pe: Code, x: Operand, operation: Operation = "add", *, slot: int = 0) -> None:
        """Leaves the result in `x` on all PEs of each line that `pe` covers; `slot` must be free."""
        lines_of(pe, self.region, self.axis, "a ring all-reduce")
        view = steady(x)
        if not isinstance(view.length, int) or view.inner is not None or view.where is not None:
            raise ProgramError(f"a ring all-reduce of {view!r}: expected a fixed length and place, in one dimension")
        if self.ring is None or not view.length:
            return
        chunks = Blocks(view.length, self.axis.length(self.region))
        with pe.scope():
            turn = _Turn(pe, view, chunks, pe.load(self.place))
            for done in (operation, None):
                with pe.loop(chunks.parts - 1):
                    turn.step(self.ring, done, slot)


class _Turn:
    """The chunk that a PE sends next: where it begins and how long it is."""

    def __init__(self, pe: Code, x: View, chunks: Blocks, place: Register) -> None:
        self.pe, self.x, self.chunks = pe, x, chunks
        self.first = place * chunks.size
        self.count = None if _even(chunks) else self._count(self.first)

    def step(self, ring: Ring, operation: Operation | None, slot: int) -> None:
        """Sends this chunk and takes in the one before it, which is the next to send."""
        with self.pe.scope():
            before = self.first - self.chunks.size
            before += (before < 0) * (self.chunks.size * self.chunks.parts)
            count = None if self.count is None else self._count(before)
            for code, receives, sends in ring.code(self.pe):
                sent, taken = self._chunk(self.first, self.count), self._chunk(before, count)
                exchange(code, sends, sent, receives, taken, slot=slot, operation=operation)
            self.pe.set(self.first, before)
            if self.count is not None and count is not None:
                self.pe.set(self.count, count)

    def _count(self, first: Register) -> Register:
        left = self.chunks.total - first
        self.pe.scalar("imin", left, self.chunks.size, to=left)
        return self.pe.scalar("imax", left, 0, to=left)

    def _chunk(self, first: Register, count: Register | None) -> View:
        return replace(self.x, length=self.chunks.size if count is None else count, where=first)


def make_ring_all_reduce(build: Builder, region: Region, axis: Axis, *, name: str = "ring") -> RingAllReduce:
    """Takes three colours."""
    length = axis.length(region)
    places = spread(np.array(ring_places(length)), axis)
    place = build.constant(f"{name}.place", i32, places, on=region)
    return RingAllReduce(region, axis, make_ring(build, region, axis, name=name) if length > 1 else None, place)
