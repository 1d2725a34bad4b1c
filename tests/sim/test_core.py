"""Cores, cycle by cycle: each expected number is worked out by hand from the wafer's fields, all unlike."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial

import numpy as np
import pytest
from outcomes import Outcome, Runner, run_engine, run_naive

from wse_sim.hardware import EAST, RAMP, WEST, DType, State, Wafer, f16, f32, i16, i32, toy, u32
from wse_sim.hardware.operations import SCALAR_OPERATIONS
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.fabric import Color
from wse_sim.program.instruction import Completion, HighPriority, activate, unblock
from wse_sim.program.memory import View, each

BOTH = pytest.mark.parametrize("run", [run_naive, run_engine], ids=["naive", "engine"])

W = toy(4, 1).with_(
    task_switch_cycles=41, dsr_load_cycles=2, op_start_cycles=5, async_issue_cycles=4, map_start_cycles=17,
    map_step_cycles=7, loop_start_cycles=3, loop_edge_cycles=11, branch_taken_cycles=13,
    branch_not_taken_cycles=8, completion_cycles=6, task_control_cycles=9, reroute_cycles=31,
    scalar_int_cycles=1, scalar_float_cycles=2, scalar_memory_cycles=3, clock_cycles=10,
    scalar_divide_cycles=50, scalar_sqrt_cycles=60, scalar_exp_cycles=61, scalar_tanh_cycles=62,
    scalar_erf_cycles=63, bank_conflict_cycles=0, pending_write_cycles=0, stream_pause_wavelets=0,
    ramp_out_cycles=3, ramp_in_cycles=2, hop_cycles=1, read_bytes_per_cycle=1000, write_bytes_per_cycle=1000,
    rates={"fadds": (2, 1), "faddh": (4, 1), "fmovs": (2, 1), "fmacs": (1, 2)},
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
    return b.buffer("ones", dtype, max(1, n), init=1, bank_offset=bank_offset).view(0, n)


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
def test_a_loop_costs_its_start_its_edges_and_its_exit(run: Runner, count: int, in_register: bool) -> None:
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
        times, rounds = code.integer(5), code.integer(0)
        with code.loop(times):
            code.scalar("isub", times, 1, to=times)
            code.scalar("iadd", rounds, 1, to=rounds)
        code.store(b.buffer("rounds", i32, 1), rounds)

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
@pytest.mark.parametrize("way", [{"offset": 1}, {"stride": -1, "offset": 7}, {"inner": 4, "outer_stride": 4}])
def test_the_same_buffer_in_another_way_is_not_in_place(run: Runner, way: dict[str, int]) -> None:
    def emit(b: Builder, code: Code) -> None:
        x = b.buffer("x", f32, 9)
        code.add(x.view(0, 8), x.view(length=8, **way), 1.0)

    assert took(run, W, emit) == 2 * LOAD + START + 4


@BOTH
@pytest.mark.parametrize(("read", "write", "stalls"), [(64, 64, 0), (5, 64, 22), (64, 6, 4), (5, 6, 22)])
def test_ports_hold_up_all_elements_together(run: Runner, read: int, write: int, stalls: int) -> None:
    """20 elements in 10 groups read 160 bytes and write 80: at 5 and 6 bytes a cycle 32 and 14 cycles."""
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
    banks = {"read_conflict_modulo": 4, "bank_interleave_bytes": 4, "read_port_bytes": 8}
    wafer = W.with_(bank_conflict_cycles=3, **banks)

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
    """Single halves in banks of 4 bytes: an element and the next share a bank every other time."""
    wafer = W.with_(bank_conflict_cycles=3, rates={"fmaxh": (1, 1)})

    def emit(b: Builder, code: Code) -> None:
        x = ones(b, 9, f16)
        code.max(ones(b, 8, f16), x.buffer[0:8], x.buffer[1:9])

    assert alone(run, wafer, emit).count(State.BANK_STALL) == 3 * 4


@BOTH
@pytest.mark.parametrize(("distance", "waits"), [(1, 3), (2, 3), (3, 0), (0, 0)])
def test_a_group_that_reads_what_the_last_one_wrote_waits(run: Runner, distance: int, waits: int) -> None:
    """Four groups of two elements: x[i + distance] = x[i] + 1; in place, a group meets nothing written."""
    wafer = W.with_(pending_write_cycles=3)

    def emit(b: Builder, code: Code) -> None:
        x = b.buffer("x", f32, 11, init=1.0)
        code.add(x.view(distance, 8), x.view(0, 8), 1.0)

    assert alone(run, wafer, emit).count(State.PENDING_WRITE) == 3 * waits


@BOTH
def test_a_pending_write_covers_all_rows_of_a_group(run: Runner) -> None:
    """A group writes elements 0, 4 and 1 in this order: 3, where the next begins to read, lies among them."""
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
def test_the_steps_of_a_map_keep_apart_and_may_load_descriptors_each(run: Runner) -> None:
    def emit(b: Builder, code: Code, n: int, reload: bool) -> None:
        x = ones(b, n)
        code.mac(x, x, each(ones(b, 5), reload=reload))

    wafer = W.with_(map_gap_cycles=4)
    for n, elements in ((1, 2), (2, 4), (4, 8)):
        for reload in (False, True):
            seen = alone(run, wafer, partial(emit, n=n, reload=reload))
            step = reload * LOAD + max(7, elements + 4)
            assert seen.cycles == [SWITCH + 2 * LOAD + 17 + 5 * step]


@BOTH
def test_a_map_of_no_steps_costs_its_start(run: Runner) -> None:
    assert took(run, W, lambda b, code: code.mac(ones(b, 3), ones(b, 3), each(ones(b, 0)))) == 3 * LOAD + 17


# -- streams ------------------------------------------------------------------------------------------


Part = Callable[[Code, Color], None]


def pair(run: Runner, wafer: Wafer, give: Part, take: Part) -> Outcome:
    """PE 0 gives on a colour what PE 1 takes."""
    b = Builder(2, 1)
    color = b.color("c")
    b.route(color, b.grid[0, :], RAMP >> EAST)
    b.route(color, b.grid[1, :], WEST >> RAMP)
    task = b.task("main", start=True)
    give(b.on(b.grid[0, :], task), color)
    take(b.on(b.grid[1, :], task), color)
    return run(b.finish(), wafer)


def held(code: Code, dtype: DType, n: int, values: object = 1) -> View:
    """A view of all of a new buffer on the PEs of some code."""
    init = values if np.size(values) else 0
    return code.builder.buffer("held", dtype, max(1, n), on=code.region, init=init).view(0, n)


@BOTH
@pytest.mark.parametrize(
    ("dtype", "n", "words"), [(f32, 5, 5), (f16, 5, 3), (f16, 6, 3), (i16, 1, 1), (f32, 0, 0)]
)
def test_a_wavelet_holds_32_bits(run: Runner, dtype: DType, n: int, words: int) -> None:
    wafer = W.with_(rates=dict.fromkeys(("fmovs", "fmovh", "mov16"), (4, 1)))
    seen = pair(
        run, wafer,
        lambda code, color: code.mov(color, held(code, dtype, n, np.arange(n))),
        lambda code, color: code.mov(code.builder.buffer("y", dtype, 8, on=code.region).view(0, n), color),
    )  # fmt: skip
    assert seen.memory["y"].ravel()[:n].tolist() == list(range(n))
    assert seen.pops[1, 0, "c", "QUEUE"] == words
    assert seen.end(0) == SWITCH + 2 * LOAD + START + words


@BOTH
@pytest.mark.parametrize("n", [6, 7])
def test_halves_are_moved_bit_by_bit(run: Runner, n: int) -> None:
    bits = np.array([0x3C00, 0x8000, 0x7C00, 0xFC00, 0x0001, 0x7D01, 0x7BFF], np.uint16)
    seen = pair(
        run, W,
        lambda code, color: code.mov(color, held(code, f16, n, bits[:n].view(np.float16))),
        lambda code, color: code.mov(code.builder.buffer("y", f16, n, on=code.region)[:], color),
    )  # fmt: skip
    found = seen.memory["y"].astype(np.float16).ravel()
    assert np.flatnonzero(np.isnan(found)).tolist() == [5]
    assert np.delete(found.view(np.uint16), 5).tolist() == np.delete(bits[:n], 5).tolist()


@BOTH
@pytest.mark.parametrize(("rate", "cycles"), [((1, 1), 5), ((1, 3), 15), ((2, 3), 9), ((8, 2), 6)])
def test_five_halves_go_two_by_two(run: Runner, rate: tuple[int, int], cycles: int) -> None:
    """The last wavelet holds one half, and takes no longer than one."""
    seen = pair(
        run, W.with_(rates={"fnegh": rate}),
        lambda code, color: code.vector("neg", color, held(code, f16, 5)),
        lambda code, color: code.mov(held(code, f16, 5), color),
    )  # fmt: skip
    assert seen.end(0) == SWITCH + 2 * LOAD + START + cycles
    assert seen.count(State.ARITH, 0) == cycles


@BOTH
def test_a_chain_adds_at_full_speed(run: Runner) -> None:
    """Its middle takes, adds and gives in one cycle per element."""
    b = Builder(3, 1)
    first, second = b.color("first"), b.color("second")
    for color, x in ((first, 0), (second, 1)):
        b.route(color, b.grid[x, :], RAMP >> EAST)
        b.route(color, b.grid[x + 1, :], WEST >> RAMP)
    task = b.task("main", start=True)
    codes = [b.on(b.grid[x, :], task) for x in range(3)]
    codes[0].mov(first, held(codes[0], f32, 20, np.arange(20)))
    codes[1].add(second, first, held(codes[1], f32, 20, np.arange(20)))
    codes[2].mov(b.buffer("y", f32, 20, on=b.grid[2, :]), second)
    seen = run(b.finish(), W)
    way = 3 + 1 + 2
    assert seen.memory["y"].ravel().tolist() == [2.0 * i for i in range(20)]
    assert seen.finish == [[SWITCH + 2 * LOAD + START + 20 + k * way for k in range(3)]]
    assert seen.count(State.INPUT_WAIT, 1) == way - LOAD  # it loads one descriptor more than its neighbours


# -- background slots ---------------------------------------------------------------------------------

FIRST = SWITCH + 2 * LOAD + START  # cycle of the first group of a move that is the task's first instruction
GO_ON = SWITCH + 2 * LOAD + 4  # cycle at which the main thread goes on after it


def move(code: Code, n: int, slot: int, then: Completion | None = None) -> None:
    """Moves two elements of n per cycle in a slot."""
    code.mov(held(code, f32, n, 0), held(code, f32, n), slot=slot, then=then)


@BOTH
@pytest.mark.parametrize("high", [False, True])
def test_a_slot_of_high_priority_goes_before_elements_of_the_main_thread(run: Runner, high: bool) -> None:
    """20 groups of a move and 10 of an addition: overhead of the main thread has room for 10, the others delay one."""

    def emit(_: Builder, code: Code) -> None:
        slot = HighPriority(0) if high else 0
        code.mov(held(code, f32, 40, 0), held(code, f32, 40), slot=slot)
        code.add(held(code, f32, 20, 0), held(code, f32, 20), held(code, f32, 20))

    seen = alone(run, W, emit)
    adds_from = GO_ON + 3 * LOAD + START
    left = 20 - (adds_from - FIRST)  # groups of the move that are not done by then
    assert left == 10
    assert seen.cycles == [adds_from + 10 + left + (0 if high else 6)]  # the move's completion is seen last, or before
    assert (seen.count(State.MOVE), seen.count(State.ARITH)) == (20, 10)


@BOTH
def test_a_slot_of_high_priority_goes_before_scalar_code(run: Runner) -> None:
    """Which stands still until all groups are done."""

    def emit(b: Builder, code: Code) -> None:
        at = b.buffer("at", i32, 1)
        code.mov(held(code, f32, 8, 0), held(code, f32, 8), slot=HighPriority(0))
        code.store(at[0], 1)
        code.store(at[0], code.clock())

    seen = alone(run, W, emit)
    assert GO_ON < FIRST < GO_ON + 3  # the first store is on its way
    assert seen.value("at") == GO_ON + 3 + 4


@BOTH
@pytest.mark.parametrize(("n", "groups"), [(0, 0), (1, 1), (8, 4)])
def test_an_asynchronous_operation_from_issue_to_completion(run: Runner, n: int, groups: int) -> None:
    seen = alone(run, W, lambda b, code: move(code, n, 0))
    assert seen.cycles == [FIRST + groups + 6]
    assert seen.count(State.MOVE) == groups
    assert seen.count(State.OVERHEAD) == 2 * LOAD + START + 6


@BOTH
def test_a_slot_rests_while_its_group_lasts(run: Runner) -> None:
    """Four groups of three cycles; those between groups count as what the slot waited for last: its start."""
    seen = alone(run, W.with_(rates={"fmovs": (2, 3)}), lambda b, code: move(code, 8, 0))
    assert seen.cycles == [FIRST + 4 * 3 + 6]
    assert (seen.count(State.MOVE), seen.count(State.OVERHEAD)) == (4, 2 * LOAD + START + 4 * 2 + 6)


@BOTH
def test_an_idle_main_thread_counts_as_what_the_slot_waits_for(run: Runner) -> None:
    """Two words, each in a group of three cycles; in two of them the slot counts as what it waited for."""
    seen = pair(
        run, W.with_(rates={"fmovs": (1, 3)}),
        lambda code, color: code.mov(color, held(code, f32, 2)),
        lambda code, color: code.mov(held(code, f32, 2), color, slot=0),
    )  # fmt: skip
    arrives = FIRST + 3 + 1 + 2
    assert seen.end(1) == arrives + 3 + 3 + 6
    assert seen.count(State.MOVE, 1) == 2
    assert seen.count(State.INPUT_WAIT, 1) == arrives - FIRST + 2 + 2
    assert seen.count(State.OVERHEAD, 1) == FIRST - SWITCH + 6


@BOTH
def test_an_operation_of_no_elements_is_complete_in_the_next_cycle_at_the_earliest(run: Runner) -> None:
    """Completions come first in a cycle: at no cost at all it is seen in the cycle after its start."""
    names = ("dsr_load", "op_start", "async_issue", "completion")
    b = Builder(1, 1)
    main, joined = b.task("main", start=True), b.task("joined")
    move(b.on(b.grid, main), 0, 0, activate(joined))
    code = b.on(b.grid, joined)
    code.store(b.buffer("at", i32, 1), code.clock())
    seen = run(b.finish(), W.with_(**{f"{name}_cycles": 0 for name in names}))
    assert seen.value("at") == SWITCH + 1 + SWITCH


@BOTH
def test_a_completion_activates_its_task_in_the_cycle_in_which_it_is_due(run: Runner) -> None:
    b = Builder(1, 1)
    main, joined = b.task("main", start=True), b.task("joined")
    move(b.on(b.grid, main), 8, 0, activate(joined))
    code = b.on(b.grid, joined)
    code.store(b.buffer("at", i32, 1), code.clock())
    seen = run(b.finish(), W)
    assert seen.value("at") == FIRST + 4 + 6 + SWITCH


@BOTH
def test_a_join_waits_for_both_of_two_operations(run: Runner) -> None:
    b = Builder(1, 1)
    main, joined = b.task("main", start=True), b.task("joined", blocked=True)
    code = b.on(b.grid, main)
    move(code, 8, 0, activate(joined))
    move(code, 40, 1, unblock(joined))
    after = b.on(b.grid, joined)
    after.store(b.buffer("at", i32, 1), after.clock())
    second = GO_ON + 2 * LOAD + START
    assert run(b.finish(), W).value("at") == second + 20 + 6 + SWITCH


@BOTH
@pytest.mark.parametrize("slot", [0, 1])
def test_a_slot_in_use_makes_the_next_operation_wait(run: Runner, slot: int) -> None:
    def emit(b: Builder, code: Code) -> None:
        move(code, 2, 0)
        move(code, 2, slot)

    seen = alone(run, W, emit)
    start = FIRST + 1 + 6 if slot == 0 else GO_ON
    assert seen.cycles == [start + 2 * LOAD + START + 1 + 6]
    one_group = 1  # a cycle of the wait in which the slot works
    assert seen.count(State.SLOT_WAIT) == (start - GO_ON - one_group if slot == 0 else 0)


@BOTH
def test_two_slots_take_turns(run: Runner) -> None:
    """Slot 0 is alone for 8 of its 40 groups, both then alternate, and slot 1 does its last 8 alone."""

    def emit(b: Builder, code: Code) -> None:
        move(code, 80, 0)
        move(code, 80, 1)

    head_start = 2 * LOAD + 4
    assert alone(run, W, emit).cycles == [FIRST + head_start + 2 * (40 - head_start) + head_start + 6]


@BOTH
def test_a_slot_works_in_the_overhead_of_the_main_thread_only(run: Runner) -> None:
    """20 scalar instructions hold the issue slot from before the slot starts; a loop's end leaves it free."""

    def emit(b: Builder, code: Code) -> None:
        move(code, 8, 0)
        with code.loop(1):
            for _ in range(20):
                code.integer(0)

    seen = alone(run, W, emit)
    free = GO_ON + 3 + 20
    in_loop_start = GO_ON + 3 - FIRST  # groups done before the scalars begin
    assert in_loop_start == 2
    assert seen.cycles == [free + (4 - in_loop_start) + 6]
    assert seen.count(State.OVERHEAD) == seen.cycles[0] - SWITCH - 20 - 4


