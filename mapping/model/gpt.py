"""What a GPT is: its sizes, its options, and what they cost in parameters and bytes."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, get_args

from wse_sim.errors import UsageError

Activation = Literal["gelu", "gelu_new"]
Dtype = Literal["f16", "bf16", "f32"]
DTYPE_BYTES: Mapping[str, int] = MappingProxyType({"f16": 2, "bf16": 2, "f32": 4})

LARGEST = {
    "n_layer": 10_000, "n_embd": 1_000_000, "n_head": 1_000_000, "n_inner": 10_000_000, "n_positions": 100_000_000,
    "vocab_size": 100_000_000,
}  # fmt: skip
"""What a size may be at most: far beyond any model, so that a slip is told from a model."""


def dtype_bytes(dtype: Dtype) -> int:
    """Bytes of one number; UsageError names the known dtypes."""
    if dtype not in DTYPE_BYTES:
        raise UsageError(f"unknown dtype {dtype!r}: expected one of {', '.join(DTYPE_BYTES)}")
    return DTYPE_BYTES[dtype]


@dataclass(frozen=True)
class ParameterCount:
    """How many parameters each part of a model has."""

    embedding: int
    attention: int
    mlp: int
    norms: int
    head: int

    @property
    def total(self) -> int:
        """All parts together."""
        return self.embedding + self.attention + self.mlp + self.norms + self.head

    def bytes(self, dtype: Dtype) -> int:
        """Bytes of all parameters stored as `dtype`."""
        return self.total * dtype_bytes(dtype)


@dataclass(frozen=True)
class GPTConfig:
    """A GPT-2-style decoder: learned positions, LayerNorm before each half-block, GELU, causal attention.

    name                             what reports call the model
    n_layer, n_embd, n_head          blocks, width of the residual stream, attention heads
    n_inner                          width of the MLP; 0 means 4 n_embd
    n_positions, vocab_size          longest sequence, number of token ids
    layer_norm_epsilon               added to the variance in LayerNorm
    activation                       "gelu" is exact (erf), "gelu_new" is the tanh approximation
    tie_word_embeddings              the output head is the token embedding
    scale_attn_weights               divide scores by sqrt(head size)
    scale_attn_by_inverse_layer_idx  divide scores by (layer index + 1) as well
    width_scale                      muP: logits are multiplied by it
    embeddings_scale                 muP: token + position embeddings are multiplied by it
    scale_qk_dot_by_d                muP: divide scores by the head size, not by its square root
    """

    name: str
    n_layer: int
    n_embd: int
    n_head: int
    n_inner: int = 0
    n_positions: int = 1024
    vocab_size: int = 50257
    layer_norm_epsilon: float = 1e-5
    activation: Activation = "gelu_new"
    tie_word_embeddings: bool = True
    scale_attn_weights: bool = True
    scale_attn_by_inverse_layer_idx: bool = False
    width_scale: float = 1.0
    embeddings_scale: float = 1.0
    scale_qk_dot_by_d: bool = False

    def __post_init__(self) -> None:
        if self.n_inner == 0 and type(self.n_embd) is int:
            object.__setattr__(self, "n_inner", 4 * self.n_embd)
        for field in LARGEST:
            self._require_count(field)
        for field in ("layer_norm_epsilon", "width_scale", "embeddings_scale"):
            self._require_positive(field)
        for field in _FLAGS:
            if type(getattr(self, field)) is not bool:
                raise self._wrong(field, "true or false")
        if self.n_embd % self.n_head:
            raise UsageError(
                f"GPTConfig {self.name!r}: n_embd {self.n_embd} is not divisible by n_head {self.n_head}: "
                f"expected whole heads; try n_embd {self.n_embd - self.n_embd % self.n_head or self.n_head}"
            )
        if self.activation not in get_args(Activation):
            raise self._wrong("activation", "'gelu' (exact) or 'gelu_new' (tanh)")

    def _require_count(self, field: str) -> None:
        value = getattr(self, field)
        if type(value) is not int or not 1 <= value <= LARGEST[field]:
            raise self._wrong(field, f"a whole number from 1 to {LARGEST[field]:,}")

    def _require_positive(self, field: str) -> None:
        value = getattr(self, field)
        if type(value) not in (int, float) or not 0 < value < float("inf"):
            raise self._wrong(field, "a finite number above 0")

    def _wrong(self, field: str, expected: str) -> UsageError:
        return UsageError(f"GPTConfig {self.name!r}: {field} is {getattr(self, field)!r}: expected {expected}")

    @property
    def head_size(self) -> int:
        """Width of one attention head."""
        return self.n_embd // self.n_head

    def score_divisor(self, layer: int) -> float:
        """What the query-key products of block `layer` are divided by before softmax."""
        divisor = 1.0
        if self.scale_qk_dot_by_d:
            divisor = float(self.head_size)
        elif self.scale_attn_weights:
            divisor = self.head_size**0.5
        return divisor * (layer + 1) if self.scale_attn_by_inverse_layer_idx else divisor

    @property
    def parameters(self) -> ParameterCount:
        """Parameters by part, with d = n_embd, f = n_inner, L = n_layer.

        embedding  (vocab_size + n_positions) d
        attention  L (3 d^2 + 3 d  +  d^2 + d)      query-key-value and output projections
        mlp        L (d f + f  +  f d + d)
        norms      (2 L + 1) 2 d                    two per block and one at the end, gain and bias
        head       vocab_size d, or 0 when tied
        """
        d, f = self.n_embd, self.n_inner
        return ParameterCount(
            embedding=(self.vocab_size + self.n_positions) * d,
            attention=self.n_layer * (4 * d * d + 4 * d),
            mlp=self.n_layer * (2 * d * f + f + d),
            norms=(2 * self.n_layer + 1) * 2 * d,
            head=0 if self.tie_word_embeddings else self.vocab_size * d,
        )

    @classmethod
    def from_hf(cls, settings: Mapping[str, object], *, name: str = "checkpoint") -> GPTConfig:
        """The config of a Hugging Face `config.json`; CheckpointError names what is not supported."""
        from wse_sim.mapping.model.hf_config import read

        return read(settings, name=name)


_FLAGS = ("tie_word_embeddings", "scale_attn_weights", "scale_attn_by_inverse_layer_idx", "scale_qk_dot_by_d")


def _cerebras(name: str, n_layer: int, n_embd: int, n_head: int) -> GPTConfig:
    return GPTConfig(name, n_layer, n_embd, n_head, n_positions=2048, activation="gelu")


_TABLE = (
    # Cerebras-GPT, arXiv 2304.03208 and the model cards; MLP 4 n_embd, 2048 positions, exact GELU.
    _cerebras("cerebras-gpt-111m", 10, 768, 12),
    _cerebras("cerebras-gpt-256m", 14, 1088, 17),
    _cerebras("cerebras-gpt-590m", 18, 1536, 12),
    _cerebras("cerebras-gpt-1.3b", 24, 2048, 16),
    _cerebras("cerebras-gpt-2.7b", 32, 2560, 32),  # an early card said 20 heads
    _cerebras("cerebras-gpt-6.7b", 32, 4096, 32),
    _cerebras("cerebras-gpt-13b", 40, 5120, 40),
    # GPT-2, Radford et al. 2019; MLP 4 n_embd, 1024 positions, tanh GELU.
    GPTConfig("gpt2", 12, 768, 12),
    GPTConfig("gpt2-medium", 24, 1024, 16),
    GPTConfig("gpt2-large", 36, 1280, 20),
    GPTConfig("gpt2-xl", 48, 1600, 25),
)
_KNOWN = {config.name: config for config in _TABLE}
PRESETS: Mapping[str, GPTConfig] = MappingProxyType(_KNOWN)


def preset(name: str) -> GPTConfig:
    """The preset called `name`, in any case; UsageError lists the known names."""
    if name.lower() not in PRESETS:
        raise UsageError(f"no model preset {name!r}: expected one of {', '.join(PRESETS)}")
    return PRESETS[name.lower()]
