"""Micro-benchmarks of one PE: their numbers, and forms of the same work beside each other."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from wse_sim import WSE3, f16, f32
from wse_sim.engine.machine import Machine
from wse_sim.errors import ProgramError
from wse_sim.hardware.presets import WSE3_SIMULATOR
from wse_sim.kernels.published import vector
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