@BOTH
def test_a_slot_works_while_the_main_thread_waits_for_input(run: Runner) -> None:
    def take(code: Code, color: Color) -> None:
        move(code, 8, 0)
        code.mov(held(code, f32, 1), color)

    def give(code: Code, color: Color) -> None:
        with code.loop(9):
            code.integer(0)
        code.mov(color, held(code, f32, 1))

    seen = pair(run, W, give, take)
    sent = SWITCH + 3 + 9 + 8 * 11 + 8 + 2 * LOAD + START
    assert seen.end(1) == sent + 3 + 1 + 2 + 1
    assert seen.count(State.MOVE, 1) == 4 + 1
    ready = GO_ON + 2 * LOAD + START
    in_overhead = ready - FIRST  # all four groups are done by then
    assert in_overhead >= 4
    assert seen.count(State.INPUT_WAIT, 1) == sent + 3 + 1 + 2 - ready


# -- what is read when --------------------------------------------------------------------------------


@BOTH
@pytest.mark.parametrize("slot", [None, 0])
def test_a_length_and_a_place_are_read_when_the_instruction_starts(run: Runner, slot: int | None) -> None:
    def emit(b: Builder, code: Code) -> None:
        x, y = b.buffer("x", f32, 9, init=np.arange(9)), b.buffer("y", f32, 9)
        n, place = code.integer(3), code.integer(4)
        code.mov(y.view(0, n), x.at(place, n), slot=slot)
        code.set(n, 9)
        code.set(place, 0)

    assert alone(run, W, emit).memory["y"].ravel().tolist() == [4, 5, 6, 0, 0, 0, 0, 0, 0]


