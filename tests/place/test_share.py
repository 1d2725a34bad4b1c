"""Sharing out a step loses nothing: PEs, work, parameters, messages."""

from __future__ import annotations

from collections import Counter

import networkx as nx
from hypothesis import given
from hypothesis import strategies as st

from wse_sim import toy
from wse_sim.mapping.model import GPTConfig
from wse_sim.mapping.plan.graph import model_graph, totals
from wse_sim.mapping.plan.mapping import Mapping, Place
from wse_sim.mapping.plan.share import flows, shares, step_of


@st.composite
def mappings(draw: st.DrawFn) -> Mapping:
    """Replicas in rows, stages from west to east, shards below each other."""
    heads = draw(st.integers(1, 5))
    config = GPTConfig(
        name="random",
        n_layer=draw(st.integers(1, 6)),
        n_embd=heads * draw(st.integers(1, 5)),
        n_head=heads,
        n_inner=draw(st.integers(1, 30)),
        n_positions=12,
        vocab_size=draw(st.integers(2, 40)),
        tie_word_embeddings=draw(st.booleans()),
    )
    shards = draw(st.integers(1, heads))
    stages = draw(st.integers(1, config.n_layer))
    cuts = [0, *sorted(draw(st.permutations(range(1, config.n_layer)))[: stages - 1]), config.n_layer]
    head_first = draw(st.booleans())
    places = [
        Place(
            x=2 * i, y=3 * (r * shards + s), width=2, height=3, layers=range(cuts[i], cuts[i + 1]),
            embedding=i == 0, head=i == (0 if head_first else stages - 1), shard=s, shards=shards, replica=r,
        )
        for r in range(draw(st.integers(1, 2))) for s in range(shards) for i in range(stages)
    ]  # fmt: skip
    return Mapping(config=config, wafer=toy(12, 30), strategy="by hand", places=tuple(places))


@given(mappings())
def test_no_pe_work_or_parameter_is_lost(mapping: Mapping) -> None:
    assert sum(len(list(place.region)) for place in mapping.places) == mapping.area
    assert len({pe for place in mapping.places for pe in place.region}) == mapping.area
    step = step_of(mapping)
    whole = totals(model_graph(step))
    for replica in range(mapping.replicas):
        parts = list(shares(mapping, step, replica=replica).values())
        for quantity in ("flops", "weight_bytes", "kv_bytes"):
            assert sum(getattr(part, quantity) for part in parts) == whole[quantity]
        places = mapping.replica(replica)
        far_head = [p for p in places if p.head and not p.embedding]
        norms = whole["weight_bytes"] * 0 + step.number * 2 * mapping.config.n_embd
        copies = [
            step.number * mapping.config.vocab_size * mapping.config.n_embd * mapping.config.tie_word_embeddings
            for _ in far_head
        ]
        table = step.number * (mapping.config.vocab_size + 12) * mapping.config.n_embd
        untied = step.number * mapping.config.vocab_size * mapping.config.n_embd
        for p in places:
            if p.shard:
                copies.append(2 * norms * len(p.layers))
                copies.append(table * p.embedding)
                copies.append((norms + untied * (not mapping.config.tie_word_embeddings)) * p.head)
        assert sum(part.copied_bytes for part in parts) == sum(copies)


@given(mappings())
def test_every_message_that_an_operation_needs_is_sent_once(mapping: Mapping) -> None:
    """Follows the hidden state from place to place: it reaches every holder of every operation."""
    step, c = step_of(mapping), mapping.config
    for replica in range(mapping.replicas):
        mine = {i: p for i, p in enumerate(mapping.places) if p.replica == replica}
        sent = flows(mapping, step, replica=replica)
        assert all(f.source in mine and f.target in mine and f.source != f.target for f in sent)
        hidden = [f for f in sent if f.kind == "hidden"]
        stages = {(p.layers.start, p.embedding, p.head) for p in mine.values()}
        shards = next(iter(mine.values())).shards
        hops = len(stages) - 1 + (len(stages) > 1 and any(p.embedding and p.head for p in mine.values()))
        assert Counter(f.bytes for f in hidden) == Counter({step.number * c.n_embd: hops * shards} if hops else {})
        reduces = [f for f in sent if f.kind == "all-reduce"]
        assert len(reduces) == 2 * c.n_layer * 2 * (shards - 1)
        reach = nx.DiGraph([(f.source, f.target) for f in sent])
        first = next(i for i, p in mine.items() if p.embedding)
        assert len(mine) == 1 or shards > 1 or set(nx.descendants(reach, first)) | {first} == set(mine)
