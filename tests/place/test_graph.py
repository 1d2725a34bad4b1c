"""The graph of operations: its totals against closed forms that know no graph."""

from __future__ import annotations

import networkx as nx
import pytest
from hypothesis import given
from hypothesis import strategies as st

from wse_sim.errors import UsageError
from wse_sim.mapping.model import GPTConfig, preset
from wse_sim.mapping.model.operations import STEPS, Step
from wse_sim.mapping.plan.graph import model_graph, totals


@st.composite
def steps(draw: st.DrawFn) -> Step:
    heads = draw(st.integers(1, 4))
    config = GPTConfig(
        name="random",
        n_layer=draw(st.integers(1, 4)),
        n_embd=heads * draw(st.integers(1, 9)),
        n_head=heads,
        n_inner=draw(st.integers(1, 40)),
        n_positions=40,
        vocab_size=draw(st.integers(2, 60)),
        tie_word_embeddings=draw(st.booleans()),
    )
    kind = draw(st.sampled_from(STEPS))
    tokens = 1 if kind == "decode" else draw(st.integers(1, 20))
    past = 0 if kind == "training" else draw(st.integers(0, 20))
    dtype = draw(st.sampled_from(["f16", "f32"]))
    return Step(
        config=config, kind=kind, tokens=tokens, past=past, sequences=draw(st.integers(1, 3)), dtype=dtype
    )


@given(steps())
def test_totals_are_those_of_the_model(step: Step) -> None:
    c, found = step.config, totals(model_graph(step))
    passes = {"decode": 1, "prefill": 1, "training": 2 + 3}[step.kind]  # forward, backward, update with two moments
    assert found["weight_bytes"] == passes * c.parameters.bytes(step.dtype)
    if step.kind != "training":
        new = step.sequences * step.tokens
        read = step.sequences * (step.past + step.tokens)
        assert found["kv_bytes"] == (new + read) * 2 * c.n_layer * c.n_embd * {"f16": 2, "f32": 4}[step.dtype]


@given(steps())
def test_matrix_work_is_two_flops_a_weight_and_row(step: Step) -> None:
    c, graph = step.config, model_graph(step)
    kinds = ("qkv", "projection", "up", "down")
    forward = [n for n in graph if graph.nodes[n]["kind"] in kinds and not n.endswith((".grad", ".update"))]
    weights = sum(graph.nodes[n]["weight_bytes"] for n in forward) // step.number
    biases = c.n_layer * (5 * c.n_embd + c.n_inner)
    rows = step.sequences * step.tokens
    assert sum(graph.nodes[n]["flops"] for n in forward) == rows * (2 * (weights - biases) + biases)
    attention = sum(graph.nodes[n]["flops"] for n in graph if n.endswith((".scores", ".mix")))
    pairs = sum(step.past + i + 1 for i in range(step.tokens)) * step.sequences
    assert attention == 4 * c.n_layer * c.n_embd * pairs


@given(steps())
def test_the_graph_is_a_dag_from_one_source_and_residuals_go_round(step: Step) -> None:
    graph = model_graph(step)
    assert nx.is_directed_acyclic_graph(graph)
    assert [n for n in graph if graph.in_degree(n) == 0] == ["embedding"]
    assert all(data["bytes"] >= 0 for *_, data in graph.edges(data=True))
    assert graph.has_edge("embedding", "h.0.residual_1")
    assert graph.has_edge("h.0.residual_1", "h.0.residual_2")


def test_prefill_is_as_much_matrix_work_as_decoding_its_tokens() -> None:
    config = preset("cerebras-gpt-111m")

    def work(step: Step) -> int:
        return sum(d["flops"] for n, d in model_graph(step).nodes(data=True) if d["layer"] is not None)

    together = work(Step(config=config, kind="prefill", tokens=5, past=2))
    assert together == sum(work(Step(config=config, past=2 + i)) for i in range(5))


def test_what_is_refused() -> None:
    config = preset("gpt2")
    with pytest.raises(UsageError, match="step 'infer': expected one of decode, prefill, training"):
        Step(config=config, kind="infer")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="decode of 2 tokens at once: expected 1"):
        Step(config=config, tokens=2)
    with pytest.raises(UsageError, match="1025 tokens of gpt2: expected at most its 1024"):
        Step(config=config, past=1024)
