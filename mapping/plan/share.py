"""Who does which part of a step, and what they tell each other: a mapping and the graph of operations together."""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import Literal

import networkx as nx

from wse_sim.mapping.model.gpt import Dtype
from wse_sim.mapping.model.operations import Step
from wse_sim.mapping.plan.graph import model_graph
from wse_sim.mapping.plan.mapping import Mapping, Place

FlowKind = Literal["hidden", "token", "all-reduce", "keys and values"]
TOKEN_BYTES = 4
_DTYPES: dict[str, Dtype] = {"f16": "f16", "f32": "f32"}


@dataclass(frozen=True)
class Work:
    """One place's part of a step.

    flops            arithmetic that nobody else does
    repeated_flops   arithmetic that another shard does, too
    weight_bytes     parameters that nobody else holds
    copied_bytes     parameters that another place holds, too: norms of other shards, a tied head far from its embedding
    kv_bytes         cache read and written
    """

    flops: int = 0
    repeated_flops: int = 0
    weight_bytes: int = 0
    copied_bytes: int = 0
    kv_bytes: int = 0

    def __add__(self, other: Work) -> Work:
        return Work(
            self.flops + other.flops,
            self.repeated_flops + other.repeated_flops,
            self.weight_bytes + other.weight_bytes,
            self.copied_bytes + other.copied_bytes,
            self.kv_bytes + other.kv_bytes,
        )


@dataclass(frozen=True)
class Flow:
    """What one place sends another in a step of one sequence; places by their index in the mapping."""

    source: int
    target: int
    bytes: int
    kind: FlowKind


def step_of(mapping: Mapping, *, past: int | None = None, tokens: int = 1) -> Step:
    """A step of one sequence; by default the last one that the context has room for, the most expensive.

    tokens  of a prompt, in phase prefill
    """
    filled = mapping.context - tokens if past is None else past
    return Step(
        config=mapping.config, kind=mapping.phase, tokens=tokens, past=filled, dtype=_DTYPES[mapping.dtype.name]
    )


def shares(mapping: Mapping, step: Step, *, replica: int = 0) -> dict[int, Work]:
    """The work of each place of a replica, by its index in the mapping."""
    graph = model_graph(step)
    found = {i: Work() for i in _workers(mapping, step, replica)}
    for name, operation in graph.nodes(data=True):
        holders = [i for i in found if _holds(mapping.places[i], name, operation["layer"])]
        for i in holders:
            found[i] += _part(operation, mapping.places[i], step)
    tied = step.number * step.config.vocab_size * step.config.n_embd * step.config.tie_word_embeddings
    for i in found:
        if mapping.places[i].head and not mapping.places[i].embedding:
            found[i] += Work(copied_bytes=tied)
    return found


def flows(mapping: Mapping, step: Step, *, replica: int = 0) -> tuple[Flow, ...]:
    """Every message between places of a replica: the hidden state, sums of shards, the token that goes round."""
    graph = model_graph(step)
    numbers = {i: mapping.places[i] for i in _workers(mapping, step, replica)}
    holders = {
        name: tuple(i for i, p in numbers.items() if _holds(p, name, layer))
        for name, layer in graph.nodes(data="layer")
    }
    found: dict[tuple[str, int], Flow] = {}
    for source, target, size in graph.edges(data="bytes"):
        for there in holders[target]:
            if there not in holders[source]:
                here = _partner(mapping, holders[source], there)
                found.setdefault((source, there), Flow(here, there, size, "hidden"))
    messages = list(found.values())
    for name, kind in graph.nodes(data="kind"):
        if kind in ("projection", "down") and len(holders[name]) > 1:
            messages += _all_reduce(graph, name, holders[name])
    for here in holders["choice"][:1]:
        messages += [Flow(here, i, TOKEN_BYTES, "token") for i in holders["embedding"] if i != here]
    if step.kind == "prefill":
        messages += _kept_elsewhere(mapping, step, replica, tuple(numbers))
    return tuple(messages)


def _workers(mapping: Mapping, step: Step, replica: int) -> list[int]:
    """Indices of the places that do a step: of a prefill those that take prompts, if there are any."""
    mine = [i for i, p in enumerate(mapping.places) if p.replica == replica]
    takers = [i for i in mine if mapping.places[i].prompts]
    return takers if takers and step.kind == "prefill" else [i for i in mine if i not in takers]


def _kept_elsewhere(mapping: Mapping, step: Step, replica: int, takers: tuple[int, ...]) -> list[Flow]:
    """Keys, values and the first token of a prompt, to the places that decode."""
    decoders = [i for i, p in enumerate(mapping.places) if p.replica == replica and not p.prompts and i not in takers]
    kept = 2 * step.tokens * step.config.n_embd * step.number
    found = []
    for i in decoders:
        layers = set(mapping.places[i].layers)
        there = next(k for k in takers if layers <= set(mapping.places[k].layers))
        found.append(Flow(there, i, len(layers) * kept // mapping.places[i].shards, "keys and values"))
        if mapping.places[i].embedding:
            found.append(Flow(there, i, TOKEN_BYTES, "token"))
    return found


def _holds(place: Place, name: str, layer: int | None) -> bool:
    if layer is not None:
        return layer in place.layers
    return place.embedding if name == "embedding" else place.head


def _part(operation: dict[str, object], place: Place, step: Step) -> Work:
    """A place's part of an operation that it holds."""
    total = {key: int(operation[key]) for key in ("flops", "weight_bytes", "kv_bytes")}  # type: ignore[call-overload]
    if operation["split"] == "none":
        if place.shard:
            return Work(repeated_flops=total["flops"], copied_bytes=total["weight_bytes"])
        return Work(**total)
    whole = step.config.n_head if operation["split"] == "heads" else step.config.n_inner
    low, high = (whole * k // place.shards for k in (place.shard, place.shard + 1))
    return Work(**{key: value * high // whole - value * low // whole for key, value in total.items()})


def _partner(mapping: Mapping, sources: tuple[int, ...], target: int) -> int:
    """The source with the target's shard, or else the first."""
    same = [i for i in sources if mapping.places[i].shard == mapping.places[target].shard]
    return (same or list(sources))[0]


def _all_reduce(graph: nx.DiGraph, name: str, members: tuple[int, ...]) -> list[Flow]:
    """A chain from the last shard to the first, and back."""
    size = int(graph.nodes[name]["activation_bytes"])
    there = [Flow(b, a, size, "all-reduce") for a, b in pairwise(members)]
    return there + [Flow(flow.target, flow.source, size, "all-reduce") for flow in there]
