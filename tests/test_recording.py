"""A recording says what the naive machine did, cycle by cycle."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass, field
from random import Random
from typing import Any

import naive.core
import pytest
from hypothesis import HealthCheck, given, settings
from naive.core import Core
from naive.fifo import Fifo
from naive.machine import NaiveMachine
from outcomes import MOST_CYCLES
from strategies import Case, programs, random_case

from wse_sim.engine.machine import Machine
from wse_sim.errors import RunError, UsageError
from wse_sim.hardware import EAST, RAMP, WEST, Region, State, f32, toy
from wse_sim.hardware.geometry import Grid
from wse_sim.hardware.states import BUSY
from wse_sim.program.builder import Builder
from wse_sim.program.instruction import Vector
from wse_sim.report.trace import Recording, Trace
from wse_sim.report.trace.events import PORTS

bounded = settings(deadline=None, max_examples=40, suppress_health_check=list(HealthCheck))

Stay = tuple[int, int, int, int]
"""Cycle of the push, cycle from which it is visible, cycle of the pop, word."""


@dataclass
class Diary:
    """What the naive machine did: the state of each PE in each cycle, and each word's stay in each queue."""

    cycles: int
    states: dict[tuple[int, int], dict[int, State]]
    stays: dict[tuple[int, int, str, str], list[Stay]] = field(default_factory=dict)


def keep_diary(case: Case, monkeypatch: pytest.MonkeyPatch) -> Diary:
    """Runs the naive machine and watches its cores and queues."""
    states: dict[int, dict[int, State]] = defaultdict(dict)
    pushed: dict[int, list[tuple[int, int, int]]] = defaultdict(list)
    stays: dict[int, list[Stay]] = defaultdict(list)
    watched_state, push, pop, in_memory = Core._state, Fifo.push, Fifo.pop, naive.core.element_states

    def note_state(self: Core, *given: Any) -> State:
        states[id(self)][self.now] = watched_state(self, *given)
        return states[id(self)][self.now]

    def note_push(self: Fifo, now: int, word: int) -> None:
        push(self, now, word)
        pushed[id(self)].append((now, now + self.latency, word))

    def note_pop(self: Fifo, now: int) -> int:
        word = pop(self, now)
        entered, visible, same = pushed[id(self)].pop(0)
        assert same == word
        stays[id(self)].append((entered, visible, now, word))
        return word

    with monkeypatch.context() as patch:
        patch.setattr(Core, "_state", note_state)
        patch.setattr(Fifo, "push", note_push)
        patch.setattr(Fifo, "pop", note_pop)
        # a recording puts what an operation in memory loses after its work
        order = {State.PORT_STALL: 1, State.BANK_STALL: 2, State.PENDING_WRITE: 3}
        patch.setattr(naive.core, "element_states", lambda *a: sorted(in_memory(*a), key=lambda s: order.get(s, 0)))
        machine = NaiveMachine(case.program, case.wafer)
        for arguments in case.launches:
            for name, (values, times) in case.streams.items():
                machine.stream(name, values, times=times)
            machine.launch(arguments, max_cycles=MOST_CYCLES)
    return Diary(
        cycles=machine.now,
        states={pe: states[id(core)] for pe, core in machine.cores.items()},
        stays={key: stays[id(fifo)] for key, fifo in machine.fifos.items()},
    )


def record(case: Case, trace: Trace, **options: int) -> Recording:
    machine = Machine(case.program, case.wafer, trace=trace, **options)
    for arguments in case.launches:
        for name, (values, times) in case.streams.items():
            machine.stream(name, values, times=times)
        machine.launch(arguments, max_cycles=MOST_CYCLES)
    return machine.recording()


def states_of(recording: Recording) -> dict[tuple[int, int], list[State]]:
    """The state of each recorded PE in each recorded cycle."""
    found = {pe: [State.IDLE] * recording.cycles for pe in recording.region}
    slices = recording.slices
    for pe, state, start, end in zip(
        slices.pe.tolist(), slices.state.tolist(), slices.start.tolist(), slices.end.tolist(), strict=True
    ):
        for cycle in range(start - recording.first, end - recording.first):
            assert found[recording.xy(pe)][cycle] is State.IDLE, "two slices in a cycle"
            found[recording.xy(pe)][cycle] = State(state)
    return found


def stays_of(recording: Recording) -> dict[tuple[int, int, str, str], list[Stay]]:
    found: dict[tuple[int, int, str, str], list[Stay]] = defaultdict(list)
    s = recording.stays
    for i in range(len(s)):
        key = (*recording.xy(int(s.pe[i])), recording.colors[s.color[i]], PORTS[s.port[i]])
        found[key].append((int(s.entered[i]), int(s.visible[i]), int(s.left[i]), int(s.word[i])))
    return found


