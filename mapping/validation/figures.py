"""Micro-benchmarks: which figures they give, and how."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass

from wse_sim.engine.machine import Machine
from wse_sim.errors import UsageError
from wse_sim.hardware import DType, Wafer, f16, f32, i16
from wse_sim.hardware.presets import WSE3_SIMULATOR
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.published import plain, relay, transfer, vector
from wse_sim.mapping.validation.given import Given
from wse_sim.mapping.validation.harness import TWO_CLOCKS, first_to_last
from wse_sim.program.program import Program

SHORT, LONG = 1024, 4096  # elements between which a rate is taken
WORDS = 8  # of a message whose latency is meant, where the row does not say
HOPS = (1, 32)  # between which the cost of one is taken, where the row does not say
MESSAGES = (64, 4096)  # wavelets between which a rate is taken
DIRECTIONS = {
    "east": (Axis.X, False), "west": (Axis.X, True), "south": (Axis.Y, False), "north": (Axis.Y, True),
}  # fmt: skip


@dataclass(frozen=True)
class MicroBenchmark:
    """Figures whose workload and metric match patterns.

    simulate  cycles; of a rate, per element
    rate      whether the unit of the figure says what it is a rate of
    """

    workload: str
    metric: str
    simulate: Callable[[Given], float]
    rate: bool = False

    def fits(self, workload: str, metric: str) -> bool:
        """Whether this gives a figure."""
        return bool(re.search(self.workload, workload, re.IGNORECASE) and re.search(self.metric, metric, re.IGNORECASE))

    def figure(self, g: Given) -> float:
        """The figure in its unit."""
        found = self.simulate(g)
        return _in_unit(found, g) if self.rate else found


def _in_unit(per_element: float, g: Given) -> float:
    unit = re.sub(r"\s+", "", g.unit.lower())
    if re.match(r"cycles?(/|per)", unit):
        return per_element
    if re.match(r"(b|bytes?)(/|per)cycle", unit):
        return (g.dtype or f32).bytes / per_element
    if re.match(r"(el[a-z.]*|outputs?|words?|values?|macs?|ops?)(/|per)cycle", unit):
        return 1 / per_element
    raise UsageError(f"unit is {g.unit.strip()[:40]!r}: expected elements/cycle, cycles/element or bytes/cycle")


# -- one PE -------------------------------------------------------------------------------------------


def _alone(program: Program, wafer: Wafer) -> int:
    """Cycles without the readings of the clock themselves."""
    return first_to_last(program, wafer) - first_to_last(vector.nothing(), wafer)


def _dtype(g: Given) -> DType:
    if g.dtype not in (f16, f32, i16):
        raise UsageError("dtype is none: expected one of f16, f32, i16")
    return g.dtype


def _elements(g: Given) -> int | None:
    return g.sizes.first("n", "element", "elem", "value", "bare")


Make = Callable[[int, DType], Program]


def _per_element(make: Make, wafer: Wafer, dtype: DType) -> float:
    """Cycles per element of long operations."""
    return (first_to_last(make(LONG, dtype), wafer) - first_to_last(make(SHORT, dtype), wafer)) / (LONG - SHORT)


def _rate(make: Make, dtype: DType | None = None) -> Callable[[Given], float]:
    return lambda g: _per_element(make, g.wafer, dtype or _dtype(g))


def _set_up(make: Make) -> Callable[[Given], float]:
    """Cycles of an operation on no elements, as the published fits have them: the timer's own time included."""

    def simulate(g: Given) -> float:
        dtype = _dtype(g)
        return first_to_last(make(SHORT, dtype), g.wafer) - SHORT * _per_element(make, g.wafer, dtype)

    return simulate


def _next_operation(g: Given) -> float:
    """Cycles for which an addition takes the issue slot."""
    return _alone(vector.add(_elements(g) or SHORT, _dtype(g)), g.wafer)


