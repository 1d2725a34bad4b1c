"""Embedding of a token of each sequence; `reference` and method of the one of `transformer`.

token, position  i32[most] on each PE, the same on all
hidden           (rows, size) on each PE: features split on y, the same on all PEs of a row; pads 0
"""

from __future__ import annotations

from wse_sim.hardware import DType, Wafer, f32
from wse_sim.kernels.collective import all_reduce
from wse_sim.kernels.collective.line import Line
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.price import Price
from wse_sim.kernels.rows import Count, cost_of_rows, each_row, times
from wse_sim.kernels.transformer.embedding import reference, row_of
from wse_sim.kernels.transformer.table import Table
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer

__all__ = ["cost", "emit", "reference"]


def cost(
    wafer: Wafer, tree: Tree, rows: int, size: int, *, hidden: DType = f32, table: DType = f32, scaled: bool = False
) -> int:
    """Cycles of `rows` sequences, blocks of `size` features, on lines that reduce by `tree`."""
    price = Price(wafer)
    row = 2 * price.scalar("load load isub imax imin ieq i2f")
    row += price.vector("mul", size, hidden, table) + price.vector("mac", size, hidden, table)
    scale = price.vector("mul", rows * size, hidden, hidden, in_place=True) if scaled else 0
    together = all_reduce.cost(wafer, tree, rows * size, dtype=hidden)
    return cost_of_rows(price, rows, row, places=2) + price.scalar("imul") + together + scale


def emit(
    pe: Code, line: Line, hidden: Buffer, tokens: Table, positions: Table, token: Buffer, position: Buffer, *,
    rows: Count, scale: float = 1.0,
) -> None:  # fmt: skip
    """hidden = (tokens[token] + positions[position]) * scale for the first `rows` sequences; `line` lies along x."""
    size = tokens.features.size
    with pe.builder.section("embedding"), pe.scope():
        with each_row(pe, rows, (0, 1), (0, size)) as (index, at):
            to = hidden.at(at, size)
            pe.mul(to, *row_of(pe, tokens, pe.load(token.at(index))))
            pe.mac(to, *row_of(pe, positions, pe.load(position.at(index))))
        whole = hidden.view(0, times(pe, rows, size))
        line.all_reduce(pe, whole, operation="add")
        if scale != 1.0:
            pe.mul(whole, whole, scale)
