"""Recordings in the formats of viewers, read back by readers that share no code with the writers."""

from __future__ import annotations

import gzip
import json
from itertools import pairwise
from pathlib import Path
from random import Random
from typing import Any

import numpy as np
import pytest
from strategies import Case, random_case
from wse_viz_reader import delivered, read_log, state_at

from wse_sim.engine.machine import Machine
from wse_sim.errors import UsageError
from wse_sim.hardware import EAST, RAMP, SOUTH, WEST, WSE3, State, f16, f32, toy
from wse_sim.hardware.states import BUSY
from wse_sim.program.builder import Builder
from wse_sim.report.report import Report
from wse_sim.report.trace import Recording, Trace
from wse_sim.report.trace.events import PORTS, QUEUE
from wse_sim.report.trace.levels import link_levels, queue_levels
from wse_sim.report.trace.wavelets import parents, wavelet_of

SEEDS = range(500, 512)


def record(case: Case, trace: Trace | None = None) -> tuple[Recording, Report]:
    machine = Machine(case.program, case.wafer, trace=trace or Trace())
    for arguments in case.launches:
        machine.launch(arguments)
    return machine.recording(), machine.report()


def multicast(wafer: Any = None) -> tuple[Recording, Report]:
    """PE (0, 0) sends 5 elements to the three others of a row of 4, and PE (1, 0) hands them on to the south."""
    build = Builder(4, 2, name="multicast")
    red, blue, grid = build.color("red"), build.color("blue"), build.grid
    x = build.buffer("x", f32, 5, init=1.5)
    build.route(red, grid[0, 0], RAMP >> EAST)
    build.route(red, grid[1:3, 0], WEST >> (RAMP | EAST))
    build.route(red, grid[3, 0], WEST >> RAMP)
    build.route(blue, grid[1, 0], RAMP >> SOUTH)
    build.route(blue, grid[1, 1], SOUTH.opposite >> RAMP)
    build.main(grid[0, 0]).mov(red, x)
    build.main(grid[1, 0]).mov(blue, red, n=5)
    build.main(grid[2:4, 0]).mov(x, red)
    build.main(grid[1, 1]).mov(x, blue)
    machine = Machine(build.finish(), wafer or toy(4, 2), trace=Trace())
    machine.launch()
    return machine.recording(), machine.report()


# -- wse-viz ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", SEEDS)
def test_the_log_follows_the_grammar_and_no_wavelet_jumps(seed: int, tmp_path: Path) -> None:
    case = random_case(Random(seed), phases=6)
    recording, report = record(case)
    log = read_log(recording.to_wse_viz(tmp_path / "run.log").read_text("ascii"))
    assert log.size == (case.program.width, case.program.height)
    inside = set(case.program.grid)
    ends = {ident: delivered(log, ident, begins=0, ends=recording.end, inside=inside) for ident in log.hops}
    assert sum(map(len, ends.values())) == report.links.deliveries.sum()
    assert len(ends) == len(log.sent) == report.links.injections.sum()
    assert log.stuck == 0
    departures = sum(len(hop.departing.replace("R", "")) for hops in log.hops.values() for hop in hops)
    assert departures == report.links.hops.sum()


@pytest.mark.parametrize("seed", SEEDS)
def test_the_log_shows_busy_and_stalled_cycles_as_counted(seed: int, tmp_path: Path) -> None:
    case = random_case(Random(seed), phases=5)
    recording, report = record(case)
    log = read_log(recording.to_wse_viz(tmp_path / "run.log").read_text("ascii"))
    for x, y in case.program.grid:
        shown = [state_at(log, (x, y), cycle) for cycle in range(recording.end)]
        counts = report.states[y, x]
        idle, busy = int(counts[State.IDLE]), int(counts[list(BUSY)].sum())
        assert shown.count("IDLE") == idle
        assert shown.count("NOP") == recording.end - idle - busy
        stalled = {cycle for cycle, name in log.states[x, y] if name == "NOP"}
        assert {cycle for cycle, _ in log.stalls[x, y]} == stalled, "each NOP has its reason, just before"


