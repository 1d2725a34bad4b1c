"""The stream engine does what the cycle engine does: every cycle, count and bit; or it leaves the work."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from random import Random

import numpy as np
import pytest
from agreement import agree_on_all, all_agrees, all_that_is_counted
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from outcomes import Outcome, assert_same, outcome_of, run_engine
from strategies import Case, random_case

import wse_sim.engine.machine as machine_module
from wse_sim import EAST, RAMP, WEST, RunError, f32, toy
from wse_sim.engine import layout
from wse_sim.engine.machine import Machine
from wse_sim.engine.stream import engine as engine_module
from wse_sim.engine.stream.tables import Trace
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective.line import make_line
from wse_sim.kernels.collective.ring_all_reduce import make_ring_all_reduce
from wse_sim.kernels.collective.shift import make_shift
from wse_sim.kernels.contract import Kernel, all_kernels
from wse_sim.mapping.commands import bench
from wse_sim.mapping.commands.bench import Ready
from wse_sim.program.builder import Builder
from wse_sim.program.program import Program
from wse_sim.report.breakdown import phase_of

bounded = settings(deadline=None, max_examples=30, suppress_health_check=list(HealthCheck))


@pytest.fixture(autouse=True, scope="module")
def _short_messages_stream_too() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine_module, "LONG_MESSAGE", 0)
        yield


def plain_cases(phases: int = 4) -> st.SearchStrategy[Case]:
    return st.builds(lambda rng: random_case(rng, phases, plain=True), st.randoms(use_true_random=False))


def both_agree(case: Case, *, engine: str) -> None:
    expected = run_engine(case.program, case.wafer, case.launches, engine="cycle")
    assert_same(run_engine(case.program, case.wafer, case.launches, engine=engine), expected, case.note)


@bounded
@given(plain_cases())
def test_plain_programs_stream_as_they_run(case: Case) -> None:
    both_agree(case, engine="stream")


@pytest.mark.parametrize("seed", range(12))
def test_longer_plain_programs_stream_as_they_run(seed: int) -> None:
    grid = (13, 7) if seed % 6 == 0 else None
    both_agree(random_case(Random(seed), phases=12, plain=True, grid=grid), engine="stream")


@pytest.mark.parametrize("seed", range(25))
def test_any_program_is_shared_between_the_engines(seed: int) -> None:
    both_agree(random_case(Random(seed), phases=6), engine="auto")


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(1_000_000, 1_003_000))
def test_thousands_of_plain_programs(seed: int) -> None:
    both_agree(random_case(Random(seed), phases=3 + seed % 10, plain=True), engine="stream")


@pytest.mark.parametrize("slots", [False, True])
def test_a_trace_that_is_full_again_and_again_loses_nothing(monkeypatch: pytest.MonkeyPatch, slots: bool) -> None:
    make = engine_module._new_trace

    def short(draft: int, pes: int, nodes: int) -> Trace:
        trace = make(draft, pes, nodes)
        return trace._replace(step=trace.step[: 3 * draft + 16].copy())

    def a_little_longer(old: np.ndarray) -> np.ndarray:
        return np.concatenate([old, np.empty((16 + len(old) // 8, *old.shape[1:]), old.dtype)])

    monkeypatch.setattr(engine_module, "DRAFT", 64)
    monkeypatch.setattr(engine_module, "_new_trace", short)
    monkeypatch.setattr(engine_module, "_longer", a_little_longer)
    for seed in range(20):
        assert all_agrees(random_case(Random(seed), 1 + seed % 8, plain=True, slots=slots)) == "stream"


# -- background slots -------------------------------------------------------------------------------------


def slotted_cases(phases: int = 6) -> st.SearchStrategy[Case]:
    return st.builds(lambda rng: random_case(rng, phases, plain=True, slots=True), st.randoms(use_true_random=False))


@bounded
@given(slotted_cases())
def test_programs_with_background_slots(case: Case) -> None:
    all_agrees(case)


def test_many_programs_with_background_slots_stream() -> None:
    engines = [all_agrees(random_case(Random(seed), phases=6, plain=True, slots=True)) for seed in range(40)]
    assert engines.count("stream") > 8, engines


def test_a_slot_that_ran_on_into_what_was_dated_too_early() -> None:
    """Its last group took a cycle that the main thread's next instruction, still at its old date, seemed to leave."""
    assert all_agrees(random_case(Random(99), 10, plain=True, slots=True)) == "stream"


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2_000_000, 2_003_000))
def test_thousands_of_programs_with_background_slots(seed: int) -> None:
    all_agrees(random_case(Random(seed), phases=1 + seed % 10, plain=True, slots=True))


