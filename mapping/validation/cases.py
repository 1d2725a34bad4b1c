"""What is simulated for each row of published figures."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import partial

from wse_sim.errors import ProgramError, UsageError
from wse_sim.hardware import WSE2, WSE3, Wafer
from wse_sim.hardware.presets import WSE3_SIMULATOR
from wse_sim.kernels.published import mesh_gemv, ring_shift
from wse_sim.kernels.published.mesh_gemm import Tiles
from wse_sim.mapping.validation import collectives, cost
from wse_sim.mapping.validation.composed import Fidelity, Steps
from wse_sim.mapping.validation.figures import micro_of, relayed
from wse_sim.mapping.validation.given import Given, Job
from wse_sim.mapping.validation.grammar import parse_sizes
from wse_sim.mapping.validation.harness import MESH_GEMV_LOOP, launched, longest, on_one_die, spread
from wse_sim.mapping.validation.kernels import kernel_of, mesh_gemm_job
from wse_sim.mapping.validation.left_out import never, why_not
from wse_sim.mapping.validation.machine import cycles_of, dtype_of, is_simulated, is_time, value_of, wafer_of
from wse_sim.mapping.validation.rows import FIGURE, MESH_GEMM, MESH_GEMV, RELAY, Row, number, positive
from wse_sim.mapping.validation.used import used_by
from wse_sim.program.program import Program

LISTED = 32  # values that a formula is compared at, of each size


@dataclass(frozen=True)
class Case:
    """A published figure and how to get the simulator's.

    seconds   about what the simulation takes
    used      constants of the machine or of kernels that this very figure sized
    same      names the measurement, where another row may give it again
    derived   whether the row gives it as the distance of a model from it
    steps     how to compose it where the whole simulation takes long; None: it cannot be composed
    fidelity  what `simulate` is
    """

    source: str
    configuration: str
    measured: float
    seconds: float
    simulate: Callable[[], float]
    used: tuple[str, ...] = ()
    same: str = ""
    derived: bool = False
    steps: Steps | None = None
    fidelity: Fidelity = "exact"

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
    except (UsageError, ProgramError) as error:
        yield _skipped(row, f"line {row.line}: {error}" if row.line else str(error))


def _skipped(row: Row, reason: str) -> Skipped:
    return Skipped(row.source, row.configuration, reason)


# -- tables -------------------------------------------------------------------------------------------


def _mesh_gemv(row: Row) -> list[Case | Skipped]:
    side, (m, n, groups) = _side(row), (row.integer(name) for name in ("Mt", "Nt", "groups"))
    if groups > side:
        return [_skipped(row, f"{groups} groups of {side} PEs: expected no more than PEs")]
    seconds = cost.gemv(side)
    return [_case(row, seconds, lambda: spread(mesh_gemv.make(side, m, n, groups), WSE3) + MESH_GEMV_LOOP)]


def _mesh_gemm(row: Row) -> list[Case | Skipped]:
    t = Tiles(_side(row), *(row.integer(name) for name in ("Mt", "Kt", "Nt")))
    if t.side < 2:
        return [_skipped(row, f"a ring of {t.side} PEs: expected 2 or more")]
    return [_job(row, mesh_gemm_job(t), WSE3, cost.gemm(t), spread)]


def _ring_shift(row: Row) -> list[Case | Skipped]:
    side, shifts, n = _side(row), row.integer("L"), row.integer("Mt") * row.integer("Nt")
    if side < 2:
        return [_skipped(row, f"a ring of {side} PEs: expected 2 or more")]
    seconds = cost.ring_shift(side, n, shifts)
    return [_case(row, seconds, lambda: spread(ring_shift.make(side, n, shifts), WSE3_SIMULATOR, ring_shift.ARGUMENTS))]


def _side(row: Row) -> int:
    """P of a table: PEs along x."""
    return row.integer("P", most=WSE3.width)


def _case(row: Row, seconds: float, simulate: Callable[[], float], measured: float | None = None) -> Case:
    found = row.number("cycles") if measured is None else measured
    return Case(row.source, row.configuration, found, seconds, simulate, used_by(row))


# -- single figures -----------------------------------------------------------------------------------


def _figure(row: Row) -> list[Case | Skipped]:
    reason = never(row)
    if reason is not None:
        return [_skipped(row, reason)]
    if re.search("relay.*fit", row.cells["workload"]):
        return _relays(row)
    if collectives.fits(row.cells["workload"]) or _names_phases(row):
        return [_collective(row)]
    return [_micro(row) or _kernel(row) or _skipped(row, why_not(row))]


def _given(row: Row, wafer: Wafer) -> Given:
    return Given(wafer, parse_sizes(row), row.cells["workload"], dtype_of(row.cells["dtype"]), row.cells["unit"])


def _names_phases(row: Row) -> bool:
    """Whether the size is a two-phase reduce's, whatever the workload says."""
    return bool(re.search(r"\bP *=.*\bB *=.*\bstep *=", row.cells["size"]))


