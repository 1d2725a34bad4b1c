"""Prompts on regions of their own: keys, values and tokens of the single region, bit for bit, and what it takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from naive.gpt import naive_greedy
from place.small_models import lively, settings_of, small_models
from place.test_flight import outgrowing

from wse_sim import WSE2, WSE3, f16, f32
from wse_sim.errors import RunError, UsageError
from wse_sim.hardware import DType
from wse_sim.mapping.generation.rounded import RoundedGPT
from wse_sim.mapping.generation.session import Session, generate
from wse_sim.mapping.model import GPTConfig, load_shipped
from wse_sim.mapping.plan.between import cache_cycles, wavelets_of_cache
from wse_sim.mapping.plan.checks import why_not
from wse_sim.mapping.plan.mapping import Mapping, Place
from wse_sim.mapping.prompts.serve import Serving
from wse_sim.mapping.region.fit import bytes_needed, bytes_with_panels, fit
from wse_sim.mapping.region.layout import Layout
from wse_sim.mapping.region.prefill import panel_width

CONFIG = GPTConfig(name="small", n_layer=2, n_embd=24, n_head=3, n_positions=24, vocab_size=50)
SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much]


def apart(config: GPTConfig, width: int, prompt_width: int, height: int, *, gap: int = 0, replicas: int = 1,
          **changes: object) -> Mapping:  # fmt: skip
    """Decode in the west, prompts in the east, replicas below each other."""
    whole = {"layers": range(config.n_layer), "embedding": True, "head": True, "height": height}
    places = []
    for index in range(replicas):
        at = {"y": index * height, "replica": index}
        places.append(Place(x=0, width=width, **whole, **at))
        places.append(Place(x=width + gap, width=prompt_width, prompts=True, **whole, **at))
    return replace(Mapping(config=config, wafer=WSE2, strategy="by hand", places=tuple(places)), **changes)


@settings(max_examples=10, deadline=None, suppress_health_check=SLOW)
@given(
    config=small_models(),
    widths=st.tuples(st.integers(1, 6), st.integers(1, 6)),
    height=st.integers(1, 6),
    gap=st.integers(0, 2),
    wafer=st.sampled_from([WSE2, WSE3]),
    precision=st.sampled_from([(f32, f32), (f16, f32), (f16, f16)]),
    data=st.data(),
)
def test_keys_values_and_tokens_are_those_of_one_region(config, widths, height, gap, wafer, precision, data) -> None:
    mapping = apart(config, *widths, height, gap=gap, wafer=wafer, dtype=precision[0], accumulate=precision[1])
    assume(all(fit(mapping.layout(p)).fits for p in (*mapping.parts(0), mapping.prompt_part(0))))
    weights = lively(config, data.draw(st.integers(0, 99)))
    token = st.integers(0, config.vocab_size - 1)
    prompts = data.draw(st.lists(st.lists(token, min_size=1, max_size=config.n_positions - 2), min_size=1, max_size=2))
    serving = Serving(mapping, weights)
    served = serving.serve(prompts, 3)
    [(taking, decoding)] = serving.program.replicas
    for ids, tokens in zip(prompts, served.token_ids, strict=True):
        taker, follower = RoundedGPT(taking.stage.layout, weights), RoundedGPT(decoding.stage.layout, weights)
        taker.prefill(ids)
        chosen = [taker.token()]
        follower.keys, follower.values = taker.keys, taker.values
        for _ in range(2):
            follower.step(chosen[-1])
            chosen.append(follower.token())
        assert tokens == tuple(chosen)
    machine = serving.machine
    np.testing.assert_array_equal(decoding.stage.logits(machine), follower.logits().astype(np.float32))
    for i, layer in decoding.stage.resident.layers.items():
        cache, count = layer.caches[0], len(prompts[-1]) + 2
        for buffer, tiles, wanted in (
            (cache.keys, cache.key_tiles, follower.keys[i]), (cache.values, cache.value_tiles, follower.values[i])
        ):  # fmt: skip
            held = tiles(np.ones((count, config.n_embd))) > 0  # the rest is what the sequence before left
            np.testing.assert_array_equal(machine.read(buffer)[held], tiles(wanted)[held])
    assert not serving.report().broken_laws()


@pytest.mark.parametrize("precision", [(f32, f32), (f16, f16)])
def test_regions_of_one_shape_give_what_one_region_gives_alone_bit_for_bit(precision: tuple[DType, DType]) -> None:
    weights = lively(CONFIG, 1)
    mapping = apart(CONFIG, 5, 5, 6, dtype=precision[0], accumulate=precision[1])
    serving = Serving(mapping, weights)
    served = serving.serve([[1, 2, 3, 4, 5, 6, 7]], 5)
    session = Session(mapping.layout(mapping.prompt_part(0)), weights)
    single = generate(session, [1, 2, 3, 4, 5, 6, 7], 5)
    assert served.token_ids == (single.token_ids,)
    [(_, decoding)] = serving.program.replicas
    np.testing.assert_array_equal(decoding.stage.logits(serving.machine), single.logits[-1])


def test_the_shipped_model_request_after_request_on_two_replicas() -> None:
    checkpoint = load_shipped()
    config, weights = checkpoint.config, dict(checkpoint.tensors)
    prompts = [checkpoint.text.encode(text) for text in ("Alice was beginning", "The Queen said", "Down the")]
    mapping = apart(config, 10, 14, 12, replicas=2, context=64, prompt=32)
    served = Serving(mapping, weights).serve(prompts, 4)
    assert served.token_ids == tuple(tuple(naive_greedy(settings_of(config), weights, p, 4)) for p in prompts)


def test_a_replica_without_a_sequence_rests_while_others_fill_their_context() -> None:
    weights = lively(CONFIG, 3)
    mapping = apart(CONFIG, 5, 5, 6, replicas=2)
    prompts = [list(range(start, start + mapping.context - 3)) for start in (1, 2, 3)]
    serving = Serving(mapping, weights)
    served = serving.serve(prompts, 4)
    assert served.token_ids == tuple(tuple(naive_greedy(settings_of(CONFIG), weights, p, 4)) for p in prompts)
    positions = [int(serving.machine.read(decoding.position)[0, 0, 0]) for _, decoding in serving.program.replicas]
    assert positions == [mapping.context] * 2


def test_a_prompt_is_taken_while_the_one_before_is_decoded() -> None:
    serving = Serving(apart(CONFIG, 6, 6, 6), lively(CONFIG, 2))
    ids = list(range(12))
    alone = serving.launch([ids], [0])
    decode = serving.launch([[]], [3])
    both = serving.launch([ids], [3])
    assert max(alone, decode) <= both < 0.8 * (alone + decode)


@pytest.mark.parametrize("wafer", [WSE2, WSE3])
@pytest.mark.parametrize(("widths", "tokens"), [((6, 6), 24), ((4, 9), 24), ((12, 5), 21)])
def test_the_hand_over_takes_what_the_closed_form_says(wafer, widths, tokens) -> None:
    mapping = apart(CONFIG, *widths, 6, gap=3, wafer=wafer)
    taking, decoding = mapping.layout(mapping.prompt_part(0)), mapping.layout(mapping.parts(0)[0])
    serving = Serving(mapping, None)
    serving.launch([[0] * tokens], [0])
    sections = serving.report().sections
    there = [i for i, name in enumerate(sections.names) if "/hand over" in name and sections.first[i] >= 0]
    sent = [i for i in there if "/prompts/" in sections.names[i]]
    begin = min(int(sections.first[i]) for i in sent)
    cycles = max(int(sections.last[i]) for i in there) - begin
    assert abs(cycles - cache_cycles(taking, decoding, 3, tokens)) < 0.1 * cycles
    sent_by_cores = sum(int(sections.wavelets[i].sum()) for i in there)
    assert sent_by_cores == wavelets_of_cache(taking, decoding, 0, tokens)  # the routers in the gap send no more


def test_numbers_that_outgrow_their_type_are_no_tokens() -> None:
    serving = Serving(apart(CONFIG, 5, 5, 6, dtype=f16, accumulate=f16), outgrowing(CONFIG))
    with pytest.raises(RunError, match=r"NaN or infinite, as a number outgrew f16, 65504 at most: .* sums in f32"):
        serving.serve([[1, 2]], 2)


def test_what_is_refused() -> None:
    mapping = apart(CONFIG, 5, 5, 6, prompt=9)
    serving = Serving(mapping, None)
    with pytest.raises(
        UsageError, match="a prompt of 10 tokens and 1 new ones: expected 1 to 9 tokens at once, and 24"
    ):
        serving.serve([[0] * 10], 1)
    with pytest.raises(UsageError, match="0 tokens after each prompt by by hand: expected 1 or more"):
        serving.serve([[0]], 0)
    with pytest.raises(UsageError, match="token 50: expected 0 to 49"):
        serving.serve([[50]], 1)
    east = replace(mapping, places=(replace(mapping.places[0], x=20), mapping.places[1]))
    assert "expected the same rows, and the target in the west" in why_not(east)
    with pytest.raises(UsageError, match="the target in the west"):
        Serving(east, None)
    with pytest.raises(UsageError, match="by hand takes no prompts at once"):
        Serving(replace(mapping, places=mapping.places[:1], prompt=0), None)


@pytest.mark.parametrize("side", [5, 8])
def test_three_layers_tell_of_all_with_prompts_too(side: int) -> None:
    config = GPTConfig(name="deep", n_layer=9, n_embd=60, n_head=6, n_positions=64, vocab_size=100)
    layout = Layout(config=config, wafer=WSE2, width=side, height=side, dtype=f16, prompt=64)
    found = fit(layout, mapped=True)
    assert abs(bytes_with_panels(layout, panel_width(layout)) - found.needed) <= 64
    assert (bytes_needed(layout) <= WSE2.user_sram_bytes) == found.fits
