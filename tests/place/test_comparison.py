"""Comparisons: the three fidelities agree as far as they say, and infeasible rows say why."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from itertools import combinations

import pytest

from wse_sim import WSE2, WSE3, f16, f32, toy
from wse_sim.errors import UsageError
from wse_sim.mapping.cli import main
from wse_sim.mapping.comparison.compare import compare, row_of, row_of_strategy, to_frame
from wse_sim.mapping.comparison.many import rows_of_strategies
from wse_sim.mapping.comparison.row import Row
from wse_sim.mapping.comparison.simulated import busiest_of
from wse_sim.mapping.comparison.simulated_prompt import solo_prompt
from wse_sim.mapping.comparison.solo import solo_report
from wse_sim.mapping.model import GPTConfig, preset
from wse_sim.mapping.region.layout import Layout
from wse_sim.mapping.region.prefill_traffic import prompt_traffic
from wse_sim.mapping.region.traffic import traffic_of
from wse_sim.mapping.strategies import STRATEGIES, Problem, strategy

NAMES = sorted(set(STRATEGIES) - {"prefill-decode"})  # which decodes as layer-sequential does
SMALL = GPTConfig(name="small", n_layer=3, n_embd=96, n_head=6, n_positions=64, vocab_size=200)


@pytest.mark.parametrize("wafer", [toy(16, 16), WSE3.crop(16, 16)])
def test_estimates_samples_and_simulations_agree(wafer) -> None:
    config = replace(SMALL, n_embd=48, n_inner=192, vocab_size=100)
    problem = Problem(config=config, wafer=wafer, dtype=f32)
    found: dict[str, list[Row]] = {name: [] for name in ("estimate", "sampled", "exact")}
    for name in NAMES:
        few = {"replicas": 3} if "replicas" in strategy(name).uses else {}  # all alike
        mapping = strategy(name).plan(problem.with_(**few))
        for fidelity, rows in found.items():
            rows.append(row_of(mapping, fidelity=fidelity, position=30))
    for guess, part, whole in zip(*found.values(), strict=True):
        assert abs(guess.cycles_per_token / whole.cycles_per_token - 1) < 0.08
        assert abs(part.cycles_per_token / whole.cycles_per_token - 1) < 0.03
        assert abs(whole.estimate_error - (guess.cycles_per_token / whole.cycles_per_token - 1)) < 1e-9
        assert abs(guess.wavelets_per_token / whole.wavelets_per_token - 1) < 0.02
        assert abs(guess.busiest_link_share / whole.busiest_link_share - 1) < 0.12
        assert abs(guess.joules_per_token / whole.joules_per_token - 1) < 0.2
        assert_close(part, whole)
    for a, b in combinations(range(len(NAMES)), 2):
        apart = {name: rows[a].tokens_per_s / rows[b].tokens_per_s for name, rows in found.items()}
        if abs(apart["exact"] - 1) > 0.05:  # closer than that is a tie
            assert (apart["estimate"] > 1) == (apart["sampled"] > 1) == (apart["exact"] > 1)


def assert_close(part: Row, whole: Row) -> None:
    """All but the wavelets of hand-overs on the busiest link, which parts alone do not see."""
    assert abs(part.wavelets_per_token / whole.wavelets_per_token - 1) < 0.01
    assert -0.12 < part.busiest_link_share / whole.busiest_link_share - 1 < 0.01
    assert abs(part.joules_per_token / whole.joules_per_token - 1) < 0.015
    for row in (part, whole):
        assert abs(sum(row.stalls.values()) - 1) < 1e-9
    assert all(abs(part.stalls[group] - share) < 0.04 for group, share in whole.stalls.items())


def test_prompts_estimated_sampled_and_simulated_agree() -> None:
    config = replace(SMALL, n_layer=2, n_embd=24, n_inner=96, n_head=3, n_positions=16, vocab_size=50)
    problem = Problem(config=config, wafer=toy(12, 12), dtype=f32, phase="prefill", prompt=12)
    for name in STRATEGIES:
        mapping = strategy(name).plan(replace(problem, replicas=2 if name in ("replicas", "hybrid") else 0))
        guess, part, whole = (row_of(mapping, fidelity=f, position=10) for f in ("estimate", "sampled", "exact"))
        assert (whole.step_tokens, whole.phase) == (11, "prefill")
        assert abs(guess.step_cycles / whole.step_cycles - 1) < 0.03
        assert abs(part.step_cycles / whole.step_cycles - 1) < 0.01
        assert whole.cycles_per_token == -(-whole.step_cycles // 11)
        assert whole.parts == (2 if name in ("pipeline", "hybrid") else 1)
        assert (whole.hand_over_cycles is None) == (name != "prefill-decode")
        assert abs(guess.wavelets_per_token / whole.wavelets_per_token - 1) < 0.01
        assert_close(part, whole)
    refused = row_of_strategy("tensor-parallel", problem.with_(shards=5))
    assert "expected 2 to 8 shards that divide both" in refused.why_not
    with pytest.raises(UsageError, match="position 20 in a prompt of 12: expected 0 to 11"):
        row_of(mapping, position=20)


def test_a_full_host_link_is_what_it_is_however_fast_the_steps_are() -> None:
    config = replace(SMALL, n_layer=2, n_embd=24, n_inner=96, n_head=3, n_positions=16, vocab_size=50)
    free = Problem(config=config, wafer=toy(8, 8), dtype=f32, phase="prefill", prompt=12)
    part = row_of(strategy("layer-sequential").plan(free), fidelity="sampled")
    assert abs(part.estimate_error) > 0.001
    rate = int(part.tokens_per_s)  # bytes a second; a token has 4
    slow = free.with_(wafer=free.wafer.with_(host_bytes_per_second=rate))
    assert row_of(strategy("layer-sequential").plan(slow), fidelity="sampled").tokens_per_s == rate / 4


@pytest.mark.parametrize(("context", "position"), [(2, 1), (3, 2), (64, 1), (64, 3)])
def test_the_first_positions_are_simulated_where_they_are(context: int, position: int) -> None:
    """A step at each position is another: a row of PEs has one token more from the first one on."""
    config = replace(SMALL, n_layer=2, n_embd=12, n_inner=48, n_head=2, vocab_size=20)
    mapping = strategy("layer-sequential").plan(
        Problem(config=config, wafer=toy(6, 1), dtype=f32, context=context)
    )
    part, whole = (row_of(mapping, fidelity=f, position=position) for f in ("sampled", "exact"))
    before = row_of(mapping, fidelity="sampled", position=position - 1)
    steps = (before, part) if position > 1 else (part,)  # whole: the mean of two steps where there are two before
    assert abs(whole.step_cycles - sum(row.step_cycles for row in steps) / len(steps)) < 0.002 * part.step_cycles
    with pytest.raises(UsageError, match="a step at position 0 simulated: expected position 1 or later"):
        row_of(mapping, fidelity="exact", position=0)


def test_rows_do_not_depend_on_the_processes_that_they_come_from() -> None:
    config = replace(SMALL, n_layer=2, n_embd=24, n_inner=96, n_head=3, n_positions=16, vocab_size=50)
    problem, names = Problem(config=config, wafer=WSE2.crop(12, 12), dtype=f16, shards=5), ["tensor-parallel"]
    assert [row.feasible for row in rows_of_strategies(names, problem)] == [False]
    problem, names = problem.with_(shards=0), ["pipeline", "layer-sequential", "replicas"]
    one, two = (rows_of_strategies(names, problem, fidelity="sampled", workers=n) for n in (1, 2))
    assert one == two
    assert [row.strategy for row in one] == names


def test_a_table_has_a_row_for_each_mapping() -> None:
    problem = Problem(config=SMALL, wafer=toy(40, 40), dtype=f32)
    frame = compare([strategy(name).plan(problem) for name in STRATEGIES])
    assert list(frame.strategy) == list(STRATEGIES)
    assert frame.feasible.all()
    assert {"tokens_per_s", "stalls.idle", "joules_per_token"} <= set(frame.columns)


def test_what_cannot_be_says_why() -> None:
    problem = Problem(config=preset("cerebras-gpt-13b"), wafer=WSE2, width=50, height=50, dtype=f32)
    row = row_of_strategy("pipeline", problem)
    assert not row.feasible
    assert "no number of regions fits 50x50 PEs" in row.why_not
    assert row.to_dict()["cycles_per_token"] is None
    assert len(to_frame([row])) == 1


def test_estimates_and_commands_that_need_no_engine_do_not_load_one() -> None:
    """The compiler takes longer to import than four strategies take to estimate."""
    asked = """
