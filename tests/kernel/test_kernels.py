"""Every kernel on many shapes: values equal the reference, cycles keep to physics and close to `cost`."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wse_sim import WSE3, DType, Wafer, toy
from wse_sim.engine.machine import Machine
from wse_sim.kernels.contract import Example, Expected, Kernel, all_kernels

KERNELS = all_kernels()
WAFERS = {"WSE-2": toy(64, 64), "WSE-3": WSE3.crop(64, 64)}


def shapes(kernel: Kernel) -> st.SearchStrategy[dict[str, int]]:
    """Legal shapes of a kernel."""
    sizes = {name: st.integers(*ends) for name, ends in kernel.sizes.items()}
    return st.fixed_dictionaries(sizes).filter(kernel.legal)


@pytest.mark.parametrize("kernel", KERNELS, ids=lambda k: k.name)
def test_values_and_cycles(kernel: Kernel) -> None:
    @settings(max_examples=40, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck))
    @given(st.sampled_from(sorted(WAFERS)), st.sampled_from(kernel.dtypes), shapes(kernel), st.integers(0, 999))
    def check(name: str, dtype: DType, shape: dict[str, int], seed: int) -> None:
        wafer = WAFERS[name]
        example = kernel.example(wafer, dtype, shape, seed)
        cycles = check_example(example, wafer)
        said = f"{kernel.name} {dtype} {shape} on {name}: {cycles} cycles, cost {example.cost}, bound {example.bound}"
        assert cycles >= example.bound, said
        assert abs(cycles - example.cost) <= 0.15 * example.cost + kernel.margin, said

    check()


def check_example(example: Example, wafer: Wafer) -> int:
    """Runs it, compares the values, and gives the cycles."""
    machine = Machine(example.program, wafer)
    for name, values in example.inputs.items():
        machine.write(name, values)
    for name, values in example.streams.items():
        machine.stream(name, values)
    cycles = machine.launch(example.arguments, max_cycles=1_000_000)
    for name, expected in example.outputs.items():
        check_values(machine, name, expected)
    return cycles


def check_values(machine: Machine, name: str, expected: Expected) -> None:
    """The values of a buffer, where they count."""
    buffer = machine.program.buffer(name)
    found = machine.read(buffer)
    region = buffer.region if expected.region is None else expected.region
    rows = [y - buffer.region.ys[0] for y in region.ys]
    columns = [x - buffer.region.xs[0] for x in region.xs]
    part = found[np.ix_(rows, columns)]
    wanted = np.broadcast_to(expected.values, part.shape)
    if expected.tolerance == 0:
        np.testing.assert_array_equal(part, wanted)
    else:
        largest = float(np.abs(wanted).max(initial=0))
        np.testing.assert_allclose(part, wanted, rtol=0, atol=expected.tolerance * largest)


def test_names_are_unique() -> None:
    names = [kernel.name for kernel in KERNELS]
    assert sorted(set(names)) == sorted(names)
