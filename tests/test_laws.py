"""What holds for every program: nothing is lost, each cycle counts once, speed does not change results."""

from __future__ import annotations

from collections.abc import Callable
from random import Random

import pytest
from hypothesis import HealthCheck, given, settings
from outcomes import Outcome, run_engine, same_bits
from strategies import Case, programs, random_wafer

from wse_sim.engine.machine import Machine
from wse_sim.hardware import EAST, RAMP, WEST, DType, State, f16, f32, i16, toy
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.instruction import Reroute
from wse_sim.program.memory import View, each

bounded = settings(deadline=None, max_examples=50, suppress_health_check=list(HealthCheck))


def _run(case: Case) -> Outcome:
    return run_engine(case.program, case.wafer, case.launches)


# -- cycles -------------------------------------------------------------------------------------------


@bounded
@given(programs())
def test_every_cycle_of_every_pe_is_in_exactly_one_state(case: Case) -> None:
    seen = _run(case)
    assert [sum(states) for states in seen.states] == [sum(seen.cycles)] * len(seen.states)
    assert all(count >= 0 for states in seen.states for count in states)


@bounded
@given(programs())
def test_a_pe_is_idle_after_its_end_and_the_last_end_is_the_length(case: Case) -> None:
    seen = _run(case)
    assert [max(ends) for ends in seen.finish] == seen.cycles
    for pe, states in enumerate(seen.states):
        after = sum(length - ends[pe] for length, ends in zip(seen.cycles, seen.finish, strict=True))
        assert states[State.IDLE] >= after


@bounded
@given(programs())
def test_sections_share_out_the_same_cycles_wavelets_and_work(case: Case) -> None:
    machine = Machine(case.program, case.wafer)
    for arguments in case.launches:
        machine.launch(arguments)
    report = machine.report()
    sections = report.sections
    assert sections.cycles.sum(axis=0).tolist() == report.states.sum(axis=(0, 1)).tolist()
    assert sections.wavelets.sum() == report.links.injections.sum()
    assert sections.operations.sum() == report.work.operations.sum()
    assert report.broken_laws() == ()


# -- wavelets -----------------------------------------------------------------------------------------


@bounded
@given(programs())
def test_what_routers_send_out_is_what_arrives(case: Case) -> None:
    """Each word taken by a router is put behind each output of its route, and taken there in the end."""
    program, seen = case.program, _run(case)
    rerouted = {p.instruction.color.name for p in program.placed if isinstance(p.instruction, Reroute)}
    sent = {color.name: 0 for color in program.colors}
    arrived = dict(sent)
    for paint in program.routes:
        for x, y in paint.region:
            key = (x, y, paint.color.name, paint.route.input.name)
            sent[paint.color.name] += seen.pops[key] * len(paint.route.outputs)
    for (_, _, color, port), pops in seen.pops.items():
        arrived[color] += pops if port != "RAMP" else 0
    for color in rerouted:
        del sent[color], arrived[color]
    assert sent == arrived


@bounded
@given(programs())
def test_no_word_waits_longer_than_the_run(case: Case) -> None:
    seen = _run(case)
    for key, pops in seen.pops.items():
        assert 0 <= seen.blocked[key] <= sum(seen.cycles)
        assert 0 <= pops <= sum(seen.cycles)  # one a cycle


# -- values -------------------------------------------------------------------------------------------


@settings(bounded, max_examples=25)
@given(programs(timed=False))
def test_results_do_not_depend_on_how_fast_anything_is(case: Case) -> None:
    first = _run(case)
    grid = case.program.grid
    for seed in range(3):
        other = run_engine(case.program, random_wafer(Random(seed), grid.width, grid.height), case.launches)
        assert other.pops == first.pops
        for name, values in first.memory.items():
            assert same_bits(other.memory[name], values), name


# -- work ---------------------------------------------------------------------------------------------

Emit = Callable[[Code, int], None]


def _ones(code: Code, n: int, dtype: DType = f32) -> View:
    return code.builder.buffer("x", dtype, n, on=code.region, init=1)[:]


