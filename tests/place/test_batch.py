"""A batch of sequences: each gets what it would get alone, bit for bit; ragged prompts, stop tokens, draws."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from place.small_models import has_room, lively, small_models
from place.test_sampled import PRECISIONS, assert_same

from wse_sim import WSE2, WSE3, f16
from wse_sim.errors import FitError, UsageError
from wse_sim.mapping.generation.batch_session import BatchSession, generate_batch
from wse_sim.mapping.generation.sampled_session import generate_sampled
from wse_sim.mapping.generation.sampling import Sampling
from wse_sim.mapping.generation.session import Session, generate
from wse_sim.mapping.generation.turns import Progress, Turn, turns
from wse_sim.mapping.model import GPTConfig, preset, random_weights
from wse_sim.mapping.region.batch_cycles import batch_cycles
from wse_sim.mapping.region.decode import OWN_TOKEN
from wse_sim.mapping.region.fit import fit, require_fit
from wse_sim.mapping.region.layout import Layout

DRAWN = Sampling(temperature=1.5, top_k=2, top_p=0.9, seed=3)


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    config=small_models(),
    width=st.integers(1, 7),
    height=st.integers(1, 7),
    wafer=st.sampled_from([WSE2, WSE3]),
    precision=PRECISIONS,
    sampling=st.sampled_from([None, DRAWN]),
    seed=st.integers(0, 99),
    data=st.data(),
)
def test_each_sequence_is_as_if_alone(config, width, height, wafer, precision, sampling, seed, data) -> None:
    dtype, accumulate = precision
    alone = Layout(config=config, wafer=wafer, width=width, height=height, dtype=dtype, accumulate=accumulate)
    alone = replace(alone, tight=alone.spare and seed % 2 == 1)
    token, new = st.integers(0, config.vocab_size - 1), data.draw(st.integers(0, 3))
    prompt = st.lists(token, min_size=1, max_size=max(1, config.n_positions - new))
    prompts = data.draw(st.lists(prompt, min_size=2, max_size=4))
    stop = frozenset(data.draw(st.lists(token, max_size=1)))
    weights, layout = lively(config, seed), replace(alone, batch=data.draw(st.integers(len(prompts), 4)))
    assume(has_room(layout))
    session = BatchSession(layout, weights, sampling=sampling)
    found = generate_batch(session, prompts, new, stop=stop, every_position=seed % 3 == 0)
    for number, (given_ids, one) in enumerate(zip(prompts, found.sequences, strict=True)):
        single = Session(alone, weights, sampling=sampling, sequence=number)
        expected = generate(single, given_ids, new, stop=stop, every_position=seed % 3 == 0)
        assert (one.token_ids, one.positions, one.stopped) == (
            expected.token_ids, expected.positions, expected.stopped)  # fmt: skip
        assert one.logits.tobytes() == expected.logits.tobytes()
        assert len(one.cycles) == len(expected.cycles)
    report = session.report()
    assert sum(found.cycles) == report.cycles
    assert report.broken_laws() == ()


@pytest.mark.parametrize(("shards", "width"), [(2, 6), (3, 9), (6, 6)])
def test_each_sequence_is_as_if_alone_in_shards_too(shards: int, width: int) -> None:
    config = GPTConfig("six", n_layer=2, n_embd=24, n_head=6, n_positions=16, vocab_size=50)
    weights, prompts = lively(config, 2), [[4, 5, 6, 7], [1], [9, 9, 3]]
    alone = Layout(config=config, wafer=WSE3, width=width, height=4, dtype=f16, shards=shards)
    session = BatchSession(replace(alone, batch=3), weights)
    for one, prompt in zip(generate_batch(session, prompts, 3).sequences, prompts, strict=True):
        expected = generate(Session(alone, weights), prompt, 3)
        assert one.token_ids == expected.token_ids
        assert one.logits.tobytes() == expected.logits.tobytes()
    session.step(next(turns([Progress([3], 1) for _ in prompts])))
    guess = batch_cycles(session.layout, 0).total
    assert guess == pytest.approx(session.report().launches[-1], rel=0.05)


@pytest.mark.parametrize("sampling", [None, DRAWN])
def test_sampled_equals_exact(sampling) -> None:
    config = GPTConfig("four", n_layer=4, n_embd=24, n_head=3, n_positions=12, vocab_size=50)
    layout = Layout(config=config, wafer=WSE2, width=6, height=5, dtype=f16, batch=3)
    weights, prompts = lively(config, 2), [[4, 5, 6, 7], [1], [9, 9]]
    session = BatchSession(layout, weights, sampling=sampling)
    exact = generate_batch(session, prompts, 3)
    for tensors in (None, weights):
        found, report = generate_sampled(layout, prompts, 3, tensors=tensors, sampling=sampling)
        assert_same(report, session.report())
        assert found.cycles == exact.cycles
        for one, other in zip(found.sequences, exact.sequences, strict=True):
            assert one.cycles == other.cycles
            if tensors is not None:
                assert one.token_ids == other.token_ids
                assert one.logits.tobytes() == other.logits.tobytes()


def test_sequences_share_the_collectives() -> None:
    """On a grid where waiting for wavelets takes most of a step, four sequences cost far less than four steps."""
    config = GPTConfig("wide", n_layer=1, n_embd=48, n_head=4, n_positions=8, vocab_size=64)
    weights = random_weights(config, 1)
    layout = Layout(config=config, wafer=WSE2, width=48, height=48)
    one = generate(Session(layout, weights), [3], 1).cycles[0]
    four = generate_batch(BatchSession(replace(layout, batch=4), weights), [[3], [5], [7], [9]], 1).cycles[0]
    assert four < 2.75 * one


def test_turns_drop_who_is_done_and_put_who_wants_a_token_first() -> None:
    progress = [Progress([1, 2, 3], 1), Progress([4], 2), Progress([5], 0)]
    steps = []
    for step in turns(progress):
        steps.append([(turn.sequence, turn.token, turn.position, turn.wanted) for turn in step])
        for turn in step:
            progress[turn.sequence].fed += 1
            progress[turn.sequence].take(7, frozenset())
    assert steps == [
        [(1, 4, 0, True), (2, 5, 0, True), (0, 1, 0, False)],
        [(1, -1, 1, True), (0, 2, 1, False)],
        [(0, 3, 2, True)],
    ]
    assert [one.chosen for one in progress] == [[7], [7, 7], []]


def test_messages() -> None:
    config = GPTConfig("t", n_layer=1, n_embd=4, n_head=2, n_positions=3, vocab_size=5)
    layout = Layout(config=config, wafer=WSE2, width=2, height=2, batch=2)
    session = BatchSession(layout, random_weights(config, 0))
    for prompts, message in (
        ([[1], [2], [3]], "3 prompts for a batch of 2: expected 1 to 2"),
        ([[1], []], "the prompt is empty"),
        ([[1], [1, 2, 3]], "need 4 positions, but the context has 3"),
        ([[1], [5]], "token 5: expected 0 to 4"),
    ):
        with pytest.raises(UsageError, match=message):
            generate_batch(session, prompts, 2)
    for turns_of_a_step, message in (
        ([], r"turns of sequences \[\]: expected one turn or more"),
        ([Turn(0, 1, 0, wanted=True), Turn(0, 2, 0, wanted=True)], r"turns of sequences \[0, 0\]: .* different ones"),
        ([Turn(2, 1, 0, wanted=True)], "different ones from 0 to 1"),
        ([Turn(0, 1, 0, wanted=False), Turn(1, 1, 0, wanted=True)], "expected those that want logits first"),
        ([Turn(0, 1, 3, wanted=True)], "position 3 of sequence 0: expected 0 to 2"),
        ([Turn(0, 5, 0, wanted=True)], "token 5 of sequence 0: expected 0 to 4"),
        ([Turn(1, OWN_TOKEN, 0, wanted=True)], "chosen last of sequence 1, whose turn before chose none"),
    ):
        with pytest.raises(UsageError, match=message):
            session.step(turns_of_a_step)
    with pytest.raises(UsageError, match="a batch of 0 sequences"):
        replace(layout, batch=0)
    large = Layout(config=preset("gpt2"), wafer=WSE2, width=110, height=110, dtype=f16)
    assert fit(large).fits
    with pytest.raises(FitError, match=r"gpt2 in f16, 1,024 tokens of context, 40 sequences, on 110x110 PEs needs"):
        require_fit(replace(large, batch=40))
    np.testing.assert_array_equal(DRAWN.random(3, sequence=1), DRAWN.random(3, sequence=1))
    assert DRAWN.random(3, sequence=1) != DRAWN.random(3, sequence=2) != DRAWN.random(4, sequence=2)
