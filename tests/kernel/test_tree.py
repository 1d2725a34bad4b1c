"""Trees: each algorithm's shape, its wires, the law that weighs them, and clear refusals."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive import reduction as naive

from wse_sim import WSE2, WSE3, ProgramError, Wafer
from wse_sim.kernels.collective import all_reduce, law, shapes
from wse_sim.kernels.collective.flow import Flow
from wse_sim.kernels.collective.generate import generated
from wse_sim.kernels.collective.plan import ALGORITHMS, Algorithm, plan
from wse_sim.kernels.collective.shapes import k_tree, level_sizes
from wse_sim.kernels.collective.timing import Timing
from wse_sim.kernels.collective.tree import Edge, Tree


@st.composite
def trees(draw: st.DrawFn) -> Tree:
    """Any algorithm's tree on any line to any root."""
    length, algorithm = draw(st.integers(1, 200)), draw(st.sampled_from(ALGORITHMS))
    root = None if algorithm == "k-tree" else draw(st.integers(0, length - 1))
    few = algorithm in ("k-tree", "two-phase")
    groups = (draw(st.integers(1, 40)),) if few else None
    return plan(WSE2, length, algorithm=algorithm, root=root, groups=groups, words=draw(st.sampled_from((1, 16, 256))))


# -- shapes -------------------------------------------------------------------------------------------


@given(trees())
@settings(max_examples=100, deadline=None)
def test_every_position_has_one_station_and_the_root_gets_everything(tree: Tree) -> None:
    positions = sorted(p for station in tree.stations for p in station.positions)
    assert positions == list(range(tree.length))
    held = {p: {p} for p in range(tree.length)}
    for sender, taker in tree.edges:
        held[taker] |= held.pop(sender)
    assert held == {tree.root: set(range(tree.length))}


@given(trees())
@settings(max_examples=100, deadline=None)
def test_what_a_position_sends_its_taker_takes_on_a_channel_of_their_own(tree: Tree) -> None:
    part = {p: station.part for station in tree.stations for p in station.positions}
    for edge in tree.wires:
        (port,) = part[edge.sender].outputs
        assert port in part[edge.taker].inputs
        assert port.forward == (edge.sender < edge.taker)
        assert all(port in part[p].passes for p in edge.between)
    for found in part.values():
        channels = [port.channel for port in (*found.inputs, *found.outputs, *found.passes)]
        assert len(channels) == len(set(channels)), "one route of a colour on each PE"
        assert all(channel < tree.channels for channel in channels)


@given(trees())
@settings(max_examples=100, deadline=None)
def test_a_position_takes_no_more_than_the_queues_hold(tree: Tree) -> None:
    most = max(len(part.inputs) + (tree.root not in positions) for positions, part in tree.stations)
    assert most == tree.queues <= len(WSE2.input_queue_depths)
    assert max(len(part.outputs) for _, part in tree.stations) <= 1


@given(st.integers(1, 90), st.integers(2, 8), st.integers(1, 40), st.sampled_from(ALGORITHMS))
@settings(max_examples=60, deadline=None)
def test_a_plan_keeps_to_its_queues(length: int, queues: int, words: int, algorithm: Algorithm) -> None:
    if algorithm == "two-phase" and queues < 4:
        return
    assert plan(WSE2, length, words=words, algorithm=algorithm, queues=queues).queues <= queues