def _whole(make: Make, dtype: DType | None = None) -> Callable[[Given], float]:
    """Cycles of one operation."""

    def simulate(g: Given) -> float:
        n = g.need("elements", "n", "element", "elem", "value", "bare")
        return _alone(make(n, dtype or _dtype(g)), g.wafer)

    return simulate


def _tiled(form: str) -> Callable[[Given], float]:
    return lambda g: first_to_last(vector.tiled_multiply_add(_elements(g) or LONG, form), g.wafer)


def _loop(g: Given) -> float:
    """Two of the body's instructions are the loop's own count and test."""
    named = re.search(r"([0-9]{1,3})[- ]instruction", g.workload)
    body, few, many = int(named[1]) if named else 8, 100, 300
    if body < 2:
        raise UsageError(f"a loop body of {body} instructions: expected 2 or more, count and test included")
    cycles = [first_to_last(vector.loop(times, body - 2), g.wafer) for times in (few, many)]
    return (cycles[1] - cycles[0]) / (many - few)


def _outputs(g: Given) -> float:
    """Of the stencil, per output."""
    return (first_to_last(vector.stencil(LONG), g.wafer) - first_to_last(vector.stencil(SHORT), g.wafer)) / (
        LONG - SHORT
    )


def _plain_dot(g: Given) -> float:
    return (first_to_last(plain.dot_of(LONG), g.wafer) - first_to_last(plain.dot_of(SHORT), g.wafer)) / (LONG - SHORT)


def _columns(g: Given) -> float:
    return first_to_last(vector.matrix_vector(g.square_tile(), g.dtype or f32), g.wafer)


# -- messages -----------------------------------------------------------------------------------------


def _latency_of(hops: int, words: int, g: Given, direction: str) -> int:
    """By clocks that a signal from the north-west has set, and on silicon messages between the two PEs."""
    axis, back = DIRECTIONS[direction]
    most = axis.length(g.wafer.grid) - 2
    if not 1 <= hops <= most:
        raise UsageError(f"{hops} hops {direction}: expected 1 to {most}, on {g.wafer.name}")
    machine = Machine(transfer.make(hops, words, axis=axis, back=back), g.wafer)
    machine.launch()
    return transfer.latency(g.wafer, machine.read("times").reshape(-1, transfer.EVENTS), back=back)


def _directions(g: Given) -> list[str]:
    """Those that the workload names, east if none."""
    return [name for name in DIRECTIONS if re.search(name, g.workload, re.IGNORECASE)] or ["east"]


def _words(g: Given) -> int:
    return g.sizes.first("word", "wavelet", "b", "payload", "n") or WORDS


def _per_hop(g: Given) -> float:
    """Between the ends of the row's range of hops, the mean of its directions."""
    near, far = g.sizes.ranges.get("hop", g.sizes.ranges.get("bare", HOPS))
    if far is None:
        raise UsageError(f"size is hops > {near}, without an end: expected a range, as hops 1..64")
    if near >= far:
        raise UsageError(f"size is hops {near}..{far}: expected more hops at its end")
    slopes = [
        (_latency_of(far, _words(g), g, to) - _latency_of(near, _words(g), g, to)) / (far - near)
        for to in _directions(g)
    ]
    return sum(slopes) / len(slopes)


def _per_wavelet(g: Given) -> float:
    few, many = g.sizes.ranges.get("payload", g.sizes.ranges.get("word", g.sizes.ranges.get("wavelet", MESSAGES)))
    if many is None or few >= many:
        raise UsageError(f"size is a payload of {few}..{many}: expected more at its end")
    return (_latency_of(1, many, g, "east") - _latency_of(1, few, g, "east")) / (many - few)


def _latency(g: Given) -> float:
    found = [_latency_of(g.sizes.first("hop") or 1, _words(g), g, to) for to in _directions(g)]
    return sum(found) / len(found) + _two_clocks(g)


def _two_clocks(g: Given) -> int:
    return 0 if g.wafer is WSE3_SIMULATOR else TWO_CLOCKS


