"""What is simulated for each row of published figures."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from wse_sim.engine.machine import Machine
from wse_sim.hardware import WSE2, WSE3, Wafer
from wse_sim.hardware.presets import WSE3_SIMULATOR
from wse_sim.kernels.published import mesh_gemm, mesh_gemv, relay, ring_shift, summa, two_phase
from wse_sim.mapping.validation.figures import MICRO, MicroBenchmark
from wse_sim.mapping.validation.rows import FIGURE, MESH_GEMM, MESH_GEMV, Row
from wse_sim.program.program import Program

TIMER = 84
"""Cycles between the two readings of the clock in the published programs of MeshGEMV and MeshGEMM that are none of the
kernels' own: what 62 rows of MeshGEMV at P = 80 to 272 have in common. One number for both tables."""

START = 0.2  # seconds that a case takes besides its cycles
PE_CYCLES = 3e6  # of a grid that works all the time, per second
INSTRUCTIONS = 1e7  # in memory alone, per second


@dataclass(frozen=True)
class Case:
    """A published figure and how to get the simulator's.

    seconds  about what the simulation takes
    """

    source: str
    configuration: str
    measured: float
    seconds: float
    simulate: Callable[[], float]


@dataclass(frozen=True)
class Skipped:
    """A row that was not simulated."""

    source: str
    configuration: str
    reason: str


def cases_of(row: Row) -> Iterator[Case | Skipped]:
    """Mostly one per row; a row that gives a formula has one for each size it names."""
    if row.kind == MESH_GEMV:
        yield _mesh_gemv(row)
    elif row.kind == MESH_GEMM:
        yield _mesh_gemm(row)
    elif row.kind == FIGURE:
        yield from _figure(row)
    else:
        yield _ring_shift(row)


# -- tables -------------------------------------------------------------------------------------------


def timed(program: Program, wafer: Wafer, arguments: Mapping[str, float] = MappingProxyType({})) -> int:
    """Cycles from the first clock reading of any PE to the last one."""
    machine = Machine(program, wafer)
    machine.launch(arguments)
    times = machine.read("times")
    first, last = times[..., 0], times[..., 1]
    return int(last.max() - first[first > 0].min())


def _mesh_gemv(row: Row) -> Case | Skipped:
    side, m, n, groups = (row.integer(name) for name in ("P", "Mt", "Nt", "groups"))
    if groups > side:
        return Skipped(row.source, row.configuration, f"{groups} groups of {side} PEs: expected no more than PEs")
    seconds = START + side * (side * 4 + m * 4 + 300) / PE_CYCLES
    return _case(row, seconds, lambda: timed(mesh_gemv.make(side, m, n, groups), WSE3) + TIMER)


def _mesh_gemm(row: Row) -> Case | Skipped:
    t = mesh_gemm.Tiles(*(row.integer(name) for name in ("P", "Mt", "Kt", "Nt")))
    if t.side < 3:
        return Skipped(row.source, row.configuration, f"a ring of {t.side} PEs: expected 3 or more")
    step = 120 + t.k * (40 + t.n * (3 + t.m / 3)) + t.k * (t.m + t.n)
    seconds = START + t.side**3 * step / PE_CYCLES
    return _case(row, seconds, lambda: timed(mesh_gemm.make(t), WSE3, {"step": 0, "wanted": 0}) + TIMER)


def _ring_shift(row: Row) -> Case | Skipped:
    side, shifts, n = row.integer("P"), row.integer("L"), row.integer("Mt") * row.integer("Nt")
    if side < 3:
        return Skipped(row.source, row.configuration, f"a ring of {side} PEs: expected 3 or more")
    seconds = START + side * shifts * (70 + n) / PE_CYCLES
    return _case(row, seconds, lambda: timed(ring_shift.make(side, n, shifts), WSE3_SIMULATOR, {"left": 0}))


def _case(row: Row, seconds: float, simulate: Callable[[], float], measured: float | None = None) -> Case:
    found = row.number("value" if row.kind == FIGURE else "cycles") if measured is None else measured
    return Case(row.source, row.configuration, found, seconds, simulate)


