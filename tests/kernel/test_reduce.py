"""Reductions by every algorithm: bit for bit what a naive model adds, on rows and columns, to any root."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import reduction as naive
from numpy.typing import NDArray

from wse_sim import WSE2, WSE3, DType, Wafer, f16, f32, i32, toy
from wse_sim.engine.machine import Machine
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective import law, reduce, shapes
from wse_sim.kernels.collective.line import make_line
from wse_sim.kernels.collective.plan import ALGORITHMS, Algorithm, plan
from wse_sim.kernels.collective.timing import wavelets
from wse_sim.kernels.collective.tree import Tree
from wse_sim.program.builder import Builder

Array = NDArray[Any]
TIGHT = toy(64, 64).with_(router_buffer=1, input_queue_depths=(1,) * 8, output_queue_depths=(1,) * 6)
WAFERS = (toy(64, 64), TIGHT, WSE3.crop(64, 64))
each_algorithm = pytest.mark.parametrize("algorithm", ALGORITHMS)


def run(
    tree: Tree, values: Array, *, axis: Axis = Axis.X, dtype: DType = f32, carry: DType | None = None,
    operation: reduce.Operation = "add", wafer: Wafer = WAFERS[0], rounds: int = 1,
) -> tuple[Array, int]:  # fmt: skip
    """The root's vector in the end, and the cycles, of values (length, n)."""
    build = Builder(*axis.size(tree.length, 1))
    x = build.buffer("x", dtype, values.shape[1])
    made = reduce.make_reduce(build, build.grid, axis, tree)
    for _ in range(rounds):
        made.emit(build.main(), x, operation, carry=carry)
    machine = Machine(build.finish(), wafer)
    machine.write("x", np.moveaxis(values[:, None], 0, axis.dimension))
    cycles = machine.launch(max_cycles=1_000_000)
    return np.moveaxis(machine.read("x"), axis.dimension, 0)[tree.root, 0], cycles


