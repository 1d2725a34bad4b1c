"""The events of a recording, a column of numbers for each of their properties."""

from __future__ import annotations

from dataclasses import dataclass

from wse_sim.report.grids import Counts
from wse_sim.report.parts import Part

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