def _map(code: Code, n: int) -> None:
    code.mac(_ones(code, n), _ones(code, n), each(_ones(code, 4)))


def _loop(code: Code, n: int) -> None:
    with code.loop(5):
        code.mul(_ones(code, n), _ones(code, n), 2.0)


def _add(dtype: DType) -> Emit:
    return lambda code, n: code.add(_ones(code, n, dtype), _ones(code, n, dtype), _ones(code, n, dtype))


def _mac(code: Code, n: int) -> None:
    code.mac(_ones(code, n, f16), _ones(code, n, f16), _ones(code, n, f16))


WORK: dict[str, tuple[Emit, tuple[int, int, int, int], int]] = {
    "move": (lambda code, n: code.mov(_ones(code, n), _ones(code, n)), (1, 0, 4, 4), 0),
    "fill": (lambda code, n: code.mov(_ones(code, n), 0.0), (1, 0, 0, 4), 0),
    "convert": (lambda code, n: code.mov(_ones(code, n, f16), _ones(code, n)), (1, 0, 4, 2), 0),
    "slot": (lambda code, n: code.mov(_ones(code, n), _ones(code, n), slot=0), (1, 0, 4, 4), 0),
    "add": (_add(f32), (1, 1, 8, 4), 0),
    "add i16": (_add(i16), (1, 1, 4, 2), 0),
    "mac": (_mac, (1, 2, 6, 2), 0),
    "dot": (lambda code, n: code.dot(code.real(0.0), _ones(code, n), _ones(code, n)), (1, 2, 8, 0), 0),
    "map": (_map, (4, 8, 4 * 8, 4 * 4), 4 * 4),
    "loop": (_loop, (5, 5, 5 * 4, 5 * 4), 0),
}
"""Programs of n elements: elements, operations, bytes read and written, each per n; bytes read besides."""


@pytest.mark.parametrize("name", WORK)
@pytest.mark.parametrize("n", [1, 7, 64])
def test_work_on_one_pe_is_its_closed_form(name: str, n: int) -> None:
    emit, (elements, operations, read, written), besides = WORK[name]
    b = Builder(1, 1)
    emit(b.main(), n)
    machine = Machine(b.finish(), toy(1, 1))
    machine.launch()
    expected = [n * elements, n * operations, n * read + besides, n * written]
    assert machine.state.tally.work[0].tolist() == expected


@pytest.mark.parametrize("n", [1, 9, 30])
@pytest.mark.parametrize("width", [2, 5])
def test_a_chain_is_its_closed_form(width: int, n: int) -> None:
    """A row of PEs adds up vectors: n words over each link, n additions on each PE but the first."""
    b = Builder(width, 1)
    colors = [b.color("even"), b.color("odd")]
    x, y = b.buffer("x", f32, n, init=1.0), b.buffer("y", f32, n)
    for k in range(width):
        pe, before, after = b.grid[k, :], colors[(k + 1) % 2], colors[k % 2]
        code, last = b.main(pe), k + 1 == width
        if k:
            b.route(before, pe, WEST >> RAMP)
        if not last:
            b.route(after, pe, RAMP >> EAST)
        if k == 0:
            code.mov(after, x)
        else:
            code.add(y if last else after, before, x)
    wafer = toy(width, 1)
    machine = Machine(b.finish(), wafer)
    stage = wafer.ramp_out_cycles + wafer.hop_cycles + wafer.ramp_in_cycles
    start = wafer.task_switch_cycles + 2 * wafer.dsr_load_cycles + wafer.op_start_cycles
    assert machine.launch() == start + (width - 1) * stage + n
    assert machine.read("y")[0, -1].tolist() == [float(width)] * n
    elements, operations, read, written = machine.state.tally.work.sum(axis=0).tolist()
    assert (elements, operations) == (width * n, (width - 1) * n)
    assert (read, written) == (4 * width * n, 4 * n)
    pops = run_engine(machine.program, wafer).pops
    assert sum(count for (*_, port), count in pops.items() if port == "WEST") == (width - 1) * n
