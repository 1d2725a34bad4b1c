"""Scores of all tokens of a prompt with all keys, queries on y and keys on x: form NT of the GEMM, all heads at once.

For one panel of keys after the other, broadcast along y: each PE multiplies its queries with it, head by head; the
partial scores are summed along x, and each column of PEs takes its own runs of the sums. See `causal`.
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
from wse_sim.kernels.transformer.heads import Heads
from wse_sim.kernels.transformer.kv_cache import KVCache
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer, each
from wse_sim.program.register import Register


def cost(
    wafer: Wafer, along_x: Tree, along_y: Tree, sizes: Sizes, count: int, *, cache: DType = f32, sums: DType = f32
) -> int:
    """Cycles for a prompt of `count` tokens, with the trees of the two lines."""
    price, heads, wide = Price(wafer), sizes.heads, sizes.wide
    rows, filled = -(-count // sizes.height), min(count, sizes.height)
    lines, a_panel = rows * heads.heads, wide // sizes.rows
    slot = price.scalar("load iadd imul iadd load load imul iadd") + price.map("mac", 0, wide, sums, cache)
    step = wafer.step_cycles(price.elements("mac", wide, sums, cache))
    row = price.scalar("load") + price.loop(heads.slots) + heads.slots * slot + sizes.size * step
    found = price.scalar("imul imul mov") + cost_of_blocks(price, a_panel) + price.loop(-(-filled // a_panel))
    for first in range(0, filled, a_panel):
        here = min(a_panel, filled - first)
        panel = sizes.size * wide
        found += price.scalar("isub imin iadd")
        found += gemm_panels.cost(wafer, along_y, first, here, sizes.size * sizes.rows, dtype=cache, panel=panel)
        found += price.vector("mov", lines * wide, sums, None) + cost_of_rows(price, rows, row, places=2)
        found += all_reduce.cost(wafer, along_x, lines * wide, dtype=sums)
        own = min(sizes.runs, here)
        take = price.scalar("iadd iadd") + price.vector("mov", lines * sizes.rows, sums, sums)
        found += price.scalar("imax iadd iadd imin isub imax imul isub imul") + price.loop(own) + own * take
    return found


def emit(
    pe: Code, along_x: Line, along_y: Panels, q: Buffer, cache: KVCache, heads: Heads, sizes: Sizes, scratch: Scratch,
    *, pitch: int, rows: Register, runs: Register, start: Register,
) -> None:  # fmt: skip
    """scratch.scores = q . keys for each token of the PE, each head, and the keys of its column.

    pitch  elements from query to query
    rows   tokens on this row of PEs
    runs   rows of PEs that hold a token
    start  the column's first run
    """
    wide, slots, a_panel = sizes.wide, sizes.rows, sizes.wide // sizes.rows
    with pe.builder.section("scores"), pe.scope():
        used = pe.use(rows) * (heads.of.heads * wide)
        taken = pe.use(rows) * (heads.of.heads * slots)
        part, first = scratch.part.view(0, used), pe.integer(0)
        tile = cache.keys.view(0, sizes.size * slots, inner=slots, outer_stride=cache.slots)
        place = scratch.keys.view(0, sizes.size * slots, inner=slots, outer_stride=wide)
        with pe.loop(blocks_of(pe, runs, a_panel)):
            count = (pe.use(runs) - first).minimum(a_panel)
            along_y.emit(pe, first, count, tile, lambda i: place.at(i * slots), scratch.keys[:])
            pe.mov(part, 0.0)
            _multiply(pe, q, heads, scratch, rows=rows, pitch=pitch, wide=wide)
            along_x.all_reduce(pe, part)
            low = first.maximum(start)
            own = (first + count).minimum(start + sizes.runs) - low
            here, there = (low - start) * slots, (low - first) * slots
            with pe.loop(own.maximum(0)):
                to = scratch.scores.view(0, taken, inner=slots, outer_stride=sizes.kept)
                pe.mov(to.at(here), scratch.part.view(0, taken, inner=slots, outer_stride=wide).at(there))
                here += slots
                there += slots
            first += a_panel


def _multiply(
    pe: Code, q: Buffer, heads: Heads, scratch: Scratch, *, rows: Register, pitch: int, wide: int
) -> None:
    """part += queries times the panel, each head on its own features."""
    places = (0, pitch), (0, heads.of.heads * wide)
    with each_row(pe, rows, *places) as (query, line), pe.loop(pe.load(heads.count)) as slot:
        own = scratch.part.at(heads.start(pe, slot, wide) + line, wide)
        low, length = heads.elements(pe, slot)
        keys = scratch.keys.at(low * wide, wide).stepping(wide)
        pe.mac(own, keys, each(q.at(low + query, length)))
