"""Norms, softmax, gates, scores and projections on f16 tiles: their numbers, against numpy in double precision."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from wse_sim.engine.machine import Machine
from wse_sim.hardware.presets import WSE3_SIMULATOR
from wse_sim.kernels.published import mesh_scores, projections
from wse_sim.kernels.published.row_tiles import Tile, layer_norm, rms_norm, silu_gate, softmax
from wse_sim.program.program import Program

Floats = NDArray[np.floating]
TILES = (Tile(1, 1, 1), Tile(2, 3, 5), Tile(5, 2, 8))
ROUNDED = {"rtol": 0.01, "atol": 2e-3}


def run(program: Program, t: Tile, x: Floats, **others: Floats) -> Floats:
    """y as a matrix, of x (rows, features)."""
    machine = Machine(program, WSE3_SIMULATOR)
    machine.write("x", deal(x, t))
    for name, values in others.items():
        machine.write(name, values)
    machine.launch()
    return machine.read("y").reshape(t.width, t.rows, t.cols).transpose(1, 0, 2).reshape(t.rows, t.features)


def deal(matrix: Floats, t: Tile) -> Floats:
    """A matrix (rows, features) as a tile on each PE."""
    return matrix.reshape(t.rows, t.width, t.cols).transpose(1, 0, 2).reshape(1, t.width, -1)


def inputs(t: Tile) -> tuple[Floats, Floats, Floats]:
    random = np.random.default_rng(t.features)
    x = (random.standard_normal((t.rows, t.features)) + 0.5).astype(np.float16)
    weight, bias = (random.uniform(low, 2, t.features).astype(np.float16) for low in (0.5, -1))
    return x, weight, bias


@pytest.mark.parametrize("t", TILES, ids=str)
def test_rows_are_normed(t: Tile) -> None:
    x, weight, bias = inputs(t)
    per_pe = {"weight": weight.reshape(1, t.width, t.cols), "bias": bias.reshape(1, t.width, t.cols)}
    wide = x.astype(float)
    root = np.sqrt((wide**2).mean(axis=1, keepdims=True))
    np.testing.assert_allclose(run(rms_norm(t), t, x, weight=per_pe["weight"]), wide / root * weight, **ROUNDED)
    double = rms_norm(t, residual=True)
    found = run(double, t, x, weight=per_pe["weight"], added=deal(x, t))
    np.testing.assert_allclose(found, wide / root * weight, **ROUNDED)
    centred = wide - wide.mean(axis=1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=1, keepdims=True) + 1e-5)
    found = run(layer_norm(t), t, x, **per_pe)
    np.testing.assert_allclose(found, centred / deviation * weight + bias, rtol=0.02, atol=0.01)


@pytest.mark.parametrize("mapped", [False, True])
@pytest.mark.parametrize("t", TILES, ids=str)
def test_rows_become_shares_of_one(t: Tile, mapped: bool) -> None:
    x, _, _ = inputs(t)
    found = run(softmax(t, mapped=mapped), t, x)
    powers = np.exp(x.astype(float) - x.max(axis=1, keepdims=True))
    np.testing.assert_allclose(found, powers / powers.sum(axis=1, keepdims=True), **ROUNDED)
    np.testing.assert_allclose(found.sum(axis=1, dtype=float), 1, rtol=5e-3)


def test_a_gate_multiplies_by_silu() -> None:
    t = Tile(1, 4, 6)
    x, _, _ = inputs(t)
    other = np.full((1, 1, 24), 2.0, np.float16)
    wide = x.astype(float)
    np.testing.assert_allclose(run(silu_gate(24), t, x, y=other), 2 * wide / (1 + np.exp(-wide)), **ROUNDED)


@pytest.mark.parametrize("sizes", [(2, 3, 1, 2), (3, 2, 3, 2), (4, 1, 2, 1), (5, 2, 2, 3), (8, 4, 4, 2)])
def test_scores_are_where_rows_and_columns_meet(sizes: tuple[int, int, int, int]) -> None:
    side, m, n, d = sizes
    t = mesh_scores.Tiles(side, m, n, d)
    random = np.random.default_rng(side)
    q, k = random.integers(-3, 4, (side * m, side * d)), random.integers(-3, 4, (side * n, side * d))
    machine = Machine(mesh_scores.make(t), WSE3_SIMULATOR)
    machine.write("q", mesh_scores.tiles(q.astype(np.float16), side))
    tiles = mesh_scores.tiles(k.astype(np.float16), side)
    machine.write("k", np.concatenate([tiles, np.zeros_like(tiles)], axis=-1))
    machine.launch(mesh_scores.ARGUMENTS)
    np.testing.assert_array_equal(mesh_scores.matrix(machine.read("scores"), t), q @ k.T)


def test_every_sequence_meets_every_matrix() -> None:
    s = projections.Shape(side=4, m=2, n=3, groups=2, batch=2, matrices=3)
    random = np.random.default_rng(0)
    x = random.integers(-3, 4, (s.side, s.batch, s.m)).astype(np.float16)
    w = random.integers(-3, 4, (s.side, s.matrices, s.m, s.n)).astype(np.float16)
    machine = Machine(projections.make(s), WSE3_SIMULATOR)
    machine.write("x", x.reshape(s.side, 1, -1))
    machine.write("w", w.reshape(s.side, 1, -1))
    machine.launch()
    expected = np.einsum("pbm,pfmn->bfn", x, w).ravel()
    np.testing.assert_array_equal(machine.read("y"), np.broadcast_to(expected, (s.side, 1, expected.size)))
