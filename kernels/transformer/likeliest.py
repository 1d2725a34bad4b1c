"""The likeliest tokens: the largest logits of a row of PEs in order, the lowest token of equals first.

logits  [room(size)] on each PE, tokens split along the line; the first `table.count` count, what follows is room
tops    the largest logit of each block of about sqrt(size), so that a search looks at two short vectors
method  The line's largest logit by an all-reduce; each PE finds its first own one by halving the block that has it; a
        second all-reduce gives the lowest token. For the next one the logit is taken out, and put back in the end.
exact   no arithmetic on values: the order is that of a stable sort, unless a logit is NaN
time    does not depend on values: the PEs without the logit do the same as the one that has it
"""

from __future__ import annotations

from dataclasses import dataclass
from math import isqrt
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import DType, Region, Wafer, f32, i32
from wse_sim.kernels.collective import all_reduce
from wse_sim.kernels.collective.line import Line
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.price import Price
from wse_sim.kernels.transformer import softmax
from wse_sim.kernels.transformer.table import Table
from wse_sim.kernels.views import part
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer
from wse_sim.program.register import Register

Floats = NDArray[np.floating[Any]]
FAR = 1 << 30  # above all tokens


class Search(NamedTuple):
    """What the kernel works in, and finds.

    tops    of the logits' type [room(blocks)]
    best    f32[1]
    token   i32[1]: the likeliest token, or the last one found
    values  f32[most]: the largest logits in order; None where only one is asked for
    tokens  i32[most]: their tokens
    """

    tops: Buffer
    best: Buffer
    token: Buffer
    values: Buffer | None
    tokens: Buffer | None


def reference(logits: Floats, count: int) -> NDArray[np.int64]:
    """Tokens (count,) of the largest of logits (vocabulary,)."""
    return np.argsort(-logits, kind="stable")[:count]