def test_a_window_of_a_region_has_no_gaps_either(tmp_path: Path) -> None:
    cut = 0
    for seed in SEEDS:
        case = random_case(Random(seed), phases=6, grid=(4, 3))
        first, last, region = 60, 400, case.program.grid[1:4, 0:2]
        recording, _ = record(case, Trace(window=(first, last), region=region))
        log = read_log(recording.to_wse_viz(tmp_path / "run.log").read_text("ascii"))
        for ident in log.hops:
            delivered(log, ident, begins=first, ends=recording.end, inside=set(region))
        cut += log.stuck
        cycles = [hop.cycle for hops in log.hops.values() for hop in hops]
        assert all(first <= cycle < recording.end + 1 for cycle in cycles)


def test_hops_of_two_cycles_land_and_then_depart(tmp_path: Path) -> None:
    recording, _ = multicast(WSE3.crop(4, 2))
    assert WSE3.hop_cycles == 2
    log = read_log(recording.to_wse_viz(tmp_path / "run.log").read_text("ascii"))
    first = min(log.hops.values(), key=lambda hops: hops[0].cycle)
    start = first[0].cycle
    assert [(hop.cycle - start, hop.pe, hop.landing, hop.departing) for hop in first] == [
        (0, (0, 0), "R", "E"),
        (1, (1, 0), "W", ""), (2, (1, 0), "-", "ER"),
        (3, (2, 0), "W", ""), (4, (2, 0), "-", "ER"),
        (5, (3, 0), "W", ""), (6, (3, 0), "-", "R"),
    ]  # fmt: skip


def test_a_line_of_each_kind_reads_as_the_viewer_expects(tmp_path: Path) -> None:
    recording, _ = multicast()
    lines = recording.to_wse_viz(tmp_path / "run.log").read_text().splitlines()
    assert lines[0] == "@0 dimX=4, dimY=2"
    texts = {line.split(" ", 1)[1] for line in lines}
    assert "P0.0: [EX OP] ^ 0x0000: T00 FMOVS" in texts
    assert "P2.0: T00 Not enough wavelets (0/1) for SRC1 with C0, IN_Q[0], SIMD-1" in texts
    assert "P0.0: pe: Writing wavelet C0 data=0000 to OUT_Q[0]" in texts
    assert "P0.0: pe: Sending wavelet C0 data=0000 ident:0000000000000000 on OUT_Q[0]" in texts
    hop = "(hwtile) wavelet C0 ctrl=0, idx=3fc0, data=0000 (f32(1.5)), half=0, ident=0000000000000000"
    assert f"P0.0 {hop} landing=R departing=/E    /" in texts
    assert f"P1.0 {hop} landing=W departing=/E   R/, lf=1 to_ce_from_q" in texts


def test_half_precision_reads_as_such(tmp_path: Path) -> None:
    build = Builder(2, 1, name="halves")
    red, x, grid = build.color("red"), build.buffer("x", f16, 4, init=-2.0), build.grid
    build.route(red, grid[0, 0], RAMP >> EAST)
    build.route(red, grid[1, 0], WEST >> RAMP)
    build.main(grid[0, 0]).mov(red, x)
    build.main(grid[1, 0]).mov(x, red)
    machine = Machine(build.finish(), toy(2, 1), trace=Trace())
    machine.launch()
    text = machine.recording().to_wse_viz(tmp_path / "run.log").read_text()
    assert "idx=c000, data=c000 (f16(-2.0))" in text
    assert "(0/2) for SRC1 with C0, IN_Q[0], SIMD-2" in text


def walk(text: str, recording: Recording) -> None:
    log = read_log(text)
    for ident in log.hops:
        delivered(log, ident, begins=0, ends=recording.end, inside=set(recording.region))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("@0 dimX=4, dimY=2\n", ""),  # no size
        ("landing=W", "landing=N"),  # from the wrong side
        ("departing=/E   R/, lf=1 to_ce_from_q", "departing=/E   R/"),  # not consumed
        ("(f32(1.5))", "f32(1.5)"),  # a value in one pair of parentheses
        ("ident:", "ident="),
        ("C1 ctrl=0, idx=3fc0, data=0000", "C1 ctrl=0, idx=3fc0, data=0001"),  # another word on the way
    ],
)
def test_the_reader_is_strict(old: str, new: str, tmp_path: Path) -> None:
    recording, _ = multicast()
    text = recording.to_wse_viz(tmp_path / "run.log").read_text()
    assert old in text
    walk(text, recording)
    with pytest.raises(AssertionError):
        walk(text.replace(old, new, 1), recording)


