"""Pipelines and replicas on one machine: the tokens of each sequence alone, and stages that really overlap."""

from __future__ import annotations

import contextlib
from dataclasses import replace
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from naive.gpt import naive_greedy
from place.small_models import has_room, lively, settings_of, small_models

from wse_sim import WSE2, WSE3, f16, f32, toy
from wse_sim.errors import FitError, RunError, UsageError
from wse_sim.hardware.states import State
from wse_sim.mapping.generation.session import Session, generate
from wse_sim.mapping.model import GPTConfig, load_shipped
from wse_sim.mapping.pipeline.flight import Flight
from wse_sim.mapping.plan.checks import why_not
from wse_sim.mapping.plan.estimate import estimate
from wse_sim.mapping.plan.mapping import Mapping, Place
from wse_sim.mapping.region.layout import Layout

CONFIG = GPTConfig(name="four", n_layer=4, n_embd=24, n_head=3, n_positions=24, vocab_size=50)


def ring(
    config: GPTConfig, cuts: list[int], *, side: int = 6, columns: int = 2, replicas: int = 1, shards: int = 1,
    **changes: object,
) -> Mapping:
    """Stages in serpentine rows, their shards squares side by side; replicas below each other."""
    rows = -(-(len(cuts) - 1) // columns)
    places = []
    for replica in range(replicas):
        for k, (low, high) in enumerate(pairwise(cuts)):
            row, at = divmod(k, columns)
            column = at if row % 2 == 0 else columns - 1 - at
            places += [
                Place(
                    x=side * (shards * column + shard), y=side * (row + rows * replica), width=side, height=side,
                    layers=range(low, high), embedding=k == 0, head=k == 0, replica=replica, shard=shard, shards=shards,
                )
                for shard in range(shards)
            ]  # fmt: skip
    return replace(
        Mapping(config=config, wafer=WSE2, strategy="by hand", places=tuple(places), sequences=len(cuts) - 1), **changes
    )


def alone(config: GPTConfig, weights: dict[str, np.ndarray], prompt: list[int], new: int, side: int) -> tuple[int, ...]:
    session = Session(Layout(config=config, wafer=WSE2, width=side, height=side), weights)
    return generate(session, prompt, new).token_ids


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    config=small_models(layers=4),
    side=st.integers(2, 7),
    columns=st.integers(1, 3),
    replicas=st.integers(1, 2),
    shards=st.integers(1, 3),
    wafer=st.sampled_from([WSE2, WSE3]),
    data=st.data(),
)
def test_every_sequence_gets_the_tokens_it_gets_alone(config, side, columns, replicas, shards, wafer, data) -> None:
    assume(config.n_head % shards == 0 and config.n_inner % shards == 0)
    inner = data.draw(st.sets(st.integers(0, config.n_layer - 1)))
    sequences = data.draw(st.integers(1, len(inner) + 1))
    mapping = ring(config, [0, *sorted(inner), config.n_layer], side=side, columns=columns, replicas=replicas,
                   shards=shards, wafer=wafer, sequences=sequences)  # fmt: skip
    token = st.integers(0, config.vocab_size - 1)
    count = replicas * sequences
    prompts = data.draw(st.lists(st.lists(token, min_size=1, max_size=3), min_size=count, max_size=count))
    weights = lively(config, data.draw(st.integers(0, 99)))
    assume(all(has_room(mapping.layout(part)) for part in mapping.parts(0)))
    flown = Flight(mapping, weights).generate(prompts, 2)
    expected = [alone(config, weights, prompt, 2, side) for prompt in prompts]
    assert flown.token_ids == tuple(expected)


def scattered(config: GPTConfig, seed: int) -> Mapping:
    """Regions of any sizes wherever there is room on 34 x 34 PEs, some of which are dead."""
    rng = np.random.default_rng(seed)
    while True:
        cuts = [[0, 1, 4], [0, 2, 3, 4], [0, 1, 2, 3, 4]][rng.integers(3)]
        places: list[Place] = []
        for k, (low, high) in enumerate(pairwise(cuts)):
            width, height = int(rng.integers(6, 13)), int(rng.integers(3, 10))
            x, y = int(rng.integers(0, 35 - width)), int(rng.integers(0, 35 - height))
            places.append(
                Place(x=x, y=y, width=width, height=height, layers=range(low, high), embedding=k == 0, head=k == 0)
            )
        dead = {(int(x), int(y)) for x, y in rng.integers(0, 34, (rng.integers(0, 25), 2))}
        dead -= {pe for place in places for pe in place.region}
        with contextlib.suppress(FitError):
            mapping = Mapping(config=config, wafer=toy(34, 34), strategy="by hand", places=tuple(places),
                              dead=frozenset(dead), sequences=int(rng.integers(1, len(places) + 1)))  # fmt: skip
            if not why_not(mapping):
                return mapping


