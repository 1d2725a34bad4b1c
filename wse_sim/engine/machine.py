"""A machine with a program loaded: write SRAM, launch, read SRAM, report."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.cycles import NEVER, CycleEngine, Progress, raise_limit, strip_bounds
from wse_sim.engine.faults import raise_fault
from wse_sim.engine.filters import filters_of, last_moves
from wse_sim.engine.gather import gather_report
from wse_sim.engine.host import begin_launch, words_for
from wse_sim.engine.lower import lower, new_state
from wse_sim.engine.phases import counts_within, is_balanced, report_without
from wse_sim.engine.recorder import Recorder
from wse_sim.engine.shares import Left, Shares, raise_left
from wse_sim.engine.stream.cover import mean_words
from wse_sim.engine.stream.engine import StreamEngine
from wse_sim.errors import RunError, UsageError
from wse_sim.hardware import Wafer
from wse_sim.hardware.states import State as Doing
from wse_sim.program.check import check
from wse_sim.program.host import HostStream
from wse_sim.program.memory import Buffer
from wse_sim.program.program import Program
from wse_sim.report.report import Report
from wse_sim.report.trace import Recording, Trace

ENGINES = ("auto", "cycle", "stream")
LONG_MESSAGE = 64  # words on average with which the stream engine is the faster on any grid
MANY_PES = 1 << 11  # with which it is, without numbers, the faster on messages of any length
PES_PER_COPY = 1 << 14


class Machine:
    """A program on a wafer. Times go on from launch to launch; SRAM keeps its values.

    engine   `cycle`; `stream`; `auto`: the stream engine for what it can run where it is the faster, else `cycle`
    threads  of the cycle engine
    values   False: only cycles and counts are asked for, and the stream engine computes no numbers; SRAM is not read
    trace    what to record; the cycle engine then runs everything, inside the window on one thread
    phases   those whose shares are measured, see `report_without_phase`
    """

    def __init__(
        self,
        program: Program,
        wafer: Wafer,
        *,
        engine: str = "auto",
        threads: int = 1,
        values: bool = True,
        start_cycle: int = 0,
        trace: Trace | None = None,
        phases: tuple[str, ...] = (),
    ) -> None:
        if threads < 1:
            raise UsageError(f"threads is {threads}: expected 1 or more")
        if engine not in ENGINES:
            raise UsageError(f"engine is {engine!r}: expected one of {', '.join(ENGINES)}")
        if engine == "stream" and trace is not None:
            raise UsageError("engine is 'stream' and a trace is asked for: expected `auto` or `cycle`, which records")
        check(program, wafer)
        self.program = program
        self.wafer = wafer
        self.threads = threads
        self._lowered = lower(program, wafer)
        bounds = strip_bounds(program, threads)
        self.state = new_state(self._lowered, strips=len(bounds) - 1, start=start_cycle, phases=phases)
        self._recorder = None if trace is None else Recorder(trace, self._lowered, self.state, start_cycle)
        self._cycles = CycleEngine(self._lowered, self.state, bounds, threads, self._recorder)
        streams = engine == "stream" or (engine == "auto" and trace is None and self._suits_streams(values))
        self._streams = StreamEngine(self.state) if streams else None
        self._filters = filters_of(self.state.fabric)
        self._may_leave = engine != "stream"
        self.values = values
        self._without = np.zeros(len(self.state.cores.state), np.bool_)  # PEs that have run without numbers
        self.shares = Shares(program.width)
        self.start_cycle = start_cycle
        self.now = start_cycle
        self.launches: list[int] = []
        self._phases = phases
        self._lengths: list[list[int | None]] = [[] for _ in phases]  # in each launch; None: not the same on all PEs
        self._failed = False
        self._given: dict[int, tuple[np.ndarray, int]] = {}  # words of host streams for the next launch
        self.host_bytes_in = 0
        self.host_bytes_out = 0
        for buffer, initial in program.initial.items():
            self._copy(buffer, initial, write=True)

    def _suits_streams(self, values: bool) -> bool:
        """Whether the stream engine is the faster."""
        many = not values and self.program.width * self.program.height >= MANY_PES
        return many or mean_words(self.state) >= LONG_MESSAGE

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
        try:
            with np.errstate(over="raise"):
                self._copy(target, spread, write=True)
        except FloatingPointError:
            raise UsageError(
                f"{target!r} takes {target.dtype.name} values, {np.finfo(target.dtype.numpy).max:g} at most, not "
                f"{np.abs(given[np.isfinite(given)]).max():g}; choose a wider type, or smaller values"
            ) from None
        self.host_bytes_in += spread.size * target.dtype.bytes

    def read(self, buffer: Buffer | str) -> np.ndarray:
        """SRAM to host: (height, width, length) of the buffer's region, in its own dtype."""
        source = self._buffer(buffer)
        if not self.values:
            raise UsageError(f"{source!r} is read from a machine with values=False: expected one with values=True")
        values = np.empty(_shape(source), source.dtype.numpy)
        self._copy(source, values, write=False)
        self.host_bytes_out += values.nbytes
        return values

    def stream(self, stream: HostStream | str, values: np.ndarray, *, times: int = 1) -> None:
        """What the host sends in the next launch: values (entry PEs in row-major order, n), `times` times over.

        Numbers of 32 bits are a wavelet each, those of 16 bits two in one; (1, n) is the same for all PEs. Raises
        UsageError if the stream has been given words for that launch.
        """
        target = self._stream(stream)
        number = self.program.streams.index(target)
        if number in self._given:
            raise UsageError(
                f"host stream {target.name!r} is given words for the next launch a second time: expected once for each "
                "launch; join the values, or launch between"
            )
        self._given[number] = words_for(target, values, times), int(times)

    def _stream(self, stream: HostStream | str) -> HostStream:
        if isinstance(stream, HostStream):
            if stream not in self.program.streams:
                raise UsageError(
                    f"host stream {stream!r} belongs to another program: expected one of {self.program.name!r}"
                )
            return stream
        try:
            return self.program.stream(stream)
        except KeyError as error:
            raise UsageError(str(error.args[0])) from None

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
        active = np.flatnonzero(self.state.cores.state[:, at.ACTIVE])
        if self._streams is not None:
            active = self._run_streams(self._streams, active, limit, progress)
        pours = self._pour()
        if len(active) or pours:
            self.shares.add("cycle", len(active))
            try:
                self._cycles.run(active, begin, limit, progress)
            finally:
                self.now = self._cycles.now
        raise_fault(self.state, self._lowered, NEVER)
        finished = int(self.state.cores.state[:, at.FINISH].max())
        passed = last_moves(self.state.fabric, self._filters, self.now) + 1
        self.now = max(finished, begin, passed)
        if limit is not None and self.now > limit:
            raise_limit(self.state, self._lowered, limit - begin)
        self._settle()
        self._measure()
        if self._recorder is not None:
            self._recorder.rest(self.now)
        self.launches.append(self.now - begin)
        self._failed = False
        return self.now - begin

    def _pour(self) -> bool:
        """Hands the words of the host streams over; whether there are any."""
        if not self.program.streams:
            return False
        self._cycles.pour(begin_launch(self.state.host, self.now, self._given))
        self._given = {}
        return bool(self.state.host.port[:, at.P_LEFT].any())

    def _run_streams(self, streams: StreamEngine, active: np.ndarray, limit: int | None,
                     progress: Progress | None) -> np.ndarray:
        """Runs what the stream engine can; returns the PEs that it has left."""
        most = NEVER if limit is None else limit - self.now
        left = streams.run(
            begin=self.now, limit=most, values=self.values, may_leave=self._may_leave, progress=progress
        )
        if left and not self._may_leave:
            raise_left(left[0], self._lowered)
        for part in left:
            self.shares.leave(part)
        theirs = np.zeros(len(self.state.cores.state), np.bool_)
        theirs[np.concatenate([np.zeros(0, np.int64), *(part.pes for part in left)])] = True
        pes: np.ndarray = active[theirs[active]]
        self.shares.add("stream", len(active) - len(pes))
        if not self.values:
            self._require_numbers(left, pes)
            self._without[active[~theirs[active]]] = True
        return pes

    def _require_numbers(self, left: list[Left], pes: np.ndarray) -> None:
        """The cycle engine goes by numbers, which must have been computed so far."""
        for part in left:
            if self._without[part.pes].any() and np.isin(part.pes, pes).any():
                x, y = part.pe % self.program.width, part.pe // self.program.width
                raise RunError(
                    f"the numbers of {len(part.pes)} PEs were left out in an earlier launch, and now PE ({x}, {y}) "
                    f"{part.why}; expected control that depends on no data in all launches; choose values=True"
                )

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
            if self._streams is not None:
                self._streams.know(register.index)

    def _activate(self) -> None:
        """Activates the entry tasks where they have code."""
        for task, region in self.program.entries.items():
            inside = region.mask(self.program.width, self.program.height).ravel()
            has_code = self.state.code.entry[self.state.cores.role, task.id] >= 0
            self.state.cores.state[inside & has_code, at.ACTIVE] |= 1 << task.id

    def _settle(self) -> None:
        """Counts the idle time of each PE up to now."""
        core, tally = self.state.cores.state, self.state.tally
        since, label, within = core[:, [at.SINCE, at.LABEL, at.WITHIN]].T
        waited = np.maximum(self.now - since, 0)
        tally.state[np.arange(len(core)), label] += waited
        shape = tally.section[0].shape
        where = np.ravel_multi_index((within, label), shape)
        tally.section[0] += np.bincount(where, waited, shape[0] * shape[1]).astype(np.int64).reshape(shape)
        core[:, at.SINCE] = np.maximum(core[:, at.SINCE], self.now)
        core[:, at.READY] = np.minimum(core[:, at.READY], self.now)

    def _measure(self) -> None:
        """Cycles that each PE was in the measured phases in this launch, if it left them and all took the same."""
        tally = self.state.tally
        within = tally.measured[self.state.cores.state[:, at.WITHIN]]
        for phase, lengths in enumerate(self._lengths):
            cycles = tally.passed[phase, :, : len(Doing)].sum(axis=1)
            left = not (within == phase + 1).any() and None not in lengths and (cycles == cycles[0]).all()
            lengths.append(int(cycles[0]) - sum(length or 0 for length in lengths) if left else None)

    # -- results ----------------------------------------------------------------------------------

    @property
    def stream_bytes_per_node(self) -> float:
        """Memory of the stream engine in the last launch, words of messages left out, over operations and places."""
        return self._streams.bytes_per_node if self._streams is not None else 0.0

    def report(self) -> Report:
        """Everything since the machine was made."""
        return gather_report(self)

    def phase_counts(self, phase: str) -> np.ndarray:
        """(PEs, states + 4) cycles in each state and the work of each PE in a measured phase, as in `Tally`."""
        return counts_within(self, self._phases.index(phase))

    def is_even(self, phase: str) -> bool:
        """Whether a measured phase took every PE the same cycles in each launch so far, from entering to leaving it."""
        return None not in self._lengths[self._phases.index(phase)]

    def report_without_phase(self, phase: str) -> Report | None:
        """The report less what each PE did from entering a measured phase to leaving it.

        None unless that is even, and as many words were on their way at its end as at its beginning, queue by queue.
        """
        number = self._phases.index(phase)
        lengths = [length for length in self._lengths[number] if length is not None]
        whole = self.is_even(phase) and is_balanced(self, number)
        return report_without(self, number, lengths) if whole else None

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
