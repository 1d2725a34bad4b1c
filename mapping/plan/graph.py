"""A step of a GPT as a networkx DiGraph of operations: the work there is, before anyone shares it out.

Node attributes: kind, layer (None outside the blocks), flops, weight_bytes, activation_bytes (what it makes), kv_bytes
(cache read and written), split (how tensor parallelism deals it). Edge attribute: bytes.
"""

from __future__ import annotations

from collections.abc import Mapping

import networkx as nx

from wse_sim.mapping.model.operations import (
    BACKWARD_FLOPS,
    CHOICE,
    EMBEDDING,
    HEAD,
    LAYER,
    LOSS,
    UPDATE_FLOPS,
    UPDATE_NUMBERS,
    Shape,
    Step,
)

QUANTITIES = ("flops", "weight_bytes", "activation_bytes", "kv_bytes")


def model_graph(step: Step) -> nx.DiGraph:
    """Every operation of a step, and what flows between them."""
    graph = nx.DiGraph()
    _add(graph, step, "embedding", EMBEDDING, None)
    stream = "embedding"
    for layer in range(step.config.n_layer):
        stream = _block(graph, step, layer, stream)
    last = _chain(graph, step, HEAD, None, "", stream)
    if step.kind == "training":
        _train(graph, step, last)
    else:
        _add(graph, step, "choice", CHOICE, None)
        _flow(graph, last, "choice")
    return graph


def totals(graph: nx.DiGraph) -> dict[str, int]:
    """Sums over all operations."""
    return {quantity: sum(data[quantity] for _, data in graph.nodes(data=True)) for quantity in QUANTITIES}


def _block(graph: nx.DiGraph, step: Step, layer: int, stream: str) -> str:
    """One block: a chain of operations, and the way of the residual stream around its halves."""
    prefix = f"h.{layer}."
    end = _chain(graph, step, LAYER, layer, prefix, stream)
    _flow(graph, stream, f"{prefix}residual_1")
    _flow(graph, f"{prefix}residual_1", f"{prefix}residual_2")
    values = graph.nodes[f"{prefix}qkv"]["activation_bytes"] // 3
    graph.add_edge(f"{prefix}qkv", f"{prefix}scores", bytes=2 * values)
    graph.add_edge(f"{prefix}qkv", f"{prefix}mix", bytes=values)
    return end


def _chain(
    graph: nx.DiGraph, step: Step, shapes: Mapping[str, Shape], layer: int | None, prefix: str, before: str
) -> str:
    for kind, shape in shapes.items():
        _add(graph, step, f"{prefix}{kind}", shape, layer)
        _flow(graph, before, f"{prefix}{kind}")
        before = f"{prefix}{kind}"
    return before


def _add(graph: nx.DiGraph, step: Step, name: str, shape: Shape, layer: int | None) -> None:
    graph.add_node(
        name,
        kind=name.rsplit(".", 1)[-1],
        layer=layer,
        flops=shape.flops(step),
        weight_bytes=step.number * shape.weights(step.config),
        activation_bytes=step.number * shape.output(step),
        kv_bytes=step.number * shape.kv(step) if step.kind != "training" else 0,
        split=shape.split,
    )


def _flow(graph: nx.DiGraph, source: str, target: str) -> None:
    """All that an operation makes goes to another."""
    graph.add_edge(source, target, bytes=graph.nodes[source]["activation_bytes"])


# -- training -----------------------------------------------------------------------------------------


def _train(graph: nx.DiGraph, step: Step, last: str) -> None:
    """Loss, the gradient of every operation in reverse, and an update for each that has weights."""
    forward = list(graph.nodes)
    flows = list(graph.edges(data="bytes"))
    _add(graph, step, "loss", LOSS, None)
    _flow(graph, last, "loss")
    for name in forward:
        _add_gradient(graph, step, name)
    graph.add_edge("loss", f"{last}.grad", bytes=graph.nodes[last]["activation_bytes"])
    for source, target, size in flows:
        graph.add_edge(f"{target}.grad", f"{source}.grad", bytes=size)
        graph.add_edge(source, f"{target}.grad", bytes=size)


def _add_gradient(graph: nx.DiGraph, step: Step, name: str) -> None:
    """Gradients of an operation's inputs and weights, from its inputs, kept since the forward pass."""
    of = dict(graph.nodes[name])
    made = sum(graph.edges[edge]["bytes"] for edge in graph.in_edges(name))
    graph.add_node(f"{name}.grad", **of | {"flops": BACKWARD_FLOPS * of["flops"], "activation_bytes": made})
    if of["weight_bytes"]:
        weights = of["weight_bytes"] // step.number
        state = (1 + UPDATE_NUMBERS) * of["weight_bytes"]
        update = {"flops": UPDATE_FLOPS * weights, "activation_bytes": 0, "weight_bytes": state}
        graph.add_node(f"{name}.update", **of | update)
        graph.add_edge(f"{name}.grad", f"{name}.update", bytes=of["weight_bytes"])
