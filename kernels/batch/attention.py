"""Attention of the newest token of each sequence to all before it; `reference` and method of `transformer.attention`.

qkv     (rows, 3 size) on each PE: q, k and v side by side, features split on x, the same on all rows of PEs
out     (rows, size)
cache   of several sequences, one after the other, each of them as in `transformer.kv_cache`
scores  those of a sequence compact, (heads, its tokens on the row of PEs), one sequence after the other
"""

from __future__ import annotations

from wse_sim.hardware import DType, Region, Wafer, f32
from wse_sim.kernels.batch.places import Places, held
from wse_sim.kernels.collective import all_reduce
from wse_sim.kernels.collective.line import Line
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.price import Price
from wse_sim.kernels.rows import Count, cost_of_rows, each_row, times
from wse_sim.kernels.transformer import kv_cache, softmax
from wse_sim.kernels.transformer.attention import reference
from wse_sim.kernels.transformer.heads import Heads, HeadSlots
from wse_sim.kernels.transformer.kv_cache import KVCache
from wse_sim.kernels.transformer.mix import Scratch
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer, View, each
from wse_sim.program.register import Register

__all__ = ["cost", "emit", "make_scratch", "reference"]


def make_scratch(
    build: Builder, heads: HeadSlots, slots: int, most: int, region: Region, *, cache: DType = f32, sums: DType = f32
) -> Scratch:
    """Scratch for `most` sequences and caches of `slots` tokens of each on a PE."""
    size = heads.features.size + heads.slots
    return Scratch(
        scores=build.buffer("attention.scores", sums, most * heads.heads * slots, on=region),
        tops=build.buffer("attention.tops", f32, most * heads.slots, on=region),
        powers=build.buffer("attention.powers", cache, slots, on=region),
        mixed=build.buffer("attention.mixed", sums, most * size, on=region),
    )


def cost(
    wafer: Wafer, along_x: Tree, along_y: Tree, heads: HeadSlots, rows: int, count: int, *, dtype: DType = f32,
    sums: DType = f32, scaled: bool = True,
) -> int:  # fmt: skip
    """Cycles of `rows` sequences with `count` tokens of each on the fullest row of PEs."""
    price, size = Price(wafer), heads.features.size
    append = kv_cache.cost(wafer, size, dtype=dtype) + price.scalar("load load load iadd imul iadd iadd iadd iadd")
    scale = price.scalar("imul") + price.vector("mul", rows * size, dtype, dtype, in_place=True) if scaled else 0
    return (
        cost_of_rows(price, rows, append, places=2)
        + scale
        + _cost_of_scores(wafer, along_x, heads, rows, count, dtype, sums)
        + _cost_of_mix(wafer, along_y, heads, rows, count, dtype, sums)
    )


def _cost_of_scores(
    wafer: Wafer, tree: Tree, heads: HeadSlots, rows: int, count: int, dtype: DType, sums: DType
) -> int:
    price, slots = Price(wafer), heads.slots
    zeros = price.scalar("load") + price.vector("mov", rows * heads.heads * count, sums, None)
    slot = price.scalar("load iadd imul iadd load load imul iadd iadd") + price.map("mac", 0, count, sums, dtype)
    step = wafer.step_cycles(price.elements("mac", count, sums, dtype))
    row = price.scalar("load load load load") + price.loop(slots) + slots * slot + heads.features.size * step
    together = all_reduce.cost(wafer, tree, rows * heads.heads * count, dtype=sums)
    return zeros + cost_of_rows(price, rows, row, places=2) + together


