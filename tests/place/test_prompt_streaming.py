"""Prompts at once with weights from the host: numbers and tokens of weights that stay, at the pace of link or PEs."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive.gpt import naive_greedy
from place.small_models import lively, settings_of, small_models
from place.test_streaming import SMALL, pace, with_pace
from place.test_streaming import streamed as decoded

from wse_sim import WSE2, WSE3, DType, f16, f32
from wse_sim.errors import UsageError
from wse_sim.hardware import State
from wse_sim.mapping.comparison.compare import row_of
from wse_sim.mapping.plan.checks import why_not
from wse_sim.mapping.plan.estimate import estimate
from wse_sim.mapping.plan.mapping import Mapping
from wse_sim.mapping.prompts.serve import Serving
from wse_sim.mapping.prompts.streaming import PromptStreaming
from wse_sim.mapping.strategies import Problem, strategy
from wse_sim.report.report import Report


def streamed(config, width, height, *, prompt=0, accumulate=None, **options) -> Mapping:
    found = decoded(config, width, height, **options)
    return replace(found, phase="prefill", prompt=prompt or found.context, accumulate=accumulate or found.accumulate)


def steady(mapping: Mapping, tokens: int) -> tuple[float, Report]:
    """Cycles of a pass over all weights with a prompt for each sequence, without the first; and the report of three."""
    serving = Serving(mapping, None)
    prompts = [[0] * tokens] * mapping.sequences
    return pace(lambda times: serving.take(prompts, times=times), serving.report, 1, 3)


@settings(max_examples=8, deadline=None)
@given(
    config=small_models(layers=3),
    width=st.integers(1, 5),
    height=st.integers(1, 5),
    sequences=st.integers(1, 3),
    precision=st.sampled_from([(f32, f32), (f16, f32), (f16, f16)]),
    data=st.data(),
)
def test_keys_values_and_tokens_are_those_of_weights_that_stay(
    config, width, height, sequences, precision, data
) -> None:
    """Bit for bit, prompts of several lengths together; with one prompt fewer than there is room for, too."""
    weights = lively(config, data.draw(st.integers(0, 99)))
    ids = st.lists(st.integers(0, config.vocab_size - 1), min_size=1, max_size=config.n_positions)
    prompts = data.draw(st.lists(ids, min_size=max(1, sequences - 1), max_size=sequences))
    types = {"dtype": precision[0], "accumulate": precision[1]}
    serving = Serving(streamed(config, width, height, sequences=sequences, **types), weights)
    served = serving.serve(prompts, 1)
    assert not serving.report().broken_laws()
    alone = Serving(streamed(config, width, height, stays=True, **types), weights)
    for sequence, prompt in enumerate(prompts):
        assert served.token_ids[sequence] == alone.serve([prompt], 1).token_ids[0]
        if precision[0] is f32:
            assert served.token_ids[sequence] == tuple(naive_greedy(settings_of(config), weights, prompt, 1))
        stay = alone.program.replicas[0][0].stage.resident.layers
        for i, layer in serving.program.stage.resident.layers.items():
            mine, other = layer.caches[sequence], stay[i].caches[0]
            for tiles, name in ((mine.key_tiles, "keys"), (mine.value_tiles, "values")):
                held = tiles(np.ones((len(prompt), config.n_embd))) > 0
                found, wanted = (m.read(getattr(c, name)) for m, c in ((serving.machine, mine), (alone.machine, other)))
                np.testing.assert_array_equal(found[held], wanted[held])


@pytest.mark.parametrize(("layers", "sequences"), [(2, 2), (3, 1)])
def test_the_first_layer_comes_again_during_the_last(layers: int, sequences: int) -> None:
    """Prompts taken over and over in one launch give what they give in a launch of their own."""
    config = replace(SMALL, n_layer=layers, n_embd=24)
    weights, prompts = lively(config, 3), [[3, 4, 9, 1, 1], [7, 2]][:sequences]
    mapping = streamed(config, 4, 3, sequences=sequences)
    serving = Serving(mapping, weights)
    expected = [naive_greedy(settings_of(config), weights, prompt, 1)[0] for prompt in prompts]
    for times in (1, 2, 3):
        serving.take(prompts, times=times)
        assert serving.program.first(serving.machine) == expected


@pytest.mark.parametrize(
    ("sequences", "dtype", "tokens", "words", "bound"),
    [(1, f16, 32, 0.02, "link"), (2, f16, 8, 0.02, "link"), (1, f32, 32, 0.5, "PEs"), (2, f16, 32, 0.2, "PEs")],
)
def test_a_pass_takes_what_the_link_takes_or_what_the_pes_take(
    sequences: int, dtype: DType, tokens: int, words: float, bound: str
) -> None:
    mapping = with_pace(streamed(SMALL, 8, 8, sequences=sequences, dtype=dtype, prompt=tokens), words)
    guess = estimate(mapping)
    period, report = steady(mapping, tokens)
    compute = guess.turns[0].busy
    assert (guess.link > compute) == (bound == "link")
    assert guess.cycles == max(guess.link, compute)
    assert period == pytest.approx(max(guess.link, compute), rel=0.05)
    assert report.work.stream_cycles == 3 * guess.link
    assert report.memory_wall().host_bound == (bound == "link")
    waits = report.sections.cycles[:, State.WEIGHT_WAIT]
    names = report.sections.names
    assert (sum(waits) > 0.3 * report.cycles * report.pes) == (bound == "link")
    assert {f"layer {i}/weights" for i in range(4)} <= set(names)


@pytest.mark.parametrize("wafer", [WSE2, WSE3])
def test_comparisons_have_rows_of_all_fidelities(wafer) -> None:
    config = replace(SMALL, n_layer=6, n_embd=24)
    mapping = with_pace(streamed(config, 6, 6, sequences=2, dtype=f16, prompt=12, wafer=wafer), 0.5)
    guess, sampled, exact = (row_of(mapping, fidelity=f) for f in ("estimate", "sampled", "exact"))
    assert guess.feasible
    assert (exact.step_tokens, exact.phase, exact.sequences) == (12, "prefill", 2)
    assert guess.cycles_per_token == pytest.approx(exact.cycles_per_token, rel=0.03)
    assert sampled.cycles_per_token == pytest.approx(exact.cycles_per_token, rel=0.01)
    assert guess.wavelets_per_token == pytest.approx(exact.wavelets_per_token, rel=0.05)
    assert sampled.wavelets_per_token == pytest.approx(exact.wavelets_per_token, rel=0.01)
    assert exact.sram_peak_bytes <= guess.sram_peak_bytes


def test_the_strategy_takes_prompts_past_weights_that_do_not_fit() -> None:
    """A model larger than the SRAM of all its PEs together."""
    config = replace(SMALL, n_layer=24, n_embd=192, n_head=6, vocab_size=50)
    problem = Problem(config=config, wafer=WSE2.crop(16, 16), phase="prefill", dtype=f16, prompt=32, sequences=1)
    with pytest.raises(Exception, match="or streamed weights"):
        strategy("layer-sequential").plan(problem.with_(sequences=0))
    mapping = strategy("weight-streaming").plan(problem)
    assert why_not(mapping) == ""
    assert config.parameters.total * 2 > mapping.area * 48 * 1024
    many = strategy("weight-streaming").plan(problem.with_(sequences=2))
    assert many.sequences == 2


def test_what_cannot_be() -> None:
    mapping = streamed(SMALL, 6, 6)
    with pytest.raises(UsageError, match="a decode mapping for prompts with streamed weights: expected prefill"):
        PromptStreaming(replace(mapping, phase="decode"))
    moved = replace(mapping, wafer=WSE2, places=(replace(mapping.places[0], x=3),))
    with pytest.raises(UsageError, match=r"weights streamed to \[3:9, 0:6\]: expected it at the west or the east edge"):
        Serving(moved, None)
    with pytest.raises(UsageError, match="2 tokens after each prompt by weight-streaming: expected 1"):
        Serving(mapping, None).serve([[1]], 2)
