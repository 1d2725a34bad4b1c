"""A GPT one token and one head at a time, in float64: slow, obvious, and sharing no code with the product."""

from math import erf, exp, pi, sqrt, tanh

import numpy as np


def naive_logits(settings, tensors, ids):
    """Logits, a row for each of `ids`; `settings` as in config.json, tensor names without `transformer.`."""
    weight = {name: np.asarray(array, float) for name, array in tensors.items()}
    rows = [weight["wte.weight"][token] + weight["wpe.weight"][place] for place, token in enumerate(ids)]
    rows = [row * settings.get("embeddings_scale", 1) for row in rows]
    for layer in range(settings["n_layer"]):
        part = {name[len(f"h.{layer}.") :]: w for name, w in weight.items() if name.startswith(f"h.{layer}.")}
        rows = attend(settings, part, layer, rows)
        rows = [row + perceive(settings, part, normalise(settings, part, "ln_2", row)) for row in rows]
    table = weight.get("lm_head.weight", weight["wte.weight"])
    final = [normalise(settings, weight, "ln_f", row) for row in rows]
    return np.array([[row.dot(word) for word in table] for row in final]) * settings.get("width_scale", 1)


def naive_greedy(settings, tensors, ids, n):
    """The `n` most likely next ids, one by one."""
    ids = list(ids)
    for _ in range(n):
        row = naive_logits(settings, tensors, ids)[-1]
        ids.append(max(range(len(row)), key=lambda token: (row[token], -token)))
    return ids[-n:] if n else []


def attend(settings, part, layer, rows):
    width, heads = settings["n_embd"], settings["n_head"]
    size = width // heads
    divisor = sqrt(size) if settings.get("scale_attn_weights", True) else 1
    divisor = size if settings.get("scale_qk_dot_by_d") else divisor
    divisor *= layer + 1 if settings.get("scale_attn_by_inverse_layer_idx") else 1
    mixed = []
    triples = [
        project(part, "attn.c_attn", normalise(settings, part, "ln_1", row)).reshape(3, heads, size) for row in rows
    ]
    for now in range(len(rows)):
        joined = []
        for head in range(heads):
            query = triples[now][0, head]
            scores = [query.dot(triples[past][1, head]) / divisor for past in range(now + 1)]
            shares = [exp(score - max(scores)) for score in scores]
            values = [triples[past][2, head] for past in range(now + 1)]
            joined.extend(sum(share * value for share, value in zip(shares, values, strict=True)) / sum(shares))
        mixed.append(np.array(joined))
    return [row + project(part, "attn.c_proj", mix) for row, mix in zip(rows, mixed, strict=True)]


def perceive(settings, part, row):
    inner = project(part, "mlp.c_fc", row)
    if settings["activation_function"] == "gelu":
        inner = np.array([0.5 * u * (1 + erf(u / sqrt(2))) for u in inner])
    else:
        inner = np.array([0.5 * u * (1 + tanh(sqrt(2 / pi) * (u + 0.044715 * u**3))) for u in inner])
    return project(part, "mlp.c_proj", inner)


def normalise(settings, part, name, row):
    mean = sum(row) / len(row)
    variance = sum((value - mean) ** 2 for value in row) / len(row)
    scaled = (row - mean) / sqrt(variance + settings["layer_norm_epsilon"])
    return scaled * part[f"{name}.weight"] + part[f"{name}.bias"]


def project(part, name, row):
    return np.einsum("i,io->o", row, part[f"{name}.weight"]) + part[f"{name}.bias"]
