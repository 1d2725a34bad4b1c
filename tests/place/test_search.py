"""Searches: what they keep, that they resume, and that they survive the death of who works for them."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest
from place.search_work import dies, dies_once, square

from wse_sim import WSE2, f16, toy
from wse_sim.errors import FitError, RunError, UsageError
from wse_sim.mapping.cli import main
from wse_sim.mapping.commands.problem import dead_of
from wse_sim.mapping.comparison.compare import row_of_strategy
from wse_sim.mapping.model import GPTConfig
from wse_sim.mapping.search import search as module
from wse_sim.mapping.search.candidates import Candidate, first, second
from wse_sim.mapping.search.results import Results
from wse_sim.mapping.search.search import Limits, pareto, search
from wse_sim.mapping.search.workers import each
from wse_sim.mapping.strategies import STRATEGIES, Problem

SMALL = GPTConfig(name="small", n_layer=2, n_embd=24, n_head=2, n_positions=16, vocab_size=40)
PROBLEM = Problem(config=SMALL, wafer=toy(14, 14), dtype=f16)
SOME = ["layer-sequential", "pipeline"]


def row(cycles: int, tokens: float, joules: float) -> dict[str, Any]:
    return {"cycles_per_token": cycles, "tokens_per_s": tokens, "joules_per_token": joules}


def test_the_pareto_set_is_what_nothing_beats() -> None:
    rows = [row(9, 5, 1), row(8, 5, 1), row(20, 9, 3), row(8, 5, 1), row(8, 4, 0.5), row(30, 9, 3)]
    found = [(Candidate(str(i), ""), r) for i, r in enumerate(rows)]
    kept = [c.strategy for c, _ in pareto(found, ("latency", "throughput", "energy"), "throughput")]
    assert kept == ["2", "1", "4"]
    assert [c.strategy for c, _ in pareto(found, ("latency",), "latency")] == ["1"]


def test_a_search_gives_mappings_that_do_what_its_rows_say(tmp_path: Path) -> None:
    out = tmp_path / "results.jsonl"
    told: list[tuple[str, int, int]] = []
    options = {"strategies": SOME, "fidelity": "estimate", "workers": 1, "out": out}
    found = search(PROBLEM, **options, progress=lambda *args: told.append(args))
    assert found.tokens_per_s.is_monotonic_decreasing
    for _, best in found.iterrows():
        again = best.candidate.row(PROBLEM, "estimate")
        assert again["tokens_per_s"] == best.tokens_per_s
        assert len(best.candidate.mapping(PROBLEM).parts(0)) == best.parts
    every = [json.loads(line)["row"] for line in out.read_text().splitlines()[1:]]
    assert found.tokens_per_s.max() == max(r["tokens_per_s"] for r in every if r["feasible"])
    assert told[-1][1] == told[-1][2] == len(every) - 10 > 4
    few = search(PROBLEM, **options, limits=Limits(max_pes=40))
    assert (few.pes <= 40).all()
    with pytest.raises(FitError, match=r"keeps to \w+ [\d.,e+-]+: expected wider limits"):
        search(PROBLEM, **options, limits=Limits(max_cycles_per_token=1))


def test_what_was_found_is_not_asked_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[str] = []

    def counting(problem: Problem, fidelity: str, candidate: Candidate) -> dict[str, Any]:
        if len(asked) == 7:
            asked.append("stop")
            raise KeyboardInterrupt
        asked.append(candidate.key)
        return candidate.row(problem, fidelity)

    monkeypatch.setattr(module, "_row", counting)
    out = tmp_path / "results.jsonl"
    options = {"fidelity": "estimate", "workers": 1, "strategies": SOME}
    with pytest.raises(KeyboardInterrupt):
        search(PROBLEM, out=out, **options)
    assert len(out.read_text().splitlines()) == 1 + 7
    with out.open("a") as file:
        file.write('{"fidelity": "estimate", "key": "cut o')
    resumed = search(PROBLEM, out=out, **options)
    keys = [key for key in asked if key != "stop"]
    assert len(keys) == len(set(keys))
    whole = search(PROBLEM, out=tmp_path / "other.jsonl", **options)
    assert resumed.drop(columns="candidate").equals(whole.drop(columns="candidate"))


def test_results_files_that_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "results.jsonl"
    row = row_of_strategy("layer-sequential", PROBLEM).to_dict()
    Results(PROBLEM, path).add("estimate", "a", row)
    assert Results(PROBLEM, path).rows == {("estimate", "a"): row}
    with pytest.raises(UsageError, match=r"results.jsonl belongs to another search: seed differs; expected that"):
        Results(PROBLEM.with_(seed=8), path)
    path.write_text(path.read_text() + "no json\n{}\n")
    with pytest.raises(UsageError, match=r"results.jsonl, line 3 is no JSON: .*mend or remove"):
        Results(PROBLEM, path)
    path.write_text(path.read_text().replace("no json\n", ""))
    with pytest.raises(UsageError, match=r"line 3: expected a result with fidelity, key and row"):
        Results(PROBLEM, path)
    head, line = path.read_text().splitlines()[:2]
    for broken in ({"fidelity": "estimate", "key": "a", "row": {"feasible": True}}, {"fidelity": [], "key": 1}, 7):
        path.write_text(f"{head}\n{json.dumps(broken)}\n")
        with pytest.raises(UsageError, match=r"line 2: expected a result with fidelity, key and row"):
            Results(PROBLEM, path)
    plain = json.loads(head)
    for other in ([1], {}, None, plain | {"problem": None}, {k: v for k, v in plain.items() if k != "problem"}):
        path.write_text(json.dumps(other) + "\n")
        with pytest.raises(UsageError, match="holds no results of a search: expected a first line of format"):
            Results(PROBLEM, path)
    path.write_bytes(b"\x89PNG\xff\n")
    with pytest.raises(UsageError, match=r"results.jsonl, line 1 is no JSON"):
        Results(PROBLEM, path)
    path.write_text(head[: len(head) // 2])
    with pytest.raises(UsageError, match="holds no results of a search"):
        Results(PROBLEM, path)
    path.write_text(json.dumps(plain | {"version": "0.0.1"}) + "\n")
    with pytest.raises(UsageError, match=r"was written by version 0.0.1 of the simulator, and this is [\d.]+: exp"):
        Results(PROBLEM, path)
    path.write_text(f"{head}\n{line}\n{line[:20]}")  # cut off while it was written
    assert len(Results(PROBLEM, path).rows) == 1
    assert path.read_text() == f"{head}\n{line}\n"


def test_candidates_go_round_what_can_be() -> None:
    assert {c.strategy for c in first(PROBLEM)} == set(STRATEGIES)
    tried = first(PROBLEM, ["pipeline", "tensor-parallel"])
    found = [(c, c.row(PROBLEM, "estimate")) for c in tried]
    more = second(PROBLEM, found)
    assert not set(more) & set(tried)
    assert len(more) == len(set(more))
    assert {"row-major", "hilbert", "treemap", "annealed"} <= {c.placement for c in more if c.strategy == "pipeline"}
    assert {c.shards for c in more if c.strategy == "tensor-parallel"} == {2}


# -- workers ------------------------------------------------------------------------------------------


def test_processes_share_the_work_and_one_that_dies_loses_nothing(tmp_path: Path) -> None:
    found = dict(each(square, range(6), workers=2))
    assert {task: value for task, (value, _) in found.items()} == {n: n * n for n in range(6)}
    assert os.getpid() not in {who for _, who in found.values()}
    again = list(each(partial(dies_once, str(tmp_path)), range(6), workers=2))
    assert sorted(again) == [(n, -n) for n in range(6)]
    with pytest.raises(RunError, match="a worker process died 3 times with 2 tasks left: expected memory enough"):
        list(each(dies, range(2), workers=2))


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="asks the kernel for the state of processes")
def test_workers_end_with_a_parent_that_is_killed(tmp_path: Path) -> None:
    code = "from place.search_work import note_and_wait; from functools import partial; " \
        "from wse_sim.mapping.search.workers import each; " \
        f"list(each(partial(note_and_wait, {str(tmp_path)!r}), range(2), workers=2))"  # fmt: skip
    paths = os.pathsep.join(sys.path)
    with subprocess.Popen([sys.executable, "-c", code], env={**os.environ, "PYTHONPATH": paths}) as parent:
        found = wait_for(lambda: [int(path.name) for path in tmp_path.iterdir()], lambda pids: len(pids) == 2)
        parent.kill()
    wait_for(lambda: [pid for pid in found if is_running(pid)], lambda left: not left)


def wait_for(look: Callable[[], list[int]], done: Callable[[list[int]], bool]) -> list[int]:
    for _ in range(600):
        found = look()
        if done(found):
            return found
        time.sleep(0.1)
    pytest.fail(f"waited for a minute: {found}")


def is_running(pid: int) -> bool:
    """Neither gone nor waiting to be buried."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_estimates_do_not_depend_on_the_processes_that_they_come_from() -> None:
    problem = Problem(config=SMALL, wafer=WSE2, dtype=f16, width=14, height=14)
    options = {"strategies": SOME, "fidelity": "estimate"}
    one, two = (search(problem, workers=workers, **options) for workers in (1, 2))
    assert one.equals(two)


