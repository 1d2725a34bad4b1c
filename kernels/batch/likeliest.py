"""The likeliest tokens of each sequence; `reference` and method of `transformer.likeliest`.

logits  (rows, pitch) on each PE, pitch = room(size); tokens split along the line
The sequences share the all-reduces: one of their largest logits, one of their tokens, for each of the tokens asked for.
"""

from __future__ import annotations

from typing import NamedTuple

from wse_sim.hardware import DType, Region, Wafer, f32, i32
from wse_sim.kernels.collective import all_reduce
from wse_sim.kernels.collective.line import Line
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.price import Price
from wse_sim.kernels.rows import Count, cost_of_rows, each_row
from wse_sim.kernels.transformer import likeliest as one
from wse_sim.kernels.transformer import softmax
from wse_sim.kernels.transformer.likeliest import FAR, Grid, first_equal, reference, room
from wse_sim.kernels.transformer.table import Table
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer
from wse_sim.program.register import Register

__all__ = ["Search", "cost", "emit", "make_search", "reference", "room"]


class Search(NamedTuple):
    """What the kernel works in, and finds; an entry for each sequence.

    tops       (sequences, tops of a sequence)
    own        f32: the largest logit of this PE
    block      i32: block of the PE's logits that has it
    local      i32: its place among the PE's logits
    best       f32: the largest logit of the line
    token      i32: the likeliest token, or the last one found
    candidate  i32: this PE's proposal for it
    values     f32 (sequences, most): the largest logits in order; None where only one is asked for
    tokens     i32 (sequences, most): their tokens
    """

    tops: Buffer
    own: Buffer
    block: Buffer
    local: Buffer
    best: Buffer
    token: Buffer
    candidate: Buffer
    values: Buffer | None
    tokens: Buffer | None


def make_search(
    build: Builder, size: int, sequences: int, region: Region, *, most: int = 0, dtype: DType = f32
) -> Search:
    """For up to `most` tokens of each of so many sequences; 0: for the likeliest alone."""

    def entries(name: str, kind: DType, each: int = 1) -> Buffer:
        return build.buffer(name, kind, sequences * each, on=region)

    return Search(
        tops=entries("likeliest.tops", dtype, Grid(size).tops),
        own=entries("likeliest.own", f32),
        block=entries("likeliest.block", i32),
        local=entries("likeliest.local", i32),
        best=entries("likeliest.best", f32),
        token=entries("token", i32),
        candidate=entries("likeliest.candidate", i32),
        values=entries("likeliest.values", f32, most) if most else None,
        tokens=entries("likeliest.tokens", i32, most) if most else None,
    )


def cost(
    wafer: Wafer, along_x: Tree, rows: int, size: int, *, count: int | None = None, dtype: DType = f32
) -> int:
    """Cycles of `rows` sequences with `size` tokens on a PE; `count` as in `emit`."""
    price, grid = Price(wafer), Grid(size)
    tops = price.scalar("load iadd") + one.cost_of_tops(wafer, size, dtype) + grid.blocks * price.scalar("iadd iadd")
    find = one.cost_of_search(wafer, size, dtype) + price.scalar("imul iadd store store store store isub mov iadd")
    propose = price.scalar("load load feq ixor imul load iadd load iadd store store")
    together = all_reduce.cost(wafer, along_x, rows, operation="max")
    together += all_reduce.cost(wafer, along_x, rows, operation="min", dtype=i32)
    each = cost_of_rows(price, rows, find, places=3) + together + cost_of_rows(price, rows, propose)
    begin = cost_of_rows(price, rows, tops, places=2) + price.scalar("load")
    if count is None:
        return begin + each
    take = price.scalar("load load store iadd store iadd load ieq load isub imul iadd iadd store")
    take += price.scalar("load imul iadd iadd store") + softmax.cost_of_top(wafer, grid.block, dtype)
    each += cost_of_rows(price, rows, take, places=4)
    back = price.scalar("iadd load isub ile ilt iand isub imul iadd iadd iadd load store")
    put_back = cost_of_rows(price, rows, price.loop(count) + count * back, places=2)
    return begin + price.loop(count) + count * each + put_back