@st.composite
def shaped(draw: st.DrawFn) -> tuple[Tree, Callable[[list[Array]], Array]]:
    """A tree, and the naive model of what its root adds up."""
    length = draw(st.integers(1, 20))
    root = draw(st.sampled_from(sorted({0, length - 1, length // 2, draw(st.integers(0, length - 1))})))
    size, words = draw(st.integers(1, 9)), draw(st.sampled_from((1, 10, 200)))
    made = plan(WSE2, length, algorithm="generated", root=root, words=words)
    groups = plan(WSE2, length, groups=(size,), words=words)
    arrivals = {
        shapes.chain(length, root): naive.chain,
        shapes.star(length, root): naive.star,
        shapes.two_phase(length, size, root): naive.nested(size),
        shapes.two_phase(length, size, root, stored=True): naive.nested(size),
        shapes.binary_tree(length, root, fan_in=16): naive.nested(*[2] * 5),
        made: None,
        groups: None,
    }
    tree = draw(st.sampled_from(list(arrivals)))
    model = arrivals[tree]
    if model is None:
        return tree, lambda vectors: naive.by_takes(tree.takes, vectors, tree.root)
    return tree, lambda vectors: naive.root_sum(model, vectors, tree.root)


@given(
    shaped(), st.integers(1, 9), st.sampled_from((f32, f16)), st.sampled_from(list(Axis)), st.sampled_from(WAFERS),
    st.integers(0, 99),
)  # fmt: skip
@settings(max_examples=120, deadline=None)
def test_sums_round_as_in_the_naive_model(
    shape: tuple[Tree, Callable[[list[Array]], Array]], n: int, dtype: DType, axis: Axis, wafer: Wafer, seed: int
) -> None:
    tree, model = shape
    values = np.random.default_rng(seed).standard_normal((tree.length, n)).astype(dtype.numpy)
    found, cycles = run(tree, values, axis=axis, dtype=dtype, wafer=wafer)
    np.testing.assert_array_equal(found, model(list(values)))
    assert cycles >= law.bound(wafer, tree.length, tree.root, wavelets(n, dtype))


@each_algorithm
@pytest.mark.parametrize("operation", ["add", "max", "min"])
@pytest.mark.parametrize("dtype", [f32, f16, i32], ids=str)
def test_results_of_any_operation(algorithm: Algorithm, operation: reduce.Operation, dtype: DType) -> None:
    values = np.random.default_rng(1).integers(-99, 99, (13, 7)).astype(dtype.numpy)
    found, _ = run(plan(WSE2, 13, algorithm=algorithm), values, dtype=dtype, operation=operation)
    expected = {"add": values.sum(0), "max": values.max(0), "min": values.min(0)}[operation]
    assert np.array_equal(found, expected)


@each_algorithm
def test_singles_may_travel_as_halves(algorithm: Algorithm) -> None:
    tree = plan(WSE2, 11, algorithm=algorithm)
    for n in (4, 5):
        values = np.random.default_rng(n).standard_normal((11, n)).astype(np.float32)
        found, _ = run(tree, values, carry=f16)
        assert np.array_equal(found, reduce.reference(tree, values, carry=f16))
        np.testing.assert_allclose(found, values.sum(0), atol=0.02)


@each_algorithm
@pytest.mark.parametrize("wafer", WAFERS, ids=["WSE-2", "tight", "WSE-3"])
@pytest.mark.parametrize("n", [1, 3, 40])
def test_uses_follow_each_other(algorithm: Algorithm, wafer: Wafer, n: int) -> None:
    """All-reduces along both axes of a grid, whose PEs drift apart."""
    build = Builder(6, 5)
    random = np.random.default_rng(n)
    waits = build.constant("waits", i32, random.integers(0, 30, (5, 6)))
    x = build.buffer("x", f16, n)
    lines = [make_line(build, build.grid, axis, algorithm=algorithm, name=axis.name, queues=4) for axis in Axis]
    pe = build.main()
    for line in (*lines, lines[0]):
        with pe.scope(), pe.loop(pe.load(waits)):
            pe.integer(1)
        line.all_reduce(pe, x)
    machine = Machine(build.finish(), wafer)
    values = random.integers(-2, 3, (5, 6, n)).astype(np.float16)
    machine.write("x", values)
    machine.launch(max_cycles=1_000_000)
    assert np.array_equal(machine.read("x"), np.broadcast_to(values.sum((0, 1)) * 6, values.shape))


@each_algorithm
@pytest.mark.parametrize("dtype", [f32, f16], ids=str)
def test_a_register_may_tell_the_length(algorithm: Algorithm, dtype: DType) -> None:
    build = Builder(9, 1)
    count = build.argument("count", "int")
    x = build.buffer("x", dtype, 8, init=1.0)
    make_line(build, build.grid, Axis.X, algorithm=algorithm).all_reduce(build.main(), x.view(0, count))
    machine = Machine(build.finish(), toy(9, 1))
    for n in (0, 3, 8):
        before = machine.read("x")
        machine.launch({"count": n}, max_cycles=10_000)
        assert np.array_equal(machine.read("x"), np.where(np.arange(8) < n, 9 * before, before))


@each_algorithm
def test_folded_views(algorithm: Algorithm) -> None:
    build = Builder(5, 1)
    x = build.buffer("x", f32, 12)
    part = x.view(1, 6, inner=2, outer_stride=4)
    reduce.make_reduce(build, build.grid, Axis.X, plan(WSE2, 5, algorithm=algorithm)).emit(build.main(), part)
    machine = Machine(build.finish(), toy(5, 1))
    values = np.arange(60, dtype=np.float32).reshape(1, 5, 12)
    machine.write("x", values)
    machine.launch(max_cycles=10_000)
    folded = [1, 2, 5, 6, 9, 10]
    assert np.array_equal(machine.read("x")[0, 2][folded], values[0].sum(0)[folded])


@each_algorithm
@pytest.mark.parametrize("wafer", [WSE2, WSE3], ids=lambda w: w.name)
@pytest.mark.parametrize(("length", "words"), [(16, 1), (48, 16), (100, 100)])
def test_cycles_lie_between_the_bound_and_the_closed_form(
    algorithm: Algorithm, wafer: Wafer, length: int, words: int
) -> None:
    root = {} if algorithm == "k-tree" else {"root": 0}
    tree = plan(wafer, length, algorithm=algorithm, words=words, **root)
    _, cycles = run(tree, np.ones((length, words), np.float32), wafer=wafer)
    bound = law.bound(wafer, length, tree.root, words)
    cost = wafer.task_switch_cycles + reduce.cost(wafer, tree, words)
    said = f"{algorithm}: {cycles} cycles, cost {cost}, bound {bound}"
    assert bound <= cycles, said
    assert abs(cycles - cost) <= 4 + 0.1 * cost, said


@pytest.mark.parametrize("wafer", [WSE2, WSE3], ids=lambda w: w.name)
@pytest.mark.parametrize(("length", "words"), [(5, 3), (32, 1), (64, 16), (64, 200)])
def test_a_generated_tree_beats_the_others(wafer: Wafer, length: int, words: int) -> None:
    values = np.ones((length, words), np.float32)
    cycles = {
        algorithm: run(plan(wafer, length, algorithm=algorithm, root=0, words=words), values, wafer=wafer)[1]
        for algorithm in ALGORITHMS
        if algorithm != "k-tree"
    }
    assert cycles["generated"] == min(cycles.values()), cycles
