"""Our loader and reference against transformers on random GPT-2 models; skipped where torch is not there."""

import numpy as np
import pytest

from wse_sim.errors import CheckpointError
from wse_sim.mapping.model import greedy, load_checkpoint, load_shipped, logits
from wse_sim.mapping.model.checkpoint import SHIPPED

pytestmark = [pytest.mark.oracle, pytest.mark.filterwarnings("ignore")]
torch = pytest.importorskip("torch")
transformers = pytest.importorskip("transformers")

VARIANTS = {
    "cerebras-like": {"activation_function": "gelu", "n_inner": 80},
    "gpt2-like": {"activation_function": "gelu_new", "n_inner": None},
    "untied": {"tie_word_embeddings": False},
    "unscaled": {"scale_attn_weights": False},
    "by layer": {"scale_attn_by_inverse_layer_idx": True, "layer_norm_epsilon": 1e-3},
}
IDS = [5, 0, 96, 41, 41, 7, 60, 2, 13]


def oracle(seed=0, **options):
    torch.manual_seed(seed)
    sizes = {
        "n_layer": 3,
        "n_embd": 24,
        "n_head": 3,
        "n_positions": 32,
        "vocab_size": 97,
        "initializer_range": 0.3,
    }
    return transformers.GPT2LMHeadModel(transformers.GPT2Config(**(sizes | options))).eval()


def oracle_logits(model, ids):
    with torch.no_grad():
        return model(torch.tensor([ids])).logits[0].float().numpy()


def oracle_greedy(model, ids, n):
    prompt = torch.tensor([ids])  # an explicit mask: one is otherwise guessed from the padding id
    options = {"max_new_tokens": n, "do_sample": False, "pad_token_id": 0, "eos_token_id": None}
    return model.generate(prompt, attention_mask=torch.ones_like(prompt), **options)[0, len(ids) :].tolist()


def assert_close(ours, theirs):
    assert np.abs(ours - theirs).max() <= 1e-5 * np.abs(theirs).max()


@pytest.mark.parametrize("options", VARIANTS.values(), ids=VARIANTS)
def test_logits_and_greedy(tmp_path, options):
    model = oracle(**options)
    model.save_pretrained(tmp_path)
    ours = load_checkpoint(tmp_path)
    assert_close(logits(ours.config, ours.tensors, IDS), oracle_logits(model, IDS))
    assert greedy(ours.config, ours.tensors, IDS, 12) == oracle_greedy(model, IDS, 12)
    assert ours.config.parameters.total == sum(weight.numel() for weight in model.parameters())


def test_shards(tmp_path):
    model = oracle()
    model.save_pretrained(tmp_path, max_shard_size="20KB")
    assert len(list(tmp_path.glob("*.safetensors"))) > 2
    ours = load_checkpoint(tmp_path, lazy=True)
    assert_close(logits(ours.config, ours.tensors, IDS), oracle_logits(model, IDS))


def test_without_head_or_prefix(tmp_path):
    model = oracle()
    model.transformer.save_pretrained(tmp_path)
    ours = load_checkpoint(tmp_path)
    assert_close(logits(ours.config, ours.tensors, IDS), oracle_logits(model, IDS))


@pytest.mark.parametrize("dtype", ["float16", "bfloat16"])
def test_short_dtypes(tmp_path, dtype):
    model = oracle().to(getattr(torch, dtype))
    model.save_pretrained(tmp_path)
    ours = load_checkpoint(tmp_path)
    assert_close(logits(ours.config, ours.tensors, IDS), oracle_logits(model.float(), IDS))


def test_pickled(tmp_path):
    model = oracle()
    model.config.save_pretrained(tmp_path)
    torch.save(model.state_dict(), tmp_path / "pytorch_model.bin")
    config = (tmp_path / "config.json").read_text()
    (tmp_path / "config.json").write_text(config.replace("{", '{"architectures": ["GPT2LMHeadModel"],', 1))
    ours = load_checkpoint(tmp_path)
    assert_close(logits(ours.config, ours.tensors, IDS), oracle_logits(model, IDS))


def test_broken_pickle(tmp_path):
    oracle().config.save_pretrained(tmp_path)
    (tmp_path / "pytorch_model.bin").write_bytes(b"not a pickle")
    with pytest.raises(
        CheckpointError, match=r"pytorch_model\.bin: torch cannot read it \(.*\); try model\.safetensors"
    ):
        load_checkpoint(tmp_path)
    torch.save([1, 2], tmp_path / "pytorch_model.bin")
    with pytest.raises(CheckpointError, match=r"holds a list: expected a dict of tensors"):
        load_checkpoint(tmp_path)


def test_shipped_model_is_theirs_too():
    ours = load_shipped()
    model = transformers.GPT2LMHeadModel.from_pretrained(SHIPPED).float().eval()
    tokenizer = transformers.PreTrainedTokenizerFast(tokenizer_file=str(SHIPPED / "tokenizer.json"))
    text = "The Rabbit looked at his watch, and Alice"
    ids = ours.text.encode(text)
    assert ids == tokenizer(text)["input_ids"]
    assert_close(logits(ours.config, ours.tensors, ids), oracle_logits(model, ids))
    assert greedy(ours.config, ours.tensors, ids, 16) == oracle_greedy(model, ids, 16)
