"""The kernels' references, which round as the machine does, say what the numpy GPT says."""

from __future__ import annotations

import numpy as np
import pytest
from kernel.small_grid import error

from wse_sim import WSE2
from wse_sim.kernels.blocks import Blocks
from wse_sim.kernels.collective.plan import plan
from wse_sim.kernels.transformer import attention, embedding, gelu, layernorm, logits, softmax
from wse_sim.kernels.transformer.heads import head_slots
from wse_sim.mapping.model import reference as gpt
from wse_sim.mapping.model.gpt import GPTConfig

RANDOM = np.random.default_rng(1)
SINGLE = 1e-6  # a few roundings to float32
TREE = plan(WSE2, 5)


def normal(*shape: int) -> np.ndarray:
    return RANDOM.standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize(("form", "function"), [("erf", gpt.gelu), ("tanh", gpt.gelu_new)])
def test_gelu(form, function) -> None:
    x = np.linspace(-6, 6, 41)
    assert error(gelu.reference(x.astype(np.float32), form), function(x)) < SINGLE
    assert gelu.reference(x.astype(np.float16), form).dtype == np.float16


def test_layernorm_and_softmax() -> None:
    x, gain, bias = normal(3, 24)
    wide = (v.astype(np.float64) for v in (x, gain, bias))
    assert error(layernorm.reference(TREE, x, gain, bias, 1e-5), gpt.layer_norm(*wide, 1e-5)) < SINGLE
    many = layernorm.reference(TREE, np.stack([x, 2 * x + 1]), gain, bias, 1e-5)
    assert np.array_equal(many[0], layernorm.reference(TREE, x, gain, bias, 1e-5))
    rows = x.reshape(4, 6)
    assert error(softmax.reference(TREE, rows), gpt.softmax(rows.astype(np.float64))) < SINGLE


@pytest.mark.parametrize("scale", [{}, {"scale_attn_weights": False}, {"scale_qk_dot_by_d": True}])
def test_attention_of_the_last_token(scale) -> None:
    config = GPTConfig("tiny", n_layer=1, n_embd=12, n_head=3, n_positions=9, vocab_size=5, **scale)
    x, at = RANDOM.standard_normal((7, 12)), "h.0.attn"
    weights = {f"{at}.c_attn.weight": RANDOM.standard_normal((12, 36)), f"{at}.c_attn.bias": np.ones(36)}
    weights |= {f"{at}.c_proj.weight": np.eye(12), f"{at}.c_proj.bias": np.zeros(12)}
    qkv = x @ weights[f"{at}.c_attn.weight"] + 1
    q, k, v = np.split(qkv.astype(np.float32), 3, axis=1)
    heads = head_slots(Blocks(12, 5), 3)
    found = attention.reference(TREE, plan(WSE2, 3), heads, q[-1], k, v, scale=1 / config.score_divisor(0))
    assert error(found, gpt.attention(config, weights, 0, x)[-1]) < 4 * SINGLE


def test_embedding_and_logits() -> None:
    config = GPTConfig("tiny", n_layer=1, n_embd=8, n_head=2, n_positions=6, vocab_size=10)
    words, places = normal(10, 8), normal(6, 8)
    assert np.array_equal(embedding.reference(words, places, 7, 2), words[7] + places[2])
    tensors = {"wte.weight": words, "ln_f.weight": np.ones(8), "ln_f.bias": np.zeros(8)}
    x = normal(8)
    normed = layernorm.reference(TREE, x, np.ones(8), np.zeros(8), config.layer_norm_epsilon)
    assert error(logits.reference(TREE, normed, words), gpt.head(config, tensors, x[None])[0]) < SINGLE
