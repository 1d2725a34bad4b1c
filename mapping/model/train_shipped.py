"""Train the small GPT that ships with the project, on Alice's Adventures in Wonderland.

    OMP_NUM_THREADS=1 python -m wse_sim.mapping.model.train_shipped --seed 0

Writes config.json, model.safetensors (f16) and tokenizer.json in the Hugging Face GPT-2 format. Needs torch;
one core takes about twenty minutes. The same seed on the same processor and torch gives the same weights.
"""

# ruff: noqa: T201 - a script that reports as it goes

from __future__ import annotations

import argparse
import json
import math
import re
import time
from pathlib import Path

import numpy as np

try:
    import torch
    from torch import Tensor
    from torch.nn import functional
except ImportError as missing:
    raise ImportError("training the shipped model needs torch: try pip install torch") from missing

from safetensors.numpy import save_file
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers

from wse_sim.mapping.model.gpt import GPTConfig
from wse_sim.mapping.model.weights import random_weights

SHIPPED = Path(__file__).parent / "shipped"
CONFIG = GPTConfig("alice", n_layer=3, n_embd=96, n_head=4, n_positions=128, vocab_size=509)
END = "<|endoftext|>"
BATCH, DROPOUT, PEAK_RATE, WARM_UP = 16, 0.1, 3e-3, 100
HELD_OUT = 0.05  # of the text, at its end


def clean(text: str) -> str:
    """Prose paragraphs on one line each, verse and titles line by line, straight quotes, no rows of stars."""
    paragraphs = [paragraph for paragraph in re.split(r"\n\s*\n", text) if paragraph.strip(" *\n")]
    return "\n\n".join(_unwrap(paragraph) for paragraph in paragraphs).replace("`", "'") + "\n"


def _unwrap(paragraph: str) -> str:
    lines = [line for line in paragraph.split("\n") if line.strip(" *")]
    if all(line.startswith("    ") for line in lines):
        return "\n".join(re.sub(" +", " ", line.strip()) for line in lines)
    joined = re.sub(r"(?<=[A-Za-z]-) (?=[A-Za-z])", "", " ".join(line.strip() for line in lines))
    return re.sub(" +", " ", joined)


