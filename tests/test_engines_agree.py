"""The compiled engine does what the naive machine does: every cycle, count and bit."""

from __future__ import annotations

from dataclasses import dataclass
from random import Random
from typing import Any

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from naive.machine import NaiveMachine
from strategies import Case, programs, random_case

from wse_sim.engine import layout
from wse_sim.engine.machine import Machine
from wse_sim.hardware import Direction

MOST_CYCLES = 200_000
bounded = settings(deadline=None, max_examples=60, suppress_health_check=list(HealthCheck))


@dataclass
class Outcome:
    """All that two machines must have in common."""

    cycles: list[int]
    finish: list[list[int]]
    states: list[list[int]]
    pops: dict[tuple[int, int, str, str], int]
    blocked: dict[tuple[int, int, str, str], int]
    memory: dict[str, bytes]


def naive_outcome(case: Case) -> Outcome:
    machine = NaiveMachine(case.program, case.wafer)
    cycles, finish = [], []
    for arguments in case.launches:
        cycles.append(machine.launch(arguments, max_cycles=MOST_CYCLES))
        finish.append(machine.finish)
    return Outcome(cycles, finish, machine.states, machine.pops, machine.blocked, _memory(machine))


def engine_outcome(case: Case, **options: int) -> Outcome:
    machine = Machine(case.program, case.wafer, **options)
    cycles, finish = [], []
    for arguments in case.launches:
        begin = machine.now
        cycles.append(machine.launch(arguments, max_cycles=MOST_CYCLES))
        ends = machine.state.cores.state[:, layout.FINISH] - begin
        finish.append(np.maximum(ends, 0).tolist())  # a PE that was never busy keeps the end of an earlier launch
    pops, blocked = fifo_counts(machine)
    return Outcome(cycles, finish, machine.state.tally.state.tolist(), pops, blocked, _memory(machine))


def fifo_counts(machine: Machine) -> tuple[dict[Any, int], dict[Any, int]]:
    """Pops and blocked cycles by (x, y, colour, port)."""
    fabric, pops, blocked = machine.state.fabric, {}, {}
    for index, record in enumerate(fabric.at.tolist()):
        pe = int(fabric.pool[record + layout.F_OWNER])
        is_queue = index >= fabric.queue[0]
        port = "QUEUE" if is_queue else Direction(int(fabric.pool[record + layout.F_PORT])).name
        width = machine.program.width
        key = (pe % width, pe // width, machine.program.colors[fabric.color[index]].name, port)
        pops[key] = int(fabric.pool[record + layout.F_HEAD]) & 0xFFFFFFFF
        blocked[key] = int(fabric.pool[record + layout.F_BLOCKED])
    return pops, blocked


def _memory(machine: NaiveMachine | Machine) -> dict[str, bytes]:
    """Bytes of every buffer, with one NaN for all."""
    found = {}
    for buffer in machine.program.buffers:
        values = machine.read(buffer.name).copy()
        if buffer.dtype.is_float:
            values[np.isnan(values)] = np.nan
        found[buffer.name] = values.tobytes()
    return found


def assert_same(case: Case, seen: Outcome, expected: Outcome) -> None:
    for part in ("cycles", "finish", "states", "pops", "blocked", "memory"):
        assert getattr(seen, part) == getattr(expected, part), f"{part} differ: {case.note}"


@bounded
@given(programs(phases=3))
def test_engine_is_the_naive_machine(case: Case) -> None:
    assert_same(case, engine_outcome(case), naive_outcome(case))


@pytest.mark.parametrize("seed", range(40))
def test_engine_is_the_naive_machine_on_longer_programs(seed: int) -> None:
    case = random_case(Random(seed), phases=8)
    assert_same(case, engine_outcome(case), naive_outcome(case))


@pytest.mark.parametrize("start", [1, 63, (1 << 20) - 50, (1 << 31) - 50, (1 << 32) - 50, (1 << 33) + 7])
def test_nothing_depends_on_the_cycle_of_the_start(start: int) -> None:
    for seed in range(100, 115):
        case = random_case(Random(seed))
        assert_same(case, engine_outcome(case, start_cycle=start), engine_outcome(case))


def test_nothing_depends_on_threads_or_on_the_run() -> None:
    for seed in range(200, 215):
        case = random_case(Random(seed))
        once = engine_outcome(case)
        assert_same(case, engine_outcome(case), once)
        assert_same(case, engine_outcome(case, threads=2), once)
