"""Reading Hugging Face folders: what is accepted, and what each broken folder is told."""

import json
import sys

import numpy as np
import pytest
from safetensors.numpy import save_file

from wse_sim.errors import CheckpointError
from wse_sim.mapping.model import GPTConfig, load_checkpoint, load_shipped, random_weights, tensor_shapes
from wse_sim.mapping.model.checkpoint import SHIPPED

CONFIG = GPTConfig("toy", 2, 12, 3, n_positions=8, vocab_size=17)
SETTINGS = {
    "model_type": "gpt2",
    "n_layer": 2,
    "n_embd": 12,
    "n_head": 3,
    "n_positions": 8,
    "vocab_size": 17,
    "activation_function": "gelu_new",
}


@pytest.fixture
def weights():
    return dict(random_weights(CONFIG, 3))


@pytest.fixture
def folder(tmp_path):
    return tmp_path / "toy"


def write(folder, weights, *, settings=None, prefix="transformer."):
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(SETTINGS | (settings or {})))
    named = {name if name.startswith("lm_head") else prefix + name: array for name, array in weights.items()}
    save_file(named, folder / "model.safetensors")


def write_shards(folder, weights):
    folder.mkdir(exist_ok=True)
    (folder / "config.json").write_text(json.dumps(SETTINGS))
    names = sorted(weights)
    weight_map = {}
    for i in range(3):
        file = f"model-0000{i + 1}-of-00003.safetensors"
        part = {f"transformer.{name}": weights[name] for name in names[i::3]}
        save_file(part, folder / file)
        weight_map |= dict.fromkeys(part, file)
    index = folder / "model.safetensors.index.json"
    index.write_text(json.dumps({"metadata": {}, "weight_map": weight_map}))
    return index, weight_map


def assert_same(checkpoint, weights):
    assert set(checkpoint.tensors) == set(weights)
    assert len(checkpoint.tensors) == len(weights)
    for name, array in checkpoint.tensors.items():
        assert array.dtype == np.float32
        np.testing.assert_array_equal(array, weights[name], err_msg=name)


def refused(folder, message):
    with pytest.raises(CheckpointError, match=message) as caught:
        load_checkpoint(folder)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize("prefix", ["transformer.", ""])
@pytest.mark.parametrize("lazy", [False, True])
def test_round_trip(folder, weights, prefix, lazy):
    write(folder, weights, prefix=prefix)
    checkpoint = load_checkpoint(str(folder), lazy=lazy)
    assert checkpoint.config == CONFIG
    assert checkpoint.text is None
    assert checkpoint.folder == folder
    assert_same(checkpoint, weights)


def test_shards(folder, weights):
    write_shards(folder, weights)
    assert_same(load_checkpoint(folder), weights)


def test_tensors_are_read_only(folder, weights):
    write(folder, weights)
    tensors = load_checkpoint(folder).tensors
    with pytest.raises(ValueError, match="read-only"):
        tensors["wte.weight"][0, 0] = 1
    with pytest.raises(TypeError):
        tensors["wte.weight"] = 1
    assert tensors["wte.weight"] is tensors["wte.weight"]
    assert "wte.weight" in tensors
    assert "lm_head.weight" not in tensors
    lazy = load_checkpoint(folder, lazy=True).tensors
    assert lazy["wte.weight"] is not lazy["wte.weight"]


def test_half_precision_is_upcast(folder, weights):
    halves = {name: array.astype(np.float16) for name, array in weights.items()}
    write(folder, halves)
    assert_same(load_checkpoint(folder), {name: array.astype(np.float32) for name, array in halves.items()})


def test_bfloat16_is_upcast(folder, weights):
    """Stored by hand as the upper halves of float32 words, so that no library needs to know the type."""
    shortened = {name: array.view(np.uint32) & np.uint32(0xFFFF0000) for name, array in weights.items()}
    write(folder, {name: (bits >> 16).astype(np.uint16) for name, bits in shortened.items()})
    path = folder / "model.safetensors"
    data = path.read_bytes()
    length = int.from_bytes(data[:8], "little")
    header = data[8 : 8 + length].replace(b'"U16"', b'"BF16"')
    path.write_bytes(len(header).to_bytes(8, "little") + header + data[8 + length :])
    assert_same(load_checkpoint(folder), {name: bits.view(np.float32) for name, bits in shortened.items()})


def test_mask_buffers_are_dropped(folder, weights):
    masks = {f"h.{layer}.attn.bias": np.ones((1, 1, 8, 8), np.float32) for layer in range(2)}
    masks |= {f"h.{layer}.attn.masked_bias": np.array(-1e4, np.float32) for layer in range(2)}
    write(folder, weights | masks, prefix="")
    assert_same(load_checkpoint(folder), weights)