def _cost_of_mix(wafer: Wafer, tree: Tree, heads: HeadSlots, rows: int, count: int, dtype: DType, sums: DType) -> int:
    price, size, slots = Price(wafer), heads.features.size, heads.slots
    find = price.scalar("load iadd imul iadd")
    top = find + softmax.cost_of_top(wafer, count, sums) + price.scalar("iadd store")
    own = -(-size // slots)  # a head's elements, as if a block were shared out evenly
    power = find + softmax.cost_of_exponentials(wafer, count, sums, work=sums, powers=dtype, in_place=True)
    power += price.scalar("iadd load iadd store load load iadd iadd") + price.map("mac", count, own, sums, dtype)
    share = price.scalar("load load iadd load fdiv iadd iadd") + price.vector("mul", own, dtype, sums)
    loops = sum(
        cost_of_rows(price, rows, price.scalar(loads) + price.loop(slots) + slots * each, places=places)
        for loads, each, places in (("load load", top, 2), ("load load load iadd", power, 3), ("iadd", share, 2))
    )
    zeros = price.scalar("imul") + price.vector("mov", rows * (size + slots), sums, None)
    together = all_reduce.cost(wafer, tree, rows * slots, operation="max")
    together += all_reduce.cost(wafer, tree, rows * (size + slots), dtype=sums)
    return 2 * price.scalar("load") + price.scalar("imul") + loops + zeros + together


def emit(
    pe: Code, along_x: Line, along_y: Line, qkv: Buffer, out: Buffer, cache: KVCache, heads: Heads, places: Places,
    scratch: Scratch, *, rows: Count, scale: float,
) -> None:  # fmt: skip
    """out = attention of the newest tokens of the first `rows` sequences; scales q in place."""
    size = cache.features.size
    with pe.builder.section("attention"):
        _append(pe, qkv, cache, places, rows)
        if scale != 1.0:
            with pe.scope():
                q = qkv.view(0, times(pe, rows, size), inner=size, outer_stride=3 * size)
                pe.mul(q, q, scale)
        _scores(pe, along_x, qkv, cache, heads, places, scratch, rows)
        _softmax(pe, along_y, heads, places, scratch, rows)
        _mix(pe, along_y, out, cache, heads, places, scratch, rows)


def _append(pe: Code, qkv: Buffer, cache: KVCache, places: Places, rows: Count) -> None:
    size = cache.features.size
    with pe.builder.section("append"), each_row(pe, rows, (0, 1), (0, 3 * size)) as (i, at):
        mine, slot, base = (held(pe, entries, i) for entries in (places.mine, places.slot, places.base))
        with pe.when(mine):
            pe.mov(cache.keys.at(base + slot, size, stride=cache.slots), qkv.at(at + size, size))
            pe.mov(cache.values.at(base + slot * size, size), qkv.at(at + 2 * size, size))


def _scores(
    pe: Code, line: Line, qkv: Buffer, cache: KVCache, heads: Heads, places: Places, scratch: Scratch, rows: Count
) -> None:
    """scores = q . keys for each sequence, each head and each of its tokens on the row of PEs."""
    with pe.builder.section("scores"), pe.scope():
        used = scratch.scores.view(0, pe.load(places.total))
        pe.mov(used, 0.0)
        own = pe.load(heads.count)
        with each_row(pe, rows, (0, 1), (0, 3 * cache.features.size)) as (i, at):
            count, first, base = (held(pe, entries, i) for entries in (places.count, places.first, places.base))
            with pe.loop(own) as slot:
                to = scratch.scores.at(heads.start(pe, slot, count) + first, count)
                low, length = heads.elements(pe, slot)
                keys = cache.keys.at(low * cache.slots + base, count).stepping(cache.slots)
                pe.mac(to, keys, each(qkv.at(low + at, length)))
        line.all_reduce(pe, used, operation="add")


def _softmax(pe: Code, line: Line, heads: Heads, places: Places, scratch: Scratch, rows: Count) -> None:
    """The largest score of each head of each sequence."""
    slots = heads.of.slots
    with pe.builder.section("softmax"), pe.scope():
        own = pe.load(heads.count)
        with each_row(pe, rows, (0, 1), (0, slots)) as (i, at), pe.loop(own) as slot:
            scores = _of_head(pe, scratch, heads, places, i, slot)
            pe.store(scratch.tops.at(at + slot), softmax.top(pe, scores))
        line.all_reduce(pe, scratch.tops.view(0, times(pe, rows, slots)), operation="max")


def _mix(
    pe: Code, line: Line, out: Buffer, cache: KVCache, heads: Heads, places: Places, scratch: Scratch, rows: Count
) -> None:
    """The weighted sum of the values; a row of `mixed` holds the output block, then the sums of the exponentials."""
    size, slots = cache.features.size, heads.of.slots
    with pe.builder.section("mix"), pe.scope():
        own, mixed = pe.load(heads.count), scratch.mixed
        whole = mixed.view(0, times(pe, rows, size + slots))
        pe.mov(whole, 0.0)
        with each_row(pe, rows, (0, 1), (0, slots), (0, size + slots)) as (i, top, at):
            base = held(pe, places.base, i)
            with pe.loop(own) as slot:
                scores = _of_head(pe, scratch, heads, places, i, slot)
                powers = scratch.powers.view(0, scores.length)
                total = softmax.exponentials(pe, scores, scores, powers, pe.load(scratch.tops.at(top + slot)))
                pe.store(_after(mixed, size, at + slot), total)
                low, length = heads.elements(pe, slot)
                values = cache.values.at(low + base, length).stepping(size)
                pe.mac(mixed.at(low + at, length), values, each(powers))
        line.all_reduce(pe, whole, operation="add")
        with each_row(pe, rows, (0, size), (0, size + slots)) as (to, at), pe.loop(own) as slot:
            low, length = heads.elements(pe, slot)
            share = 1.0 / pe.load(_after(mixed, size, at + slot))
            pe.mul(out.at(low + to, length), mixed.at(low + at, length), share)


def _after(mixed: Buffer, size: int, index: Register) -> View:
    """The element `size` after an index."""
    return mixed.view(size, 1).at(index)


def _of_head(pe: Code, scratch: Scratch, heads: Heads, places: Places, i: Register, slot: Register) -> View:
    """Scores of one head of a sequence."""
    count, first = held(pe, places.count, i), held(pe, places.first, i)
    return scratch.scores.at(heads.start(pe, slot, count) + first, count)