import sys
from wse_sim import f32, toy
import wse_sim.mapping.commands.compare, wse_sim.mapping.commands.map
from wse_sim.mapping.comparison.compare import row_of_strategy
from wse_sim.mapping.commands.problem import config_of
from wse_sim.mapping.strategies import STRATEGIES, Problem
for phase in ("decode", "prefill"):
    problem = Problem(config=config_of("cerebras-gpt-111m"), wafer=toy(90, 90), dtype=f32, phase=phase, context=64)
    for name in STRATEGIES:
        row_of_strategy(name, problem)
print(*sorted({"numba", "wse_sim.engine", "pandas", "matplotlib"} & set(sys.modules)))
"""
    found = subprocess.run([sys.executable, "-c", asked], capture_output=True, text=True, check=True)
    assert found.stdout.split() == []


def test_what_is_refused() -> None:
    mapping = strategy("layer-sequential").plan(Problem(config=SMALL, wafer=toy(20, 20), dtype=f32))
    with pytest.raises(UsageError, match="fidelity 'guess': expected one of estimate, sampled, exact"):
        row_of(mapping, fidelity="guess")  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="position 64 in a context of 64: expected 0 to 63"):
        row_of(mapping, position=64)


# -- commands -----------------------------------------------------------------------------------------


def called(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, *arguments: str) -> tuple[int, str]:
    monkeypatch.setattr("sys.argv", ["wse-sim", *arguments])
    with pytest.raises(SystemExit) as stop:
        main()
    captured = capsys.readouterr()
    return int(stop.value.code or 0), captured.out + captured.err


def test_compare_prints_the_keys_it_promises(capsys, monkeypatch) -> None:
    code, out = called(
        capsys, monkeypatch, "compare", "--model", "alice", "--strategies", "layer-sequential,pipeline", "--grid",
        "40x40", "--json",
    )  # fmt: skip
    rows = json.loads(out)["rows"]
    assert code == 0
    assert [row["strategy"] for row in rows] == ["layer-sequential", "pipeline"]
    keys = {
        "strategy", "feasible", "why_not", "cycles_per_token", "tokens_per_s", "sram_peak_bytes", "busiest_link_share",
        "stalls", "fidelity",
    }  # fmt: skip
    assert all(keys <= set(row) for row in rows)
    assert all(row["feasible"] and row["fidelity"] == "estimate" for row in rows)


def test_compare_and_map_as_text(capsys, monkeypatch, tmp_path) -> None:
    code, out = called(capsys, monkeypatch, "compare", "--model", "alice", "--grid", "40x40")
    assert code == 0
    assert all(name[:6] in out for name in STRATEGIES)
    path = tmp_path / "mapping.json"
    code, out = called(
        capsys, monkeypatch, "map", "--model", "alice", "--strategy", "pipeline", "--grid", "40x40", "--out", str(path),
        "--picture", str(tmp_path / "mapping.png"),
    )  # fmt: skip
    assert code == 0
    assert "sequences in flight" in out
    assert "bytes of SRAM on the fullest PE" in out
    assert json.loads(path.read_text())["strategy"] == "pipeline"
    assert (tmp_path / "mapping.png").stat().st_size > 1000


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["map", "--model", "alice", "--strategy", "magic"], "unknown strategy 'magic'"),
        (["map", "--model", "nothing"], "gpt2-xl, alice, or the folder of a checkpoint"),
        (["compare", "--model", "alice", "--strategies", "pipeline,magic"], "unknown strategy 'magic'"),
        (["compare", "--model", "alice", "--fidelity", "guess", "--grid", "30x30"], "fidelity 'guess'"),
        (["compare", "--model", "alice", "--grid", "9000x1"], "width 9000 on WSE-2: expected 1 to 750"),
        (["map", "--model", "alice", "--dead", "1,x"], "--dead '1,x': expected PEs as"),
        (["map", "--model", "alice", "--dead", "inf%"], "--dead 'inf%': expected PEs as"),
        (["map", "--model", "alice", "--dead", "9999,3"], "dead PE (9999, 3) on WSE-2: expected one of its"),
        (["map", "--model", "alice", "--dtype", "f8"], "--dtype f8: expected f32 or f16"),
        (["map", "--model", "alice", "--phase", "sleep", "--grid", "30x30"], "phase 'sleep'"),
        (["map", "--model", "alice", "--grid", "30x30", "--picture", "map.foo"], "--picture map.foo: Format 'foo'"),
        (["map", "--model", "gpt2", "--grid", "5x5"], "bytes of SRAM on each of 5x5 PEs"),
    ],
)
def test_mistakes_are_one_line(capsys, monkeypatch, arguments, message) -> None:
    code, out = called(capsys, monkeypatch, *arguments)
    assert code == 2
    assert message in out
    assert len(out.strip().splitlines()) == 1


@pytest.mark.parametrize(
    ("width", "height", "tokens", "dtype", "sums"),
    [(6, 5, 12, f32, f32), (5, 6, 10, f32, f32), (4, 4, 3, f32, f32), (8, 6, 16, f16, f32), (12, 3, 16, f16, f16),
     (2, 9, 7, f32, f32)],
)  # fmt: skip
def test_traffic_of_a_prompt_is_known_before_it_is_simulated(width, height, tokens, dtype, sums) -> None:
    """Wavelet for wavelet."""
    config = replace(SMALL, n_layer=2, n_embd=24, n_inner=96, n_head=3, n_positions=16, vocab_size=50)
    layout = Layout(config=config, wafer=WSE2, width=width, height=height, dtype=dtype, accumulate=sums, prompt=16)
    sent, report = prompt_traffic(layout, tokens), solo_prompt(layout, tokens)
    assert sent.wavelets == report.links.wavelets.sum()
    assert max(sent.along_x, sent.along_y) == pytest.approx(busiest_of(report), rel=0.05)


@pytest.mark.parametrize(
    ("width", "height", "options"),
    [(6, 5, {}), (6, 5, {"shards": 3}), (4, 9, {"shards": 2, "dtype": f16}), (1, 12, {}),
     (12, 1, {"dtype": f16, "accumulate": f16}), (5, 4, {"layers": range(2), "head": False}),
     (30, 3, {"dtype": f16})],
)  # fmt: skip
@pytest.mark.parametrize("position", [0, 3, 17])
def test_traffic_of_a_token_is_known_before_it_is_simulated(width, height, options, position) -> None:
    """Wavelet for wavelet."""
    config = replace(SMALL, n_layer=2, n_embd=24, n_inner=96, n_head=6, n_positions=32, vocab_size=50)
    layout = Layout(config=config, wafer=WSE3, width=width, height=height, **options)
    sent, report = traffic_of(layout, position), solo_report(layout, position, spare=False)
    assert sent.wavelets == report.links.wavelets.sum()
    assert max(sent.along_x, sent.along_y) == busiest_of(report)