def test_heads_tied_and_untied(folder, weights):
    head = {"lm_head.weight": np.full((17, 12), 0.5, np.float32)}
    write(folder, weights | head, settings={"tie_word_embeddings": False})
    assert_same(load_checkpoint(folder), weights | head)
    write(folder, weights | {"lm_head.weight": weights["wte.weight"].copy()})
    assert_same(load_checkpoint(folder), weights)
    write(folder, weights | head)
    refused(
        folder,
        r"lm_head\.weight differs from wte\.weight .*: expected equal tensors; try tie_word_embeddings false",
    )
    write(folder, weights, settings={"tie_word_embeddings": False})
    refused(folder, r"missing tensor lm_head\.weight: expected 29 tensors for n_layer 2")


def test_folder_is_not_there(tmp_path):
    refused(
        tmp_path / "no",
        r"/no: does not exist: expected a folder with config\.json and model\.safetensors; try",
    )
    (tmp_path / "file").touch()
    refused(tmp_path / "file", r"/file: is a file: expected a folder")


def test_files_are_not_there(folder):
    folder.mkdir()
    refused(folder, r"/toy: no config\.json: expected a Hugging Face GPT-2 checkpoint folder")
    (folder / "config.json").write_text(json.dumps(SETTINGS))
    refused(
        folder,
        r"/toy: no weights: expected model\.safetensors, model\.safetensors\.index\.json, pytorch_model",
    )


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (b"{", r"config\.json: not JSON \(.*\): expected an object; try downloading it again"),
        (b"\xff\xfe", r"config\.json: not JSON"),
        (b"[1]", r"config\.json: holds a JSON list: expected an object"),
        (
            b'{"model_type": "bloom"}',
            r"toy: unknown architecture 'bloom' in config\.json: expected model_type gpt2",
        ),
        (b'{"model_type": "gpt2"}', r"toy: config\.json lacks n_layer"),
    ],
)
def test_broken_config(folder, weights, text, message):
    write(folder, weights)
    (folder / "config.json").write_bytes(text)
    refused(folder, message)


@pytest.mark.parametrize("keep", [0, 4, 100, -1, -4000])
def test_truncated_weights(folder, weights, keep):
    write(folder, weights)
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:keep])
    refused(
        folder,
        r"model\.safetensors: not a whole safetensors file \(.*\): expected a header and all its data; try",
    )


def test_corrupt_header(folder, weights):
    write(folder, weights)
    path = folder / "model.safetensors"
    data = bytearray(path.read_bytes())
    data[8:12] = b"oops"
    path.write_bytes(bytes(data))
    refused(folder, r"not a whole safetensors file")


def test_missing_tensors_are_named(folder, weights):
    del weights["h.1.mlp.c_fc.bias"]
    write(folder, weights)
    refused(folder, r"toy: missing tensor h\.1\.mlp\.c_fc\.bias: expected 28 tensors for n_layer 2")
    write(folder, weights, settings={"n_layer": 3})
    refused(folder, r"missing tensors h\.1\.mlp\.c_fc\.bias, h\.2\.ln_1\.weight, h\.2\.ln_1\.bias and 10 more")


def test_unknown_tensors_are_named(folder, weights):
    write(folder, weights | {"h.0.crossattention.c_attn.weight": np.ones((2, 2), np.float32)})
    refused(
        folder,
        r"unknown tensor h\.0\.crossattention\.c_attn\.weight: expected only those of a GPT-2 with n_layer 2",
    )
    write(folder, weights, settings={"n_layer": 1})
    refused(folder, r"unknown tensors h\.1\..* and 9 more: .*try checking n_layer")


def test_wrong_shape(folder, weights):
    weights["wpe.weight"] = weights["wpe.weight"][:5]
    write(folder, weights)
    refused(
        folder,
        r"model\.safetensors: tensor wpe\.weight has shape \(5, 12\): expected \(8, 12\); try checking the",
    )


@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("dtype", [np.float16, np.float32])
def test_not_a_number(folder, weights, bad, dtype):
    weights = {name: array.astype(dtype) for name, array in weights.items()}
    weights["h.1.mlp.c_fc.weight"][[3, 5], 7] = bad
    write(folder, weights)
    refused(
        folder,
        r"tensor h\.1\.mlp\.c_fc\.weight has 2 values that are NaN or infinite, the first at \(3, 7\): "
        r"expected finite numbers; try another copy",
    )


@pytest.mark.parametrize("dtype", [np.float64, np.int8])
def test_unknown_dtype(folder, weights, dtype):
    weights["wte.weight"] = weights["wte.weight"].astype(dtype)
    write(folder, weights)
    refused(
        folder,
        r"tensor transformer\.wte\.weight is [FI]\d+: expected F16, BF16, F32; try converting it to F32",
    )


