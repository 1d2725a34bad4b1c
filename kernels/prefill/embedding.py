"""Embedding of a whole prompt: each token's row of the token table plus its position's row of the position table.

tables  (vocabulary, d) and (context, d), rows split on x, features on y; see `table`
ids     i32[rows] on each PE: the tokens of its row of PEs, token t on row t mod height, the same along x
hidden  (rows, size) on each PE: tokens in turn on y, features split on x; pads stay
method  For the tokens of a few rows of PEs after the other, a round: their ids go to all rows, which do for all of them
        what `embedding` does for one; that leaves features on y, and a turn puts them on x, where those rows take them.
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
from wse_sim.kernels.rows import blocks_of, cost_of_blocks, cost_of_rows, each_row
from wse_sim.kernels.transformer.embedding import row_of
from wse_sim.kernels.transformer.table import Table
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer
from wse_sim.program.register import Register


class Scratch(NamedTuple):
    """What the kernel works in, free again after it.

    ids    i32 (owners, rows): tokens of the rows of PEs whose turn it is
    block  (owners, rows, features on y): their embeddings
    panel  of the same size
    """

    ids: Buffer
    block: Buffer
    panel: Buffer


def make_scratch(
    build: Builder, rows: int, features: Blocks, dtype: DType, region: Region, *, owners: int = 1
) -> Scratch:
    """For `rows` tokens on a row of PEs, `features` of them on y, and so many owners, rows of PEs, in a round."""
    lines = owners * rows
    return Scratch(
        ids=build.buffer("embedding.ids", i32, lines, on=region),
        block=build.buffer("embedding.block", dtype, lines * features.size, on=region, bank_offset=8),
        panel=build.buffer("embedding.panel", dtype, lines * features.size, on=region),
    )


def rounds(count: int, height: int, owners: int) -> list[tuple[range, int]]:
    """The owners of each round, and the tokens on the first of them, as many as on any, for `count` tokens."""
    full, more = divmod(count, height)
    filled = min(count, height)
    return [
        (range(first, min(first + owners, filled)), full + (first < more)) for first in range(0, filled, owners)
    ]


def cost(
    wafer: Wafer, along_x: Tree, along_y: Tree, on_y: Blocks, on_x: Blocks, rows: int, count: int, *,
    owners: int = 1, dtype: DType = f32, scaled: bool = False,
) -> int:  # fmt: skip
    """Cycles for `count` tokens, at most `rows` on a row of PEs, with the trees of the two lines."""
    price, size = Price(wafer), on_y.size
    find = 2 * price.scalar("load isub imax imin ieq i2f") + price.scalar("load iadd iadd")
    row = find + price.vector("mul", size, dtype, dtype) + price.vector("mac", size, dtype, dtype)
    turns = rounds(count, along_y.length, owners)
    found = price.scalar("idiv imul isub mov imin") + cost_of_blocks(price, owners)
    found += price.loop(len(turns))
    turned: dict[int, int] = {}
    for here, most in turns:
        lines = len(here) * most
        scale = price.vector("mul", lines * size, dtype, dtype, in_place=True) if scaled else 0
        found += price.scalar("ilt iadd isub imin mov imul imul mov mov load isub imul mov ilt iadd ile ilt iand")
        found += price.scalar("imul mov imul iadd") + scale
        found += gemm_panels.cost(wafer, along_y, here.start, len(here), rows, dtype=i32, panel=owners * rows)
        found += cost_of_rows(price, len(here), cost_of_rows(price, most, row, places=2), places=2)
        found += all_reduce.cost(wafer, along_x, lines * size, dtype=dtype)
        if lines not in turned:
            turned[lines] = turn.cost(wafer, along_y, on_y, on_x, lines, dtype=dtype, taken=most)
        found += turned[lines]
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
    owners: int = 1,
    scale: float = 1.0,
) -> None:
    """hidden = (tokens[ids] + positions) * scale for a prompt of `count` tokens.

    own_row  i32[1] on each PE: its row of PEs
    owners   rows of PEs in a round, as many as `scratch` is for
    """
    height, size, slots = to_x.source.parts, to_x.source.size, ids.length
    with pe.builder.section("embedding"), pe.scope():
        full = pe.use(count) // height
        rest, owner = pe.use(count) - full * height, pe.integer(0)
        filled = pe.use(count).minimum(height)
        with pe.loop(blocks_of(pe, filled, owners)), pe.scope():
            here, many = (owner < rest) + full, (filled - owner).minimum(owners)
            to_x.panels.emit(
                pe, owner, many, ids[:], lambda index: scratch.ids.at(index * slots, slots), scratch.ids[:]
            )
            with pe.scope():
                at = pe.integer(0)
                each_owner = each_row(pe, many, (0, slots), (owner, 1))
                with each_owner as (first, of), each_row(pe, here, (first, 1), (of, height)) as (index, position):
                    to, token = scratch.block.at(at, size), pe.load(scratch.ids.at(index))
                    pe.mul(to, *row_of(pe, tokens, token))
                    pe.mac(to, *row_of(pe, positions, position))
                    at += size
            with pe.scope():
                block = scratch.block.view(0, many * here * size)
                along_x.all_reduce(pe, block, operation="add")
                if scale != 1.0:
                    pe.mul(block, block, scale)
            first_own, own = pe.integer(0), pe.integer(0)
            with pe.scope():
                row = pe.load(own_row)
                place = row - owner
                pe.set(first_own, place * here)
                pe.set(own, ((row < rest) + full) * ((place >= 0) & (place < many)))
            here *= many
            to_x.emit(pe, scratch.block, hidden, scratch.panel, rows=here, part=(first_own, own))
            owner += many