# -- Chrome trace events ----------------------------------------------------------------------------------


NAMES = {"process_name": ("name", str), "thread_name": ("name", str), "process_sort_index": ("sort_index", int)}


def check_chrome(trace: dict[str, Any]) -> None:
    """The parts of the trace event format that are used, strictly."""
    assert set(trace) == {"traceEvents", "displayTimeUnit", "otherData"}
    assert trace["displayTimeUnit"] in ("ms", "ns")
    ends: dict[tuple[int, int], int] = {}
    counters: dict[tuple[int, str], int] = {}
    for event in trace["traceEvents"]:
        assert isinstance(event["name"], str)
        assert event["name"]
        assert isinstance(event["pid"], int)
        if event["ph"] == "M":
            key, kind = NAMES[event["name"]]
            assert set(event) == {"name", "ph", "pid", "tid", "args"}
            assert isinstance(event["args"][key], kind)
        elif event["ph"] == "X":
            assert set(event) == {"name", "cat", "ph", "pid", "tid", "ts", "dur", "args"}
            assert isinstance(event["ts"], int)
            assert event["dur"] > 0
            track = (event["pid"], event["tid"])
            assert event["ts"] >= ends.get(track, 0), "slices of a track do not overlap"
            ends[track] = event["ts"] + event["dur"]
        else:
            assert event["ph"] == "C"
            assert set(event) == {"name", "ph", "pid", "ts", "args"}
            ((_, value),) = event["args"].items()
            assert isinstance(value, int)
            assert value >= 0
            key = (event["pid"], event["name"])
            assert event["ts"] > counters.get(key, -1), "a counter changes once in a cycle"
            counters[key] = event["ts"]


@pytest.mark.parametrize("seed", SEEDS)
def test_chrome_traces_are_valid_and_hold_what_was_counted(seed: int, tmp_path: Path) -> None:
    case = random_case(Random(seed), phases=6)
    recording, report = record(case)
    trace = json.loads(recording.to_chrome(tmp_path / "trace.json").read_text("utf-8"))
    check_chrome(trace)
    events = trace["traceEvents"]
    for x, y in case.program.grid:
        own = [e for e in events if e["pid"] == y * case.program.width + x]
        assert [e["args"]["name"] for e in own if e["name"] == "process_name"] == [f"PE ({x}, {y})"]
        counts = dict.fromkeys((s.name for s in State), 0)
        for event in own:
            if event["ph"] == "X" and event["tid"] == 0:
                counts[event["args"]["state"]] += event["dur"]
        counts["IDLE"] = report.cycles - sum(counts.values())
        assert counts == {s.name: int(report.states[y, x, s]) for s in State}
        for direction in range(4):
            changes = [(e["ts"], e["args"]["wavelets"]) for e in own if e["name"] == f"link {PORTS[direction]}"]
            cycles = sum(later[0] - now[0] for now, later in pairwise(changes) if now[1] == 1)
            assert cycles == report.links.wavelets[y, x, direction]
            assert {level for _, level in changes} <= {0, 1}


def test_names_and_texts_of_slices(tmp_path: Path) -> None:
    recording, _ = multicast()
    path = recording.to_chrome(tmp_path / "trace.json.gz")
    trace = json.loads(gzip.decompress(path.read_bytes()))
    check_chrome(trace)
    slices = [e for e in trace["traceEvents"] if e["ph"] == "X" and e["pid"] == 2]
    names = [e["name"] for e in slices]
    assert names[:3] == ["task switch", "overhead", "wait for red"]
    assert {"fmovs", "wait for red"} <= set(names)
    assert slices[-1]["args"]["instruction"] == "mov x[0 n=5] <- red  n=5 as f32"
    assert trace["otherData"]["unit"] == "1 us is 1 cycle"


def test_sizes_stay_within_what_was_said_beforehand(tmp_path: Path) -> None:
    for seed in SEEDS:
        case = random_case(Random(seed), phases=6)
        recording, _ = record(case, Trace(events=100))
        limits = Trace(events=100).limits(case.program)
        assert recording.to_chrome(tmp_path / "t.json").stat().st_size <= limits.json_bytes
        assert recording.to_wse_viz(tmp_path / "t.log").stat().st_size <= limits.log_bytes


