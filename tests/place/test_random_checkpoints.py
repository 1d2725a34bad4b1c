"""Random GPT-2-style models of 1 to 4 layers, 32 to 256 features and 1 to 8 heads, prompts of 1 to 64 tokens, grids of
2 x 2 to 32 x 32: a prompt at once and then steps, steps alone, and a batch, each against independent references.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import pytest
from naive.gpt import naive_logits
from numpy.typing import NDArray
from place.small_models import has_room, lively, settings_of

from wse_sim import WSE2, WSE3, f16, f32
from wse_sim.mapping.generation.batch_session import BatchSession, generate_batch
from wse_sim.mapping.generation.rounded import RoundedGPT
from wse_sim.mapping.generation.session import Generation, Session, generate
from wse_sim.mapping.model import GPTConfig
from wse_sim.mapping.region.layout import Layout

PRECISIONS = ((f32, f32), (f16, f32), (f16, f16))
BOUNDS = (1e-5, 4e-3, 1e-2)
"""Of the largest logit: how far a logit may be from that of float64 on the same weights."""
NEW = 2  # tokens


@dataclass(frozen=True, eq=False)
class Case:
    """A model on a grid, for prompts at once, and the ids of two prompts."""

    layout: Layout
    weights: dict[str, NDArray[np.float32]]
    prompt: list[int]
    other: list[int]
    bound: float


def case(seed: int, side: int = 0) -> Case:
    """The first draw that the SRAM has room for; `side` of the grid, or drawn, too."""
    rng = np.random.default_rng(seed)
    while True:
        heads, number = int(rng.integers(1, 9)), int(rng.integers(len(PRECISIONS)))
        length = int(rng.integers(1, 65))
        config = GPTConfig(
            "random", int(rng.integers(1, 5)), heads * int(rng.integers(-(-32 // heads), 256 // heads + 1)), heads,
            n_positions=length + NEW, vocab_size=int(rng.integers(20, 300)),
            activation=str(rng.choice(["gelu", "gelu_new"])),  # type: ignore[arg-type]
            tie_word_embeddings=bool(rng.integers(2)), scale_attn_by_inverse_layer_idx=bool(rng.integers(2)),
        )  # fmt: skip
        width, height = rng.integers(2, 13, size=2).tolist() if not side else (side, side)
        dtype, accumulate = PRECISIONS[number]
        layout = Layout(
            config=config, wafer=(WSE2, WSE3)[seed % 2], width=width, height=height, dtype=dtype,
            accumulate=accumulate, prompt=length,
        )  # fmt: skip
        if has_room(layout) and has_room(replace(layout, prompt=0, batch=2)):
            break
    return _filled(layout, rng, seed)


LARGE = (
    # features, heads, layers, width and height of the grid, index of the precision, tokens of the prompt
    (256, 8, 2, 32, 32, 0, 64),
    (256, 4, 4, 24, 16, 2, 64),
    (192, 8, 3, 17, 13, 1, 48),
    (250, 5, 2, 29, 31, 0, 37),
    (217, 7, 3, 32, 20, 2, 64),
    (256, 1, 4, 32, 32, 1, 23),
    (255, 3, 4, 32, 27, 0, 1),
    (161, 7, 1, 3, 32, 1, 40),
    (256, 2, 1, 32, 3, 2, 33),
    (200, 8, 4, 14, 32, 0, 16),
)
"""Sizes that small grids have no room for, most of them not divisible by the grid; all that is not here is drawn."""


def large(number: int) -> Case:
    """A model of LARGE, its variant drawn."""
    features, heads, layers, width, height, precision, length = LARGE[number]
    rng = np.random.default_rng(number)
    config = GPTConfig(
        "large", layers, features, heads, n_inner=int(rng.integers(1, 4 * features + 1)), n_positions=length + NEW,
        vocab_size=int(rng.integers(20, 300)), activation=str(rng.choice(["gelu", "gelu_new"])),  # type: ignore[arg-type]
        tie_word_embeddings=bool(rng.integers(2)), scale_attn_weights=bool(rng.integers(4)),
        scale_attn_by_inverse_layer_idx=bool(rng.integers(2)), scale_qk_dot_by_d=bool(rng.integers(2)),
        width_scale=float(rng.choice([1.0, 0.3])), embeddings_scale=float(rng.choice([1.0, 7.1])),
    )  # fmt: skip
    dtype, accumulate = PRECISIONS[precision]
    layout = Layout(
        config=config, wafer=(WSE2, WSE3)[number % 2], width=width, height=height, dtype=dtype, accumulate=accumulate,
        prompt=length,
    )  # fmt: skip
    assert all(has_room(one) for one in (layout, replace(layout, prompt=0, batch=2)))
    return _filled(layout, rng, number)


def _filled(layout: Layout, rng: np.random.Generator, seed: int) -> Case:
    """With weights, and with a prompt of as many tokens as the layout takes at once and another half as long."""
    config, dtype = layout.config, layout.dtype.numpy
    weights = {n: (0.5 * w).astype(dtype).astype(np.float32) for n, w in lively(config, seed).items()}
    prompt, other = (
        rng.integers(config.vocab_size, size=n).tolist() for n in (layout.prompt, 1 + layout.prompt // 2)
    )
    return Case(layout, weights, prompt, other, BOUNDS[PRECISIONS.index((layout.dtype, layout.accumulate))])


def is_close(one: Generation, found: Case) -> None:
    """Logits within the bound, and a token that is the independent GPT's wherever two bounds decide it."""
    fed = [*one.prompt_ids, *one.token_ids[:-1]]
    wanted = naive_logits(settings_of(found.layout.config), found.weights, fed)[len(one.prompt_ids) - 1 :]
    allowed = found.bound * np.abs(wanted).max()
    assert np.abs(one.logits - wanted).max() <= allowed
    for token, row in zip(one.token_ids, wanted, strict=True):
        first, second = np.sort(row)[:-3:-1]
        assert token == row.argmax() or first - second <= 2 * allowed


