"""What holds for each strategy: tokens of one region, nothing lost when work is shared out, an order as simulated."""

from __future__ import annotations

import numpy as np
import pytest
from naive.gpt import naive_greedy
from place.small_models import lively, settings_of

from wse_sim import WSE2, WSE3, f32, toy
from wse_sim.hardware import Wafer
from wse_sim.mapping.comparison.compare import row_of, row_of_strategy
from wse_sim.mapping.comparison.draw import draw_rows
from wse_sim.mapping.model import GPTConfig
from wse_sim.mapping.model.operations import Step
from wse_sim.mapping.pipeline.flight import Flight
from wse_sim.mapping.plan.estimate import estimate
from wse_sim.mapping.plan.graph import model_graph, totals
from wse_sim.mapping.plan.mapping import Mapping, Phase
from wse_sim.mapping.plan.share import flows, shares, step_of
from wse_sim.mapping.prompts.serve import Serving
from wse_sim.mapping.strategies import STRATEGIES, Problem, strategy

CONFIG = GPTConfig(name="tiny", n_layer=3, n_embd=24, n_head=2, n_positions=24, vocab_size=40)
NAMES = sorted(STRATEGIES)
PHASES = ["decode", "prefill"]


def copies(name: str, count: int) -> int:
    """So many replicas at most, of strategies that have some."""
    return count if "replicas" in strategy(name).uses else 0


def planned(name: str, **changes: object) -> Mapping:
    problem = Problem(config=CONFIG, wafer=toy(14, 14), dtype=f32, replicas=copies(name, 2))
    return strategy(name).plan(problem.with_(**changes))


@pytest.mark.parametrize("name", NAMES)
def test_tokens_are_those_of_an_independent_gpt(name: str) -> None:
    weights, mapping = lively(CONFIG, 3), planned(name)
    count = mapping.replicas * mapping.sequences
    prompts = [[1 + i % 7, 5, 2 * i % 11] for i in range(count)]
    if mapping.prompt:
        found = Serving(mapping, weights).serve(prompts, 3).token_ids
    else:
        found = Flight(mapping, weights).generate(prompts, 3).token_ids
    assert found == tuple(tuple(naive_greedy(settings_of(CONFIG), weights, prompt, 3)) for prompt in prompts)


@pytest.mark.parametrize("name", sorted({*NAMES} - {"prefill-decode"}))  # which goes on to decode
def test_tokens_after_prompts_at_once_are_those_of_an_independent_gpt(name: str) -> None:
    weights, mapping = lively(CONFIG, 5), planned(name, phase="prefill", prompt=9)
    assert name != "hybrid" or min(mapping.replicas, len(mapping.parts(0))) > 1
    prompts = [[1 + i % 7, 5, 2 * i % 11, *range(i % 4)] for i in range(mapping.replicas * mapping.sequences + 1)]
    found = Serving(mapping, weights).serve(prompts, 1).token_ids
    assert found == tuple(tuple(naive_greedy(settings_of(CONFIG), weights, prompt, 1)) for prompt in prompts)


@pytest.mark.parametrize("phase", ["decode", "prefill"])
@pytest.mark.parametrize("name", NAMES)
def test_sharing_out_loses_no_work_no_message_and_no_pe(name: str, phase: str) -> None:
    """Also of a prompt on mappings that take it token by token: the sums do not depend on when."""
    mapping = planned(name)
    step = step_of(mapping)
    if phase == "prefill":
        step = Step(config=CONFIG, kind="prefill", tokens=7, past=0, dtype="f32")
    whole, c = totals(model_graph(step)), mapping.config
    pes = [pe for place in mapping.places for pe in place.region]
    assert len(pes) == len(set(pes)) == mapping.area
    for replica in range(mapping.replicas):
        found = shares(mapping, step, replica=replica)
        for quantity in ("flops", "weight_bytes", "kv_bytes"):
            assert sum(getattr(work, quantity) for work in found.values()) == whole[quantity]
        sent = flows(mapping, step, replica=replica)
        assert all(mapping.places[f.source].replica == mapping.places[f.target].replica == replica for f in sent)
        parts, count = mapping.parts(replica), mapping.places[0].shards
        hidden = [f.bytes for f in sent if f.kind == "hidden"]
        tokens = step.tokens * step.number * c.n_embd
        assert hidden == [tokens] * (count * len(parts) if len(parts) > 1 else 0)  # the last one's goes to the head
        assert sum(f.kind == "all-reduce" for f in sent) == 2 * c.n_layer * 2 * (count - 1)
        moved = sum(f.bytes for f in sent if f.kind == "keys and values")
        assert moved == (2 * c.n_layer * tokens if name == "prefill-decode" and phase == "prefill" else 0)