@pytest.mark.filterwarnings("ignore")
def test_a_killed_dask_worker_loses_no_result() -> None:
    distributed = pytest.importorskip("distributed")
    options = {"processes": True, "threads_per_worker": 1, "dashboard_address": None}
    with distributed.LocalCluster(n_workers=2, **options) as cluster:
        found: dict[int, tuple[int, int]] = {}
        for task, (value, who) in each(square, range(20), scheduler=cluster.scheduler_address):
            if not found:
                os.kill(who, signal.SIGKILL)
            assert task not in found
            found[task] = (value, who)
        assert {task: value for task, (value, _) in found.items()} == {n: n * n for n in range(20)}
        assert len({who for _, who in found.values()}) > 1


def test_a_scheduler_that_is_not_there_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("distributed")
    monkeypatch.setattr("wse_sim.mapping.search.workers.CONNECT_SECONDS", 1)
    with pytest.raises(UsageError, match=r"--scheduler tcp://127.0.0.1:9: .*expected the address of a running Dask"):
        list(each(square, range(2), scheduler="tcp://127.0.0.1:9"))


# -- command ------------------------------------------------------------------------------------------


def called(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str]:
    monkeypatch.setattr("sys.argv", ["wse-sim", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    captured = capsys.readouterr()
    return int(stop.value.code or 0), captured.out + captured.err


def test_the_command(capsys, monkeypatch, tmp_path) -> None:
    monkeypatch.setattr("wse_sim.mapping.search.candidates.SCALES", (1.0,))
    out = tmp_path / "results.jsonl"
    base = ["search", "--model", "alice", "--grid", "20x20", "--workers", "1", "--fidelity", "estimate", "--out"]
    code, text = called(capsys, monkeypatch, *base, str(out), "--goal", "latency", "--json")
    rows = json.loads(text)["rows"]
    assert code == 0
    assert rows[0]["cycles_per_token"] == min(r["cycles_per_token"] for r in rows)
    assert {"strategy", "placement", "candidate", "tokens_per_s"} <= set(rows[0])
    code, text = called(capsys, monkeypatch, *base, str(out), "--max-pes", "300")
    assert code == 0
    assert "best throughput first" in text
    for more, message in (
        ([str(out), "--max-pes", "1"], "keeps to max_pes 1: expected wider limits"),
        ([str(out), "--goal", "beauty"], "goal 'beauty'"),
        ([str(out), "--context", "16"], "belongs to another search: "),
        (["/dev/full"], "No space left on device"),
        ([str(out), "--weights", "beauty=1"], "--weights 'beauty=1': 'beauty' is none; expected some of latency, "),
        ([str(out), "--weights", "latency=1,latency=2"], "'latency' is named twice; expected some of latency, period"),
        ([str(out), "--weights", "traffic=much"], "'much' of traffic is no number; expected"),
        ([str(out), "--strategies", "pipeline,nothing"], "unknown strategy 'nothing'"),
        ([str(out), "--placement", "hilbert,nowhere"], "unknown placement 'nowhere'"),
        ([str(out), "--phase", "prefill", "--prompt", "999"], "prompts of 999 tokens: expected 1 to"),
    ):
        code, text = called(capsys, monkeypatch, *base, *more)
        assert (code, message in text) == (2, True), text


def test_the_command_keeps_to_strategies_and_placements(capsys, monkeypatch) -> None:
    monkeypatch.setattr("wse_sim.mapping.search.candidates.SCALES", (1.0,))
    base = ["search", "--model", "alice", "--grid", "30x30", "--workers", "1", "--fidelity", "estimate", "--json"]
    code, text = called(capsys, monkeypatch, *base, "--strategies", "pipeline,weight-streaming",
                        "--placement", "hilbert")  # fmt: skip
    rows = json.loads(text)["rows"]
    assert code == 0
    assert {row["strategy"] for row in rows} <= {"pipeline", "weight-streaming"}
    assert {row["placement"] for row in rows if row["strategy"] == "pipeline"} == {"hilbert"}


def test_random_dead_pes_are_of_the_grid() -> None:
    drawn = dead_of("30", 1, 8, 4)
    assert len(drawn) == 30
    assert all(x < 8 and y < 4 for x, y in drawn)
    assert dead_of("25%", 1, 8, 4) == dead_of("8", 1, 8, 4) != dead_of("8", 2, 8, 4)
    with pytest.raises(UsageError, match="33 dead PEs on 8x4: expected 0 to 32"):
        dead_of("33", 0, 8, 4)
