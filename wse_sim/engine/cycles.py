"""The cycle engine as the machine sees it: runs compiled code in goes, and raises what went wrong."""

from __future__ import annotations

import time
from collections.abc import Callable

import numba
import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.cycle.clock import Clock, clock
from wse_sim.engine.deadlock import raise_deadlock
from wse_sim.engine.faults import raise_fault
from wse_sim.engine.lower import Lowered
from wse_sim.engine.recorder import Recorder
from wse_sim.engine.state import GROUP, PLANES, State
from wse_sim.engine.table import Table
from wse_sim.errors import RunError
from wse_sim.program.program import Program

FIRST_CHUNK = 1 << 8  # cycles run in one go; more and more of them while that takes little time
LONGEST_CHUNK = 1 << 20
CHUNK_SECONDS = 0.1
NEVER = 1 << 62
STRIPS_PER_THREAD = 2

Progress = Callable[[int], None]
"""Called now and then with the cycles run so far."""


def strip_bounds(program: Program, threads: int) -> np.ndarray:
    """Groups of PEs at which strips begin, (strips + 1,) int64."""
    groups = -(-program.width * program.height // GROUP)
    strips = 1 if threads == 1 else min(groups, STRIPS_PER_THREAD * threads)
    return np.linspace(0, groups, strips + 1).astype(np.int64)


class CycleEngine:
    """Runs all that is active, cycle by cycle; `now` is the cycle reached."""

    def __init__(
        self, lowered: Lowered, state: State, bounds: np.ndarray, threads: int, recorder: Recorder | None
    ) -> None:
        self.now = 0
        self._lowered = lowered
        self._state = state
        self._table = Table(state)
        self._bounds = bounds
        self._threads = threads
        self._recorder = recorder

    def pour(self, words: np.ndarray) -> None:
        """Takes the words that the host sends in the next launch."""
        self._table = Table(self._state._replace(host=self._state.host._replace(words=words)))

    def run(self, pes: np.ndarray, begin: int, limit: int | None, progress: Progress | None) -> None:
        """Runs from cycle `begin`, where these PEs have active tasks, until all is at rest, or beyond a cycle."""
        self.now = begin
        self._wake(pes)
        run = clock(parallel=self._threads > 1)
        if self._threads > 1:
            numba.set_num_threads(min(self._threads, numba.config.NUMBA_NUM_THREADS))
        at_rest, chunk = False, FIRST_CHUNK
        while not at_rest:
            until = self.now + chunk if limit is None else min(self.now + chunk, limit + PLANES + 1)
            started = time.monotonic()
            reached = self._go(run, until)
            at_rest = reached < 0
            self.now = -1 - reached if at_rest else reached
            raise_fault(self._state, self._lowered, NEVER if at_rest else self.now)
            if limit is not None and not at_rest and self.now > limit + PLANES:
                raise_limit(self._state, self._lowered, limit - begin)
            if progress is not None:
                progress(self.now - begin)
            seconds = time.monotonic() - started
            if seconds < CHUNK_SECONDS:
                chunk = min(2 * chunk, LONGEST_CHUNK)
            elif seconds > 2 * CHUNK_SECONDS:
                chunk = max(int(chunk * CHUNK_SECONDS / seconds), FIRST_CHUNK)
        raise_deadlock(self._state, self._lowered, self.now)

    def _wake(self, pes: np.ndarray) -> None:
        """Books cores for the current cycle."""
        wakes, plane = self._state.wakes, self.now % PLANES
        wakes.core[plane, pes] = 1
        wakes.core_group[plane, np.unique(pes // GROUP)] = 1
        wakes.any[plane] = 1

    def _go(self, run: Clock, until: int) -> int:
        """Runs up to cycle `until`, or to where a recording begins or ends; returns what the clock does."""
        if self._recorder is not None:
            return self._recorder.run(self._table, self.now, until, self._bounds, run)
        self._state.wakes.horizon[0] = until
        return run(self._table, self.now, until, self._bounds)


def raise_limit(state: State, lowered: Lowered, cycles: int) -> None:
    raise RunError(
        f"the program still runs after {cycles} cycles, {_busiest(state, lowered)}; expected it to end; "
        "raise max_cycles, or look for a loop that does not end"
    )


def _busiest(state: State, lowered: Lowered) -> str:
    running = np.flatnonzero(state.cores.state[:, at.MODE] != at.FREE)
    if not len(running):
        return "with wavelets on the way"
    x, y = int(running[0]) % lowered.program.width, int(running[0]) // lowered.program.width
    return f"{len(running)} PEs in a task, the first of them PE ({x}, {y})"
