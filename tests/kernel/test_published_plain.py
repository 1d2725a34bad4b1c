"""Plain code, attention and sums on rows of PEs: their numbers, on random inputs."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from wse_sim import WSE3, f16, f32
from wse_sim.engine.machine import Machine
from wse_sim.errors import ProgramError
from wse_sim.hardware.presets import WSE3_SIMULATOR
from wse_sim.kernels.published import parallel, plain, plain_attention, vector
from wse_sim.program.program import Program

Floats = NDArray[np.floating]


def run(program: Program, result: str, **inputs: Floats) -> Floats:
    machine = Machine(program, WSE3_SIMULATOR)
    for name, values in inputs.items():
        machine.write(name, values)
    machine.launch()
    return machine.read(result)[0, 0]


def random(*shape: int) -> Floats:
    return np.random.default_rng(5).standard_normal(shape).astype(np.float32)


@pytest.mark.parametrize("n", [1, 7, 40])
def test_loops_over_vectors(n: int) -> None:
    x, y = random(2, n)
    near = {"rtol": 2e-5, "atol": 1e-6}
    np.testing.assert_allclose(run(plain.sum_of(n), "result", x=x), [x.sum()], **near)
    np.testing.assert_allclose(run(plain.dot_of(n), "result", x=x, y=y), [x @ y], **near)
    np.testing.assert_allclose(run(plain.axpy(n), "y", x=x, y=y), y + 2 * x, **near)
    np.testing.assert_array_equal(run(plain.relu(n), "y", x=x), np.maximum(x, 0))
    np.testing.assert_allclose(run(plain.silu(n), "y", x=x), x / (1 + np.exp(-x)), **near)
    np.testing.assert_allclose(run(plain.l2_norm(n), "y", x=x), x / np.linalg.norm(x), **near)
    root = np.sqrt(np.mean(x * x) + 1e-5)
    np.testing.assert_allclose(run(plain.rms_norm(n), "y", x=x, weight=y), y * x / root, **near)
    likelihood = np.exp(x[n // 2]) / np.exp(x).sum()
    np.testing.assert_allclose(run(plain.cross_entropy(n, n // 2), "result", x=x), [likelihood], **near)


@pytest.mark.parametrize("n", [1, 5])
def test_loops_over_matrices(n: int) -> None:
    a, b = random(2, n, n)
    np.testing.assert_allclose(run(plain.matrix_matrix(n), "c", a=a.ravel(), b=b.ravel()), (a @ b).ravel(), rtol=1e-5)
    np.testing.assert_allclose(run(plain.matrix_vector(n), "y", a=a.ravel(), x=b[0]), a @ b[0], rtol=1e-5)


@pytest.mark.parametrize("vectors", [False, True])
@pytest.mark.parametrize(("queries", "tokens", "d"), [(1, 1, 1), (3, 7, 5)])
def test_attention_of_one_pe(queries: int, tokens: int, d: int, vectors: bool) -> None:
    q, keys, values = random(queries, d), random(tokens, d) + 0.5, random(tokens, d) - 0.25
    program = plain_attention.make(queries, tokens, d, vectors=vectors)
    found = run(program, "out", q=q.ravel(), keys=keys.ravel(), values=values.ravel())
    weights = np.exp(q @ keys.T / np.sqrt(d))
    expected = weights @ values / weights.sum(axis=1, keepdims=True)
    np.testing.assert_allclose(found.reshape(queries, d), expected, rtol=2e-5, atol=1e-6)


@pytest.mark.parametrize("width", [1, 2, 5])
def test_sums_over_a_row_of_pes(width: int) -> None:
    x, y = random(2, width, 6)
    for program, expected in ((parallel.sum_of(width, 6), x.sum()), (parallel.dot_of(width, 6), (x * y).sum())):
        inputs = {"x": x[None], "y": y[None]} if "dot" in program.name else {"x": x[None]}
        np.testing.assert_allclose(run(program, "result", **inputs), [expected], rtol=1e-5, atol=1e-5)


# -- micro-benchmarks ---------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["whole", "loop", "map", "maps"])
def test_every_form_of_tiled_multiply_add_adds_the_same(form: str) -> None:
    n = 512
    x = np.arange(n, dtype=np.float16) % 37
    scalars = np.full(n // vector.TILE, 0.5, np.float16)
    found = run(vector.tiled_multiply_add(n, form), "y", x=x, scalars=scalars)
    np.testing.assert_array_equal(found, x * np.float16(0.5))


def test_a_map_that_reloads_descriptors_takes_two_cycles_more_per_step() -> None:
    forms = {form: Machine(vector.tiled_multiply_add(512, form), WSE3_SIMULATOR).launch() for form in ("whole", "map")}
    steps, elements = 512 // vector.TILE, vector.TILE // 4
    beside = forms["map"] - forms["whole"]
    assert beside == steps * (WSE3_SIMULATOR.map_gap_cycles + 2) + 1  # and the descriptor of the scalars
    assert WSE3_SIMULATOR.step_cycles(elements) == elements + WSE3_SIMULATOR.map_gap_cycles


def test_stencils_and_dot_products() -> None:
    x = random(64 + 2 * vector.ROW).astype(np.float16)
    around = [x[vector.ROW + d : vector.ROW + d + 64].astype(float) for d in (-vector.ROW, -1, 0, 1, vector.ROW)]
    expected = 0.5 * around[2] + 0.125 * (around[0] + around[1] + around[3] + around[4])
    np.testing.assert_allclose(run(vector.stencil(64), "z", x=x), expected, atol=4e-3)
    for dtype in (f16, f32):
        a, b = random(2, 20).astype(dtype.numpy)
        np.testing.assert_allclose(run(vector.dot(20, dtype), "result", x=a, y=b), [a.astype(float) @ b], rtol=1e-3)


def test_micro_benchmarks_compute() -> None:
    machine = Machine(vector.matrix_vector(5, f32), WSE3)
    a, x = np.arange(25, dtype=np.float32), np.arange(5, dtype=np.float32)
    machine.write("a", a)
    machine.write("x", x)
    machine.launch()
    np.testing.assert_array_equal(machine.read("y")[0, 0], a.reshape(5, 5).T @ x)
    with pytest.raises(ProgramError, match="form 'spiral'"):
        vector.tiled_multiply_add(64, "spiral")