def is_the_rounded(one: Generation, found: Case) -> None:
    """Bit for bit the numbers of the arithmetic outside the fabric."""
    expected = RoundedGPT(found.layout, found.weights)
    if one.at_once:
        expected.prefill(one.prompt_ids)
    else:
        for token in one.prompt_ids:
            expected.step(token)
    for place, (row, token) in enumerate(zip(one.logits, one.token_ids, strict=True)):
        if place:
            expected.step(one.token_ids[place - 1])
        np.testing.assert_array_equal(row, expected.logits().astype(np.float32))
        assert token == expected.token()


def check(found: Case) -> None:
    at_once, plain = found.layout, replace(found.layout, prompt=0)
    whole = generate(Session(at_once, found.weights), found.prompt, NEW)
    steps = generate(Session(plain, found.weights), found.prompt, NEW)
    assert (whole.at_once, steps.at_once) == (len(found.prompt), 0)
    for one in (whole, steps):
        is_close(one, found)
    is_the_rounded(whole, found)
    if found.layout.dtype is f32:
        assert whole.token_ids == steps.token_ids
    batch = generate_batch(
        BatchSession(replace(plain, batch=2), found.weights), [found.other, found.prompt], NEW
    )
    assert batch.sequences[1].token_ids == steps.token_ids
    assert batch.sequences[1].logits.tobytes() == steps.logits.tobytes()
    is_close(batch.sequences[0], found)


@pytest.mark.parametrize("seed", range(3))
def test_small_grids(seed: int) -> None:
    check(case(seed))


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(3, 20))
def test_many(seed: int) -> None:
    check(case(seed))


@pytest.mark.slow
@pytest.mark.parametrize(("seed", "side"), [(0, 24), (1, 24), (2, 32), (3, 32)])
def test_large_grids(seed: int, side: int) -> None:
    check(case(seed, side))


@pytest.mark.slow
@pytest.mark.parametrize("number", range(len(LARGE)))
def test_large_models(number: int) -> None:
    check(large(number))
