"""Logits of one hidden vector: its dot product with every row of the token table.

hidden    (size,) on each PE: features split on y, the same on all PEs of a row; pads 0
table     (vocabulary, d), rows split on x, features on y; see `table`
logits    [rows.size] on each PE of the line's root row, tokens split on x; partial sums elsewhere
method    One map over features: logits += table[feature] * hidden[feature], for all tokens of the PE at once.
          A step takes map_step_cycles and, for each token, a multiply-add of 1 cycle or less. A dot product
          per token takes 2 cycles per element, because a reduction is serial, and per token a loop edge, two
          descriptors, a start and a store besides.
line      vectors of rows.size words go down it: plan it for as many, apart from lines of short vectors
rounding  each multiply-add, and each sum on the line, once to the type of the logits
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import VECTOR_OPERATIONS, DType, Wafer, f16, f32
from wse_sim.kernels import rounding
from wse_sim.kernels.collective import reduce
from wse_sim.kernels.collective.line import Line
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.matrix import gemv
from wse_sim.kernels.price import Price
from wse_sim.kernels.transformer.table import Table
from wse_sim.kernels.views import Operand, whole
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer, each

Floats = NDArray[np.floating[Any]]


def reference(tree: Tree, hidden: Floats, table: Floats, *, scale: float = 1.0, sums: DType = f32) -> Floats:
    """Logits (vocabulary,) of `hidden` (d,) on lines that reduce by `tree`, bit for bit."""
    products = gemv.reference(tree, hidden, table.T, dtype=sums)
    return products if scale == 1.0 else rounding.mul(products, rounding.number(scale), sums.numpy)


def cost(
    wafer: Wafer, tree: Tree, rows: int, features: int, *, table: DType = f32, sums: DType = f32, scaled: bool = False
) -> int:
    """Cycles for `rows` tokens and `features` features on a PE, on lines that reduce by `tree`."""
    price = Price(wafer)
    local = price.vector("mov", rows, sums, None) + local_cost(wafer, rows, features, table=table, sums=sums)
    scale = price.vector("mul", rows, sums, sums, in_place=True) if scaled else 0
    return local + reduce.cost(wafer, tree, rows, dtype=sums) + scale


def local_cost(wafer: Wafer, rows: int, features: int, *, table: DType = f32, sums: DType = f32) -> int:
    """Cycles of a PE's own share, the map alone.

    A table of f16 moves on by half the bytes of its f32 sums: where groups are no wider than a port, the two
    meet in the same banks in every other one.
    """
    price = Price(wafer)
    lanes = wafer.rate(VECTOR_OPERATIONS["mac"], sums, table)[0]
    meets = table is f16 and sums is f32 and lanes * f32.bytes <= wafer.read_port_bytes
    stalls = -(-rows // lanes) // 2 * wafer.bank_conflict_cycles if meets else 0
    step = wafer.step_cycles(price.elements("mac", rows, sums, table) + stalls)
    return price.map("mac", 0, rows, sums, table) + features * step


def make_logits(build: Builder, table: Table, dtype: DType = f32, *, room: int = 0) -> Buffer:
    """[rows.size], or `room` elements if that is more, on the PEs of the table; off the banks of its features."""
    return build.buffer("logits", dtype, max(table.rows.size, room), on=table.data.region, bank_offset=8)


def emit(pe: Code, line: Line, hidden: Operand, table: Table, logits: Buffer, *, scale: float = 1.0) -> None:
    """logits = table @ hidden * scale on the root row of `line`, which lies along y."""
    tokens, to = table.data.view(0, table.rows.size), logits.view(0, table.rows.size)
    with pe.builder.section("logits"):
        pe.mov(to, 0.0)
        pe.mac(to, tokens.stepping(table.pitch), each(whole(hidden)))
        line.reduce(pe, to, operation="add")
        if scale != 1.0:
            pe.on(line.axis.part(pe.region, line.root)).mul(to, to, scale)