@pytest.mark.parametrize("seed", range(10))
def test_regions_of_any_heights_round_dead_pes_give_the_same_tokens(seed: int) -> None:
    mapping, weights = scattered(CONFIG, seed), lively(CONFIG, 3)
    prompts = [[7, 1 + k] for k in range(mapping.sequences)]
    flight = Flight(mapping, weights)
    flown = flight.generate(prompts, 3)
    expected = [naive_greedy(settings_of(CONFIG), weights, prompt, 3) for prompt in prompts]
    assert flown.token_ids == tuple(map(tuple, expected))
    report = flight.report()
    busy = report.states.sum(axis=-1) > report.states[..., State.IDLE]
    assert {(x, y) for y, x in np.argwhere(busy).tolist()} == {pe for place in mapping.places for pe in place.region}
    passed = report.links.wavelets.sum(axis=-1) > 0
    assert not mapping.dead & {(x, y) for y, x in np.argwhere(passed).tolist()}


@pytest.mark.parametrize("wall", [range(4), range(9), range(1, 12)])
def test_ways_round_dead_pes_and_links_shared_there_are_in_the_estimate_and_in_the_cycles(wall: range) -> None:
    weights, cycles, guessed = lively(CONFIG, 1), [], []
    apart = replace(ring(CONFIG, [0, 2, 4]).moved({1: (12, 0)}), wafer=toy(18, 14), sequences=1)
    for dead in ([], [(9, y) for y in wall]):
        mapping = replace(apart, dead=frozenset(dead))
        flight = Flight(mapping, weights)
        flight.run(1)
        cycles.append(flight.run(2) / 2)
        guessed.append(estimate(mapping).cycles_per_token)
    more, said = cycles[1] - cycles[0], guessed[1] - guessed[0]
    assert 0.6 * said <= more <= said  # rows that come late may be awaited by nobody yet
    assert more > 20


def test_the_shipped_model_in_three_stages() -> None:
    checkpoint = load_shipped()
    config, weights = checkpoint.config, dict(checkpoint.tensors)
    prompts = [checkpoint.text.encode(text) for text in ("Alice was", "The Queen said", "Down the")]
    flown = Flight(ring(config, [0, 1, 2, 3], side=12, columns=3), weights).generate(prompts, 4)
    expected = [naive_greedy(settings_of(config), weights, prompt, 4) for prompt in prompts]
    assert flown.token_ids == tuple(map(tuple, expected))


def stage_cycles(mapping: Mapping, weights: dict[str, np.ndarray]) -> list[int]:
    """Cycles that each stage works on a token of one sequence, from a run where nobody waits behind anybody."""
    flight = Flight(replace(mapping, sequences=1), weights)
    flight.run(1)
    sections = flight.report().sections
    found = []
    for k in range(len(mapping.places)):
        spans: dict[str, list[int]] = {}
        for name, first, last in zip(sections.names, sections.first, sections.last, strict=True):
            if name.startswith(f"replica 0/stage {k}/") and first >= 0:
                spans.setdefault(name.split("/")[2], []).extend((int(first), int(last)))
        head = spans.pop("head", [0])
        spans.pop("take")
        found.append(max(map(max, spans.values())) - min(map(min, spans.values())) + max(head) - min(head))
    return found


@pytest.mark.parametrize("columns", [4, 2])
def test_with_as_many_sequences_as_stages_the_slowest_stage_sets_the_pace(columns: int) -> None:
    weights = lively(CONFIG, 1)
    mapping = ring(CONFIG, [0, 1, 2, 3, 4], columns=columns)
    flight = Flight(mapping, weights)
    few, many = flight.run(3), flight.run(9)
    period = (many - few) / (6 * mapping.sequences)
    taking = 120  # cycles in which a row hears what came in
    slowest = max(stage_cycles(mapping, weights))
    assert slowest <= period <= 1.05 * (slowest + taking)
    single = Flight(replace(mapping, sequences=1), weights)
    single.run(1)
    assert single.run(1) > 2.5 * period  # the stages overlap


def test_replicas_do_not_slow_each_other_down() -> None:
    weights = lively(CONFIG, 1)
    cycles = []
    for replicas in (1, 2, 3):
        flight = Flight(ring(CONFIG, [0, 2, 4], replicas=replicas), weights)
        cycles.append(flight.run(4))
    assert cycles[0] == cycles[1] == cycles[2]


