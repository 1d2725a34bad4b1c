"""Scripts of the stream engine: what a PE does is written down once for all that do the same, and numbers come last."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import numpy as np
import pytest
from outcomes import Outcome, assert_same, outcome_of, run_engine
from strategies import random_case

import wse_sim.engine.machine as machine_module
import wse_sim.engine.stream.engine as engine_module
from wse_sim import EAST, RAMP, WEST, RunError, UsageError, f32, i32, toy
from wse_sim.engine.machine import Machine
from wse_sim.engine.stream.tables import SCRIPTS
from wse_sim.hardware import Wafer
from wse_sim.program.builder import Builder
from wse_sim.program.fabric import Color
from wse_sim.program.memory import Buffer
from wse_sim.program.program import Program


def both(program: Program, wafer: Wafer, launches: list[dict[str, float]], **written: np.ndarray) -> Machine:
    """The stream engine's machine, after both engines have done the same."""
    found = []
    for engine in ("cycle", "stream"):
        machine = Machine(program, wafer, engine=engine)
        for name, values in written.items():
            machine.write(name, values)
        found.append((outcome_of(machine, launches), machine))
    assert_same(found[1][0], found[0][0])
    return found[1][1]


def scripts_of(machine: Machine) -> int:
    assert machine._streams is not None
    return int(machine._streams._counter[SCRIPTS])


def row(length: int) -> tuple[Builder, Buffer, Color]:
    """A row whose first PE sends to the last, if code says so."""
    build = Builder(length, 1, name="row")
    x, go = build.buffer("x", f32, 8, init=np.arange(8)), build.color("go")
    build.route(go, build.grid[0, :], RAMP >> EAST)
    build.route(go, build.grid[1:-1, :], WEST >> EAST)
    build.route(go, build.grid[-1, :], WEST >> RAMP)
    return build, x, go


def test_pes_that_do_the_same_share_a_script_whatever_control_has_read() -> None:
    """Of 20 PEs each compares the launch's number with one of its own; one does more."""
    build, x, go = row(20)
    wanted = build.argument("wanted", "int")
    own = build.constant("own", i32, np.arange(20)[None, :])
    pe = build.main()
    with pe.when((pe.load(own) - 1).equals(pe.use(wanted) % 18)):
        pe.add(x, x, 1.0)
    pe.on(build.grid[0, :]).mov(go, x)
    pe.on(build.grid[-1, :]).mov(x, go)
    machine = both(build.finish(), toy(20, 1), [{"wanted": 3}, {"wanted": 5}, {"wanted": 23}, {"wanted": 0}])
    assert scripts_of(machine) == 4  # sender, receiver, and of those between the one that is meant and the others


def test_what_the_host_writes_between_launches_counts() -> None:
    build, x, go = row(3)
    times = build.buffer("times", i32, 1)
    pe = build.main()
    with pe.loop(pe.load(times)):
        pe.on(build.grid[0, :]).mov(go, x)
        pe.on(build.grid[-1, :]).mov(x, go)
    program, found = build.finish(), []
    for engine in ("cycle", "stream"):
        machine = Machine(program, toy(3, 1), engine=engine)
        cycles = []
        for n in (1, 4, 1, 0):
            machine.write("times", np.array([n]))
            cycles.append(machine.launch())
        found.append(cycles)
    assert found[0] == found[1]
    assert found[0][1] > found[0][0] > found[0][3]


def decides(kind: str) -> Program:
    """Control that depends on data in some way."""
    build, x, go = row(3)
    pe = build.main()
    pe.on(build.grid[0, :]).mov(go, x)
    last = pe.on(build.grid[-1, :])
    if kind == "branch":
        last.mov(x, go)
        with last.when(last.load(x[:1]) < 1.0):
            last.add(x, x, 1.0)
    elif kind == "loop":
        count = build.buffer("count", i32, 1, init=3)
        last.mov(x, go)
        last.add(count, count, 1)
        with last.loop(last.load(count)):
            last.add(x, x, 1.0)
    elif kind == "length":
        total = last.integer(0)
        last.mov(x, go)
        last.sum(total, build.buffer("counts", i32, 2, init=2))
        last.add(x, x, 1.0, n=total)
    elif kind == "stalls":
        place = build.buffer("place", i32, 1, init=1)
        last.mov(x, go)
        last.add(place, place, 1)
        last.add(x.view(0, 4), x.view(0, 4).at(last.load(place)), x.view(2, 4))
    return build.finish()