@BOTH
def test_views_advance_when_the_operation_has_ended(run: Runner) -> None:
    def emit(b: Builder, code: Code) -> None:
        x, y = b.buffer("x", f32, 6, init=np.arange(6)), b.buffer("y", f32, 6)
        place = code.integer(0)
        with code.loop(3):
            code.add(y.view(0, 2).at(place), x.view(0, 2).at(place, advance=True), 10.0)
        code.store(b.buffer("place", i32, 1), place)

    seen = alone(run, W, emit)
    assert seen.memory["y"].ravel().tolist() == [10, 11, 12, 13, 14, 15]
    assert seen.value("place") == 6


@BOTH
def test_a_view_that_is_used_twice_advances_once(run: Runner) -> None:
    def emit(b: Builder, code: Code) -> None:
        place = code.integer(0)
        both = b.buffer("x", f32, 6, init=np.arange(6)).view(0, 2).at(place, advance=True)
        with code.loop(3):
            code.add(both, both, 10.0)

    assert alone(run, W, emit).memory["x"].ravel().tolist() == [10, 11, 12, 13, 14, 15]


@BOTH
def test_elements_are_computed_in_order(run: Runner) -> None:
    def emit(b: Builder, code: Code) -> None:
        x = b.buffer("x", f32, 9, init=1.0)
        code.add(x[1:9], x[0:8], 1.0)

    assert alone(run, W, emit).memory["x"].ravel().tolist() == list(range(1, 10))