def test_shapes_by_name() -> None:
    assert (shapes.chain(7).root, shapes.chain(7, 0).root, shapes.chain(7, 6).root) == (3, 0, 6)
    assert shapes.chain(4, 0).edges == (Edge(3, 2), Edge(2, 1), Edge(1, 0))
    assert shapes.star(4, 1).edges == (Edge(0, 1), Edge(2, 1), Edge(3, 1))
    assert shapes.two_phase(6, 3, 0).takes == ((1, 3), (2,), (), (4,), (5,), ())
    assert shapes.binary_tree(6, 0).takes == ((1, 2, 4), (), (3,), (), (5,), ())
    assert shapes.binary_tree(16, 0, fan_in=2).takes[0] == (1, 8)
    assert plan(WSE2, 6, algorithm="generated", root=5, words=1000).takes == ((), (0,), (1,), (2,), (3,), (4,))
    assert law.measures(plan(WSE2, 6, algorithm="generated", root=5)).depth < 4
    assert k_tree(16, (4, 4)).root == 10
    for length, groups, sizes in (
        (16, (4,), (4, 4)), (10, (4,), (4, 3)), (100, (5, 4), (5, 4, 5)), (3, (8,), (3,)), (5, (1,), (5,)), (1, (), ()),
    ):  # fmt: skip
        assert level_sizes(length, groups) == sizes


def test_heads_that_store_are_those_that_begin_a_chain_with_a_sum() -> None:
    assert shapes.two_phase(9, 3, 0, stored=True).stored == {6}
    assert shapes.two_phase(9, 3, 4, stored=True).stored == {1, 7}
    assert shapes.two_phase(9, 3, 0).stored == set()


@pytest.mark.parametrize("wafer", [WSE2, WSE3], ids=lambda w: w.name)
@pytest.mark.parametrize("words", [1, 64])
@pytest.mark.parametrize("algorithm", ["k-tree", "two-phase"])
def test_a_plan_leaves_no_cheaper_group_size(wafer: Wafer, words: int, algorithm: Algorithm) -> None:
    def cost(groups: tuple[int, ...] | None) -> int:
        tree = plan(wafer, 60, algorithm=algorithm, groups=groups, words=words)
        return all_reduce.cost(wafer, tree, words)

    assert cost(None) == min(cost((size,)) for size in range(1, 61))


@pytest.mark.parametrize("wafer", [WSE2, WSE3], ids=lambda w: w.name)
@pytest.mark.parametrize("points", [1, 2, 5, 7])
@pytest.mark.parametrize("words", [1, 7, 40])
@pytest.mark.parametrize("most", [1, 2, 3, 6])
def test_no_tree_beats_the_generated_one(wafer: Wafer, points: int, words: int, most: int) -> None:
    """All trees on a few points: no one has all in its memory sooner. The channels limit some with few takes."""
    t = Timing(wafer)
    (tree,) = generated(wafer, points, 0, stream=words, fan_in=most)
    assert max(map(len, tree.takes)) <= most
    found = naive.sends_at(_nested(tree, 0), t.stage, t.issue, words)
    every = [naive.sends_at(tree, t.stage, t.issue, words) for tree in naive.all_trees(points)]
    if most == 6:
        assert found <= min(every) + 1  # the root itself needs one descriptor less
    if points > 1:
        assert Flow(wafer, tree, words).end <= Flow(wafer, shapes.chain(points, 0), words).end