@pytest.mark.parametrize("kind", ["branch", "loop", "length", "stalls"])
def test_control_that_depends_on_data_is_left_alone_and_said(kind: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine_module, "LONG_MESSAGE", 0)
    program, wafer = decides(kind), toy(3, 1)
    machine = Machine(program, wafer)
    assert_same(outcome_of(machine, [{}, {}]), run_engine(program, wafer, [{}, {}], engine="cycle"))
    assert machine.shares.engine == "cycle"
    with pytest.raises(RunError, match=r"PE \(2, 0\) has control that depends on data"):
        Machine(program, wafer, engine="stream").launch()


def stores(kind: str) -> Program:
    """Control depends on numbers in memory that the code writes."""
    build, x, go = row(3)
    counts = build.buffer("counts", i32, 4, init=[3, 1, 4, 1])
    at = build.argument("at", "int")
    pe = build.main()
    pe.on(build.grid[0, :]).mov(go, x)
    last = pe.on(build.grid[-1, :])
    last.mov(x, go)
    place = last.use(at)
    if kind == "counted on":  # from launch to launch
        last.store(counts[:1], last.load(counts[:1]) + 1)
    elif kind == "swapped":
        one, other = last.load(counts.at(place, 1)), last.load(counts[2:3])
        last.store(counts.at(place, 1), other)
        last.store(counts[2:3], one)
    elif kind == "in a loop":
        with last.loop(3):
            last.store(counts[:1], last.load(counts[:1]) + last.load(counts.at(place, 1)))
    elif kind == "beside numbers":
        last.add(build.buffer("others", i32, 2, init=1), counts[:2], 1)
        last.store(counts[:1], place)
    elif kind == "over numbers":
        last.add(counts, counts, 1)
        last.store(counts[:1], 2)
    elif kind == "under numbers":
        last.store(counts[:1], 2)
        last.add(counts, counts, 1)
    elif kind == "a number":
        last.store(counts[:1], 2)
        last.add(counts[3:], counts[3:], 1)
        last.store(counts[:1], last.load(counts[3:]))
    elif kind == "where a number says":
        last.add(counts[3:], counts[3:], 1)
        last.store(counts.at(last.load(counts[3:]), 1), 5)
    elif kind == "too many":
        many = build.buffer("many", i32, engine_module.MOST_STORED + 1)
        step = last.integer(0)
        with last.loop(engine_module.MOST_STORED + 1):
            last.store(many.at(step, 1), step)
            step += 1
        last.store(counts[:1], last.load(many.at(step - 1, 1)))
    with last.loop(last.load(counts[:1])):
        last.add(x, x, 1.0)
    return build.finish()


@pytest.mark.parametrize("kind", ["counted on", "swapped", "in a loop", "beside numbers", "over numbers"])
@pytest.mark.parametrize("at", [0, 1])
def test_whole_numbers_that_control_stores_may_decide(kind: str, at: int) -> None:
    machine = both(stores(kind), toy(3, 1), [{"at": at}] * 2)
    assert machine.shares.engine == "stream"


@pytest.mark.parametrize("kind", ["under numbers", "a number", "where a number says", "too many"])
def test_numbers_stored_among_them_may_not(kind: str) -> None:
    with pytest.raises(RunError, match=r"PE \(2, 0\) has control that depends on data"):
        Machine(stores(kind), toy(3, 1), engine="stream").launch({"at": 0})


def test_stores_of_an_earlier_launch_without_numbers_do_not_decide() -> None:
    machine = Machine(stores("over numbers"), toy(3, 1), engine="stream", values=False)
    assert machine.launch({"at": 0}) == machine.launch({"at": 0})
    with pytest.raises(RunError, match="depends on data"):
        Machine(stores("counted on"), toy(3, 1), engine="stream", values=False).launch({"at": 0})


def looks_up(index: int) -> Program:
    """The last PE reads an element where a number says that has been computed, after a message."""
    build, x, go = row(3)
    place = build.buffer("place", i32, 1, init=index)
    found = build.buffer("found", f32, 2)
    pe = build.main()
    pe.on(build.grid[0, :]).mov(go, x)
    last = pe.on(build.grid[-1, :])
    last.mov(x, go)
    last.add(place, place, place)
    last.mov(found, x.view(0, 2).at(last.load(place)))
    last.store(found[:1], last.load(x.view(0, 1).at(last.load(place))))
    return build.finish()


def test_a_place_may_be_a_number_where_no_stall_depends_on_it() -> None:
    assert both(looks_up(3), toy(3, 1), [{}]).shares.engine == "stream"


def test_faults_that_only_numbers_can_tell_are_those_of_the_cycle_engine() -> None:
    said = []
    for engine in ("cycle", "stream"):
        with pytest.raises(RunError, match="outside its buffer at PE") as raised:
            Machine(looks_up(4), toy(3, 1), engine=engine).launch()
        said.append(str(raised.value))
    assert said[0] == said[1]