def test_tensor_twice(folder, weights):
    write(folder, weights | {"transformer.wpe.weight": weights["wpe.weight"] + 1}, prefix="")
    refused(folder, r"tensor wpe\.weight is there twice, with and without transformer\.")


def test_broken_shards(folder, weights):
    index, weight_map = write_shards(folder, weights)
    first = weight_map["transformer.wte.weight"]
    index.write_text(json.dumps({"weight_map": weight_map | {"transformer.ghost": first}}))
    refused(folder, rf"index\.json: tensor transformer\.ghost is not in {first}: expected it there")
    index.write_text(json.dumps({"weight_map": weight_map | {"transformer.wte.weight": "../toy/x.safetensors"}}))
    refused(folder, r"shard '\.\./toy/x\.safetensors' is missing: expected it beside the index")
    index.write_text("{}")
    refused(folder, r"index\.json: no weight_map: expected tensor names with their shard files")
    index.write_text(json.dumps({"weight_map": weight_map}))
    (folder / first).write_bytes((folder / first).read_bytes()[:-1])
    refused(folder, rf"{first}: not a whole safetensors file")
    (folder / first).unlink()
    refused(folder, rf"shard '{first}' is missing: expected it beside the index; try downloading it again")


def test_pickled_shards(folder, weights):
    torch = pytest.importorskip("torch")
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(SETTINGS))
    files = {name: f"pytorch_model-0000{1 + i % 2}-of-00002.bin" for i, name in enumerate(weights)}
    for file in set(files.values()):
        torch.save({n: torch.tensor(weights[n]) for n in weights if files[n] == file}, folder / file)
    (folder / "pytorch_model.bin.index.json").write_text(json.dumps({"weight_map": files}))
    found = load_checkpoint(folder).tensors
    assert all(np.array_equal(found[name], weights[name]) for name in weights)
    (folder / "pytorch_model-00002-of-00002.bin").unlink()
    refused(folder, r"shard 'pytorch_model-00002-of-00002\.bin' is missing: expected it beside the index")


@pytest.mark.parametrize("zipped", [False, True])
def test_pickled_tensors_stay_on_disk_where_the_format_lets_them(folder, weights, zipped, monkeypatch):
    torch = pytest.importorskip("torch")
    write(folder, weights)
    (folder / "model.safetensors").unlink()
    state = {f"transformer.{name}": torch.tensor(array) for name, array in weights.items()}
    torch.save(state, folder / "pytorch_model.bin", _use_new_zipfile_serialization=zipped)
    load, mapped = torch.load, []

    def noted(*args, **options):
        mapped.append(options["mmap"])
        return load(*args, **options)

    monkeypatch.setattr(torch, "load", noted)
    assert_same(load_checkpoint(folder), weights)
    assert mapped == [zipped]
    (folder / "pytorch_model.bin").write_bytes(b"no tensors")
    refused(folder, r"pytorch_model\.bin: torch cannot read it \(.*\); try model\.safetensors instead")


def test_pickled_without_torch(folder, monkeypatch):
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(SETTINGS))
    (folder / "pytorch_model.bin").touch()
    monkeypatch.setitem(sys.modules, "torch", None)
    refused(
        folder,
        r"pytorch_model\.bin: reading it needs torch, .* expected model\.safetensors; try pip install torch",
    )


def test_random_weights():
    weights, again, other = (
        random_weights(CONFIG, 1),
        random_weights(CONFIG, 1, lazy=True),
        random_weights(CONFIG, 2),
    )
    assert {name: array.shape for name, array in weights.items()} == tensor_shapes(CONFIG)
    assert all(array.dtype == np.float32 and not array.flags.writeable for array in weights.values())
    np.testing.assert_array_equal(weights["wte.weight"], again["wte.weight"])
    assert not np.array_equal(weights["wte.weight"], other["wte.weight"])
    big = random_weights(GPTConfig("big", 8, 128, 2, n_positions=64, vocab_size=300))
    assert big["wte.weight"].std() == pytest.approx(0.02, rel=0.05)
    assert big["h.3.mlp.c_proj.weight"].std() == pytest.approx(0.005, rel=0.05)
    assert not big["h.0.attn.c_attn.bias"].any()
    assert (big["h.7.ln_2.weight"] == 1).all()
    assert (big["ln_f.weight"] == 1).all()


def test_shipped_folder():
    model = load_shipped()
    assert model.config.name == "alice"
    assert model.config.parameters.total == 396_864 == sum(array.size for array in model.tensors.values())
    assert model.text.vocab_size == model.config.vocab_size
    assert sum(file.stat().st_size for file in SHIPPED.iterdir()) < 1_000_000
