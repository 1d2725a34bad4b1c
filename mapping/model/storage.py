"""Reading tensors from the files of a checkpoint folder, one at a time, as float32."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import is_zipfile

import numpy as np
from numpy.typing import NDArray

from wse_sim.errors import CheckpointError

if TYPE_CHECKING:
    import torch

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLED, PICKLED_INDEX = "pytorch_model.bin", "pytorch_model.bin.index.json"
_WORDS: dict[str, np.dtype[Any]] = {
    "F16": np.dtype("<f2"),
    "BF16": np.dtype("<u2"),
    "F32": np.dtype("<f4"),
}  # bf16 as its bits


@dataclass(frozen=True)
class StoredTensor:
    """A tensor in a file: where, its shape, and how to read it as a fresh float32 array."""

    file: Path
    shape: tuple[int, ...]
    read: Callable[[], NDArray[np.float32]]


def open_folder(folder: Path) -> dict[str, StoredTensor]:
    """The tensors of a folder by the names in its files; only headers are read.

    Takes model.safetensors, else the shards of its index, else (with torch) pytorch_model.bin or its shards.
    CheckpointError says which file is missing, broken, or of an unknown dtype.
    """
    if (folder / SINGLE).is_file():
        return open_safetensors(folder / SINGLE)
    if (folder / INDEX).is_file():
        return _open_shards(folder / INDEX, open_safetensors)
    if (folder / PICKLED).is_file():
        return _open_pickled(folder / PICKLED)
    if (folder / PICKLED_INDEX).is_file():
        return _open_shards(folder / PICKLED_INDEX, _open_pickled)
    raise CheckpointError(
        f"{folder}: no weights: expected {SINGLE}, {INDEX}, {PICKLED} or {PICKLED_INDEX}; try downloading the folder "
        "again"
    )


def read_json(path: Path) -> dict[str, Any]:
    """The JSON object in a file; CheckpointError when it is missing or not a JSON object."""
    if not path.is_file():
        raise CheckpointError(f"{path.parent}: no {path.name}: expected a Hugging Face GPT-2 checkpoint folder")
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (ValueError, RecursionError) as error:  # no JSON, no UTF-8, or too deep
        raise CheckpointError(f"{path}: not JSON ({error}): expected an object; try downloading it again") from error
    if not isinstance(found, dict):
        raise CheckpointError(f"{path}: holds a JSON {type(found).__name__}: expected an object")
    return found


def open_safetensors(path: Path) -> dict[str, StoredTensor]:
    """The tensors of one safetensors file; its header is checked, its data left on disk."""
    from safetensors import SafetensorError, safe_open

    try:
        with safe_open(path, framework="np"):
            pass  # checks that the header is sound and that the file is as long as it says
    except (SafetensorError, OSError) as error:
        raise CheckpointError(
            f"{path}: not a whole safetensors file ({error}): expected a header and all its data; "
            "try downloading it again"
        ) from error
    with path.open("rb") as file:
        length = int.from_bytes(file.read(8), "little")
        header = json.loads(file.read(length))
    header.pop("__metadata__", None)
    return {name: _stored(path, name, entry, 8 + length) for name, entry in header.items()}


def _stored(path: Path, name: str, entry: dict[str, Any], data: int) -> StoredTensor:
    shape, dtype, start = tuple(entry["shape"]), entry["dtype"], data + entry["data_offsets"][0]

    def read() -> NDArray[np.float32]:
        if dtype not in _WORDS:
            raise CheckpointError(
                f"{path}: tensor {name} is {dtype}: expected {', '.join(_WORDS)}; try converting it to F32"
            )
        count = int(np.prod(shape, dtype=np.int64))
        words = np.fromfile(path, _WORDS[dtype], count, offset=start).reshape(shape)
        if dtype == "BF16":
            return (words.astype(np.uint32) << 16).view(np.float32)
        return words.astype(np.float32)

    return StoredTensor(path, shape, read)


def _open_shards(index: Path, open_shard: Callable[[Path], dict[str, StoredTensor]]) -> dict[str, StoredTensor]:
    weight_map = read_json(index).get("weight_map")
    if not isinstance(weight_map, dict) or not weight_map:
        raise CheckpointError(f"{index}: no weight_map: expected tensor names with their shard files")
    shards: dict[str, dict[str, StoredTensor]] = {}
    for name in sorted({str(file) for file in weight_map.values()}):
        shard = index.parent / name
        if Path(name).name != name or not shard.is_file():
            raise CheckpointError(
                f"{index}: shard {name!r} is missing: expected it beside the index; try downloading it again"
            )
        shards[name] = open_shard(shard)
    return {tensor: _in_shard(shards[str(file)], tensor, index, str(file)) for tensor, file in weight_map.items()}


def _in_shard(shard: dict[str, StoredTensor], tensor: str, index: Path, file: str) -> StoredTensor:
    if tensor not in shard:
        raise CheckpointError(
            f"{index}: tensor {tensor} is not in {file}: expected it there; try downloading the folder again"
        )
    return shard[tensor]


def _open_pickled(path: Path) -> dict[str, StoredTensor]:
    """The tensors of one file of torch's; those of the format that is a zip archive are left on disk."""
    try:
        import torch
    except ImportError as error:
        raise CheckpointError(
            f"{path}: reading it needs torch, which is not installed: expected {SINGLE}; "
            "try pip install torch, or saving the model once as safetensors"
        ) from error
    try:
        state = torch.load(path, map_location="cpu", weights_only=True, mmap=is_zipfile(path))
    except Exception as error:  # torch raises many kinds for a broken or unsafe pickle
        raise CheckpointError(f"{path}: torch cannot read it ({_first_line(error)}); try {SINGLE} instead") from error
    if not isinstance(state, dict):
        raise CheckpointError(f"{path}: holds a {type(state).__name__}: expected a dict of tensors; try {SINGLE}")
    return {name: _loaded(path, value) for name, value in state.items() if isinstance(value, torch.Tensor)}


def _loaded(path: Path, tensor: torch.Tensor) -> StoredTensor:
    def read() -> NDArray[np.float32]:
        return np.array(tensor.float().numpy(), np.float32)

    return StoredTensor(path, tuple(tensor.shape), read)


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
