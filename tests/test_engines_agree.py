"""The compiled engine does what the naive machine does: every cycle, count and bit."""

from __future__ import annotations

from dataclasses import replace
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from outcomes import assert_same, run_engine, run_naive
from strategies import Case, programs, random_case

from wse_sim import f32, toy
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective.line import make_line
from wse_sim.program.builder import Builder

bounded = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))


def _both_agree(case: Case) -> None:
    expected = run_naive(case.program, case.wafer, case.launches, case.streams)
    assert_same(run_engine(case.program, case.wafer, case.launches, case.streams), expected, case.note)


@bounded
@given(programs(phases=3))
def test_engine_is_the_naive_machine(case: Case) -> None:
    _both_agree(case)


@pytest.mark.parametrize("seed", range(60))
def test_engine_is_the_naive_machine_on_longer_programs(seed: int) -> None:
    _both_agree(random_case(Random(seed), phases=7))


@pytest.mark.parametrize("seed", range(5))
def test_engine_is_the_naive_machine_on_more_pes_than_it_visits_together(seed: int) -> None:
    _both_agree(random_case(Random(seed), phases=12, grid=(13, 7)))


@pytest.mark.parametrize("seed", range(80))
def test_engine_is_the_naive_machine_with_words_from_the_host(seed: int) -> None:
    _both_agree(random_case(Random(seed), phases=5, host=True))


@pytest.mark.parametrize("seed", range(300, 310))
def test_words_from_the_host_do_not_depend_on_threads_or_the_start(seed: int) -> None:
    case = random_case(Random(seed), phases=8, host=True, grid=(24, 8) if seed % 2 else None)
    once = run_engine(case.program, case.wafer, case.launches, case.streams)
    assert_same(run_engine(case.program, case.wafer, case.launches, case.streams, threads=2), once, case.note)
    moved = run_engine(case.program, case.wafer, case.launches, case.streams, start_cycle=(1 << 32) - 50)
    assert_same(moved, once, case.note)


@pytest.mark.parametrize("start", [1, 63, (1 << 20) - 50, (1 << 31) - 50, (1 << 32) - 50, (1 << 33) + 7])
def test_nothing_depends_on_the_cycle_of_the_start(start: int) -> None:
    for seed in range(100, 125):
        case = random_case(Random(seed))
        once = run_engine(case.program, case.wafer, case.launches)
        moved = run_engine(case.program, case.wafer, case.launches, start_cycle=start)
        assert_same(moved, once, case.note)


def test_nothing_depends_on_threads_or_on_the_run() -> None:
    for seed in range(200, 225):
        case = random_case(Random(seed), phases=12, grid=(24, 8) if seed % 2 else None)
        once = run_engine(case.program, case.wafer, case.launches)
        assert_same(run_engine(case.program, case.wafer, case.launches), once, case.note)
        assert_same(run_engine(case.program, case.wafer, case.launches, threads=2), once, case.note)


def test_a_slot_that_ends_amid_a_group_of_the_main_thread() -> None:
    """Its last group delays the main thread's, whose cycles left are the main thread's again."""
    _both_agree(random_case(Random(21643), phases=6, host=True))


def test_dies_of_a_program_on_its_side() -> None:
    """Its columns are the wafer's rows: both machines take the cycles that they take upright on dies turned over."""
    build = Builder(6, 3)
    x = build.buffer("x", f32, 4, init=1.5)
    make_line(build, build.grid, Axis.X).all_reduce(build.main(), x)
    program = build.finish()
    upright = replace(toy(6, 3), die_columns=(2, 5), die_rows=(1,), die_crossing_cycles=9)
    on_its_side = replace(toy(3, 6), die_columns=(1,), die_rows=(2, 5), die_crossing_cycles=9)
    expected = run_engine(program, upright)
    assert expected.cycles[0] > run_engine(program, toy(6, 3)).cycles[0]
    for found in (run_engine(program, on_its_side), run_naive(program, on_its_side)):
        assert_same(found, expected)
