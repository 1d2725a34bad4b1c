"""Host streams and filters: words from beyond the edge, at the link's pace, and who waits for them."""

from __future__ import annotations

from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from outcomes import Runner, run_engine, run_naive

from wse_sim.engine.machine import Machine
from wse_sim.errors import FitError, ProgramError, RunError, UsageError
from wse_sim.hardware import EAST, NORTH, RAMP, SOUTH, WEST, WSE2, WSE3, Route, State, Wafer, f16, f32, i32, toy
from wse_sim.program.builder import Builder
from wse_sim.program.check import check
from wse_sim.program.program import Program
from wse_sim.report.pictures import draw_rooflines
from wse_sim.report.report import Report

both = pytest.mark.parametrize("run", [run_naive, run_engine])
CLOCK = 840_000_000  # Hz, so that many rates are whole numbers of bytes


def with_rate(wafer: Wafer, words: Fraction, channels: int = 1) -> Wafer:
    """All channels at the west edge, each giving so many words a cycle."""
    rate = words * 4 * CLOCK * channels
    assert rate.denominator == 1
    link = {"io_edges": (WEST,), "io_channels": channels, "host_bytes_per_second": int(rate)}
    return wafer.with_(clock_hz=CLOCK, stream_pause_wavelets=0, **link)


def line(width: int, height: int, n: int, *, slot: int | None = None, filtered: bool = False) -> Program:
    """Rows that hear the host from the west, each PE n words: all the same, or n of its own."""
    build = Builder(width, height)
    grid, color = build.grid, build.color("weights")
    onward = WEST >> (RAMP | EAST)
    build.route(color, grid[:-1, :], onward)
    build.route(color, grid[-1, :], WEST >> RAMP)
    if filtered:
        build.filter(color, grid, keep=n, of=n * width, first=n * np.arange(width))
    build.host_stream("weights", color, grid[0, :], WEST)
    x = build.buffer("x", f32, n)
    build.main().mov(x, color, slot=slot)
    return build.finish()


def values(height: int, n: int) -> np.ndarray:
    return np.arange(height * n, dtype=np.float32).reshape(height, n)


# -- pace ---------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("words", [Fraction(1, 100), Fraction(1, 3), Fraction(2, 5), Fraction(1), Fraction(3, 2)])
@pytest.mark.parametrize("height", [1, 2, 3])
def test_words_come_at_the_pace_of_the_link_and_one_a_cycle_at_each_entry(
    run: Runner, words: Fraction, height: int
) -> None:
    n, wafer = 150, with_rate(toy(1, height), words)
    seen = run(line(1, height, n), wafer, streams={"weights": (values(height, n), 1)})
    pace = max(1 / words, Fraction(1, height))  # cycles a word, of all entries together
    assert np.isclose(seen.cycles[0], float(pace * n * height), atol=30)  # 23 until the PE begins to read
    assert np.array_equal(seen.memory["x"][:, 0], values(height, n))


@both
def test_a_slow_link_is_no_deadlock_and_the_exact_cycle_is_known(run: Runner) -> None:
    wafer = with_rate(toy(1, 1), Fraction(1, 500))
    seen = run(line(1, 1, 3), wafer, streams={"weights": (values(1, 3), 1)})
    last = 3 * 500 - 1  # credit of the first cycle included
    assert seen.cycles == [last + wafer.hop_cycles + wafer.ramp_in_cycles + 1]


