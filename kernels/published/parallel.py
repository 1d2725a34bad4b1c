"""A sum or a dot product over the PEs of a row: plain code on each, then a chain to the first PE (FABRICA, kernels).

x, y    (n,) of f32 on each PE
result  one number, on the first PE
times   clock of each PE before and after
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import Wafer, f32, i32
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective import reduce
from wse_sim.kernels.collective.reduce import make_reduce
from wse_sim.kernels.collective.shapes import chain
from wse_sim.kernels.published import plain, plain_laws
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.program import Program
from wse_sim.program.register import Register

Array = NDArray[Any]


def reference(x: Array, y: Array | None = None) -> float:
    """The sum of x, or of x * y, in double precision."""
    wide = x.astype(np.float64)
    return float((wide if y is None else wide * y).sum())


def cost(wafer: Wafer, width: int, n: int, *, dot: bool = False) -> int:
    """Cycles of a launch."""
    alone = plain_laws.cost(wafer, "dot" if dot else "sum", n)
    return alone + reduce.cost(wafer, chain(width, 0), 1)


def sum_of(width: int, n: int) -> Program:
    """The sum of x on all PEs."""
    return _make("sum", width, lambda build, pe: plain.total(pe, build.buffer("x", f32, n)))


def dot_of(width: int, n: int) -> Program:
    """The sum of x * y on all PEs."""
    return _make("dot", width, lambda build, pe: plain.dot(pe, build.buffer("x", f32, n), build.buffer("y", f32, n)))


def _make(name: str, width: int, emit: Callable[[Builder, Code], Register]) -> Program:
    build = Builder(width, 1, name=f"parallel {name} {width}")
    result, times = build.buffer("result", f32, 1), build.buffer("times", i32, 2)
    reduction = make_reduce(build, build.grid, Axis.X, chain(width, 0))
    pe = build.main()
    pe.store(times[0], pe.clock())
    pe.store(result[0], emit(build, pe))
    reduction.emit(pe, result)
    pe.store(times[1], pe.clock())
    return build.finish()
