"""What is simulated for each row of published figures."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial

from wse_sim.engine.machine import Machine
from wse_sim.errors import ProgramError, UsageError
from wse_sim.hardware import WSE2, WSE3
from wse_sim.hardware.presets import WSE3_SIMULATOR
from wse_sim.kernels.published import mesh_gemm, mesh_gemv, relay, ring_shift, summa, two_phase
from wse_sim.mapping.validation import kernels
from wse_sim.mapping.validation.figures import MICRO, MicroBenchmark
from wse_sim.mapping.validation.harness import MESH_GEMV_LOOP, first_to_last, spread, wafer_of
from wse_sim.mapping.validation.left_out import why_not
from wse_sim.mapping.validation.rows import FIGURE, LARGEST, MESH_GEMM, MESH_GEMV, RELAY, Row, number, positive, size

START = 0.04  # seconds that a case takes besides its cycles
PER_PE = 5e-5  # seconds to make a machine
PE_CYCLES = 12e6  # of a grid that works all the time, per second
ELEMENTS = 8e6  # of f16 multiply-adds, per second
INSTRUCTIONS = 7e6  # in memory alone, per second
WAVELETS = 4e6  # per second
LISTED = 32  # values that a formula is compared at, of each size
UNITS = {"cycles": 1, "us": 850}  # cycles in each; the CS-2 of the job logs runs at 850 MHz


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

    def __post_init__(self) -> None:
        positive(self.measured, "the published number")


@dataclass(frozen=True)
class Skipped:
    """A row that was not simulated."""

    source: str
    configuration: str
    reason: str


def cases_of(row: Row) -> Iterator[Case | Skipped]:
    """Mostly one per row; a row that gives a formula has one for each size it names."""
    try:
        if row.flaw:
            raise UsageError(row.flaw)
        yield from _KINDS[row.kind](row)
    except UsageError as error:
        yield _skipped(row, f"line {row.line}: {error}" if row.line else str(error))


# -- tables -------------------------------------------------------------------------------------------


def _mesh_gemv(row: Row) -> list[Case | Skipped]:
    side, (m, n, groups) = _side(row), (row.integer(name) for name in ("Mt", "Nt", "groups"))
    if groups > side:
        return [_skipped(row, f"{groups} groups of {side} PEs: expected no more than PEs")]
    seconds = START + side * (PER_PE + (4 * side + 300) / PE_CYCLES + m * n / ELEMENTS)
    return [_case(row, seconds, lambda: spread(mesh_gemv.make(side, m, n, groups), WSE3) + MESH_GEMV_LOOP)]


def _mesh_gemm(row: Row) -> list[Case | Skipped]:
    t = mesh_gemm.Tiles(_side(row), *(row.integer(name) for name in ("Mt", "Kt", "Nt")))
    if t.side < 2:
        return [_skipped(row, f"a ring of {t.side} PEs: expected 2 or more")]
    step = 120 + t.k * (40 + t.n * (3 + t.m / 3)) + t.k * (t.m + t.n)
    seconds = START + t.side**2 * (PER_PE + t.side * (step / PE_CYCLES + t.m * t.k * t.n / ELEMENTS))
    return [_case(row, seconds, lambda: spread(mesh_gemm.make(t), WSE3, kernels.GEMM_ARGUMENTS))]


def _ring_shift(row: Row) -> list[Case | Skipped]:
    side, shifts, n = _side(row), row.integer("L"), row.integer("Mt") * row.integer("Nt")
    if side < 2:
        return [_skipped(row, f"a ring of {side} PEs: expected 2 or more")]
    seconds = START + side * (PER_PE + shifts * (70 + n) / PE_CYCLES)
    return [_case(row, seconds, lambda: spread(ring_shift.make(side, n, shifts), WSE3_SIMULATOR, {"left": 0}))]


def _side(row: Row) -> int:
    """P of a table: PEs along x."""
    return row.integer("P", most=WSE3.width)


def _case(row: Row, seconds: float, simulate: Callable[[], float], measured: float | None = None) -> Case:
    found = row.number("value" if row.kind == FIGURE else "cycles") if measured is None else measured
    return Case(row.source, row.configuration, found, seconds, simulate)


def _skipped(row: Row, reason: str) -> Skipped:
    return Skipped(row.source, row.configuration, reason)


# -- single figures -----------------------------------------------------------------------------------


def _figure(row: Row) -> list[Case | Skipped]:
    cells = row.cells
    if cells["workload"].startswith("SUMMA GEMM"):
        return [_summa(row)]
    if row.source == "FYN" and "step=" in cells["size"] and "cycles" in cells["metric"]:
        return [_two_phase(row)]
    if cells["workload"] == "relay chain fit":
        return _relays(row)
    return [_kernel(row) or _micro(row) or _skipped(row, why_not(row))]


def _summa(row: Row) -> Case | Skipped:
    tile = re.match("tile ([0-9]+)x", row.cells["size"])
    unit = next((n for name, n in UNITS.items() if row.cells["unit"].startswith(name)), None)
    if tile is None or unit is None or "WSE-2" not in row.cells["hardware"]:
        return _skipped(row, why_not(row))
    side, t = row.integer("grid_x", most=WSE2.width), size(tile[1], "tile")
    if row.integer("grid_y") != side:
        return _skipped(row, f"{side} x {row.cells['grid_y']} PEs: expected a square")
    seconds = START + side * side * (PER_PE + side * (400 + 14 * t * t) / INSTRUCTIONS)
    return _case(row, seconds, lambda: spread(summa.make(side, t), WSE2, kernels.SUMMA_ARGUMENTS) / unit)


def _two_phase(row: Row) -> Case | Skipped:
    """A measured row; or the row of a model that says how far it is from the measurement: that is what is compared."""
    sizes = dict(re.findall(r"(\w+)=(\S+)", row.cells["size"]))
    if not {"P", "B", "step"} <= set(sizes):
        return _skipped(row, why_not(row))
    length, n = size(sizes["P"], "P", most=WSE2.width), size(sizes["B"], "B")
    step = size(sizes["step"], "step", most=length)
    if length % step:
        return _skipped(row, f"groups of {step} on a line of {length} PEs: expected a size that divides it")
    measured = row.number("value")
    off = re.search(r"([-+]?)([0-9.]+)% vs raw", row.cells["unit"])
    if "model" in row.cells["metric"]:
        if off is None:
            return _skipped(row, why_not(row))
        percent = number(off[2], "unit") * (-1 if off[1] == "-" else 1)
        measured = round(measured / positive(1 + percent / 100, "the measurement as a share of the model"))
    seconds = START + length * (PER_PE + 2 * n / WAVELETS)
    return _case(row, seconds, lambda: Machine(two_phase.make(length, n, step), WSE2).launch(), measured)


def _relays(row: Row) -> list[Case | Skipped]:
    """A formula fitted to relays of some numbers of hops and some numbers of words: its values."""
    fit = re.match(r"T = ([0-9.]+)\*N\*B \+ ([0-9.]+)\*N \+ ([0-9.]+)", row.cells["value"])
    listed = dict(re.findall("([NB]) in ([0-9,]+)", row.cells["size"]))
    if fit is None or set(listed) != {"N", "B"}:
        return [_skipped(row, why_not(row))]
    per_word, per_hop, fixed = (number(x, "value") for x in fit.groups())
    all_hops, all_words = (_listed(listed[name], name, most) for name, most in (("N", WSE3.width - 1), ("B", LARGEST)))
    return [
        Case(
            row.source, f"{row.cells['id']}, relay, {hops} hops of {words} words",
            per_word * hops * words + per_hop * hops + fixed,
            START + hops * (PER_PE + words / WAVELETS), partial(_relay, hops, words),
        )
        for hops in all_hops for words in all_words
    ]  # fmt: skip


def _listed(text: str, name: str, most: int) -> list[int]:
    sizes = text.strip(",").split(",")
    if len(sizes) > LISTED:
        raise UsageError(f"{len(sizes)} values of {name}: expected at most {LISTED}")
    return [size(each, name, most=most) for each in sizes]


def _relay(hops: int, words: int) -> int:
    return first_to_last(relay.make(hops, words, tasks=False), WSE3_SIMULATOR)


def _kernel(row: Row) -> Case | Skipped | None:
    """A whole kernel of known structure."""
    wafer = wafer_of(row.cells["hardware"])
    found = next(((k, sizes) for k in kernels.KERNELS if (sizes := k.sizes(row)) is not None), None)
    if wafer is None or found is None or "cycles" not in row.cells["unit"]:
        return None
    kernel, sizes = found
    try:
        parts = kernel.parts({"width": 1, "height": 1, **sizes})
    except ProgramError as reason:
        return _skipped(row, str(reason))
    measured = row.leading_number("value")
    width, height = sizes.get("width", 1), sizes.get("height", 1)
    if width > wafer.width or height > wafer.height:
        return _skipped(row, f"{width} x {height} PEs: expected at most {wafer.width} x {wafer.height}, {wafer.name}'s")
    pes = width * height
    seconds = START * len(parts) + pes * (PER_PE + measured / kernels.CYCLES_PER_SECOND)
    return _case(row, seconds, lambda: kernels.simulate(parts, wafer), measured)


def _micro(row: Row) -> Case | None:
    """A figure of a micro-benchmark, on silicon or on the vendor's simulator."""
    wafer = wafer_of(row.cells["hardware"])
    benchmark: MicroBenchmark | None = next((b for b in MICRO if b.fits(row)), None)
    if wafer is None or benchmark is None:
        return None
    return _case(row, 2 * START, lambda: benchmark.simulate(wafer, row), benchmark.measured(row))


_KINDS: dict[str, Callable[[Row], list[Case | Skipped]]] = {
    MESH_GEMV: _mesh_gemv,
    MESH_GEMM: _mesh_gemm,
    RELAY: _ring_shift,
    FIGURE: _figure,
}
