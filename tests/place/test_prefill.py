"""A prompt taken at once: the numbers of the reference bit for bit, and the tokens of decoding it one by one."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from naive.gpt import naive_greedy, naive_logits
from place.small_models import has_room, lively, settings_of, small_models
from place.test_sampled import assert_same

from wse_sim import WSE2, WSE3, f16, f32
from wse_sim.errors import FitError, UsageError
from wse_sim.mapping.generation.rounded import RoundedGPT
from wse_sim.mapping.generation.sampled_session import generate_sampled
from wse_sim.mapping.generation.session import Session, generate
from wse_sim.mapping.model import GPTConfig, load_shipped, preset
from wse_sim.mapping.region.decode import Decoder
from wse_sim.mapping.region.fit import fit, require_fit
from wse_sim.mapping.region.layout import Layout
from wse_sim.mapping.region.prefill_cycles import prefill_cycles

PRECISIONS = [(f32, f32), (f16, f32), (f16, f16)]
SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much]


def check(layout: Layout, weights: dict[str, np.ndarray], ids: list[int], new: int = 2) -> None:
    """Prefill, a look at each position, then decode: all equal to the reference; f32 close to the naive GPT."""
    session, expected = Session(layout, weights), RoundedGPT(layout, weights)
    session.prefill(ids)
    rows = expected.prefill(ids)
    found = [session.logits()]
    chosen = [session.token()]
    np.testing.assert_array_equal(found[0], expected.logits().astype(np.float32))
    for position in range(len(ids) - 1):
        session.look_back(position)
        expected.hidden = rows[position]
        np.testing.assert_array_equal(session.logits(), expected.logits().astype(np.float32))
    for layer, kept in session.decoder.stage.resident.layers.items():
        cache = kept.caches[0]
        np.testing.assert_array_equal(session.machine.read(cache.keys), cache.key_tiles(expected.keys[layer]))
        np.testing.assert_array_equal(session.machine.read(cache.values), cache.value_tiles(expected.values[layer]))
    for _ in range(new):
        session.step(chosen[-1])
        expected.step(chosen[-1])
        found.append(session.logits())
        chosen.append(session.token())
        np.testing.assert_array_equal(found[-1], expected.logits().astype(np.float32))
    if layout.dtype is f32:
        wanted = naive_logits(settings_of(layout.config), weights, [*ids, *chosen[:-1]])[len(ids) - 1 :]
        assert np.abs(np.array(found) - wanted).max() <= 1e-4 * np.abs(wanted).max()
    assert not session.report().broken_laws()


@settings(max_examples=6, deadline=None, suppress_health_check=SLOW)
@given(
    config=small_models(),
    width=st.integers(1, 6),
    height=st.integers(1, 6),
    seed=st.integers(0, 1000),
    wafer=st.sampled_from([WSE2, WSE3]),
    precision=st.sampled_from(PRECISIONS),
    data=st.data(),
)
def test_random_models_grids_and_prompts(config, width, height, seed, wafer, precision, data) -> None:
    tokens = st.integers(0, config.vocab_size - 1)
    ids = data.draw(st.lists(tokens, min_size=1, max_size=config.n_positions - 2))
    prompt = data.draw(st.integers(len(ids), config.n_positions))
    layout = Layout(
        config=config, wafer=wafer, width=width, height=height, prompt=prompt, dtype=precision[0],
        accumulate=precision[1],
    )  # fmt: skip
    assume(has_room(layout))
    check(layout, lively(config, seed), ids)


@st.composite
def wider_models(draw: st.DrawFn) -> GPTConfig:
    """Features of 32 to 64, as many heads as divide them."""
    width = draw(st.sampled_from([32, 48, 64]))
    return GPTConfig(
        name="wider",
        n_layer=draw(st.integers(1, 2)),
        n_embd=width,
        n_head=draw(st.sampled_from([h for h in range(1, 9) if width % h == 0])),
        n_inner=draw(st.sampled_from([0, 100])),
        n_positions=24,
        vocab_size=60,
        activation=draw(st.sampled_from(["gelu", "gelu_new"])),
        tie_word_embeddings=draw(st.booleans()),
        scale_attn_by_inverse_layer_idx=draw(st.booleans()),
    )


@pytest.mark.slow
@settings(max_examples=8, deadline=None, suppress_health_check=SLOW)
@given(
    config=wider_models(),
    width=st.integers(2, 6),
    height=st.integers(2, 6),
    length=st.integers(1, 20),
    seed=st.integers(0, 99),
    precision=st.sampled_from(PRECISIONS),
)
def test_wider_models(config, width, height, length, seed, precision) -> None:
    dtype, accumulate = precision
    layout = Layout(
        config=config, wafer=WSE2, width=width, height=height, prompt=length, dtype=dtype, accumulate=accumulate
    )
    assume(fit(layout).fits)
    ids = np.random.default_rng(seed).integers(config.vocab_size, size=length).tolist()
    check(layout, lively(config, seed), ids)


@pytest.mark.slow
@pytest.mark.parametrize(("width", "height", "layers"), [(32, 32, 4), (16, 16, 2), (9, 23, 1)])
@pytest.mark.parametrize("precision", PRECISIONS, ids=str)
def test_large_grids(width, height, layers, precision) -> None:
    config = GPTConfig("large", layers, 256, 8, n_positions=80, vocab_size=300)
    dtype, accumulate = precision
    layout = Layout(
        config=config, wafer=WSE3, width=width, height=height, prompt=64, dtype=dtype, accumulate=accumulate
    )
    ids = np.random.default_rng(1).integers(config.vocab_size, size=61).tolist()
    check(layout, lively(config, 3), ids, new=1)


@pytest.mark.parametrize("precision", [(f32, f32), (f16, f16)], ids=str)
def test_the_tokens_are_those_of_decoding_the_prompt_one_by_one(precision) -> None:
    model = load_shipped()
    config, weights, dtype = model.config, dict(model.tensors), precision[0]
    ids = model.text.encode("Alice was beginning to get very tired of sitting by her sister")
    layout = Layout(config=config, wafer=WSE2, width=12, height=12, dtype=dtype, accumulate=precision[1], context=32)
    one_by_one = generate(Session(layout, weights), ids, 4)
    prompted = replace(layout, prompt=len(ids))
    at_once = generate(Session(prompted, weights), ids, 4)
    assert at_once.token_ids == one_by_one.token_ids
    assert len(at_once.cycles) == 4
    if dtype is f16:  # in f32 a PE is busy multiplying either way
        assert at_once.cycles[0] < sum(one_by_one.cycles[: len(ids)])
    error = np.abs(at_once.logits - one_by_one.logits).max() / np.abs(one_by_one.logits).max()
    assert error < (1e-4 if dtype is f32 else 2e-2)
    if dtype is f32:
        assert list(at_once.token_ids) == naive_greedy(settings_of(config), weights, ids, 4)


@pytest.mark.slow
@settings(max_examples=12, deadline=None, suppress_health_check=SLOW)
@given(
    config=wider_models(),
    width=st.integers(2, 8),
    height=st.integers(2, 8),
    length=st.integers(1, 20),
    seed=st.integers(0, 99),
    precision=st.sampled_from(PRECISIONS),
)
def test_prefill_then_decode_is_decode_only(config, width, height, length, seed, precision) -> None:
    """Both as close to the naive GPT on the rounded weights as half precision lets them be; in f32 the same tokens."""
    dtype, accumulate = precision
    at_once = Layout(
        config=config, wafer=WSE2, width=width, height=height, prompt=length, dtype=dtype, accumulate=accumulate
    )
    assume(has_room(at_once))
    weights = {name: (0.5 * w).astype(dtype.numpy).astype(np.float32) for name, w in lively(config, seed).items()}
    ids = np.random.default_rng(seed).integers(config.vocab_size, size=length).tolist()
    found = [generate(Session(layout, weights), ids, 3) for layout in (at_once, replace(at_once, prompt=0))]
    if dtype is f32:
        expected = tuple(naive_greedy(settings_of(config), weights, ids, 3))
        assert [one.token_ids for one in found] == [expected, expected]
    for one in found:
        wanted = naive_logits(settings_of(config), weights, [*ids, *one.token_ids[:-1]])[length - 1 :]
        error = np.abs(one.logits - wanted).max() / np.abs(wanted).max()
        assert error < (1e-5 if dtype is f32 else 1e-2)


@pytest.mark.parametrize("precision", PRECISIONS, ids=str)
def test_what_decode_has_left_in_the_work_space_does_not_matter(precision) -> None:
    config = GPTConfig("odd", 2, 15, 3, n_inner=31, n_positions=9, vocab_size=37)
    dtype, accumulate = precision
    layout = Layout(
        config=config, wafer=WSE2, width=4, height=3, prompt=7, dtype=dtype, accumulate=accumulate
    )
    weights, found = lively(config, 5), []
    for left in (0.0, np.nan):
        session = Session(layout, weights)
        for buffer in session.decoder.stage.resident.scratch:
            session.machine.write(buffer, np.full(1, left, buffer.dtype.numpy))
        found.append(generate(session, [3, 36, 0, 5, 11], 3).logits)
    np.testing.assert_array_equal(*found)
    assert np.isfinite(found[0]).all()


def test_every_position_and_a_prompt_longer_than_the_layout_takes() -> None:
    config = GPTConfig("odd", 2, 15, 3, n_inner=31, n_positions=12, vocab_size=37)
    weights, ids = lively(config, 7), [3, 36, 0, 5, 11, 2, 8]
    layout = Layout(config=config, wafer=WSE2, width=4, height=3)
    plain = generate(Session(layout, weights), ids, 3, every_position=True)
    for prompt in (7, 4):
        at_once = replace(layout, prompt=prompt)
        found = generate(Session(at_once, weights), ids, 3, every_position=True)
        assert found.token_ids == plain.token_ids
        assert found.positions == plain.positions
        assert np.abs(found.logits - plain.logits).max() <= 1e-4 * np.abs(plain.logits).max()


def test_fit_counts_what_prefill_takes() -> None:
    config = replace(preset("gpt2"), n_layer=2)
    layout = Layout(config=config, wafer=WSE2, width=30, height=40, dtype=f16, prompt=300)
    assert fit(layout).needed == max(buffer.end for buffer in Decoder(layout).program.buffers)
    assert fit(layout).needed > fit(replace(layout, prompt=0)).needed


def test_products_are_left_to_the_cycle_engine_before_the_other_has_dated_them() -> None:
    """On few PEs, too: each of them is the owner of tiles of its own, and dating them took fifty times as long."""
    config = GPTConfig("wide", 1, 256, 8, n_positions=64, vocab_size=50)
    layout = Layout(config=config, wafer=WSE2, width=16, height=16, dtype=f16, accumulate=f16, prompt=64)
    session = Session(layout, lively(config, 0))
    session.prefill([1] * 64)
    assert "most of which do what no other does" in session.report().provenance.parts[-1]


def test_messages() -> None:
    config = GPTConfig("tiny", 1, 4, 2, n_positions=6, vocab_size=9)
    weights = lively(config, 0)
    with pytest.raises(UsageError, match="prompts of 7 tokens at once: expected 0 to 6, the tokens of the context"):
        Layout(config=config, wafer=WSE2, width=2, height=2, prompt=7)
    with pytest.raises(UsageError, match="prompts at once in a tight layout or for a batch"):
        Layout(config=config, wafer=WSE2, width=2, height=2, prompt=3, batch=2)
    session = Session(Layout(config=config, wafer=WSE2, width=2, height=2, prompt=3), weights)
    for ids in ([], [1, 2, 3, 4]):
        with pytest.raises(UsageError, match=r"at position 0: expected 1 to 3 tokens .* token by token"):
            session.prefill(ids)
    with pytest.raises(UsageError, match="token 9: expected 0 to 8"):
        session.prefill([1, 9])
    with pytest.raises(UsageError, match="look back at position 0: expected one of the 0 tokens of a prompt"):
        session.look_back(0)
    session.prefill([1, 2])
    with pytest.raises(UsageError, match="at once at position 2: expected"):
        session.prefill([1])
    session.step(sample=False)
    with pytest.raises(UsageError, match="at position 3 with the token chosen last, but the launch before chose none"):
        session.step()
    with pytest.raises(UsageError, match=r"of the 0 tokens .* a step uses the room"):
        session.look_back(0)
    small = Layout(config=preset("gpt2"), wafer=WSE2.crop(40, 40), width=30, height=30, dtype=f16, prompt=1000)
    with pytest.raises(FitError, match=r"has [\d,]+ bytes of weights, but all of .* holds"):
        require_fit(small)
    short = GPTConfig("short", 1, 64, 4, n_positions=2000, vocab_size=50)
    with pytest.raises(FitError, match=r"prompts of 2,000 tokens at once.* needs [\d,]+ bytes a PE.*causal\.part"):
        require_fit(replace(small, config=short, width=5, height=5, prompt=2000, context=2000))


@settings(max_examples=6, deadline=None, suppress_health_check=SLOW)
@given(
    config=small_models(),
    width=st.integers(1, 10),
    height=st.integers(1, 10),
    length=st.integers(1, 12),
    wafer=st.sampled_from([WSE2, WSE3]),
    precision=st.sampled_from(PRECISIONS),
)
def test_the_closed_form_is_close(config, width, height, length, wafer, precision) -> None:
    ids = [0] * min(length, config.n_positions)
    layout = Layout(
        config=config, wafer=wafer, width=width, height=height, prompt=config.n_positions, dtype=precision[0],
        accumulate=precision[1],
    )  # fmt: skip
    found = Session(layout, lively(config, 0)).prefill(ids)
    expected = prefill_cycles(layout, len(ids)).total
    assert abs(found - expected) <= 0.05 * expected + 30 * (config.n_layer + 1)


@pytest.mark.parametrize("width", [3, 6, 9])
@pytest.mark.parametrize("features", [6, 12])
def test_the_closed_form_is_close_where_most_pes_hold_nothing(width: int, features: int) -> None:
    config = GPTConfig("few", 2, features, 2, n_inner=12, n_positions=4, vocab_size=20)
    layout = Layout(config=config, wafer=WSE2, width=width, height=10, prompt=4, dtype=f16, accumulate=f16)
    found = Session(layout, lively(config, 0)).prefill([0])
    expected = prefill_cycles(layout, 1).total
    assert abs(found - expected) <= 0.03 * expected


@pytest.mark.parametrize("every_position", [False, True])
def test_sampled_composes_prefill_and_steps(every_position) -> None:
    config = GPTConfig("deep", 6, 12, 2, n_positions=12, vocab_size=20)
    weights = lively(config, 2)
    layout = Layout(config=config, wafer=WSE2, width=5, height=4, dtype=f16, prompt=7)
    ids = [1, 5, 3, 8, 2, 9, 19, 4]
    session = Session(layout, weights)
    exact = generate(session, ids, 3, every_position=every_position)
    both, report = generate_sampled(layout, [ids], 3, tensors=weights, every_position=every_position)
    (found,) = both.sequences
    assert report.provenance.composed.startswith("layer")
    assert_same(report, session.report())
    assert (found.token_ids, found.positions) == (exact.token_ids, exact.positions)
    assert (found.prompt_launches, found.at_once) == (exact.prompt_launches, exact.at_once) == (
        len(exact.cycles) - 2, 7
    )  # fmt: skip
    np.testing.assert_array_equal(found.logits, exact.logits)