# -- wavelets and levels ----------------------------------------------------------------------------------


def test_stays_of_a_wavelet_have_its_word_and_follow_each_other() -> None:
    for seed in SEEDS:
        recording, report = record(random_case(Random(seed), phases=6))
        stays, parent, wavelet = recording.stays, parents(recording), wavelet_of(recording)
        child = np.flatnonzero(parent >= 0)
        assert (stays.word[child] == stays.word[parent[child]]).all()
        assert (stays.color[child] == stays.color[parent[child]]).all()
        assert (stays.left[parent[child]] == stays.entered[child]).all()
        assert (parent >= 0).sum() == len(stays) - report.links.injections.sum(), "all begin in an output queue"
        assert len(np.unique(wavelet)) == report.links.injections.sum()


def test_levels_of_queues_are_those_of_a_recount() -> None:
    for seed in SEEDS:
        case = random_case(Random(seed), phases=5)
        recording, _ = record(case, Trace(window=(40, 300)))
        levels, stays = queue_levels(recording), recording.stays
        last: dict[tuple[int, ...], int] = {}
        for place, cycle, level in zip(
            map(tuple, levels.place.tolist()), levels.cycle.tolist(), levels.level.tolist(), strict=True
        ):
            here = (stays.pe == place[0]) & (stays.color == place[1]) & (stays.port == place[2])
            inside = here & (stays.entered <= cycle) & ((stays.left > cycle) | (stays.left < 0))
            assert level == inside.sum()
            assert last.get(place) != level, "only changes"
            last[place] = level
        if len(levels.place):
            assert (levels.place[:, 2] <= QUEUE).all()
        links = link_levels(recording)
        assert set(links.level.tolist()) <= {0, 1}


# -- files and tables -------------------------------------------------------------------------------------


def test_a_recording_comes_back_from_its_file(tmp_path: Path) -> None:
    recording, _ = record(random_case(Random(501), phases=6, grid=(3, 2)))
    path = recording.save(tmp_path / "trace.npz")
    assert Recording.load(path) == recording
    (tmp_path / "other").write_text("nothing")
    with pytest.raises(UsageError, match=r"other is no recording: expected a file that Recording.save wrote"):
        Recording.load(tmp_path / "other")
    np.savez(tmp_path / "array.npz", x=np.zeros(3))
    with pytest.raises(UsageError, match="its format is None, expected 'wse_sim recording 1'"):
        Recording.load(tmp_path / "array.npz")
    np.save(tmp_path / "bare.npy", np.zeros(3))
    with pytest.raises(UsageError, match=r"bare.npy is no recording"):
        Recording.load(tmp_path / "bare.npy")
    with np.load(path) as file:
        np.savez(tmp_path / "part.npz", header=file["header"], role=file["role"])
    with pytest.raises(UsageError, match=r"no whole recording in .*part.npz: 'stays.pe' is missing"):
        Recording.load(tmp_path / "part.npz")


def test_tables_say_what_happened() -> None:
    recording, report = multicast()
    states = recording.to_frame()
    length = (states.end - states.start).groupby(states.state).sum()
    assert length["MOVE"] == report.totals[State.MOVE]
    moves = states[(states.x == 2) & (states.state == "MOVE")]
    assert set(moves.instruction) == {"mov x[0 n=5] <- red  n=5 as f32"}
    wavelets = recording.to_frame("wavelet")
    first = wavelets[wavelets.wavelet == wavelets.wavelet.min()]
    stays = sorted(zip(first.x, first.queue, strict=True))
    assert stays == [(0, "RAMP"), *((x, port) for x in (1, 2, 3) for port in ("QUEUE", "WEST"))]
    assert recording.to_frame("background").empty
    with pytest.raises(UsageError, match=r"no table by 'wavelets'. Did you mean 'wavelet'"):
        recording.to_frame("wavelets")  # type: ignore[arg-type]


def test_a_recording_describes_itself() -> None:
    recording, _ = multicast()
    text = recording.describe()
    assert text.startswith(f"multicast on toy: cycles 0 to {recording.end} of PEs [0:4, 0:2]; ")
    assert text in repr(recording)
