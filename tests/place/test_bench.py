"""The benchmark command: its numbers hang together, and its JSON has the promised keys."""

from __future__ import annotations

import json

import pytest

from wse_sim.mapping.commands import bench


def test_measurement_counts_what_was_done() -> None:
    found = bench.measure(bench.broadcast(32))
    words, side = bench.WORDS[32], 32
    hops = side * words * 2 * (side - 1)  # each word crosses every link of its row, and enters every other core
    assert found.hops_per_cpu_s * found.cpu_seconds == pytest.approx(hops)
    assert found.pe_cycles_per_cpu_s * found.cpu_seconds == pytest.approx(found.cycles * side * side)
    assert found.active_pe_cycles_per_cpu_s <= found.pe_cycles_per_cpu_s
    assert found.cycles >= words + side


def test_json(capsys, monkeypatch) -> None:
    monkeypatch.setattr(bench, "benchmarks", lambda *, quick: [lambda: bench.gemv(32)])
    bench.bench_command(quick=True, as_json=True)
    (found,) = json.loads(capsys.readouterr().out)["benchmarks"]
    assert set(found) == {
        "name", "engine", "grid", "cycles", "cpu_seconds", "active_pe_cycles_per_cpu_s", "pe_cycles_per_cpu_s",
        "hops_per_cpu_s",
    }  # fmt: skip
    assert found["grid"] == [32, 32]
    assert found["engine"] == "cycle"


def test_table(capsys, monkeypatch) -> None:
    monkeypatch.setattr(bench, "benchmarks", lambda *, quick: [lambda: bench.gemv(32)])
    bench.bench_command(quick=True, as_json=False)
    assert "active" in capsys.readouterr().out
