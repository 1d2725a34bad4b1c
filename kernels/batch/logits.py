"""Logits of each sequence; `reference` and method of `transformer.logits`.

hidden  (rows, size) on each PE: features split on y, the same on all PEs of a row; pads 0
logits  (rows, pitch) on each PE of the line's root row, tokens split on x; what follows a row's tokens is overwritten
"""

from __future__ import annotations

from wse_sim.hardware import DType, Wafer, f32
from wse_sim.kernels.collective import reduce
from wse_sim.kernels.collective.line import Line
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.price import Price
from wse_sim.kernels.rows import Count, cost_of_rows, each_row, times
from wse_sim.kernels.transformer import logits as one
from wse_sim.kernels.transformer.logits import reference
from wse_sim.kernels.transformer.table import Table
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer, each

__all__ = ["cost", "emit", "make_logits", "reference"]


def cost(
    wafer: Wafer, tree: Tree, rows: int, pitch: int, tokens: int, features: int, *, table: DType = f32,
    sums: DType = f32, scaled: bool = False,
) -> int:  # fmt: skip
    """Cycles of `rows` sequences, `tokens` tokens and `features` features on a PE."""
    price = Price(wafer)
    local = one.local_cost(wafer, tokens, features, table=table, sums=sums)
    found = price.scalar("imul") + price.vector("mov", rows * pitch, sums, None)
    found += cost_of_rows(price, rows, local, places=2) + reduce.cost(wafer, tree, rows * pitch, dtype=sums)
    return found + (price.vector("mul", rows * pitch, sums, sums, in_place=True) if scaled else 0)


def make_logits(build: Builder, table: Table, pitch: int, most: int, dtype: DType = f32) -> Buffer:
    """[most * pitch] on the PEs of the table, off the banks at which its features begin."""
    return build.buffer("logits", dtype, most * pitch, on=table.data.region, bank_offset=8)


def emit(
    pe: Code, line: Line, hidden: Buffer, table: Table, logits: Buffer, *, rows: Count, pitch: int, scale: float = 1.0
) -> None:
    """logits = hidden @ table.T * scale on the root row of `line`, for the first `rows` sequences."""
    size, features = table.rows.size, table.features.size
    with pe.builder.section("logits"), pe.scope():
        whole = logits.view(0, times(pe, rows, pitch))
        pe.mov(whole, 0.0)
        with each_row(pe, rows, (0, features), (0, pitch)) as (at, to):
            pe.mac(logits.at(to, size), table.data.view(0, size).stepping(table.pitch), each(hidden.at(at, features)))
        line.reduce(pe, whole, operation="add")
        if scale != 1.0:
            here = pe.on(line.axis.part(pe.region, line.root))
            here.mul(whole, whole, scale)