@both
def test_channels_have_equal_shares_and_stretches(run: Runner) -> None:
    """Six rows on four channels: two serve two rows each, so theirs come last."""
    n, rate = 30, Fraction(1, 10)
    wafer = with_rate(toy(1, 6), rate, channels=4)
    seen = run(line(1, 6, n), wafer, streams={"weights": (values(6, n), 1)})
    rows = np.array(seen.finish[0])
    served = np.bincount(np.arange(6) * 4 // 6)[np.arange(6) * 4 // 6]
    assert served.tolist() == [2, 2, 1, 2, 2, 1]
    assert np.allclose(rows, served * n / float(rate), atol=25)


@both
@pytest.mark.parametrize(("beyond", "lies"), [(0, False), (4, False), (4, True)])
def test_a_program_is_served_by_the_channels_of_the_wafers_rows(run: Runner, beyond: int, lies: bool) -> None:
    """Two channels serve the west edge: of a wafer twice as high as the program all its rows share one."""
    n, rate = 30, Fraction(1, 10)
    wafer = with_rate(toy(4 + beyond, 2) if lies else toy(2, 4 + beyond), rate, channels=2)
    if lies:  # x along the columns: what is the wafer's north is the program's west
        wafer = wafer.with_(io_edges=(NORTH,))
    build = Builder(1, 4)
    color = build.color("weights")
    build.route(color, build.grid, WEST >> RAMP)
    build.host_stream("weights", color, build.grid, WEST)
    build.main().mov(build.buffer("x", f32, n), color)
    seen = run(build.finish(), wafer, streams={"weights": (values(4, n), 1)})
    assert np.allclose(seen.finish[0], (4 if beyond else 2) * n / float(rate), atol=60)


@both
def test_a_full_buffer_holds_words_back_and_none_is_lost(run: Runner) -> None:
    """The PE begins to read late; then the words that wait come at one a cycle, the others at the link's pace."""
    build = Builder(1, 1)
    color = build.color("weights")
    build.route(color, build.grid, WEST >> RAMP)
    build.host_stream("weights", color, build.grid, WEST)
    x, pe = build.buffer("x", f32, 60), build.main()
    with pe.loop(100) as i:
        pe.scalar("iadd", i, 0)
    pe.mov(x, color)
    wafer, streams = with_rate(toy(1, 1), Fraction(1, 4)), {"weights": (values(1, 60), 1)}
    seen, fast = run(build.finish(), wafer, streams=streams), run(build.finish(), toy(1, 1), streams=streams)
    assert seen.memory["x"][0, 0].tolist() == list(range(60))
    assert seen.blocked[0, 0, "weights", "QUEUE"] > 100
    held = wafer.router_buffer + wafer.hop_cycles + wafer.input_queue_depths[0] + wafer.ramp_in_cycles
    assert 10 < held < 20
    assert np.isclose(seen.cycles[0] - fast.cycles[0], 3 * 60 - 4 * held, atol=8)


@both
def test_rows_and_halves(run: Runner) -> None:
    """Two f16 in a word; what is sent twice comes twice; one row of values serves all entries."""
    build = Builder(1, 2)
    color = build.color("weights")
    build.route(color, build.grid, WEST >> RAMP)
    build.host_stream("weights", color, build.grid, WEST)
    x = build.buffer("x", f16, 8)
    build.main().mov(x, color)
    given = np.array([[1, 2, 3]], np.float16)
    seen = run(build.finish(), with_rate(toy(1, 2), Fraction(1)), streams={"weights": (given, 2)})
    assert seen.memory["x"][:, 0].tolist() == [[1, 2, 3, 0] * 2] * 2
    assert seen.pops[0, 1, "weights", "QUEUE"] == 4


@both
def test_launch_after_launch(run: Runner) -> None:
    n, wafer = 4, with_rate(toy(2, 2), Fraction(1, 7))
    streams = {"weights": (values(2, 2 * n), 1)}
    seen = run(line(2, 2, n, filtered=True), wafer, [{}] * 3, streams)
    assert len(set(seen.cycles)) == 1
    assert seen.memory["x"].reshape(2, -1).tolist() == values(2, 2 * n).tolist()


# -- filters ------------------------------------------------------------------------------------------


@both
@pytest.mark.parametrize("first", [0, 1, 4])
def test_a_filter_takes_a_part_of_every_period(run: Runner, first: int) -> None:
    build = Builder(3, 1)
    grid, color = build.grid, build.color("c")
    build.route(color, grid[0, :], RAMP >> EAST)
    build.route(color, grid[1, :], WEST >> (RAMP | EAST))
    build.route(color, grid[2, :], WEST >> RAMP)
    build.filter(color, grid[1, :], keep=2, of=5, first=first)
    y = build.buffer("y", i32, 15, init=np.arange(15))
    x = build.buffer("x", i32, 6)
    pe = build.main()
    pe.on(grid[0, :]).mov(color, y)
    pe.on(grid[1, :]).mov(x, color)
    pe.on(grid[2, :]).mov(y, color)
    seen = run(build.finish(), toy(3, 1))
    taken = [n for n in range(15) if (n - first) % 5 < 2]
    assert seen.memory["x"][0, 1].tolist() == taken
    assert seen.memory["y"][0, 2].tolist() == list(range(15))


def test_what_a_filter_withholds_at_the_end_is_counted() -> None:
    build = Builder(1, 1)
    color = build.color("weights")
    build.route(color, build.grid, WEST >> RAMP)
    build.host_stream("weights", color, build.grid, WEST)
    build.filter(color, build.grid, keep=1, of=10, first=2)
    x = build.buffer("x", f32, 2)
    build.main().mov(x, color)
    program, wafer = build.finish(), with_rate(toy(1, 1), Fraction(1, 5))
    report = report_of(program, wafer, values(1, 20))
    links = report.links
    assert (links.hosted.tolist(), links.deliveries.tolist(), links.dropped.tolist()) == ([20], [2], [18])
    assert report.broken_laws() == ()
    assert report.cycles > 95  # the last word goes by after the PE has ended
    seen = run_naive(program, wafer, [{}, {}], {"weights": (values(1, 20), 1)})
    assert seen.cycles == run_engine(program, wafer, [{}, {}], {"weights": (values(1, 20), 1)}).cycles


# -- states -------------------------------------------------------------------------------------------


def report_of(program: Program, wafer: Wafer, given: np.ndarray, **options: Any) -> Report:
    machine = Machine(program, wafer, **options)
    machine.stream("weights", given)
    machine.launch()
    return machine.report()


@both
@pytest.mark.parametrize("slot", [None, 0])
def test_waiting_for_the_host_is_a_state_of_its_own(run: Runner, slot: int | None) -> None:
    n, rate = 10, Fraction(1, 20)
    seen = run(line(1, 1, n, slot=slot), with_rate(toy(1, 1), rate), streams={"weights": (values(1, n), 1)})
    assert seen.count(State.WEIGHT_WAIT) > 0.8 * n * 20
    assert seen.count(State.INPUT_WAIT) == seen.count(State.SLOT_WAIT) == 0


@both
def test_waiting_for_a_slot_that_waits_for_the_host_counts_as_that(run: Runner) -> None:
    build = Builder(1, 1)
    color = build.color("weights")
    build.route(color, build.grid, WEST >> RAMP)
    build.host_stream("weights", color, build.grid, WEST)
    x, y = build.buffer("x", f32, 4), build.buffer("y", f32, 1)
    pe = build.main()
    pe.mov(x, color, slot=1)
    pe.mov(y, 1.0, slot=1)
    seen = run(build.finish(), with_rate(toy(1, 1), Fraction(1, 50)), streams={"weights": (values(1, 4), 1)})
    assert seen.count(State.WEIGHT_WAIT) > 150
    assert seen.count(State.SLOT_WAIT) < 20


# -- faults -------------------------------------------------------------------------------------------


def test_a_deadlock_names_host_streams() -> None:
    machine = Machine(line(1, 2, 4), with_rate(toy(1, 2), Fraction(1)))
    machine.stream("weights", values(2, 30))
    left = r"host stream 'weights' has \d+ of 30 words left for PE \(0, 0\); .* for PE \(0, 1\); PE \(0, 0\) holds"
    with pytest.raises(RunError, match=left):
        machine.launch()


def test_a_deadlock_says_that_the_host_has_sent_all() -> None:
    machine = Machine(line(1, 1, 4), with_rate(toy(1, 1), Fraction(1)))
    machine.stream("weights", values(1, 3))
    with pytest.raises(RunError, match="input on colour weights from the host, which has sent all, after 3 of 4"):
        machine.launch()


@pytest.mark.parametrize(
    ("given", "times", "message"),
    [
        (np.zeros((2, 4)), 1, "is given float64: expected numbers of 16 or 32 bits"),
        (np.zeros((3, 4), np.float32), 1, r"shape \(3, 4\): expected \(2, n\), a row for each PE of \[0, 0:2\]"),
        (np.zeros(4, np.float32), 1, r"shape \(4,\)"),
        (np.zeros((2, 4), np.float32), -1, "-1 times: expected a whole number"),
    ],
)
def test_values_that_a_stream_cannot_take(given: np.ndarray, times: int, message: str) -> None:
    machine = Machine(line(1, 2, 4), with_rate(toy(1, 2), Fraction(1)))
    with pytest.raises(UsageError, match=message):
        machine.stream("weights", given, times=times)


def test_a_stream_is_given_words_once_for_each_launch() -> None:
    machine = Machine(line(1, 2, 4), with_rate(toy(1, 2), Fraction(1)))
    for _ in range(2):
        machine.stream("weights", values(2, 4))
        with pytest.raises(UsageError, match="'weights' is given words for the next launch a second time: expected on"):
            machine.stream("weights", values(2, 4))
        machine.launch()


def test_a_stream_of_another_name_or_program() -> None:
    machine = Machine(line(1, 2, 4), with_rate(toy(1, 2), Fraction(1)))
    with pytest.raises(UsageError, match="no host stream 'inputs' in program 'program': it has weights"):
        machine.stream("inputs", values(2, 4))
    with pytest.raises(UsageError, match="belongs to another program"):
        machine.stream(line(1, 2, 4).streams[0], values(2, 4))


# -- what a program may not do ------------------------------------------------------------------------


def draft(route: Route | None, *, x: int = 0, side: Any = WEST, twice: bool = False) -> Builder:
    """A 3 x 2 program with a stream to some column."""
    build = Builder(3, 2)
    color = build.color("weights")
    if route is not None:
        build.route(color, build.grid[x, :], route)
    build.host_stream("weights", color, build.grid[x, :], side)
    if twice:
        build.host_stream("more", color, build.grid[x, 1], side)
    buffer = build.buffer("x", f32, 2)
    build.main(build.grid[x, :]).mov(buffer, color)
    return build


def test_streams_enter_at_edges_with_channels() -> None:
    wafer = WSE2.crop(3, 2)
    check(draft(WEST >> RAMP).finish(), wafer)
    check(draft(EAST >> RAMP, x=2, side=EAST).finish(), wafer)
    cases = [
        (draft(NORTH >> RAMP, side=NORTH), "enters from the NORTH, made at .*; expected an edge with I/O channels of "
         "WSE-2: EAST, WEST; move"),
        (draft(WEST >> RAMP, x=1), r"enters PE \(1, 0\) from the WEST, where a neighbour is, made at .*; expected PEs "
         "at the WEST end of the 3 x 2 grid"),
        (draft(SOUTH >> RAMP), r"brings colour weights to PE \(0, 0\) and 1 more, which has SOUTH >> RAMP, made at .*; "
         "expected one route with input WEST that stays as it is"),
        (draft(None), "which has no route of it"),
        (draft(WEST >> RAMP, twice=True), r"host streams 'weights' and 'more' both enter PE \(0, 1\) from the"),
    ]  # fmt: skip
    for build, message in cases:
        with pytest.raises(ProgramError, match=message):
            check(build.finish(), wafer)
    check(draft(WEST >> RAMP).finish(), wafer.with_(io_edges=(WEST,)))


def test_streams_enter_where_the_wafer_ends() -> None:
    """A program in the wafer's north-west corner has its west and north; the others if it is as wide or high."""
    every = WSE2.with_(io_edges=(EAST, NORTH, WEST, SOUTH))
    check(draft(WEST >> RAMP).finish(), every)
    east = draft(EAST >> RAMP, x=2, side=EAST)
    with pytest.raises(ProgramError, match=r"enters from the EAST, where the 3 x 2 grid ends and WSE-2 goes on, .*"
                       r"a grid as wide as WSE-2, 750 x 994 PEs; .* as wafer\.crop\(3, 2\)"):  # fmt: skip
        check(east.finish(), every)
    check(east.finish(), every.crop(3, 9))
    with pytest.raises(ProgramError, match="where the 3 x 2 grid ends and WSE-2 goes on"):
        check(east.finish(), every.crop(4, 2))


def test_a_program_on_its_side_has_the_wafer_s_edges() -> None:
    """3 x 2 PEs on a wafer of 2 x 3: its west is the program's north."""
    build = draft(WEST >> RAMP)
    with pytest.raises(ProgramError, match="expected an edge with I/O channels of WSE-2: NORTH, SOUTH"):
        check(build.finish(), WSE2.crop(2, 3))


def test_a_stream_that_nobody_reads() -> None:
    build = Builder(2, 1)
    color = build.color("weights")
    build.route(color, build.grid[0, :], WEST >> EAST)
    build.route(color, build.grid[1, :], WEST >> RAMP)
    build.host_stream("weights", color, build.grid[0, :], WEST)
    build.main().integer(0)
    with pytest.raises(ProgramError, match=r"colour weights arrives on PE \(1, 0\), where nothing receives it"):
        check(build.finish(), toy(2, 1))


def test_a_rerouted_entry_is_refused() -> None:
    build = draft(WEST >> RAMP)
    build.main(build.grid[0, 1]).reroute(build.finish().colors[0], EAST >> RAMP)
    with pytest.raises(ProgramError, match=r"to PE \(0, 1\), which has WEST >> RAMP and EAST >> RAMP"):
        check(build.finish(), toy(3, 2))


def test_filters_stand_before_a_ramp_one_for_a_color_and_few() -> None:
    wafer = toy(3, 2)

    def made(**more: Any) -> Builder:
        build = draft(WEST >> RAMP)
        build.filter(build.finish().colors[0], build.grid[more.pop("x", 0), :], keep=1, of=2, **more)
        return build

    check(made().finish(), wafer)
    build = made(x=1)
    with pytest.raises(ProgramError, match=r"colour weights is filtered on PE \(1, 0\) and 1 more, which has no route"):
        check(build.finish(), wafer)
    build = made()
    build.filter(build.finish().colors[0], build.grid[0, 1], keep=1, of=2)
    with pytest.raises(ProgramError, match=r"colour weights has two filters on PE \(0, 1\), made at"):
        check(build.finish(), wafer)
    with pytest.raises(FitError, match=r"1 colours are filtered on PE \(0, 0\).* expected at most 0 on toy"):
        check(made().finish(), wafer.with_(filters=0))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"keep": 3, "of": 2}, "takes 3 of 2 wavelets"),
        ({"keep": 1, "of": 0}, "`of` of a filter .* is 0: expected a whole number, 1 or more"),
        ({"keep": 1, "of": 2, "first": 2}, r"the first at array\(2\): expected .* whole numbers 0\.\.1"),
        ({"keep": 1, "of": 2, "first": np.zeros(5, int)}, r"has shape \(5,\): expected \(height, width\) = \(2, 3\)"),
    ],
)
def test_filters_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    build = Builder(3, 2)
    with pytest.raises(ProgramError, match=message):
        build.filter(build.color("c"), build.grid, **options)


