"""Prompts at once by tensor-parallel shards: numbers and tokens of one region, and what it takes."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from naive.gpt import naive_greedy
from place.small_models import lively, settings_of, small_models

from wse_sim import WSE2, WSE3, f16, f32
from wse_sim.mapping.comparison.compare import row_of
from wse_sim.mapping.generation.rounded import RoundedGPT
from wse_sim.mapping.model import GPTConfig
from wse_sim.mapping.plan.checks import why_not
from wse_sim.mapping.plan.estimate import estimate
from wse_sim.mapping.plan.mapping import Mapping, Place
from wse_sim.mapping.prompts.serve import Serving

CONFIG = GPTConfig(name="small", n_layer=3, n_embd=24, n_head=6, n_positions=24, vocab_size=50)
SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much]


def dealt(config: GPTConfig, shards: int, width: int, height: int, *, parts: int = 1, **changes: object) -> Mapping:
    """Shards side by side; of several parts the next ones further east."""
    cuts = [config.n_layer * k // parts for k in range(parts + 1)]
    places = tuple(
        Place(
            x=(part * shards + shard) * width, y=0, width=width, height=height,
            layers=range(cuts[part], cuts[part + 1]), embedding=part == 0, head=part == 0, shard=shard, shards=shards,
        )
        for part in range(parts)
        for shard in range(shards)
    )  # fmt: skip
    given = {"phase": "prefill", "wafer": WSE2, "sequences": parts}
    return Mapping(config=config, strategy="by hand", places=places, **(given | changes))


@settings(max_examples=10, deadline=None, suppress_health_check=SLOW)
@given(
    config=small_models(),
    shards=st.integers(2, 4),
    width=st.integers(1, 4),
    height=st.integers(1, 5),
    wafer=st.sampled_from([WSE2, WSE3]),
    precision=st.sampled_from([(f32, f32), (f16, f32), (f16, f16)]),
    data=st.data(),
)
def test_keys_and_values_are_those_of_whole_layers(config, shards, width, height, wafer, precision, data) -> None:
    """Within what another order of sums changes; and so are tokens, in f32."""
    assume(config.n_head % shards == 0)
    config = replace(config, n_inner=shards * data.draw(st.integers(1, 12)))
    mapping = dealt(config, shards, width, height, wafer=wafer, dtype=precision[0], accumulate=precision[1])
    assume(not why_not(mapping))
    weights = lively(config, data.draw(st.integers(0, 99)))
    prompt = data.draw(st.lists(st.integers(0, config.vocab_size - 1), min_size=1, max_size=config.n_positions))
    serving = Serving(mapping, weights)
    served = serving.serve([prompt], 1)
    assert not serving.report().broken_laws()
    if precision[0] is f32:
        assert served.token_ids == (tuple(naive_greedy(settings_of(config), weights, prompt, 1)),)
    layout = mapping.layout(mapping.parts(0)[0])
    expected = RoundedGPT(replace(layout, shards=1), weights)
    expected.prefill(prompt)
    tolerance = 1e-4 if precision[0] is f32 else 0.1
    for i, layer in serving.program.replicas[0][0].stage.resident.layers.items():
        cache = layer.caches[0]
        for buffer, tiles, wanted in (
            (cache.keys, cache.key_tiles, expected.keys[i]), (cache.values, cache.value_tiles, expected.values[i])
        ):  # fmt: skip
            held = tiles(np.ones((len(prompt), config.n_embd))) > 0
            found, like = serving.machine.read(buffer)[held], tiles(wanted)[held]
            np.testing.assert_allclose(found, like, atol=tolerance * max(1.0, float(np.abs(like).max())))


@pytest.mark.parametrize("precision", [(f32, f32), (f16, f32)], ids=str)
def test_pipelines_of_shards_take_prompts(precision) -> None:
    weights = lively(CONFIG, 4)
    mapping = dealt(CONFIG, 2, 4, 5, parts=2, dtype=precision[0], accumulate=precision[1])
    assert not why_not(mapping)
    prompts = [[1 + i % 5, 2, 3 * i % 7, *range(3 * i)] for i in range(5)]
    found = Serving(mapping, weights).serve(prompts, 1)
    assert found.token_ids == tuple(tuple(naive_greedy(settings_of(CONFIG), weights, p, 1)) for p in prompts)


@pytest.mark.parametrize(("shards", "width", "height", "wafer"), [(2, 6, 6, WSE2), (3, 5, 4, WSE3), (6, 3, 7, WSE2)])
def test_it_takes_what_the_closed_forms_say(shards, width, height, wafer) -> None:
    mapping = dealt(CONFIG, shards, width, height, wafer=wafer)
    whole, guess = row_of(mapping, fidelity="exact"), row_of(mapping)
    assert abs(estimate(mapping).cycles / whole.step_cycles - 1) < 0.03
    assert guess.wavelets_per_token == pytest.approx(whole.wavelets_per_token, rel=0.02)
    assert guess.busiest_link_share == pytest.approx(whole.busiest_link_share, rel=0.1)
    assert whole.sram_peak_bytes <= guess.sram_peak_bytes
