"""Lanes between regions: whole, without crossings, and refused where they cannot be."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wse_sim import Region
from wse_sim.errors import ProgramError
from wse_sim.kernels.collective.handover import lanes, make_handover
from wse_sim.program.builder import Builder


@st.composite
def regions(draw: st.DrawFn) -> Region:
    x, y = draw(st.integers(0, 20)), draw(st.integers(0, 20))
    return Region(range(x, x + draw(st.integers(1, 6))), range(y, y + draw(st.integers(1, 5))))


@given(regions(), regions())
def test_lanes_are_whole_and_do_not_cross(source: Region, target: Region) -> None:
    laid = lanes(source, target)
    if not laid:
        return
    assert [lane.start[1] for lane in laid] == list(source.ys)
    assert [lane.end[1] for lane in laid] == list(target.ys)
    taken: set[tuple[int, int]] = set()
    for lane in laid:
        assert lane.start in source
        assert lane.end in target
        way = [(pe, port, out) for region, port, out in lane.runs() for pe in region]
        assert len(way) == lane.hops + 1
        assert not taken & {pe for pe, _, _ in way}
        taken |= {pe for pe, _, _ in way}
        out_of = {pe: out for pe, _, out in way}
        into = {pe: port for pe, port, _ in way}
        x, y = lane.start
        for _ in range(lane.hops):
            out = out_of[x, y]
            x, y = x + out.dx, y + out.dy
            assert into[x, y] is out.opposite
        assert (x, y) == lane.end


def test_what_can_be_laid() -> None:
    def at(x: int, y: int, width: int, height: int) -> Region:
        return Region(range(x, x + width), range(y, y + height))

    assert lanes(at(0, 0, 3, 4), at(3, 0, 2, 4))
    assert lanes(at(0, 0, 4, 4), at(1, 7, 5, 4))  # three columns in common, one beside them
    assert lanes(at(0, 0, 4, 4), at(0, 7, 5, 4))
    assert lanes(at(0, 0, 4, 4), at(4, 9, 4, 4))
    assert lanes(at(0, 0, 4, 4), at(4, 9, 3, 4)) == ()
    assert lanes(at(0, 0, 4, 4), at(4, 0, 4, 3)) == ()
    assert lanes(at(0, 0, 4, 4), at(2, 2, 4, 4)) == ()


def test_message() -> None:
    build = Builder(8, 8)
    with pytest.raises(ProgramError, match=r"no lanes from \[0:2, 0:2\] to \[4:6, 0:3\]: expected disjoint regions"):
        make_handover(build, build.grid[:2, :2], build.grid[4:6, :3], size=1)
