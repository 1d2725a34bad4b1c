"""Directions, routes and regions; regions slice as numpy arrays do."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from wse_sim.errors import ProgramError
from wse_sim.hardware.geometry import EAST, NORTH, RAMP, SOUTH, WEST, Direction, Grid, Outputs, Region, Route

# -- directions and routes ------------------------------------------------------------------------


def test_codes_are_what_compiled_code_expects() -> None:
    assert [int(d) for d in (EAST, NORTH, WEST, SOUTH, RAMP)] == [0, 1, 2, 3, 4]


@pytest.mark.parametrize("direction", Direction)
def test_a_step_and_its_opposite_lead_back(direction: Direction) -> None:
    back = direction.opposite
    assert back.opposite is direction
    assert (direction.dx + back.dx, direction.dy + back.dy) == (0, 0)


def test_y_grows_south() -> None:
    assert (SOUTH.dx, SOUTH.dy, EAST.dx, EAST.dy, RAMP.dx, RAMP.dy) == (0, 1, 1, 0, 0, 0)
    assert (EAST.opposite, NORTH.opposite, RAMP.opposite) == (WEST, SOUTH, RAMP)


@pytest.mark.parametrize(
    ("route", "text", "mask"),
    [
        (WEST >> RAMP, "WEST >> RAMP", 16),
        (WEST >> (EAST | RAMP), "WEST >> RAMP|EAST", 17),
        (WEST >> (RAMP, EAST), "WEST >> RAMP|EAST", 17),
        (RAMP >> EAST | WEST, "RAMP >> EAST|WEST", 5),
        (RAMP >> WEST | EAST | NORTH | SOUTH, "RAMP >> EAST|NORTH|WEST|SOUTH", 15),
        (NORTH >> ((RAMP | SOUTH) | EAST), "NORTH >> RAMP|EAST|SOUTH", 25),
    ],
)
def test_every_way_to_write_a_route(route: Route, text: str, mask: int) -> None:
    assert (repr(route), str(route), route.mask) == (text, text, mask)


def test_routes_are_values() -> None:
    assert len({RAMP >> EAST | WEST, RAMP >> (WEST | EAST), RAMP >> (EAST, WEST, EAST)}) == 1
    assert RAMP in (WEST >> RAMP).outputs
    assert EAST not in (WEST >> RAMP).outputs
    assert list(Outputs([WEST, RAMP, EAST])) == [RAMP, EAST, WEST]


def test_a_direction_in_a_text_is_its_name() -> None:
    assert f"{EAST} {RAMP!r}" == "EAST RAMP"


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: WEST >> (), "the route from WEST has no output: name one, as in WEST >> RAMP"),
        (lambda: EAST | WEST >> RAMP, "WEST >> RAMP already has its input: a route takes wavelets from one port only"),
        (lambda: WEST >> 3, "3 is no set of output ports: expected directions, as in RAMP | EAST"),
        (lambda: WEST >> ("EAST",), "('EAST',) is no set of output ports: expected directions"),
        (lambda: Route("W", Outputs([RAMP])), "a route from 'W': the input must be one of RAMP, EAST, NORTH, WEST"),
    ],
)
def test_a_wrong_route_says_why(build: Any, message: str) -> None:
    with pytest.raises(ProgramError) as caught:
        build()
    assert message in str(caught.value)


# -- regions --------------------------------------------------------------------------------------

sizes = st.integers(1, 9)
bounds = st.none() | st.integers(-11, 11)
slices = st.builds(slice, bounds, bounds, st.none() | st.sampled_from([-3, -2, -1, 1, 2, 3]))


def _array(width: int, height: int) -> np.ndarray:
    """The (x, y) of each cell, (height, width, 2)."""
    return np.stack(np.meshgrid(np.arange(width), np.arange(height)), axis=-1)


def _pes(cells: np.ndarray) -> list[tuple[int, int]]:
    return [(int(x), int(y)) for x, y in cells.reshape(-1, 2)]


@settings(deadline=None)
@given(sizes, sizes, slices, slices, slices, slices)
def test_regions_slice_as_numpy_does(
    width: int, height: int, x: slice, y: slice, again_x: slice, again_y: slice
) -> None:
    region, cells = Grid(width, height)[x, y][again_x, again_y], _array(width, height)[y, x][again_y, again_x]
    assert list(region) == _pes(cells)
    assert (region.height, region.width, len(region)) == (*cells.shape[:2], cells.shape[0] * cells.shape[1])
    assert bool(region) == bool(cells.size)


@settings(deadline=None)
@given(sizes, sizes, slices, st.integers(-11, 11))
def test_an_integer_picks_one_column_or_fails_as_numpy_does(width: int, height: int, x: slice, at: int) -> None:
    region, cells = Grid(width, height)[x, :], _array(width, height)[:, x]
    try:
        picked = cells[:, at]
    except IndexError:
        with pytest.raises(ProgramError, match=rf"column {at} is outside region"):
            region[at, :]
    else:
        assert list(region[at, :]) == _pes(picked)


@settings(deadline=None)
@given(sizes, sizes, slices, slices, slices, slices)
def test_questions_agree_with_sets(width: int, height: int, ax: slice, ay: slice, bx: slice, by: slice) -> None:
    grid = Grid(width, height)
    a, b = grid[ax, ay], grid[bx, by]
    assert a.intersects(b) == bool(set(a) & set(b))
    assert a.contains(b) == (set(b) <= set(a))
    assert [pe for pe in grid if pe in a] == sorted(a, key=lambda pe: (pe[1], pe[0]))
    assert {(int(x), int(y)) for y, x in np.argwhere(a.mask(width, height))} == set(a)
    assert sorted(pe for column in a.columns for pe in column) == sorted(a)
    assert [pe for row in a.rows for pe in row] == list(a)


@settings(deadline=None)
@given(sizes, sizes, slices, slices)
@example(4, 4, slice(3, 0, -1), slice(None, None, -1))
def test_the_text_of_a_region_is_its_slice(width: int, height: int, x: slice, y: slice) -> None:
    grid = Grid(width, height)
    region = grid[x, y]
    again = eval(f"grid{region!r}", {"grid": grid})
    assert list(again) == list(region)


def test_regions_are_values() -> None:
    grid = Grid(8, 8)
    assert grid[:, :] == grid == Region(range(8), range(8))
    assert {grid[::2, 0], grid[0:7:2, 0:1]} == {grid[0:8:2, 0]}
    assert len({grid[8:, :], grid[:0, :]}) == 1
    assert repr(grid[:, 1:-1:2]) == "[0:8, 1:7:2]"
    assert repr(grid[3, ::-1]) == "[3, 7::-1]"


def test_numpy_integers_are_indices() -> None:
    grid = Grid(np.int64(4), np.int64(2))
    assert grid[np.int64(-1), np.int32(0)] == grid[3, 0]
    assert (np.int64(3), np.int64(1)) in grid


@pytest.mark.parametrize(
    ("ask", "message"),
    [
        (lambda g: g[8, 0], "column 8 is outside region [0:8, 0:4]; valid: -8 to 7"),
        (lambda g: g[2:4, :][0, -5], "row -5 is outside region [2:4, 0:4]; valid: -4 to 3"),
        (lambda g: g[:0, :][0, 0], "column 0 is outside region [0:0, 0:4]; valid: none, the region is empty"),
        (lambda g: g[1.5, 0], "column 1.5 of region [0:8, 0:4]: expected an integer or a slice"),
        (lambda g: g[1], "region[1]: a region takes two indices, region[x, y]; use `:` for all"),
        (lambda g: g.mask(4, 4), "region [0:8, 0:4] reaches outside the 4 x 4 grid"),
        (lambda g: Grid(0, 4), "grid width is 0: expected a whole number of PEs, 1 or more"),
        (lambda g: Grid(4, 2.0), "grid height is 2.0: expected a whole number of PEs, 1 or more"),
    ],
)
def test_a_wrong_index_says_what_is_valid(ask: Any, message: str) -> None:
    with pytest.raises(ProgramError) as caught:
        ask(Grid(8, 4))
    assert str(caught.value) == message


def test_an_index_error_is_also_an_index_error() -> None:
    with pytest.raises(IndexError):
        Grid(2, 2)[2, 0]