@dataclass(frozen=True)
class Grid:
    """The blocks that the logits of a PE are searched in.

    size    tokens of the PE
    """

    size: int

    @property
    def block(self) -> int:
        """Tokens of a block: about as many as there are blocks."""
        return max(1, isqrt(self.size))

    @property
    def blocks(self) -> int:
        return -(-self.size // self.block)

    @property
    def tops(self) -> int:
        """Elements for the largest of each block: halving looks past the end."""
        return max(self.blocks, sum(_halves(self.blocks)))


def cost(wafer: Wafer, along_x: Tree, size: int, *, count: int | None = None, dtype: DType = f32) -> int:
    """Cycles for `size` tokens on a PE; `count` as in `emit`."""
    price = Price(wafer)
    find = cost_of_search(wafer, size, dtype) + price.scalar("store imul load feq ixor imul iadd load iadd store")
    find += all_reduce.cost(wafer, along_x, 1, operation="max")
    find += all_reduce.cost(wafer, along_x, 1, operation="min", dtype=i32)
    tops = cost_of_tops(wafer, size, dtype)
    if count is None:
        return tops + find
    each = find + price.scalar("load load store store ieq isub imul iadd store imul store")
    each += softmax.cost_of_top(wafer, Grid(size).block, dtype)
    back = price.scalar("load isub ile ilt iand isub imul iadd load store")
    return tops + 2 * price.loop(count) + price.scalar("load") + count * (each + back)


def cost_of_tops(wafer: Wafer, size: int, dtype: DType) -> int:
    """Cycles of `fill_tops`."""
    price, grid = Price(wafer), Grid(size)
    pads = price.scalar("load isub") + price.vector("mov", grid.blocks * grid.block - size, dtype, None)
    top = softmax.cost_of_top(wafer, grid.block, dtype)
    return pads + price.loop(grid.blocks) + grid.blocks * (price.scalar("imul store") + top)


def cost_of_search(wafer: Wafer, size: int, dtype: DType) -> int:
    """Cycles to find the largest logit of a PE and its place."""
    price, grid = Price(wafer), Grid(size)
    top = softmax.cost_of_top(wafer, grid.blocks, dtype)
    return top + _cost_of_halving(price, grid.blocks, dtype) + _cost_of_halving(price, grid.block, dtype)


def room(size: int) -> int:
    """Elements of a buffer that is searched for one of `size`: halving looks past the end."""
    grid = Grid(size)
    return max(size, (grid.blocks - 1) * grid.block + sum(_halves(grid.block))) + 1


def make_search(build: Builder, size: int, region: Region, *, most: int = 0, dtype: DType = f32) -> Search:
    """For up to `most` tokens; 0: for the likeliest alone."""
    return Search(
        tops=build.buffer("likeliest.tops", dtype, Grid(size).tops, on=region),
        best=build.buffer("likeliest.best", f32, 1, on=region),
        token=build.buffer("token", i32, 1, on=region),
        values=build.buffer("likeliest.values", f32, most, on=region) if most else None,
        tokens=build.buffer("likeliest.tokens", i32, most, on=region) if most else None,
    )


def emit(pe: Code, line: Line, logits: Buffer, table: Table, search: Search, count: Register | None = None) -> None:
    """Finds the likeliest token, or `count` of them, on whole lines; all PEs of a line know them in the end."""
    size = table.rows.size
    with pe.builder.section("likeliest"), pe.scope():
        fill_tops(pe, logits, table, search.tops)
        if count is None:
            _find(pe, line, logits, table, search)
            return
        assert search.values is not None
        assert search.tokens is not None
        grid, spare = Grid(size), logits.length - 1
        with pe.loop(pe.use(count)) as i:
            block, local, candidate = _find(pe, line, logits, table, search)
            token = pe.load(search.token)
            pe.store(search.values.at(i), pe.load(search.best))
            pe.store(search.tokens.at(i), token)
            mine = token.equals(candidate)
            pe.store(logits.at((local - spare) * mine + spare), float("-inf"))
            pe.store(search.tops.at(block), softmax.top(pe, part(logits, block * grid.block, grid.block)))
        start = pe.load(table.start)
        with pe.loop(pe.use(count)) as i:
            local = pe.load(search.tokens.at(i)) - start
            mine = (local >= 0) & (local < size)
            pe.store(logits.at((local - spare) * mine + spare), pe.load(search.values.at(i)))


def fill_tops(
    pe: Code, logits: Buffer, table: Table, tops: Buffer, *, at: Register | None = None, to: Register | None = None
) -> None:
    """The largest logit of each block, pads left out; the logits begin at `at`, the tops at `to`."""
    grid = Grid(table.rows.size)
    with pe.scope():
        count = pe.load(table.count)
        end = count if at is None else count + at
        pe.mov(part(logits, end, grid.blocks * grid.block - count), float("-inf"))
    with pe.loop(grid.blocks) as i:
        begin = i * grid.block if at is None else i * grid.block + at
        pe.store(tops.at(i if to is None else i + to), softmax.top(pe, part(logits, begin, grid.block)))


def _find(
    pe: Code, line: Line, logits: Buffer, table: Table, search: Search
) -> tuple[Register, Register, Register]:
    """search.best and search.token of the line; the PE's own first largest: its block, its place, its token.

    The own token is one above all tokens where the line's largest logit is not here.
    """
    grid = Grid(table.rows.size)
    own = softmax.top(pe, search.tops.view(0, grid.blocks))
    pe.store(search.best, own)
    index = first_equal(pe, search.tops, 0, grid.blocks, own)
    local = first_equal(pe, logits, index * grid.block, grid.block, own)
    line.all_reduce(pe, search.best[:], operation="max")
    away = own.equals(pe.load(search.best)) ^ 1
    candidate = away * FAR + local + pe.load(table.start)
    pe.store(search.token, candidate)
    line.all_reduce(pe, search.token[:], operation="min")
    return index, local, candidate


def first_equal(pe: Code, x: Buffer, start: int | Register, size: int, top: Register) -> Register:
    """First index of `top`, the largest of `size` elements from `start`: goes right where the left half lacks it."""
    low = pe.integer(start)
    for half in _halves(size):
        with pe.scope():
            missing = softmax.top(pe, part(x, low, half)) < top
            low += missing * half
    return low


def _halves(size: int) -> list[int]:
    """Half of `size`, half of that, and so on to 1, each rounded up."""
    found = []
    while size > 1:
        size = -(-size // 2)
        found.append(size)
    return found


def _cost_of_halving(price: Price, size: int, dtype: DType) -> int:
    steps = [softmax.cost_of_top(price.wafer, half, dtype) for half in _halves(size)]
    return price.scalar("mov") + sum(steps) + len(steps) * price.scalar("flt imul iadd")
