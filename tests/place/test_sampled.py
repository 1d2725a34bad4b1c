"""Sampled fidelity: what is composed from few layers equals what all layers take."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from functools import partial

import numpy as np
import pytest
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st
from place.small_models import has_room, lively, small_models

from wse_sim import EAST, RAMP, WEST, WSE2, WSE3, f16, f32, toy
from wse_sim.engine.machine import Machine
from wse_sim.mapping.generation.sampled import sampled
from wse_sim.mapping.generation.sampled_session import generate_sampled
from wse_sim.mapping.generation.sampling import Sampling
from wse_sim.mapping.generation.session import Session, generate
from wse_sim.mapping.model import GPTConfig
from wse_sim.mapping.region.decode import Decoder
from wse_sim.mapping.region.layout import Layout
from wse_sim.program import Builder
from wse_sim.program.program import Program
from wse_sim.report.report import Report

PRECISIONS = st.sampled_from([(f32, f32), (f16, f32), (f16, f16)])
DRAWN = Sampling(temperature=0.8, top_k=2, top_p=0.9, seed=5)


def assert_same(found: Report, exact: Report) -> None:
    """Everything but how they were made and what the host copied."""
    assert found.launches == exact.launches
    assert found.cycles == exact.cycles
    np.testing.assert_array_equal(found.states, exact.states)
    assert found.sections.names == exact.sections.names
    assert found.sections == exact.sections
    assert found.links == exact.links
    assert found.sram == exact.sram
    no_host = {"host_bytes_in": 0, "host_bytes_out": 0}
    assert replace(found.work, **no_host) == replace(exact.work, **no_host)
    assert found.broken_laws() == ()


@settings(max_examples=8, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(
    config=small_models(),
    layers=st.integers(1, 6),
    width=st.integers(1, 9),
    height=st.integers(1, 9),
    wafer=st.sampled_from([WSE2, WSE3]),
    precision=PRECISIONS,
    sampling=st.sampled_from([None, DRAWN]),
    seed=st.integers(0, 99),
)
def test_sampled_equals_exact(config, layers, width, height, wafer, precision, sampling, seed) -> None:
    config, (dtype, accumulate) = replace(config, n_layer=layers), precision
    layout = Layout(config=config, wafer=wafer, width=width, height=height, dtype=dtype, accumulate=accumulate)
    layout = replace(layout, tight=layout.spare and seed % 2 == 1)
    assume(has_room(layout))
    weights, prompt = lively(config, seed), [1, 0]
    session = Session(layout, weights, sampling=sampling)
    exact = generate(session, prompt, 2)
    for tensors in (None, weights):
        found, report = generate_sampled(layout, [prompt], 2, tensors=tensors, sampling=sampling)
        assert_same(report, session.report())
        assert (found.cycles, found.sequences[0].cycles) == (exact.cycles, exact.cycles)
        one = found.sequences[0]
        assert report.provenance.fidelity == "sampled"
        if tensors is None:
            assert (one.token_ids, one.positions, one.logits.size) == ((), (), 0)
        else:
            assert (one.token_ids, one.positions) == (exact.token_ids, exact.positions)
            assert one.logits.tobytes() == exact.logits.tobytes()
        if layers < 3:
            assert report.provenance.composed == "all layers simulated"
        elif not config.scale_attn_by_inverse_layer_idx:  # then layer 0 may be unlike the others
            assert report.provenance.composed.startswith("layer")


def test_a_first_layer_of_its_own_is_not_taken_for_the_others() -> None:
    """Layer 0 divides its scores by 1 and so leaves that out; layer 1 divides by 2."""
    config = GPTConfig(
        "odd", n_layer=6, n_embd=9, n_head=3, n_positions=4, vocab_size=7,
        scale_attn_weights=False, scale_attn_by_inverse_layer_idx=True,
    )  # fmt: skip
    layout = Layout(config=config, wafer=WSE2, width=6, height=7)
    _, report = generate_sampled(layout, [[1, 2]], 1)
    assert report.provenance.composed == "layers 3-5 composed from layer 2"
    session = Session(layout, lively(config, 1))
    generate(session, [1, 2], 1)
    assert_same(report, session.report())


def growing(layers: int) -> Program:
    """Each layer sends one element more than the one before it."""
    build = Builder(3, 1)
    x, red, grid = build.buffer("x", f32, 8), build.color("red"), build.grid
    build.route(red, grid[0, 0], RAMP >> EAST)
    build.route(red, grid[1, 0], WEST >> RAMP | EAST)
    build.route(red, grid[2, 0], WEST >> RAMP)
    for i in range(layers):
        for kernel in ("send", "double"):
            with build.section(f"layer {i}"), build.section(kernel):
                if kernel == "double":
                    build.main().add(x, x, x)
                else:
                    build.main(grid[0, 0]).mov(red, x[: i + 1])
                    build.main(grid[1:, 0]).mov(x[: i + 1], red)
    return build.finish()


def test_layers_that_differ_are_all_simulated() -> None:
    report = sampled(growing, 5, toy(3, 1), [Machine.launch, Machine.launch])
    machine = Machine(growing(5), toy(3, 1))
    machine.launch()
    machine.launch()
    assert report.provenance.composed == "all layers simulated"
    assert_same(report, machine.report())


class Pairs:
    """A program of PEs two by two that send each other words, in layers of two sections, the second always the same."""

    def __init__(self, rows: int = 1) -> None:
        self.build = Builder(2, rows)
        self.x = self.build.buffer("x", f32, 64)
        self.colors = self.build.color("red"), self.build.color("blue")
        for source, (way, back) in enumerate(((EAST, WEST), (WEST, EAST))):
            self.build.route(self.colors[source], self.build.grid[source, :], RAMP >> way)
            self.build.route(self.colors[source], self.build.grid[1 - source, :], back >> RAMP)

    def program(
        self, layers: int, first: Callable[[Pairs, int], None], head: Callable[[Pairs, int], None] | None = None
    ) -> Program:
        for i in range(layers):
            with self.build.section(f"layer {i}"), self.build.section("first"):
                first(self, i)
            with self.build.section(f"layer {i}"), self.build.section("second"):
                self.work(8, 8)
        with self.build.section("head"):
            if head is not None:
                head(self, layers)
            self.work(8, 8)
        return self.build.finish()

    def work(self, *lengths: int) -> None:
        for column, length in enumerate(lengths):
            self.build.main(self.build.grid[column, :]).add(*[self.x[:length]] * 3)

    def send(self, *sources: int, row: int = 0) -> None:
        for source in sources:
            self.build.main(self.build.grid[source, row]).mov(self.colors[source], self.x[:1])

    def take(self, *sources: int, row: int = 0) -> None:
        for source in sources:
            self.build.main(self.build.grid[1 - source, row]).mov(self.x[:1], self.colors[source])


def by_turns(layers: int) -> Program:
    """One works for longer, then the other, and neither begins the next layer before both are done."""

    def first(pairs: Pairs, layer: int) -> None:
        pairs.work(*[(8, 40), (40, 8)][layer % 2])
        pairs.send(0, 1)
        pairs.take(0, 1)

    return Pairs().program(layers, first)


def ever_further_ahead(layers: int) -> Program:
    """A word for a PE that works for longer than its sender, which will once have to wait for room."""

    def first(pairs: Pairs, layer: int) -> None:
        pairs.send(0)
        pairs.take(0)
        pairs.work(8, 40)

    return Pairs().program(layers, first)


def one_queue_for_another(layers: int) -> Program:
    """Words sent beforehand are taken in one row; as many in the same colours are sent and left lying in the other."""
    pairs = Pairs(rows=2)
    with pairs.build.section("start"):
        for _ in range(layers):
            pairs.send(0, 1, row=0)
        for _ in range(layers):
            pairs.work(40, 40)

    def first(pairs: Pairs, layer: int) -> None:
        pairs.take(0, 1, row=0)
        pairs.send(0, 1, row=1)

    def head(pairs: Pairs, layers: int) -> None:
        for _ in range(layers):
            pairs.take(0, 1, row=1)

    return pairs.program(layers, first, head)


@pytest.mark.parametrize("engine", ["cycle", "stream"])
@pytest.mark.parametrize(("make", "layers"), [(by_turns, 30), (ever_further_ahead, 30), (one_queue_for_another, 7)])
def test_what_looks_steady_in_sum_is_looked_at_pe_by_pe(make, layers, engine) -> None:
    report = sampled(make, layers, toy(2, 2), [Machine.launch], engine=engine)
    machine = Machine(make(layers), toy(2, 2))
    machine.launch()
    assert report.provenance.composed == "all layers simulated" or make is ever_further_ahead
    assert_same(report, machine.report())


@pytest.mark.slow
@pytest.mark.parametrize(("width", "height"), [(40, 23), (33, 64)])
def test_sampled_equals_exact_on_larger_grids(width: int, height: int) -> None:
    config = GPTConfig("larger", n_layer=7, n_embd=192, n_head=6, n_positions=200, vocab_size=999)
    layout = Layout(config=config, wafer=WSE3, width=width, height=height, dtype=f16, accumulate=f16)
    session = Session(layout, lively(config, 1))
    session.position = 100  # whatever the cache holds
    steps = [(5, False), (6, True), (-1, True)]
    for token, sample in steps:
        session.step(token, sample=sample)
    launches = [
        partial(Machine.launch, arguments={"token": token, "position": 100 + i, "sample": int(sample)})
        for i, (token, sample) in enumerate(steps)
    ]
    report = sampled(lambda count: Decoder(replace(layout, layers=range(count))).program, 7, WSE3, launches)
    assert report.provenance.composed == "layers 2-6 composed from layer 1"
    assert report.launches == session.report().launches
    np.testing.assert_array_equal(report.states, session.report().states)
