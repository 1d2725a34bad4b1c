"""Prompts at once through pipelines of regions: numbers and tokens of one region, overlap, and what it takes."""

from __future__ import annotations

from dataclasses import replace
from itertools import accumulate

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from naive.gpt import naive_greedy
from place.small_models import lively, settings_of, small_models

from wse_sim import WSE2, WSE3, f16, f32
from wse_sim.errors import UsageError
from wse_sim.mapping.generation.rounded import RoundedGPT
from wse_sim.mapping.model import GPTConfig
from wse_sim.mapping.plan.checks import checks, why_not
from wse_sim.mapping.plan.estimate import estimate
from wse_sim.mapping.plan.mapping import Mapping, Place
from wse_sim.mapping.prompts.serve import Serving

CONFIG = GPTConfig(name="small", n_layer=3, n_embd=24, n_head=3, n_positions=24, vocab_size=50)
SLOW = [HealthCheck.too_slow, HealthCheck.filter_too_much]


def piped(config: GPTConfig, widths: list[int], height: int, counts: list[int], *, rows: int = 1, replicas: int = 1,
          **changes: object) -> Mapping:  # fmt: skip
    """Regions with so many layers each, side by side in so many rows, every other one from east to west."""
    cuts = [0, *accumulate(counts)]
    in_a_row, places = -(-len(widths) // rows), []
    for replica in range(replicas):
        x = y = 0
        for k, width in enumerate(widths):
            row = k // in_a_row
            if k and k % in_a_row == 0:
                y, x = row * height, (x if row % 2 else 0)
            x -= width if row % 2 else 0
            places.append(
                Place(
                    x=max(x, 0), y=y + replica * rows * height, width=width, height=height,
                    layers=range(cuts[k], cuts[k + 1]), embedding=k == 0, head=k == 0, replica=replica,
                )
            )  # fmt: skip
            x += 0 if row % 2 else width
    given = {"phase": "prefill", "sequences": len(widths), "wafer": WSE2}
    return Mapping(config=config, strategy="by hand", places=tuple(places), **(given | changes))


@settings(max_examples=8, deadline=None, suppress_health_check=SLOW)
@given(
    config=small_models(),
    widths=st.lists(st.integers(1, 6), min_size=2, max_size=3),
    height=st.integers(1, 6),
    wafer=st.sampled_from([WSE2, WSE3]),
    precision=st.sampled_from([(f32, f32), (f16, f32), (f16, f16)]),
    data=st.data(),
)
def test_keys_values_and_tokens_are_those_of_one_region(config, widths, height, wafer, precision, data) -> None:
    """Regions of one width add up in one order, so even the bits are those of one region."""
    if data.draw(st.booleans()):
        widths = widths[:1] * len(widths)
    others = len(widths) - 1
    cuts = sorted(data.draw(st.lists(st.integers(0, config.n_layer), min_size=others, max_size=others)))
    counts = [b - a for a, b in zip([0, *cuts], [*cuts, config.n_layer], strict=True)]
    assume(all(counts[1:]))
    mapping = piped(config, widths, height, counts, wafer=wafer, dtype=precision[0], accumulate=precision[1])
    assume(not why_not(mapping))
    weights = lively(config, data.draw(st.integers(0, 99)))
    ids = st.lists(st.integers(0, config.vocab_size - 1), min_size=1, max_size=config.n_positions)
    prompts = data.draw(st.lists(ids, min_size=1, max_size=len(widths) + 1))
    serving = Serving(mapping, weights)
    served = serving.serve(prompts, 1)
    assert not serving.report().broken_laws()
    if precision[0] is f32:
        assert served.token_ids == tuple(tuple(naive_greedy(settings_of(config), weights, p, 1)) for p in prompts)
    if len(set(widths)) > 1:
        return
    whole = replace(mapping.layout(mapping.parts(0)[0]), layers=None, embedding=True, head=True, sequences=1)
    last = prompts[-1 - (len(prompts) - 1) % len(widths) :]  # of the last launch, in the caches 0, 1, ...
    for sequence, prompt in enumerate(last):
        expected = RoundedGPT(whole, weights)
        expected.prefill(prompt)
        assert served.token_ids[len(prompts) - len(last) + sequence] == (expected.token(),)
        for stop in serving.program.rings[0].stops:
            for i, layer in stop.stage.resident.layers.items():
                cache = layer.caches[sequence]
                for buffer, tiles, wanted in (
                    (cache.keys, cache.key_tiles, expected.keys[i]),
                    (cache.values, cache.value_tiles, expected.values[i]),
                ):
                    held = tiles(np.ones((len(prompt), config.n_embd))) > 0
                    np.testing.assert_array_equal(serving.machine.read(buffer)[held], tiles(wanted)[held])


@pytest.mark.parametrize("precision", [(f32, f32), (f16, f32)], ids=str)
def test_regions_in_two_rows_and_two_replicas(precision) -> None:
    weights = lively(CONFIG, 4)
    mapping = piped(
        CONFIG, [6, 7, 6, 7], 5, [0, 1, 1, 1], rows=2, replicas=2, dtype=precision[0], accumulate=precision[1]
    )
    assert not why_not(mapping)
    prompts = [[1 + i % 5, 2, 3 * i % 7, *range(i)] for i in range(9)]
    found = Serving(mapping, weights).serve(prompts, 1)
    assert len(found.launches) == 2
    assert found.token_ids == tuple(tuple(naive_greedy(settings_of(CONFIG), weights, p, 1)) for p in prompts)


@pytest.mark.parametrize(("widths", "wafer"), [([6, 6, 6], WSE2), ([9, 5, 7], WSE2), ([6, 8, 6], WSE3)])
def test_prompts_overlap_and_take_what_the_closed_forms_say(widths, wafer) -> None:
    """One alone takes the latency; of many one leaves the pipeline whenever the slowest region is through with one."""
    mapping = piped(CONFIG, widths, 6, [1, 1, 1], wafer=wafer)
    serving, guess = Serving(mapping, None), estimate(mapping, position=23)
    alone = serving.take([[0] * 24, [], []])
    once, thrice = (serving.take([[0] * 24] * 3, times=times) for times in (1, 3))
    period = (thrice - once) / 6
    assert abs(guess.latency / alone - 1) < 0.03
    assert abs(guess.period / period - 1) < 0.03
    assert period < 0.6 * alone
    slowest = max(turn.busy for turn in guess.turns)
    assert abs(period / slowest - 1) < 0.05


def test_what_is_refused() -> None:
    mapping = piped(CONFIG, [6, 6], 6, [1, 2])
    east = replace(mapping.places[1], y=0, height=5)
    assert "regions [5, 6] PEs high: not written" in why_not(replace(mapping, places=(mapping.places[0], east)))
    with pytest.raises(UsageError, match="2 tokens after each prompt by by hand: expected 1"):
        Serving(mapping, None).serve([[1]], 2)
    large = GPTConfig(name="large", n_layer=3, n_embd=1200, n_head=3, n_positions=1024, vocab_size=50)
    sram = next(check for check in checks(piped(large, [6, 6], 6, [1, 2])) if check.name == "SRAM")
    assert not sram.ok