def test_division_by_a_number_that_is_zero() -> None:
    build, x, go = row(3)
    zero = build.buffer("zero", i32, 1, init=1)
    pe = build.main()
    pe.on(build.grid[0, :]).mov(go, x)
    last = pe.on(build.grid[-1, :])
    last.sub(zero, zero, 1)
    last.mov(x, go)
    last.store(zero, last.integer(7) // last.load(zero))
    program, said = build.finish(), []
    for engine in ("cycle", "stream"):
        with pytest.raises(RunError, match="division by zero") as raised:
            Machine(program, toy(3, 1), engine=engine).launch()
        said.append(str(raised.value))
    assert said[0] == said[1]


def test_scripts_are_dropped_when_there_are_too_many(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engine_module, "MORE_SCRIPTS", -2)
    build, x, go = row(3)
    times = build.argument("times", "int")
    pe = build.main()
    with pe.loop(pe.use(times)):
        pe.on(build.grid[0, :]).mov(go, x)
        pe.on(build.grid[-1, :]).mov(x, go)
    machine = both(build.finish(), toy(3, 1), [{"times": n} for n in (1, 2, 3, 1, 2, 4, 5, 6, 7)])
    assert scripts_of(machine) < 9


# -- without numbers --------------------------------------------------------------------------------------


def timed(case_seed: int, *, engine: str, values: bool) -> Outcome:
    case = random_case(Random(case_seed), phases=8, plain=True)
    machine = Machine(case.program, case.wafer, engine=engine, values=values)
    return replace(outcome_of(machine, case.launches * 2), memory={})


@pytest.mark.parametrize("seed", range(40))
def test_without_numbers_all_cycles_and_counts_are_the_same(seed: int) -> None:
    assert_same(timed(seed, engine="stream", values=False), timed(seed, engine="cycle", values=True))


def test_numbers_that_were_left_out_are_not_read() -> None:
    build, x, _ = row(3)
    build.main().add(x, x, 1.0)
    machine = Machine(build.finish(), toy(3, 1), engine="stream", values=False)
    machine.launch()
    with pytest.raises(UsageError, match="values=False"):
        machine.read(x)


def test_registers_that_were_left_out_do_not_decide() -> None:
    """A register that a message fills decides in the next launch."""
    build, x, go = row(3)
    again = build.argument("again", "int")
    pe = build.main()
    pe.on(build.grid[0, :]).mov(go, x)
    last = pe.on(build.grid[-1, :])
    last.mov(x, go)
    counts = build.buffer("counts", i32, 2, init=2)
    first, second = build.task("first"), build.task("second")
    with last.when(last.use(again).equals(0)):
        last.activate(first)
    with last.when(last.use(again)):
        last.activate(second)
    total = build.on(build.grid[-1, :], first).integer(0)
    build.on(build.grid[-1, :], first).sum(total, counts)
    build.on(build.grid[-1, :], second).add(x, x, 1.0, n=total)
    program, wafer, launches = build.finish(), toy(3, 1), [{"again": 0}, {"again": 1}]
    assert run_engine(program, wafer, launches, engine="cycle").cycles[1] > 0
    machine = Machine(program, toy(3, 1), engine="stream", values=False)
    machine.launch({"again": 0})
    with pytest.raises(RunError, match="depends on data"):
        machine.launch({"again": 1})


def test_pes_that_each_do_something_of_their_own_are_left_alone_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    """But `engine="stream"` runs them; and a second launch does not try again."""
    monkeypatch.setattr(machine_module, "LONG_MESSAGE", 0)
    build = Builder(40, 40)
    own = build.constant("own", i32, np.arange(1600).reshape(40, 40))
    x, pe = build.buffer("x", f32, 4, init=1.0), build.main()
    with pe.loop(pe.load(own)):
        pe.add(x, x, 1.0)
    program, wafer, launches = build.finish(), toy(40, 40), [{}] * 2
    expected = run_engine(program, wafer, launches, engine="cycle")
    assert_same(run_engine(program, wafer, launches, engine="stream"), expected)
    machine = Machine(program, wafer, engine="auto")
    assert_same(outcome_of(machine, launches), expected)
    assert machine._streams is not None
    assert machine._streams._counter[SCRIPTS] < 1100
    left = machine.report().provenance.parts[-1]
    assert left == (
        "left to the cycle engine: 1600 PEs, because PE (0, 0) is among PEs most of which do what no other does, "
        "where the cycle engine is as fast"
    )
