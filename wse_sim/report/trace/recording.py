"""`Recording`: what happened in each cycle of a window, as a frozen value."""

from __future__ import annotations

from dataclasses import dataclass

from wse_sim.hardware.geometry import Region
from wse_sim.hardware.wafer import Wafer
from wse_sim.report.grids import Counts
from wse_sim.report.parts import Part
from wse_sim.report.trace.code import CodeLine

QUEUE = 5
"""Port of an input queue, after the five ports of a router; the router's buffer of port RAMP is an output queue."""

PORTS = ("EAST", "NORTH", "WEST", "SOUTH", "RAMP", "QUEUE")
STILL_THERE = -1


@dataclass(frozen=True, eq=False, kw_only=True)
class Stays(Part):
    """Stays of wavelets in queues, in the order of their ends; those that had not left come last. Cycles.

    pe       y * width + x
    color    index of the colour
    port     of the router whose buffer it is, or QUEUE
    entered  cycle of the push
    visible  cycle from which it might have left
    left     cycle in which it left; -1: still there at the end
    word     32 bits
    outputs  ports it left through as bits, 1 << port; 0 for an input queue
    """

    pe: Counts
    color: Counts
    port: Counts
    entered: Counts
    visible: Counts
    left: Counts
    word: Counts
    outputs: Counts

    def __len__(self) -> int:
        return len(self.pe)


@dataclass(frozen=True, eq=False, kw_only=True)
class Slices(Part):
    """Stretches of cycles that count as one state, by PE and then by time; cycles in none are IDLE.

    The cycles that an operation in memory loses to ports, banks and pending writes come after those of its elements.

    state        code of the `State`
    instruction  index into `Recording.code`; -1: none
    start, end   first cycle, and the one after the last
    """

    pe: Counts
    state: Counts
    instruction: Counts
    start: Counts
    end: Counts

    def __len__(self) -> int:
        return len(self.pe)


@dataclass(frozen=True, eq=False, kw_only=True)
class Spans(Part):
    """Operations in background slots, from issue to completion.

    end  -1: had not ended
    """

    pe: Counts
    slot: Counts
    instruction: Counts
    start: Counts
    end: Counts

    def __len__(self) -> int:
        return len(self.pe)


@dataclass(frozen=True, eq=False, kw_only=True)
class Recording(Part):
    """What the PEs of a region did in cycles `first` to `end` - 1 of a machine, and where wavelets were.

    name           of the program
    width, height  of the program's grid
    full           the recording ended because there was no room for more events
    colors         names
    code           instructions that slices and spans name
    """

    name: str
    width: int
    height: int
    region: Region
    first: int
    end: int
    full: bool
    colors: tuple[str, ...]
    code: tuple[CodeLine, ...]
    stays: Stays
    slices: Slices
    spans: Spans
    wafer: Wafer

    @property
    def cycles(self) -> int:
        """Length of the window."""
        return self.end - self.first

    def xy(self, pe: int) -> tuple[int, int]:
        """Column and row of a PE number."""
        return pe % self.width, pe // self.width

    def describe(self) -> str:
        """What was recorded, in a few words."""
        text = (
            f"{self.name} on {self.wafer.name}: cycles {self.first} to {self.end} of PEs {self.region!r}; "
            f"{len(self.stays)} stays of wavelets in queues, {len(self.slices)} slices, "
            f"{len(self.spans)} background operations"
        )
        return f"{text}; ended early, as there was no room for more events" if self.full else text

    def __repr__(self) -> str:
        return f"<Recording of {self.describe()}>"
