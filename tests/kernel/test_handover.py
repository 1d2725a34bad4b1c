"""Lanes between regions: whole, without crossings, round dead PEs, and refused where they cannot be."""

from __future__ import annotations

import networkx as nx
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wse_sim import Region
from wse_sim.errors import ProgramError
from wse_sim.hardware.geometry import RAMP
from wse_sim.kernels.collective.handover import make_handover
from wse_sim.kernels.collective.lanes import Lane, Lanes, lanes
from wse_sim.program.builder import Builder

Pe = tuple[int, int]


@st.composite
def regions(draw: st.DrawFn) -> Region:
    x, y = draw(st.integers(0, 20)), draw(st.integers(0, 20))
    return Region(range(x, x + draw(st.integers(1, 8))), range(y, y + draw(st.integers(1, 7))))


def walked(lane: Lane) -> tuple[set[Pe], set[Pe], int]:
    """PEs that a wavelet passes as the routes say, those that get it, and the links to the farthest."""
    routes = {pe: (port, outputs) for region, port, outputs in lane.runs() for pe in region}
    assert len(routes) == sum(len(region) for region, _, _ in lane.runs()), "a PE with two routes"
    passed, got, links = set(), set(), 0
    waiting = [(lane.start, RAMP, 0)]
    while waiting:
        pe, came, hops = waiting.pop()
        port, outputs = routes[pe]
        assert port is came
        passed.add(pe)
        for out in outputs:
            if out is RAMP:
                got.add(pe)
                links = max(links, hops)
            else:
                waiting.append(((pe[0] + out.dx, pe[1] + out.dy), out.opposite, hops + 1))
    assert passed == set(routes)
    return passed, got, links


def rows_needed(y: int, source: Region, target: Region, total: int) -> set[int]:
    """Rows of the target that share an element with a row of the source, element by element."""
    mine, theirs = -(-total // source.height), -(-total // target.height)
    first = (y - source.ys[0]) * mine
    return {target.ys[0] + e // theirs for e in range(first, min(first + mine, total))}


def check(source: Region, target: Region, total: int, laid: Lanes) -> None:
    for bundle in laid.bundles:
        taken: set[Pe] = set()
        for lane in bundle.lanes:
            passed, got, links = walked(lane)
            assert not passed & taken
            taken |= passed
            assert lane.start in source
            assert got == set(lane.ends)
            assert got <= set(target)
            assert links == lane.hops
            assert len(passed) == lane.links + 1
        (x, y), mask = bundle.corner, bundle.mask
        assert taken == {(x + i, y + j) for j, i in np.argwhere(mask).tolist()}
    ends = [pe for lane in laid.lanes for pe in lane.ends]
    assert len(ends) == len(set(ends)), "a PE with two lanes"
    for lane in laid.lanes:
        assert rows_needed(lane.start[1], source, target, total) <= {y for _, y in lane.ends}


@given(regions(), regions(), st.integers(1, 60))
def test_lanes_are_whole_and_do_not_cross(source: Region, target: Region, total: int) -> None:
    laid = lanes(source, target, total)
    if laid:
        check(source, target, total, laid)
        assert len(laid.bundles) == 1 or target.width < source.height
        rows = {y for y in source.ys if rows_needed(y, source, target, total)}
        assert rows <= {lane.start[1] for lane in laid.lanes}
    else:
        assert source.intersects(target) or target.width < source.height


@given(regions(), regions(), st.frozensets(st.tuples(st.integers(0, 27), st.integers(0, 27)), max_size=40))
def test_lanes_go_round_dead_pes_on_a_shortest_way(source: Region, target: Region, given_dead: frozenset[Pe]) -> None:
    dead = given_dead - set(source) - set(target)
    within = Region(range(28), range(28))
    plain, laid = lanes(source, target, 30), lanes(source, target, 30, dead=dead, within=within)
    if not plain:
        assert not laid
        return
    if not laid:
        assert "dead PEs wall off" in laid.why_not
        return
    check(source, target, 30, laid)
    alive = nx.grid_2d_graph(28, 28)
    alive.remove_nodes_from(dead)
    for lane, before in zip(laid.lanes, plain.lanes, strict=True):
        passed, _, _ = walked(lane)
        assert not passed & dead
        assert all(pe in within for pe in passed)
        if lane != before:
            (x, y), own = lane.corners[-1], alive.copy()
            column = range(min(y, *lane.rows), max(y, *lane.rows) + 1)
            own.remove_nodes_from({(x, to) for to in column} - {(x, y)})
            assert lane.links - (len(column) - 1) == nx.shortest_path_length(own, lane.start, (x, y))


def at(x: int, y: int, width: int, height: int) -> Region:
    return Region(range(x, x + width), range(y, y + height))


def test_what_can_be_laid() -> None:
    assert lanes(at(0, 0, 3, 4), at(3, 0, 2, 4), 8)
    assert lanes(at(0, 0, 4, 4), at(1, 7, 5, 4), 8)  # three columns in common, one beside them
    assert lanes(at(0, 0, 4, 4), at(0, 7, 5, 4), 8)
    assert lanes(at(0, 0, 4, 4), at(4, 9, 4, 4), 8)
    assert lanes(at(0, 0, 4, 4), at(4, 0, 4, 3), 8)
    assert lanes(at(0, 0, 4, 4), at(4, 2, 4, 9), 8)
    assert len(lanes(at(0, 0, 4, 4), at(4, 9, 3, 4), 8).bundles) == 2
    assert "8 rows of [0:8, 0:8] end in 1 columns of [9, 8:16]" in lanes(at(0, 0, 8, 8), at(9, 8, 1, 8), 8).why_not
    assert "meet" in lanes(at(0, 0, 4, 4), at(2, 2, 4, 4), 8).why_not


def test_a_dead_pe_costs_two_hops_and_a_colour() -> None:
    source, target = at(0, 0, 3, 4), at(6, 0, 3, 4)
    laid = lanes(source, target, 8, dead=frozenset({(4, 1)}), within=at(0, 0, 9, 4))
    assert [lane.hops for lane in laid.lanes] == [4, 6, 4, 4]
    assert len(laid.bundles) == 2
    wall = frozenset((4, y) for y in range(4))
    assert "dead PEs wall off PE (6, 0) from PE (2, 0)" in lanes(
        source, target, 8, dead=wall, within=at(0, 0, 9, 4)
    ).why_not
    assert lanes(source, target, 8, dead=wall, within=at(0, 0, 9, 5)).hops == 4 + 2 * 4


def test_message() -> None:
    build = Builder(8, 8)
    with pytest.raises(ProgramError, match=r"no lanes from \[0:2, 0:2\] to \[1:3, 1:3\]: regions .* meet: expected"):
        make_handover(build, build.grid[:2, :2], build.grid[1:3, 1:3], total=1)
