"""Components that are alike are dated once, and only those that are."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from outcomes import assert_same, run_engine

from wse_sim import EAST, RAMP, WEST, Wafer, f32, i32, toy
from wse_sim.engine.machine import Machine
from wse_sim.engine.stream import run
from wse_sim.engine.stream.twins import alike
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective.line import make_line
from wse_sim.program.builder import Builder
from wse_sim.program.program import Program

WORDS, ROWS, COLUMNS = 40, 6, 7


def sums(axis: Axis, width: int = COLUMNS, height: int = ROWS) -> Program:
    """All lines along an axis are summed, each PE's vector its own."""
    build = Builder(width, height)
    x = build.buffer("x", f32, WORDS, init=np.random.default_rng(1).random((height, width, WORDS)))
    make_line(build, build.grid, axis).all_reduce(build.main(), x)
    return build.finish()


def twins(program: Program, wafer: Wafer) -> list[bool]:
    """Which components are shaped like the one before."""
    machine = Machine(program, wafer, engine="stream")
    assert machine._streams is not None
    return machine._streams._parts.twin.astype(bool).tolist()


@pytest.mark.parametrize("axis", Axis)
def test_lines_are_twins_and_run_as_on_the_cycle_engine(axis: Axis) -> None:
    program, wafer = sums(axis), toy(COLUMNS, ROWS)
    lines = ROWS if axis is Axis.X else COLUMNS
    assert twins(program, wafer) == [False] + [True] * (lines - 1)
    launches = [{}] * 3
    assert_same(
        run_engine(program, wafer, launches, engine="stream"), run_engine(program, wafer, launches, engine="cycle")
    )


def test_what_a_twin_does_is_not_dated_again(monkeypatch: pytest.MonkeyPatch) -> None:
    machine = Machine(sums(Axis.X), toy(COLUMNS, ROWS), engine="stream")
    streams = machine._streams
    assert streams is not None
    machine.launch()
    operations = int(streams._counter[run.OPERATIONS])
    assert streams._counter[run.TRACED] == ROWS - 1
    pes = {int(pe) for pe in streams._trace.operation[:operations, 0]}
    assert pes == set(range((ROWS - 1) * COLUMNS, ROWS * COLUMNS))


def test_a_die_between_two_pes_of_a_line_makes_it_another() -> None:
    """All rows have the edge at the same place; of two pairs in a row only one has it."""
    wafer = replace(toy(COLUMNS, ROWS), die_columns=(3,), die_crossing_cycles=9)
    assert twins(sums(Axis.X), wafer) == [False] + [True] * (ROWS - 1)
    program = two_lines()
    assert twins(program, toy(4, 3)) == [False, True]
    crossed = replace(toy(4, 3), die_columns=(3,), die_crossing_cycles=9)
    assert twins(program, crossed) == [False, False]
    assert_same(run_engine(program, crossed, engine="stream"), run_engine(program, crossed, engine="cycle"))


def two_lines() -> Program:
    """Two pairs of PEs side by side, of the same code."""
    build = Builder(4, 1)
    x, go = build.buffer("x", f32, WORDS, init=1.5), build.color("go")
    build.route(go, build.grid[0::2, :], RAMP >> EAST)
    build.route(go, build.grid[1::2, :], WEST >> RAMP)
    pe = build.main()
    pe.on(build.grid[0::2, :]).mov(go, x)
    pe.on(build.grid[1::2, :]).add(x, x, go)
    return build.finish()


def test_other_work_makes_no_twin_of_the_same_shape() -> None:
    """Two pairs of rows do the same at the same time; rows whose count differs, or that do nothing, do not."""
    build = Builder(2, ROWS)
    counts = build.constant("counts", i32, np.array([3, 3, 8, 8, 0, 3])[:, None])
    x, go = build.buffer("x", f32, WORDS, init=2.0), build.color("go")
    build.route(go, build.grid[0, :], RAMP >> EAST)
    build.route(go, build.grid[1, :], WEST >> RAMP)
    pe = build.main()
    n = pe.load(counts)
    pe.on(build.grid[0, :]).mov(go, x.view(0, n))
    pe.on(build.grid[1, :]).add(x.view(0, n), x.view(0, n), go)
    program, wafer = build.finish(), toy(2, ROWS)
    assert twins(program, wafer) == [False] + [True] * (ROWS - 1)
    launches = [{}] * 2
    assert_same(
        run_engine(program, wafer, launches, engine="stream"), run_engine(program, wafer, launches, engine="cycle")
    )


def test_another_turn_of_a_router_makes_no_twin() -> None:
    """In the first launch the first row alone sends, so that its routers' turns are others in the second."""
    build = Builder(5, 2)
    on = build.constant("on", i32, np.array([1, 0])[:, None])
    x, y = build.buffer("x", f32, WORDS, init=1.0), build.buffer("y", f32, WORDS)
    launch = build.argument("launch", "int")
    east, west = build.color("east"), build.color("west")
    build.route(east, build.grid[0, :], RAMP >> EAST)
    build.route(west, build.grid[4, :], RAMP >> WEST)
    build.route(east, build.grid[1, :], WEST >> EAST)
    build.route(west, build.grid[3, :], EAST >> WEST)
    build.route(east, build.grid[2, :], WEST >> RAMP)
    build.route(west, build.grid[2, :], EAST >> RAMP)
    pe = build.main()
    with pe.when(pe.load(on) > pe.use(launch)):
        pe.on(build.grid[0, :]).mov(east, x)
        pe.on(build.grid[2, :]).mov(y, east)
    with pe.when(pe.use(launch) > 0):
        pe.on(build.grid[0, :]).mov(east, x)
        pe.on(build.grid[4, :]).mov(west, x)
        pe.on(build.grid[2, :]).mov(y, east)
        pe.on(build.grid[2, :]).add(y, y, west)
    program, launches = build.finish(), [{"launch": n} for n in (0, 1, 1)]
    assert twins(program, toy(5, 2)) == [False, True]
    found = run_engine(program, toy(5, 2), launches, engine="stream")
    assert_same(found, run_engine(program, toy(5, 2), launches, engine="cycle"))


def test_what_differs_in_one_column_is_not_alike() -> None:
    machine = Machine(sums(Axis.X), toy(COLUMNS, ROWS), engine="stream")
    streams = machine._streams
    assert streams is not None
    code, fabric = streams._scripts.code[machine.state.cores.role], machine.state.fabric
    for name in ("latency", "capacity", "needs", "parent", "child", "children"):
        column = getattr(streams._trees, name).copy()
        column[np.flatnonzero(streams._trees.pe == 2 * COLUMNS)[0]] += 1
        found = alike(streams._parts, streams._trees._replace(**{name: column}), fabric, code)
        assert found.tolist() == [0, 1, 0, 0, 1, 1], name
    code = code.copy()
    code[2 * COLUMNS] += 1
    assert alike(streams._parts, streams._trees, fabric, code).tolist() == [0, 1, 0, 0, 1, 1]
