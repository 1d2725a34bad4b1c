"""Rings, rectangles and messages: right values from and to any PE, again and again, and clear refusals."""

from __future__ import annotations

from functools import reduce as fold
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive.reduction import add
from numpy.typing import NDArray

from wse_sim import WSE2, WSE3, DType, ProgramError, Wafer, f16, f32, i32, toy
from wse_sim.engine.machine import Machine
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective import all_reduce, ring_all_reduce
from wse_sim.kernels.collective.message import make_message
from wse_sim.kernels.collective.plan import ALGORITHMS, Algorithm, plan
from wse_sim.kernels.collective.plane import make_plane
from wse_sim.kernels.collective.ring_all_reduce import make_ring_all_reduce
from wse_sim.program.builder import Builder

Array = NDArray[Any]
TIGHT = toy(64, 64).with_(router_buffer=1, input_queue_depths=(1,) * 8, output_queue_depths=(1,) * 6)


# -- ring ---------------------------------------------------------------------------------------------


@given(
    st.integers(1, 12), st.integers(1, 30), st.sampled_from((f32, f16)), st.sampled_from(list(Axis)),
    st.sampled_from((toy(16, 16), TIGHT, WSE3.crop(16, 16))),
)  # fmt: skip
@settings(max_examples=40, deadline=None)
def test_each_chunk_is_added_up_around_the_ring(length: int, n: int, dtype: DType, axis: Axis, wafer: Wafer) -> None:
    build = Builder(*axis.size(length, 2))
    x = build.buffer("x", dtype, n)
    made = make_ring_all_reduce(build, build.grid, axis)
    made.emit(build.main(), x)
    machine = Machine(build.finish(), wafer)
    values = np.random.default_rng(n).standard_normal((length, 2, n)).astype(dtype.numpy)
    machine.write("x", np.moveaxis(values, 0, axis.dimension))
    machine.launch(max_cycles=100_000)
    found = np.moveaxis(machine.read("x"), axis.dimension, 0)
    ring = [p for p in range(length) if p % 2 == 0] + [p for p in reversed(range(length)) if p % 2]
    size = -(-n // length)
    for chunk in range(length):
        part = np.s_[..., chunk * size : (chunk + 1) * size]
        wanted = fold(add, [values[ring[(chunk + step) % length]][part] for step in range(length)])
        np.testing.assert_array_equal(found[part], np.broadcast_to(wanted, found[part].shape))


def test_rings_go_round_again_and_again() -> None:
    build = Builder(5, 7)
    x = build.buffer("x", i32, 9)
    pe = build.main()
    for axis in Axis:
        made = make_ring_all_reduce(build, build.grid, axis, name=axis.name)
        with pe.loop(2):
            made.emit(pe, x[2:], "add", slot=axis.dimension)
    machine = Machine(build.finish(), TIGHT)
    values = np.arange(5 * 7 * 9, dtype=np.int32).reshape(7, 5, 9)
    machine.write("x", values)
    machine.launch(max_cycles=100_000)
    expected = values.copy()
    expected[:, :, 2:] = values[:, :, 2:].sum((0, 1)) * 5 * 7
    assert np.array_equal(machine.read("x"), expected)


def test_a_ring_loses_to_a_tree() -> None:
    """As published: latency counts more than bandwidth on a wafer."""
    for length, n in ((8, 8), (32, 256), (64, 64)):
        tree = all_reduce.cost(WSE2, plan(WSE2, length, words=n), n)
        assert ring_all_reduce.cost(WSE2, length, n) > tree


def test_a_ring_wants_a_fixed_view() -> None:
    build = Builder(4, 1)
    x = build.buffer("x", f32, 8)
    made = make_ring_all_reduce(build, build.grid, Axis.X)
    pe = build.main()
    with pytest.raises(ProgramError, match="expected a fixed length and place, in one dimension"):
        made.emit(pe, x.view(0, pe.integer(3)))
    with pytest.raises(ProgramError, match=r"a ring all-reduce runs along X of .*: expected whole lines"):
        made.emit(pe.on(build.grid[1:, :]), x)


# -- plane --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("algorithm", ALGORITHMS)
@pytest.mark.parametrize(("width", "height"), [(1, 1), (1, 6), (6, 1), (5, 4), (9, 7)])
@pytest.mark.parametrize("wafer", [toy(16, 16), TIGHT, WSE3.crop(16, 16)], ids=["WSE-2", "tight", "WSE-3"])
def test_a_rectangle_works_together(algorithm: Algorithm, width: int, height: int, wafer: Wafer) -> None:
    build = Builder(width + 1, height + 2)
    region = build.grid[1:, 2:]
    build.main().integer(0)
    x, root = build.buffer("x", i32, 5), None if algorithm == "k-tree" else (0, height - 1)
    made = make_plane(build, region, algorithm=algorithm, root=root, wafer=wafer)
    pe = build.main(region)
    made.all_reduce(pe, x)
    made.all_reduce(pe, x, "max")
    made.reduce(pe, x)
    machine = Machine(build.finish(), wafer)
    values = np.random.default_rng(width).integers(-99, 99, (height + 2, width + 1, 5)).astype(np.int32)
    machine.write("x", values)
    machine.launch(max_cycles=100_000)
    found = machine.read("x")
    at = (0, height - 1) if root else (made.rows.root, made.column.root)
    assert made.root == region[at[0], at[1]]
    total = values[2:, 1:].sum((0, 1)) * width * height
    assert np.array_equal(found[2 + at[1], 1 + at[0]], total)
    assert np.array_equal(found[:2], values[:2])


# -- message ------------------------------------------------------------------------------------------


def test_a_message_from_any_pe_to_any_other() -> None:
    for source in range(12):
        for target in range(12):
            if source != target:
                build = Builder(4, 3)
                x, to = build.buffer("x", f16, 5), build.buffer("to", f16, 5)
                here, there = (build.grid[place % 4, place // 4] for place in (source, target))
                made = make_message(build, here, there)
                for _ in range(2):
                    made.emit(build.main(), x, to)
                machine = Machine(build.finish(), TIGHT)
                values = np.arange(60, dtype=np.float16).reshape(3, 4, 5)
                machine.write("x", values)
                machine.launch(max_cycles=1_000)
                found = machine.read("to").reshape(12, 5)
                assert np.array_equal(found[target], values.reshape(12, 5)[source])
                assert np.count_nonzero(found.any(axis=1)) <= 1


def test_a_message_has_two_ends() -> None:
    build = Builder(4, 3)
    for target in (build.grid[0, 0], build.grid[:2, 1]):
        with pytest.raises(ProgramError, match=r"a message from \[0, 0\] to .*: expected two single PEs"):
            make_message(build, build.grid[0, 0], target)
