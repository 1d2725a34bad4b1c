"""Counters of a machine become a report: closed forms, conservation, snapshots, runs that broke off."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from itertools import pairwise
from random import Random

import numpy as np
import pytest
from naive.machine import NaiveMachine
from strategies import random_case

import wse_sim
from wse_sim.engine.machine import Machine
from wse_sim.errors import RunError
from wse_sim.hardware import EAST, NORTH, RAMP, SOUTH, WEST, WSE2, WSE3, Direction, Region, State, Wafer, f16, f32, toy
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import each
from wse_sim.program.program import Program
from wse_sim.report.parts import UNKNOWN
from wse_sim.report.report import Report

# -- programs -------------------------------------------------------------------------------------------------


def broadcast(pes: int, n: int, rows: int = 1) -> Program:
    """The first PE of each row sends n elements to all others of the row."""
    build = Builder(pes, rows, name="broadcast")
    red, grid = build.color("red"), build.grid
    x, y = build.buffer("x", f32, n, on=grid[0, :], init=1.0), build.buffer("y", f32, n, on=grid[1:, :])
    build.route(red, grid[0, :], RAMP >> EAST)
    build.route(red, grid[1:-1, :], WEST >> (RAMP | EAST))
    build.route(red, grid[-1, :], WEST >> RAMP)
    with build.section("send"):
        build.main(grid[0, :]).mov(red, x)
    with build.section("receive"):
        build.main(grid[1:, :]).mov(y, red)
    return build.finish()


def gemv(m: int, n: int) -> Program:
    """y += A x on one PE, a map over the columns of A; y's banks are off A's if m is 1 or a multiple of 4."""
    build = Builder(1, 1, name="gemv")
    a, x = build.buffer("A", f32, m * n, init=0.5), build.buffer("x", f32, n, init=2.0)
    y = build.buffer("y", f32, m, bank_offset=8)
    with build.section("product"):
        build.main().mac(y, a.view(0, m).stepping(m), each(x))
    return build.finish()


def sides() -> Program:
    """One PE in the middle sends a different number of wavelets to each side."""
    build = Builder(3, 3)
    grid, middle = build.grid, build.grid[1, 1]
    pe, x = code(build, middle), build.buffer("x", f32, 4)
    there = {EAST: grid[2, 1], NORTH: grid[1, 0], WEST: grid[0, 1], SOUTH: grid[1, 2]}
    for n, (side, receiver) in enumerate(there.items(), start=1):
        color = build.color(side.name)
        build.route(color, middle, RAMP >> side)
        build.route(color, receiver, side.opposite >> RAMP)
        pe.mov(color, x[:n])
        code(build, receiver).mov(x[:n], color)
    return build.finish()


def slow_receiver() -> Program:
    """The last PE takes an element in 60 cycles; queues fill up, then the routers."""
    build = Builder(3, 1)
    red, grid = build.color("red"), build.grid
    x = build.buffer("x", f32, 40)
    build.route(red, grid[0, :], RAMP >> EAST)
    build.route(red, grid[1, :], WEST >> EAST)
    build.route(red, grid[2, :], WEST >> RAMP)
    code(build, grid[0, :]).mov(red, x)
    code(build, grid[2, :]).vector("exp", x, red)
    return build.finish()


def turning() -> Program:
    """The middle PE sends 5 wavelets east, turns its route, then sends 8 west and east at once."""
    build = Builder(3, 1)
    red, grid = build.color("red"), build.grid
    x = build.buffer("x", f32, 8)
    build.route(red, grid[1, :], RAMP >> EAST)
    build.route(red, grid[0, :], EAST >> RAMP)
    build.route(red, grid[2, :], WEST >> RAMP)
    pe = build.main(grid[1, :])
    pe.mov(red, x[:5])
    with pe.loop(4):
        pe.integer(1)
    pe.reroute(red, RAMP >> (EAST | WEST))
    pe.mov(red, x[:8])
    build.main(grid[0, :]).mov(x[:8], red)
    end = build.main(grid[2, :])
    end.mov(x[:5], red)
    end.mov(x[:8], red)
    return build.finish()


def slots() -> Program:
    """Background operations, a loop and a branch beside them, then a wait for the slot."""
    build = Builder(4, 3)
    red, grid = build.color("red"), build.grid
    x, y = build.buffer("x", f32, 300, init=1.0), build.buffer("y", f32, 300)
    build.route(red, grid[0, :], RAMP >> EAST)
    build.route(red, grid[1:-1, :], WEST >> (RAMP | EAST))
    build.route(red, grid[-1, :], WEST >> RAMP)
    pe = build.main()
    pe.on(grid[0, :]).mov(red, x, slot=0)
    pe.on(grid[1:, :]).mov(y, red, slot=1)
    with build.section("count"), pe.loop(5) as i, pe.when(i < 3):
        pe.scalar("iadd", i, 1)
    pe.on(grid[1:, :]).mov(x, y, slot=1)
    return build.finish()


def code(build: Builder, region: Region) -> Code:
    """Code of a task that starts on a part of the grid."""
    return build.on(region, build.task(f"on {region!r}", start=region))


def run(program: Program, wafer: Wafer | None = None, launches: int = 1) -> Report:
    machine = Machine(program, wafer or toy(program.width, program.height))
    for _ in range(launches):
        machine.launch()
    return machine.report()


# -- closed forms ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wafer", [WSE2, WSE3], ids=["WSE-2", "WSE-3"])
@pytest.mark.parametrize(("pes", "n"), [(2, 1), (6, 20), (9, 3)])
def test_a_broadcast_counts_what_it_must(wafer: Wafer, pes: int, n: int) -> None:
    report = run(broadcast(pes, n, rows=2), wafer.crop(pes, 2))
    start = wafer.task_switch_cycles + 2 * wafer.dsr_load_cycles + wafer.op_start_cycles
    way = wafer.ramp_out_cycles + (pes - 1) * wafer.hop_cycles + wafer.ramp_in_cycles
    pauses = (n - 1) // wafer.stream_pause_wavelets if wafer.stream_pause_wavelets else 0
    assert report.cycles == start + way + n + pauses
    assert report.broken_laws() == ()
    for x in range(pes):
        waited = 0 if x == 0 else wafer.ramp_out_cycles + x * wafer.hop_cycles + wafer.ramp_in_cycles
        assert report.states[1, x, State.INPUT_WAIT] == waited
        assert report.states[1, x, State.MOVE] == n + pauses
    east = np.zeros((2, pes, 4), np.int64)
    east[:, :-1, EAST] = n
    assert np.array_equal(report.links.wavelets, east)
    assert report.links.injected.tolist() == [[n] + [0] * (pes - 1)] * 2
    assert report.links.delivered.tolist() == [[0] + [n] * (pes - 1)] * 2
    totals = report.to_frame("color").iloc[0].to_dict()
    assert totals == {
        "color": "red", "injected": 2 * n, "hops": 2 * n * (pes - 1), "copies": 2 * n * (pes - 2),
        "delivered": 2 * n * (pes - 1), "held": 0, "hosted": 0, "dropped": 0,
    }  # fmt: skip
    assert report.sram.read.tolist() == [[4 * n] + [0] * (pes - 1)] * 2
    assert report.sram.written.tolist() == [[0] + [4 * n] * (pes - 1)] * 2
    assert dict(report.work.by_operation) == {"mov": 2 * n * pes}
    assert report.work.operations.sum() == 0


@pytest.mark.parametrize(("m", "n"), [(1, 1), (32, 24), (8, 50)])
def test_a_gemv_counts_what_it_must(m: int, n: int) -> None:
    report = run(gemv(m, n))
    issue = 3 * WSE2.dsr_load_cycles + WSE2.map_start_cycles
    assert report.cycles == WSE2.task_switch_cycles + issue + n * max(WSE2.map_step_cycles, 2 * m)
    assert report.totals[State.MAC] == 2 * m * n
    assert report.totals[State.OVERHEAD] == issue + n * max(0, WSE2.map_step_cycles - 2 * m)
    assert report.totals[State.TASK_SWITCH] == WSE2.task_switch_cycles
    assert sum(report.memory_stalls.values()) == 0
    assert int(report.work.operations.sum()) == 2 * m * n
    assert dict(report.work.by_operation) == {"mac": m * n}
    assert int(report.sram.read.sum()) == 8 * m * n + 4 * n
    assert int(report.sram.written.sum()) == 4 * m * n
    assert report.links.colors == ()
    assert report.broken_laws() == ()


# -- links ----------------------------------------------------------------------------------------------------


def test_a_link_belongs_to_the_pe_it_leaves() -> None:
    report = run(sides())
    expected = np.zeros((3, 3, 4), np.int64)
    expected[1, 1] = [1, 2, 3, 4]
    assert np.array_equal(report.links.wavelets, expected)
    assert report.links.hops.tolist() == [1, 2, 3, 4]
    assert report.links.delivered.tolist() == [[0, 2, 0], [3, 0, 1], [0, 4, 0]]
    assert report.broken_laws() == ()


def test_backpressure_is_counted_on_the_link_behind_which_it_waits() -> None:
    report = run(slow_receiver())
    blocked = report.links.blocked
    assert blocked[0, 1, EAST] > blocked[0, 0, EAST] > 1000
    assert blocked.sum() == blocked[0, :2, EAST].sum()
    assert report.states[0, 0, State.OUTPUT_BLOCKED] > 900
    assert report.busiest_links(1)[0].blocked == blocked[0, 0, EAST]


def test_two_f16_share_a_wavelet() -> None:
    build = Builder(2, 1)
    red, grid, x = build.color("red"), build.grid, build.buffer("x", f16, 9)
    build.route(red, grid[0, :], RAMP >> EAST)
    build.route(red, grid[1, :], WEST >> RAMP)
    build.main(grid[0, :]).mov(red, x)
    build.main(grid[1, :]).add(x, red, x)
    report = run(build.finish())
    assert report.links.hops.tolist() == [5]
    assert report.work.narrow == ("add", "mov")


def test_conservation_where_routes_change() -> None:
    report = run(turning())
    assert (report.links.injections.tolist(), report.links.copies.tolist()) == ([13], [8])
    assert report.links.delivered.tolist() == [[8, 0, 13]]
    assert report.broken_laws() == ()


# -- against the machine in plain Python -----------------------------------------------------------------------


def assert_as_naive(program: Program, wafer: Wafer, launches: Sequence[Mapping[str, float]]) -> None:
    """The grids hold what the naive machine counts; reports of the launches add up to that of all."""
    machine, naive = Machine(program, wafer), NaiveMachine(program, wafer)
    snapshots = [machine.report()]
    for arguments in launches:
        assert machine.launch(arguments) == naive.launch(arguments)
        snapshots.append(machine.report())
    report, links = snapshots[-1], snapshots[-1].links
    assert report.broken_laws() == ()
    assert report.states.reshape(-1, len(State)).tolist() == naive.states
    expected = {n: np.zeros_like(getattr(links, n)) for n in ("wavelets", "blocked", "injected", "delivered")}
    for (x, y, color, port), pops in naive.pops.items():
        if port == "QUEUE":
            expected["delivered"][y, x] += pops
        elif port == "RAMP":
            expected["injected"][y, x] += pops
        elif pops:
            side = Direction[port]
            expected["wavelets"][y + side.dy, x + side.dx, side.opposite] += pops
            expected["blocked"][y + side.dy, x + side.dx, side.opposite] += naive.blocked[x, y, color, port]
    for name, grid in expected.items():
        assert np.array_equal(getattr(links, name), grid), name
    steps = [later - earlier for earlier, later in pairwise(snapshots)]
    assert sum(step.cycles for step in steps) == report.cycles
    assert all(step.broken_laws() == () for step in steps)
    assert np.array_equal(sum(step.states for step in steps), report.states)
    assert Report.from_json(report.to_json()) == report
    assert report.tiled(2).broken_laws() == ()
    assert report.explain().count("\n") == 2
    assert report.describe()


@pytest.mark.parametrize(
    "make", [sides, slow_receiver, turning, slots, lambda: broadcast(5, 30, 2), lambda: gemv(6, 5)]
)
def test_a_report_is_what_the_naive_machine_counts(make: Callable[[], Program]) -> None:
    program = make()
    launches = 1 if make is turning else 2  # its route stays turned
    assert_as_naive(program, toy(program.width, program.height), [{}] * launches)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(40))
def test_a_report_of_a_random_program_is_what_the_naive_machine_counts(seed: int) -> None:
    case = random_case(Random(5000 + seed))
    assert_as_naive(case.program, case.wafer, case.launches)


# -- states and sections --------------------------------------------------------------------------------------


def test_states_sum_to_the_cycles_on_every_pe_with_slots_and_branches() -> None:
    report = run(slots())
    assert np.all(report.states.sum(axis=-1) == report.cycles)
    assert report.broken_laws() == ()
    assert report.totals[State.SLOT_WAIT] > 0


def test_sections_know_their_cycles_their_span_and_their_pes() -> None:
    report = run(broadcast(4, 10))
    assert report.sections.names == ("program", "send", "receive")
    switch = WSE2.task_switch_cycles
    assert report.sections.first.tolist() == [UNKNOWN, switch, switch]
    assert report.sections.last.tolist() == [UNKNOWN, switch + 5 + 10, report.cycles]
    assert report.sections.boxes.tolist() == [[UNKNOWN] * 4, [0, 0, 0, 0], [1, 0, 3, 0]]
    assert int(report.sections.cycles.sum()) == 4 * report.cycles


def test_times_count_from_the_start_of_the_machine() -> None:
    program = broadcast(4, 10)
    late = Machine(program, toy(4, 1), start_cycle=1_000_000)
    late.launch()
    assert late.report() == run(program)


# -- memory, host, provenance -----------------------------------------------------------------------------------


def test_peak_memory_counts_room_once_and_tells_who_shares_it() -> None:
    build = Builder(3, 1)
    whole = build.buffer("whole", f32, 10)
    early = build.buffer("early", f32, 25, on=build.grid[:2, :])
    build.release(early)
    late = build.buffer("late", f16, 6, on=build.grid[1:, :])
    report = run(build.finish())
    ends = [early.end, max(early.end, late.end), late.end]
    assert report.sram.peak.tolist() == [ends]
    assert report.sram.limit == WSE2.user_sram_bytes
    uses = {use.name: use for use in report.sram.buffers}
    assert uses["early"].shares_with == ("late",)
    assert uses["late"].shares_with == ("early",)
    assert uses["whole"].shares_with == ()
    assert (uses["late"].nbytes, uses["late"].pes, uses["whole"].address) == (12, 2, whole.address)


def test_host_copies_are_counted_and_timed() -> None:
    program = gemv(8, 4)
    machine = Machine(program, toy(1, 1))
    machine.write("x", np.ones(4))
    machine.read("y")
    report = machine.report()
    assert (report.work.host_bytes_in, report.work.host_bytes_out) == (16, 32)
    assert report.host_cycles == (1, 1), "16 channels carry 64 bytes per cycle, less than the link"
    narrow = Machine(program, toy(1, 1).with_(host_bytes_per_second=850_000_000))
    narrow.write("x", np.ones(4))
    assert narrow.report().host_cycles == (16, 0), "a byte per cycle"


def test_provenance_names_what_the_run_leaned_on() -> None:
    report = run(broadcast(3, 5))
    made = report.provenance
    assert (made.engine, made.version, made.threads, made.seed) == ("cycle", wse_sim.__version__, 1, None)
    assert made.parts == ("cycle: 3 PEs",)
    assert made.program_hash == broadcast(3, 5).hash
    assert made.libraries["numpy"] == np.__version__
    assert {"hop_cycles", "ramp_out_cycles", "router_buffer", "dsr_load_cycles", "rates"} <= set(made.used)
    assert not {"map_step_cycles", "loop_edge_cycles", "scalar_exp_cycles", "host_channels"} & set(made.used)
    assert report.assumed == ("router_buffer",)
    assert report.overrides["width"] == "3, a corner of the 750 x 994 WSE-2"
    assert set(report.overrides) == {"width", "height"}


def test_every_issue_cost_an_instruction_pays_is_leaned_on() -> None:
    build = Builder(1, 1)
    x, other = build.buffer("x", f32, 4), build.task("other")
    pe = build.main()
    with pe.loop(2) as i:
        pe.mac(x, x, each(x))
        pe.vector("tanh", x, x)
        pe.scalar("fsqrt", pe.to_float(i))
    pe.mov(x, 1.0, slot=0)
    pe.activate(other)
    build.on(build.grid, other).integer(1)
    used = set(run(build.finish()).provenance.used)
    assert used >= {
        "loop_start_cycles", "loop_edge_cycles", "branch_taken_cycles", "map_start_cycles", "map_step_cycles",
        "scalar_tanh_cycles", "scalar_sqrt_cycles", "scalar_float_cycles", "op_start_cycles", "async_issue_cycles",
        "completion_cycles", "task_control_cycles", "task_switch_cycles", "bank_conflict_cycles", "registers",
    }  # fmt: skip
    assert not used & {"scalar_exp_cycles", "scalar_erf_cycles", "reroute_cycles", "hop_cycles"}


# -- snapshots --------------------------------------------------------------------------------------------------


def test_a_report_is_a_snapshot() -> None:
    machine = Machine(broadcast(4, 10), toy(4, 1))
    before = machine.report()
    machine.launch()
    first = machine.report()
    machine.launch()
    assert (before.cycles, before.totals[State.MOVE], before.links.hops.tolist()) == (0, 0, [0])
    assert first == run(broadcast(4, 10))
    assert machine.report().launches == first.launches * 2


def test_the_difference_of_two_reports_is_what_happened_between() -> None:
    machine = Machine(broadcast(4, 10), toy(4, 1))
    machine.launch()
    first = machine.report()
    machine.read("y")
    machine.launch()
    second = machine.report() - first
    assert second.launches == first.launches
    assert second.cycles == first.cycles
    assert np.array_equal(second.states, first.states)
    assert second.links == first.links
    assert second.sram == first.sram
    assert second.work.by_operation == first.work.by_operation
    assert second.work.host_bytes_out == 3 * 40
    assert second.broken_laws() == ()
    assert second.sections.last.tolist() == first.sections.last.tolist()
    assert second.sections.first.tolist() == [UNKNOWN] * 3, "only the first time ever is noted"


# -- runs that broke off ------------------------------------------------------------------------------------------


def test_a_deadlock_leaves_a_report_with_what_is_held() -> None:
    build = Builder(2, 1)
    red, grid, x = build.color("red"), build.grid, build.buffer("x", f32, 50)
    build.route(red, grid[0, :], RAMP >> EAST)
    build.route(red, grid[1, :], WEST >> RAMP)
    code(build, grid[0, :]).mov(red, x)
    code(build, grid[1, :]).mov(x[:5], red)
    machine = Machine(build.finish(), toy(2, 1))
    with pytest.raises(RunError, match="deadlock"):
        machine.launch()
    report = machine.report()
    assert report.broken_laws() == ()
    assert report.links.deliveries.tolist() == [5]
    assert 5 < report.links.held.tolist()[0] + 5 == report.links.injections.tolist()[0] < 50
    assert report.launches == ()


def test_a_run_past_its_limit_leaves_a_report_that_adds_up() -> None:
    build = Builder(2, 1)
    x = build.buffer("x", f32, 64, init=1.0)
    pe = code(build, build.grid[0, :])
    with pe.loop(100_000):
        pe.vector("exp", x, x)
    machine = Machine(build.finish(), toy(2, 1))
    with pytest.raises(RunError, match="still runs after 5000 cycles"):
        machine.launch(max_cycles=5000)
    report = machine.report()
    assert report.cycles >= 5000
    assert report.broken_laws() == ()


# -- size and threads -----------------------------------------------------------------------------------------------


@pytest.mark.slow
def test_strips_add_up_to_the_same_report() -> None:
    program = broadcast(40, 20, rows=40)
    machine = Machine(program, toy(40, 40), threads=2)
    machine.launch()
    alone, together = run(program), machine.report()
    assert together.provenance.threads == 2
    assert np.array_equal(alone.states, together.states)
    assert (alone.sections, alone.links, alone.sram, alone.work) == (
        together.sections, together.links, together.sram, together.work)  # fmt: skip


@pytest.mark.slow
def test_a_full_wafer_is_gathered_in_seconds() -> None:
    machine = Machine(broadcast(750, 8, rows=994), WSE2)
    machine.launch()
    begin = time.perf_counter()
    report = machine.report()
    assert time.perf_counter() - begin < 5
    assert report.broken_laws() == ()
    assert len(report.to_json()) < 1_000_000
