"""What strategies make of problems: mappings that fit, near the best of their kind, or a reason why there is none."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from place.small_models import small_models

from wse_sim import WSE2, WSE3, f16, f32, toy
from wse_sim.errors import FitError, UsageError
from wse_sim.mapping.model import GPTConfig, preset
from wse_sim.mapping.plan.checks import checks, why_not
from wse_sim.mapping.plan.estimate import estimate, prompt_cycles
from wse_sim.mapping.plan.mapping import Mapping, Phase
from wse_sim.mapping.region.cycles import stage_cycles
from wse_sim.mapping.region.fit import bytes_needed, fit
from wse_sim.mapping.region.layout import Layout
from wse_sim.mapping.strategies import STRATEGIES, Problem, strategy
from wse_sim.mapping.strategies.arrange import Space, arrange
from wse_sim.mapping.strategies.build import Choice
from wse_sim.mapping.strategies.choices import choices, layouts_of, shards, stages
from wse_sim.mapping.strategies.rings import many, room_for
from wse_sim.mapping.strategies.rough import rough_bytes, rough_cycles

SMALL = GPTConfig(name="small", n_layer=4, n_embd=48, n_head=6, n_positions=64, vocab_size=300)


@settings(max_examples=25, deadline=None)
@given(
    config=small_models(layers=5),
    name=st.sampled_from(sorted(STRATEGIES)),
    width=st.integers(1, 40),
    height=st.integers(1, 40),
    dead=st.frozensets(st.tuples(st.integers(0, 39), st.integers(0, 39)), max_size=4),
    dtype=st.sampled_from([f16, f32]),
)
def test_a_plan_keeps_to_the_problem_or_says_why_there_is_none(config, name, width, height, dead, dtype) -> None:
    problem = Problem(config=config, wafer=WSE2, width=width, height=height, dead=dead, dtype=dtype)
    with contextlib.suppress(FitError):
        _check(strategy(name).plan(problem), problem, name)


def _check(mapping: Mapping, problem: Problem, name: str) -> None:
    width, height, dead = problem.width, problem.height, problem.dead
    assert (mapping.strategy, mapping.config, mapping.context) == (name, problem.config, problem.config.n_positions)
    assert mapping.dead == (frozenset((y, x) for x, y in dead) if mapping.turned else dead)
    across, down = (height, width) if mapping.turned else (width, height)
    assert all(p.x + p.width <= across and p.y + p.height <= down for p in mapping.places)
    assert next(check for check in checks(mapping) if check.name == "SRAM").ok
    assert estimate(mapping).cycles_per_token > 0


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"stages": -1}, "stages -1: expected 0 or more"),
        ({"replicas": -1}, "replicas -1: expected 0 or more"),
        ({"seed": -1}, "seed -1: expected 0 or more"),
        ({"context": -3}, "context -3: small has 64 positions; expected 1 to 64"),
        ({"context": 65}, "context 65: small has 64 positions"),
    ],
)
def test_numbers_that_no_mapping_has_are_refused(asked: dict[str, int], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Problem(config=replace(SMALL, n_positions=64), wafer=toy(9, 9), **asked)


@pytest.mark.parametrize("name", sorted(STRATEGIES))
def test_plans_for_a_small_model_can_be(name: str) -> None:
    mapping = strategy(name).plan(Problem(config=SMALL, wafer=toy(60, 60), dtype=f16))
    assert why_not(mapping) == ""
    assert bool(mapping.prompt) == (name == "prefill-decode")
    assert (mapping.replicas > 1) == (name in ("replicas", "hybrid"))


def test_the_layer_sequential_plan_is_near_the_best_square() -> None:
    problem = Problem(config=SMALL, wafer=toy(40, 40), dtype=f16)
    sides = [Layout(config=SMALL, wafer=WSE2, width=n, height=n, dtype=f16) for n in range(4, 41)]
    best = min(stage_cycles(layout, 63).total for layout in sides if fit(layout).fits)
    assert estimate(strategy("layer-sequential").plan(problem)).cycles_per_token <= 1.15 * best


@pytest.mark.parametrize("wafer", [WSE2, WSE3], ids=lambda wafer: wafer.name)
def test_prompts_get_the_best_square_for_panels_as_wide_as_there_is_room_for(wafer) -> None:
    problem = Problem(config=preset("cerebras-gpt-111m"), wafer=wafer, dtype=f16, phase="prefill", prompt=1024)
    [place] = strategy("layer-sequential").plan(problem).places
    sides = [layout for choice in choices(problem, 1, 1) for layout in layouts_of(problem, choice)]
    least = min(sides, key=lambda layout: prompt_cycles(layout, problem.prompt).total)
    assert (place.width, place.height) == (least.width, least.height)


def test_what_is_asked_for_is_what_comes() -> None:
    problem = Problem(config=SMALL, wafer=toy(60, 60), dtype=f16)
    pipeline = strategy("pipeline").plan(replace(problem, stages=3, sequences=2))
    assert (len(pipeline.parts(0)), pipeline.sequences) == (3, 2)
    assert strategy("tensor-parallel").plan(replace(problem, shards=3)).places[0].shards == 3
    with pytest.raises(FitError, match="7 regions for 4 layers of small: expected 2 to 5"):
        strategy("pipeline").plan(replace(problem, stages=7))
    with pytest.raises(FitError, match="small has 6 heads and 192 inner features: expected 2 to 8 shards"):
        strategy("tensor-parallel").plan(replace(problem, shards=5))
    mixed = strategy("hybrid").plan(replace(problem, stages=2, shards=2, sequences=1))
    assert (len(mixed.parts(0)), mixed.places[0].shards, mixed.sequences) == (2, 2, 1)
    assert strategy("replicas").plan(replace(problem, replicas=3)).replicas == 3


OPTIONS = {"stages": 3, "shards": 2, "sequences": 2, "replicas": 2, "placement": "hilbert"}


@pytest.mark.parametrize("name", STRATEGIES)
@pytest.mark.parametrize("option", OPTIONS)
def test_a_strategy_goes_by_what_it_is_asked_for_or_refuses_it(name: str, option: str) -> None:
    problem = Problem(config=SMALL, wafer=toy(60, 60), dtype=f16)
    asked = problem.with_(**{option: OPTIONS[option]})
    if option not in strategy(name).uses:
        with pytest.raises(UsageError, match=f"{name} has no use for {option} .*: expected none; it goes by "):
            strategy(name).plan(asked)
        assert strategy(name).placed(asked).placement == ("serpentine" if option == "placement" else asked.placement)
        return
    mapping = strategy(name).plan(asked)
    found = {
        "stages": len(mapping.parts(0)), "shards": mapping.places[0].shards, "sequences": mapping.sequences,
        "replicas": mapping.replicas, "placement": mapping.placement,
    }  # fmt: skip
    assert found[option] == OPTIONS[option]


PHASES: tuple[Phase, ...] = ("decode", "prefill")
TINY = GPTConfig(name="tiny", n_layer=3, n_embd=12, n_head=3, n_positions=7, vocab_size=5)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize(("name", "parts"), [("pipeline", 4), ("hybrid", 3)])
def test_a_column_of_pes_is_a_pipeline_of_single_ones(name: str, parts: int, phase: Phase) -> None:
    mapping = strategy(name).plan(Problem(config=TINY, wafer=WSE2, width=1, height=7, phase=phase))
    assert why_not(mapping) == ""
    assert len(mapping.parts(0)) == parts
    assert all((place.width, place.height) == (1, 1) for place in mapping.places)


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("name", STRATEGIES)
def test_smaller_regions_are_found_beside_a_dead_column(name: str, phase: Phase) -> None:
    dead = frozenset((5, y) for y in range(12))
    mapping = strategy(name).plan(Problem(config=TINY, wafer=WSE2, width=12, height=12, dead=dead, phase=phase))
    assert why_not(mapping) == ""


@pytest.mark.parametrize("phase", PHASES)
@pytest.mark.parametrize("name", ["tensor-parallel", "hybrid"])
@pytest.mark.parametrize(("width", "count"), [(2, 3), (9, 2)])
def test_shards_that_columns_or_heads_do_not_make_are_refused(name, phase, width: int, count: int) -> None:
    problem = Problem(config=TINY, wafer=WSE2, width=width, height=9, shards=count, phase=phase)
    with pytest.raises(FitError, match=f"tiny has 3 heads .* 2 to 8 shards that divide both and the {width} columns"):
        strategy(name).plan(problem)


@pytest.mark.parametrize("phase", PHASES)
def test_a_hybrid_has_stages_and_shards_where_no_copy_finds_room(phase: Phase) -> None:
    config = GPTConfig(name="wide", n_layer=4, n_embd=192, n_head=2, n_positions=8, vocab_size=20)
    mapping = strategy("hybrid").plan(Problem(config=config, wafer=WSE2, width=18, height=8, dtype=f16, phase=phase))
    assert (mapping.replicas, mapping.places[0].shards) == (1, 2)
    assert len(mapping.parts(0)) > 1
    assert why_not(mapping) == ""


def test_one_stage_is_no_pipeline_and_one_shard_not_tensor_parallel() -> None:
    problem = Problem(config=SMALL, wafer=toy(60, 60), dtype=f16)
    with pytest.raises(FitError, match="1 region for 4 layers of small: expected 2 to 5"):
        strategy("pipeline").plan(replace(problem, stages=1))
    with pytest.raises(FitError, match="expected 2 to 8 shards"):
        strategy("tensor-parallel").plan(replace(problem, shards=1))


def test_a_hybrid_mixes_and_one_with_a_single_kind_is_that_strategy() -> None:
    problem = Problem(config=SMALL, wafer=toy(60, 60), dtype=f16)
    mixed = strategy("hybrid").plan(problem)
    assert sum(n > 1 for n in (mixed.replicas, len(mixed.parts(0)), mixed.places[0].shards)) >= 2
    kinds = {
        "layer-sequential": Space([(1, 1)]), "pipeline": Space([(n, 1) for n in stages(problem)]),
        "tensor-parallel": Space([(1, n) for n in shards(problem)]), "replicas": Space([(1, 1)], copies=True),
    }  # fmt: skip
    for name, space in kinds.items():
        assert arrange(problem, name, space, "nothing") == strategy(name).plan(problem)
        everything = Space([*space.kinds, *Space([(n, m) for n in (1, 3) for m in (1, 2)]).kinds], copies=True)
        best = estimate(arrange(problem, "all", everything, "nothing")).tokens_per_s
        assert best >= 0.95 * estimate(strategy(name).plan(problem)).tokens_per_s


def test_caches_take_fewer_sequences_where_there_is_no_room_for_all() -> None:
    config = replace(SMALL, n_positions=1600)
    wide = Problem(config=config, wafer=toy(12, 12), dtype=f16)
    roomy, tight = (strategy("pipeline").plan(replace(wide, context=c, prompt=0, stages=4)) for c in (64, 1600))
    assert roomy.sequences == 4 > tight.sequences >= 1
    assert why_not(tight) == ""


@settings(max_examples=20, deadline=None)
@given(
    widths=st.lists(st.integers(2, 9), min_size=1, max_size=5), height=st.integers(1, 4), copies=st.integers(0, 6),
    dead=st.frozensets(st.tuples(st.integers(0, 29), st.integers(0, 19)), max_size=5),
)  # fmt: skip
def test_replicas_are_disjoint_alive_and_as_many_as_there_is_room_for(widths, height, copies, dead) -> None:
    problem = Problem(config=replace(SMALL, n_layer=5), wafer=toy(30, 20), dead=dead, replicas=copies)
    choice = Choice(tuple(range(len(widths) + 1)), tuple(widths), height)
    with contextlib.suppress(FitError):
        rings = many(problem, choice)
        pes = [pe for ring in rings for region in ring for pe in region]
        assert all((r.width, r.height) == (w, height) for ring in rings for r, w in zip(ring, widths, strict=True))
        assert len(pes) == len(set(pes)) == len(rings) * height * sum(widths)
        assert all(0 <= x < 30 and 0 <= y < 20 for x, y in pes)
        assert not set(pes) & dead
        assert len(rings) >= room_for(problem, choice) or dead


def test_a_model_that_is_too_large_says_by_how_much() -> None:
    with pytest.raises(FitError, match=r"13b in f32 with 2,048 tokens of context needs [\d,]+ bytes .*streamed"):
        strategy("layer-sequential").plan(Problem(config=preset("cerebras-gpt-13b"), wafer=WSE2, dtype=f32))


def test_the_largest_model_fits_on_its_side() -> None:
    mapping = strategy("layer-sequential").plan(Problem(config=preset("cerebras-gpt-13b"), wafer=WSE2, dtype=f16))
    assert (mapping.turned, mapping.tight) == (True, True)
    assert why_not(mapping) == ""


# -- pieces -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("wafer", "dtype"), [(WSE2, f16), (WSE3, f32)])
def test_first_guesses_rank_sizes_as_the_closed_forms_do(wafer, dtype) -> None:
    config = preset("cerebras-gpt-111m")
    layouts = [Layout(config=config, wafer=wafer, width=n, height=n, dtype=dtype) for n in (20, 40, 60, 90, 130, 180)]
    exact = [stage_cycles(layout, 1000).total for layout in layouts]
    rough = [rough_cycles(layout, 1000) for layout in layouts]
    assert all(0.6 < b / a < 1.2 for a, b in zip(exact, rough, strict=True))
    room = [rough_bytes(layout) / bytes_needed(layout) for layout in layouts]
    assert all(0.85 < share < 1.15 for share in room)


@pytest.mark.parametrize("side", [16, 30])
def test_three_layers_tell_of_all(side: int) -> None:
    config = GPTConfig(name="deep", n_layer=9, n_embd=60, n_head=6, n_positions=64, vocab_size=100)
    layout = Layout(config=config, wafer=WSE2, width=side, height=side, dtype=f16)
    assert abs(bytes_needed(layout) - fit(layout, mapped=True).needed) <= 32


def test_unknown_names() -> None:
    with pytest.raises(UsageError, match="unknown strategy 'magic': expected one of layer-sequential, pipeline"):
        strategy("magic")
