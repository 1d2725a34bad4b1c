"""Sizes, presets, counts, and the refusals of GPTConfig."""

import pytest

from wse_sim.errors import CheckpointError, UsageError
from wse_sim.mapping.model import PRESETS, GPTConfig, preset, tensor_shapes

HF = {
    "model_type": "gpt2",
    "architectures": ["GPT2LMHeadModel"],
    "n_layer": 2,
    "n_embd": 12,
    "n_head": 3,
    "n_positions": 8,
    "vocab_size": 17,
    "activation_function": "gelu",
    "n_inner": None,
}
# Exact totals as transformers counts them.
PUBLISHED = {
    "cerebras-gpt-111m": 111_050_496,
    "cerebras-gpt-256m": 255_977_024,
    "cerebras-gpt-590m": 590_310_912,
    "cerebras-gpt-1.3b": 1_315_723_264,
    "cerebras-gpt-2.7b": 2_651_553_280,
    "cerebras-gpt-6.7b": 6_658_404_352,
    "cerebras-gpt-13b": 12_853_386_240,
    "gpt2": 124_439_808,
    "gpt2-medium": 354_823_168,
    "gpt2-large": 774_030_080,
    "gpt2-xl": 1_557_611_200,
}
ROUNDED = {  # as the family names its members, in millions, and how far rounding may reach
    "cerebras-gpt-111m": (111, 1),
    "cerebras-gpt-256m": (256, 1),
    "cerebras-gpt-590m": (590, 1),
    "cerebras-gpt-1.3b": (1300, 50),
    "cerebras-gpt-2.7b": (2700, 50),
    "cerebras-gpt-6.7b": (6700, 50),
    "cerebras-gpt-13b": (13000, 500),
}


def make(**fields):
    return GPTConfig(**({"name": "toy", "n_layer": 2, "n_embd": 12, "n_head": 3} | fields))


@pytest.mark.parametrize(("name", "total"), PUBLISHED.items())
def test_total_is_the_published_one(name, total):
    assert preset(name).parameters.total == total


@pytest.mark.parametrize(("name", "size"), ROUNDED.items())
def test_total_rounds_to_the_name(name, size):
    assert preset(name).parameters.total / 1e6 == pytest.approx(size[0], abs=size[1])


@pytest.mark.parametrize("config", PRESETS.values(), ids=PRESETS)
def test_counts_are_those_of_the_tensors(config):
    count = config.parameters
    sizes = {"embedding": 0, "attention": 0, "mlp": 0, "norms": 0, "head": 0}
    part_of = {"wte": "embedding", "wpe": "embedding", "lm_head": "head", "ln_f": "norms"}
    for name, shape in tensor_shapes(config).items():
        word = name.split(".")[2] if name.startswith("h.") else part_of[name.split(".")[0]]
        elements = shape[0] * (shape[1] if len(shape) == 2 else 1)
        sizes["norms" if word.startswith("ln_") else {"attn": "attention"}.get(word, word)] += elements
    assert sizes == {part: getattr(count, part) for part in sizes}
    assert count.total == sum(sizes.values())
    assert count.bytes("f16") * 2 == count.bytes("f32") == 4 * count.total


def test_untied_head_counts():
    tied, untied = make(), make(tie_word_embeddings=False)
    assert untied.parameters.total - tied.parameters.total == untied.parameters.head == 50257 * 12


def test_preset_families():
    assert {config.activation for name, config in PRESETS.items() if name.startswith("cerebras")} == {"gelu"}
    assert {config.activation for name, config in PRESETS.items() if name.startswith("gpt2")} == {"gelu_new"}
    assert preset("cerebras-gpt-256m").head_size == 64
    with pytest.raises(UsageError, match=r"no model preset 'gpt3': expected one of cerebras-gpt-111m, .*gpt2-xl"):
        preset("gpt3")


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"n_head": 5},
            r"'toy': n_embd 12 is not divisible by n_head 5: expected whole heads; try n_embd 10",
        ),
        ({"n_head": 24}, r"not divisible by n_head 24: .*try n_embd 24"),
        ({"n_layer": 0}, r"n_layer is 0: expected a whole number from 1 to 10,000"),
        ({"n_embd": 12.0}, r"n_embd is 12\.0: expected a whole number"),
        ({"n_positions": True}, r"n_positions is True: expected a whole number"),
        ({"vocab_size": "many"}, r"vocab_size is 'many': expected a whole number"),
        ({"n_inner": -4}, r"n_inner is -4: expected a whole number"),
        ({"layer_norm_epsilon": 0.0}, r"layer_norm_epsilon is 0\.0: expected a finite number above 0"),
        ({"width_scale": float("nan")}, r"width_scale is nan: expected a finite number above 0"),
        ({"activation": "relu"}, r"activation is 'relu': expected 'gelu' \(exact\) or 'gelu_new' \(tanh\)"),
        ({"tie_word_embeddings": 1}, r"tie_word_embeddings is 1: expected true or false"),
    ],
)
def test_wrong_field_is_named(fields, message):
    with pytest.raises(UsageError, match=message):
        make(**fields)