def assert_agrees(recording: Recording, diary: Diary, note: str) -> None:
    """States, and stays that end in the window or last beyond it."""
    first, end = recording.first, recording.end
    for pe, states in states_of(recording).items():
        seen = [diary.states[pe].get(cycle, State.IDLE) for cycle in range(first, end)]
        assert states == seen, f"PE {pe}: {note}"
    found = stays_of(recording)
    for (x, y, color, port), stays in diary.stays.items():
        expected = [s for s in stays if first <= s[2] < end]
        expected += [(a, b, -1, word) for a, b, left, word in stays if a < end <= left]
        if (x, y) in recording.region:
            assert found.pop((x, y, color, port), []) == expected, f"{x, y, color, port}: {note}"
    assert not found


@bounded
@given(programs(phases=3))
def test_a_recording_is_what_the_naive_machine_did(case: Case) -> None:
    with pytest.MonkeyPatch.context() as patch:
        diary = keep_diary(case, patch)
    recording = record(case, Trace())
    assert (recording.first, recording.end, recording.full) == (0, diary.cycles, False)
    assert_agrees(recording, diary, case.note)


@pytest.mark.parametrize("seed", range(25))
def test_a_window_of_a_region_is_part_of_the_whole(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    rng = Random(seed)
    case = random_case(rng, phases=6)
    diary = keep_diary(case, monkeypatch)
    first = rng.randrange(diary.cycles + 1)
    last = first + rng.randint(1, max(diary.cycles, 1))
    region = random_region(rng, case.program.grid)
    recording = record(case, Trace(window=(first, last), region=region))
    assert (recording.first, recording.end) == (first, max(min(last, diary.cycles), first))
    assert_agrees(recording, diary, case.note)


def random_region(rng: Random, grid: Region) -> Region:
    xs = sorted(rng.choices(range(grid.width + 1), k=2))
    ys = sorted(rng.choices(range(grid.height + 1), k=2))
    region = grid[xs[0] : xs[1] : rng.randint(1, 2), ys[0] : ys[1]]
    return region or grid


@pytest.mark.parametrize("events", [1, 40, 150, 600])
def test_a_full_recording_is_right_up_to_its_end(events: int, monkeypatch: pytest.MonkeyPatch) -> None:
    early = 0
    for seed in range(300, 312):
        case = random_case(Random(seed), phases=6)
        diary = keep_diary(case, monkeypatch)
        recording = record(case, Trace(events=events))
        assert recording.full == (recording.end < diary.cycles)
        early += recording.full
        assert_agrees(recording, diary, case.note)
        moved = (recording.stays.left >= 0).sum()
        assert max(moved, len(recording.spans)) <= max(events, len(case.program.grid) * case.program.slots)
    assert early


def test_a_recording_changes_nothing() -> None:
    for seed in range(400, 410):
        case = random_case(Random(seed), phases=6)
        plain = Machine(case.program, case.wafer, engine="cycle")
        traced = Machine(case.program, case.wafer, trace=Trace(window=(5, 70)))
        for arguments in case.launches:
            assert plain.launch(arguments) == traced.launch(arguments)
        assert plain.report() == traced.report()


@pytest.mark.parametrize("start", [3, (1 << 31) - 40, (1 << 32) - 40])
def test_cycles_count_from_the_start_of_the_machine(start: int) -> None:
    for seed in range(420, 425):
        case = random_case(Random(seed), phases=5)
        trace = Trace(window=(10, 400))
        assert record(case, trace, start_cycle=start) == record(case, trace)
        assert record(case, trace, threads=2) == record(case, trace)


def test_background_operations_last_from_issue_to_completion(monkeypatch: pytest.MonkeyPatch) -> None:
    """Against the slots of the naive machine."""
    seen_any = 0
    for seed in range(440, 452):
        case = random_case(Random(seed), phases=6)
        expected = background_operations(case, monkeypatch)
        recording = record(case, Trace())
        spans = recording.spans
        columns = [column.tolist() for column in (spans.pe, spans.slot, spans.start, spans.instruction)]
        found = [(pe, slot, start, recording.code[i].text) for pe, slot, start, i in zip(*columns, strict=True)]
        assert sorted(found) == sorted(expected), case.note
        assert (spans.end > spans.start).all()
        seen_any += len(found)
    assert seen_any > 50


def background_operations(case: Case, monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, int, int, str]]:
    """PE, slot, cycle of the issue, instruction."""
    started: list[tuple[int, int, int, str]] = []
    issue = Core._asynchronous
    pe_of: dict[int, int] = {}

    def note(self: Core, vector: Any, index: int) -> Any:
        while self.slots[index] is not None:
            yield naive.core.Beat(naive.core.Mode.WAIT, State.SLOT_WAIT)
        started.append((pe_of[id(self)], index, self.now, repr(vector)))
        yield from issue(self, vector, index)

    with monkeypatch.context() as patch:
        patch.setattr(Core, "_asynchronous", note)
        machine = NaiveMachine(case.program, case.wafer)
        pe_of.update({id(core): y * case.program.width + x for (x, y), core in machine.cores.items()})
        for arguments in case.launches:
            machine.launch(arguments, max_cycles=MOST_CYCLES)
    return started


