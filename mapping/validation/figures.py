"""Micro-benchmarks: which figures they give, and how."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from wse_sim.errors import UsageError
from wse_sim.hardware import DType, Wafer
from wse_sim.kernels.published import plain, transfer, vector
from wse_sim.mapping.validation.harness import TWO_CLOCKS, first_to_last
from wse_sim.mapping.validation.rows import Row, number, size
from wse_sim.program.program import Program

SHORT, LONG = 1024, 4096  # elements between which a rate is taken
WORDS = 8  # of a message whose latency is meant; what the benchmark sent is not published
HOPS = (1, 32)  # between which the cost of one is taken
MESSAGES = (64, 4096)  # wavelets between which a rate is taken
DTYPES = vector.DTYPES


@dataclass(frozen=True)
class MicroBenchmark:
    """Figures whose workload and metric match patterns.

    simulate  the figure on a wafer
    value     pattern in the value that is the number to compare with; by default all of it
    """

    workload: str
    metric: str
    simulate: Callable[[Wafer, Row], float]
    value: str = r"^([\d.]+)$"

    def fits(self, row: Row) -> bool:
        """Whether this gives the row's figure."""
        cells = row.cells
        return bool(
            re.search(self.workload, cells["workload"])
            and re.search(self.metric, cells["metric"])
            and re.search(self.value, cells["value"])
        )

    def measured(self, row: Row) -> float:
        """The row's number."""
        found = re.search(self.value, row.cells["value"])
        return number(found[1], "value") if found else row.number("value")


# -- runs ---------------------------------------------------------------------------------------------


def _alone(program: Program, wafer: Wafer) -> int:
    """Cycles without the readings of the clock themselves."""
    return first_to_last(program, wafer) - first_to_last(vector.nothing(), wafer)


def _dtype(row: Row) -> DType:
    name = row.cells["dtype"].strip()
    if name not in DTYPES:
        raise UsageError(f"dtype is {name[:40]!r}: expected one of {', '.join(DTYPES)}")
    return DTYPES[name]


Make = Callable[[int, DType], Program]


def _per_element(make: Make, wafer: Wafer, dtype: DType) -> float:
    """Cycles per element of long operations."""
    return (first_to_last(make(LONG, dtype), wafer) - first_to_last(make(SHORT, dtype), wafer)) / (LONG - SHORT)


def _rate(make: Make, dtype: str | None = None) -> Callable[[Wafer, Row], float]:
    """Elements per cycle."""
    return lambda wafer, row: 1 / _per_element(make, wafer, DTYPES[dtype] if dtype else _dtype(row))


def _set_up(make: Make) -> Callable[[Wafer, Row], float]:
    """Cycles of an operation on no elements, as the published fits have them: the timer's own time included."""

    def simulate(wafer: Wafer, row: Row) -> float:
        dtype = _dtype(row)
        return first_to_last(make(SHORT, dtype), wafer) - SHORT * _per_element(make, wafer, dtype)

    return simulate


def _per_hop(wafer: Wafer, row: Row) -> float:
    """Between the ends of the row's range of hops, or of a range within one die."""
    named = re.search(r"hops (?:([0-9]+)\.\.|<= ?)([0-9]+)", row.cells["size"])
    near, far = (_hops(wafer, named[1] or "1"), _hops(wafer, named[2])) if named else HOPS
    if near >= far:
        raise UsageError(f"size is hops {near}..{far}: expected more hops at its end")
    cycles = [first_to_last(transfer.make(hops, WORDS), wafer) for hops in (near, far)]
    return (cycles[1] - cycles[0]) / (far - near)


def _hops(wafer: Wafer, text: str) -> int:
    return size(text, "hops", most=wafer.width - 1)


def _per_wavelet(wafer: Wafer, _: Row) -> float:
    few, many = MESSAGES
    cycles = [first_to_last(transfer.make(1, words), wafer) for words in MESSAGES]
    return (cycles[1] - cycles[0]) / (many - few)


def _latency(wafer: Wafer, row: Row) -> float:
    named = re.match(r"([0-9]+) hops?", row.cells["size"])
    hops = _hops(wafer, named[1]) if named else 1
    return first_to_last(transfer.make(hops, WORDS), wafer) + _two_clocks(row)


def _two_clocks(row: Row) -> int:
    return 0 if "simulator" in row.cells["hardware"] else TWO_CLOCKS


