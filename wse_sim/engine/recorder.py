"""Records a window of a run: when the tape runs, and what is made of it."""

from __future__ import annotations

from typing import Any

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.cycle import record
from wse_sim.engine.cycle.clock import Clock
from wse_sim.engine.cycle.fifo import LOW
from wse_sim.engine.fabric import numbered
from wse_sim.engine.lower import Lowered
from wse_sim.engine.state import GROUP_BITS, State
from wse_sim.engine.table import Table
from wse_sim.engine.tape import FULL, MOVES, OUTPUT_BITS, SLICES, SPANS, STATE_BITS, new_tape
from wse_sim.hardware.geometry import Direction
from wse_sim.report.trace.code import code_lines
from wse_sim.report.trace.events import QUEUE, STILL_THERE, Slices, Spans, Stays
from wse_sim.report.trace.recording import Recording
from wse_sim.report.trace.request import Trace

NEVER = 1 << 62
_compiled: Any = record  # called with tables for states and tapes


class Recorder:
    """Runs a machine's clock, with the tape inside the window."""

    def __init__(self, trace: Trace, lowered: Lowered, state: State, start: int) -> None:
        program = lowered.program
        limits = trace.limits(program)
        self._lowered, self._state, self._start = lowered, state, start
        self.region = trace.region_in(program)
        first, last = trace.window or (0, NEVER)
        self._first, self._last = start + first, start + last
        pes = np.flatnonzero(self.region.mask(program.width, program.height))
        padded = state.wakes.core.shape[1]
        most = (limits.moves, limits.slices, limits.spans)
        self._tape = new_tape(pes, padded, program.slots, GROUP_BITS, most)
        self._table = Table(self._tape)
        self._begun = False
        self._closed: Recording | None = None

    def run(self, table: Table, now: int, until: int, bounds: np.ndarray, clock: Clock) -> int:
        """Runs up to `until`, or to where the window begins or ends; returns what the clock does."""
        if now < self._first:
            until = min(until, self._first)
            self._state.wakes.horizon[0] = min(until, self._first - 1)
            return clock(table, now, until, bounds)
        if self._closed is None and (now >= self._last or self._tape.written[FULL] >= 0):
            self._closed = self.recording(now)
        if self._closed is None:
            if not self._begun:
                _compiled.begin_tape(table, self._table, now)
                self._begun = True
            reached: int = _compiled.run_recorded(table, self._table, now, min(until, self._last), bounds)
            return reached
        self._state.wakes.horizon[0] = until
        return clock(table, now, until, bounds)

    def rest(self, now: int) -> None:
        """A launch has ended at `now`, which may be before the cycle that the clock had come to."""
        if now < self._last and self._tape.written[FULL] < 0:
            self._closed = None

    def recording(self, now: int) -> Recording:
        """All that was recorded before cycle `now`."""
        if self._closed is not None:
            return self._closed
        if self._begun:
            _compiled.end_tape(self._table, now)
        program, written = self._lowered.program, self._tape.written
        end = min(max(now, self._first), self._last) if self._begun else self._first
        return Recording(
            name=program.name,
            width=program.width,
            height=program.height,
            region=self.region,
            first=self._first - self._start,
            end=end - self._start,
            full=bool(written[FULL] >= 0),
            colors=tuple(color.name for color in program.colors),
            code=code_lines(self._lowered.placed, program.sections),
            stays=self._stays(now),
            slices=self._slices(),
            spans=self._spans(),
            wafer=self._lowered.wafer,
            role=program.role_map[np.ix_(self.region.ys, self.region.xs)],
            queues=self._queues(),
        )

    def _queues(self) -> np.ndarray:
        ports = self._lowered.ports
        return np.stack([ports.queue, numbered(ports.fifo[:, :, Direction.RAMP] >= 0)], axis=-1)

    # -- events -----------------------------------------------------------------------------------

    def _stays(self, now: int) -> Stays:
        fabric, moves = self._state.fabric, self._tape.moves[: self._tape.written[MOVES]]
        moves = np.concatenate([moves, self._held(now)]) if self._begun else moves
        fifo, entered, left, word = moves.T
        record = fabric.at[fifo]
        latency = fabric.pool[record + at.F_SHAPE] >> 32
        still = left == STILL_THERE
        is_queue = fifo >= fabric.queue[0]
        return Stays(
            pe=fabric.pool[record + at.F_OWNER],
            color=fabric.color[fifo],
            port=np.where(is_queue, QUEUE, fabric.pool[record + at.F_PORT]),
            entered=entered - self._start,
            visible=entered + latency - self._start,
            left=np.where(still, STILL_THERE, left - self._start),
            word=word & LOW,
            outputs=np.where(is_queue | still, 0, word >> OUTPUT_BITS),
        )

    def _held(self, now: int) -> np.ndarray:
        """Words that are in the region's queues, as moves that have not ended."""
        fabric = self._state.fabric
        recorded = self._tape.number[fabric.pool[fabric.at + at.F_OWNER]] >= 0
        fifos = np.flatnonzero(recorded)
        record = fabric.at[fifos]
        head = fabric.pool[record + at.F_HEAD] & LOW
        held = (fabric.pool[record + at.F_TAIL] - head) & LOW
        mask = fabric.pool[record + at.F_SHAPE] & 0xFFFF
        found = []
        for k in range(int(held.max(initial=0))):
            some = np.flatnonzero(held > k)
            word = fabric.pool[record[some] + at.F_RING + ((head[some] + k) & mask[some])]
            entered = now - ((now - (word >> 32)) & LOW)
            left = np.full(len(some), STILL_THERE)
            found.append(np.stack([fifos[some], entered, left, word & LOW], axis=1))
        return np.concatenate(found) if found else np.empty((0, 4), np.int64)

    def _slices(self) -> Slices:
        slices = self._tape.slices[: self._tape.written[SLICES]]
        number, start, end, what = slices[np.lexsort((slices[:, 1], slices[:, 0]))].T
        return Slices(
            pe=self._tape.pes[number],
            state=what & ((1 << STATE_BITS) - 1),
            instruction=(what >> STATE_BITS) - 1,
            start=start - self._start,
            end=end - self._start,
        )

    def _spans(self) -> Spans:
        number, slot, row, start, end = self._tape.spans[: self._tape.written[SPANS]].T
        return Spans(
            pe=self._tape.pes[number],
            slot=slot,
            instruction=row,
            start=start - self._start,
            end=np.where(end == -1, -1, end - self._start),
        )

