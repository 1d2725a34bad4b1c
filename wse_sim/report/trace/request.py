"""`Trace`: what a machine shall record."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

from wse_sim.errors import UsageError
from wse_sim.hardware.geometry import Region
from wse_sim.program.program import Program
from wse_sim.report.explain import amount

EVENTS = 1 << 20
MOVE_BYTES, SLICE_BYTES, SPAN_BYTES, PE_BYTES = 32, 32, 40, 512
JSON_PE, JSON_MOVE, JSON_SLICE = 600, 1100, 500  # most bytes that each takes in the Chrome trace format
LOG_HEAD, LOG_MOVE, LOG_SLICE = 64, 500, 300  # and in the log for wse-viz
_MOVES_PER_CYCLE = 5 + 8  # of a PE: its router has five outputs; its threads take words from queues
_SLICES_PER_CYCLE = 8


@dataclass(frozen=True)
class Limits:
    """Room that a recording takes at most, in events and in bytes; besides, what is open or in queues at its end.

    moves   wavelets that leave a queue
    slices  stretches of cycles that count as one state on a PE
    spans   operations in background slots
    """

    pes: int
    moves: int
    slices: int
    spans: int

    @property
    def memory_bytes(self) -> int:
        """While it is recorded."""
        arrays = self.moves * MOVE_BYTES + self.slices * SLICE_BYTES + self.spans * SPAN_BYTES
        return arrays + self.pes * PE_BYTES

    @property
    def json_bytes(self) -> int:
        """Of the Chrome trace."""
        return self.pes * JSON_PE + self.moves * JSON_MOVE + (self.slices + self.spans) * JSON_SLICE

    @property
    def log_bytes(self) -> int:
        """Of the log for wse-viz."""
        return LOG_HEAD + self.moves * LOG_MOVE + self.slices * LOG_SLICE

    def describe(self) -> str:
        """The limits in a sentence."""
        events = f"{amount(self.moves)} moves of wavelets, {amount(self.slices)} slices and {amount(self.spans)}"
        return (
            f"{amount(self.pes)} PEs; at most {events} background operations: {_size(self.memory_bytes)} of memory, "
            f"{_size(self.json_bytes)} as Chrome trace, {_size(self.log_bytes)} as wse-viz log"
        )


@dataclass(frozen=True, kw_only=True)
class Trace:
    """What to record: every wavelet that leaves a queue, and what every cycle of every PE counts as.

    window  first cycle and the cycle after the last, from the machine's start; None: from the start to the end
    region  PEs; None: all
    events  most of each kind; a recording that has no room for one more cycle ends there, and says so
    """

    window: tuple[int, int] | None = None
    region: Region | None = None
    events: int = EVENTS

    def __post_init__(self) -> None:
        if self.window is not None:
            whole = len(self.window) == 2 and all(isinstance(cycle, Integral) for cycle in self.window)
            if not whole or not 0 <= self.window[0] < self.window[1]:
                raise UsageError(
                    f"trace window {self.window}: expected a first cycle of 0 or more, and a later one at which it ends"
                )
        if self.region is not None and not self.region:
            raise UsageError("the region of a trace is empty: expected one PE or more")
        if self.events < 1:
            raise UsageError(f"events is {self.events}: expected 1 or more")

    def region_in(self, program: Program) -> Region:
        """The region recorded of a program. Raises UsageError if it reaches outside."""
        if self.region is None:
            return program.grid
        if not program.grid.contains(self.region):
            raise UsageError(
                f"the trace's region {self.region!r} reaches outside the {program.width} x {program.height} PEs of "
                f"{program.name!r}"
            )
        return self.region

    def limits(self, program: Program) -> Limits:
        """Room that the recording takes at most, known before the run."""
        pes = len(self.region_in(program))
        cells = self.events if self.window is None else pes * (self.window[1] - self.window[0])
        return Limits(
            pes=pes,
            moves=min(self.events, cells * _MOVES_PER_CYCLE),
            slices=min(self.events, cells * _SLICES_PER_CYCLE),
            spans=min(self.events, cells * program.slots) + pes * program.slots,
        )


def _size(nbytes: int) -> str:
    return f"{nbytes / 1e6:.3g} MB" if nbytes >= 1e5 else f"{nbytes / 1e3:.3g} kB"
