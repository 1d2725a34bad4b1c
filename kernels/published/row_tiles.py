"""Norms, softmax and a gate on f16 tiles: rows of a matrix on y, features on x (WaferLLM, and ports in MIMD_dataflow).

x, y    (rows * cols,) of f16 on each PE, row after row, or column after column as a GEMM leaves and takes it; a row
        lies on all PEs of a line along x
stats   (rows,) of f16: a sum or a largest number per row, all-reduced along x by two chains that meet in the middle
lines   do not meet, so one line takes the cycles of all: the program is one line
times   clock of each PE before and after
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from wse_sim.hardware import f16, i32
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective.line import Line, make_line
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer, View
from wse_sim.program.program import Program
from wse_sim.program.register import Register


@dataclass(frozen=True)
class Tile:
    """A line of `width` PEs and what each holds: `rows` rows of `cols` features."""

    width: int
    rows: int
    cols: int
    by_column: bool = False

    @property
    def features(self) -> int:
        return self.width * self.cols


@dataclass(frozen=True)
class Rows:
    """Lines of PEs along x that work on tiles; `y` may be longer than a tile, which is then its beginning."""

    tile: Tile
    x: Buffer
    y: Buffer
    stats: Buffer
    line: Line


def make_rows(build: Builder, t: Tile, x: Buffer, y: Buffer) -> Rows:
    """Takes the colours of the line, and a buffer."""
    stats = build.buffer("stats", f16, t.rows)
    return Rows(t, x, y, stats, make_line(build, build.grid, Axis.X, groups=(), name="rows"))


def _make(name: str, t: Tile, emit: Callable[[Builder, Code, Rows], None]) -> Program:
    build = Builder(t.width, 1, name=f"{name} {t.width} {t.rows} {t.cols}")
    x, y = (build.buffer(name, f16, t.rows * t.cols) for name in "xy")
    times, rows = build.buffer("times", i32, 2), make_rows(build, t, x, y)
    pe = build.main()
    pe.store(times[0], pe.clock())
    emit(build, pe, rows)
    pe.store(times[1], pe.clock())
    return build.finish()


def _each(pe: Code, rows: Rows, emit: Callable[[Register, View, View], None]) -> None:
    """Runs `emit` with each row's number and its parts of x and y."""
    t = rows.tile
    at = pe.integer(0)
    with pe.loop(t.rows) as row:
        first, stride = (row, t.rows) if t.by_column else (at, 1)
        emit(row, rows.x.at(first, t.cols, stride=stride), rows.y.at(first, t.cols, stride=stride))
        at += t.cols


# -- norms --------------------------------------------------------------------------------------------


def rms_norm(t: Tile, *, residual: bool = False, epsilon: float = 1e-5) -> Program:
    """y = weight * x / sqrt(mean(x * x) + epsilon), weight (cols,); with `residual` x += added first."""

    def emit(build: Builder, pe: Code, rows: Rows) -> None:
        if residual:
            pe.add(rows.x, rows.x, build.buffer("added", f16, t.rows * t.cols))
        emit_rms_norm(pe, rows, build.buffer("weight", f16, t.cols), epsilon)

    return _make("RMSNorm", t, emit)


def layer_norm(t: Tile, *, epsilon: float = 1e-5) -> Program:
    """y = weight * (x - mean) / sqrt(variance + epsilon) + bias, weight and bias (cols,); x becomes x - mean."""

    def emit(build: Builder, pe: Code, rows: Rows) -> None:
        weight, bias = build.buffer("weight", f16, t.cols), build.buffer("bias", f16, t.cols)

        def add_up(row: Register, x: View, _: View) -> None:
            found = pe.real(0.0)
            pe.sum(found, x)
            pe.store(rows.stats.at(row), found * (1.0 / t.features))

        _each(pe, rows, add_up)
        rows.line.all_reduce(pe, rows.stats)
        _each(pe, rows, lambda row, x, _: pe.sub(x, x, pe.load(rows.stats.at(row))))
        emit_rms_norm(pe, rows, weight, epsilon)
        _each(pe, rows, lambda _row, _x, y: pe.add(y, y, bias))

    return _make("LayerNorm", t, emit)


