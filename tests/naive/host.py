"""The host's link: channels that put words into routers at the edge, with credit in fractions."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from fractions import Fraction

from naive.fifo import Fifo

from wse_sim.hardware import Wafer
from wse_sim.program.program import Program


@dataclass
class Entry:
    """A router buffer that the host fills, and the words that it has left for it."""

    fifo: Fifo
    words: list[int] = field(default_factory=list)


@dataclass
class Channel:
    """An equal share of the link, for the entries of a stretch of an edge."""

    rate: Fraction
    entries: list[Entry] = field(default_factory=list)
    credit: Fraction = Fraction(0)
    turn: int = 0

    def begin(self) -> None:
        """A launch."""
        self.credit, self.turn = Fraction(0), 0

    def step(self, now: int) -> bool:
        """One cycle; true if a word was sent, or will be as soon as the credit is enough."""
        self.credit = min(self.credit + self.rate, 1 + self.rate)
        order = [(self.turn + i) % len(self.entries) for i in range(len(self.entries))]
        moved = False
        for index in order:
            entry = self.entries[index]
            if self.credit >= 1 and entry.words and entry.fifo.has_room(now):
                entry.fifo.push(now, entry.words.pop(0))
                self.credit -= 1
                self.turn = (index + 1) % len(self.entries)
                moved = True
        return moved or any(entry.words and entry.fifo.has_room(now + 1) for entry in self.entries)


def make_channels(program: Program, wafer: Wafer, buffers: Callable[..., Fifo]) -> tuple[
    list[Channel], dict[str, list[Entry]]
]:
    """All channels that have entries, and the entries of each stream in row-major order.

    buffers  the router buffer of a PE, a colour and a port
    """
    share = Fraction(wafer.host_bytes_per_second, 4 * wafer.clock_hz * wafer.io_channels)
    by_edge = wafer.io_channels // len(wafer.io_edges)
    upright = program.width <= wafer.width and program.height <= wafer.height
    columns, rows = (wafer.width, wafer.height) if upright else (wafer.height, wafer.width)
    channels: dict[tuple[int, int], Channel] = {}
    entries: dict[str, list[Entry]] = {}
    for stream in program.streams:
        entries[stream.name] = []
        for x, y in sorted(stream.region, key=lambda pe: (pe[1], pe[0])):
            place, length = (y, rows) if stream.side.dx else (x, columns)
            key = (int(stream.side), place * by_edge // length)
            entry = Entry(buffers((x, y), stream.color, stream.side))
            channels.setdefault(key, Channel(share)).entries.append(entry)
            entries[stream.name].append(entry)
    return list(channels.values()), entries
