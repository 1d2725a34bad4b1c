"""Placements: legal, seeded, no worse than what they start from; and bounds that none beats."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from itertools import pairwise, product

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from naive.gpt import naive_greedy
from place.small_models import lively, settings_of

from wse_sim import WSE2, WSE3, Region, f32, toy
from wse_sim.errors import FitError, UsageError
from wse_sim.mapping.comparison.found import wavelets_handed, wavelets_of_kept
from wse_sim.mapping.model import GPTConfig
from wse_sim.mapping.pipeline.flight import Flight
from wse_sim.mapping.placement import PLACEMENTS, Block, Floor, Flow, Weights, placement, ring
from wse_sim.mapping.placement.anneal import annealed
from wse_sim.mapping.placement.bound import lower_bound
from wse_sim.mapping.placement.costs import IMPOSSIBLE, Costs, costs, laid, lane_wavelets, loads, score
from wse_sim.mapping.placement.hilbert import curve
from wse_sim.mapping.placement.rows import in_rows, row_major, serpentine
from wse_sim.mapping.placement.solve import solve
from wse_sim.mapping.plan.checks import why_not
from wse_sim.mapping.plan.estimate import estimate
from wse_sim.mapping.plan.mapping import Phase
from wse_sim.mapping.plan.placed import describe_placement, quality
from wse_sim.mapping.plan.saved import from_dict, to_dict
from wse_sim.mapping.strategies import Problem, strategy

FAST = sorted(set(PLACEMENTS) - {"solved", "annealed"})


@st.composite
def floors(draw: st.DrawFn) -> Floor:
    width, height = draw(st.integers(8, 30)), draw(st.integers(8, 30))
    blocks = draw(st.lists(st.tuples(st.integers(2, 9), st.integers(2, 7)), min_size=1, max_size=6))
    dead = draw(st.frozensets(st.tuples(st.integers(0, 29), st.integers(0, 29)), max_size=6))
    weights = draw(st.sampled_from([Weights(), Weights(0, 1, 0.1, 1), Weights(1, 0, 0, 2)]))
    flow = st.none() | st.builds(Flow, total=st.integers(1, 24), words=st.integers(1, 99), give=st.integers(0, 500),
                                 take=st.integers(0, 500))  # fmt: skip
    flows = tuple(draw(st.lists(flow, min_size=len(ring(len(blocks))), max_size=len(ring(len(blocks))))))
    return Floor(
        width, height, tuple(Block(w, h, 10 * w) for w, h in blocks), ring(len(blocks)),
        draw(st.sampled_from([WSE2, WSE3])), total=24, dead=dead, weights=weights, seed=draw(st.integers(0, 9)),
        flows=draw(st.sampled_from([(), flows])),
    )  # fmt: skip


@settings(max_examples=80, deadline=None)
@given(floors(), st.sampled_from(FAST))
def test_placed_regions_are_disjoint_inside_and_alive(floor: Floor, name: str) -> None:
    try:
        regions = placement(name).place(floor)
    except FitError:
        return
    pes = [pe for region in regions for pe in region]
    assert len(regions) == len(floor.blocks)
    assert len(pes) == len(set(pes))
    assert set(pes) <= {(x, y) for x in range(floor.width) for y in range(floor.height)} - floor.dead
    for block, region in zip(floor.blocks, regions, strict=True):
        if name == "treemap":
            assert len(region) >= block.area
        else:
            assert (region.width, region.height) == (block.width, block.height)


@settings(max_examples=40, deadline=None)
@given(floors(), st.sampled_from(FAST))
def test_no_placement_beats_the_bound_and_loads_are_what_lanes_carry(floor: Floor, name: str) -> None:
    assume(name != "treemap")
    try:
        regions = placement(name).place(floor)
    except FitError:
        return
    found, least = costs(floor, regions), lower_bound(floor)
    if found.missing:
        return
    for field in ("latency", "period", "traffic", "busiest"):
        assert getattr(found, field) >= getattr(least, field)
    walked: dict[tuple[int, int, str], int] = {}
    for link, (a, b) in enumerate(floor.links):
        for lane in laid(floor, link, regions[a], regions[b]).lanes:
            for region, _, outputs in lane.runs():
                for pe, out in product(region, outputs):
                    if out.name != "RAMP":
                        walked[*pe, out.name] = walked.get((*pe, out.name), 0) + lane_wavelets(
                            floor, link, regions[a]
                        )
    assert found.busiest == max(walked.values(), default=0)
    assert found.traffic == sum(walked.values()) == loads(floor, regions).sum()


@given(st.integers(1, 12), st.integers(1, 5), st.integers(1, 9), st.integers(1, 9), st.sampled_from([WSE2, WSE3]))
def test_serpentine_is_no_worse_than_row_major_on_chains_of_equal_blocks(count, columns, width, height, wafer) -> None:
    floor = Floor(
        columns * width, 12 * height, (Block(width, height),) * count, tuple(pairwise(range(count))), wafer, total=18
    )
    straight, turning = (costs(floor, order(floor)) for order in (row_major, serpentine))
    assert turning.missing <= straight.missing
    if straight.missing:
        return
    assert turning.latency <= straight.latency
    assert turning.traffic <= straight.traffic
    assert turning.period <= straight.period
    if count > columns > 1:
        assert turning.traffic < straight.traffic


@settings(max_examples=15, deadline=None)
@given(floors())
def test_annealing_is_seeded_and_never_worse_than_the_orders_it_starts_from(floor: Floor) -> None:
    try:
        here = annealed(floor, steps=150)
    except FitError:
        return
    assert here == annealed(floor, steps=150)
    assert floor.alive(here[0])
    pes = [pe for region in here for pe in region]
    assert len(pes) == len(set(pes))
    for order in (row_major, serpentine):
        try:
            assert score(floor, here) <= score(floor, order(floor))
        except FitError:
            continue


@settings(max_examples=15, deadline=None)
@given(floors(), st.sampled_from([2.0**-12, 2.0**8]))
def test_only_the_proportions_of_weights_count(floor: Floor, scale: float) -> None:
    """Also where hand-overs cannot be laid, whose price is no weight's."""
    w = floor.weights
    scaled = Weights(*(scale * weight for weight in (w.latency, w.period, w.traffic, w.busiest)))
    with contextlib.suppress(FitError):
        assert annealed(replace(floor, weights=scaled), steps=150) == annealed(floor, steps=150)


