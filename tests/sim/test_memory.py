"""Buffers get room of their own; views reach what they say."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wse_sim.errors import ProgramError
from wse_sim.hardware import DTYPES, WSE2, Region, f16, f32, i16, i32
from wse_sim.program import Buffer, Builder, View, check, each

WIDTH, HEIGHT = 6, 4

# -- allocation -------------------------------------------------------------------------------------


def test_buffers_start_on_a_period_of_the_banks() -> None:
    build = Builder(2, 2)
    assert [build.buffer("a", f16, n).address for n in (1, 8, 9, 1)] == [0, 16, 32, 64]


@pytest.mark.parametrize("offset", [0, 2, 8, 14])
def test_bank_offset_moves_the_start_past_a_period(offset: int) -> None:
    build = Builder(1, 1)
    build.buffer("before", f16, 3)
    assert build.buffer("a", f16, 4, bank_offset=offset).address % 16 == offset


def test_a_gap_that_is_large_enough_is_used() -> None:
    build = Builder(1, 1)
    first, second, third = (build.buffer(name, f32, 8) for name in ("first", "second", "third"))
    build.release(second)
    small = build.buffer("small", f32, 4)
    assert small.address == second.address
    assert build.buffer("large", f32, 8).address == third.end
    assert build.buffer("rest", f32, 4).address == small.end
    build.release(first)
    assert build.buffer("again", f32, 8).address == 0


def test_buffers_of_disjoint_regions_share_addresses() -> None:
    build = Builder(4, 1)
    even, odd = build.grid[::2, :], build.grid[1::2, :]
    assert build.buffer("even", f32, 4, on=even).address == 0
    assert build.buffer("odd", f32, 4, on=odd).address == 0
    assert build.buffer("all", f32, 4).address == 16


def test_released_room_is_taken_only_where_it_is_free() -> None:
    build = Builder(4, 1)
    left = build.buffer("left", f32, 4, on=build.grid[:2, :])
    build.buffer("right", f32, 4, on=build.grid[2:, :])
    build.release(left)
    assert build.buffer("new", f32, 4, on=build.grid[:2, :]).address == 0
    assert build.buffer("wide", f32, 4).address == 16


spans = st.builds(slice, st.integers(0, 5), st.integers(0, 6), st.sampled_from([1, 2, 3]))
requests = st.tuples(spans, spans, st.sampled_from(DTYPES), st.integers(0, 20), st.integers(0, 7), st.booleans())


@given(st.lists(requests, max_size=14), st.randoms(use_true_random=False))
def test_live_buffers_never_share_a_byte_of_a_pe(wanted: list[Any], random: Any) -> None:
    build = Builder(WIDTH, HEIGHT)
    live: list[Buffer] = []
    for i, (xs, ys, dtype, length, offset, frees) in enumerate(wanted):
        bank_offset = offset * 2 // dtype.bytes * dtype.bytes
        made = build.buffer(f"b{i}", dtype, length, on=build.grid[xs, ys], bank_offset=bank_offset)
        assert made.address % 16 == bank_offset
        live.append(made)
        if frees:
            build.release(live.pop(random.randrange(len(live))))
        for pe in build.grid:
            taken = sorted((b.address, b.end) for b in live if pe in b.region and b.nbytes)
            assert all(low[1] <= high[0] for low, high in pairwise(taken))
    check(build.finish(), WSE2)


def test_names_are_made_unique() -> None:
    build = Builder(1, 1)
    assert [build.buffer("a", f32, 1).name for _ in range(3)] == ["a", "a.2", "a.3"]


# -- initial values ---------------------------------------------------------------------------------


def test_initial_values_spread_over_the_region() -> None:
    build = Builder(3, 2)
    row = build.buffer("row", f32, 4, init=np.arange(4))
    per_pe = build.constant("pe", i32, np.arange(6).reshape(2, 3))
    column = build.constant("column", f16, 7, on=build.grid[1, :])
    initial = build.finish().initial
    assert initial[row].shape == (2, 3, 4)
    assert initial[row][1, 2].tolist() == [0, 1, 2, 3]
    assert initial[per_pe][1, 0].tolist() == [3]
    assert (initial[column].shape, initial[column].dtype) == ((2, 1, 1), np.float16)


def test_initial_values_are_a_copy_that_nobody_changes() -> None:
    build = Builder(1, 1)
    values = np.ones(4, np.float32)
    made = build.buffer("a", f32, 4, init=values)
    values[:] = 2
    kept = build.finish().initial[made]
    assert kept.ravel().tolist() == [1, 1, 1, 1]
    with pytest.raises(ValueError, match="read-only"):
        kept[0, 0, 0] = 3


@pytest.mark.parametrize(
    ("dtype", "init", "message"),
    [
        (f32, np.ones(3), r"initial values of a: f32\[4\] have shape \(3,\): expected .* = \(1, 2, 4\)"),
        (i32, np.ones(4), r"initial values of a: i32\[4\] are float64: expected i32; convert them first"),
        (i16, 70_000, r"initial values of a: i16\[4\] do not fit i16: expected a larger type"),
        (f16, 1e6, r"initial values of a: f16\[4\] overflow f16: expected smaller ones"),
        (f32, "ones", r"initial values of a: f32\[4\] are <U4: expected f32"),
    ],
)
def test_initial_values_that_do_not_fit_are_refused(dtype: Any, init: Any, message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        Builder(2, 1).buffer("a", dtype, 4, init=init)


def test_a_constant_of_a_wrong_shape_is_refused() -> None:
    with pytest.raises(ProgramError, match=r"constant 'c' have shape \(5,\): expected \(height, width\) = \(1, 2\)"):
        Builder(2, 1).constant("c", i32, np.arange(5))


# -- views ------------------------------------------------------------------------------------------


def _elements(view: View) -> list[int]:
    """The elements a view walks, by its definition."""
    assert isinstance(view.length, int)
    inner = view.inner or max(1, view.length)
    return [view.offset + i // inner * view.outer_stride + i % inner * view.stride for i in range(view.length)]


@given(st.integers(0, 9), st.none() | st.integers(-11, 11), st.none() | st.integers(-11, 11),
       st.none() | st.sampled_from([-3, -2, -1, 1, 2, 3]))
def test_slices_are_those_of_a_list(length: int, start: int | None, stop: int | None, step: int | None) -> None:
    buffer = Builder(1, 1).buffer("a", f32, length)
    assert _elements(buffer[start:stop:step]) == list(range(length))[start:stop:step]


@given(st.integers(1, 9), st.integers(-9, 8))
def test_indices_are_those_of_a_list(length: int, index: int) -> None:
    buffer = Builder(1, 1).buffer("a", f32, length)
    if -length <= index < length:
        assert _elements(buffer[index]) == [list(range(length))[index]]
    else:
        with pytest.raises(ProgramError, match=r"a\[-?\d+\] is outside a: f32\[\d+\]: expected"):
            buffer[index]


@given(st.integers(0, 3), st.integers(1, 12), st.integers(-3, 3), st.integers(1, 4), st.integers(-4, 4))
def test_the_extent_is_what_the_elements_of_whole_rows_reach(
    offset: int, length: int, stride: int, inner: int, outer: int
) -> None:
    buffer = Builder(1, 1).buffer("a", f32, 200)
    view = buffer.view(100 + offset, length, stride=stride, inner=inner, outer_stride=outer)
    wide = min(inner, length)
    full = buffer.view(100 + offset, -(-length // wide) * wide, stride=stride, inner=inner, outer_stride=outer)
    assert view.extent(length) == (min(_elements(full)), max(_elements(full)))


def test_a_view_without_length_goes_to_the_end() -> None:
    buffer = Builder(1, 1).buffer("a", f32, 10)
    assert _elements(buffer.view(3)) == [3, 4, 5, 6, 7, 8, 9]
    assert _elements(buffer.view(1, stride=4)) == [1, 5, 9]
    assert _elements(buffer.view(7, stride=-3)) == [7, 4, 1]
    assert _elements(buffer.view(2, 3, stride=0)) == [2, 2, 2]


def test_numpy_integers_become_plain_ones() -> None:
    view = Builder(1, 1).buffer("a", f32, np.int64(10)).view(np.int32(1), np.int64(4), stride=np.int8(2))
    assert [type(x) for x in (view.offset, view.length, view.stride, view.buffer.length)] == [int] * 4


def test_auto_advance_moves_past_the_view() -> None:
    build = Builder(1, 1)
    buffer, where = build.buffer("a", f32, 64), build.main().integer(0)
    assert buffer.view(0, 5, stride=2).at(where, advance=True).advance == 10
    assert buffer.view(0, 6).rows(3, 8).at(where, advance=True).advance == 16
    assert buffer.at(where, 5).advance == 0


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda a, r, x: a[8:13].rows(5, 0).stepping(1.5), r"step of a view of a: f32\[10\] is 1.5: expected a whole"),
        (lambda a, r, x: a.view(8, 3), r"view of a: f32\[10\] reaches elements 8..10: expected them within 0..9"),
        (lambda a, r, x: a.view(0, -1), "length of a view of a.* is -1: expected a whole number, 0 or more"),
        (lambda a, r, x: a.view(0, 2.0), "length of a view of a.* is 2.0: expected a whole number"),
        (lambda a, r, x: a.view(stride=0), "view of a.* has stride 0: expected a length"),
        (lambda a, r, x: a.view(0, 4, inner=0), "inner of a view of a.* is 0: expected a whole number, 1 or more"),
        (lambda a, r, x: a.view(0, x), "length of a view of a.* is f1: expected an integer register"),
        (lambda a, r, x: a[::0], "step of a slice of a.* is 0"),
        (lambda a, r, x: a["x"], r"a\['x'\]: expected an index or a slice"),
        (lambda a, r, x: a[r], r"a\[i0\]: expected a fixed index; use a.at\(i0\)"),
        (lambda a, r, x: a[r:], r"a\[...\] has the register i0 as a bound: .* use a.at\(first, length\)"),
        (lambda a, r, x: a.at(3), "place of a view of a.* is 3: expected an integer register"),
        (lambda a, r, x: a.at(x), "place of a view of a.* is f1: expected an integer register"),
        (lambda a, r, x: a.at(r).at(r), "is already moved by i0: expected one register; add the two"),
        (lambda a, r, x: a.at(r, r).at(r, advance=True), "is already moved"),
        (lambda a, r, x: a.view(0, r).at(r, advance=True), "auto-advance of a.* needs a fixed length"),
        (lambda a, r, x: a[:5].rows(2, 4).at(r, advance=True), "expected whole rows of 2 elements, not 5"),
        (lambda a, r, x: a[:4].at(r, advance=True).rows(2, 4), r"already advances: expected .rows\(...\) before"),
        (lambda a, r, x: each(x), r"each\(f1\): expected a view of a buffer"),
    ],
)
def test_views_that_make_no_sense_are_refused(make: Any, message: str) -> None:
    build = Builder(1, 1)
    pe = build.main()
    with pytest.raises(ProgramError, match=message):
        make(build.buffer("a", f32, 10), pe.integer(0), pe.real(0))


def test_each_takes_a_buffer_as_all_of_it() -> None:
    buffer = Builder(1, 1).buffer("a", f32, 4)
    assert repr(each(buffer)) == repr(each(buffer[:])) == "each(a[0 n=4])"


def test_what_buffers_and_views_say_of_themselves() -> None:
    build = Builder(1, 1)
    buffer, where = build.buffer("a", f16, 64), build.main().integer(0)
    assert repr(buffer) == "a: f16[64]"
    assert repr(buffer.view(2, 6, stride=2).at(where, advance=True)) == "a[2+i0 n=6 stride=2 advance=12]"
    assert repr(buffer[:6].rows(3, 8).stepping(1)) == "a[0 n=6 inner=3 outer_stride=8 step=1]"
    assert isinstance(buffer.region, Region)
