"""Feed: what each PE of a rectangle gets of its own from the host, in parts, while it works on the part before.

tiles    (height, width, n) on the host: each PE's n numbers of a part
memory   two buffers of n numbers on each PE, in turn: part k arrives in buffer k % 2
how      the host's words enter every row where it ends at the wafer's west or east edge; if it does at both, each half
         hears those from its own end. A filter lets each PE take every so manieth, so that all get theirs at an even
         pace. A background slot of high priority receives, before what the main thread does; the link rests only when
         both buffers are in use.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.errors import ProgramError
from wse_sim.hardware import EAST, RAMP, WEST, Direction, DType, Region, Wafer
from wse_sim.hardware.link import Edges, channel_rate, edges_of
from wse_sim.kernels.collective.handover import SLOT as HANDOVER
from wse_sim.kernels.collective.member import join_slot
from wse_sim.kernels.collective.timing import Timing
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.fabric import Color
from wse_sim.program.host import HostStream
from wse_sim.program.instruction import HighPriority
from wse_sim.program.memory import Buffer

SLOT = HANDOVER + 1  # background slot that receives


def halves(wafer: Wafer, region: Region) -> dict[Direction, range]:
    """Columns of a region of the wafer, counted from its own first, that hear the host from each side; {}: none can."""
    reached = _edges(wafer, region).reached(region)
    middle = {(WEST, EAST): -(-region.width // 2), (WEST,): region.width, (EAST,): 0}
    ends = tuple(side for side in (WEST, EAST) if side in reached)
    if not ends:
        return {}
    found = {WEST: range(middle[ends]), EAST: range(middle[ends], region.width)}
    return {side: columns for side, columns in found.items() if columns}


def _edges(wafer: Wafer, region: Region) -> Edges:
    return edges_of(wafer, region.xs.stop, region.ys.stop)


def cycles(wafer: Wafer, region: Region, words: int) -> int:
    """Cycles that the link takes for `words` wavelets to each PE: its busiest channel, or entry."""
    edges, (gain, price), found = _edges(wafer, region), channel_rate(wafer), 0
    for side, columns in halves(wafer, region).items():
        entry = words * len(columns)
        rows = Counter(edges.channel(region.xs[0], y, side) for y in region.ys)
        found = max(found, entry, -(-entry * max(rows.values()) * price // gain))
    return found


def cost_of_posting(wafer: Wafer) -> int:
    """Cycles of the main thread for a part: to wait for it when it is there, and to begin to receive the next."""
    return 2 * Timing(wafer).asynchronous(2) + wafer.completion_cycles


@dataclass(frozen=True)
class Feed:
    """The way of the parts, and where they end.

    region   the PEs
    columns  those that hear each side, as `halves` has them; with none there is room for parts, but no way
    color    of the words
    buffers  two, for the parts in turn
    streams  of the west end, and of the east end
    """

    region: Region
    columns: Mapping[Direction, range]
    color: Color
    buffers: tuple[Buffer, Buffer]
    streams: tuple[HostStream, ...]

    def post(self, pe: Code, part: int) -> None:
        """Begins to receive a part; what its buffer held is lost."""
        buffer = self.buffers[part % 2]
        pe.mov(buffer, self.color, slot=HighPriority(SLOT))

    def join(self, pe: Code, part: int) -> Buffer:
        """Waits for the part that was posted; gives its buffer."""
        buffer = self.buffers[part % 2]
        join_slot(pe, SLOT, buffer[:])
        return buffer

    def share(self, stream: HostStream) -> int:
        """PEs of a row that hear a stream."""
        return len(self.columns[stream.side])

    def values(self, tiles: NDArray[Any]) -> Iterator[tuple[HostStream, NDArray[Any]]]:
        """What the host sends on each stream for tiles (parts, height, width, n), one part after the other."""
        buffer = self.buffers[0]
        _, height, width, n = tiles.shape
        if (height, width, n) != (self.region.height, self.region.width, buffer.length):
            raise ProgramError(
                f"tiles of shape {tiles.shape}: expected (parts, {self.region.height}, {self.region.width}, "
                f"{buffer.length})"
            )
        padded = np.pad(tiles.astype(buffer.dtype.numpy), [(0, 0)] * 3 + [(0, n % buffer.dtype.per_wavelet)])
        words = np.ascontiguousarray(padded).view(np.uint32)
        for stream in self.streams:
            columns = self.columns[stream.side]
            near_first = columns if stream.side is WEST else columns[::-1]
            yield stream, np.moveaxis(words[:, :, near_first], 0, 1).swapaxes(2, 3).reshape(height, -1)


def make_feed(
    build: Builder, region: Region, columns: Mapping[Direction, range], *, n: int, dtype: DType, name: str = "feed"
) -> Feed:
    """Takes a colour, and two buffers of `n` elements on each PE; `columns` as `halves` gives them."""
    if n < 1:
        raise ProgramError(f"a feed of {n} elements for {region!r}: expected some")
    channel = build.color(name)
    streams = []
    for side, own in columns.items():
        part = region[own.start : own.stop, :]
        onward, entry = (part[:-1, :], part[0, :]) if side is WEST else (part[1:, :], part[-1, :])
        last = part[-1, :] if side is WEST else part[0, :]
        build.route(channel, onward, side >> (RAMP | side.opposite))
        build.route(channel, last, side >> RAMP)
        number = np.arange(len(own)) if side is WEST else np.arange(len(own))[::-1]
        build.filter(channel, part, keep=1, of=len(own), first=number)
        streams.append(build.host_stream(f"{name}.{str(side).lower()}", channel, entry, side))
    buffers = tuple(build.buffer(f"{name}.{k}", dtype, n, on=region) for k in range(2))
    return Feed(region, columns, channel, (buffers[0], buffers[1]), tuple(streams))