def exchange(width: int, words: int, *, ring: bool) -> Program:
    build = Builder(width, 2, name="exchange")
    shift = make_shift(build, build.grid, Axis.X, ring=ring)
    shift.emit(build.main(), build.buffer("x", f32, words), build.buffer("to", f32, words))
    return build.finish()


def ring_of_sums(width: int, words: int) -> Program:
    build = Builder(width, 3, name="ring")
    make_ring_all_reduce(build, build.grid, Axis.X).emit(build.main(), build.buffer("x", f32, words))
    return build.finish()


@pytest.mark.parametrize("program", [
    exchange(9, 70, ring=False), exchange(2, 70, ring=True), exchange(9, 70, ring=True), exchange(40, 33, ring=True),
    ring_of_sums(2, 9), ring_of_sums(5, 53), ring_of_sums(16, 200),
])  # fmt: skip
def test_a_pe_sends_in_a_slot_while_it_receives(program: Program) -> None:
    agree_on_all(Ready(program, toy(program.width, program.height)))


def test_threads_that_receive_on_a_colour_at_once_are_left() -> None:
    build = Builder(2, 1, name="tangle")
    x, go = build.buffer("x", f32, 16, init=np.arange(16)), build.color("go")
    build.route(go, build.grid[0, 0], RAMP >> EAST)
    build.route(go, build.grid[1, 0], WEST >> RAMP)
    sends, takes = build.main(build.grid[0, 0]), build.main(build.grid[1, 0])
    sends.mov(go, x[:8])
    sends.mov(go, x[8:])
    takes.mov(x[:8], go, slot=0)
    takes.mov(x[8:], go)
    program, wafer = build.finish(), toy(2, 1)
    machine = Machine(program, wafer)
    assert_same(outcome_of(machine, [{}]), run_engine(program, wafer, engine="cycle"))
    assert machine.shares.engine == "cycle"
    with pytest.raises(RunError, match=r"receive on a colour in several threads at once"):
        Machine(program, wafer, engine="stream").launch()


@pytest.mark.parametrize("kernel", all_kernels(), ids=lambda k: k.name)
def test_kernels(kernel: Kernel) -> None:
    rng = Random(kernel.name)
    wafer = toy(64, 64)
    for seed in range(3):
        shape = {name: rng.randint(*ends) for name, ends in kernel.sizes.items()}
        while not kernel.legal(shape):
            shape = {name: rng.randint(*ends) for name, ends in kernel.sizes.items()}
        example = kernel.example(wafer, rng.choice(kernel.dtypes), shape, seed)
        found = []
        for engine in ("cycle", "auto"):
            machine = Machine(example.program, wafer, engine=engine)
            for name, values in example.inputs.items():
                machine.write(name, values)
            for name, values in example.streams.items():
                machine.stream(name, values)
            found.append((outcome_of(machine, [example.arguments]), all_that_is_counted(machine)))
        assert_same(found[1][0], found[0][0], f"{kernel.name} {shape}")
        for name, counts in found[0][1].items():
            np.testing.assert_array_equal(found[1][1][name], counts, err_msg=f"{name} of {kernel.name} {shape}")


@pytest.mark.parametrize(("words", "engine"), [(63, "cycle"), (64, "stream")])
def test_short_messages_run_cycle_by_cycle(words: int, engine: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_module, "LONG_MESSAGE", 64)
    machine = Machine(two_rows_meet(3, words), toy(3, 1))
    machine.launch()
    assert machine.report().provenance.engine == engine


