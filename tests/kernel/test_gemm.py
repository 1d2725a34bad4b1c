"""GEMM: right products on any rectangle, in both forms; panels from any PE; equal to GEMV bit for bit."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kernel.small_grid import WAFERS, SmallGrid
from numpy.typing import NDArray

from wse_sim import WSE2, DType, ProgramError, f16, f32
from wse_sim.engine.machine import Machine
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.blocks import Blocks, counts_of, matrix_tiles
from wse_sim.kernels.collective.line import make_line
from wse_sim.kernels.collective.plan import plan
from wse_sim.kernels.collective.shapes import chain
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.matrix import gemm_nn, gemm_nt, gemv
from wse_sim.kernels.matrix.gemm_panels import behind, make_panels
from wse_sim.kernels.matrix.gemm_panels import cost as cost_of_panel
from wse_sim.program.builder import Builder

Array = NDArray[Any]
RANDOM = np.random.default_rng(5)
SIDES = st.tuples(st.integers(1, 6), st.integers(1, 5))


# -- panels -------------------------------------------------------------------------------------------


@given(st.integers(1, 40), st.integers(0, 12))
@settings(max_examples=60, deadline=None)
def test_every_position_is_behind_exactly_one_input_of_the_root(length: int, group: int) -> None:
    shape = plan(WSE2, length, groups=(group,) if group else None)
    found = behind(shape)
    reached = sorted([shape.root, *(p for there in found[shape.root] for p in there)])
    assert reached == list(range(length))
    for position, ranges in enumerate(found):
        assert len(ranges) == len(next(s.part.inputs for s in shape.stations if position in s.positions))


@given(SIDES, st.integers(1, 7), st.integers(0, 5), st.sampled_from([f32, f16]), st.sampled_from(sorted(WAFERS)))
@settings(max_examples=25, deadline=None)
def test_panels_hold_the_tiles_of_any_neighbours(side, n, first, dtype, wafer) -> None:
    grid = SmallGrid(*side)
    first, count = first % side[0], min(3, side[0] - first % side[0])
    values = RANDOM.standard_normal((side[1], side[0], n)).astype(dtype.numpy)
    tile = grid.build.buffer("tile", dtype, n, on=grid.region)
    panel = grid.build.buffer("panel", dtype, count * n, on=grid.region)
    grid.inputs[tile] = values
    panels, pe = make_panels(grid.build, grid.line(Axis.X)), grid.pe
    panels.emit(pe, pe.integer(first), count, tile[:], lambda index: panel.at(index * n, n), panel[:])
    found = grid.run(wafer).read(panel)
    wanted = values[:, first : first + count].reshape(side[1], 1, -1)
    np.testing.assert_array_equal(found, np.broadcast_to(wanted, found.shape))


@pytest.mark.parametrize(("length", "first", "count"), [(9, 0, 6), (10, 1, 9), (9, 5, 1), (30, 22, 8), (64, 0, 3)])
@pytest.mark.parametrize("n", [1, 2, 16])
@pytest.mark.parametrize("words", [1, 8])
def test_a_panel_takes_what_its_closed_form_says(length: int, first: int, count: int, n: int, words: int) -> None:
    """Short tiles as well, in which the questions of each PE take longer than the words."""
    build = Builder(length, 1)
    line = make_line(build, build.grid, Axis.X, name="line", wafer=WSE2, words=words)
    tile, panel = build.buffer("tile", f16, n), build.buffer("panel", f16, n * count)
    pe = build.main()
    make_panels(build, line).emit(pe, pe.integer(first), count, tile[:], lambda i: panel.at(i * n, n), panel[:])
    found = Machine(build.finish(), WSE2.crop(length, 1)).launch() - WSE2.task_switch_cycles
    assert found == cost_of_panel(WSE2, line.tree, first, count, n, dtype=f16)


# -- products -----------------------------------------------------------------------------------------


def product(
    form: str, side: tuple[int, int], a: Array, w: Array, dtype: DType, sums: DType, group: int = 1
) -> tuple[Array, Tree]:  # fmt: skip
    """a w on a rectangle, (M, N), and the tree of the lines along x."""
    grid = SmallGrid(*side)
    build, region = grid.build, grid.region
    rows = Blocks(len(a), side[1])
    k_x, k_y, n_x, n_y = (Blocks(n, s) for n in w.shape for s in side)
    buffer = build.buffer("a", dtype, rows.size * k_x.size, on=region)
    c = build.buffer("c", sums, rows.size * n_x.size, on=region, bank_offset=8)
    counts, pe = counts_of(build, "count", rows, Axis.Y, region), grid.pe
    along_x, along_y = grid.line(Axis.X), grid.line(Axis.Y)
    panels = [make_panels(build, line) for line in (along_x, along_y)]
    if form == "nn":
        sizes = gemm_nn.Sizes(rows.size, k_x, k_y, n_x.size, group, group)
        held = build.buffer("w", dtype, k_y.size * n_x.size, on=region)
        scratch = gemm_nn.make_scratch(build, sizes, dtype, region)
        gemm_nn.emit(pe, *panels, sizes, a=buffer, w=held, c=c, scratch=scratch, rows=pe.load(counts))
    else:
        shape = gemm_nt.Sizes(rows.size, k_x, n_y, n_x, group)
        held = build.buffer("w", dtype, k_x.size * n_y.size, on=region)
        starts = gemm_nt.make_starts(build, shape, region)
        work = gemm_nt.make_scratch(build, shape, dtype, sums, region)
        gemm_nt.emit(
            pe, along_x, panels[1], shape, a=buffer, b=held, c=c, starts=starts, scratch=work, rows=pe.load(counts)
        )
    grid.inputs[buffer] = matrix_tiles(a, rows, k_x)
    grid.inputs[held] = gemv.tiles(w, region, Axis.Y if form == "nn" else Axis.X)
    found = grid.run().read(c).reshape(side[1], side[0], rows.size, n_x.size)
    return n_x.join(rows.join(found.swapaxes(1, 2), 1).reshape(len(a), side[0], n_x.size)), along_x.tree


@pytest.mark.parametrize("form", ["nn", "nt"])
@given(SIDES, st.integers(1, 12), st.integers(1, 14), st.integers(1, 14), st.sampled_from([(f32, f32), (f16, f32)]))
@settings(max_examples=20, deadline=None)
def test_products_are_those_of_numpy_also_where_rows_of_pes_hold_nothing(form, side, m, k, n, types) -> None:
    a, w = (RANDOM.standard_normal(shape).astype(types[0].numpy) for shape in ((m, k), (k, n)))
    found, _ = product(form, side, a, w, *types)
    exact = a.astype(np.float64) @ w.astype(np.float64)
    np.testing.assert_allclose(found, exact, rtol=0, atol=1e-5 * max(1.0, np.abs(exact).max()))


@pytest.mark.parametrize("sums", [f16, f32])
def test_the_bits_do_not_depend_on_the_rectangle_or_the_panels(sums: DType) -> None:
    a, w = (RANDOM.standard_normal(shape).astype(np.float16) for shape in ((9, 23), (23, 17)))
    runs = [product("nn", side, a, w, f16, sums, group)[0] for side, group in (((1, 1), 1), ((5, 3), 1), ((2, 5), 2))]
    assert np.array_equal(runs[0], runs[1])
    assert np.array_equal(runs[0], runs[2])
    assert np.array_equal(runs[0], gemm_nn.reference(a, w, dtype=sums))


def test_form_nt_adds_as_a_gemv_along_x_does() -> None:
    a, w = (RANDOM.standard_normal(shape).astype(np.float16) for shape in ((4, 23), (23, 11)))
    found, shape = product("nt", (6, 3), a, w, f16, f16, 2)
    for row, x in zip(found, a, strict=True):
        np.testing.assert_array_equal(row, gemv.reference(shape, x, w, dtype=f16))


def test_rounding_differs_between_the_forms_of_sums() -> None:
    a, w = (RANDOM.standard_normal(shape).astype(np.float16) for shape in ((3, 64), (64, 3)))
    exact = a.astype(np.float64) @ w.astype(np.float64)
    errors = [np.abs(gemm_nn.reference(a, w, dtype=sums) - exact).max() for sums in (f32, f16)]
    assert errors[0] < 1e-4 < errors[1]
    assert gemm_nt.reference(chain(4), a, w.T, dtype=f16).dtype == np.float16


def test_wrong_sizes() -> None:
    with pytest.raises(ProgramError, match="GEMM with K along x and along y of 5 and 6: expected one length"):
        gemm_nn.Sizes(1, Blocks(5, 2), Blocks(6, 2), 3)
    with pytest.raises(ProgramError, match="GEMM with N along y and along x of 5 and 6"):
        gemm_nt.Sizes(1, Blocks(4, 2), Blocks(5, 2), Blocks(6, 2))
    with pytest.raises(ProgramError, match="GEMM with group 0: expected 1 or more"):
        gemm_nt.Sizes(1, Blocks(4, 2), Blocks(5, 2), Blocks(5, 2), 0)