def test_unknown_dtype():
    with pytest.raises(UsageError, match="unknown dtype 'f8': expected one of f16, bf16, f32"):
        make().parameters.bytes("f8")


def test_score_divisor():
    assert make().score_divisor(1) == 2
    assert make(scale_attn_weights=False).score_divisor(1) == 1
    assert make(scale_attn_by_inverse_layer_idx=True).score_divisor(1) == 4
    assert make(scale_qk_dot_by_d=True).score_divisor(1) == 4


def test_from_hf():
    config = GPTConfig.from_hf(HF, name="toy")
    assert config == make(n_positions=8, vocab_size=17, activation="gelu", n_inner=48)
    assert GPTConfig.from_hf(HF | {"n_inner": 7}).n_inner == 7
    assert GPTConfig.from_hf(HF | {"tie_word_embeddings": False}).tie_word_embeddings is False
    mup = GPTConfig.from_hf(HF | {"width_scale": 0.12, "embeddings_scale": 10, "scale_qk_dot_by_d": True})
    assert (mup.width_scale, mup.embeddings_scale, mup.scale_qk_dot_by_d) == (0.12, 10, True)
    longer = {"mup_width_scale": 0.12, "mup_embeddings_scale": 10, "mup_scale_qk_dot_by_d": True}
    assert GPTConfig.from_hf(HF | longer) == mup
    assert GPTConfig.from_hf(HF | longer | {"mup_output_alpha": 2}).width_scale == 0.24
    assert GPTConfig.from_hf(HF | {"mup_output_alpha": 3.0}).width_scale == 3.0


def test_from_hf_old_spelling():
    old = {key: value for key, value in HF.items() if key not in ("n_positions", "architectures")}
    assert GPTConfig.from_hf(old | {"n_ctx": 9}).n_positions == 9
    assert GPTConfig.from_hf({key: HF[key] for key in HF if key != "model_type"}).n_layer == 2


@pytest.mark.parametrize(
    ("name", "activation"),
    [
        ("gelu", "gelu"),
        ("gelu_python", "gelu"),
        ("gelu_new", "gelu_new"),
        ("gelu_fast", "gelu_new"),
        ("gelu_pytorch_tanh", "gelu_new"),
        ("gelu_python_tanh", "gelu_new"),
    ],
)
def test_activation_aliases(name, activation):
    assert GPTConfig.from_hf(HF | {"activation_function": name}).activation == activation


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (
            {"model_type": "llama"},
            r"toy: unknown architecture 'llama' .*expected model_type gpt2 and architecture GPT2LM",
        ),
        (
            {"architectures": ["GPT2ForSequenceClassification"]},
            r"unknown architecture 'GPT2ForSequenceClassification'",
        ),
        (
            {"model_type": None, "architectures": None},
            r"neither model_type nor architectures: expected model_type gpt2",
        ),
        (
            {"activation_function": "relu"},
            r"activation_function 'relu' is not supported: expected one of gelu, ",
        ),
        ({"activation_function": ["gelu"]}, r"activation_function \['gelu'\] is not supported"),
        ({"add_cross_attention": True}, r"add_cross_attention = True is not supported: expected false"),
        ({"position_embedding_type": "alibi"}, r"position_embedding_type = 'alibi' .* expected 'learned'"),
        (
            {"quantization_config": {"bits": 4}},
            r"quantization_config .* expected weights that are not quantised",
        ),
        ({"mup_width_scale": 0.1, "width_scale": 0.1}, r"toy: .* both width_scale and mup_width_scale: expected one"),
        ({"mup_width_scale": "x"}, r"width_scale is 'x': expected a finite number above 0"),
        ({"mup_output_alpha": "x"}, r"toy: mup_output_alpha in config\.json is 'x': expected a finite number above 0"),
        ({"mup_output_alpha": -1}, r"width_scale is -1\.0: expected a finite number above 0"),
        ({"n_layer": None}, r"toy: config\.json lacks n_layer: expected a whole number; try adding it"),
        ({"n_positions": None}, r"config\.json lacks n_positions"),
        ({"n_embd": 13}, r"config\.json of GPTConfig 'toy': n_embd 13 is not divisible by n_head 3"),
        ({"n_embd": "12"}, r"n_embd is '12': expected a whole number"),
        ({"n_inner": 0}, r"n_inner is 0: expected null or a whole number"),
    ],
)
def test_from_hf_refuses(change, message):
    with pytest.raises(CheckpointError, match=message):
        GPTConfig.from_hf(HF | change, name="toy")