def ranks(values: list[float]) -> np.ndarray:
    return np.argsort(np.argsort(values)).astype(float)


def order(wafers: list[Wafer], config: GPTConfig, phase: Phase) -> tuple[float, float]:
    """Spearman's correlation between tokens a second as estimated and as simulated, and the mean error of cycles."""
    guessed, simulated, errors = [], [], []
    for wafer in wafers:
        for name in NAMES:
            problem = Problem(
                config=config, wafer=wafer, dtype=f32, phase=phase, prompt=config.n_positions, replicas=copies(name, 3)
            )
            mapping = strategy(name).plan(problem)
            row = row_of(mapping, fidelity="exact")
            guessed.append(estimate(mapping).tokens_per_s)
            simulated.append(row.tokens_per_s)
            errors.append(abs(row.estimate_error))
    return float(np.corrcoef(ranks(guessed), ranks(simulated))[0, 1]), float(np.mean(errors))


@pytest.mark.parametrize("name", NAMES)
def test_plans_are_programs_that_the_wafer_takes(name: str) -> None:
    """Also where lines would have all queues of a PE, and keys and values come beside."""
    config = GPTConfig(name="larger", n_layer=2, n_embd=96, n_head=6, n_positions=64, vocab_size=300)
    problem = Problem(
        config=config, wafer=WSE2.crop(36, 30), dtype=f32, phase="prefill", prompt=64, replicas=copies(name, 3)
    )
    Serving(strategy(name).plan(problem), None)


@pytest.mark.parametrize("phase", PHASES)
def test_estimates_order_strategies_as_simulation_does(phase) -> None:
    correlation, error = order([toy(12, 12), WSE3.crop(10, 12)], CONFIG, phase)
    assert correlation >= 0.9
    assert error <= 0.1


@pytest.mark.slow
@pytest.mark.parametrize("phase", PHASES)
def test_estimates_order_strategies_of_larger_models(phase) -> None:
    config = GPTConfig(name="larger", n_layer=4, n_embd=96, n_head=6, n_positions=64, vocab_size=300)
    wafers = [WSE2.crop(24, 24), WSE2.crop(36, 30), WSE3.crop(24, 24), WSE3.crop(40, 30)]
    correlation, error = order(wafers, config, phase)
    assert correlation >= 0.9
    assert error <= 0.1


def test_replicas_scale_until_the_host_link_is_full() -> None:
    speeds = {n: estimate(planned("replicas", wafer=toy(6 * n, 6), replicas=n, height=6, width=6 * n)).tokens_per_s
              for n in (1, 2, 4)}  # fmt: skip
    assert abs(speeds[4] / speeds[1] - 4) < 1e-9
    assert abs(speeds[2] / speeds[1] - 2) < 1e-9
    slow = toy(24, 6).with_(host_bytes_per_second=int(4 * 2.5 * speeds[1]))  # of 4-byte tokens, of 2.5 replicas
    full = estimate(planned("replicas", wafer=slow, width=24, height=6, replicas=4)).tokens_per_s
    assert abs(full / speeds[1] - 2.5) < 0.01


def test_a_picture_of_strategies() -> None:
    problem = Problem(config=CONFIG, wafer=toy(14, 14), dtype=f32)
    rows = [row_of_strategy(name, problem) for name in NAMES]
    rows.append(row_of_strategy("tensor-parallel", problem.with_(shards=5)))
    ax = draw_rows(rows)
    assert [label.get_text() for label in ax.get_yticklabels()] == [*NAMES, "tensor-parallel"]
    one, every = ax.lines
    assert list(every.get_xdata()) == [row.tokens_per_s for row in rows[:-1]]
    assert list(one.get_xdata()) == [row.tokens_per_s / (row.replicas * row.sequences) for row in rows[:-1]]
    assert ax.get_xlabel() == "tokens per second"
    assert any("2 heads" in text.get_text() for text in ax.texts)
    assert ax.get_title() == "tiny on toy, decode\nby closed forms"
