"""The numpy reference against the naive GPT, and its refusals."""

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from naive.gpt import naive_greedy, naive_logits

from wse_sim.errors import UsageError
from wse_sim.mapping.model import GPTConfig, greedy, load_shipped, logits, random_weights, residuals
from wse_sim.mapping.model.reference import gelu, gelu_new, layer_norm, softmax


@st.composite
def hf_settings(draw):
    heads, flag = draw(st.integers(1, 3)), st.booleans()
    return {
        "model_type": "gpt2",
        "n_layer": draw(st.integers(1, 3)),
        "n_head": heads,
        "n_embd": heads * draw(st.integers(1, 5)),
        "n_inner": draw(st.none() | st.integers(1, 20)),
        "n_positions": draw(st.integers(6, 9)),
        "vocab_size": draw(st.integers(2, 23)),
        "layer_norm_epsilon": draw(st.sampled_from([1e-5, 1e-3])),
        "activation_function": draw(st.sampled_from(["gelu", "gelu_new"])),
        "tie_word_embeddings": draw(flag),
        "scale_attn_weights": draw(flag),
        "scale_attn_by_inverse_layer_idx": draw(flag),
        "scale_qk_dot_by_d": draw(flag),
        "width_scale": draw(st.sampled_from([1.0, 0.25])),
        "embeddings_scale": draw(st.sampled_from([1.0, 10.0])),
    }


def lively_weights(config, seed):
    """Weights large enough, biases and gains included, that a mistake anywhere shows."""
    random = np.random.default_rng(seed)
    start = random_weights(config, seed)
    return {name: array + random.normal(0, 0.3, array.shape).astype(np.float32) for name, array in start.items()}


@settings(max_examples=40, deadline=None)
@given(hf=hf_settings(), seed=st.integers(0, 2**32 - 1), data=st.data())
def test_logits_are_the_naive_ones(hf, seed, data):
    config = GPTConfig.from_hf(hf)
    tensors = lively_weights(config, seed)
    ids = data.draw(st.lists(st.integers(0, config.vocab_size - 1), min_size=1, max_size=6))
    expected = naive_logits(hf, tensors, ids)
    exact = logits(config, tensors, ids, dtype=np.float64)
    assert exact.dtype == np.float64
    np.testing.assert_allclose(exact, expected, rtol=1e-9, atol=1e-9)
    single = logits(config, tensors, ids)
    assert single.dtype == np.float32
    # LayerNorm over one or two numbers divides by next to nothing: float32 then loses digits for good.
    close = 1e-5 if config.n_embd > 2 else 1e-2
    assert np.abs(single - expected).max() <= close * max(10, np.abs(expected).max())


@settings(max_examples=10, deadline=None)
@given(hf=hf_settings(), seed=st.integers(0, 2**32 - 1), n=st.integers(0, 3))
def test_greedy_is_the_naive_one(hf, seed, n):
    config = GPTConfig.from_hf(hf)
    tensors = lively_weights(config, seed)
    assert greedy(config, tensors, [1, 0], n, dtype=np.float64) == naive_greedy(hf, tensors, [1, 0], n)


def test_a_token_sees_no_later_token():
    config = GPTConfig("toy", 2, 8, 2, n_positions=6, vocab_size=11)
    tensors = lively_weights(config, 0)
    full, changed = logits(config, tensors, [1, 2, 3, 4]), logits(config, tensors, [1, 2, 3, 9])
    np.testing.assert_allclose(full[:3], changed[:3], rtol=1e-6)
    assert not np.allclose(full[3], changed[3])


def test_residuals_end_where_the_head_begins():
    config = GPTConfig("toy", 3, 8, 2, n_positions=6, vocab_size=11)
    stream = residuals(config, random_weights(config), [1, 2, 3])
    assert [x.shape for x in stream] == [(3, 8)] * 4
    assert {x.dtype for x in stream} == {np.dtype(np.float32)}


