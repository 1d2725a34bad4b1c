"""Embedding of one token: its row of the token table plus its position's row of the position table.

tables    (vocabulary, d) and (context, d), rows split on x, features on y; see `table`
hidden    (size,) on each PE: features split on y, the same on all PEs of a row; pads 0
method    the PE that owns a row takes it, the others a row of theirs times 0, and an all-reduce along x hands it to all
time      does not depend on the token
rounding  the sum of the two rows once to the type of `hidden`, and once more after a scale that is not 1
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import DType, Wafer, f32
from wse_sim.kernels import rounding
from wse_sim.kernels.collective import all_reduce
from wse_sim.kernels.collective.line import Line
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.price import Price
from wse_sim.kernels.transformer.table import Table
from wse_sim.kernels.views import Operand, whole
from wse_sim.program.code import Code
from wse_sim.program.memory import View
from wse_sim.program.register import Register

Floats = NDArray[np.floating[Any]]


def reference(tokens: Floats, positions: Floats, token: int, position: int, *, scale: float = 1.0) -> Floats:
    """One hidden vector (d,), in the type of the tables, bit for bit."""
    hidden = rounding.add(tokens[token], positions[position], tokens.dtype)
    return hidden if scale == 1.0 else rounding.mul(hidden, rounding.number(scale), tokens.dtype)


def cost(
    wafer: Wafer, tree: Tree, size: int, *, hidden: DType = f32, table: DType = f32, scaled: bool = False
) -> int:
    """Cycles for blocks of `size` features on lines that reduce by `tree`, those of bank conflicts left out."""
    price = Price(wafer)
    find = 2 * price.scalar("load isub imax imin ieq i2f")
    rows = price.vector("mul", size, hidden, table) + price.vector("mac", size, hidden, table)
    scale = price.vector("mul", size, hidden, hidden, in_place=True) if scaled else 0
    return find + rows + all_reduce.cost(wafer, tree, size, dtype=hidden) + scale


def emit(
    pe: Code,
    line: Line,
    hidden: Operand,
    tokens: Table,
    positions: Table,
    token: Register,
    position: Register,
    *,
    scale: float = 1.0,
) -> None:
    """hidden = (tokens[token] + positions[position]) * scale; `line` lies along x."""
    to = whole(hidden)
    with pe.builder.section("embedding"):
        with pe.scope():
            pe.mul(to, *row_of(pe, tokens, token))
            pe.mac(to, *row_of(pe, positions, position))
        line.all_reduce(pe, to, operation="add")
        if scale != 1.0:
            pe.mul(to, to, scale)


def row_of(pe: Code, table: Table, row: Register) -> tuple[View, Register]:
    """The row and 1 where it is on this PE, elsewhere another row and 0: all PEs take the same time."""
    local = pe.use(row) - pe.load(table.start)
    near = local.maximum(0).minimum(table.rows.size - 1)
    return table.data.at(near, table.features.size, stride=table.pitch), pe.to_float(near.equals(local))