# -- launches and parts -----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(10))
def test_engines_take_turns_from_launch_to_launch(seed: int) -> None:
    case = random_case(Random(seed), phases=8, plain=True)
    launches = case.launches * 4
    expected = run_engine(case.program, case.wafer, launches, engine="cycle")
    machine = Machine(case.program, case.wafer)
    streams, turn = machine._streams, Random(seed)

    def before() -> None:
        machine._streams = turn.choice((streams, None))

    assert_same(outcome_of(machine, launches, before), expected, case.note)


def two_parts() -> Program:
    """A row that streams, and one on whose last PE wavelets start a task."""
    build = Builder(3, 2, name="two parts")
    x, go, more = build.buffer("x", f32, 9), build.color("go"), build.color("more")
    then = build.task("then", on_wavelet=more)
    build.route(go, build.grid[0, :], RAMP >> EAST)
    build.route(go, build.grid[1, :], WEST >> (RAMP | EAST))
    build.route(go, build.grid[2, :], WEST >> RAMP)
    pe = build.main()
    pe.on(build.grid[0, :]).mov(go, x)
    pe.on(build.grid[1:, 0]).mov(x, go)
    pe.on(build.grid[1:, 1]).mov(x, go)
    build.route(more, build.grid[1, 1], RAMP >> EAST)
    build.route(more, build.grid[2, 1], WEST >> RAMP)
    pe.on(build.grid[1, 1]).mov(more, x[:1])
    build.on(build.grid[2, 1], then).add(x, x, 1.0)
    return build.finish()


def test_a_part_that_is_not_covered_is_left_alone_and_said() -> None:
    program, wafer = two_parts(), toy(3, 2)
    machine = Machine(program, wafer)
    assert_same(outcome_of(machine, [{}]), run_engine(program, wafer, engine="cycle"))
    made = machine.report().provenance
    assert made.engine == "stream+cycle"
    assert made.parts == (
        "stream: 3 PEs",
        "cycle: 3 PEs",
        "left to the cycle engine: 3 PEs, because PE (2, 1) has tasks that wavelets start",
    )
    with pytest.raises(RunError, match=r"cannot run 3 PEs, because PE \(2, 1\) has tasks that wavelets start"):
        Machine(program, wafer, engine="stream").launch()


def test_messages_that_are_taken_in_other_pieces_are_left_with_all_as_it_was() -> None:
    build = Builder(2, 1, name="pieces")
    x, go = build.buffer("x", f32, 8, init=np.arange(8)), build.color("go")
    build.route(go, build.grid[0, 0], RAMP >> EAST)
    build.route(go, build.grid[1, 0], WEST >> RAMP)
    pe = build.main()
    pe.add(x, x, 1.0)
    pe.on(build.grid[0, 0]).mov(go, x)
    pe.on(build.grid[1, 0]).mov(x[:4], go)
    pe.on(build.grid[1, 0]).mov(x[4:], go)
    program, wafer = build.finish(), toy(2, 1)
    machine = Machine(program, wafer)
    assert_same(outcome_of(machine, [{}, {}]), run_engine(program, wafer, [{}, {}], engine="cycle"))
    assert machine.shares.engine == "cycle"
    with pytest.raises(RunError, match=r"takes more or fewer wavelets .*mov"):
        Machine(program, wafer, engine="stream").launch()


def test_errors_are_those_of_the_cycle_engine() -> None:
    build = Builder(2, 1, name="nobody reads")
    x, go = build.buffer("x", f32, 40), build.color("go")
    build.route(go, build.grid[0, 0], RAMP >> EAST)
    build.route(go, build.grid[1, 0], WEST >> RAMP)
    pe = build.main()
    pe.on(build.grid[0, 0]).mov(go, x)
    reader = pe.on(build.grid[1, 0])
    with reader.when(reader.integer(0)):
        reader.mov(x, go)
    program, wafer = build.finish(), toy(2, 1)
    said = []
    for engine in ("cycle", "auto"):
        with pytest.raises(RunError, match="waits for room on colour go") as raised:
            Machine(program, wafer, engine=engine).launch()
        said.append(str(raised.value))
    assert said[0] == said[1]
    long = two_rows_meet(5, 300)
    for engine in ("cycle", "auto"):
        with pytest.raises(RunError, match="still runs after 100 cycles"):
            Machine(long, toy(5, 1), engine=engine).launch(max_cycles=100)


