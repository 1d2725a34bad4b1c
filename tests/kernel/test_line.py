"""Lines: right sums on any length and tree, again and again, on several lines, within queues and colours."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from wse_sim import WSE2, WSE3, DType, Wafer, f16, f32, i32, toy
from wse_sim.engine.machine import Machine
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective import all_reduce, reduce
from wse_sim.kernels.collective.line import Line, make_line
from wse_sim.kernels.collective.plan import plan
from wse_sim.kernels.collective.reduce import make_reduce
from wse_sim.kernels.collective.shapes import k_tree, level_sizes
from wse_sim.kernels.collective.tree import Tree
from wse_sim.program.builder import Builder
from wse_sim.program.check import check
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer

Array = NDArray[Any]
each_axis = pytest.mark.parametrize("axis", list(Axis), ids=lambda a: a.name)
TIGHT = toy(64, 64).with_(router_buffer=1, input_queue_depths=(1,) * 8, output_queue_depths=(1,) * 6)


def run(
    length: int, lines: int, n: int, body: Callable[[Code, Line, Buffer], None], *, axis: Axis = Axis.X,
    dtype: DType = f32, groups: tuple[int, ...] | None = None, wafer: Wafer | None = None, values: Array | None = None,
) -> tuple[Array, Array, Line, int]:  # fmt: skip
    """Runs a body on lines; gives values before and after, (length, lines, n), the line, and the cycles."""
    build = Builder(*axis.size(length, lines))
    x = build.buffer("x", dtype, n)
    line = make_line(build, build.grid, axis, groups=groups, wafer=wafer or WSE2, words=n)
    body(build.main(), line, x)
    machine = Machine(build.finish(), wafer or toy(*axis.size(length, lines)))
    if values is None:
        values = np.random.default_rng(length + n).integers(-99, 99, (length, lines, n)).astype(dtype.numpy)
    machine.write("x", np.moveaxis(values, 0, axis.dimension))
    cycles = machine.launch(max_cycles=1_000_000)
    return values, np.moveaxis(machine.read("x"), axis.dimension, 0), line, cycles


# -- values -------------------------------------------------------------------------------------------


@each_axis
@pytest.mark.parametrize("length", [2, 3, 5, 17, 40])
@pytest.mark.parametrize("groups", [None, (), (1,), (4,), (3, 3)], ids=str)
def test_all_pes_hold_the_sum(axis: Axis, length: int, groups: tuple[int, ...] | None) -> None:
    before, after, _, _ = run(length, 2, 5, lambda pe, line, x: line.all_reduce(pe, x), axis=axis, groups=groups)
    assert np.array_equal(after, np.broadcast_to(before.sum(0), before.shape))


@pytest.mark.parametrize("operation", ["add", "max", "min"])
@pytest.mark.parametrize("dtype", [f32, f16, i32], ids=str)
def test_the_root_holds_the_result(operation: reduce.Operation, dtype: DType) -> None:
    before, after, line, _ = run(13, 1, 7, lambda pe, line, x: line.reduce(pe, x, operation), dtype=dtype)
    expected = {"add": before.sum(0), "max": before.max(0), "min": before.min(0)}[operation]
    assert np.array_equal(after[line.root], expected)


def test_sums_round_in_the_order_of_the_reference() -> None:
    values = np.random.default_rng(1).standard_normal((33, 1, 9)).astype(np.float32)
    _, after, line, _ = run(33, 1, 9, lambda pe, line, x: line.all_reduce(pe, x), groups=(5,), values=values)
    assert np.array_equal(after, all_reduce.reference(line.tree, values))
    assert not np.array_equal(after[0], np.add.accumulate(values)[-1])
    np.testing.assert_allclose(after[0], values.sum(0, dtype=np.float64), rtol=1e-5, atol=1e-5)


def test_results_may_travel_as_halves() -> None:
    values = np.random.default_rng(2).standard_normal((21, 1, 8)).astype(np.float32)
    _, after, line, cycles = run(21, 1, 8, lambda pe, line, x: line.all_reduce(pe, x, carry=f16), values=values)
    assert np.array_equal(after, all_reduce.reference(line.tree, values, carry=f16))
    np.testing.assert_allclose(after[0], values.sum(0), atol=0.05)
    _, _, _, whole = run(21, 1, 8, lambda pe, line, x: line.all_reduce(pe, x), values=values)
    assert cycles < whole


def test_a_line_of_one_pe_does_nothing() -> None:
    def body(pe: Code, line: Line, x: Buffer) -> None:
        pe.add(x, x, 1.0)
        line.all_reduce(pe, x)

    before, after, line, _ = run(1, 3, 4, body)
    assert np.array_equal(after, before + 1)
    assert line.root == 0
    assert not line.reduction.wires.channels


@given(st.integers(1, 1000), st.sampled_from(list(Axis)))
@settings(max_examples=12, deadline=None)
def test_lines_of_any_length_are_legal_programs(length: int, axis: Axis) -> None:
    width, height = axis.size(length, 1)
    build = Builder(width, height)
    x = build.buffer("x", f32, 3)
    make_line(build, build.grid, axis, groups=(7,)).all_reduce(build.main(), x)
    check(build.finish(), WSE2.with_(width=1000, height=1000))


def test_a_register_may_tell_the_length() -> None:
    build = Builder(9, 1)
    count = build.argument("count", "int")
    x = build.buffer("x", f32, 8, init=1.0)
    make_line(build, build.grid, Axis.X).all_reduce(build.main(), x.view(0, count))
    machine = Machine(build.finish(), toy(9, 1))
    for n in (0, 3, 8):
        before = machine.read("x")
        machine.launch({"count": n}, max_cycles=10_000)
        expected = np.where(np.arange(8) < n, 9 * before, before)
        assert np.array_equal(machine.read("x"), expected)


@each_axis
def test_some_lines_of_a_region(axis: Axis) -> None:
    def body(pe: Code, line: Line, x: Buffer) -> None:
        pe.integer(0)  # other lines' PEs need code, too
        line.all_reduce(pe.on(axis.across.part(pe.region, slice(1, None, 2))), x)

    before, after, _, _ = run(6, 5, 3, body, axis=axis)
    assert np.array_equal(after[:, 1::2], np.broadcast_to(before[:, 1::2].sum(0), after[:, 1::2].shape))
    assert np.array_equal(after[:, ::2], before[:, ::2])


def test_a_line_in_the_midst_of_a_grid() -> None:
    build = Builder(12, 7)
    region = build.grid[2:11, 1:6]
    x = build.buffer("x", i32, 2)
    build.main().integer(0)
    pe = build.main(region)
    for axis in Axis:
        make_line(build, region, axis, name=axis.name).all_reduce(pe, x)
    machine = Machine(build.finish(), toy(12, 7))
    values = np.arange(168, dtype=np.int32).reshape(7, 12, 2)
    machine.write("x", values)
    machine.launch(max_cycles=10_000)
    expected = values.copy()
    expected[1:6, 2:11] = values[1:6, 2:11].sum((0, 1))
    assert np.array_equal(machine.read("x"), expected)


# -- again and again ----------------------------------------------------------------------------------


@pytest.mark.parametrize("wafer", [toy(64, 64), TIGHT, WSE3.crop(64, 64)], ids=["WSE-2", "tight", "WSE-3"])
@pytest.mark.parametrize("n", [1, 40])
def test_uses_follow_each_other_while_pes_drift_apart(wafer: Wafer, n: int) -> None:
    """Each PE first idles for its own time; no use waits for the end of the one before."""
    width, height, rounds = 11, 9, 2
    build = Builder(width, height)
    random = np.random.default_rng(n)
    waits = build.constant("waits", i32, random.integers(0, 30, (height, width)))
    x = build.buffer("x", i32, n)
    lines = [make_line(build, build.grid, axis, groups=(3,), name=axis.name) for axis in Axis]
    pe = build.main()
    with pe.loop(rounds):
        for line in (*lines, lines[0]):
            with pe.scope(), pe.loop(pe.load(waits)):
                pe.integer(1)
            line.all_reduce(pe, x)
    machine = Machine(build.finish(), wafer)
    values = random.integers(-9, 9, (height, width, n)).astype(np.int32)
    machine.write("x", values)
    machine.launch(max_cycles=1_000_000)
    total = values.sum((0, 1)) * width * (width * height * width) ** (rounds - 1)
    assert np.array_equal(machine.read("x"), np.broadcast_to(total, values.shape))


@pytest.mark.parametrize("order", ["rrb", "rbb", "brrbr", "bbbrrr"])
@pytest.mark.parametrize("n", [1, 30])
def test_reductions_and_broadcasts_in_any_order(order: str, n: int) -> None:
    def body(pe: Code, line: Line, x: Buffer) -> None:
        for step in order:
            (line.reduce if step == "r" else line.broadcast)(pe, x)

    before, after, line, _ = run(14, 2, n, body, groups=(4,), wafer=TIGHT)
    state = before.copy()
    for step in order:
        if step == "b":
            state[:] = state[line.root]
        else:
            state = partial_sums(line.tree, state)
    assert np.array_equal(after[line.root], state[line.root])


def partial_sums(shape: Tree, x: Array) -> Array:
    """What PEs hold after a reduction: a root has its groups' sums, but for what it took in while sending."""
    own = x.copy()
    sent: dict[int, Array] = {}
    left = [len(senders) for senders in shape.takes]
    for sender, taker in shape.edges:
        left[taker] -= 1
        result = sent.get(sender, own[sender]) + own[taker]
        if left[taker] == 0 and taker != shape.root:
            sent[taker] = result
        else:
            own[taker] = result
    return own


