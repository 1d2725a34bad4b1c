"""The benchmark command: its numbers hang together, and its JSON has the promised keys."""

from __future__ import annotations

import json
from functools import partial

import pytest

from wse_sim.errors import UsageError
from wse_sim.mapping.commands import bench


def test_measurement_counts_what_was_done() -> None:
    found = bench.measure(bench.broadcast(32), "cycle")
    words, side = bench.WORDS[32], 32
    hops = side * words * 2 * (side - 1)  # each word crosses every link of its row, and enters every other core
    assert found.hops_per_cpu_s * found.cpu_seconds == pytest.approx(hops)
    assert found.pe_cycles_per_cpu_s * found.cpu_seconds == pytest.approx(found.cycles * side * side)
    assert found.active_pe_cycles_per_cpu_s <= found.pe_cycles_per_cpu_s
    assert found.cycles >= words + side


def test_json(capsys, monkeypatch) -> None:
    monkeypatch.setattr(bench, "benchmarks", lambda *, quick: [bench.Benchmark(partial(bench.gemv, 32))])
    bench.bench_command(quick=True, engine=None, as_json=True)
    found, streamed, timed = json.loads(capsys.readouterr().out)["benchmarks"]
    assert set(found) == {
        "name", "engine", "grid", "cycles", "cpu_seconds", "active_pe_cycles_per_cpu_s", "pe_cycles_per_cpu_s",
        "hops_per_cpu_s", "bytes_per_node",
    }  # fmt: skip
    assert found["grid"] == [32, 32]
    assert [m["engine"] for m in (found, streamed, timed)] == ["cycle", "stream", "timing"]
    assert found["cycles"] == streamed["cycles"] == timed["cycles"]
    assert found["bytes_per_node"] == 0 < streamed["bytes_per_node"] < 130  # without what any component has room for


def test_table(capsys, monkeypatch) -> None:
    monkeypatch.setattr(bench, "benchmarks", lambda *, quick: [bench.Benchmark(partial(bench.gemv, 32))])
    bench.bench_command(quick=True, engine=None, as_json=False)
    said = capsys.readouterr().out
    assert all(word in said for word in ("active", "cycle", "stream"))


def test_one_engine(capsys, monkeypatch) -> None:
    monkeypatch.setattr(bench, "benchmarks", lambda *, quick: [bench.Benchmark(partial(bench.gemv, 32))])
    bench.bench_command(quick=True, engine="stream", as_json=True)
    assert [m["engine"] for m in json.loads(capsys.readouterr().out)["benchmarks"]] == ["stream"]
    with pytest.raises(UsageError, match="--engine auto: expected cycle, stream or timing"):
        bench.bench_command(quick=True, engine="auto", as_json=True)