def test_equal_logits_give_the_lowest_id():
    config = GPTConfig("flat", 1, 4, 1, n_positions=4, vocab_size=5)
    zero = {name: np.zeros_like(array) for name, array in random_weights(config).items()}
    assert greedy(config, zero, [3], 4) == [0, 0, 0, 0]


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_pieces(dtype):
    x = np.array([[-3.0, -0.5, 0.0, 0.5, 3.0]], dtype)
    exact = [0.5 * v * (1 + math.erf(v / math.sqrt(2))) for v in x[0].tolist()]
    np.testing.assert_allclose(gelu(x)[0], exact, rtol=1e-6)
    np.testing.assert_allclose(gelu_new(x), gelu(x), atol=1e-3)
    assert not np.allclose(gelu_new(x), gelu(x), atol=1e-5)
    normed = layer_norm(x, np.ones(5, dtype), np.zeros(5, dtype), 1e-12)
    np.testing.assert_allclose([normed.mean(), normed.var()], [0, 1], atol=1e-6)
    np.testing.assert_allclose(softmax(x).sum(), 1, rtol=1e-6)
    np.testing.assert_allclose(softmax(x + 1000), softmax(x), rtol=1e-3)
    assert gelu(x).dtype == gelu_new(x).dtype == normed.dtype == softmax(x).dtype == dtype


@pytest.mark.parametrize(
    ("ids", "message"),
    [
        ([], r"toy: token ids of shape \(0,\) .*expected 1 to 4 whole numbers \(n_positions\)"),
        ([1] * 5, r"token ids of shape \(5,\)"),
        ([1.5], r"type float64: expected 1 to 4 whole numbers"),
        ([[1]], r"token ids of shape \(1, 1\)"),
        ([1, 11], r"token id 11 at place 1 is out of the vocabulary: expected 0 to 10"),
        ([-1], r"token id -1 at place 0 is out of the vocabulary"),
    ],
)
def test_wrong_ids(ids, message):
    config = GPTConfig("toy", 1, 8, 2, n_positions=4, vocab_size=11)
    with pytest.raises(UsageError, match=message):
        logits(config, random_weights(config), ids)


def test_wrong_dtype_and_length():
    config = GPTConfig("toy", 1, 8, 2, n_positions=4, vocab_size=11)
    tensors = random_weights(config)
    with pytest.raises(UsageError, match=r"float16.* is not supported: expected np\.float32 or np\.float64"):
        logits(config, tensors, [1], dtype=np.float16)
    assert len(greedy(config, tensors, [1, 2], 3)) == 3
    with pytest.raises(UsageError, match=r"2 tokens and 4 more need 5 positions: expected at most n_positions 4"):
        greedy(config, tensors, [1, 2], 4)
    with pytest.raises(UsageError, match=r"-1 tokens asked for: expected 0 or more"):
        greedy(config, tensors, [1, 2], -1)


def test_shipped_model_has_learnt_english():
    model = load_shipped()
    text = "Alice was beginning to get very tired of sitting by her sister on the bank, and of having"
    ids = model.text.encode(text)
    rows = logits(model.config, model.tensors, ids, dtype=np.float64)[:-1]
    chance = softmax(rows)[np.arange(len(ids) - 1), ids[1:]]
    assert -np.log(chance).mean() < 3  # nats a token; guessing blindly costs ln 509 = 6.2
    settings_of = {"n_layer": 3, "n_embd": 96, "n_head": 4, "activation_function": "gelu_new"}
    expected = naive_logits(settings_of | {"layer_norm_epsilon": 1e-5}, model.tensors, ids[:12])
    np.testing.assert_allclose(rows[:12], expected, rtol=1e-9, atol=1e-9)
    after = greedy(model.config, model.tensors, model.text.encode("Alice"), 24)
    assert sum(word.isalpha() for word in model.text.decode(after).split()) >= 4
