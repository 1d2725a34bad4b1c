"""What published figures hold besides the kernel, and how their cycles are taken from clocks."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

import numpy as np

from wse_sim.engine.machine import Machine
from wse_sim.hardware import Wafer
from wse_sim.hardware.origin import Stated, inferred
from wse_sim.kernels.published import summa
from wse_sim.kernels.published.compiled import COMPILED
from wse_sim.program.program import Program

NO_ARGUMENTS: Mapping[str, float] = MappingProxyType({})

MESH_GEMV_LOOP, TWO_CLOCKS = 86, 6
_LOOP = Stated("MESH_GEMV_LOOP", MESH_GEMV_LOOP, "cycles around the kernel, for a loop that is not published", inferred(
    "MeshGEMV on silicon, mean of the rows with P = 16, 89, and with P = 80, 83",
    "each row is the mean of many runs in a loop: what the loop, the calls and the tests of a PE's role take besides "
    "the kernel"))  # fmt: skip
_CLOCKS = Stated("TWO_CLOCKS", TWO_CLOCKS, "cycles between two PEs' clocks on silicon, which messages set", inferred(
    "FABSIL-017 less FABSIM-006: 8 wavelets over a hop take 42 cycles on silicon and 36 on the vendor's simulator",
    "the per-stage latencies of MeshGEMV's chains on silicon are those of the simulator"))  # fmt: skip
_SIGNAL = Stated("signal", 1, "signal, from the north-west, that sets clocks before messages are timed", inferred(
    "csl-examples: hosts subtract x + y from clocks that a signal has set; FABSIL-014 to 016",
    "a crossing between dies shows not at all eastwards and twice westwards: published are 2.000 to the east, and to "
    "the west 35 cycles more than 2 a hop over 64 hops, simulated 34; no die's edge lies within 128 PEs along y",
))  # fmt: skip

BESIDE: Mapping[str, tuple[Stated, ...]] = {
    "MeshGEMV": (_LOOP, COMPILED[0]),
    "MeshGEMM": COMPILED[:2],
    "SUMMA": (summa.BESIDE[0], COMPILED[1]),
    "FABSIL": (_CLOCKS, _SIGNAL),
    "FABSIM": (*summa.BESIDE, *COMPILED),
    "MIMD": (*summa.BESIDE, *COMPILED),
}
"""Numbers that are no machine's, by the source whose rows lean on them."""


def spread(program: Program, wafer: Wafer, arguments: Mapping[str, float] = NO_ARGUMENTS) -> int:
    """Cycles from the first clock reading of any PE to the last one."""
    machine = Machine(program, wafer)
    machine.launch(arguments)
    times = machine.read("times")
    first, last = times[..., 0], times[..., 1]
    return int(last.max() - first[first > 0].min())


def on_one_die(wafer: Wafer) -> Wafer:
    """The machine without edges of dies."""
    return replace(wafer, die_columns=(), die_rows=())


INPUTS = ("x", "y", "a", "b", "q", "k", "keys", "values", "w", "weight", "added")


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


def launched(program: Program, wafer: Wafer) -> int:
    """Cycles of a launch."""
    return Machine(program, wafer).launch()


def first_to_last(program: Program, wafer: Wafer) -> int:
    """Cycles from the first PE's first reading to the last one's second, on a row of PEs."""
    machine = Machine(program, wafer)
    machine.launch()
    times = machine.read("times")
    return int(times[0, -1, 1] - times[0, 0, 0])