# -- values -------------------------------------------------------------------------------------------


def result(run: Runner, name: str, to: DType, *operands: tuple[DType, float]) -> float:
    """One element of a vector operation; of mac the first operand is the destination's old value."""

    def emit(b: Builder, code: Code) -> None:
        old, *sources = operands if name == "mac" else ((to, 0), *operands)
        target = b.buffer("result", to, 1, init=old[1])
        code.vector(name, target, *(b.buffer("x", dtype, 1, init=value) for dtype, value in sources))

    return alone(run, W, emit).value("result")


@BOTH
def test_halves_are_rounded_once_to_nearest_even(run: Runner) -> None:
    tie = 1 + 2**-11  # between 1 and the next half
    assert result(run, "mov", f16, (f32, tie)) == 1.0
    assert result(run, "mov", f16, (f32, tie + 2**-23)) == 1 + 2**-10
    assert result(run, "add", f16, (f16, 1.0), (f16, 2**-11)) == 1.0
    assert result(run, "mov", f16, (f32, 65519.0)) == 65504.0
    assert result(run, "mov", f16, (f32, 65520.0)) == np.inf
    assert result(run, "mov", f16, (f32, 2.0**-24)) == 2.0**-24


@BOTH
def test_a_multiply_add_is_rounded_once(run: Runner) -> None:
    """The product of two halves has 22 bits; rounded to half before the sum it would be 1."""
    assert result(run, "mac", f16, (f16, -1.0), (f16, 1 + 2**-10), (f16, 1 - 2**-10)) == -(2.0**-20)