def _fixed(g: Given) -> float:
    words = MESSAGES[0]
    sent = _latency_of(1, words, g, "east") + _two_clocks(g)
    return sent - _per_hop(g) - words * _per_wavelet(g)


def _relay(g: Given) -> float:
    return relayed(g.need("hops", "hop", "n", "stage"), g.need("words", "b", "word", "wavelet", "element"), g.wafer)


def relayed(hops: int, words: int, wafer: Wafer) -> int:
    """Cycles of a whole message handed on by so many PEs."""
    return first_to_last(relay.make(hops, words, tasks=False), wafer)


_COPY, _FMA = r"\bcopy\b", r"\b(fma|fmac|multiply.?add|axpy)\b"
_RATE = "throughput|rate"

MICRO = (
    MicroBenchmark(r"f16 FMA.*(L0|one @fmach)", "cycles", _tiled("whole")),
    MicroBenchmark(r"f16 FMA.*(L1|while loop)", "cycles", _tiled("loop")),
    MicroBenchmark(r"f16 FMA.*(L3|for \+)", "cycles", _tiled("maps")),
    MicroBenchmark(r"f16 FMA.*(L2|@?map)", "cycles", _tiled("map")),
    MicroBenchmark(r"scalar loop", "cycles per iteration", _loop),
    MicroBenchmark(r"roofline.*(scalar dot)|^scalar dot", _RATE, _plain_dot, rate=True),
    MicroBenchmark(r"roofline.*(vector dot)|^(dsd|vector) dot", _RATE, _rate(vector.dot), rate=True),
    MicroBenchmark(r"roofline.*reduction|^(dsd|vector) (reduction|sum)", _RATE, _rate(vector.total), rate=True),
    MicroBenchmark(r"roofline.*stencil|^5-point stencil", _RATE, _outputs, rate=True),
    MicroBenchmark(r"roofline.*i16|i16 (op|add)", _RATE, _rate(vector.add, i16), rate=True),
    MicroBenchmark(r"\bfill\b", _RATE, _rate(vector.fill), rate=True),
    MicroBenchmark(_COPY, _RATE, _rate(vector.copy), rate=True),
    MicroBenchmark(_FMA, _RATE, _rate(vector.multiply_add), rate=True),
    MicroBenchmark(r"element-wise|dsd (add|mul)", _RATE, _rate(vector.add), rate=True),
    MicroBenchmark(_COPY, r"set-?up", _set_up(vector.copy)),
    MicroBenchmark(_FMA, r"set-?up", _set_up(vector.multiply_add)),
    MicroBenchmark(r"dsd (add|mul)", r"set-?up", _set_up(vector.add)),
    MicroBenchmark(r"^next dispatch", "cycles", _next_operation),
    MicroBenchmark(r"@add16", "cycles", _whole(vector.add, i16)),
    MicroBenchmark(rf"dsd.*{_COPY}", "^cycles$", _whole(vector.copy)),
    MicroBenchmark(rf"dsd.*{_FMA}", "^cycles$", _whole(vector.multiply_add)),
    MicroBenchmark(r"hop latency|per.?hop", r"latency|per hop", _per_hop),
    MicroBenchmark(r"point.?to.?point|same by TSC|transfer latency", "latency|cycles", _latency),
    MicroBenchmark(r"per-?wavelet", "cycles per wavelet", _per_wavelet),
    MicroBenchmark(r"fixed cost of a transfer", "fixed", _fixed),
    MicroBenchmark(r"^(message )?relay(?!.*fit)", "cycles|latency", _relay),
    MicroBenchmark(r"local gemv.*(dsd|vector)|gemv.*one PE.*dsd", "cycles", _columns),
)  # fmt: skip


def micro_of(workload: str, metric: str) -> MicroBenchmark | None:
    """The first that fits."""
    return next((benchmark for benchmark in MICRO if benchmark.fits(workload, metric)), None)
