"""GEMV of each sequence with one matrix; `reference` and layout of `matrix.gemv`.

x  (rows, inputs) on each PE: a vector of each sequence, split along the line, the same across it; pads hold 0
y  (rows, outputs) on each PE: in the end the same on all PEs along the line
"""

from __future__ import annotations

from wse_sim.hardware import DType, Wafer, f32
from wse_sim.kernels.collective import all_reduce
from wse_sim.kernels.collective.line import Line
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.matrix.gemv import local_cost, reference
from wse_sim.kernels.price import Price
from wse_sim.kernels.rows import Count, cost_of_rows, each_row, times
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer, each

__all__ = ["cost", "emit", "reference"]


def cost(
    wafer: Wafer, tree: Tree, rows: int, inputs: int, outputs: int, *, weights: DType = f32, dtype: DType = f32,
    biased: bool = False,
) -> int:  # fmt: skip
    """Cycles of `rows` sequences, tiles of inputs x outputs, on lines that reduce by `tree`."""
    price = Price(wafer)
    clear = price.vector("mov", rows * outputs, dtype, None)
    if biased:
        clear = cost_of_rows(price, rows, price.vector("mov", outputs, dtype, weights))
    local = cost_of_rows(price, rows, local_cost(wafer, inputs, outputs, weights=weights, dtype=dtype), places=2)
    return price.scalar("imul") + clear + local + all_reduce.cost(wafer, tree, rows * outputs, dtype=dtype)


def emit(
    pe: Code, line: Line, x: Buffer, w: Buffer, y: Buffer, bias: Buffer | None, *, rows: Count, inputs: int,
    outputs: int,
) -> None:  # fmt: skip
    """y = x W (+ bias) for the first `rows` sequences, inputs x outputs the size of a tile."""
    with pe.builder.section("gemv"), pe.scope():
        whole = y.view(0, times(pe, rows, outputs))
        _begin(pe, line, y, bias, rows, outputs)
        with each_row(pe, rows, (0, inputs), (0, outputs)) as (at, to):
            pe.mac(y.at(to, outputs), w.view(0, outputs).stepping(outputs), each(x.at(at, inputs)))
        line.all_reduce(pe, whole)


def _begin(pe: Code, line: Line, y: Buffer, bias: Buffer | None, rows: Count, outputs: int) -> None:
    """What the sums begin with: the bias at the line's root, elsewhere 0."""
    root = slice(line.root, line.root + 1)
    cleared = (slice(0, None),) if bias is None else (slice(0, line.root), slice(line.root + 1, line.length))
    for part in cleared:
        here = pe.on(line.axis.part(pe.region, part))
        if here.region:
            with here.scope():
                here.mov(y.view(0, times(here, rows, outputs)), 0.0)
    if bias is not None:
        here = pe.on(line.axis.part(pe.region, root))
        with each_row(here, rows, (0, outputs)) as (to,):
            here.mov(y.at(to, outputs), bias)
