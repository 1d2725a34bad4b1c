"""GEMV: right products for any sizes and either orientation, tiles as promised, no bank conflicts where promised."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from wse_sim import WSE2, WSE3, DType, ProgramError, State, Wafer, f16, f32, toy
from wse_sim.engine.machine import Machine
from wse_sim.hardware.geometry import Grid
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective.line import make_line
from wse_sim.kernels.matrix import gemv
from wse_sim.program.builder import Builder

Array = NDArray[Any]
each_axis = pytest.mark.parametrize("axis", list(Axis), ids=lambda a: a.name)


def product(
    wafer: Wafer, axis: Axis, along: int, across: int, x: Array, matrix: Array, *, dtype: DType = f32,
    stride: int | None = None, repeat: int = 1,
) -> tuple[Array, Machine]:  # fmt: skip
    """x W on a rectangle of PEs, (d_out,), and the machine."""
    build = Builder(*axis.size(along, across))
    grid = build.grid
    rows, cols = -(-len(x) // along), -(-matrix.shape[1] // across)
    held = build.buffer("x", dtype, rows)
    w = build.buffer("w", dtype, rows * (cols if stride is None else stride))
    y = build.buffer("y", dtype, cols, bank_offset=8)
    line = make_line(build, grid, axis, wafer=wafer)
    for i in range(repeat):
        gemv.emit(build.main(), line, x=held, w=w, y=y, stride=stride, accumulate=i > 0)
    machine = Machine(build.finish(), wafer)
    machine.write("x", gemv.input_tiles(x, grid, axis))
    machine.write("w", gemv.tiles(matrix, grid, axis, stride=stride))
    machine.launch(max_cycles=1_000_000)
    return gemv.output_vector(machine.read("y"), matrix.shape[1], axis), machine


def data(d_in: int, d_out: int, dtype: DType = f32) -> tuple[Array, Array]:
    random = np.random.default_rng(d_in * d_out)
    return random.standard_normal(d_in).astype(dtype.numpy), random.standard_normal((d_in, d_out)).astype(dtype.numpy)


# -- layout -------------------------------------------------------------------------------------------


@given(st.integers(1, 6), st.integers(1, 6), st.integers(1, 20), st.integers(1, 20), st.sampled_from(list(Axis)))
@settings(max_examples=60, deadline=None)
def test_tiles_hold_each_element_once(along: int, across: int, d_in: int, d_out: int, axis: Axis) -> None:
    region = Grid(*axis.size(along, across))
    matrix = 1.0 + np.arange(d_in * d_out).reshape(d_in, d_out)
    dealt = gemv.tiles(matrix, region, axis)
    assert dealt.shape[:2] == (region.height, region.width)
    assert sorted(dealt[dealt != 0]) == list(range(1, d_in * d_out + 1))


@each_axis
def test_tiles_lie_where_their_inputs_and_outputs_do(axis: Axis) -> None:
    region = Grid(*axis.size(3, 2))
    matrix = np.arange(1.0, 36).reshape(5, 7)
    dealt = np.moveaxis(gemv.tiles(matrix, region, axis, stride=6), axis.dimension, 0).reshape(3, 2, 2, 6)
    assert np.array_equal(dealt[1, 0, :, :4], matrix[2:4, :4])
    assert np.array_equal(dealt[2, 1, 0, :3], matrix[4, 4:])
    assert not dealt[2, :, 1].any()
    assert not dealt[..., 4:].any()
    x = np.moveaxis(np.broadcast_to(gemv.input_tiles(np.arange(5.0), region, axis), (region.height, region.width, 2)),
                    axis.dimension, 0)  # fmt: skip
    assert np.array_equal(x[:, 1], [[0, 1], [2, 3], [4, 0]])


@each_axis
def test_vectors_come_back(axis: Axis) -> None:
    region = Grid(*axis.size(3, 4))
    y = np.arange(10.0)
    dealt = np.broadcast_to(gemv.output_tiles(y, region, axis), (region.height, region.width, 3))
    assert all(np.array_equal(gemv.output_vector(dealt, 10, axis, at=at), y) for at in range(3))


# -- values -------------------------------------------------------------------------------------------


@each_axis
@pytest.mark.parametrize("dtype", [f32, f16], ids=str)
@pytest.mark.parametrize("sizes", [(1, 1, 4, 4), (4, 3, 10, 11), (9, 2, 5, 3), (6, 6, 40, 50)], ids=str)
def test_products_are_those_of_numpy(axis: Axis, dtype: DType, sizes: tuple[int, int, int, int]) -> None:
    along, across, d_in, d_out = sizes
    x, matrix = data(d_in, d_out, dtype)
    found, _ = product(toy(16, 16), axis, along, across, x, matrix, dtype=dtype)
    exact = x.astype(np.float64) @ matrix.astype(np.float64)
    tolerance = 1e-5 if dtype is f32 else 1e-2
    np.testing.assert_allclose(found, exact, rtol=0, atol=tolerance * np.abs(exact).max())


@pytest.mark.parametrize("wafer", [toy(8, 8), WSE3.crop(8, 8)], ids=["WSE-2", "WSE-3"])
def test_accumulating_adds_up(wafer: Wafer) -> None:
    x, matrix = data(13, 9)
    once, _ = product(wafer, Axis.Y, 4, 2, x, matrix)
    thrice, _ = product(wafer, Axis.Y, 4, 2, x, matrix, repeat=3)
    np.testing.assert_allclose(thrice, 3 * once, rtol=1e-5)


def test_two_layers_need_no_transpose() -> None:
    """The output of a line along y is the input of a line along x, with x where y was."""
    build = Builder(4, 3)
    grid = build.grid
    x = build.buffer("x", f32, 5)
    hidden, y = build.buffer("hidden", f32, 3, bank_offset=8), build.buffer("y", f32, 4, bank_offset=8)
    first, second = build.buffer("first", f32, 15), build.buffer("second", f32, 12)
    down, right = make_line(build, grid, Axis.Y, name="y"), make_line(build, grid, Axis.X)
    gemv.emit(build.main(), down, x=x, w=first, y=hidden)
    gemv.emit(build.main(), right, x=hidden, w=second, y=y)
    vector, one = data(14, 11)
    _, two = data(11, 12)
    machine = Machine(build.finish(), toy(4, 3))
    machine.write("x", gemv.input_tiles(vector, grid, Axis.Y))
    machine.write("first", gemv.tiles(one, grid, Axis.Y))
    machine.write("second", gemv.tiles(two, grid, Axis.X))
    machine.launch(max_cycles=10_000)
    found = gemv.output_vector(machine.read("y"), 12, Axis.X)
    np.testing.assert_allclose(found, vector @ one @ two, rtol=1e-4, atol=1e-4)


# -- cycles -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("wafer", [toy(8, 8), WSE3.crop(8, 8)], ids=["WSE-2", "WSE-3"])
@pytest.mark.parametrize("dtype", [f32, f16], ids=str)
@pytest.mark.parametrize("cols", [3, 7, 8, 20])
def test_smooth_rows_meet_no_bank_conflict(wafer: Wafer, dtype: DType, cols: int) -> None:
    stride = gemv.smooth_stride(cols, dtype)
    assert cols <= stride < cols + 8
    x, matrix = data(11, 2 * cols, dtype)
    _, machine = product(wafer, Axis.X, 2, 2, x, matrix, dtype=dtype, stride=stride)
    totals = machine.report().totals
    assert totals[State.BANK_STALL] == totals[State.PENDING_WRITE] == 0


@pytest.mark.parametrize("wafer", [WSE2, WSE3], ids=lambda w: w.name)
def test_local_cost_counts_rows_columns_and_conflicts(wafer: Wafer) -> None:
    even = gemv.local_cost(wafer, 8, 16, weights=f16, dtype=f16)
    assert gemv.local_cost(wafer, 9, 16, weights=f16, dtype=f16) > even
    assert gemv.local_cost(wafer, 8, 32, weights=f16, dtype=f16) > even
    assert gemv.local_cost(wafer, 8, 16, weights=f16, dtype=f16, apart=2) > even


# -- errors -------------------------------------------------------------------------------------------


def test_rows_may_not_overlap() -> None:
    build = Builder(2, 2)
    x, w, y = build.buffer("x", f32, 2), build.buffer("w", f32, 8), build.buffer("y", f32, 4)
    line = make_line(build, build.grid, Axis.X)
    with pytest.raises(ProgramError, match=r"rows of w.* 3 elements apart: expected fixed lengths, and rows apart"):
        gemv.emit(build.main(), line, x=x, w=w, y=y, stride=3)
