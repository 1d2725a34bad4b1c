"""The wafer's numbers are, bit for bit, those of a GPT in numpy that rounds where it rounds and adds in its order."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from naive.gpt import naive_logits
from place.small_models import lively, settings_of, small_models

from wse_sim import WSE2, WSE3, f16, f32, i16
from wse_sim.errors import UsageError
from wse_sim.mapping.generation.rounded import RoundedGPT
from wse_sim.mapping.generation.session import Session, generate
from wse_sim.mapping.model import GPTConfig, load_shipped
from wse_sim.mapping.region.layout import Layout

PRECISIONS = st.sampled_from([(f32, f32), (f16, f32), (f16, f16)])


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    config=small_models(),
    width=st.integers(1, 7),
    height=st.integers(1, 7),
    seed=st.integers(0, 1000),
    wafer=st.sampled_from([WSE2, WSE3]),
    precision=PRECISIONS,
    data=st.data(),
)
def test_logits_and_tokens_are_equal_bit_for_bit(config, width, height, seed, wafer, precision, data) -> None:
    tokens = st.integers(0, config.vocab_size - 1)
    prompt = data.draw(st.lists(tokens, min_size=1, max_size=config.n_positions - 2))
    dtype, accumulate = precision
    layout = Layout(config=config, wafer=wafer, width=width, height=height, dtype=dtype, accumulate=accumulate)
    layout = replace(layout, tight=layout.spare and data.draw(st.booleans()))
    weights = lively(config, seed)
    found = generate(Session(layout, weights), prompt, 2, every_position=True)
    expected = RoundedGPT(layout, weights)
    for row, token in zip(found.logits, [*prompt, *found.token_ids], strict=False):
        expected.step(token)
        np.testing.assert_array_equal(row, expected.logits().astype(np.float32))
    assert found.token_ids[-1] == expected.token()


@settings(max_examples=20, deadline=None)
@given(config=small_models(), seed=st.integers(0, 1000), width=st.integers(1, 7), height=st.integers(1, 7))
def test_in_f32_it_is_close_to_the_naive_gpt(config, seed, width, height) -> None:
    weights = lively(config, seed)
    rounded = RoundedGPT(Layout(config=config, wafer=WSE2, width=width, height=height), weights)
    ids = [0, config.vocab_size - 1, 1 % config.vocab_size]
    wanted = naive_logits(settings_of(config), weights, ids)
    for token, row in zip(ids, wanted, strict=True):
        rounded.step(token)
        assert np.abs(rounded.logits() - row).max() <= 1e-4 * np.abs(wanted).max()


def test_sums_in_f32_are_closer_than_sums_in_f16() -> None:
    model = load_shipped()
    ids = model.text.encode("Alice was beginning")
    wanted = naive_logits(settings_of(model.config), model.tensors, ids)[-1]
    errors = []
    for dtype, accumulate in ((f32, f32), (f16, f32), (f16, f16)):
        layout = Layout(config=model.config, wafer=WSE2, width=12, height=12, dtype=dtype, accumulate=accumulate)
        rounded = RoundedGPT(layout, model.tensors)
        for token in ids:
            rounded.step(token)
        errors.append(np.abs(rounded.logits() - wanted).max() / np.abs(wanted).max())
    assert errors[0] < 1e-5 < errors[1] < errors[2] < 2e-2


@pytest.mark.parametrize(("dtype", "accumulate"), [(f32, f16), (i16, f32), (f16, i16)])
def test_precisions_that_the_machine_lacks(dtype, accumulate) -> None:
    config = GPTConfig("tiny", 1, 4, 1, n_positions=4, vocab_size=5)
    with pytest.raises(UsageError, match=r"expected f32 with f32, or f16 with f16 or f32"):
        Layout(config=config, wafer=WSE2, width=2, height=2, dtype=dtype, accumulate=accumulate)


def test_shards_add_up_in_an_order_of_their_own_and_are_refused() -> None:
    config = GPTConfig("two", n_layer=1, n_embd=24, n_head=2, n_positions=8, vocab_size=20)
    layout = Layout(config=config, wafer=WSE2, width=6, height=5, shards=2)
    with pytest.raises(UsageError, match="numbers of 2 shards outside the fabric: not written"):
        RoundedGPT(layout, lively(config, 1))