# -- limits of the machine ----------------------------------------------------------------------------


@pytest.mark.parametrize("wafer", [WSE2, WSE3], ids=lambda w: w.name)
@pytest.mark.parametrize(("width", "height", "most"), [(24, 30, 8), (64, 64, 8), (33, 7, 7)])
def test_a_line_along_each_axis_fits_the_queues(wafer: Wafer, width: int, height: int, most: int) -> None:
    build = Builder(width, height)
    x = build.buffer("x", f32, 1)
    for axis in Axis:
        make_line(build, build.grid, axis, groups=(5,), wafer=wafer, name=axis.name).all_reduce(build.main(), x)
    program = build.finish()
    inputs = [len(program.input_queues(role)) for role in program.roles]
    outputs = [len(program.output_queues(role)) for role in program.roles]
    assert max(inputs) == most <= len(wafer.input_queue_depths)
    assert max(outputs) == 2 <= len(wafer.output_queue_depths)
    assert len(program.colors) <= 10 <= len(wafer.user_colors)
    check(program, wafer)


def test_repeated_use_takes_no_more_colours_or_routes() -> None:
    build = Builder(20, 4)
    x = build.buffer("x", f32, 1)
    line = make_line(build, build.grid, Axis.X)
    for _ in range(5):
        line.all_reduce(build.main(), x)
    once = Builder(20, 4)
    make_line(once, once.grid, Axis.X)
    assert len(build.finish().colors) == len(once.finish().colors) == 5
    assert len(build.finish().routes) == len(once.finish().routes)


