"""GELU of each sequence, shared among the PEs of a line that hold the same; `reference` of `transformer.gelu`.

x, to  (rows, size) on each PE, the same on all PEs of a line; only the first `count` elements of a row count
"""

from __future__ import annotations

from wse_sim.hardware import DType, Wafer, f32
from wse_sim.kernels.collective import all_reduce
from wse_sim.kernels.collective.line import Line
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.price import Price
from wse_sim.kernels.rows import Count, cost_of_rows, each_row, times
from wse_sim.kernels.transformer import gelu
from wse_sim.kernels.transformer.gelu import Form, double, make_scratch, reference
from wse_sim.kernels.views import first
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer
from wse_sim.program.register import Register

__all__ = ["cost", "emit", "make_scratch", "reference"]


def cost(wafer: Wafer, tree: Tree, rows: int, size: int, form: Form, *, dtype: DType = f32) -> int:
    """Cycles of `rows` sequences in blocks of `size`, on lines that reduce by `tree`."""
    price = Price(wafer)
    row = gelu.cost(wafer, -(-size // tree.length), form, dtype=dtype)
    found = price.scalar("load isub imin imax imul") + price.vector("mov", rows * size, dtype, None)
    found += cost_of_rows(price, rows, row, places=1)
    return found + all_reduce.cost(wafer, tree, rows * size, dtype=dtype)


def emit(
    pe: Code, line: Line, x: Buffer, to: Buffer, count: Register, form: Form, scratch: Buffer, start: Buffer, *,
    rows: Count, size: int,
) -> None:  # fmt: skip
    """to = gelu(x) for the first `rows` sequences; scratch and start as in `transformer.gelu.emit_shared`."""
    with pe.builder.section("gelu"), pe.scope():
        low = pe.load(start)
        own = (pe.use(count) - low).minimum(scratch.length).maximum(0)
        whole = to.view(0, times(pe, rows, size))
        pe.mov(whole, 0.0)
        with each_row(pe, rows, (low, size)) as (at,):
            double(pe, first(scratch, own), x.at(at, own), form)
            pe.mul(to.at(at, own), first(scratch, own), 0.5)
        line.all_reduce(pe, whole, operation="add")
