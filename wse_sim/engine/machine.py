"""A machine with a program loaded: write SRAM, launch, read SRAM, report."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from types import MappingProxyType

import numba
import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.cycle.clock import Clock, clock
from wse_sim.engine.deadlock import raise_deadlock
from wse_sim.engine.faults import raise_fault
from wse_sim.engine.gather import gather_report
from wse_sim.engine.lower import lower, new_state
from wse_sim.engine.recorder import Recorder
from wse_sim.engine.state import GROUP, PLANES
from wse_sim.engine.table import Table
from wse_sim.errors import RunError, UsageError
from wse_sim.hardware import Wafer
from wse_sim.program.check import check
from wse_sim.program.memory import Buffer
from wse_sim.program.program import Program
from wse_sim.report.report import Report
from wse_sim.report.trace import Recording, Trace

FIRST_CHUNK = 1 << 8  # cycles run in one go; more and more of them while that takes little time
LONGEST_CHUNK = 1 << 20
CHUNK_SECONDS = 0.1
NEVER = 1 << 62
STRIPS_PER_THREAD = 2
PES_PER_COPY = 1 << 14

Progress = Callable[[int], None]
"""Called now and then with the cycles run so far."""


class Machine:
    """A program on a wafer. Times go on from launch to launch; SRAM keeps its values.

    trace  what to record; inside its window the machine runs on one thread
    """

    def __init__(
        self,
        program: Program,
        wafer: Wafer,
        *,
        threads: int = 1,
        start_cycle: int = 0,
        trace: Trace | None = None,
    ) -> None:
        if threads < 1:
            raise UsageError(f"threads is {threads}: expected 1 or more")
        check(program, wafer)
        self.program = program
        self.wafer = wafer
        self.threads = threads
        groups = -(-program.width * program.height // GROUP)
        strips = 1 if threads == 1 else min(groups, STRIPS_PER_THREAD * threads)
        self._bounds = np.linspace(0, groups, strips + 1).astype(np.int64)
        self._lowered = lower(program, wafer)
        self.state = new_state(self._lowered, strips=strips, start=start_cycle)
        self._table = Table(self.state)
        self._recorder = None if trace is None else Recorder(trace, self._lowered, self.state, start_cycle)
        self.start_cycle = start_cycle
        self.now = start_cycle
        self.launches: list[int] = []
        self._failed = False
        self.host_bytes_in = 0
        self.host_bytes_out = 0
        for buffer, values in program.initial.items():
            self._copy(buffer, values, write=True)

    # -- memory -----------------------------------------------------------------------------------

    def write(self, buffer: Buffer | str, values: np.ndarray) -> None:
        """Host to SRAM: values broadcastable to (height, width, length) of the buffer's region."""
        target = self._buffer(buffer)
        shape = _shape(target)
        given = np.asarray(values)
        if given.dtype.kind not in "fiub" or (given.dtype.kind == "f" and not target.dtype.is_float):
            raise UsageError(f"{target!r} takes {target.dtype.name} values, not {given.dtype}")
        try:
            spread = np.broadcast_to(given, shape)
        except ValueError:
            raise UsageError(
                f"{target!r} takes values of shape (height, width, length) = {shape}, not {given.shape}"
            ) from None
        self._copy(target, spread, write=True)
        self.host_bytes_in += spread.size * target.dtype.bytes

    def read(self, buffer: Buffer | str) -> np.ndarray:
        """SRAM to host: (height, width, length) of the buffer's region, in its own dtype."""
        source = self._buffer(buffer)
        values = np.empty(_shape(source), source.dtype.numpy)
        self._copy(source, values, write=False)
        self.host_bytes_out += values.nbytes
        return values

    def _buffer(self, buffer: Buffer | str) -> Buffer:
        if isinstance(buffer, Buffer):
            if buffer not in self.program.buffers:
                raise UsageError(f"{buffer!r} belongs to another program: expected a buffer of {self.program.name!r}")
            return buffer
        try:
            return self.program.buffer(buffer)
        except KeyError as error:
            raise UsageError(str(error.args[0])) from None

    def _copy(self, buffer: Buffer, values: np.ndarray, *, write: bool) -> None:
        size = buffer.dtype.bytes
        pool = self.state.memory.u16.view(buffer.dtype.numpy)
        flat = values.reshape(-1, buffer.length) if not write else None
        xs, ys = np.asarray(buffer.region.xs), np.asarray(buffer.region.ys)
        rows_at_once = max(1, PES_PER_COPY // max(1, len(xs)))
        for first in range(0, len(ys), rows_at_once):
            rows = ys[first : first + rows_at_once]
            pes = (rows[:, None] * self.program.width + xs[None, :]).ravel()
            place = (self.state.memory.base[pes] + buffer.address) // size
            index = place[:, None] + np.arange(buffer.length)
            if write:
                pool[index] = values[first : first + len(rows)].reshape(len(pes), buffer.length)
            elif flat is not None:
                flat[first * len(xs) : first * len(xs) + len(pes)] = pool[index]

    # -- running ----------------------------------------------------------------------------------

    def launch(
        self,
        arguments: Mapping[str, float] = MappingProxyType({}),
        *,
        max_cycles: int | None = None,
        progress: Progress | None = None,
    ) -> int:
        """Starts the program's entry tasks on all their PEs and runs until all is at rest; returns the cycles.

        arguments   value of each register that the program declares
        max_cycles  more is a RunError
        Raises RunError on a deadlock, naming who waits for what, and on a fault of the program.
        """
        if self._failed:
            raise RunError(f"this machine failed at cycle {self.now}: expected a new Machine to go on with")
        self._set_arguments(arguments)
        self._failed = True  # until the launch has ended well
        begin = self.now
        limit = begin + max_cycles if max_cycles is not None else None
        self._activate()
        run = clock(parallel=self.threads > 1)
        if self.threads > 1:
            numba.set_num_threads(min(self.threads, numba.config.NUMBA_NUM_THREADS))
        at_rest, chunk = False, FIRST_CHUNK
        while not at_rest:
            until = self.now + chunk if limit is None else min(self.now + chunk, limit + PLANES + 1)
            started = time.monotonic()
            reached = self._run(run, until)
            at_rest = reached < 0
            self.now = -1 - reached if at_rest else reached
            raise_fault(self.state, self._lowered, NEVER if at_rest else self.now)
            if limit is not None and not at_rest and self.now > limit + PLANES:
                self._raise_limit(limit - begin)
            if progress is not None:
                progress(self.now - begin)
            seconds = time.monotonic() - started
            if seconds < CHUNK_SECONDS:
                chunk = min(2 * chunk, LONGEST_CHUNK)
            elif seconds > 2 * CHUNK_SECONDS:
                chunk = max(int(chunk * CHUNK_SECONDS / seconds), FIRST_CHUNK)
        raise_deadlock(self.state, self._lowered, self.now)
        finished = int(self.state.cores.state[:, at.FINISH].max())
        self.now = max(finished, begin)
        if limit is not None and self.now > limit:
            self._raise_limit(limit - begin)
        self._settle()
        if self._recorder is not None:
            self._recorder.rest(self.now)
        self.launches.append(self.now - begin)
        self._failed = False
        return self.now - begin

    def _run(self, run: Clock, until: int) -> int:
        """Runs up to cycle `until`, or to where a recording begins or ends; returns what the clock does."""
        if self._recorder is not None:
            return self._recorder.run(self._table, self.now, until, self._bounds, run)
        self.state.wakes.horizon[0] = until
        return run(self._table, self.now, until, self._bounds)

    def _set_arguments(self, arguments: Mapping[str, float]) -> None:
        expected = {name for name in self.program.arguments if not name.endswith(".wavelet")}
        if set(arguments) != expected:
            missing, unknown = sorted(expected - set(arguments)), sorted(set(arguments) - expected)
            raise UsageError(f"launch arguments: missing {missing}, unknown {unknown}; expected {sorted(expected)}")
        for name, value in arguments.items():
            register = self.program.arguments[name]
            if not isinstance(value, int | float | np.number) or not np.isfinite(value):
                raise UsageError(f"launch argument {name!r} is {value!r}: expected a finite number")
            if register.kind == "int" and (int(value) != value or not -(2**31) <= value < 2**31):
                raise UsageError(f"launch argument {name!r} is {value}: expected a whole number of 32 bits")
            target = self.state.cores.ints if register.kind == "int" else self.state.cores.floats
            target[:, register.index] = value

    def _activate(self) -> None:
        """Activates the entry tasks where they have code, and books those cores."""
        wakes, plane = self.state.wakes, self.now % PLANES
        for task, region in self.program.entries.items():
            inside = region.mask(self.program.width, self.program.height).ravel()
            has_code = self.state.code.entry[self.state.cores.role, task.id] >= 0
            pes = np.flatnonzero(inside & has_code)
            self.state.cores.state[pes, at.ACTIVE] |= 1 << task.id
            wakes.core[plane, pes] = 1
            wakes.core_group[plane, np.unique(pes // GROUP)] = 1
            wakes.any[plane] = 1

    def _settle(self) -> None:
        """Counts the idle time of each PE up to now."""
        core = self.state.cores.state
        waited = np.maximum(self.now - core[:, at.SINCE], 0)
        np.add.at(self.state.tally.state, (np.arange(len(core)), core[:, at.LABEL]), waited)
        np.add.at(self.state.tally.section[0], (core[:, at.WITHIN], core[:, at.LABEL]), waited)
        core[:, at.SINCE] = np.maximum(core[:, at.SINCE], self.now)
        core[:, at.READY] = np.minimum(core[:, at.READY], self.now)

    def _raise_limit(self, cycles: int) -> None:
        raise RunError(
            f"the program still runs after {cycles} cycles, {self._busiest()}; expected it to end; "
            "raise max_cycles, or look for a loop that does not end"
        )

    def _busiest(self) -> str:
        running = np.flatnonzero(self.state.cores.state[:, at.MODE] != at.FREE)
        if not len(running):
            return "with wavelets on the way"
        x, y = int(running[0]) % self.program.width, int(running[0]) // self.program.width
        return f"{len(running)} PEs in a task, the first of them PE ({x}, {y})"

    # -- results ----------------------------------------------------------------------------------

    def report(self) -> Report:
        """Everything since the machine was made."""
        return gather_report(self)

    def recording(self) -> Recording:
        """What was recorded so far, also of a launch that failed. Raises UsageError without a trace."""
        if self._recorder is None:
            raise UsageError(
                f"nothing was recorded of {self.program.name!r}: expected a trace, as in Machine(program, wafer, "
                "trace=Trace(window=(0, 1000)))"
            )
        return self._recorder.recording(self.now)


def _shape(buffer: Buffer) -> tuple[int, int, int]:
    return buffer.region.height, buffer.region.width, buffer.length