# -- what the certificate rests on ------------------------------------------------------------------------


def two_rows_meet(length: int, words: int) -> Program:
    """Two chains of the same length meet at a root, where their first words want the ramp in the same cycle."""
    build = Builder(length, 1, name="meeting")
    line = make_line(build, build.grid, Axis.X, groups=())
    line.reduce(build.main(), build.buffer("x", f32, words))
    return build.finish()


def streamed(program: Program, spoil: str | None = None) -> Outcome:
    """Streams a program, perhaps with a part of the certificate spoilt."""
    machine = Machine(program, toy(program.width, program.height), engine="stream")
    assert machine._streams is not None
    trees = machine._streams._trees
    if spoil == "ports":
        trees.needs[:] &= ~64
    elif spoil == "room":
        trees.capacity[:] += 100
    elif spoil == "latency":
        trees.latency[:] += 1
    return outcome_of(machine, [{}])


@pytest.mark.parametrize("spoil", [None, "ports", "room", "latency"])
def test_the_certificate_rests_on_ports_room_and_latency(spoil: str | None) -> None:
    program = two_rows_meet(7, 40)
    expected = run_engine(program, toy(7, 1), engine="cycle")
    assert sum(expected.blocked.values()) > 0
    seen = streamed(program, spoil)
    if spoil is None:
        assert_same(seen, expected)
    else:
        with pytest.raises(AssertionError):
            assert_same(seen, expected)


def test_turns_of_routers_are_kept() -> None:
    program = two_rows_meet(7, 40)
    machines = [Machine(program, toy(7, 1), engine=engine) for engine in ("cycle", "stream")]
    for machine in machines:
        machine.launch()
    one, other = (machine.state for machine in machines)
    np.testing.assert_array_equal(one.fabric.turn, other.fabric.turn)
    np.testing.assert_array_equal(one.tally.section, other.tally.section)
    np.testing.assert_array_equal(one.tally.span, other.tally.span)
    np.testing.assert_array_equal(one.cores.state[:, layout.FINISH], other.cores.state[:, layout.FINISH])


@pytest.mark.parametrize("seed", range(30))
def test_phases_are_measured_alike(seed: int) -> None:
    """Every phase of a random program, PE by PE and queue by queue, launch after launch."""
    case = random_case(Random(seed), phases=5, plain=True)
    phases = tuple(dict.fromkeys(phase_of(name) for name in case.program.sections))
    found = []
    for engine in ("cycle", "stream"):
        machine = Machine(case.program, case.wafer, engine=engine, phases=phases)
        for arguments in case.launches:
            machine.launch(arguments)
            found.append((
                [machine.phase_counts(phase).tolist() for phase in phases],
                machine.state.tally.passed_words.tolist(),
                [machine.is_even(phase) for phase in phases],
            ))  # fmt: skip
    half = len(found) // 2
    assert found[:half] == found[half:]
    state = machine.state.tally.state
    np.testing.assert_array_equal(np.sum(found[-1][0], axis=0)[:, : state.shape[1]], state)


# -- large grids ------------------------------------------------------------------------------------------


def all_reduce(side: int) -> Program:
    build = Builder(side, side, name="large")
    x, pe = build.buffer("x", f32, 24), build.main()
    for axis in Axis:
        make_line(build, build.grid, axis, name=axis.value).all_reduce(pe, x)
    return build.finish()


@pytest.mark.slow
@pytest.mark.parametrize("side", [128, 512])
@pytest.mark.parametrize("make", [all_reduce, bench.broadcast, bench.chain, bench.gemv], ids=lambda make: make.__name__)
def test_large_programs(make: Callable[[int], Program], side: int) -> None:
    agree_on_all(Ready(make(side), toy(side, side)))


@pytest.mark.slow
@pytest.mark.parametrize("side", [40, 98])
def test_decode_layers(side: int) -> None:
    agree_on_all(bench.decode_layer("cerebras-gpt-111m", side))
