"""The GPT in plain numpy: the numbers that a simulated run must reproduce."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.errors import UsageError
from wse_sim.mapping.model.gpt import GPTConfig

Floats = NDArray[np.floating[Any]]
Weights = Mapping[str, Floats]
_erf = np.vectorize(math.erf, otypes=[np.float64])


def gelu(x: Floats) -> Floats:
    """Exact GELU, x/2 (1 + erf(x / sqrt 2)), element by element."""
    share: Floats = 0.5 * (1 + _erf(x / math.sqrt(2)))
    return x * share.astype(x.dtype)


def gelu_new(x: Floats) -> Floats:
    """GELU by tanh, x/2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), element by element."""
    share: Floats = 0.5 * (1 + np.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x * x * x)))
    return x * share


ACTIVATIONS = {"gelu": gelu, "gelu_new": gelu_new}


def layer_norm(x: Floats, gain: Floats, bias: Floats, epsilon: float) -> Floats:
    """Each row of `x` (T, d) to mean 0 and variance 1, then times `gain` (d,) plus `bias` (d,)."""
    centred: Floats = x - x.mean(axis=-1, keepdims=True)
    variance = (centred * centred).mean(axis=-1, keepdims=True)
    normed: Floats = centred / np.sqrt(variance + epsilon)
    return normed * gain + bias


def softmax(x: Floats) -> Floats:
    """Exponentials of the last axis, scaled to sum to 1."""
    powers: Floats = np.exp(x - x.max(axis=-1, keepdims=True))
    total: Floats = powers.sum(axis=-1, keepdims=True)
    return powers / total


def attention(config: GPTConfig, weights: Weights, layer: int, x: Floats) -> Floats:
    """Causal attention of block `layer` over normed rows `x` (T, d); returns (T, d)."""
    at = f"h.{layer}.attn"
    tokens, width = x.shape
    split = (tokens, config.n_head, config.head_size)
    qkv = _linear(weights, f"{at}.c_attn", x)  # (T, 3 d)
    q, k, v = (part.reshape(split).swapaxes(0, 1) for part in np.split(qkv, 3, axis=1))  # (head, T, size)
    scores = q @ k.swapaxes(1, 2) / config.score_divisor(layer)  # (head, T, T)
    later = np.triu(np.ones((tokens, tokens), bool), 1)
    mixed = softmax(np.where(later, -np.inf, scores)) @ v  # (head, T, size)
    return _linear(weights, f"{at}.c_proj", mixed.swapaxes(0, 1).reshape(tokens, width))


def mlp(config: GPTConfig, weights: Weights, layer: int, x: Floats) -> Floats:
    """The two-layer perceptron of block `layer` over normed rows `x` (T, d); returns (T, d)."""
    inner = _linear(weights, f"h.{layer}.mlp.c_fc", x)  # (T, n_inner)
    return _linear(weights, f"h.{layer}.mlp.c_proj", ACTIVATIONS[config.activation](inner))


def residuals(
    config: GPTConfig, tensors: Weights, token_ids: Sequence[int], *, dtype: type = np.float32
) -> list[Floats]:
    """The residual stream (T, d) after the embedding and after each block: n_layer + 1 arrays."""
    ids = _checked(config, token_ids)
    weights = _Cast(tensors, dtype)
    x = weights["wte.weight"][ids] + weights["wpe.weight"][: len(ids)]  # (T, d)
    stream = [x * dtype(config.embeddings_scale)]
    for layer in range(config.n_layer):
        x = stream[-1]
        x = x + attention(config, weights, layer, _norm(config, weights, f"h.{layer}.ln_1", x))
        stream.append(x + mlp(config, weights, layer, _norm(config, weights, f"h.{layer}.ln_2", x)))
    return stream


def logits(config: GPTConfig, tensors: Weights, token_ids: Sequence[int], *, dtype: type = np.float32) -> Floats:
    """Logits (T, vocab) of every place in `token_ids` (T,), computed in `dtype` (np.float32 or np.float64).

    errors  UsageError for no ids, too many, or one out of the vocabulary
    """
    x = residuals(config, tensors, token_ids, dtype=dtype)[-1]
    return head(config, _Cast(tensors, dtype), x)


def head(config: GPTConfig, weights: Weights, x: Floats) -> Floats:
    """Logits (T, vocab) of the last residual stream `x` (T, d)."""
    embedding = weights["wte.weight" if config.tie_word_embeddings else "lm_head.weight"]  # (vocab, d)
    return _norm(config, weights, "ln_f", x) @ embedding.T * x.dtype.type(config.width_scale)


def greedy(
    config: GPTConfig, tensors: Weights, token_ids: Sequence[int], n: int, *, dtype: type = np.float32
) -> list[int]:
    """The `n` ids that follow `token_ids`, each the one of highest logit; of equals, the lowest id.

    errors  UsageError when the sequence outgrows n_positions, as well as those of `logits`
    """
    if n < 0:
        raise UsageError(f"{config.name}: {n} tokens asked for: expected 0 or more")
    ids: list[int] = _checked(config, token_ids).tolist()
    if len(ids) + n - 1 > config.n_positions:
        raise UsageError(
            f"{config.name}: {len(ids)} tokens and {n} more need {len(ids) + n - 1} positions: "
            f"expected at most n_positions {config.n_positions}; try fewer"
        )
    for _ in range(n):
        last = residuals(config, tensors, ids, dtype=dtype)[-1][-1:]
        ids.append(int(np.argmax(head(config, _Cast(tensors, dtype), last))))
    return ids[len(token_ids) :]


class _Cast(Mapping[str, Floats]):
    """The tensors as arrays of one dtype, converted at use."""

    def __init__(self, tensors: Weights, dtype: type) -> None:
        if dtype not in (np.float32, np.float64):
            raise UsageError(f"dtype {dtype!r} is not supported: expected np.float32 or np.float64")
        self._tensors, self._dtype = tensors, dtype

    def __getitem__(self, name: str) -> Floats:
        return self._tensors[name].astype(self._dtype, copy=False)

    def __iter__(self) -> Any:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)


def _linear(weights: Weights, name: str, x: Floats) -> Floats:
    return x @ weights[f"{name}.weight"] + weights[f"{name}.bias"]


def _norm(config: GPTConfig, weights: Weights, name: str, x: Floats) -> Floats:
    return layer_norm(x, weights[f"{name}.weight"], weights[f"{name}.bias"], config.layer_norm_epsilon)


def _checked(config: GPTConfig, token_ids: Sequence[int]) -> NDArray[np.int64]:
    ids = np.asarray(token_ids)
    if ids.ndim != 1 or not 1 <= len(ids) <= config.n_positions or ids.dtype.kind not in "iu":
        raise UsageError(
            f"{config.name}: token ids of shape {ids.shape} and type {ids.dtype}: "
            f"expected 1 to {config.n_positions} whole numbers (n_positions)"
        )
    outside = np.flatnonzero((ids < 0) | (ids >= config.vocab_size))
    if len(outside):
        place = int(outside[0])
        raise UsageError(
            f"{config.name}: token id {ids[place]} at place {place} is out of the vocabulary: "
            f"expected 0 to {config.vocab_size - 1}; try the tokenizer that belongs to the model"
        )
    return ids.astype(np.int64)