@BOTH
def test_integers_wrap_and_numbers_are_truncated(run: Runner) -> None:
    assert result(run, "add", i16, (i16, 32767), (i16, 1)) == -32768
    assert result(run, "mul", i16, (i16, 300), (i16, 300)) == 90000 - 65536
    assert result(run, "sub", i32, (i32, -(2**31)), (i32, 1)) == 2**31 - 1
    assert result(run, "mul", i32, (i32, 2**31 - 1), (i32, 2**31 - 5)) == 5
    assert result(run, "mac", u32, (u32, 7), (u32, 2**32 - 1), (u32, 2**32 - 1)) == 8
    assert result(run, "neg", i16, (i16, -32768)) == -32768
    assert result(run, "mov", i16, (f32, -2.9)) == -2
    assert result(run, "mov", i16, (f32, 65537.0)) == 1
    assert result(run, "shr", i16, (i16, -5), (i16, 1)) == -3


@BOTH
def test_the_larger_of_two_is_the_second_only_if_it_is_larger(run: Runner) -> None:
    assert np.signbit(result(run, "max", f32, (f32, -0.0), (f32, 0.0)))
    assert result(run, "max", f32, (f32, 1.0), (f32, np.nan)) == 1.0
    assert np.isnan(result(run, "max", f32, (f32, np.nan), (f32, 1.0)))
