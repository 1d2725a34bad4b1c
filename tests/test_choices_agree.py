"""Background slots that start tasks: the stream engine picks each core's tasks as the cycle engine does, and when."""

from __future__ import annotations

from collections.abc import Iterator
from random import Random

import numpy as np
import pytest
from agreement import agree_on_all, all_agrees
from outcomes import assert_same, outcome_of, run_engine
from strategies import Case, random_case

import wse_sim.engine.machine as machine_module
from wse_sim import EAST, RAMP, WEST, RunError, f32, toy
from wse_sim.engine.machine import Machine
from wse_sim.engine.stream import cover
from wse_sim.hardware import WSE3, i32
from wse_sim.kernels.published import mesh_gemm, mesh_scores, relay, ring_shift
from wse_sim.mapping.commands.bench import Ready
from wse_sim.program.builder import Builder
from wse_sim.program.instruction import activate, unblock
from wse_sim.program.program import Program


@pytest.fixture(autouse=True, scope="module")
def _short_messages_stream_too() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(machine_module, "LONG_MESSAGE", 0)
        patch.setattr(cover, "TASKS_FROM_SLOTS", True)
        yield


def starting_case(rng: Random, phases: int) -> Case:
    return random_case(rng, phases, plain=True, starts=True)


def test_many_programs_with_slots_that_start_tasks_stream() -> None:
    engines = [all_agrees(starting_case(Random(seed), 1 + seed % 8)) for seed in range(40)]
    assert engines.count("stream") > 30, engines


KERNELS = [
    Ready(relay.make(6, 40), WSE3),
    Ready(ring_shift.make(9, 70, 5), WSE3, ring_shift.ARGUMENTS),
    *(Ready(mesh_gemm.make(mesh_gemm.Tiles(*t)), WSE3, mesh_gemm.ARGUMENTS)
      for t in ((2, 1, 1, 1), (3, 2, 1, 3), (6, 4, 3, 5), (9, 3, 8, 2), (8, 8, 8, 8))),
    *(Ready(mesh_scores.make(mesh_scores.Tiles(*t)), WSE3, mesh_scores.ARGUMENTS)
      for t in ((4, 2, 3, 2), (7, 5, 2, 4))),
]  # fmt: skip


@pytest.mark.parametrize("ready", KERNELS, ids=lambda r: r.program.name)
def test_published_kernels(ready: Ready) -> None:
    agree_on_all(ready)


def wave(n: int) -> Program:
    """A sum in a slot and a message that comes in another: what ends last lets the task read both, and the clock."""
    build = Builder(2, 1, name="wave")
    x, out, times = build.buffer("x", f32, n), build.buffer("out", f32, 2), build.buffer("times", i32, 2)
    go, then = build.color("go"), build.task("then", blocked=True)
    build.route(go, build.grid[0, 0], RAMP >> EAST)
    build.route(go, build.grid[1, 0], WEST >> RAMP)
    pe = build.main()
    total = pe.real(0.5)
    pe.store(times[0], pe.clock())
    pe.vector("sum", total, x, slot=0, then=activate(then))
    pe.on(build.grid[0, 0]).mov(go, x, slot=1, then=unblock(then))
    pe.on(build.grid[1, 0]).mov(x, go, slot=1, then=unblock(then))
    after = build.on(build.grid, then)
    after.store(out[0], after.use(total))
    after.store(times[1], after.clock())
    return build.finish()


@pytest.mark.parametrize("n", [1, 7, 60])
def test_a_slot_writes_a_register_that_the_task_reads(n: int) -> None:
    agree_on_all(Ready(wave(n), toy(2, 1)))


def test_what_slots_start_is_not_forgotten() -> None:
    program, wafer = relay.make(3, 9), toy(4, 1)
    machine = Machine(program, wafer, engine="stream")
    assert machine._streams is not None
    assert_same(outcome_of(machine, [{}]), run_engine(program, wafer, engine="cycle"))
    spoilt = Machine(program, wafer, engine="stream")
    assert spoilt._streams is not None
    spoilt._streams._scripts.chooses[:] = 0
    with pytest.raises(RunError, match="wait for ever"):
        spoilt.launch()


def test_stored_numbers_are_known_in_the_next_task_and_launch() -> None:
    """Two buffers take turns by places in memory, as in MeshGEMM, one launch after the other, without numbers too."""
    build = Builder(1, 1, name="turns")
    x, places = build.buffer("x", f32, 24), build.buffer("places", i32, 2, init=np.array([0, 12]))
    left, then = build.argument("left", "int"), build.task("then")
    main = build.main()
    main.activate(then)
    pe = build.on(build.grid, then)
    with pe.when(pe.use(left) > 0):
        held, spare = pe.load(places[0]), pe.load(places[1])
        pe.add(x.at(spare, 12), x.at(held, 12), 1.0)
        pe.mov(x.at(spare, 12), x.at(held, 12), slot=0, then=activate(then))
        pe.store(places[0], spare)
        pe.store(places[1], held)
        pe.scalar("isub", pe.use(left), 1, to=pe.use(left))
    program, wafer = build.finish(), WSE3.crop(1, 1)
    launches = [{"left": 3}, {"left": 2}]
    expected = run_engine(program, wafer, launches, engine="cycle")
    assert_same(run_engine(program, wafer, launches, engine="stream"), expected)
    timed = Machine(program, wafer, engine="stream", values=False)
    assert outcome_of(timed, launches).cycles == expected.cycles
