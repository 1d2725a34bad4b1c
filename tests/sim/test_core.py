"""Cores cycle by cycle: each expected number is worked out by hand from the wafer's fields, all of which differ."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import nullcontext

import numpy as np
import pytest
from outcomes import Outcome, Runner, run_engine, run_naive

from wse_sim.hardware import EAST, RAMP, WEST, DType, State, Wafer, f16, f32, i16, i32, toy
from wse_sim.hardware.operations import SCALAR_OPERATIONS
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.instruction import activate, unblock
from wse_sim.program.memory import View, each

BOTH = pytest.mark.parametrize("run", [run_naive, run_engine], ids=["naive", "engine"])

W = toy(4, 1).with_(
    task_switch_cycles=41, dsr_load_cycles=2, op_start_cycles=5, async_issue_cycles=4, map_start_cycles=17,
    map_step_cycles=7, loop_start_cycles=3, loop_edge_cycles=11, branch_taken_cycles=13, branch_not_taken_cycles=8,
    completion_cycles=6, task_control_cycles=9, reroute_cycles=31, scalar_int_cycles=1, scalar_float_cycles=2,
    scalar_memory_cycles=3, clock_cycles=10, scalar_divide_cycles=50, scalar_sqrt_cycles=60, scalar_exp_cycles=61,
    scalar_tanh_cycles=62, scalar_erf_cycles=63, bank_conflict_cycles=0, pending_write_cycles=0,
    stream_pause_wavelets=0, ramp_out_cycles=3, ramp_in_cycles=2, hop_cycles=1, read_bytes_per_cycle=1000,
    write_bytes_per_cycle=1000, rates={"fadds": (2, 1), "faddh": (4, 1), "fmovs": (2, 1), "fmacs": (1, 2)},
)  # fmt: skip
SWITCH, LOAD, START = W.task_switch_cycles, W.dsr_load_cycles, W.op_start_cycles


def alone(run: Runner, wafer: Wafer, emit: Callable[[Builder, Code], None]) -> Outcome:
    """One PE with one task."""
    b = Builder(1, 1)
    code = b.main()
    emit(b, code)
    return run(b.finish(), wafer)


def took(run: Runner, wafer: Wafer, emit: Callable[[Builder, Code], None]) -> int:
    """Cycles besides the task switch."""
    return alone(run, wafer, emit).cycles[0] - wafer.task_switch_cycles


def ones(b: Builder, n: int, dtype: DType = f32, bank_offset: int = 0) -> View:
    return b.buffer("ones", dtype, n, init=1, bank_offset=bank_offset)[:]


# -- tasks and scalar code ----------------------------------------------------------------------------


@BOTH
def test_a_task_is_picked_at_once_and_begins_after_the_switch(run: Runner) -> None:
    seen = alone(run, W, lambda b, code: b.buffer("at", i32, 1) and code.store(b.buffers[0], code.clock()))
    assert seen.value("at") == SWITCH  # the clock as it is when its instruction starts
    assert seen.cycles == [SWITCH + 10 + 3]
    assert (seen.count(State.TASK_SWITCH), seen.count(State.SCALAR)) == (SWITCH, 13)


@BOTH
@pytest.mark.parametrize("name", [n for n, op in SCALAR_OPERATIONS.items() if op.takes and op.gives])
def test_a_scalar_operation_costs_its_field(run: Runner, name: str) -> None:
    operation = SCALAR_OPERATIONS[name]

    def emit(b: Builder, code: Code) -> None:
        operand = code.real(2.0) if operation.takes == "float" else code.integer(2)
        code.scalar(name, operand, *[operand] * (operation.sources - 1))

    assert took(run, W, emit) == W.scalar_int_cycles + getattr(W, operation.cost)


@BOTH
def test_a_task_activated_by_another_is_picked_in_the_cycle_of_its_end(run: Runner) -> None:
    b = Builder(1, 1)
    first, second = b.task("first", start=True), b.task("second")
    b.on(b.grid, first).activate(second)
    code = b.on(b.grid, second)
    code.store(b.buffer("at", i32, 1), code.clock())
    seen = run(b.finish(), W)
    assert seen.value("at") == SWITCH + 9 + SWITCH
    assert seen.count(State.IDLE) == 0


@BOTH
def test_the_lowest_task_that_is_not_blocked_goes_first(run: Runner) -> None:
    b = Builder(1, 1)
    tasks = [b.task(f"task{i}", start=True, blocked=i == 0) for i in range(3)]
    order = b.buffer("order", i32, 3)
    place = b.argument("place", "int")
    for number, task in enumerate(tasks):
        code = b.on(b.grid, task)
        code.store(order.at(place), number)
        code.scalar("iadd", place, 1, to=place)
        if number == 1:
            code.unblock(tasks[0])
    seen = run(b.finish(), W, [{"place": 0}])
    assert seen.memory["order"].ravel().tolist() == [1, 0, 2]
    assert seen.cycles == [3 * (SWITCH + 3 + 1) + 9]


@BOTH
def test_a_wavelet_starts_a_task_in_the_cycle_in_which_it_arrives(run: Runner) -> None:
    b = Builder(2, 1)
    color = b.color("c")
    b.route(color, b.grid[0, :], RAMP >> EAST)
    b.route(color, b.grid[1, :], WEST >> RAMP)
    main = b.task("main", start=b.grid[0, :])
    told = b.task("told", on_wavelet=color, argument="float")
    b.on(b.grid[0, :], main).mov(color, 1.5, n=1, carry=f32)
    code = b.on(b.grid[1, :], told)
    code.store(b.buffer("at", i32, 1, on=b.grid[1, :]), code.clock())
    assert told.argument is not None
    code.store(b.buffer("word", f32, 1, on=b.grid[1, :]), told.argument)
    seen = run(b.finish(), W)
    sent = SWITCH + LOAD + START  # one stream, and a number
    assert seen.value("at") == sent + 3 + 1 + 2 + SWITCH
    assert seen.value("word") == 1.5
    assert seen.count(State.IDLE, 1) == sent + 3 + 1 + 2


# -- loops and branches -------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("count", [0, 1, 2, 5])
@pytest.mark.parametrize("in_register", [False, True])
def test_a_loop_costs_its_start_its_back_edges_and_its_exit(run: Runner, count: int, in_register: bool) -> None:
    def emit(b: Builder, code: Code) -> None:
        times = code.integer(count) if in_register else count
        with code.loop(times):
            code.integer(0)

    body = count * 1
    control = 3 + (13 if count == 0 else (count - 1) * 11 + 8)
    assert took(run, W, emit) == in_register + body + control


@BOTH
def test_the_count_of_a_loop_is_read_again_each_time(run: Runner) -> None:
    def emit(b: Builder, code: Code) -> None:
        times = code.integer(5)
        with code.loop(times) as i:
            code.scalar("isub", times, 1, to=times)
        code.store(b.buffer("rounds", i32, 1), i)

    seen = alone(run, W, emit)
    assert seen.value("rounds") == 3  # after three rounds the count is 2


@BOTH
@pytest.mark.parametrize(("condition", "cycles"), [(1, 8 + 20 + 13), (0, 13 + 30)])
def test_a_branch_costs_what_it_takes(run: Runner, condition: int, cycles: int) -> None:
    def emit(b: Builder, code: Code) -> None:
        with code.when(code.integer(condition)):
            for _ in range(20):
                code.integer(0)
            code.otherwise()
            for _ in range(30):
                code.integer(0)

    assert took(run, W, emit) == 1 + cycles


@BOTH
@pytest.mark.parametrize(("condition", "cycles"), [(1, 8 + 20), (0, 13)])
def test_a_branch_without_another_side(run: Runner, condition: int, cycles: int) -> None:
    def emit(b: Builder, code: Code) -> None:
        with code.when(code.integer(condition)):
            for _ in range(20):
                code.integer(0)

    assert took(run, W, emit) == 1 + cycles


# -- elements in memory -------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(("n", "groups"), [(0, 0), (1, 1), (2, 1), (3, 2), (8, 4)])
def test_elements_go_in_groups_of_lanes(run: Runner, n: int, groups: int) -> None:
    seen = alone(run, W, lambda b, code: code.add(ones(b, n), ones(b, n), ones(b, n)))
    assert seen.cycles == [SWITCH + 3 * LOAD + START + groups]
    assert (seen.count(State.ARITH), seen.count(State.OVERHEAD)) == (groups, 3 * LOAD + START)


@BOTH
def test_an_operation_in_place_loads_one_descriptor_less(run: Runner) -> None:
    def emit(b: Builder, code: Code) -> None:
        x = ones(b, 8)
        code.add(x, x, ones(b, 8))

    assert took(run, W, emit) == 2 * LOAD + START + 4


@BOTH
@pytest.mark.parametrize("move", [{"offset": 1}, {"stride": -1, "offset": 7}, {"inner": 4, "outer_stride": 4}])
def test_the_same_buffer_in_another_way_is_not_in_place(run: Runner, move: dict[str, int]) -> None:
    def emit(b: Builder, code: Code) -> None:
        x = b.buffer("x", f32, 9)
        code.add(x.view(0, 8), x.view(length=8, **move), 1.0)

    assert took(run, W, emit) == 2 * LOAD + START + 4


@BOTH
@pytest.mark.parametrize(("read", "write", "stalls"), [(64, 64, 0), (5, 64, 32 - 10), (64, 6, 14 - 10), (5, 6, 22)])
def test_ports_hold_up_all_elements_together(run: Runner, read: int, write: int, stalls: int) -> None:
    """20 elements in 10 groups read 160 bytes and write 80."""
    wafer = W.with_(read_bytes_per_cycle=read, write_bytes_per_cycle=write)
    seen = alone(run, wafer, lambda b, code: code.add(ones(b, 20), ones(b, 20), ones(b, 20)))
    assert (seen.count(State.ARITH), seen.count(State.PORT_STALL)) == (10, stalls)


@BOTH
def test_a_multiply_add_reads_its_destination_too(run: Runner) -> None:
    """20 elements read 240 bytes; each takes 2 cycles."""
    wafer = W.with_(read_bytes_per_cycle=5)
    seen = alone(run, wafer, lambda b, code: code.mac(ones(b, 20), ones(b, 20), ones(b, 20)))
    assert (seen.count(State.MAC), seen.count(State.PORT_STALL)) == (40, 48 - 40)


@BOTH
@pytest.mark.parametrize(("offset", "clashes"), [(0, 4), (8, 0), (4, 4), (12, 4)])
def test_operands_in_the_same_banks_clash_in_every_group(run: Runner, offset: int, clashes: int) -> None:
    """Groups of 8 bytes, banks of 4 that repeat after 16: only 8 bytes apart they never meet."""
    wafer = W.with_(bank_conflict_cycles=3, read_conflict_modulo=4, bank_interleave_bytes=4, read_port_bytes=8)

    def emit(b: Builder, code: Code) -> None:
        code.add(ones(b, 8), ones(b, 8), ones(b, 8, bank_offset=offset))

    assert alone(run, wafer, emit).count(State.BANK_STALL) == 3 * clashes


@BOTH
@pytest.mark.parametrize(("offset", "clashes"), [(0, 0), (8, 0), (4, 2), (12, 2)])
def test_operands_wider_than_a_port_clash_only_askew(run: Runner, offset: int, clashes: int) -> None:
    wafer = W.with_(bank_conflict_cycles=3, read_port_bytes=8, rates={"fadds": (4, 1)})

    def emit(b: Builder, code: Code) -> None:
        code.add(ones(b, 8), ones(b, 8), ones(b, 8, bank_offset=offset))

    assert alone(run, wafer, emit).count(State.BANK_STALL) == 3 * clashes


@BOTH
def test_banks_are_looked_up_for_each_group(run: Runner) -> None:
    """Single halves in banks of 4 bytes: an element and its second neighbour share a bank every other time."""
    wafer = W.with_(bank_conflict_cycles=3, rates={"fmaxh": (1, 1)})

    def emit(b: Builder, code: Code) -> None:
        x = ones(b, 9, f16)
        code.max(ones(b, 8, f16), x.buffer[0:8], x.buffer[1:9])

    assert alone(run, wafer, emit).count(State.BANK_STALL) == 3 * 4


@BOTH
@pytest.mark.parametrize(("distance", "waits"), [(1, 3), (2, 3), (3, 0), (0, 0)])
def test_a_group_that_reads_what_the_last_one_wrote_waits(run: Runner, distance: int, waits: int) -> None:
    """Four groups of two elements: x[i + distance] = x[i] + 1; read in place, a group meets nothing written."""
    wafer = W.with_(pending_write_cycles=3)

    def emit(b: Builder, code: Code) -> None:
        x = b.buffer("x", f32, 11, init=1.0)
        code.add(x.view(distance, 8), x.view(0, 8), 1.0)

    assert alone(run, wafer, emit).count(State.PENDING_WRITE) == 3 * waits


@BOTH
def test_a_pending_write_covers_all_rows_of_a_group(run: Runner) -> None:
    """A group writes elements 0, 4, 1, 5 in this order: 2, where the next one begins to read, lies among them."""
    wafer = W.with_(pending_write_cycles=3, rates={"fadds": (3, 1)})

    def emit(b: Builder, code: Code) -> None:
        x = b.buffer("x", f32, 12, init=1.0)
        code.add(x.view(0, 6, stride=4, inner=2, outer_stride=1), x.view(0, 6), 1.0)

    assert alone(run, wafer, emit).count(State.PENDING_WRITE) == 3 * 1


# -- maps ---------------------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize(("n", "elements"), [(0, 0), (3, 6), (4, 8), (9, 18)])
def test_a_step_of_a_map_takes_its_elements_or_its_least(run: Runner, n: int, elements: int) -> None:
    def emit(b: Builder, code: Code) -> None:
        code.mac(ones(b, n), ones(b, n), each(ones(b, 5)))

    seen = alone(run, W, emit)
    assert seen.cycles == [SWITCH + 3 * LOAD + 17 + 5 * max(7, elements)]
    assert seen.count(State.MAC) == 5 * elements


@BOTH
def test_a_map_of_no_steps_costs_its_start(run: Runner) -> None:
    assert took(run, W, lambda b, code: code.mac(ones(b, 3), ones(b, 3), each(ones(b, 0)))) == 3 * LOAD + 17


# -- streams ------------------------------------------------------------------------------------------


def pair(run: Runner, wafer: Wafer, give: Callable[[Builder, Code], None], take: Callable[[Builder, Code], None]) -> Outcome:
    """PE 0 gives on colour `c` what PE 1 takes."""
    b = Builder(2, 1)
    color = b.color("c")
    b.route(color, b.grid[0, :], RAMP >> EAST)
    b.route(color, b.grid[1, :], WEST >> RAMP)
    task = b.task("main", start=True)
    give(b, b.on(b.grid[0, :], task))
    take(b, b.on(b.grid[1, :], task))
    return run(b.finish(), wafer)


@BOTH
@pytest.mark.parametrize(("dtype", "n", "words"), [(f32, 5, 5), (f16, 5, 3), (f16, 6, 3), (i16, 1, 1), (f32, 0, 0)])
def test_a_wavelet_holds_32_bits(run: Runner, dtype: DType, n: int, words: int) -> None:
    rates = {name: (4, 1) for name in ("fmovs", "fmovh", "mov16")}
    colors = []

    def give(b: Builder, code: Code) -> None:
        colors.append(code.builder.finish().colors[0])
        code.mov(colors[0], b.buffer("x", dtype, n, on=code.region, init=np.arange(n)))

    seen = pair(run, W.with_(rates=rates), give, lambda b, code: code.mov(b.buffer("y", dtype, n, on=code.region), colors[0]))
    assert seen.memory["y"].ravel().tolist() == list(range(n))
    assert seen.pops[1, 0, "c", "QUEUE"] == words
    assert seen.end(0) == SWITCH + 2 * LOAD + START + words