def emit(
    pe: Code, line: Line, logits: Buffer, table: Table, search: Search, *, rows: Count, count: Register | None = None
) -> None:
    """Finds the likeliest token of each of the first `rows` sequences, or `count` of them, on whole lines."""
    size = table.rows.size
    pitch, tops = room(size), Grid(size).tops
    with pe.builder.section("likeliest"), pe.scope():
        start = pe.load(table.start)
        with each_row(pe, rows, (0, pitch), (0, tops)) as (at, to):
            one.fill_tops(pe, logits, table, search.tops, at=at, to=to)
        if count is None:
            _find(pe, line, logits, search, start, size, rows)
            return
        with pe.loop(pe.use(count)) as number:
            _find(pe, line, logits, search, start, size, rows)
            _take(pe, logits, search, number, size, rows)
        _put_back(pe, logits, search, start, size, rows, count)


def _find(
    pe: Code, line: Line, logits: Buffer, search: Search, start: Register, size: int, rows: Count
) -> None:
    """search.best and search.token of the line, and what this PE has to do with them."""
    grid = Grid(size)
    with each_row(pe, rows, (0, 1), (0, room(size)), (0, grid.tops)) as (i, at, to):
        own = softmax.top(pe, search.tops.at(to, grid.blocks))
        block = first_equal(pe, search.tops, to, grid.blocks, own) - to
        local = first_equal(pe, logits, block * grid.block + at, grid.block, own) - at
        for entries, value in ((search.own, own), (search.best, own), (search.block, block), (search.local, local)):
            pe.store(entries.at(i), value)
    line.all_reduce(pe, search.best.view(0, rows), operation="max")
    with each_row(pe, rows, (0, 1)) as (i,):
        away = pe.load(search.own.at(i)).equals(pe.load(search.best.at(i))) ^ 1
        candidate = away * FAR + pe.load(search.local.at(i)) + start
        pe.store(search.candidate.at(i), candidate)
        pe.store(search.token.at(i), candidate)
    line.all_reduce(pe, search.token.view(0, rows), operation="min")


def _take(pe: Code, logits: Buffer, search: Search, number: Register, size: int, rows: Count) -> None:
    """Notes what was found, and takes it out of the logits where it lies."""
    assert search.values is not None
    assert search.tokens is not None
    grid, pitch, most = Grid(size), room(size), search.values.length // search.best.length
    spare = pitch - 1
    with each_row(pe, rows, (0, 1), (0, pitch), (0, grid.tops), (0, most)) as (i, at, to, out):
        token = pe.load(search.token.at(i))
        pe.store(search.values.at(out + number), pe.load(search.best.at(i)))
        pe.store(search.tokens.at(out + number), token)
        mine = token.equals(pe.load(search.candidate.at(i)))
        pe.store(logits.at((pe.load(search.local.at(i)) - spare) * mine + spare + at), float("-inf"))
        block = pe.load(search.block.at(i))
        top = softmax.top(pe, logits.at(block * grid.block + at, grid.block))
        pe.store(search.tops.at(to + block), top)


def _put_back(
    pe: Code, logits: Buffer, search: Search, start: Register, size: int, rows: Count, count: Register
) -> None:
    """The logits as they were."""
    assert search.values is not None
    assert search.tokens is not None
    pitch, most = room(size), search.values.length // search.best.length
    spare = pitch - 1
    with each_row(pe, rows, (0, pitch), (0, most)) as (at, out), pe.loop(pe.use(count)) as number:
        local = pe.load(search.tokens.at(out + number)) - start
        mine = (local >= 0) & (local < size)
        place = (local - spare) * mine + spare + at
        pe.store(logits.at(place), pe.load(search.values.at(out + number)))
