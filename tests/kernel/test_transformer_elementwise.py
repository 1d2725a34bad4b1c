"""GELU, LayerNorm, softmax and residual: pads, places without elements, work in place, hard numbers."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from kernel.small_grid import WAFERS, SmallGrid, error, read_vector

from wse_sim import f16, f32
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.blocks import Blocks, counts_of, starts_of, vector_tiles
from wse_sim.kernels.transformer import gelu, layernorm, residual, softmax

FEW = settings(
    max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
sides, wafers = st.tuples(st.integers(1, 6), st.integers(1, 5)), st.sampled_from(sorted(WAFERS))
types = st.sampled_from([(f32, f32), (f32, f16), (f16, f16)])  # of the data, of gain and bias
EPSILON = 1e-5
MARK = 7.0  # what lies in pads before; kernels must leave it


def marked(values: np.ndarray, blocks: Blocks, axis: Axis) -> np.ndarray:
    """Tiles of a vector, with the mark in the pads."""
    valid = vector_tiles(np.ones(blocks.total), blocks, axis)
    return np.where(valid == 1, vector_tiles(values, blocks, axis), np.array(MARK, values.dtype))


@FEW
@given(sides, st.integers(1, 30), st.sampled_from(["erf", "tanh"]), st.booleans(), wafers)
def test_gelu_touches_valid_elements_only(side, features, form, in_place, wafer) -> None:
    grid, blocks = SmallGrid(*side), Blocks(features, side[0])
    x = np.linspace(-4, 4, features).astype(np.float32)
    source, other = grid.vector("x", blocks, Axis.X), grid.vector("other", blocks, Axis.X)
    to = source if in_place else other
    grid.inputs |= {source: marked(x, blocks, Axis.X), other: np.full((1, 1, blocks.size), MARK)}
    scratch = gelu.make_scratch(grid.build, blocks.size, grid.region)
    counts = counts_of(grid.build, "count", blocks, Axis.X, grid.region)
    gelu.emit(grid.pe, source, to, grid.pe.load(counts), form, scratch)
    found = grid.run(wafer).read(to)
    wanted = marked(gelu.reference(x, form), blocks, Axis.X)
    np.testing.assert_array_equal(found, np.broadcast_to(wanted, found.shape))


@FEW
@given(sides, st.integers(1, 30), st.sampled_from(["erf", "tanh"]), st.sampled_from([f16, f32]))
def test_shared_gelu_is_bit_for_bit_the_plain_one(side, features, form, dtype) -> None:
    grid, blocks = SmallGrid(*side), Blocks(features, side[0])
    x = np.linspace(-4, 4, features).astype(dtype.numpy)
    source, plain = (grid.vector(name, blocks, Axis.X, x, dtype) for name in ("x", "plain"))
    shared = grid.vector("shared", blocks, Axis.X, dtype=dtype)
    shares = Blocks(blocks.size, side[1])
    starts = starts_of(grid.build, "share", shares, Axis.Y, grid.region)
    counts = counts_of(grid.build, "count", blocks, Axis.X, grid.region)
    line, count = grid.line(Axis.Y), grid.pe.load(counts)
    gelu.emit(grid.pe, source, plain, count, form, gelu.make_scratch(grid.build, blocks.size, grid.region))
    scratch = gelu.make_scratch(grid.build, shares.size, grid.region)
    gelu.emit_shared(grid.pe, line, source, shared, count, form, scratch, starts)
    machine = grid.run()
    np.testing.assert_array_equal(machine.read("shared"), machine.read("plain"))


def test_sharing_pays_where_blocks_are_large() -> None:
    grid = SmallGrid(1, 8)
    for wafer in WAFERS.values():
        tree = grid.line(Axis.Y).tree
        assert gelu.cost_shared(wafer, tree, 64, "tanh") < gelu.cost(wafer, 64, "tanh") / 4
        assert gelu.cost_shared(wafer, tree, 1, "tanh") > gelu.cost(wafer, 1, "tanh")


@FEW
@given(sides, st.integers(1, 30), st.booleans(), types, wafers)
def test_layernorm_touches_valid_elements_only(side, features, in_place, dtypes, wafer) -> None:
    grid, blocks, (dtype, parameters) = SmallGrid(*side), Blocks(features, side[1]), dtypes
    random = np.random.default_rng(features)
    x = random.uniform(-2, 2, features).astype(dtype.numpy)
    gain, bias = random.uniform(-2, 2, (2, features)).astype(parameters.numpy)
    found, wanted = normed(grid, blocks, x, gain, bias, in_place, wafer)
    wanted = marked(wanted, blocks, Axis.Y)
    np.testing.assert_array_equal(found, np.broadcast_to(wanted, found.shape))


def normed(grid, blocks, x, gain, bias, in_place=False, wafer="WSE-2") -> tuple[np.ndarray, np.ndarray]:
    """What the machine makes of `x`, (height, width, size), and what the reference does."""
    types = {np.dtype(t.numpy): t for t in (f16, f32)}
    source, other = (grid.vector(n, blocks, Axis.Y, dtype=types[x.dtype]) for n in ("x", "other"))
    to = source if in_place else other
    grid.inputs |= {source: marked(x, blocks, Axis.Y), other: np.full((1, 1, blocks.size), MARK)}
    scales = [grid.vector(n, blocks, Axis.Y, v, types[v.dtype]) for n, v in (("gain", gain), ("bias", bias))]
    counts = counts_of(grid.build, "count", blocks, Axis.Y, grid.region)
    scratch = layernorm.make_scratch(grid.build, blocks.size, grid.region)
    line, pe = grid.line(Axis.Y), grid.pe
    layernorm.emit(
        pe, line, source, to, *scales, pe.load(counts), scratch, features=blocks.total, epsilon=EPSILON
    )
    return grid.run(wafer).read(to), layernorm.reference(line.tree, x, gain, bias, EPSILON)


@pytest.mark.parametrize("offset", [100.0, 3000.0])
def test_layernorm_is_accurate_far_from_zero(offset: float) -> None:
    """The sum of squares less the square of the sum would lose all digits here."""
    x = (np.random.default_rng(2).standard_normal(48) + offset).astype(np.float32)
    grid, blocks = SmallGrid(2, 5), Blocks(48, 5)
    found, _ = normed(grid, blocks, x, np.ones(48, np.float32), np.zeros(48, np.float32))
    wide = x.astype(np.float64)
    wanted = (wide - wide.mean()) / np.sqrt(wide.var() + EPSILON)
    assert error(read_vector(found, blocks, Axis.Y), wanted) < offset * 2**-24 * 4


def test_layernorm_of_equal_elements_is_the_bias() -> None:
    grid, blocks = SmallGrid(2, 3), Blocks(8, 3)
    bias = np.arange(8, dtype=np.float32)
    found, _ = normed(grid, blocks, np.full(8, 2.5, np.float32), np.ones(8, np.float32), bias)
    np.testing.assert_array_equal(read_vector(found, blocks, Axis.Y), bias)


@pytest.mark.parametrize("in_place", [False, True])
@pytest.mark.parametrize("elements", [1, 2, 7])  # fewer than rows of PEs: some hold none
def test_softmax_of_large_scores_and_of_places_without_elements(elements: int, in_place: bool) -> None:
    grid, blocks, rows = SmallGrid(2, 5), Blocks(elements, 5), 3
    x = np.random.default_rng(3).uniform(-500, 500, (rows, elements)).astype(np.float32)
    tiles = np.moveaxis(blocks.deal(x), 1, 0).reshape(5, 1, rows * blocks.size)
    source = grid.build.buffer("x", f32, rows * blocks.size, on=grid.region)
    to = source if in_place else grid.build.buffer("to", f32, rows * blocks.size, on=grid.region)
    grid.inputs[source] = tiles
    counts = counts_of(grid.build, "count", blocks, Axis.Y, grid.region)
    scratch = softmax.make_scratch(grid.build, rows, blocks.size, grid.region)
    line, pe = grid.line(Axis.Y), grid.pe
    softmax.emit(pe, line, source, to, pe.load(counts), scratch, rows=rows, size=blocks.size)
    found = grid.run().read(to)[:, 0].reshape(5, rows, blocks.size)
    np.testing.assert_array_equal(blocks.join(np.moveaxis(found, 0, 1)), softmax.reference(line.tree, x))


def test_residual_rounds_once_to_the_type_of_the_stream() -> None:
    grid, blocks = SmallGrid(2, 3), Blocks(10, 3)
    random = np.random.default_rng(4)
    hidden = random.standard_normal(10).astype(np.float16)
    update = random.standard_normal(10).astype(np.float32)
    to = grid.vector("hidden", blocks, Axis.Y, hidden, f16)
    residual.emit(grid.pe, to, grid.vector("update", blocks, Axis.Y, update))
    found = read_vector(grid.run().read("hidden"), blocks, Axis.Y)
    np.testing.assert_array_equal(found, (hidden.astype(np.float64) + update).astype(np.float16))
