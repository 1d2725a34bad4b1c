"""From the scores of a prompt to the output of attention: causal softmax along x, then form NN of the GEMM.

The largest score of each query and head by an all-reduce along x, exponentials of what the query sees and 0 for the
rest, their sums by a second all-reduce. Then, for the exponentials of a few columns of PEs after the other, broadcast
along x, and their values, broadcast along y: mixed += exponentials times values, head by head. The division comes last.
See `causal`.
"""

from __future__ import annotations

from wse_sim.hardware import DType, Wafer, f32
from wse_sim.kernels.collective import all_reduce
from wse_sim.kernels.collective.line import Line
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.matrix import gemm_panels
from wse_sim.kernels.matrix.gemm_panels import Panels
from wse_sim.kernels.prefill.causal_work import Scratch, Sizes
from wse_sim.kernels.price import Price
from wse_sim.kernels.rows import blocks_of, cost_of_blocks, cost_of_rows, each_row
from wse_sim.kernels.transformer import softmax
from wse_sim.kernels.transformer.heads import Heads
from wse_sim.kernels.transformer.kv_cache import KVCache
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer, each
from wse_sim.program.register import Register


def cost(
    wafer: Wafer, along_x: Tree, along_y: Tree, sizes: Sizes, count: int, *, dtype: DType = f32, sums: DType = f32
) -> int:
    """Cycles for a prompt of `count` tokens, with the trees of the two lines."""
    price, heads = Price(wafer), sizes.heads
    rows, filled = -(-count // sizes.height), min(count, sizes.height)
    one = price.scalar("load load load iadd iadd load fdiv iadd iadd")
    one += price.vector("mul", -(-sizes.size // heads.slots), dtype, sums)
    divided = price.scalar("load") + price.loop(heads.slots) + heads.slots * one
    found = _cost_of_softmax(wafer, along_x, sizes, count, dtype=dtype, sums=sums)
    found += price.vector("mov", rows * sizes.size, sums, None) + cost_of_rows(price, rows, divided, places=2)
    a_panel = sizes.spread // sizes.kept
    columns = -(-filled // sizes.runs)
    found += price.scalar("imul imul imul imul mov mov") + price.loop(-(-columns // a_panel))
    found += cost_of_blocks(price, a_panel) + cost_of_blocks(price, sizes.runs)
    for first in range(0, columns, a_panel):
        here = min(a_panel, columns - first)
        runs = min(here * sizes.runs, filled - first * sizes.runs)
        lines, tile = rows * heads.heads, sizes.rows * sizes.size
        found += price.scalar("isub imin isub imin imul iadd iadd")
        found += gemm_panels.cost(
            wafer, along_x, first, here, lines * sizes.kept, dtype=dtype, panel=lines * sizes.spread
        )
        found += gemm_panels.cost(
            wafer, along_y, first * sizes.runs, runs, tile, dtype=dtype, panel=sizes.spread * sizes.size
        )
        slot = price.scalar("load iadd imul iadd load load iadd")
        slot += price.map("mac", runs * sizes.rows, -(-sizes.size // heads.slots), sums, dtype)
        row = price.scalar("load") + price.loop(heads.slots) + heads.slots * slot
        found += cost_of_rows(price, rows, row, places=2)
    return found


def _cost_of_softmax(
    wafer: Wafer, along_x: Tree, sizes: Sizes, count: int, *, dtype: DType, sums: DType
) -> int:
    """Cycles of the PE with most keys to see: in the first column, on the row of the last token."""
    price, heads = Price(wafer), sizes.heads.heads
    rows, last, runs = -(-count // sizes.height), (count - 1) % sizes.height, min(sizes.runs, count, sizes.height)
    lines = rows * heads
    found = all_reduce.cost(wafer, along_x, lines, operation="max") + all_reduce.cost(wafer, along_x, lines)
    for query in range(rows):
        tops, powers = price.scalar("mov store"), price.scalar("load mov store")
        for run in range(runs):
            seen = query + (run <= last)
            tops += price.scalar("ile iadd iadd iadd") + price.vector("max_of", seen, None, sums)
            powers += price.scalar("ile iadd isub iadd iadd iadd")
            powers += price.vector("sub", seen, sums, sums, in_place=True) + price.vector("exp", seen, dtype, sums)
            powers += price.vector("sum", seen, None, dtype) + price.vector("mov", sizes.rows - seen, dtype, None)
        both = tops + powers + 2 * (price.scalar("mov mov") + price.loop(runs))
        found += cost_of_rows(price, heads, both, places=4) + price.loop(heads) + 2 * price.scalar("iadd")
    return found + 2 * cost_of_rows(price, rows, 0, places=2)


def emit(
    pe: Code, along_x: Panels, along_y: Panels, out: Buffer, cache: KVCache, heads: Heads, sizes: Sizes,
    scratch: Scratch, *, rows: Register, runs: Register, start: Register, own_row: Buffer,
) -> None:  # fmt: skip
    """out = softmax(scores) times values, for each token of the PE; arguments as in `causal_scores`."""
    with pe.builder.section("softmax"), pe.scope():
        _softmax(pe, along_x.line, sizes, scratch, rows=rows, runs=runs, start=start, row=pe.load(own_row))
    with pe.builder.section("mix"), pe.scope():
        _mix(pe, along_x, along_y, cache, heads, sizes, scratch, rows=rows, runs=runs)
        size = sizes.size
        places = (0, size), (0, heads.of.heads)
        with each_row(pe, rows, *places) as (at, line), pe.loop(pe.load(heads.count)) as slot:
            low, length = heads.elements(pe, slot)
            share = 1.0 / pe.load(scratch.totals.at(pe.load(heads.first) + slot + line))
            own = low + at
            pe.mul(out.at(own, length), scratch.mixed.at(own, length), share)


def _softmax(
    pe: Code, line: Line, sizes: Sizes, scratch: Scratch, *, rows: Register, runs: Register, start: Register,
    row: Register,
) -> None:  # fmt: skip
    """powers = exp(scores - the query's largest) where it sees the key, else 0; totals = their sums."""
    heads, kept, slots = sizes.heads.heads, sizes.kept, sizes.rows
    lines = pe.use(rows) * heads
    own = (pe.use(runs) - start).minimum(sizes.runs).maximum(0)
    query = pe.integer(0)
    with each_row(pe, rows, (0, heads), (0, heads * kept)) as (first, begin):
        with each_row(pe, heads, (first, 1), (begin, kept)) as (at, block):
            top = pe.real(float("-inf"))
            with each_row(pe, own, (start, 1), (block, slots)) as (run, place):
                pe.max_of(top, scratch.scores.at(place, query + (run <= row)))
            pe.store(scratch.tops.at(at), top)
        query += 1
    line.all_reduce(pe, scratch.tops.view(0, lines), operation="max")
    pe.set(query, 0)
    with each_row(pe, rows, (0, heads), (0, heads * kept)) as (first, begin):
        with each_row(pe, heads, (first, 1), (begin, kept)) as (at, block):
            top, total = pe.load(scratch.tops.at(at)), pe.real(0.0)
            with each_row(pe, own, (start, 1), (block, slots)) as (run, place):
                seen = query + (run <= row)
                scores, powers = scratch.scores.at(place, seen), scratch.powers.at(place, seen)
                softmax.exponentials(pe, scores, scores, powers, top, total)
                pe.mov(scratch.powers.at(place + seen, slots - seen), 0.0)
            pe.store(scratch.totals.at(at), total)
        query += 1
    line.all_reduce(pe, scratch.totals.view(0, lines), operation="add")


def _mix(
    pe: Code, along_x: Panels, along_y: Panels, cache: KVCache, heads: Heads, sizes: Sizes, scratch: Scratch, *,
    rows: Register, runs: Register,
) -> None:  # fmt: skip
    """mixed = powers times values, each head on its own features."""
    size, kept, spread, tile = sizes.size, sizes.kept, sizes.spread, sizes.rows * sizes.size
    lines = pe.use(rows) * heads.of.heads
    used, wide = lines * kept, lines * spread
    pe.mov(scratch.mixed.view(0, pe.use(rows) * size), 0.0)
    columns, a_panel = blocks_of(pe, runs, sizes.runs), spread // kept
    first, run = pe.integer(0), pe.integer(0)
    with pe.loop(blocks_of(pe, columns, a_panel)):
        place = scratch.power_panel.view(0, used, inner=kept, outer_stride=spread)
        along_x.emit(
            pe, first, (columns - first).minimum(a_panel), scratch.powers.view(0, used), lambda i: place.at(i * kept),
            scratch.power_panel.view(0, wide),
        )  # fmt: skip
        count = (pe.use(runs) - run).minimum(a_panel * sizes.runs)
        along_y.emit(
            pe, run, count, cache.values.view(0, tile), lambda i: scratch.value_panel.at(i * tile, tile),
            scratch.value_panel[:],
        )  # fmt: skip
        keys = count * sizes.rows
        places = (0, size), (0, heads.of.heads * spread)
        with each_row(pe, rows, *places) as (at, line), pe.loop(pe.load(heads.count)) as slot:
            powers = scratch.power_panel.at(heads.start(pe, slot, spread) + line, keys)
            low, length = heads.elements(pe, slot)
            values = scratch.value_panel.at(low, length).stepping(size)
            pe.mac(scratch.mixed.at(at + low, length), values, each(powers))
        first += a_panel
        run += a_panel * sizes.runs
