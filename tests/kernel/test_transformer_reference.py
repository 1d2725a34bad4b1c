"""The kernels' references say what the numpy GPT says."""

from __future__ import annotations

import numpy as np
import pytest
from kernel.small_grid import error

from wse_sim.kernels.transformer import attention, embedding, gelu, layernorm, logits, softmax
from wse_sim.mapping.model import reference as gpt
from wse_sim.mapping.model.gpt import GPTConfig

RANDOM = np.random.default_rng(1)


@pytest.mark.parametrize(("form", "function"), [("erf", gpt.gelu), ("tanh", gpt.gelu_new)])
def test_gelu(form, function) -> None:
    x = np.linspace(-6, 6, 41)
    assert error(gelu.reference(x, form), function(x)) < 1e-14


def test_layernorm_and_softmax() -> None:
    x, gain, bias = RANDOM.standard_normal((3, 24))
    assert error(layernorm.reference(x, gain, bias, 1e-5), gpt.layer_norm(x, gain, bias, 1e-5)) < 1e-14
    rows = x.reshape(4, 6)
    assert error(softmax.reference(rows), gpt.softmax(rows)) < 1e-14


def test_attention_of_the_last_token() -> None:
    config = GPTConfig("tiny", n_layer=1, n_embd=12, n_head=3, n_positions=9, vocab_size=5)
    x = RANDOM.standard_normal((7, 12))
    at = "h.0.attn"
    weights = {f"{at}.c_attn.weight": RANDOM.standard_normal((12, 36)), f"{at}.c_attn.bias": np.ones(36)}
    weights |= {f"{at}.c_proj.weight": np.eye(12), f"{at}.c_proj.bias": np.zeros(12)}
    q, k, v = np.split(x @ weights[f"{at}.c_attn.weight"] + 1, 3, axis=1)
    found = attention.reference(q[-1], k, v, 3, scale=1 / config.score_divisor(0))
    assert error(found, gpt.attention(config, weights, 0, x)[-1]) < 1e-13


def test_embedding_and_logits() -> None:
    config = GPTConfig("tiny", n_layer=1, n_embd=8, n_head=2, n_positions=6, vocab_size=10)
    words, places = RANDOM.standard_normal((10, 8)), RANDOM.standard_normal((6, 8))
    assert np.array_equal(embedding.reference(words, places, 7, 2), words[7] + places[2])
    tensors = {"wte.weight": words, "ln_f.weight": np.ones(8), "ln_f.bias": np.zeros(8)}
    x = RANDOM.standard_normal(8)
    normed = layernorm.reference(x, np.ones(8), np.zeros(8), config.layer_norm_epsilon)
    assert error(logits.reference(normed, words), gpt.head(config, tensors, x[None])[0]) < 1e-6
