"""A core: the main thread as a generator that yields once per cycle, and background slots beside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from enum import Enum
from math import ceil

from naive.arithmetic import SCALAR, Value, from_word, rounded, to_word
from naive.fifo import Fifo
from naive.slot import Slot
from naive.timing import element_states
from naive.work import Memory, Place, Popped, Registers, Work, descriptors

from wse_sim.hardware import Route, State, Wafer, f32, i32
from wse_sim.program.fabric import Color
from wse_sim.program.instruction import (
    Change,
    Completion,
    Control,
    Done,
    Instruction,
    Mark,
    Reroute,
    Scalar,
    Task,
    TaskChange,
    Vector,
)
from wse_sim.program.memory import Each
from wse_sim.program.register import Register


class Mode(Enum):
    """What the main thread does in a cycle."""

    FREE = "free"
    OVERHEAD = "overhead"
    HELD = "held"
    WAIT = "wait"


@dataclass(frozen=True)
class Beat:
    """One cycle of the main thread; it holds the issue slot if HELD.

    more  whether the next cycle is overhead of the same kind
    """

    mode: Mode
    state: State
    more: bool = False


Beats = Iterator[Beat]
FREE = Beat(Mode.FREE, State.IDLE)
STANDS_STILL = Beat(Mode.HELD, State.OVERHEAD)


@dataclass
class Fabric:
    """What a core sees of the fabric: its queues by colour, a way to reroute its router, colours the host feeds."""

    inputs: dict[Color, Fifo]
    outputs: dict[Color, Fifo]
    reroute: Callable[[Color, Route], None]
    hosted: set[Color]


class Core:
    """The core of one PE."""

    def __init__(
        self,
        code: dict[Task, list[Instruction]],
        registers: int,
        sram: int,
        slots: int,
        fabric: Fabric,
        wafer: Wafer,
    ) -> None:
        self.wafer = wafer
        self.code = code
        self.fabric = fabric
        self.registers = Registers(registers)
        self.memory = Memory(sram)
        self.active: set[Task] = set()
        self.blocked: set[Task] = set()
        self.slots: list[Slot | None] = [None] * slots
        self.next_slot = 0
        self.awaited = 0  # slot that the main thread waits for
        self.now = 0
        self.main = self._main_thread()
        self.overhead_left = False  # so that the main thread does not need the issue slot
        self.states = [0] * len(State)
        self.idle = True
        self.finish = 0
        self.acted = False  # something happened in this cycle that time alone does not explain
        self.stuck = True  # nothing will happen here unless the fabric moves

    # -- one cycle --------------------------------------------------------------------------------

    def step(self, now: int) -> None:
        self.now = now
        self.acted = False
        self._completions()
        group = self._issue_slot(high=True)
        beat = STANDS_STILL
        if group is None or self.overhead_left:
            beat = next(self.main)
            self.overhead_left = beat.more
        if group is None and beat.mode is not Mode.HELD:
            group = self._issue_slot()
        self._note_endings()
        self._finish_or_not(beat)
        self.stuck = self._is_stuck(beat)
        self.states[self._state(beat, group)] += 1

    def _state(self, beat: Beat, group: State | None) -> State:
        if group is not None:
            return group
        if beat.state is State.SLOT_WAIT:
            awaited = self.slots[self.awaited]
            return State.WEIGHT_WAIT if awaited and awaited.reason is State.WEIGHT_WAIT else State.SLOT_WAIT
        if beat.mode is not Mode.FREE:
            return beat.state
        in_use = [slot for slot in self.slots if slot is not None]
        return in_use[0].reason if in_use else State.IDLE

    def _finish_or_not(self, beat: Beat) -> None:
        idle = beat.mode is Mode.FREE and not any(self.slots)
        if idle and (self.acted or not self.idle):
            self.finish = self.now
        self.idle = idle

    def _is_stuck(self, beat: Beat) -> bool:
        timed = beat.mode in (Mode.OVERHEAD, Mode.HELD)
        slots_wait = all(slot.waits(self.now) for slot in self.slots if slot is not None)
        return not self.acted and not timed and slots_wait

    # -- slots ------------------------------------------------------------------------------------

    def _completions(self) -> None:
        for index, slot in enumerate(self.slots):
            if slot is not None and slot.due is not None and slot.due <= self.now:
                self.acted = True
                self.slots[index] = None
                slot.work.advance()
                self._complete(slot.then)

    def _complete(self, then: Completion | None) -> None:
        if then is not None and then.done is Done.ACTIVATE:
            self.activate(then.task)
        if then is not None and then.done is Done.UNBLOCK:
            self.blocked.discard(then.task)

    def _issue_slot(self, *, high: bool = False) -> State | None:
        """Lets one slot do a group, if `high` one that goes before the main thread; the state of its operation."""
        count = len(self.slots)
        for index in [(self.next_slot + i) % count for i in range(count)]:
            slot = self.slots[index]
            if slot is None or not slot.waits(self.now) or (high and not slot.work.vector.high):
                continue
            lack = self._lack(slot.work)
            if lack is None:
                self._slot_group(slot)
                self.next_slot = (index + 1) % count
                return slot.work.vector.operation.state
            slot.reason = lack
        return None

    def _slot_group(self, slot: Slot) -> None:
        count = self._next_group(slot.work, slot.done)
        slot.ready = self.now + self._group(slot.work, slot.done, count)
        slot.done += count
        if slot.done == slot.work.n:
            slot.due = slot.ready + self.wafer.completion_cycles

    def _note_endings(self) -> None:
        for slot in self.slots:
            if slot is not None and slot.finished and self.now >= slot.ready:
                slot.reason = State.OVERHEAD

    # -- groups of streams and of asynchronous operations -----------------------------------------

    def _next_group(self, work: Work, done: int) -> int:
        """Elements of the next group."""
        size = work.vector.carry.per_wavelet if work.streams else work.lanes
        return min(size, work.n - done)

    def _lack(self, work: Work) -> State | None:
        """Why a group cannot be done in this cycle."""
        for color in work.inputs:
            if not self.fabric.inputs[color].has_head(self.now):
                return State.WEIGHT_WAIT if color in self.fabric.hosted else State.INPUT_WAIT
        if work.output is not None and not self.fabric.outputs[work.output].has_room(self.now):
            return State.OUTPUT_BLOCKED
        return None

    def _group(self, work: Work, first: int, count: int) -> int:
        """Pops, computes and pushes; returns the cycles that it takes."""
        self.acted = True
        carry = work.vector.carry
        popped: Popped = {c: from_word(self.fabric.inputs[c].pop(self.now), carry) for c in work.inputs}
        values = work.compute(first, count, popped=popped)
        if work.output is not None:
            self.fabric.outputs[work.output].push(self.now, to_word(values, carry))
        size, pause = work.vector.carry.per_wavelet, self.wafer.stream_pause_wavelets
        pauses = bool(work.streams and pause and ceil((first + count) / size) % pause == 0)
        return work.cycles * ceil(count / work.lanes) + pauses

    # -- main thread ------------------------------------------------------------------------------

    def _main_thread(self) -> Beats:
        while True:
            task = self._pick()
            if task is None:
                yield FREE
            else:
                yield from _overhead(self.wafer.task_switch_cycles, State.TASK_SWITCH)
                yield from self._run(self.code[task])

    def _pick(self) -> Task | None:
        for task in sorted(self.code, key=lambda t: t.id):
            if task in self.blocked:
                continue
            if task in self.active:
                self.acted = True
                self.active.discard(task)
                return task
            if task.trigger is not None and self.fabric.inputs[task.trigger].has_head(self.now):
                self.acted = True
                word = self.fabric.inputs[task.trigger].pop(self.now)
                if task.argument is not None:
                    self.registers.bits[task.argument.index] = word
                return task
        return None

    def activate(self, task: Task) -> None:
        if task in self.code:
            self.active.add(task)

    def _run(self, code: list[Instruction]) -> Beats:
        at = 0
        while at < len(code):
            self.acted = True
            instruction = code[at]
            if isinstance(instruction, Control):
                at = yield from self._control(code, at, instruction)
                continue
            if isinstance(instruction, Vector):
                yield from self._vector(instruction)
            elif isinstance(instruction, Scalar):
                self._scalar(instruction)
                yield from _held(getattr(self.wafer, instruction.operation.cost), State.SCALAR)
            elif isinstance(instruction, TaskChange):
                self._change(instruction)
                yield from _held(self.wafer.task_control_cycles, State.SCALAR)
            elif isinstance(instruction, Reroute):
                self.fabric.reroute(instruction.color, instruction.route)
                yield from _held(self.wafer.reroute_cycles, State.SCALAR)
            at += 1
        self.acted = True

    def _change(self, instruction: TaskChange) -> None:
        if instruction.change is Change.ACTIVATE:
            self.activate(instruction.task)
        elif instruction.change is Change.BLOCK:
            self.blocked.add(instruction.task)
        else:
            self.blocked.discard(instruction.task)

    # -- control ----------------------------------------------------------------------------------

    def _control(self, code: list[Instruction], at: int, control: Control) -> Iterator[Beat]:
        """Takes the time of a mark; returns the place of the next instruction."""
        wafer = self.wafer
        if control.mark is Mark.LOOP:
            self.registers.set(control.register, 0)
            if self.registers.whole(control.count) > 0:
                yield from _overhead(wafer.loop_start_cycles)
                return at + 1
            yield from _overhead(wafer.loop_start_cycles + wafer.branch_taken_cycles)
            return _partner(code, at, Mark.END_LOOP) + 1
        if control.mark is Mark.END_LOOP:
            start = _loop_of(code, at)
            counter = int(self.registers.get(control.register)) + 1
            self.registers.set(control.register, counter)
            if counter < self.registers.whole(code[start].count):
                yield from _overhead(wafer.loop_edge_cycles)
                return start + 1
            yield from _overhead(wafer.branch_not_taken_cycles)
            return at + 1
        if control.mark is Mark.WHEN:
            if self.registers.get(control.register) != 0:
                yield from _overhead(wafer.branch_not_taken_cycles)
                return at + 1
            yield from _overhead(wafer.branch_taken_cycles)
            return _partner(code, at, Mark.OTHERWISE, Mark.END_WHEN) + 1
        if control.mark is Mark.OTHERWISE:
            yield from _overhead(wafer.branch_taken_cycles)
            return _partner(code, at, Mark.END_WHEN) + 1
        return at + 1

    # -- scalar instructions ----------------------------------------------------------------------

    def _scalar(self, scalar: Scalar) -> None:
        name = scalar.operation.name
        if name == "store":
            place = Place(scalar.view, self.registers)
            is_float = place.buffer.dtype.is_float
            self.memory.write(place.buffer, place.element(0), self._operand(scalar.a, is_float))
        elif name == "load":
            place = Place(scalar.view, self.registers)
            self.registers.set(scalar.to, self.memory.read(place.buffer, place.element(0)))
        elif name == "clock":
            self.registers.set(scalar.to, self.now % (1 << 31))
        else:
            is_float = scalar.operation.takes == "float"
            if scalar.operation.takes is None:
                is_float = scalar.to.kind == "float"
            a, b = self._operand(scalar.a, is_float), self._operand(scalar.b, is_float)
            self.registers.set(scalar.to, SCALAR[name](a, b))

    def _operand(self, operand: Register | Value | None, is_float: bool) -> Value:
        if isinstance(operand, Register):
            return self.registers.get(operand)
        return rounded(0 if operand is None else operand, f32 if is_float else i32)

    # -- vector operations ------------------------------------------------------------------------

    def _vector(self, vector: Vector) -> Beats:
        if vector.slot is not None:
            yield from self._asynchronous(vector, vector.slot)
            return
        work = self._start(vector)
        is_map = isinstance(vector.b, Each)
        start_cycles = self.wafer.map_start_cycles if is_map else self.wafer.op_start_cycles
        yield from _overhead(self._loads(vector) + start_cycles)
        if is_map:
            for step in range(work.steps):
                yield from self._elements(
                    work, step, self.wafer.map_step_cycles, self.wafer.map_gap_cycles, self._reload(vector)
                )
        elif work.streams:
            yield from self._stream(work)
        else:
            yield from self._elements(work, 0)
        work.advance()

    def _start(self, vector: Vector) -> Work:
        return Work(vector, self.registers, self.memory, self.wafer)

    def _loads(self, vector: Vector) -> int:
        return self.wafer.dsr_load_cycles * len(descriptors(vector))

    def _reload(self, vector: Vector) -> int:
        """Cycles for the descriptors that a step of a map loads."""
        assert isinstance(vector.b, Each)
        return self._loads(replace(vector, b=None)) if vector.b.reload else 0

    def _elements(self, work: Work, step: int, least: int = 0, apart: int = 0, before: int = 0) -> Beats:
        """All elements in memory, in `least` cycles or more, `apart` of them or more for nothing, some before those."""
        states = element_states(work, self.wafer, step)
        yield from _overhead(before + max(apart, least - len(states)))
        for first in range(0, work.n, work.lanes):
            work.compute(first, min(work.lanes, work.n - first), step)
        for state in states:
            yield Beat(Mode.HELD, state)

    def _stream(self, work: Work) -> Beats:
        done = 0
        while done < work.n:
            lack = self._lack(work)
            if lack is not None:
                yield Beat(Mode.WAIT, lack)
                continue
            count = self._next_group(work, done)
            yield from _held(self._group(work, done, count), work.vector.operation.state)
            done += count

    def _asynchronous(self, vector: Vector, index: int) -> Beats:
        while self.slots[index] is not None:
            self.awaited = index
            yield Beat(Mode.WAIT, State.SLOT_WAIT)
        loads = self._loads(vector)
        work = self._start(vector)
        self.acted = True
        slot = Slot(work, vector.then, self.now + loads + self.wafer.op_start_cycles)
        if work.n == 0:
            slot.due = slot.ready + self.wafer.completion_cycles
        self.slots[index] = slot
        yield from _overhead(loads + self.wafer.async_issue_cycles)


def _overhead(cycles: int, state: State = State.OVERHEAD) -> Beats:
    for left in reversed(range(cycles)):
        yield Beat(Mode.OVERHEAD, state, more=left > 0)


def _held(cycles: int, state: State) -> Beats:
    for _ in range(cycles):
        yield Beat(Mode.HELD, state)


def _partner(code: list[Instruction], at: int, *marks: Mark) -> int:
    """Place of the first of some marks after `at`, at the same depth of nesting."""
    depth = 0
    for place in range(at + 1, len(code)):
        mark = getattr(code[place], "mark", None)
        if depth == 0 and mark in marks:
            return place
        depth += {Mark.LOOP: 1, Mark.WHEN: 1, Mark.END_LOOP: -1, Mark.END_WHEN: -1}.get(mark, 0)
    raise AssertionError(f"no {marks} after instruction {at}")


def _loop_of(code: list[Instruction], end: int) -> int:
    """Place of the loop that an end of loop closes."""
    return next(i for i in range(end) if getattr(code[i], "mark", None) is Mark.LOOP
                and _partner(code, i, Mark.END_LOOP) == end)
