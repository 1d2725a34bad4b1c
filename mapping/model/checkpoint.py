"""Loading a GPT from a Hugging Face folder, checked before anything uses it."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from wse_sim.errors import CheckpointError
from wse_sim.mapping.model.gpt import GPTConfig, preset
from wse_sim.mapping.model.storage import StoredTensor, open_folder, read_json
from wse_sim.mapping.model.text import Text, has_tokenizer, load_text
from wse_sim.mapping.model.weights import Array, Tensors, random_weights, tensor_shapes

SHIPPED = Path(__file__).parent / "shipped"
LARGE = 2 << 30  # bytes of weights that are kept in memory
_BUFFER = re.compile(r"h\.\d+\.attn\.(bias|masked_bias)")  # causal masks that old files carry


@dataclass(frozen=True)
class Checkpoint:
    """A model ready to run.

    config   its sizes and options
    tensors  canonical name -> float32 array, read-only, every one present, of the right shape and finite
    text     its tokenizer, or None when the folder has none or `tokenizers` is not installed
    folder   where it came from; None: the weights are random
    stop     tokens that end a text, as its config.json says
    """

    config: GPTConfig
    tensors: Mapping[str, Array]
    text: Text | None
    folder: Path | None
    stop: frozenset[int] = frozenset()


def load_checkpoint(folder: str | Path, *, lazy: bool | None = None) -> Checkpoint:
    """The GPT in a folder with config.json and safetensors weights, all tensors checked.

    lazy    read each tensor from disk again at every use; None: where all of them take more than 2 GiB
    errors  CheckpointError naming the file, the tensor, what was found and what was expected
    """
    path = Path(folder).expanduser()
    if not path.is_dir():
        found = "is a file" if path.exists() else "does not exist"
        raise CheckpointError(
            f"{path}: {found}: expected a folder with config.json and model.safetensors; "
            "try the path of a downloaded checkpoint"
        )
    settings = read_json(path / "config.json")
    config = GPTConfig.from_hf(settings, name=path.resolve().name)
    stored = _canonical(open_folder(path), path)
    _drop_tied_head(stored, config, path)
    _check_shapes(stored, config, path)
    large = config.parameters.bytes("f32") > LARGE
    tensors = Tensors({name: stored[name].read for name in tensor_shapes(config)}, lazy=large if lazy is None else lazy)
    for name in tensors:
        _check_finite(name, tensors[name], path)
    return Checkpoint(config, tensors, _text(path, config), path, _stop(settings, config))


def load_shipped() -> Checkpoint:
    """The small GPT that comes with the project, trained on Alice's Adventures in Wonderland."""
    checkpoint = load_checkpoint(SHIPPED)
    return replace(checkpoint, config=replace(checkpoint.config, name="alice"))


def random_checkpoint(name: str, seed: int) -> Checkpoint:
    """A preset with random weights and no tokenizer; large ones are made anew at each use."""
    config = preset(name)
    lazy = config.parameters.bytes("f32") > LARGE
    return Checkpoint(config, random_weights(config, seed, lazy=lazy), None, None)


def _stop(settings: Mapping[str, object], config: GPTConfig) -> frozenset[int]:
    """eos_token_id: a token, a list of them, or null; small vocabularies come with the id of a large one, which never
    comes up.
    """
    found = settings.get("eos_token_id")
    listed = found if isinstance(found, list) else [] if found is None else [found]
    tokens = [token for token in listed if type(token) is int]
    if len(tokens) < len(listed):
        raise CheckpointError(
            f"{config.name}: eos_token_id in config.json is {found!r}: expected a token id, a list of them, or null"
        )
    return frozenset(token for token in tokens if 0 <= token < config.vocab_size)


def _text(folder: Path, config: GPTConfig) -> Text | None:
    return load_text(folder, vocab_size=config.vocab_size) if has_tokenizer(folder) else None


def _canonical(stored: dict[str, StoredTensor], folder: Path) -> dict[str, StoredTensor]:
    """The same tensors without `transformer.` in their names and without mask buffers."""
    renamed: dict[str, StoredTensor] = {}
    for name, tensor in stored.items():
        short = name.removeprefix("transformer.")
        if short in renamed:
            raise CheckpointError(f"{folder}: tensor {short} is there twice, with and without transformer.")
        if not _BUFFER.fullmatch(short):
            renamed[short] = tensor
    return renamed


def _drop_tied_head(stored: dict[str, StoredTensor], config: GPTConfig, folder: Path) -> None:
    """Forget a stored copy of the tied head; CheckpointError if it is no copy."""
    if not config.tie_word_embeddings or "lm_head.weight" not in stored:
        return
    head = stored.pop("lm_head.weight")
    embedding = stored.get("wte.weight")
    if embedding and not np.array_equal(head.read(), embedding.read(), equal_nan=True):
        raise CheckpointError(
            f"{folder}: lm_head.weight differs from wte.weight but config.json ties them: "
            "expected equal tensors; try tie_word_embeddings false"
        )


def _check_shapes(stored: dict[str, StoredTensor], config: GPTConfig, folder: Path) -> None:
    expected = tensor_shapes(config)
    missing = [name for name in expected if name not in stored]
    if missing:
        raise CheckpointError(
            f"{folder}: {_several('missing tensor', missing)}: expected {len(expected)} tensors for "
            f"n_layer {config.n_layer}; try downloading the folder again"
        )
    extra = [name for name in stored if name not in expected]
    if extra:
        raise CheckpointError(
            f"{folder}: {_several('unknown tensor', extra)}: expected only those of a GPT-2 with "
            f"n_layer {config.n_layer}; try checking n_layer and tie_word_embeddings in config.json"
        )
    for name, shape in expected.items():
        if stored[name].shape != shape:
            raise CheckpointError(
                f"{stored[name].file}: tensor {name} has shape {stored[name].shape}: expected {shape}; "
                "try checking the sizes in config.json"
            )


def _several(what: str, names: list[str]) -> str:
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return f"{what}{'s' if len(names) > 1 else ''} {', '.join(names[:3])}{more}"


def _check_finite(name: str, array: Array, folder: Path) -> None:
    bad = ~np.isfinite(array)
    if bad.any():
        first = tuple(int(i) for i in np.argwhere(bad)[0])
        raise CheckpointError(
            f"{folder}: tensor {name} has {int(bad.sum())} values that are NaN or infinite, "
            f"the first at {first}: expected finite numbers; try another copy of the checkpoint"
        )