def test_same_bits_on_two_threads() -> None:
    weights = lively(CONFIG, 2)
    runs = []
    for threads in (1, 2):
        flight = Flight(ring(CONFIG, [0, 2, 4]), weights, threads=threads)
        runs.append((flight.generate([[1, 2], [3]], 5), flight.report().states.tobytes()))
    assert runs[0] == runs[1]


def test_shards_are_a_wider_region_whose_scores_stay_inside() -> None:
    config = GPTConfig(name="wide", n_layer=2, n_embd=48, n_head=4, n_positions=16, vocab_size=50)
    weights = lively(config, 5)
    cycles = []
    for shards, side in ((1, 24), (2, 12), (4, 6)):
        mapping = ring(config, [0, 2], shards=shards, side=6, sequences=1)
        mapping = replace(mapping, places=tuple(replace(p, width=side, x=side * p.shard) for p in mapping.places))
        flown = Flight(mapping, weights).generate([[3, 4, 5]], 4)
        assert flown.token_ids == (alone(config, weights, [3, 4, 5], 4, 6),)
        cycles.append(flown.launches[2][1])
    assert cycles[0] > cycles[1] > cycles[2]


def outgrowing(config: GPTConfig) -> dict[str, np.ndarray]:
    """Weights that f16 can hold, with sums that it cannot."""
    return {n: v * np.float32(9e3 if n.endswith("proj.weight") else 1) for n, v in lively(config, 3).items()}


def test_numbers_that_outgrow_their_type_are_no_tokens() -> None:
    half = {"dtype": f16, "accumulate": f16}
    for mapping in (ring(CONFIG, [0, 2, 4], side=4, **half), ring(CONFIG, [0, 4], side=4, **half)):
        prompts = [[1, 2]] * mapping.sequences
        flight = Flight(mapping, outgrowing(CONFIG))
        with pytest.raises(RunError, match=r"keys and values are NaN or infinite, as a number outgrew f16, 65504 at"):
            flight.generate(prompts, 2)
        assert Flight(replace(mapping, dtype=f32, accumulate=f32), outgrowing(CONFIG)).generate(prompts, 2)
    last = {n: v / np.float32(9e3) if n.startswith(("h.0.", "h.1.", "h.2.")) and "proj" in n else v
            for n, v in outgrowing(CONFIG).items()}  # fmt: skip
    flight = Flight(mapping, last)  # only after the last layer's keys and values
    with pytest.raises(RunError, match="50 of 50 logits are NaN or infinite"):
        flight.generate([[1]], 1)
    assert flight.report().work.host_bytes_out < 10_000  # what was looked at is no copy of the run


def test_messages() -> None:
    weights = lively(CONFIG, 0)
    with pytest.raises(UsageError, match="3 sequences in flight over 2 regions"):
        Flight(ring(CONFIG, [0, 2, 4], sequences=3), weights)
    apart = ring(CONFIG, [0, 2, 4])
    below = replace(apart, places=(apart.places[0], replace(apart.places[1], x=0, y=6, width=1)))
    ends = r"no lanes from \[0:6, 0:6\], embedding, layers 0-1, head, to .*: 6 rows of .* end in 1 columns"
    with pytest.raises(FitError, match=ends):
        Flight(below, weights)
    walled = replace(apart.moved({1: (7, 0)}), wafer=toy(13, 6), dead=frozenset((6, y) for y in range(6)))
    with pytest.raises(FitError, match=r"no lanes .*: dead PEs wall off PE \(7, 0\) from PE \(5, 0\): expected a way"):
        Flight(walled, weights)
    first, second = apart.places
    split = replace(apart, places=(replace(first, head=False), replace(second, head=True)))
    with pytest.raises(UsageError, match="expected embedding and head together"):
        Flight(split, weights)
    with pytest.raises(UsageError, match="a prefill mapping as a pipeline"):
        Flight(replace(apart, phase="prefill"), weights)
    flight = Flight(apart, weights)
    with pytest.raises(UsageError, match="1 prompts for 2 sequences"):
        flight.generate([[1]], 1)
    with pytest.raises(UsageError, match="the prompt is empty"):
        flight.generate([[1], []], 1)
    with pytest.raises(UsageError, match="token 50: expected 0 to 49"):
        flight.generate([[1], [50]], 1)
    with pytest.raises(UsageError, match=r"2 tokens and 24 new ones at position 0 need 25 positions, but .* 24"):
        flight.generate([[1], [2, 3]], 24)
    with pytest.raises(UsageError, match="position 25: expected 0 to 24, the tokens of the context"):
        flight.go_to(25)
    assert flight.report().launches == ()
    with pytest.raises(UsageError, match="33 rounds in a launch: expected 1 to 32"):
        flight.run(33)
    with pytest.raises(UsageError, match="25 tokens more at position 0, but the context has 24"):
        flight.run(25)
