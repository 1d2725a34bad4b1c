"""What published figures hold besides the kernel, and how their cycles are taken from clocks."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

import numpy as np

from wse_sim.engine.machine import Machine
from wse_sim.hardware import WSE2, WSE3, Wafer
from wse_sim.hardware.origin import Origin, inferred
from wse_sim.hardware.presets import WSE3_SIMULATOR
from wse_sim.kernels.published import summa
from wse_sim.kernels.published.compiled import DESCRIPTOR
from wse_sim.mapping.validation.rows import MESH_GEMV
from wse_sim.program.program import Program

NO_ARGUMENTS: Mapping[str, float] = MappingProxyType({})

MESH_GEMV_LOOP = 85
TWO_CLOCKS = 6
_DESCRIPTORS = (
    f"SUMMA's inner loop takes {2 * DESCRIPTOR} instructions more than on the WSE-2, as for descriptors kept in memory",
    inferred(
        "FABSIM-058 and MIMD-028",
        "a switch of the kernel, `descriptors_in_memory`, on for the WSE-3 alone; the two rows it is for chose it"),
)  # fmt: skip
ALLOWANCES: Mapping[str, tuple[str, Origin]] = {
    MESH_GEMV: (f"{MESH_GEMV_LOOP} cycles of what is simulated are not the kernel's", inferred(
        "MeshGEMV on silicon, all 188 rows",
        "each row is the mean of many runs in a loop, whose code is not published: what the loop, the calls and the "
        "tests of a PE's role take besides the kernel is 79 to 97 cycles, whatever P, Mt, Nt")),
    "SUMMA": (f"a loop of {summa.HAND_OVER} rounds, about 300 cycles, is part of each step", inferred(
        "SUMMA-014, which is no test of it",
        "what the library does between two steps besides its broadcasts is not published; with it tiles of 32 are "
        "about 8 % short, and FABSIM-058, which is another machine's, is met to 0.1 %")),
    "FABSIL": (f"{TWO_CLOCKS} cycles of what is simulated are not the kernel's", inferred(
        "FABSIL-017 less FABSIM-006: 8 wavelets over a hop take 42 cycles on silicon and 36 on the vendor's simulator",
        "transfers between two PEs only: on silicon their clocks are set by messages; the per-stage latencies of "
        "MeshGEMV's chains on silicon are those of the simulator")),
    "FABSIM": _DESCRIPTORS,
    "MIMD": _DESCRIPTORS,
}  # fmt: skip
"""What is simulated besides the published kernels and the machine, by source, and where it comes from."""


def wafer_of(hardware: str) -> Wafer | None:
    """The machine that a row of figures names."""
    if "WSE-3" in hardware:
        return WSE3_SIMULATOR if "simulator" in hardware else WSE3
    return WSE2 if "WSE-2" in hardware else None


def spread(program: Program, wafer: Wafer, arguments: Mapping[str, float] = NO_ARGUMENTS) -> int:
    """Cycles from the first clock reading of any PE to the last one."""
    machine = Machine(program, wafer)
    machine.launch(arguments)
    times = machine.read("times")
    first, last = times[..., 0], times[..., 1]
    return int(last.max() - first[first > 0].min())


INPUTS = ("x", "y", "a", "b", "q", "k", "keys", "values", "w", "weight")


def longest(program: Program, wafer: Wafer, arguments: Mapping[str, float] = NO_ARGUMENTS) -> int:
    """Cycles between a PE's own two readings, of the PE with most; inputs are random, as branches depend on them."""
    machine = Machine(program, wafer)
    random = np.random.default_rng(0)
    for buffer in program.buffers:
        if buffer.name in INPUTS and buffer.dtype.is_float:
            machine.write(buffer, random.standard_normal(buffer.length))
    machine.launch(arguments)
    times = machine.read("times")
    return int((times[..., 1] - times[..., 0]).max())


def first_to_last(program: Program, wafer: Wafer) -> int:
    """Cycles from the first PE's first reading to the last one's second, on a row of PEs."""
    machine = Machine(program, wafer)
    machine.launch()
    times = machine.read("times")
    return int(times[0, -1, 1] - times[0, 0, 0])