def test_streams_that_make_no_sense() -> None:
    build = Builder(3, 2)
    for side in (RAMP, "west"):
        with pytest.raises(ProgramError, match="expected EAST, NORTH, WEST or SOUTH"):
            build.host_stream("weights", build.color("c"), build.grid, side)  # type: ignore[arg-type]
    with pytest.raises(ProgramError, match="expected one PE or more"):
        build.host_stream("weights", build.color("c"), build.grid[0:0, :], WEST)


@pytest.mark.parametrize(
    "changes", [{"io_edges": ()}, {"io_edges": (4,)}, {"io_edges": (0, 0)}, {"io_edges": (0, 1, 2), "io_channels": 4}]
)
def test_channels_and_edges_that_make_no_sense(changes: dict[str, Any]) -> None:
    with pytest.raises(UsageError, match="expected different ones of EAST"):
        WSE2.with_(**changes)


# -- listing and report -------------------------------------------------------------------------------


def test_the_listing_shows_streams_and_filters() -> None:
    program = line(3, 2, 4, filtered=True)
    text = program.listing()
    assert "host streams: name, colour, PEs, side\n  weights  weights  [0, 0:2]  from the WEST\n" in text
    assert "filters: colour, PEs, wavelets taken\n  weights  [0:3, 0:2]  4 of 12, from 0..8 by PE\n" in text
    assert "; test_host.py:" in program.listing(source=True).split("host streams")[1].split("filters")[0]
    other = line(3, 2, 4, filtered=True)
    assert program.hash == other.hash
    other.filters[0].first.flags.writeable = True
    other.filters[0].first[0, 0] += 1
    del other.__dict__["hash"]
    assert program.hash != other.hash


