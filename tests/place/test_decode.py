"""A GPT decoded on the wafer, token by token, against an independent numpy GPT."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from naive.gpt import naive_greedy, naive_logits
from place.small_models import lively, settings_of, small_models

from wse_sim import WSE2, WSE3, DType, f16, f32
from wse_sim.errors import FitError, UsageError
from wse_sim.mapping.generation.batch_session import BatchSession
from wse_sim.mapping.generation.sampled_session import generate_sampled
from wse_sim.mapping.generation.sampling import Sampling
from wse_sim.mapping.generation.session import Session, generate
from wse_sim.mapping.model import GPTConfig, load_shipped, preset, random_weights
from wse_sim.mapping.region.decode import Decoder
from wse_sim.mapping.region.fit import comfortable, fit, fitting, require_fit
from wse_sim.mapping.region.layout import Layout

TOLERANCE = 1e-4  # of the largest logit


def compare(config: GPTConfig, weights: dict[str, np.ndarray], layout: Layout, prompt: list[int], new: int) -> None:
    session = Session(layout, weights)
    found = generate(session, prompt, new, every_position=True)
    fed = [*prompt, *found.token_ids][: len(prompt) + max(new - 1, 0)]
    expected = naive_logits(settings_of(config), weights, fed)
    scale = np.abs(expected).max()
    assert found.positions == tuple(range(len(fed)))
    assert np.abs(found.logits - expected).max() <= TOLERANCE * scale
    # each choice is the largest of the wafer's own logits, the lowest id of equals
    assert found.token_ids == tuple(int(row.argmax()) for row in found.logits[len(prompt) - 1 :][:new])
    report = session.report()
    assert (report.states.sum(axis=-1) == report.cycles).all()
    assert sum(found.cycles) == report.cycles


@settings(max_examples=10, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    config=small_models(),
    width=st.integers(1, 8),
    height=st.integers(1, 8),
    seed=st.integers(0, 1000),
    wafer=st.sampled_from([WSE2, WSE3]),
    data=st.data(),
)
def test_logits_and_tokens_of_random_models(config, width, height, seed, wafer, data) -> None:
    tokens = st.integers(0, config.vocab_size - 1)
    prompt = data.draw(st.lists(tokens, min_size=1, max_size=config.n_positions - 2))
    new = data.draw(st.integers(0, config.n_positions - len(prompt)))
    layout = Layout(config=config, wafer=wafer, width=width, height=height)
    compare(config, lively(config, seed), layout, prompt, new)


@pytest.mark.parametrize(("width", "height"), [(1, 1), (16, 16), (16, 1), (1, 16), (13, 11)])
def test_grids_larger_and_smaller_than_the_model(width: int, height: int) -> None:
    config = GPTConfig(name="odd", n_layer=2, n_embd=15, n_head=3, n_inner=31, n_positions=9, vocab_size=37)
    layout = Layout(config=config, wafer=WSE2, width=width, height=height)
    compare(config, lively(config, 7), layout, [3, 36, 0, 5], 5)


def test_greedy_tokens_of_the_shipped_model() -> None:
    checkpoint = load_shipped()
    config, weights = checkpoint.config, dict(checkpoint.tensors)
    prompt = checkpoint.text.encode("Alice was")
    session = Session(Layout(config=config, wafer=WSE2, width=12, height=12), weights)
    found = generate(session, prompt, 6)
    assert list(found.token_ids) == list(naive_greedy(settings_of(config), weights, prompt, 6))


@pytest.mark.parametrize("accumulate", [f16, f32])
def test_half_precision_stays_close(accumulate: DType) -> None:
    config = GPTConfig(name="half", n_layer=2, n_embd=24, n_head=3, n_inner=48, n_positions=8, vocab_size=50)
    weights = {n: v.astype(np.float16).astype(np.float32) for n, v in random_weights(config, 1).items()}
    layout = Layout(config=config, wafer=WSE3, width=4, height=3, dtype=f16, accumulate=accumulate)
    found = generate(Session(layout, weights), [1, 2, 3], 2, every_position=True)
    expected = naive_logits(settings_of(config), weights, [1, 2, 3, found.token_ids[0]])
    assert np.abs(found.logits - expected).max() <= 2e-2 * np.abs(expected).max()


def test_same_bits_on_every_run_and_thread_count() -> None:
    config = GPTConfig(name="bits", n_layer=1, n_embd=12, n_head=2, n_inner=20, n_positions=6, vocab_size=30)
    weights = lively(config, 3)
    layout = Layout(config=config, wafer=WSE2, width=9, height=8)
    runs = []
    for threads in (1, 1, 2):
        session = Session(layout, weights, threads=threads)
        found = generate(session, [4, 5], 3)
        runs.append((found.token_ids, found.cycles, found.logits.tobytes(), session.report().states.tobytes()))
    assert runs[0] == runs[1] == runs[2]


def test_fit_is_what_the_program_takes() -> None:
    config = replace(preset("gpt2"), n_layer=2)
    layout = Layout(config=config, wafer=WSE2, width=90, height=110)
    assert fit(layout).needed == max(buffer.end for buffer in Decoder(layout).program.buffers)


def test_messages() -> None:
    config = preset("cerebras-gpt-13b")
    message = r"needs [\d,]+ bytes a PE, [\d,]+ more than the [\d,]+ there are; most of it: .*a grid of 994x750 would"
    with pytest.raises(FitError, match=message):
        require_fit(Layout(config=config, wafer=WSE2, width=20, height=20, dtype=f16))
    whole = Layout(config=config, wafer=WSE2, width=750, height=994)
    for layout, message in (
        (whole, r"f32.* has 51,413,544,960 bytes of weights, but all of WSE-2 holds 33,529,.*; try --dtype f16, or a"),
        (replace(whole, dtype=f16, batch=20), r"small: try fewer sequences, a shorter --context, or a smaller"),
        (replace(whole, dtype=f16, prompt=256), r"small: try prompts that are shorter or taken token by token,"),
        (replace(whole, config=replace(config, n_layer=80), dtype=f16), r"holds 33,529,608,000; try a smaller model$"),
    ):
        with pytest.raises(FitError, match=message):
            require_fit(layout)
    with pytest.raises(FitError, match=r"grid 2000x3 on .*750x994"):
        Layout(config=config, wafer=WSE2, width=2000, height=3)
    with pytest.raises(UsageError, match="context 99999"):
        Layout(config=config, wafer=WSE2, width=2, height=3, context=99999)
    tiny = GPTConfig(name="t", n_layer=1, n_embd=2, n_head=1, n_inner=2, n_positions=3, vocab_size=5)
    session = Session(Layout(config=tiny, wafer=WSE2, width=1, height=1), random_weights(tiny, 0))
    with pytest.raises(UsageError, match="4 positions, but the context has 3"):
        generate(session, [1, 2], 3)
    with pytest.raises(UsageError, match="empty"):
        generate(session, [], 3)
    with pytest.raises(UsageError, match="token 5: expected 0 to 4"):
        session.step(5)
    with pytest.raises(UsageError, match="token 5: expected 0 to 4"):
        generate(session, [1, 5], 0)
    with pytest.raises(UsageError, match=r"6 candidates for the next token: t has 5 tokens.*smaller --top-k"):
        Session(Layout(config=tiny, wafer=WSE2, width=1, height=1), random_weights(tiny, 0), sampling=Sampling(top_k=6))
    for changes, message in (
        ({"sequences": 0}, "caches for 0 sequences: expected 1 or more"),
        ({"layers": range(5, 7)}, r"range\(5, 7\) of t: expected some of its 1 layers"),
        ({"layers": range(-1, 1)}, "of t: expected some of its 1 layers"),
    ):
        with pytest.raises(UsageError, match=message):
            Layout(config=tiny, wafer=WSE2, width=1, height=1, **changes)
    for wrong, message in (({"top_k": 2.5}, "top_k 2.5: expected a whole number"), ({"seed": 0.5}, "seed 0.5")):
        with pytest.raises(UsageError, match=message):
            Sampling(**wrong)


def test_a_tight_layout_and_one_on_its_side_fit_where_others_do_not() -> None:
    config = preset("cerebras-gpt-13b")
    upright = Layout(config=config, wafer=WSE2, width=750, height=994, dtype=f16)
    assert not fit(upright).fits
    found = fitting(upright)
    assert (found.width, found.height, found.tight) == (994, 750, True)
    assert fit(found).fits
    with pytest.raises(FitError, match=r"f16, 2,048 tokens of context, on 20x20 .*; a grid of 994x750 would fit"):
        require_fit(replace(upright, width=20, height=20))
    with pytest.raises(FitError, match=r"a tight layout on 8x4 PEs: expected pads in each of Blocks\(total=16"):
        Layout(config=GPTConfig("even", 1, 16, 2), wafer=WSE2, width=8, height=4, tight=True)


def test_a_grid_chosen_for_the_user_fits() -> None:
    for name in ("gpt2", "cerebras-gpt-111m", "cerebras-gpt-1.3b"):
        assert fit(comfortable(Layout(config=preset(name), wafer=WSE2, width=1, height=1))).fits


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"layers": range(1)}, "a session with a part of a model: expected all of two, resident"),
        ({"head": False}, "a session with a part of a model"),
        ({"streamed": True}, r"a session with weights that are streamed: .* take a Flight"),
        ({"batch": 2}, "a session for a batch of 2: expected one sequence; take a BatchSession"),
    ],
)
def test_a_session_is_for_all_of_a_model_and_one_sequence(changes: dict[str, object], message: str) -> None:
    config = GPTConfig("two", n_layer=2, n_embd=8, n_head=2, n_positions=4, vocab_size=9)
    layout = Layout(config=config, wafer=WSE2, width=2, height=2)
    with pytest.raises(UsageError, match=message):
        Session(replace(layout, **changes), random_weights(config, 0))
    if "batch" not in changes:
        with pytest.raises(UsageError, match=message):
            generate_sampled(replace(layout, **changes), [[1]], 1)
        with pytest.raises(UsageError, match=message):
            BatchSession(replace(layout, batch=2, **changes), random_weights(config, 0))
