"""The operations of a GPT and what each of them costs, as tables of formulas: no machine, no order."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

from wse_sim.errors import UsageError
from wse_sim.mapping.model.gpt import Dtype, GPTConfig, dtype_bytes

StepKind = Literal["decode", "prefill", "training"]
STEPS: tuple[StepKind, ...] = ("decode", "prefill", "training")


@dataclass(frozen=True, kw_only=True)
class Step:
    """What one step works on.

    tokens  new tokens of each sequence: 1 in decode
    past    tokens of each sequence before them, in the KV cache
    """

    config: GPTConfig
    kind: StepKind = "decode"
    tokens: int = 1
    past: int = 0
    sequences: int = 1
    dtype: Dtype = "f16"

    def __post_init__(self) -> None:
        if self.kind not in STEPS:
            raise UsageError(f"step {self.kind!r}: expected one of {', '.join(STEPS)}")
        if self.kind == "decode" and self.tokens != 1:
            raise UsageError(f"decode of {self.tokens} tokens at once: expected 1; use a prefill step")
        if self.kind == "training" and self.past:
            raise UsageError(f"training with {self.past} tokens before the batch: expected 0")
        if min(self.tokens, self.sequences) < 1 or self.past < 0:
            raise UsageError(
                f"{self.sequences} sequences of {self.tokens} tokens after {self.past}: expected 1, 1, 0 or more"
            )
        if self.past + self.tokens > self.config.n_positions:
            raise UsageError(
                f"{self.past + self.tokens} tokens of {self.config.name}: expected at most its "
                f"{self.config.n_positions} positions"
            )

    @property
    def rows(self) -> int:
        """New tokens of all sequences."""
        return self.sequences * self.tokens

    @property
    def pairs(self) -> int:
        """(query, key) pairs that attention looks at, of all sequences: each new token, and all up to it."""
        return self.sequences * (self.tokens * self.past + self.tokens * (self.tokens + 1) // 2)

    @property
    def sampled(self) -> int:
        """Rows that need logits: the last of each sequence, or all of them in training."""
        return self.rows if self.kind == "training" else self.sequences

    @property
    def number(self) -> int:
        """Bytes of a number."""
        return dtype_bytes(self.dtype)


@dataclass(frozen=True)
class Shape:
    """An operation's formulas.

    flops       arithmetic: a multiply-add counts two; a function like exp counts one
    weights     parameters it reads
    output      numbers it makes
    kv          numbers it reads from or writes to the KV cache
    split       how tensor parallelism deals it: heads, inner features, or not at all (each shard repeats it)
    """

    flops: Callable[[Step], int]
    output: Callable[[Step], int]
    weights: Callable[[GPTConfig], int] = lambda _: 0
    kv: Callable[[Step], int] = lambda _: 0
    split: Literal["heads", "inner", "none"] = "none"


def _linear(inputs: str, outputs: str, times: int = 1) -> Callable[[Step], int]:
    """Multiply-adds and bias of `times` matrices side by side."""
    return lambda s: s.rows * times * (2 * _of(s.config, inputs) + 1) * _of(s.config, outputs)


def _matrix(inputs: str, outputs: str, times: int = 1) -> Callable[[GPTConfig], int]:
    return lambda c: times * (_of(c, inputs) + 1) * _of(c, outputs)


def _hidden(times: int) -> Callable[[Step], int]:
    return lambda s: times * s.rows * s.config.n_embd


def _scores(times: int) -> Callable[[Step], int]:
    return lambda s: times * s.pairs * s.config.n_head


def _of(config: GPTConfig, field: str) -> int:
    return int(getattr(config, field))


_NORM = Shape(flops=_hidden(7), output=_hidden(1), weights=lambda c: 2 * c.n_embd)
_RESIDUAL = Shape(flops=_hidden(1), output=_hidden(1))

LAYER: Mapping[str, Shape] = MappingProxyType({
    "ln_1": _NORM,
    "qkv": Shape(_linear("n_embd", "n_embd", 3), _hidden(3), _matrix("n_embd", "n_embd", 3),
                 kv=_hidden(2), split="heads"),
    "scores": Shape(lambda s: 2 * s.pairs * s.config.n_embd, _scores(1),
                    kv=lambda s: s.sequences * (s.past + s.tokens) * s.config.n_embd, split="heads"),
    "softmax": Shape(_scores(5), _scores(1), split="heads"),
    "mix": Shape(lambda s: 2 * s.pairs * s.config.n_embd, _hidden(1),
                 kv=lambda s: s.sequences * (s.past + s.tokens) * s.config.n_embd, split="heads"),
    "projection": Shape(_linear("n_embd", "n_embd"), _hidden(1), _matrix("n_embd", "n_embd"), split="heads"),
    "residual_1": _RESIDUAL,
    "ln_2": _NORM,
    "up": Shape(_linear("n_embd", "n_inner"), lambda s: s.rows * s.config.n_inner, _matrix("n_embd", "n_inner"),
                split="inner"),
    "gelu": Shape(lambda s: 5 * s.rows * s.config.n_inner, lambda s: s.rows * s.config.n_inner, split="inner"),
    "down": Shape(_linear("n_inner", "n_embd"), _hidden(1), _matrix("n_inner", "n_embd"), split="inner"),
    "residual_2": _RESIDUAL,
})  # fmt: skip
"""Of each block, in order."""

EMBEDDING = Shape(
    flops=_hidden(1), output=_hidden(1), weights=lambda c: (c.vocab_size + c.n_positions) * c.n_embd
)

HEAD: Mapping[str, Shape] = MappingProxyType({
    "ln_f": Shape(lambda s: 7 * s.sampled * s.config.n_embd, lambda s: s.sampled * s.config.n_embd,
                  lambda c: 2 * c.n_embd),
    "logits": Shape(lambda s: 2 * s.sampled * s.config.n_embd * s.config.vocab_size,
                    lambda s: s.sampled * s.config.vocab_size,
                    lambda c: 0 if c.tie_word_embeddings else c.vocab_size * c.n_embd),
})  # fmt: skip
"""After the last block."""

CHOICE = Shape(flops=lambda s: s.sampled * s.config.vocab_size, output=lambda s: s.sampled)
"""The largest of the logits."""

LOSS = Shape(flops=lambda s: 5 * s.rows * s.config.vocab_size, output=lambda s: s.rows)
"""Softmax and cross-entropy."""

BACKWARD_FLOPS = 2  # of the forward's: gradients of the input and of the weights, or twice the element-wise work
UPDATE_FLOPS = 12  # of a parameter, AdamW: two moments, their corrections, root, division, decay
UPDATE_NUMBERS = 2  # moments kept for each parameter