def test_bytes_and_time_of_the_link_are_reported() -> None:
    n, height = 50, 4
    wafer = with_rate(toy(2, height), Fraction(1, 3))
    report = report_of(line(2, height, n), wafer, values(height, n))
    assert report.work.streamed_bytes == 4 * n * height
    assert report.work.stream_cycles == 3 * n * height
    assert 0.95 < report.link_share <= 1
    assert report.sections.streamed_bytes.tolist() == [2 * 4 * n * height]  # two PEs of a row hear each word
    assert report.links.hosted.tolist() == [n * height]
    assert report.broken_laws() == ()
    assert {"host_bytes_per_second", "io_channels", "io_edges"} <= set(report.provenance.used)
    assert "io_edges" not in report.assumed  # the user has set it
    assert Report.from_json(report.to_json()) == report
    twice = Machine(line(2, height, n), wafer)
    for _ in range(2):
        twice.stream("weights", values(height, n))
        twice.launch()
    assert twice.report().work.stream_cycles == 2 * report.work.stream_cycles
    assert (twice.report() - report).work.streamed_bytes == report.work.streamed_bytes


def test_the_memory_wall_and_the_pictures_know_the_link() -> None:
    n, height = 50, 4
    slow, fast = (
        report_of(line(2, height, n), with_rate(toy(2, height), words), values(height, n))
        for words in (Fraction(1, 20), Fraction(4))
    )
    wall = slow.memory_wall()
    assert wall.host_bound
    assert not fast.memory_wall().host_bound
    assert wall.streamed_bytes == 4 * n * height
    assert wall.weight_wait == slow.totals[State.WEIGHT_WAIT] > 0.8 * slow.cycles * slow.pes
    assert "800 bytes streamed, " in wall.describe()
    assert "The host link bounded the run: 800 bytes of weights" in slow.explain()
    assert "bounded the run" not in fast.explain()
    ax = draw_rooflines({"slow": slow, "fast": fast})
    labels = [text.get_text() for text in ax.get_legend().get_texts()]
    assert {"slow, streamed bytes", "fast, streamed bytes"} <= set(labels)
    rate = fast.memory_wall().link_bytes_per_cycle
    assert wall.link_bytes_per_cycle == pytest.approx(4 / 20, rel=0.01)
    assert f"host link, {rate:.4g} bytes per cycle" in labels
    with pytest.raises(UsageError, match="no reports to draw"):
        draw_rooflines({})


def test_the_stream_engine_leaves_such_pes_and_says_why() -> None:
    wafer, given = with_rate(toy(2, 2), Fraction(1)), values(2, 8)
    report = report_of(line(2, 2, 4, filtered=True), wafer, given, engine="auto")
    assert report.provenance.engine == "cycle"
    machine = Machine(line(2, 2, 4, filtered=True), wafer, engine="stream")
    machine.stream("weights", given)
    with pytest.raises(RunError, match="meets a colour that the host feeds, or that a filter thins out"):
        machine.launch()


def test_presets_have_a_link_of_150_gb_a_second() -> None:
    for wafer in (WSE2, WSE3):
        assert wafer.host_bytes_per_second == 150 * 10**9
        assert wafer.origins["host_bytes_per_second"].kind == wafer.origins["io_channels"].kind == "published"
        assert wafer.origins["io_edges"].kind == "assumed"