def _nested(tree: Tree, position: int) -> naive.Nested:
    return tuple((sender - position, _nested(tree, sender)) for sender in tree.takes[position])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: plan(WSE2, 0), "a line of 0 PEs: expected 1 or more"),
        (lambda: plan(WSE2, 5, groups=(0,)), "a group of 0 points: expected 1 or more"),
        (lambda: plan(WSE2, 5, algorithm="two-phase", groups=(0,)), "a group of 0 points: expected 1 or more"),
        (lambda: plan(WSE2, 5, algorithm="two-phase", groups=(2, 2)), r"groups \(2, 2\) of two phases: expected one"),
        (lambda: plan(WSE2, 4, algorithm="chain", root=4), "root 4 on a line of 4 PEs: expected 0 to 3"),
        (lambda: plan(WSE2, 4, root=2), "root=2 for the algorithm 'k-tree': expected one of chain, two-phase, star, "),
        (lambda: plan(WSE2, 4, algorithm="star", groups=(2,)), "groups=.* 'star': expected one of k-tree, two-phase"),
        (lambda: plan(WSE2, 4, algorithm="spiral"), "no reduction is called 'spiral': expected one of chain, two-"),
        (lambda: plan(WSE2, 9, algorithm="chain", queues=1), "a chain reduction on 9 PEs .* 2 colours .* queues=1"),
        (lambda: plan(WSE2, 40, groups=(5,), queues=2), r"with groups \(5,\) on 40 PEs receives 3 colours on a PE"),
        (lambda: shapes.binary_tree(9, 4, fan_in=1), "a tree with a fan-in of 1: expected one vector or more"),
        (lambda: k_tree(9, (3,), (1,)), r"groups of \(3,\) leave several roots on a line of 9: add a level"),
        (lambda: k_tree(3, (3,), (3,)), "groups of 3 points, 3 of them before the root"),
        (lambda: Tree(3, (Edge(0, 1), Edge(0, 2))), "an edge from 0 to 2 in a tree on 3 positions: expected each"),
        (lambda: Tree(3, (Edge(1, 0), Edge(2, 1))), "an edge from 2 to 1 .* after it has taken all"),
        (lambda: Tree(3, (Edge(1, 0),)), "1 edges in a tree on 3 positions: expected one less"),
    ],
)
def test_impossible_trees_are_refused(make: Callable[[], Tree], message: str) -> None:
    with pytest.raises(ProgramError, match=message):
        make()


# -- the law ------------------------------------------------------------------------------------------


def test_the_least_energy_is_that_of_the_published_recursion() -> None:
    for length in range(1, 22):
        for depth in range(1, length):
            wanted = naive.least_energy(length, depth, length)
            assert law.least(length, 0, depth).energy == law.least(length, length - 1, depth).energy == wanted
            contention = law.least(length, 0, depth).contention
            assert naive.least_energy(length, depth, contention) == wanted
            assert contention == 1 or naive.least_energy(length, depth, contention - 1) > wanted


PUBLISHED = {"chain": 5.9, "two-phase": 2.4}  # HPDC'24: the most, over PEs and wavelets


@pytest.mark.parametrize("algorithm", PUBLISHED)
def test_costs_by_the_law_keep_the_published_distance_from_its_least(algorithm: str) -> None:
    for length in (4, 16, 64, 256, 512):
        made = shapes.chain(length, 0) if algorithm == "chain" else shapes.two_phase(length, round(length**0.5), 0)
        depths = [replace(law.least(length, 0, depth), contention=1) for depth in range(1, length)]
        for words in (1, 4, 16, 64, 256, 1024, 8192):
            least = min(law.cycles(WSE2, found, words) for found in depths)
            assert least <= law.cycles(WSE2, law.measures(made), words) <= PUBLISHED[algorithm] * least


def test_the_law_by_hand() -> None:
    """A chain of 5 on WSE-2, 2 T_R + 1 = 5; a star of 5, and one of one PE."""
    chain, star = law.measures(shapes.chain(5, 0)), law.measures(shapes.star(5, 0))
    assert (chain.depth, chain.contention, chain.energy, chain.distance) == (4, 1, 4, 4)
    assert (star.depth, star.contention, star.energy, star.distance) == (1, 4, 10, 4)
    assert law.cycles(WSE2, chain, 100) == 100 + 4 + 4 * 5
    assert law.cycles(WSE2, star, 100) == 4 * 100 + 5
    assert law.cycles(WSE2, law.measures(shapes.chain(1)), 100) == 0


def test_the_bound_grows_and_knows_its_corners() -> None:
    assert law.bound(WSE2, 1, 0, 100) == 0
    assert law.bound(WSE2, 2, 0, 100) == 5 + 6 + 100  # issue, stage, wavelets
    found = [law.bound(WSE3, length, 0, 8) for length in (2, 5, 20, 100, 500)]
    assert found == sorted(found)
    assert law.bound(WSE2, 100, 50, 8) < law.bound(WSE2, 100, 0, 8)