def test_fewer_missing_lanes_are_better_whatever_the_weights() -> None:
    tiny = Weights(latency=1e-9)
    assert Costs(9e9, 0, 0, 0).score(tiny) < Costs(1, 0, 0, 0, missing=1).score(tiny) < IMPOSSIBLE * 2


UNEQUAL = Floor(
    16, 10, (Block(7, 4), Block(4, 4), Block(4, 3), Block(5, 4)), ring(4), WSE2, total=16,
    dead=frozenset({(7, 2), (12, 6)}),
)  # fmt: skip


def all_scores(floor: Floor, step: int = 1) -> list[float]:
    """Of every legal placement, by trying them all."""
    spots = [
        [r for y in range(floor.height) for x in range(floor.width) if floor.alive(r := b.at((x, y)))]
        for b in floor.blocks
    ]
    return [
        score(floor, found) for found in product(*spots)
        if not any(a.intersects(b) for i, a in enumerate(found) for b in found[:i])
    ]  # fmt: skip


@pytest.mark.parametrize("flows", [(), (Flow(3, 90, 200, 300), Flow(2, 40, 400, 100), None)])
@pytest.mark.parametrize("weights", [Weights(), Weights(0, 1, 0.1, 0), Weights(0.1, 0, 0, 1)])
def test_the_solver_finds_the_best_of_all(weights: Weights, flows: tuple[Flow | None, ...]) -> None:
    pytest.importorskip("scipy")
    floor = Floor(9, 5, (Block(4, 3), Block(3, 2), Block(2, 2)), ring(3), WSE2, total=6,
                  dead=frozenset({(4, 1)}), weights=weights, flows=flows)  # fmt: skip
    found = solve(floor)
    assert found.every_position
    assert score(floor, found.regions) == pytest.approx(min(all_scores(floor)))
    assert found.bound == pytest.approx(score(floor, found.regions), rel=1e-6)


@pytest.mark.parametrize("weights", [Weights(), Weights(0, 0, 0, 1)])
def test_the_solver_stops_at_its_limits_and_says_what_is_left(weights: Weights) -> None:
    pytest.importorskip("scipy")
    floor = replace(UNEQUAL, weights=weights)
    found = solve(floor, nodes=1, rounds=2)
    assert found == solve(floor, nodes=1, rounds=2)
    least = score(floor, found.regions)
    assert lower_bound(floor).score(weights) <= least <= score(floor, annealed(floor))
    assert found.gap == pytest.approx(least / found.bound - 1 if found.bound else 1.0)
    assert (found.gap > 0) == bool(weights.busiest)  # the other program is solved at its root


def test_with_unequal_blocks_a_ring_and_dead_pes_the_searches_beat_the_orders() -> None:
    pytest.importorskip("scipy")
    simple = min(score(UNEQUAL, order(UNEQUAL)) for order in (row_major, serpentine))
    moved, best = score(UNEQUAL, annealed(UNEQUAL)), score(UNEQUAL, placement("solved").place(UNEQUAL))
    assert best <= moved < simple
    assert best >= lower_bound(UNEQUAL).score(UNEQUAL.weights)