# -- single figures -----------------------------------------------------------------------------------


def _figure(row: Row) -> Iterator[Case | Skipped]:
    cells = row.cells
    if cells["workload"].startswith("SUMMA GEMM"):
        yield _summa(row)
    elif row.source == "FYN" and "step=" in cells["size"] and "cycles" in cells["metric"]:
        yield _two_phase(row)
    elif cells["workload"] == "relay chain fit":
        yield from _relays(row)
    else:
        yield _micro(row)


def _summa(row: Row) -> Case | Skipped:
    side, tile = row.integer("grid_x"), re.match(r"tile (\d+)x", row.cells["size"])
    if tile is None or "WSE-2" not in row.cells["hardware"]:
        return _unknown(row)
    t = int(tile[1])
    seconds = START + side * side * side * (400 + 14 * t * t) / INSTRUCTIONS
    arguments = {"step": 0, "a_at": 0, "b_at": 0}
    return _case(row, seconds, lambda: timed(summa.make(side, t), WSE2, arguments))


def _two_phase(row: Row) -> Case | Skipped:
    """A measured row; or the row of a model that says how far it is from the measurement: that is what is compared."""
    sizes = {name: int(value) for name, value in re.findall(r"(\w+)=(\d+)", row.cells["size"])}
    if not {"P", "B", "step"} <= set(sizes) or sizes["P"] % sizes["step"]:
        return _unknown(row)
    measured = row.number("value")
    off = re.search(r"([-+]?[\d.]+)% vs raw", row.cells["unit"])
    if "model" in row.cells["metric"]:
        if off is None:
            return _unknown(row)
        measured = round(measured / (1 + float(off[1]) / 100))
    length, n, step = sizes["P"], sizes["B"], sizes["step"]
    seconds = START + length * n * 2 / (2 * PE_CYCLES)
    return _case(row, seconds, lambda: Machine(two_phase.make(length, n, step), WSE2).launch(), measured)


def _relays(row: Row) -> Iterator[Case | Skipped]:
    """A formula fitted to relays of some numbers of hops and some numbers of words: its values."""
    fit = re.match(r"T = ([\d.]+)\*N\*B \+ ([\d.]+)\*N \+ ([\d.]+)", row.cells["value"])
    sizes = re.findall(r"([NB]) in ([\d,]+)", row.cells["size"])
    if fit is None or len(sizes) != 2:
        yield _unknown(row)
        return
    per_word, per_hop, fixed = (float(x) for x in fit.groups())
    choices = {name: [int(x) for x in listed.strip(",").split(",")] for name, listed in sizes}
    for hops in choices["N"]:
        for words in choices["B"]:
            program = relay.make(hops, words, tasks=False)
            measured = per_word * hops * words + per_hop * hops + fixed
            yield Case(
                row.source, f"{row.cells['id']}, relay, {hops} hops of {words} words", measured, START,
                lambda program=program: _first_to_last(program, WSE3_SIMULATOR),  # type: ignore[misc]
            )  # fmt: skip


def _first_to_last(program: Program, wafer: Wafer) -> int:
    machine = Machine(program, wafer)
    machine.launch()
    times = machine.read("times")
    return int(times[0, -1, 1] - times[0, 0, 0])


def _micro(row: Row) -> Case | Skipped:
    """A figure of a micro-benchmark, on silicon or on the vendor's simulator."""
    hardware = row.cells["hardware"]
    if "WSE-3" not in hardware:
        return _unknown(row)
    wafer = WSE3_SIMULATOR if "simulator" in hardware else WSE3
    benchmark: MicroBenchmark | None = next((b for b in MICRO if b.fits(row)), None)
    if benchmark is None:
        return _unknown(row)
    return _case(row, 2 * START, lambda: benchmark.simulate(wafer, row), benchmark.measured(row))


def _unknown(row: Row) -> Skipped:
    return Skipped(row.source, row.configuration, "no kernel here reproduces this figure")
