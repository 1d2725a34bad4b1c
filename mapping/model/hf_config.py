"""Hugging Face `config.json` of the GPT-2 family, read into a GPTConfig."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from wse_sim.errors import CheckpointError, UsageError
from wse_sim.mapping.model.gpt import Activation, GPTConfig

MODEL_TYPES = ("gpt2",)
ARCHITECTURES = ("GPT2LMHeadModel", "GPT2Model")
ACTIVATIONS: Mapping[str, Activation] = {
    "gelu": "gelu",
    "gelu_python": "gelu",
    "gelu_new": "gelu_new",
    "gelu_fast": "gelu_new",
    "gelu_pytorch_tanh": "gelu_new",
    "gelu_python_tanh": "gelu_new",
}
_REQUIRED = ("n_layer", "n_embd", "n_head", "vocab_size")
_OPTIONAL = (
    "layer_norm_epsilon",
    "tie_word_embeddings",
    "scale_attn_weights",
    "scale_attn_by_inverse_layer_idx",
    "width_scale",
    "embeddings_scale",
    "scale_qk_dot_by_d",
)
_MUP = ("width_scale", "embeddings_scale", "scale_qk_dot_by_d")  # also written with mup_ before it
# Options that would change the numbers and are not built: key, test of the value, what the value should be.
_REFUSED: tuple[tuple[str, Callable[[Any], bool], str], ...] = (
    ("add_cross_attention", bool, "false (a decoder without an encoder)"),
    ("position_embedding_type", lambda value: value != "learned", "'learned'"),
    ("alibi", bool, "false"),
    ("quantization_config", bool, "weights that are not quantised"),
)


def read(settings: Mapping[str, object], *, name: str = "checkpoint") -> GPTConfig:
    """The GPTConfig that `settings` describe.

    `n_inner` null is 4 n_embd; the old `n_ctx` stands in for `n_positions`; muP may be spelled `mup_width_scale` and so
    on, and its `mup_output_alpha` multiplies logits, too.
    CheckpointError names the key, its value and what is supported.
    """
    _require_gpt2(settings, name)
    for key, refused, expected in _REFUSED:
        if key in settings and refused(settings[key]):
            raise CheckpointError(
                f"{name}: config option {key} = {settings[key]!r} is not supported: expected {expected}; "
                "try another checkpoint"
            )
    chosen: dict[str, Any] = {key: _required(settings, key, name) for key in _REQUIRED}
    chosen |= {key: settings[key] for key in _OPTIONAL if settings.get(key) is not None} | _mup(settings, name)
    chosen["n_positions"] = _required(settings, "n_positions" if "n_positions" in settings else "n_ctx", name)
    chosen["n_inner"] = _inner(settings, name)
    chosen["activation"] = _activation(settings, name)
    try:
        return GPTConfig(name, **chosen)
    except UsageError as error:
        raise CheckpointError(f"config.json of {error}; try another checkpoint") from error


def _require_gpt2(settings: Mapping[str, object], name: str) -> None:
    model_type, listed = settings.get("model_type"), settings.get("architectures")
    architectures = list(listed) if isinstance(listed, (list, tuple)) else []
    if model_type is None and not architectures:
        raise CheckpointError(
            f"{name}: config.json has neither model_type nor architectures: "
            f"expected model_type {' or '.join(MODEL_TYPES)}; try adding it"
        )
    unknown = [model_type] if model_type not in (None, *MODEL_TYPES) else []
    unknown += [architecture for architecture in architectures if architecture not in ARCHITECTURES]
    if unknown:
        raise CheckpointError(
            f"{name}: unknown architecture {unknown[0]!r} in config.json: expected model_type "
            f"{' or '.join(MODEL_TYPES)} and architecture {' or '.join(ARCHITECTURES)}; "
            "try a GPT-2 or Cerebras-GPT checkpoint"
        )


def _required(settings: Mapping[str, object], key: str, name: str) -> object:
    if settings.get(key) is None:
        shown = "n_positions" if key == "n_ctx" else key
        raise CheckpointError(f"{name}: config.json lacks {shown}: expected a whole number; try adding it")
    return settings[key]


def _mup(settings: Mapping[str, object], name: str) -> dict[str, Any]:
    """Options of muP that are there under their longer names."""
    found: dict[str, Any] = {}
    for key in _MUP:
        if settings.get(f"mup_{key}") is None:
            continue
        if settings.get(key) is not None:
            raise CheckpointError(f"{name}: config.json has both {key} and mup_{key}: expected one of them")
        found[key] = settings[f"mup_{key}"]
    if settings.get("mup_output_alpha") is not None:
        width = found.get("width_scale", settings.get("width_scale", 1.0))
        found["width_scale"] = _number(width, "width_scale", name)
        found["width_scale"] *= _number(settings["mup_output_alpha"], "mup_output_alpha", name)
    return found


def _number(value: object, key: str, name: str) -> float:
    if isinstance(value, (int, float)) and not isinstance(value, bool):
        return float(value)
    raise CheckpointError(f"{name}: {key} in config.json is {value!r}: expected a finite number above 0")


def _inner(settings: Mapping[str, object], name: str) -> object:
    value = settings.get("n_inner")
    if value == 0 and value is not None:
        raise CheckpointError(f"{name}: n_inner is {value!r}: expected null or a whole number of at least 1")
    return 0 if value is None else value


def _activation(settings: Mapping[str, object], name: str) -> Activation:
    value = settings.get("activation_function", "gelu_new")
    if not isinstance(value, str) or value not in ACTIVATIONS:
        raise CheckpointError(
            f"{name}: activation_function {value!r} is not supported: expected one of {', '.join(ACTIVATIONS)}"
        )
    return ACTIVATIONS[value]
