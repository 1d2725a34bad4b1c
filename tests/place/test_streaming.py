"""Weights that come from the host, layer by layer: the tokens of weights that stay, at the pace of link or PEs."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from place.small_models import lively, small_models

from wse_sim import WSE2, WSE3, DType, Wafer, f16, f32
from wse_sim.errors import FitError, UsageError
from wse_sim.hardware import EAST, NORTH, WEST, Direction, State
from wse_sim.mapping.comparison.compare import row_of
from wse_sim.mapping.model import GPTConfig, preset
from wse_sim.mapping.pipeline.flight import Flight
from wse_sim.mapping.plan.checks import checks, why_not
from wse_sim.mapping.plan.estimate import estimate
from wse_sim.mapping.plan.mapping import Mapping, Place
from wse_sim.mapping.plan.saved import load, save
from wse_sim.mapping.region.arrivals import words_of_a_layer
from wse_sim.mapping.region.layout import Layout
from wse_sim.mapping.strategies import Problem, strategy
from wse_sim.report.report import Report

SMALL = GPTConfig(name="small", n_layer=4, n_embd=96, n_head=6, n_positions=32, vocab_size=100)


def streamed(
    config: GPTConfig, width: int, height: int, *, wafer: Wafer = WSE2, sequences: int = 1, dtype: DType = f32,
    stays: bool = False,
) -> Mapping:  # fmt: skip
    place = Place(
        x=0, y=0, width=width, height=height, layers=range(config.n_layer), embedding=True, head=True,
        streamed=not stays,
    )  # fmt: skip
    return Mapping(
        config=config, wafer=wafer.crop(width, height), strategy="weight-streaming", places=(place,), dtype=dtype,
        accumulate=dtype, sequences=sequences,
    )  # fmt: skip


def with_pace(mapping: Mapping, words: float) -> Mapping:
    """A channel of its own at each end of every row, with so many words a cycle."""
    wafer, height = mapping.wafer, mapping.wafer.height
    rate = int(words * 2 * height * 4 * wafer.clock_hz)
    return replace(mapping, wafer=wafer.with_(io_channels=2 * height, host_bytes_per_second=rate))


def pace(run: Callable[[int], object], report: Callable[[], Report], few: int, more: int) -> tuple[float, Report]:
    """Cycles of a step beside others, from launches of `few` and then `more` steps; and the report of the second."""
    reports = []
    for steps in (few, more):
        run(steps)
        reports.append(report())
    both = reports[1] - reports[0]
    return (both.cycles - reports[0].cycles) / (more - few), both


def steady(mapping: Mapping) -> tuple[float, Report]:
    """Cycles of a step, without those of the first, and the report of some steps."""
    flight = Flight(mapping, None)

    def run(rounds: int) -> None:
        flight.go_to(20)
        flight.run(rounds)

    return pace(run, flight.report, 2, 5)


# -- tokens -------------------------------------------------------------------------------------------


@settings(max_examples=8, deadline=None)
@given(
    config=small_models(layers=3),
    width=st.integers(1, 5),
    height=st.integers(1, 5),
    sequences=st.integers(1, 3),
    dtype=st.sampled_from([f32, f16]),
    seed=st.integers(0, 99),
)
def test_every_sequence_gets_the_tokens_of_weights_that_stay(config, width, height, sequences, dtype, seed) -> None:
    weights = lively(config, seed)
    random = np.random.default_rng(seed)
    prompts = [random.integers(0, config.vocab_size, random.integers(1, 3)).tolist() for _ in range(sequences)]
    flown = Flight(streamed(config, width, height, sequences=sequences, dtype=dtype), weights).generate(prompts, 2)
    alone = Flight(streamed(config, width, height, dtype=dtype, stays=True), weights)
    for prompt, tokens in zip(prompts, flown.token_ids, strict=True):
        alone.go_to(0)
        assert tokens == alone.generate([prompt], 2).token_ids[0]


@pytest.mark.parametrize(("layers", "sequences"), [(2, 1), (3, 1), (2, 3), (3, 2)])
def test_rounds_of_one_launch_go_on_with_what_was_chosen(layers: int, sequences: int) -> None:
    """Of an odd number of layers, too, whose first one comes in either buffer by turns."""
    config = replace(SMALL, n_layer=layers, n_embd=24)
    weights, prompts = lively(config, 3), [[3, 4], [7], [9, 1]][:sequences]
    flown = Flight(streamed(config, 4, 3, sequences=sequences), weights).generate(prompts, 6)
    assert [rounds for rounds, _ in flown.launches][-1] >= 4
    for prompt, tokens in zip(prompts, flown.token_ids, strict=True):
        assert tokens == Flight(streamed(config, 4, 3, stays=True), weights).generate([prompt], 6).token_ids[0]


def test_weights_that_f16_cannot_hold_are_refused_not_streamed_as_infinite() -> None:
    config = replace(SMALL, n_layer=2, n_embd=24)
    weights = lively(config, 1)
    weights["h.1.mlp.c_fc.weight"][3, 5] = 1e5
    Flight(streamed(config, 4, 3), weights)
    with pytest.raises(UsageError, match=r"h\.1\.mlp\.c_fc\.weight has values that float16 cannot hold, 65504 at most"):
        Flight(streamed(config, 4, 3, dtype=f16), weights)


# -- pace ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sequences", "dtype", "words", "bound"),
    [(16, f16, 0.06, "link"), (1, f16, 0.05, "link"), (16, f16, 0.12, "PEs"), (8, f32, 0.9, "PEs")],
)
def test_a_step_takes_what_the_link_takes_or_what_the_pes_take(
    sequences: int, dtype: DType, words: float, bound: str
) -> None:
    mapping = with_pace(streamed(SMALL, 8, 8, sequences=sequences, dtype=dtype), words)
    guess = estimate(mapping, position=24)
    period, report = steady(mapping)
    compute = guess.turns[0].busy
    assert (guess.link > compute) == (bound == "link")
    assert guess.cycles_per_token == max(guess.link, compute)
    assert period == pytest.approx(max(guess.link, compute), rel=0.05)
    assert report.work.stream_cycles == 5 * guess.link
    assert report.broken_laws() == ()
    wall = report.memory_wall()
    assert wall.host_bound == (bound == "link")
    assert ("The host link bounded the run" in report.explain()) == (bound == "link")
    if bound == "link":
        assert report.share(State.WEIGHT_WAIT) == pytest.approx(guess.waiting, abs=0.15)


@pytest.mark.parametrize(
    ("side", "sequences", "dtype", "words", "wafer"),
    [(4, 1, f16, 1.0, WSE2), (6, 1, f32, 1.0, WSE2), (8, 1, f32, 0.3, WSE2), (12, 1, f16, 1.0, WSE2),
     (8, 2, f32, 1.0, WSE2), (6, 1, f16, 1.0, WSE3), (8, 2, f32, 1.0, WSE3)],
)  # fmt: skip
def test_pes_that_compute_without_a_pause_do_not_hold_the_link_up(side, sequences, dtype, words, wafer) -> None:
    """Rows that hear a word in nearly every cycle."""
    mapping = with_pace(streamed(SMALL, side, side, sequences=sequences, dtype=dtype, wafer=wafer), words)
    guess = estimate(mapping, position=24)
    assert guess.cycles == max(guess.link, guess.turns[0].busy)
    assert steady(mapping)[0] == pytest.approx(guess.cycles, rel=0.05)


def test_every_layer_waits_in_a_section_of_its_own() -> None:
    mapping = with_pace(streamed(SMALL, 6, 6), 0.02)
    _, report = steady(mapping)
    names = report.sections.names
    waits = report.sections.cycles[:, State.WEIGHT_WAIT]
    assert sum(waits) > 0.9 * report.cycles * report.pes
    assert {f"layer {i}/weights" for i in range(4)} <= set(names)
    layout = mapping.layout(mapping.parts(0)[0])
    assert report.sections.streamed_bytes.sum() == 5 * 4 * 36 * words_of_a_layer(layout) * 4
    assert report.work.streamed_bytes == report.sections.streamed_bytes.sum()  # each PE has words of its own


# -- edges --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("edges", [(WEST,), (EAST,), (WEST, EAST)])
@pytest.mark.parametrize("top", [0, 3])
def test_a_region_takes_what_the_edges_that_it_reaches_give(edges: tuple[Direction, ...], top: int) -> None:
    """Tokens of weights that stay, at the pace of the channels that serve its rows of the wafer."""
    config = replace(SMALL, n_embd=24)
    whole = streamed(config, 5, 4)
    wafer = WSE2.crop(5, 9).with_(io_edges=edges, io_channels=3 * len(edges), host_bytes_per_second=10**9)
    mapping = replace(whole, wafer=wafer, places=(replace(whole.places[0], y=top),))
    assert why_not(mapping) == ""
    weights = lively(config, 3)
    flight = Flight(mapping, weights)
    assert flight.generate([[3, 4]], 2).token_ids == Flight(streamed(config, 5, 4, stays=True), weights).generate(
        [[3, 4]], 2).token_ids  # fmt: skip
    rows = {0: 3, 3: 3}[top]  # of the four rows those that one channel of three for nine rows serves
    columns = 3 if len(edges) == 2 else 5
    words = 4 * words_of_a_layer(mapping.layout(mapping.parts(0)[0])) * columns
    pace = 10**9 / (4 * wafer.clock_hz * wafer.io_channels)
    assert estimate(mapping).link == pytest.approx(words * rows / pace, abs=1)
    period, _ = steady(mapping)
    assert period == pytest.approx(words * rows / pace, rel=0.01)


def test_a_corner_of_the_wafer_has_its_west_edge_alone() -> None:
    """Twelve rows in the north-west are served by one channel of six, on a wafer of that size by all twelve."""
    corner, small = (
        strategy("weight-streaming").plan(Problem(config=SMALL, wafer=wafer, width=12, height=12, dtype=f16))
        for wafer in (WSE2, WSE2.crop(12, 12))
    )
    assert all(streams == 1 for streams in (len(Flight(corner, None).pipeline.program.streams),))
    assert len(Flight(small, None).pipeline.program.streams) == 2
    assert estimate(corner).link > estimate(small).link


def test_a_region_lies_where_more_channels_serve_it() -> None:
    """Half its rows beside those of the next channel."""
    mapping = strategy("weight-streaming").plan(Problem(config=preset("cerebras-gpt-111m"), wafer=WSE2, width=100,
                                                        height=300, dtype=f16, sequences=1))  # fmt: skip
    [place] = mapping.places
    served = [y * 6 // 994 for y in place.region.ys]
    assert len(set(served)) == 2
    assert abs(served.count(served[0]) - place.height / 2) <= 1


def test_dead_pes_are_avoided() -> None:
    wafer = WSE2.crop(12, 20)
    dead = frozenset({(0, 1), (5, 18), (11, 4)})
    problem = Problem(config=SMALL, wafer=wafer, dtype=f16, dead=dead, sequences=1)
    mapping = strategy("weight-streaming").plan(problem)
    assert not any(pe in mapping.places[0].region for pe in dead)
    assert why_not(mapping) == ""
    assert steady(mapping)[0] == pytest.approx(estimate(mapping, position=24).cycles, rel=0.05)
    with pytest.raises(FitError, match=r"on each of 12x20 PEs .* or dead PEs leave no room"):
        strategy("weight-streaming").plan(replace(problem, dead=frozenset((0, y) for y in range(20))
                                                  | frozenset((11, y) for y in range(20))))  # fmt: skip


# -- mappings -----------------------------------------------------------------------------------------


def test_the_strategy_streams_what_does_not_fit_resident(tmp_path: Path) -> None:
    """13B in f32 is larger than all SRAM of WSE-2."""
    problem = Problem(config=preset("cerebras-gpt-13b"), wafer=WSE2)
    with pytest.raises(FitError, match=r"or streamed weights"):
        strategy("layer-sequential").plan(problem)
    mapping = strategy("weight-streaming").plan(problem)
    assert why_not(mapping) == ""
    assert mapping.places[0].streamed
    assert "weights streamed" in mapping.describe()
    found = estimate(mapping)
    tile = 128 + 44 + 168 + 168  # words of a layer: 6 x 21, 7 x 6, 6 x 28 and 28 x 6, from 16-byte boundaries on
    pace = WSE2.host_bytes_per_second / (4 * WSE2.clock_hz * 12)  # words a cycle of a channel, for 166 half rows
    assert found.link == found.cycles_per_token == pytest.approx(40 * tile * 166 * 375 / pace, rel=1e-6)
    assert found.link > 12 * 5120**2 * 40 / (12 * pace)  # nobody sends the matrices faster than all channels
    assert found.waiting > 0.9
    save(mapping, tmp_path / "mapping.json")
    assert load(tmp_path / "mapping.json") == mapping
    check = next(check for check in checks(mapping) if check.name == "host link")
    assert check.ok
    assert check.needed == found.link


def test_more_sequences_share_the_weights_of_a_step() -> None:
    problem = Problem(config=SMALL, wafer=WSE2.crop(12, 12), dtype=f16)
    one = strategy("weight-streaming").plan(replace(problem, sequences=1))
    many = strategy("weight-streaming").plan(problem)
    assert one.sequences == 1 < many.sequences
    assert estimate(many).tokens_per_s > estimate(one).tokens_per_s


@pytest.mark.parametrize("sequences", [1, 3])
def test_comparisons_have_rows_of_all_fidelities(sequences: int) -> None:
    config = replace(SMALL, n_layer=6)
    mapping = with_pace(streamed(config, 6, 6, sequences=sequences, dtype=f16), 0.02)
    guess, sampled, exact = (row_of(mapping, fidelity=f) for f in ("estimate", "sampled", "exact"))
    assert guess.feasible
    assert guess.stalls["weights"] > 0.5
    for row in (guess, sampled):
        assert row.cycles_per_token == pytest.approx(exact.cycles_per_token, rel=0.03)
        assert row.stalls["weights"] == pytest.approx(exact.stalls["weights"], abs=0.1)
        assert row.wavelets_per_token == pytest.approx(exact.wavelets_per_token, rel=0.1)
        assert row.busiest_link_share == pytest.approx(exact.busiest_link_share, rel=0.3)
    assert sampled.joules_per_token == pytest.approx(exact.joules_per_token, rel=0.02)


def test_what_fits_by_the_rules_fits_the_machine() -> None:
    """Also what a launch of many rounds keeps of many sequences."""
    problem = Problem(config=replace(SMALL, n_positions=64, vocab_size=200), wafer=WSE2, width=24, height=24, dtype=f16)
    mapping = strategy("weight-streaming").plan(problem)
    assert mapping.sequences > 8
    assert Flight(mapping, None).report().sram.peak.max() <= next(c.needed for c in checks(mapping) if c.name == "SRAM")


def test_what_cannot_be() -> None:
    mapping = streamed(SMALL, 6, 6)
    moved = replace(mapping, wafer=WSE2, places=(replace(mapping.places[0], x=3),))
    assert "expected it at the west or the east edge of WSE-2, and I/O channels there" in why_not(moved)
    with pytest.raises(UsageError, match=r"weights streamed to \[3:9, 0:6\]: expected it at a west or east edge"):
        Flight(moved, None)
    north = replace(mapping, wafer=mapping.wafer.with_(io_edges=(NORTH,)))
    assert "expected it at the west or the east edge" in why_not(north)
    assert "expected a filter on each PE" in why_not(replace(mapping, wafer=mapping.wafer.with_(filters=0)))
    with pytest.raises(UsageError, match=r"a prefill mapping with streamed weights: expected decode"):
        Flight(replace(mapping, phase="prefill"), None)
    with pytest.raises(UsageError, match="streamed weights in a tight layout or in shards"):
        Layout(config=SMALL, wafer=WSE2, width=4, height=4, streamed=True, shards=2)
    with pytest.raises(FitError, match=r"and streamed weights needs .* bytes of SRAM on each of 2x2 PEs"):
        strategy("weight-streaming").plan(Problem(config=preset("cerebras-gpt-111m"), wafer=WSE2, width=2, height=2))