def _collective(row: Row) -> Case | Skipped:
    """A measured row; or the row of a model that says how far it is from the measurement: that is what is compared."""
    derived = "model" in row.cells["metric"]
    wafer = wafer_of(row.cells["hardware"]) or (WSE2 if derived else None)
    if wafer is None or not (is_time(row) or derived):
        return _skipped(row, why_not(row))
    given = _given(row, wafer)
    if not collectives.fits(given.workload):
        given = Given(wafer, given.sizes, "two-phase reduce", given.dtype)
    _fits(given, wafer)
    job, name = collectives.job(given)
    words, star = given.need("elements", *collectives.PER_WORD), "star" in given.workload.lower()
    return Case(
        row.source, row.configuration, _measured(row) if derived else cycles_of(row),
        cost.collective(given.pes, words, relayed=star), lambda: launched(job.program(), wafer), used_by(row),
        f"{name} on {wafer.name}", derived,
    )  # fmt: skip


def _measured(row: Row) -> float:
    """The measurement that a model's row says its distance from."""
    off = re.search(r"([-+]?)([0-9.]+) *% vs raw", row.cells["unit"])
    if off is None:
        raise UsageError("unit gives no distance from the measurement: expected one as (-5.8% vs raw)")
    percent = number(off[2], "unit") * (-1 if off[1] == "-" else 1)
    return round(value_of(row) / positive(1 + percent / 100, "the measurement as a share of the model"))


def _fits(g: Given, wafer: Wafer) -> None:
    if not wafer.holds(g.width, g.height):
        raise UsageError(f"{g.width} x {g.height} PEs: expected at most {wafer.width} x {wafer.height}, {wafer.name}'s")


def _relays(row: Row) -> list[Case | Skipped]:
    """A formula fitted to relays of some numbers of hops and some numbers of words: its values."""
    fit = re.search(r"T *= *([0-9.]+) *\*? *N *\*? *B *\+ *([0-9.]+) *\*? *N *\+ *([0-9.]+)", row.cells["value"])
    listed, wafer = parse_sizes(row).lists, wafer_of(row.cells["hardware"])
    if fit is None or set(listed) != {"n", "b"} or wafer is None:
        return [_skipped(row, why_not(row))]
    if max(map(len, listed.values())) > LISTED:
        raise UsageError(f"{max(map(len, listed.values()))} values of a size: expected at most {LISTED}")
    if max(listed["n"]) >= wafer.width:
        raise UsageError(f"{max(listed['n'])} hops: expected at most {wafer.width - 1}, on {wafer.name}")
    per_word, per_hop, fixed = (number(x, "value") for x in fit.groups())
    return [
        Case(
            row.source, f"{row.cells['id']}, relay, {hops} hops of {words} words",
            per_word * hops * words + per_hop * hops + fixed, cost.collective(hops, words),
            partial(relayed, hops, words, wafer), used_by(row),
        )
        for hops in listed["n"] for words in listed["b"]
    ]  # fmt: skip


def _kernel(row: Row) -> Case | Skipped | None:
    """A whole kernel of known structure: on the simulator the time of the PE that takes longest, on silicon of all."""
    wafer = wafer_of(row.cells["hardware"])
    if wafer is None or not is_time(row):
        return None
    kernel = kernel_of(row.cells["workload"], Given(wafer, parse_sizes(row)).pes)
    if kernel is None:
        return None
    given = _given(row, wafer)
    if given.dtype is not None and given.dtype is not kernel.dtype:
        return _skipped(row, f"dtype is {given.dtype.name}: the published kernel is in {kernel.dtype.name}")
    _fits(given, wafer)
    job, measured = kernel.job(given), cycles_of(row)
    seconds = cost.kernel(given.pes, measured) if job.seconds is None else job.seconds
    if is_simulated(row.cells["hardware"]):
        return _job(row, job, wafer, seconds, longest, measured=measured)
    return _job(row, job, wafer, seconds, spread, measured=measured, beside=kernel.beside)


def _job(
    row: Row, job: Job, wafer: Wafer, seconds: float, cycles: Callable[[Program, Wafer, Mapping[str, float]], int], *,
    measured: float | None = None, beside: int = 0,
) -> Case:  # fmt: skip
    """A program's launch, whose `cycles` are taken from its clocks."""
    case = _case(row, seconds, lambda: cycles(job.program(), wafer, job.arguments) + beside, measured)
    square = job.square
    if square is None or (wafer.die_crossing_cycles and square.crossings is None):
        return case

    def on_side(side: int) -> int:
        return cycles(square.make(side), on_one_die(wafer), job.arguments) + beside

    crossings = partial(square.crossings, wafer) if square.crossings else int
    return replace(case, steps=Steps(square.side, on_side, square.seconds, crossings))


def _micro(row: Row) -> Case | None:
    """A figure of a micro-benchmark, on silicon or on the vendor's simulator."""
    wafer = wafer_of(row.cells["hardware"])
    benchmark = micro_of(row.cells["workload"], row.cells["metric"])
    if wafer is None or benchmark is None:
        return None
    given = _given(row, wafer)
    return _case(row, cost.MICRO, lambda: benchmark.figure(given), value_of(row))


_KINDS: dict[str, Callable[[Row], list[Case | Skipped]]] = {
    MESH_GEMV: _mesh_gemv,
    MESH_GEMM: _mesh_gemm,
    RELAY: _ring_shift,
    FIGURE: _figure,
}
