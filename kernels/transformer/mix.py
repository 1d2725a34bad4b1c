"""From scores to the output of attention: softmax over the tokens of all rows, weighted sum of their values.

scores    (heads, count) on each PE, as `scores` leaves them; overwritten
out       (size,) on each PE: features split on x, the same on all rows; only valid elements are written
method    The largest score of each of the PE's own heads by an all-reduce along y; exponentials; a map over
          tokens, mixed += values[token] * power; then one all-reduce along y of the mixed block and, behind
          it, the sums of the exponentials; the division by the sum comes last. A row without tokens gives 0.
rounding  differences, multiply-adds and sums on the line once to the type of the scores; exponentials to that of
          the cache; the rest in f32; once to the type of `out`
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import DType, Region, Wafer, f32
from wse_sim.kernels import rounding
from wse_sim.kernels.collective import all_reduce, reduce
from wse_sim.kernels.collective.line import Line
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.price import Price
from wse_sim.kernels.transformer import softmax
from wse_sim.kernels.transformer.heads import Heads, HeadSlots
from wse_sim.kernels.transformer.kv_cache import KVCache, Tokens
from wse_sim.kernels.views import Operand, part
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer, View, each
from wse_sim.program.register import Register

Floats = NDArray[np.floating[Any]]


class Scratch(NamedTuple):
    """What attention works in, free again after it; scores and mixed hold sums, powers is of the cache's type.

    scores  [heads * slots of the cache]
    tops    f32[head slots]: largest score of each of the PE's heads
    powers  [slots of the cache]: exponentials of one head
    mixed   [size + head slots]: the output block, then the sum of each head's exponentials
    """

    scores: Buffer
    tops: Buffer
    powers: Buffer
    mixed: Buffer


def make_scratch(
    build: Builder, heads: HeadSlots, slots: int, region: Region, *, cache: DType = f32, sums: DType = f32
) -> Scratch:
    """Scratch for caches of `slots` tokens on a PE.

    cache  type of the cache
    sums   type in which products are added up
    """
    return Scratch(
        scores=build.buffer("attention.scores", sums, heads.heads * slots, on=region),
        tops=build.buffer("attention.tops", f32, heads.slots, on=region),
        powers=build.buffer("attention.powers", cache, slots, on=region),
        mixed=build.buffer("attention.mixed", sums, heads.features.size + heads.slots, on=region),
    )


def reference(tree: Tree, heads: HeadSlots, scores: Floats, values: Floats, *, dtype: DType = f32) -> Floats:
    """Output (d,) of scores (heads, tokens) and values (tokens, d), tokens dealt in turn to the PEs of a line."""
    sums, cache, rows = scores.dtype, values.dtype, tree.length
    slots, head_size = -(-len(values) // rows), heads.features.total // heads.heads

    def dealt(x: Floats) -> Floats:
        """(tokens, ...) as (slots, rows, ...), padded with zeros."""
        widths = [(0, slots * rows - len(x))] + [(0, 0)] * (x.ndim - 1)
        return np.pad(x, widths).reshape(slots, rows, *x.shape[1:])

    differences = rounding.sub(scores, scores.max(axis=-1, keepdims=True), sums)
    powers = dealt(rounding.exp(differences, cache).T)  # (slots, rows, heads)
    totals = rounding.rounded(rounding.total(np.moveaxis(powers, 0, -1)), sums)
    mixed = np.zeros((rows, values.shape[1]), sums)
    for power, value in zip(powers.repeat(head_size, axis=-1), dealt(values), strict=True):
        mixed = rounding.mac(mixed, value, power)
    share = rounding.div(1.0, reduce.reference(tree, totals)).repeat(head_size)
    return rounding.mul(reduce.reference(tree, mixed), share, dtype.numpy)


def cost(
    wafer: Wafer,
    tree: Tree,
    heads: HeadSlots,
    count: int,
    *,
    dtype: DType = f32,
    cache: DType | None = None,
    sums: DType = f32,
) -> int:
    """Cycles for `count` tokens on the fullest row, on lines that reduce by `tree`."""
    price, size, kept = Price(wafer), heads.features.size, cache or dtype
    find = price.scalar("load iadd imul")
    tops = find + softmax.cost_of_top(wafer, count, sums) + price.scalar("store")
    powers = find + softmax.cost_of_exponentials(wafer, count, sums, work=sums, powers=kept, in_place=True)
    powers += price.scalar("load store load load")
    share = price.scalar("load load load fdiv")
    own = -(-size // heads.slots)  # a head's elements, as if a block were shared out evenly
    per_slot = tops + powers + price.map("mac", count, own, sums, kept) + share
    per_slot += price.vector("mul", own, dtype, sums)
    loops = 3 * (price.scalar("load") + price.loop(heads.slots))
    zeros = price.vector("mov", size + heads.slots, sums, None)
    together = all_reduce.cost(wafer, tree, heads.slots, operation="max")
    together += all_reduce.cost(wafer, tree, size + heads.slots, dtype=sums)
    return loops + heads.slots * per_slot + zeros + together


def emit(
    pe: Code, line: Line, out: Operand, cache: KVCache, heads: Heads, tokens: Tokens, scratch: Scratch
) -> None:
    """out = softmax(scores) @ values, each head on its own features, on all PEs of a column."""
    sums = scratch.mixed[heads.of.features.size :]
    with pe.builder.section("softmax"), pe.scope():
        own = pe.load(heads.count)
        with pe.loop(own) as slot:
            pe.store(scratch.tops.at(slot), softmax.top(pe, _scores(pe, scratch, heads, tokens, slot)))
        line.all_reduce(pe, scratch.tops[:], operation="max")
    with pe.builder.section("mix"), pe.scope():
        own = pe.load(heads.count)
        pe.mov(scratch.mixed, 0.0)
        with pe.loop(own) as slot:
            scores = _scores(pe, scratch, heads, tokens, slot)
            powers = scratch.powers.view(0, tokens.count)
            total = softmax.exponentials(pe, scores, scores, powers, pe.load(scratch.tops.at(slot)))
            pe.store(part(sums, slot, 1), total)
            low, length = heads.elements(pe, slot)
            values = cache.values.at(low, length).stepping(cache.features.size)
            pe.mac(scratch.mixed.at(low, length), values, each(powers))
        line.all_reduce(pe, scratch.mixed[:], operation="add")
        with pe.loop(own) as slot:
            low, length = heads.elements(pe, slot)
            share = 1.0 / pe.load(part(sums, slot, 1))
            pe.mul(part(out, low, length), scratch.mixed.at(low, length), share)


def _scores(pe: Code, scratch: Scratch, heads: Heads, tokens: Tokens, slot: Register) -> View:
    return scratch.scores.at(heads.start(pe, slot, tokens.count), tokens.count)