@given(st.integers(1, 14), st.integers(1, 14))
def test_the_curve_visits_every_cell_beside_the_last(width: int, height: int) -> None:
    cells = list(curve(width, height))
    assert sorted(cells) == sorted(product(range(width), range(height)))
    steps = [abs(a[0] - b[0]) + abs(a[1] - b[1]) for a, b in pairwise(cells)]
    assert steps.count(1) >= len(steps) - 1
    assert max(steps, default=1) <= 2


def test_every_other_row_begins_where_the_one_above_ends() -> None:
    def corners(*widths: int, serpentine: bool = True, dead: frozenset[tuple[int, int]] = frozenset()) -> list:
        floor = Floor(10, 10, tuple(Block(w, 2) for w in widths), (), WSE2, total=4, dead=dead)
        return [(r.xs[0], r.ys[0]) for r in in_rows(floor, serpentine=serpentine)]

    assert corners(4, 4, 4) == [(0, 0), (4, 0), (4, 2)]
    assert corners(4, 4, 4, 4, 4) == [(0, 0), (4, 0), (4, 2), (0, 2), (0, 4)]
    assert corners(4, 4, 4, serpentine=False) == [(0, 0), (4, 0), (0, 2)]
    assert corners(4, 4, dead=frozenset({(1, 1)})) == [(2, 0), (6, 0)]
    assert corners(10, dead=frozenset({(5, 1)})) == [(0, 2)]


def test_what_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown placement 'magic': expected one of row-major, serpentine"):
        placement("magic")
    with pytest.raises(UsageError, match="expected weights of 0 or more"):
        Weights(latency=0)
    with pytest.raises(FitError, match=r"3 regions of 144 PEs on 10x10: only 1 found room, the next has 8x6; expected"):
        serpentine(Floor(10, 10, (Block(8, 6),) * 3, (), WSE2, total=4))
    assert not np.isinf(score(replace(UNEQUAL, dead=frozenset()), serpentine(replace(UNEQUAL, dead=frozenset()))))
    assert isinstance(serpentine(UNEQUAL)[0], Region)


@pytest.mark.parametrize("phase", ["decode", "prefill"])
@pytest.mark.parametrize("placed", ["row-major", "hilbert"])
def test_the_costs_of_a_mapping_are_those_of_its_estimate(phase: Phase, placed: str) -> None:
    """Of a token's vector and of a prompt's tiles, which put a longer way on the account of the target."""
    config = GPTConfig(name="four", n_layer=4, n_embd=24, n_head=3, n_positions=12, vocab_size=50)
    problem = Problem(config=config, wafer=toy(24, 24), dtype=f32, stages=3, placement=placed, phase=phase)
    mapping = strategy("pipeline").plan(problem)
    found, guess = quality(mapping)[0], estimate(mapping)
    assert found.latency == (guess.latency if phase == "prefill" else sum(turn.busy for turn in guess.turns))
    assert found.period == max(turn.busy for turn in guess.turns)
    handed = wavelets_of_kept(mapping, 12) if phase == "prefill" else wavelets_handed(mapping)
    assert found.traffic < handed  # which counts how rows hear, too


@pytest.mark.parametrize("name", ["hilbert", "treemap", "annealed"])
def test_mappings_placed_in_any_way_keep_that_and_run(name: str) -> None:
    config = GPTConfig(name="four", n_layer=4, n_embd=24, n_head=3, n_positions=12, vocab_size=50)
    dead = frozenset({(7, 3), (19, 18)})
    problem = Problem(config=config, wafer=toy(24, 24), dtype=f32, stages=3, placement=name, dead=dead)
    mapping = strategy("pipeline").plan(problem)
    assert why_not(mapping) == ""
    assert (mapping.placement, mapping.dead) == (name, dead)
    again = from_dict(json.loads(json.dumps(to_dict(mapping))))
    assert (again.placement, again.dead, again.places) == (mapping.placement, mapping.dead, mapping.places)
    found, least = quality(mapping)
    assert found.latency >= least.latency
    assert describe_placement(mapping).startswith(f"{name}: latency ")
    weights = lively(config, 4)
    prompts = [[7, 1 + k] for k in range(mapping.sequences)]
    flown = Flight(mapping, weights).generate(prompts, 2)
    expected = [naive_greedy(settings_of(config), weights, prompt, 2) for prompt in prompts]
    assert flown.token_ids == tuple(map(tuple, expected))
