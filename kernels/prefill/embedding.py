"""Embedding of a whole prompt: each token's row of the token table plus its position's row of the position table.

tables  (vocabulary, d) and (context, d), rows split on x, features on y; see `table`
ids     i32[rows] on each PE: the tokens of its row of PEs, token t on row t mod height, the same along x
hidden  (rows, size) on each PE: tokens in turn on y, features split on x; pads stay
method  For the tokens of a row of PEs after the other: their ids go to all rows, which do for all of them what
        `embedding` does for one; that leaves features on y, and a turn puts them on x, where that row takes them.
"""

from __future__ import annotations

from typing import NamedTuple

from wse_sim.hardware import DType, Region, Wafer, f32, i32
from wse_sim.kernels.blocks import Blocks
from wse_sim.kernels.collective import all_reduce
from wse_sim.kernels.collective.line import Line
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.matrix import gemm_panels, turn
from wse_sim.kernels.matrix.turn import Turn
from wse_sim.kernels.price import Price
from wse_sim.kernels.rows import cost_of_rows, each_row
from wse_sim.kernels.transformer.embedding import row_of
from wse_sim.kernels.transformer.table import Table
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer
from wse_sim.program.register import Register


class Scratch(NamedTuple):
    """What the kernel works in, free again after it.

    ids    i32[rows]: tokens of the row of PEs whose turn it is
    block  (rows, features on y): their embeddings
    panel  of the same size
    """

    ids: Buffer
    block: Buffer
    panel: Buffer


def make_scratch(build: Builder, rows: int, features: Blocks, dtype: DType, region: Region) -> Scratch:
    """For `rows` tokens on a row of PEs, `features` of them on y."""
    return Scratch(
        ids=build.buffer("embedding.ids", i32, rows, on=region),
        block=build.buffer("embedding.block", dtype, rows * features.size, on=region, bank_offset=8),
        panel=build.buffer("embedding.panel", dtype, rows * features.size, on=region),
    )


def cost(
    wafer: Wafer, along_x: Tree, along_y: Tree, on_y: Blocks, on_x: Blocks, rows: int, count: int, *,
    dtype: DType = f32, scaled: bool = False,
) -> int:  # fmt: skip
    """Cycles for `count` tokens, at most `rows` on a row of PEs, with the trees of the two lines."""
    price, size = Price(wafer), on_y.size
    height = along_y.length
    find = 2 * price.scalar("load isub imax imin ieq i2f") + price.scalar("load iadd")
    row = find + price.vector("mul", size, dtype, dtype) + price.vector("mac", size, dtype, dtype)
    scale = price.vector("mul", rows * size, dtype, dtype, in_place=True) if scaled else 0
    found = price.scalar("idiv imul isub") + price.loop(min(count, height))
    for owner in range(min(count, height)):
        found += price.scalar("ieq ilt iadd imul") + scale
        found += gemm_panels.cost(wafer, along_y, owner, 1, rows, dtype=i32)
    full, more = divmod(count, height)
    for here, owners in ((full + 1, more), (full, height - more if full else 0)):
        if owners:
            each = cost_of_rows(price, here, row, places=3)
            each += all_reduce.cost(wafer, along_x, here * size, dtype=dtype)
            found += owners * (each + turn.cost(wafer, along_y, on_y, on_x, here, dtype=dtype))
    return found


def emit(
    pe: Code,
    along_x: Line,
    to_x: Turn,
    hidden: Buffer,
    tokens: Table,
    positions: Table,
    ids: Buffer,
    own_row: Buffer,
    count: Register,
    scratch: Scratch,
    *,
    scale: float = 1.0,
) -> None:
    """hidden = (tokens[ids] + positions) * scale for a prompt of `count` tokens.

    own_row  i32[1] on each PE: its row of PEs
    """
    height, size = to_x.source.parts, to_x.source.size
    with pe.builder.section("embedding"), pe.scope():
        full = pe.use(count) // height
        rest, row = pe.use(count) - full * height, pe.load(own_row)
        with pe.loop(pe.use(count).minimum(height)) as owner:
            wanted, here = row.equals(owner), (owner < rest) + full
            to_x.panels.emit(pe, owner, 1, ids[:], lambda _index: scratch.ids[:], scratch.ids[:])
            with each_row(pe, here, (0, 1), (owner, height), (0, size)) as (index, position, at):
                to, token = scratch.block.at(at, size), pe.load(scratch.ids.at(index))
                pe.mul(to, *row_of(pe, tokens, token))
                pe.mac(to, *row_of(pe, positions, position))
            block = scratch.block.view(0, here * size)
            along_x.all_reduce(pe, block, operation="add")
            if scale != 1.0:
                pe.mul(block, block, scale)
            to_x.emit(pe, scratch.block, hidden, scratch.panel, rows=here, wanted=wanted)
