"""Micro-benchmarks of one PE: vector operations of a length, and loops of several kinds around short ones.

times  clock of the PE before and after
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.errors import ProgramError
from wse_sim.hardware import DType, Wafer, f16, f32, i16, i32
from wse_sim.hardware.operations import VECTOR_OPERATIONS
from wse_sim.kernels.price import Price
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import each
from wse_sim.program.program import Program

TILE = 16  # elements of a short operation
ROW = 16  # elements of a row of a stencil's grid
BESIDE = 8  # bytes past a period of the banks: operands of f32 so placed do not meet

Array = NDArray[Any]

# -- values and cycles --------------------------------------------------------------------------------


def reference(name: str, x: Array, y: Array) -> Array:
    """What `copy`, `fill`, `add` and `multiply_add` leave: x, 0, x + y, or y + x / 2, rounded once."""
    wide, other = x.astype(np.float64), y.astype(np.float64)
    found = {"copy": wide, "fill": 0 * wide, "add": wide + other, "multiply-add": other + 0.5 * wide}[name]
    return found.astype(x.dtype)


def cost(wafer: Wafer, name: str, n: int, dtype: DType) -> int:
    """Cycles of a launch of one of these four; x and y of an addition begin in the same bank: narrow groups meet."""
    price, (lanes, _) = Price(wafer), wafer.rate(VECTOR_OPERATIONS["add"], dtype, dtype)
    meet = lanes * dtype.bytes <= wafer.read_port_bytes
    operation = {
        "copy": price.vector("mov", n, dtype, dtype),
        "fill": price.vector("mov", n, dtype, None),
        "add": price.vector("add", n, dtype, dtype, dtype, clash=meet),
        "multiply-add": price.vector("mac", n, dtype, dtype),
    }[name]
    return wafer.task_switch_cycles + operation + 2 * price.scalar("clock store")


# -- programs -----------------------------------------------------------------------------------------


def _timed(name: str, emit: Callable[[Builder, Code], None]) -> Program:
    build = Builder(1, 1, name=name)
    times = build.buffer("times", i32, 2)
    pe = build.main()
    pe.store(times[0], pe.clock())
    emit(build, pe)
    pe.store(times[1], pe.clock())
    return build.finish()


def nothing() -> Program:
    """The clock's readings alone."""
    return _timed("nothing", lambda _, __: None)


def copy(n: int, dtype: DType) -> Program:
    """n elements from SRAM to SRAM."""

    def emit(build: Builder, pe: Code) -> None:
        pe.mov(build.buffer("y", dtype, n), build.buffer("x", dtype, n))

    return _timed(f"copy {n} {dtype.name}", emit)


def fill(n: int, dtype: DType) -> Program:
    """n elements set to a number."""
    return _timed(f"fill {n} {dtype.name}", lambda build, pe: pe.mov(build.buffer("y", dtype, n), 0.0))


def add(n: int, dtype: DType) -> Program:
    """z = x + y on n elements."""

    def emit(build: Builder, pe: Code) -> None:
        x, y, z = (build.buffer(name, dtype, n) for name in "xyz")
        pe.add(z, x, y)

    return _timed(f"add {n} {dtype.name}", emit)


def multiply_add(n: int, dtype: DType, *, bank_offset: int = BESIDE) -> Program:
    """y += a x on n elements, y so many bytes past the banks of x."""

    def emit(build: Builder, pe: Code) -> None:
        x, y = build.buffer("x", dtype, n), build.buffer("y", dtype, n, bank_offset=bank_offset)
        pe.mac(y, x, 0.5)

    return _timed(f"multiply-add {n} {dtype.name}", emit)


def total(n: int, dtype: DType) -> Program:
    """The sum of n elements in a register."""
    return _timed(f"sum {n} {dtype.name}", lambda build, pe: pe.sum(pe.real(0.0), build.buffer("x", dtype, n)))


def loop(times: int, instructions: int) -> Program:
    """A loop around independent integer instructions."""

    def emit(_build: Builder, pe: Code) -> None:
        with pe.loop(times):
            for _ in range(instructions):
                pe.integer(1)

    return _timed(f"loop {times} {instructions}", emit)


def tiled_multiply_add(n: int, form: str) -> Program:
    """n multiply-adds of f16 in tiles of 16, whose views move on by themselves.

    form  `whole`: one operation on all; `loop`: a loop of operations; `map`: a map of them, whose callback names their
          descriptors; `maps`: a loop of such maps, each over 16 tiles
    """

    def emit(build: Builder, pe: Code) -> None:
        x, y = build.buffer("x", f16, n), build.buffer("y", f16, n, bank_offset=BESIDE)
        scalars, tiles = build.buffer("scalars", f16, n // TILE), n // TILE
        if form == "whole":
            pe.mac(y, x, 0.5)
        elif form == "map":
            pe.mac(y.view(0, TILE).stepping(TILE), x.view(0, TILE).stepping(TILE), each(scalars, reload=True))
        elif form == "maps":
            first, place = pe.integer(0), pe.integer(0)
            with pe.loop(tiles // TILE):
                to, a = (buffer.at(place, TILE).stepping(TILE) for buffer in (y, x))
                pe.mac(to, a, each(scalars.at(first, TILE), reload=True))
                first += TILE
                place += TILE * TILE
        elif form == "loop":
            begin_y, begin_x = pe.integer(0), pe.integer(0)
            with pe.loop(tiles):
                pe.mac(y[:TILE].at(begin_y, advance=True), x[:TILE].at(begin_x, advance=True), 0.5)
        else:
            raise ProgramError(f"form {form!r} of a tiled multiply-add: expected whole, loop, map or maps")

    return _timed(f"tiled multiply-add {n} {form}", emit)


def stencil(n: int) -> Program:
    """z = 0.5 x + 0.125 * (x one and x `ROW` elements before and after): five operations on n elements of f16."""

    def emit(build: Builder, pe: Code) -> None:
        x, z = build.buffer("x", f16, n + 2 * ROW), build.buffer("z", f16, n)
        pe.mul(z, x.view(ROW, n), 0.5)
        for distance in (-ROW, -1, 1, ROW):
            pe.mac(z, x.view(ROW + distance, n), 0.125)

    return _timed(f"stencil {n}", emit)


def dot(n: int, dtype: DType) -> Program:
    """The dot product of two vectors of n elements, in a register."""

    def emit(build: Builder, pe: Code) -> None:
        x, y = build.buffer("x", dtype, n), build.buffer("y", dtype, n, bank_offset=BESIDE)
        found = pe.real(0.0)
        pe.dot(found, x, y)
        pe.store(build.buffer("result", f32, 1)[0], found)

    return _timed(f"dot {n} {dtype.name}", emit)


def matrix_vector(n: int, dtype: DType) -> Program:
    """y += A x by columns, n of them: a loop around a multiply-add of a column."""

    def emit(build: Builder, pe: Code) -> None:
        a, x = build.buffer("a", dtype, n * n), build.buffer("x", dtype, n)
        y, place = build.buffer("y", dtype, n, bank_offset=BESIDE), pe.integer(0)
        with pe.loop(n) as column:
            pe.mac(y, a.at(place, n), pe.load(x.at(column)))
            place += n

    return _timed(f"matrix-vector {n} {dtype.name}", emit)


DTYPES = {dtype.name: dtype for dtype in (f16, f32, i16)}