def emit_rms_norm(pe: Code, rows: Rows, weight: Buffer, epsilon: float) -> None:
    """y = weight * x / sqrt(mean(x * x) + epsilon)."""
    stats, features = rows.stats, rows.tile.features

    def square(row: Register, x: View, _: View) -> None:
        found = pe.real(0.0)
        pe.dot(found, x, x)
        pe.store(stats.at(row), found * (1.0 / features))

    def scale(row: Register, x: View, y: View) -> None:
        pe.mul(y, x, pe.load(stats.at(row)))
        pe.mul(y, y, weight)

    _each(pe, rows, square)
    rows.line.all_reduce(pe, stats)
    pe.add(stats, stats, epsilon)
    pe.vector("sqrt", stats, stats)
    pe.vector("recip", stats, stats)
    _each(pe, rows, scale)


# -- softmax ------------------------------------------------------------------------------------------


def softmax(t: Tile, *, mapped: bool = False) -> Program:
    """y = softmax(x) of each row. Exponentials come one by one from a loop of scalar code, or from one operation."""
    return _make("softmax", t, lambda _, pe, rows: emit_softmax(pe, rows, mapped=mapped))


def emit_softmax(pe: Code, rows: Rows, *, mapped: bool = False) -> None:
    """y = softmax(x) of each row."""
    stats = rows.stats

    def largest(row: Register, x: View, _: View) -> None:
        found = pe.real(-65504.0)
        pe.max_of(found, x)
        pe.store(stats.at(row), found)

    def powers(row: Register, x: View, y: View) -> None:
        most, found = pe.load(stats.at(row)), pe.real(0.0)
        if mapped:
            pe.sub(y, x, most)
            pe.vector("exp", y, y)
            pe.sum(found, y)
        else:
            _scalar_powers(pe, rows, row, most, found)
        pe.store(stats.at(row), found)

    _each(pe, rows, largest)
    rows.line.all_reduce(pe, stats, "max")
    _each(pe, rows, powers)
    rows.line.all_reduce(pe, stats)
    pe.vector("recip", stats, stats)
    _each(pe, rows, lambda row, _, y: pe.mul(y, y, pe.load(stats.at(row))))


def _scalar_powers(pe: Code, rows: Rows, row: Register, most: Register, found: Register) -> None:
    """y = exp(x - most), element by element, and their sum."""
    t = rows.tile
    first = row if t.by_column else row * t.cols
    with pe.loop(t.cols) as i:
        at = first + (i * t.rows if t.by_column else i)
        pe.store(rows.y.at(at), pe.load(rows.x.at(at)) - most)
        pe.vector("exp", rows.y.at(at, 1), rows.y.at(at, 1))
        found += pe.load(rows.y.at(at))


# -- element by element -------------------------------------------------------------------------------


def silu_gate(n: int) -> Program:
    """y *= x * sigmoid(x), n elements on one PE: products as vector operations, the sigmoid element by element."""
    return _elements("SiLU gate", n, lambda pe, x, y, work: _silu(pe, x, y, work, gate=True))


def silu(n: int) -> Program:
    """y = x * sigmoid(x), as in `silu_gate`."""
    return _elements("SiLU", n, lambda pe, x, y, work: _silu(pe, x, y, work, gate=False))


def gelu(n: int) -> Program:
    """y = x * (1 + erf(x / sqrt(2))) / 2, the error function element by element."""

    def emit(pe: Code, x: Buffer, y: Buffer, work: Buffer) -> None:
        pe.mul(work, x, 0.5**0.5)
        with pe.loop(n) as i:
            pe.vector("erf", work.at(i, 1), work.at(i, 1))
        pe.add(work, work, 1.0)
        pe.mul(y, x, 0.5)
        pe.mul(y, y, work)

    return _elements("GELU", n, emit)


def _silu(pe: Code, x: Buffer, y: Buffer, work: Buffer, *, gate: bool) -> None:
    pe.neg(work, x)
    with pe.loop(x.length) as i:
        element = work.at(i, 1)
        pe.vector("exp", element, element)
        pe.store(work.at(i), pe.load(work.at(i)) + 1.0)
        pe.vector("recip", element, element)
    if gate:
        pe.mul(work, work, x)
        pe.mul(y, y, work)
    else:
        pe.mul(y, work, x)


def _elements(name: str, n: int, emit: Callable[[Code, Buffer, Buffer, Buffer], None]) -> Program:
    build = Builder(1, 1, name=f"{name} {n}")
    x, y, work = (build.buffer(name, f16, n) for name in ("x", "y", "work"))
    times = build.buffer("times", i32, 2)
    pe = build.main()
    pe.store(times[0], pe.clock())
    emit(pe, x, y, work)
    pe.store(times[1], pe.clock())
    return build.finish()
