"""Random small GPTs, every option drawn."""

from __future__ import annotations

import numpy as np
from hypothesis import strategies as st

from wse_sim.mapping.model import GPTConfig, random_weights
from wse_sim.mapping.region.fit import fit
from wse_sim.mapping.region.layout import Layout


def settings_of(config: GPTConfig) -> dict[str, object]:
    """The config.json that the naive GPT reads."""
    return {
        "n_layer": config.n_layer,
        "n_embd": config.n_embd,
        "n_head": config.n_head,
        "n_inner": config.n_inner,
        "n_positions": config.n_positions,
        "vocab_size": config.vocab_size,
        "layer_norm_epsilon": config.layer_norm_epsilon,
        "activation_function": config.activation,
        "tie_word_embeddings": config.tie_word_embeddings,
        "scale_attn_weights": config.scale_attn_weights,
        "scale_attn_by_inverse_layer_idx": config.scale_attn_by_inverse_layer_idx,
        "scale_qk_dot_by_d": config.scale_qk_dot_by_d,
        "width_scale": config.width_scale,
        "embeddings_scale": config.embeddings_scale,
    }


@st.composite
def small_models(draw: st.DrawFn, *, layers: int = 2) -> GPTConfig:
    heads = draw(st.integers(1, 4))
    return GPTConfig(
        name="random",
        n_layer=draw(st.integers(1, layers)),
        n_embd=heads * draw(st.integers(1, 9)),
        n_head=heads,
        n_inner=draw(st.integers(1, 40)),
        n_positions=draw(st.integers(4, 12)),
        vocab_size=draw(st.integers(2, 60)),
        activation=draw(st.sampled_from(["gelu", "gelu_new"])),
        tie_word_embeddings=draw(st.booleans()),
        scale_attn_weights=draw(st.booleans()),
        scale_attn_by_inverse_layer_idx=draw(st.booleans()),
        scale_qk_dot_by_d=draw(st.booleans()),
        width_scale=draw(st.sampled_from([1.0, 0.3])),
        embeddings_scale=draw(st.sampled_from([1.0, 7.1])),
    )


def lively(config: GPTConfig, seed: int) -> dict[str, np.ndarray]:
    """Random weights large enough that every part matters."""
    rng = np.random.default_rng(seed)
    made = random_weights(config, seed)
    return {n: (v + 0.3 * rng.standard_normal(v.shape)).astype(np.float32) for n, v in made.items()}


def has_room(layout: Layout) -> bool:
    """Whether there is room for the layout, and for what kernels keep beside it."""
    return fit(layout).needed < 0.9 * layout.wafer.user_sram_bytes