def _fixed(wafer: Wafer, row: Row) -> float:
    words = MESSAGES[0]
    sent = first_to_last(transfer.make(1, words), wafer) + _two_clocks(row)
    return sent - _per_hop(wafer, row) - words * _per_wavelet(wafer, row)


def _next_operation(wafer: Wafer, row: Row) -> float:
    """Cycles for which an addition takes the issue slot."""
    named = re.match("n=([0-9]+)", row.cells["size"])
    elements = size(named[1], "n") if named else SHORT
    return _alone(vector.add(elements, _dtype(row)), wafer)


def _addition(wafer: Wafer, row: Row) -> float:
    return _alone(vector.add(row.integer("size"), DTYPES["i16"]), wafer)


def _tiled(form: str) -> Callable[[Wafer, Row], float]:
    return lambda wafer, _: first_to_last(vector.tiled_multiply_add(LONG, form), wafer)


def _loop(wafer: Wafer, _: Row) -> float:
    """Two of the body's eight instructions are the loop's own count and test."""
    few, many = 100, 300
    return (first_to_last(vector.loop(many, 6), wafer) - first_to_last(vector.loop(few, 6), wafer)) / (many - few)


def _outputs(wafer: Wafer, _: Row) -> float:
    """Outputs of the stencil per cycle."""
    cycles = first_to_last(vector.stencil(LONG), wafer) - first_to_last(vector.stencil(SHORT), wafer)
    return (LONG - SHORT) / cycles


def _plain_dot(wafer: Wafer, _: Row) -> float:
    """Cycles per element."""
    cycles = first_to_last(plain.dot_of(LONG), wafer) - first_to_last(plain.dot_of(SHORT), wafer)
    return cycles / (LONG - SHORT)


def _sum(wafer: Wafer, row: Row) -> float:
    return _per_element(vector.total, wafer, _dtype(row))


def _dot(wafer: Wafer, row: Row) -> float:
    return _per_element(vector.dot, wafer, _dtype(row))


def _columns(wafer: Wafer, _: Row) -> float:
    return first_to_last(vector.matrix_vector(16, DTYPES["f32"]), wafer)


MICRO = (
    MicroBenchmark("^DSD copy", "throughput", _rate(vector.copy)),
    MicroBenchmark("^DSD fma", "throughput", _rate(vector.multiply_add)),
    MicroBenchmark("^DSD copy", "setup", _set_up(vector.copy)),
    MicroBenchmark("^DSD fma", "setup", _set_up(vector.multiply_add)),
    MicroBenchmark("^hop latency (east|west)", "cycles per hop", _per_hop, r"^(2\.0\d*)$"),
    MicroBenchmark("^hop latency$", "latency", _per_hop),
    MicroBenchmark("^point-to-point latency", "latency", _latency),
    MicroBenchmark("^same by TSC", "latency", _latency),
    MicroBenchmark("^per-wavelet cost", "cycles per wavelet", _per_wavelet),
    MicroBenchmark("^fixed cost of a transfer", "fixed", _fixed),
    MicroBenchmark("^next dispatch", "cycles", _next_operation),
    MicroBenchmark("^@add16 memory-memory", "cycles", _addition),
    MicroBenchmark("^4096 f16 FMA, L0", "cycles", _tiled("whole")),
    MicroBenchmark("^4096 f16 FMA, L1", "cycles", _tiled("loop")),
    MicroBenchmark("^4096 f16 FMA, L2", "cycles", _tiled("map")),
    MicroBenchmark("^4096 f16 FMA, L3", "cycles", _tiled("maps")),
    MicroBenchmark("^scalar loop, 8-instruction body", "cycles per iteration", _loop),
    MicroBenchmark("^roofline suite: fill", "rate", _rate(vector.fill)),
    MicroBenchmark("^roofline suite: copy", "rate", _rate(vector.copy)),
    MicroBenchmark("^roofline suite: axpy", "rate", _rate(vector.multiply_add)),
    MicroBenchmark("^roofline suite: element-wise", "rate", _rate(vector.add)),
    MicroBenchmark("^roofline suite: i16", "rate", _rate(vector.add, "i16")),
    MicroBenchmark("^roofline suite: reduction", "rate", _sum),
    MicroBenchmark("^roofline suite: vector dot", "rate", _dot),
    MicroBenchmark("^roofline suite: scalar dot", "rate", _plain_dot, r"^(\d+)-\d+$"),
    MicroBenchmark("^roofline suite: 5-point stencil", "rate", _outputs),
    MicroBenchmark("^local GEMV, DSD", "cycles", _columns),
)