def test_slices_name_their_instructions() -> None:
    """An instruction of the PE's own code, and one that can be in the state."""
    for seed in range(460, 470):
        case = random_case(Random(seed), phases=6)
        recording = record(case, Trace())
        slices = recording.slices
        sections = case.program.sections
        placed_by_name = {(p.task.name, sections[p.section], repr(p.instruction)): p for p in case.program.placed}
        for pe, state, row in zip(slices.pe.tolist(), slices.state.tolist(), slices.instruction.tolist(), strict=True):
            line = recording.code[row]
            placed = placed_by_name[line.task, line.section, line.text]
            regions = [p.region for p in case.program.placed if repr(p.instruction) == line.text]
            assert any(recording.xy(pe) in region for region in regions)
            if isinstance(placed.instruction, Vector) and state in BUSY:
                assert placed.instruction.operation.state is State(state)
            if state == State.INPUT_WAIT:
                assert line.receives is not None
            if state == State.OUTPUT_BLOCKED:
                assert line.sends is not None


# -- requests -----------------------------------------------------------------------------------------


def sender_without_receiver() -> Machine:
    """PE 0 sends more than the queues hold, PE 1 takes one wavelet only."""
    build = Builder(2, 1, name="stuck")
    red, x, grid = build.color("red"), build.buffer("x", f32, 40), build.grid
    build.route(red, grid[0, 0], RAMP >> EAST)
    build.route(red, grid[1, 0], WEST >> RAMP)
    build.main(grid[0, 0]).mov(red, x)
    build.main(grid[1, 0]).mov(x[:1], red)
    return Machine(build.finish(), toy(2, 1), trace=Trace())


def test_a_deadlock_can_be_looked_at() -> None:
    machine = sender_without_receiver()
    with pytest.raises(RunError, match="deadlock"):
        machine.launch()
    recording = machine.recording()
    assert states_of(recording)[0, 0][-1] is State.OUTPUT_BLOCKED
    stuck = (recording.stays.left < 0) & (recording.stays.port != RAMP)
    assert stuck.sum() == sum(machine.report().links.held)
    assert recording.end == machine.now


def test_wrong_requests_say_what_was_expected() -> None:
    machine = sender_without_receiver()
    with pytest.raises(UsageError, match=r"trace window \(0\.5, 2\): expected a first cycle of 0 or more"):
        Trace(window=(0.5, 2))
    with pytest.raises(UsageError, match=r"trace window \(0,\): expected a first cycle of 0 or more"):
        Trace(window=(0,))
    with pytest.raises(UsageError, match=r"trace window \(5, 5\): expected a first cycle of 0 or more, and a later"):
        Trace(window=(5, 5))
    with pytest.raises(UsageError, match="the region of a trace is empty"):
        Trace(region=machine.program.grid[1:1, :])
    with pytest.raises(UsageError, match="events is 0: expected 1 or more"):
        Trace(events=0)
    outside = Trace(region=Grid(3, 1))
    with pytest.raises(UsageError, match=r"\[0:3, 0\] reaches outside the 2 x 1 PEs of 'stuck'"):
        Machine(machine.program, machine.wafer, trace=outside)
    with pytest.raises(UsageError, match=r"nothing was recorded of 'stuck': expected a trace"):
        Machine(machine.program, machine.wafer).recording()


def test_room_is_said_beforehand() -> None:
    machine = sender_without_receiver()
    limits = Trace(window=(0, 10), region=machine.program.grid[0, 0]).limits(machine.program)
    assert (limits.pes, limits.moves, limits.slices, limits.spans) == (1, 130, 80, 0)
    assert limits.memory_bytes == 130 * 32 + 80 * 32 + 512
    text = Trace().limits(machine.program).describe()
    assert text.startswith("2 PEs; at most 1,048,576 moves of wavelets, 1,048,576 slices and 0 background")


def test_a_trace_of_cycles_that_never_come_is_empty() -> None:
    machine = Machine(sender_without_receiver().program, toy(2, 1), trace=Trace(window=(10_000, 10_100)))
    with pytest.raises(RunError):
        machine.launch()
    recording = machine.recording()
    assert (recording.first, recording.end) == (10_000, 10_000)
    assert len(recording.stays) == len(recording.slices) == len(recording.spans) == 0


@pytest.mark.parametrize("seed", range(600, 625))
def test_words_from_the_host_and_filters_are_recorded_too(seed: int, monkeypatch: pytest.MonkeyPatch) -> None:
    case = random_case(Random(seed), phases=5, host=True)
    diary = keep_diary(case, monkeypatch)
    assert_agrees(record(case, Trace()), diary, case.note)