# -- cycles -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wafer", [WSE2, WSE3.with_(die_crossing_cycles=0)], ids=lambda w: w.name)
@pytest.mark.parametrize("words", [1, 64])
@pytest.mark.parametrize("length", [16, 64, 256])
def test_cycles_are_those_of_the_closed_form(wafer: Wafer, words: int, length: int) -> None:
    _, _, line, cycles = run(length, 1, words, lambda pe, line, x: line.all_reduce(pe, x), wafer=wafer)
    cost = wafer.task_switch_cycles + all_reduce.cost(wafer, line.tree, words)
    bound = words + wafer.hop_cycles * (length - 1)
    assert bound <= cycles, f"{cycles} cycles, cost {cost}, bound {bound}"
    assert abs(cycles - cost) <= 4 + 0.08 * cost, f"{cycles} cycles, cost {cost}, bound {bound}"


@pytest.mark.parametrize("length", [16, 256])
def test_the_default_tree_beats_others(length: int) -> None:
    def cycles(groups: tuple[int, ...] | None) -> int:
        return run(length, 1, 1, lambda pe, line, x: line.all_reduce(pe, x), groups=groups)[3]

    assert cycles(None) <= min(cycles(groups) for groups in ((), (2,), (8,), (40,)))


@pytest.mark.parametrize("length", [5, 16, 64])
def test_long_vectors_want_roots_that_take_one_chain_after_the_other(length: int) -> None:
    late = plan(WSE2, length, words=64, groups=())
    middle = k_tree(length, level_sizes(length, ()))

    def cycles(shape: Tree) -> int:
        build = Builder(length, 1)
        x = build.buffer("x", f32, 64)
        make_reduce(build, build.grid, Axis.X, shape).emit(build.main(), x)
        return Machine(build.finish(), toy(64, 64)).launch(max_cycles=100_000)

    assert late.root > middle.root
    assert cycles(late) < 0.95 * cycles(middle)
