"""The GPT in numpy, rounding where the wafer rounds and adding in the wafer's order: equal to a session bit for bit."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.errors import UsageError
from wse_sim.kernels import rounding
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective.plan import plan
from wse_sim.kernels.matrix import gemm_nn, gemm_nt, gemv
from wse_sim.kernels.prefill import causal
from wse_sim.kernels.transformer import attention, draw, embedding, gelu, layernorm, likeliest, logits, residual
from wse_sim.kernels.transformer.heads import head_slots
from wse_sim.mapping.generation.sampling import Sampling
from wse_sim.mapping.model.reference import Weights
from wse_sim.mapping.region.layout import Layout

Floats = NDArray[np.floating[Any]]


class RoundedGPT:
    """One sequence; what a session with this layout must give. UsageError for one in shards.

    hidden        (d,) residual stream of the last token
    keys, values  (tokens, d) of each layer
    """

    def __init__(self, layout: Layout, tensors: Weights) -> None:
        if layout.shards > 1:
            raise UsageError(
                f"numbers of {layout.shards} shards outside the fabric: not written, their sums have another order; "
                "expected 1 shard, or numbers computed on the wafer"
            )
        self.layout, config = layout, layout.config
        self.weights = _Rounded(layout, tensors)
        lengths = (layout.width, layout.height)
        self._along_x, self._along_y = (
            plan(layout.wafer, length, words=words) for length, words in zip(lengths, layout.line_words, strict=True)
        )
        self._heads = head_slots(layout.features, config.n_head)
        empty = np.zeros((0, config.n_embd), layout.dtype.numpy)
        self.keys, self.values = [empty] * config.n_layer, [empty] * config.n_layer
        self.hidden = np.zeros(config.n_embd, layout.dtype.numpy)

    def step(self, token: int) -> None:
        """Takes one token at the next position."""
        w, position = self.weights, len(self.keys[0])
        scale = self.layout.config.embeddings_scale
        self.hidden = embedding.reference(w["wte.weight"], w["wpe.weight"], token, position, scale=scale)
        for layer in range(self.layout.config.n_layer):
            self._layer(layer)

    def prefill(self, ids: Sequence[int]) -> Floats:
        """Takes a whole prompt at once, from the first position on; returns the residual stream (tokens, d)."""
        w, config, dtype = self.weights, self.layout.config, self.layout.dtype
        words, places = w["wte.weight"], w["wpe.weight"]
        rows = np.array([
            embedding.reference(words, places, token, i, scale=config.embeddings_scale) for i, token in enumerate(ids)
        ])  # fmt: skip
        for i in range(config.n_layer):
            at, scale = f"h.{i}", 1 / config.score_divisor(i)
            qkv = self._nn(f"{at}.attn.c_attn", self._norm_rows(f"{at}.ln_1", rows))
            q, self.keys[i], self.values[i] = np.split(qkv, 3, axis=1)
            scaled = q if scale == 1.0 else rounding.mul(q, rounding.number(scale), dtype.numpy)
            mixed = causal.reference(
                self._along_x, self._heads, self.layout.height, scaled, self.keys[i], self.values[i], dtype=dtype,
                sums=self.layout.accumulate,
            )  # fmt: skip
            rows = residual.reference(rows, self._nt(f"{at}.attn.c_proj", mixed))
            inner = gelu.reference(self._nn(f"{at}.mlp.c_fc", self._norm_rows(f"{at}.ln_2", rows)), self.layout.gelu)
            rows = residual.reference(rows, self._nt(f"{at}.mlp.c_proj", inner))
        self.hidden = rows[-1]
        return rows

    def logits(self) -> Floats:
        """Logits (vocabulary,) after the last token."""
        config, layout = self.layout.config, self.layout
        table = self.weights["wte.weight" if config.tie_word_embeddings else "lm_head.weight"]
        normed = self._norm("ln_f")
        return logits.reference(self._along_y, normed, table, scale=config.width_scale, sums=layout.accumulate)

    def token(self, sampling: Sampling | None = None, *, sequence: int = 0) -> int:
        """The token that follows: drawn, or the likeliest."""
        logits = self.logits()
        if sampling is None:
            return int(likeliest.reference(logits, 1)[0])
        candidates = likeliest.reference(logits, sampling.top_k)
        how = sampling.arguments(len(self.keys[0]) - 1, sequence=sequence)
        return int(candidates[draw.reference(
            logits[candidates].astype(np.float32), sharpen=how["sharpen"], top_p=how["top_p"], random=how["random"]
        )])  # fmt: skip

    def _layer(self, i: int) -> None:
        config, layout, at = self.layout.config, self.layout, f"h.{i}"
        q, k, v = np.split(self._linear(f"{at}.attn.c_attn", self._norm(f"{at}.ln_1"), Axis.Y), 3)
        self.keys[i], self.values[i] = np.vstack([self.keys[i], k]), np.vstack([self.values[i], v])
        mixed = attention.reference(
            self._along_x, self._along_y, self._heads, q, self.keys[i], self.values[i],
            scale=1 / config.score_divisor(i), dtype=layout.dtype, sums=layout.accumulate,
        )  # fmt: skip
        self.hidden = residual.reference(self.hidden, self._linear(f"{at}.attn.c_proj", mixed, Axis.X))
        inner = self._linear(f"{at}.mlp.c_fc", self._norm(f"{at}.ln_2"), Axis.Y)
        activated = gelu.reference(inner, layout.gelu)
        self.hidden = residual.reference(self.hidden, self._linear(f"{at}.mlp.c_proj", activated, Axis.X))

    def _norm_rows(self, name: str, rows: Floats) -> Floats:
        gain, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return layernorm.reference(self._along_x, rows, gain, bias, self.layout.config.layer_norm_epsilon)

    def _nn(self, name: str, x: Floats) -> Floats:
        """x W + b of many rows, W as decode has it for an input along y."""
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        sums = gemm_nn.reference(x, weight, bias=bias, dtype=self.layout.accumulate)
        return rounding.rounded(sums, self.layout.dtype.numpy)

    def _nt(self, name: str, x: Floats) -> Floats:
        """x W + b of many rows, W as decode has it for an input along x."""
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        sums = gemm_nt.reference(self._along_x, x, weight.T, bias=bias, dtype=self.layout.accumulate)
        return rounding.rounded(sums, self.layout.dtype.numpy)

    def _norm(self, name: str) -> Floats:
        gain, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        return layernorm.reference(self._along_y, self.hidden, gain, bias, self.layout.config.layer_norm_epsilon)

    def _linear(self, name: str, x: Floats, axis: Axis) -> Floats:
        """x W + b, the input split along an axis."""
        tree = self._along_y if axis is Axis.Y else self._along_x
        weight, bias = self.weights[f"{name}.weight"], self.weights[f"{name}.bias"]
        if self.layout.tight:
            x, weight = np.append(x, x.dtype.type(1)), np.vstack([weight, bias])
        start = None if self.layout.tight else bias
        sums = gemv.reference(tree, x, weight, start=start, dtype=self.layout.accumulate)
        return rounding.rounded(sums, self.layout.dtype.numpy)


class _Rounded(Mapping[str, Floats]):
    """Tensors in the type in which they lie on the wafer, made at use."""

    def __init__(self, layout: Layout, tensors: Weights) -> None:
        self._tensors, self._dtype = tensors, layout.dtype.numpy

    def __getitem__(self, name: str) -> Floats:
        return rounding.stored(self._tensors[name], self._dtype, name)

    def __iter__(self) -> Iterator[str]:
        return iter(self._tensors)

    def __len__(self) -> int:
        return len(self._tensors)