def train_tokenizer(text: str, vocab_size: int) -> Tokenizer:
    """A byte-level BPE, as GPT-2 has: every byte has an id, so no text is out of reach."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=vocab_size, special_tokens=[END], initial_alphabet=alphabet, show_progress=False
    )
    tokenizer.train_from_iterator([text], trainer)
    return tokenizer


def forward(weights: dict[str, Tensor], ids: Tensor, dropout: float) -> Tensor:
    """Logits (batch, time, vocab) of `ids` (batch, time)."""
    time_steps = ids.shape[1]
    x = functional.dropout(weights["wte.weight"][ids] + weights["wpe.weight"][:time_steps], dropout)
    for layer in range(CONFIG.n_layer):
        w = {name.removeprefix(f"h.{layer}."): weights[name] for name in weights if name.startswith(f"h.{layer}.")}
        x = x + functional.dropout(_attention(w, _norm(x, w["ln_1.weight"], w["ln_1.bias"])), dropout)
        h = _norm(x, w["ln_2.weight"], w["ln_2.bias"]) @ w["mlp.c_fc.weight"] + w["mlp.c_fc.bias"]
        h = functional.gelu(h, approximate="tanh") @ w["mlp.c_proj.weight"] + w["mlp.c_proj.bias"]
        x = x + functional.dropout(h, dropout)
    return _norm(x, weights["ln_f.weight"], weights["ln_f.bias"]) @ weights["wte.weight"].T


def _norm(x: Tensor, gain: Tensor, bias: Tensor) -> Tensor:
    return functional.layer_norm(x, (CONFIG.n_embd,), gain, bias, CONFIG.layer_norm_epsilon)


def _attention(w: dict[str, Tensor], x: Tensor) -> Tensor:
    batch, time_steps, _ = x.shape
    qkv = (x @ w["attn.c_attn.weight"] + w["attn.c_attn.bias"]).view(batch, time_steps, 3, CONFIG.n_head, -1)
    q, k, v = qkv.permute(2, 0, 3, 1, 4)  # each (batch, head, time, head size)
    mixed = functional.scaled_dot_product_attention(q, k, v, is_causal=True).transpose(1, 2).reshape(x.shape)
    return mixed @ w["attn.c_proj.weight"] + w["attn.c_proj.bias"]


def mean_loss(weights: dict[str, Tensor], ids: Tensor) -> float:
    """Cross-entropy in nats per token over consecutive windows of `ids`, no dropout."""
    span = CONFIG.n_positions
    with torch.no_grad():
        windows = ids[: (len(ids) - 1) // span * span + 1].unfold(0, span + 1, span)
        logits = forward(weights, windows[:, :-1], 0.0)
        return float(functional.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten()))


def train(learn: Tensor, held_out: Tensor, *, steps: int, seed: int) -> dict[str, Tensor]:
    """Weights after `steps` steps of AdamW on random windows of `learn`; prints the losses as it goes."""
    torch.manual_seed(seed)
    weights = {name: torch.tensor(array).requires_grad_() for name, array in random_weights(CONFIG, seed).items()}
    matrices = [weight for weight in weights.values() if weight.ndim == 2]
    vectors = [weight for weight in weights.values() if weight.ndim == 1]
    optimizer = torch.optim.AdamW(
        [{"params": matrices, "weight_decay": 0.1}, {"params": vectors, "weight_decay": 0.0}],
        betas=(0.9, 0.95),
    )
    began, offsets = time.monotonic(), torch.arange(CONFIG.n_positions + 1)
    for step in range(steps):
        for group in optimizer.param_groups:
            group["lr"] = _rate(step, steps)
        starts = torch.randint(len(learn) - CONFIG.n_positions, (BATCH, 1))
        windows = learn[starts + offsets]
        logits = forward(weights, windows[:, :-1], DROPOUT)
        loss = functional.cross_entropy(logits.flatten(0, 1), windows[:, 1:].flatten())
        optimizer.zero_grad()
        torch.autograd.backward(loss)
        torch.nn.utils.clip_grad_norm_(list(weights.values()), 1.0)
        optimizer.step()
        if step % 250 == 0 or step == steps - 1:
            seen, unseen = mean_loss(weights, learn[:20000]), mean_loss(weights, held_out)
            print(
                f"step {step}: learnt {seen:.3f}, held out {unseen:.3f}, {time.monotonic() - began:.0f} s",
                flush=True,
            )
    return weights


def _rate(step: int, steps: int) -> float:
    if step < WARM_UP:
        return PEAK_RATE * (step + 1) / WARM_UP
    return PEAK_RATE * (0.05 + 0.95 * 0.5 * (1 + math.cos(math.pi * step / steps)))


def write(folder: Path, tokenizer: Tokenizer, weights: dict[str, Tensor]) -> dict[str, Tensor]:
    """Write the three files of the checkpoint; returns the weights as stored, rounded to f16."""
    folder.mkdir(parents=True, exist_ok=True)
    halves = {name: weight.detach().numpy().astype(np.float16) for name, weight in weights.items()}
    save_file(
        {f"transformer.{name}": half for name, half in halves.items()},
        folder / "model.safetensors",
        metadata={"format": "pt"},
    )
    tokenizer.save(str(folder / "tokenizer.json"), pretty=False)
    end = tokenizer.token_to_id(END)
    settings = {
        "model_type": "gpt2",
        "architectures": ["GPT2LMHeadModel"],
        "n_layer": CONFIG.n_layer,
        "n_embd": CONFIG.n_embd,
        "n_head": CONFIG.n_head,
        "n_inner": CONFIG.n_inner,
        "n_positions": CONFIG.n_positions,
        "vocab_size": CONFIG.vocab_size,
        "activation_function": CONFIG.activation,
        "layer_norm_epsilon": CONFIG.layer_norm_epsilon,
        "tie_word_embeddings": CONFIG.tie_word_embeddings,
        "bos_token_id": end,
        "eos_token_id": end,
    }
    (folder / "config.json").write_text(json.dumps(settings, indent=2) + "\n")
    return {name: torch.tensor(half.astype(np.float32)) for name, half in halves.items()}


def main() -> None:
    """Train from the text beside the checkpoint and write the folder."""
    parser = argparse.ArgumentParser(description="Train the small GPT that ships with the project.")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--text", type=Path, default=SHIPPED / "alice.txt")
    parser.add_argument("--folder", type=Path, default=SHIPPED)
    options = parser.parse_args()
    torch.set_num_threads(1)
    text = clean(options.text.read_text())
    tokenizer = train_tokenizer(text, CONFIG.vocab_size)
    ids = torch.tensor(tokenizer.encode(text).ids)
    cut = int(len(ids) * (1 - HELD_OUT))
    print(f"{len(text)} characters, {len(ids)} tokens, {cut} of them to learn from")
    weights = train(ids[:cut], ids[cut:], steps=options.steps, seed=options.seed)
    stored = write(options.folder, tokenizer, weights)
    learnt, held_out = mean_loss(stored, ids[:cut]), mean_loss(stored, ids[cut:])
    print(f"stored as f16: learnt {learnt:.3f}, held out {held_out:.3f}")


if __name__ == "__main__":
    main()
