"""Attention scores of one query with all keys on the rows of a cache, summed over the PEs that share a head.

q         (size,) on each PE: features split on x, the same on all rows
scores    (heads, count) on each PE, compact: all heads with the `count` tokens of its row
method    for each head slot a map over its features, scores[head] += keys[feature] * q[feature]; then an
          all-reduce along x of heads * count values, to which a PE gives zeros for heads it has no part in
rounding  each multiply-add, and each sum on the line, once to the type of the scores
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import DType, Wafer, f32
from wse_sim.kernels import rounding
from wse_sim.kernels.collective import all_reduce, reduce
from wse_sim.kernels.collective.line import Line
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.price import Price
from wse_sim.kernels.transformer.heads import Heads, HeadSlots
from wse_sim.kernels.transformer.kv_cache import KVCache, Tokens
from wse_sim.kernels.views import Operand, part
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer, each

Floats = NDArray[np.floating[Any]]


def reference(tree: Tree, heads: HeadSlots, q: Floats, keys: Floats, *, sums: DType = f32) -> Floats:
    """Scores (..., heads, tokens) of queries (..., d) with keys (tokens, d), features dealt to lines along x."""
    size, head_size = heads.features.size, heads.features.total // heads.heads
    shape = (heads.features.parts, *q.shape[:-1], heads.heads, len(keys))
    shares = np.zeros(shape, sums.numpy)
    for i in range(size):
        feature = np.arange(heads.features.parts) * size + i
        feature = feature[feature < heads.features.total]
        own = (np.arange(len(feature)), ..., feature // head_size, slice(None))
        products = rounding.wide(q[..., feature, None]) * rounding.wide(keys[:, feature].T)  # (..., parts, tokens)
        shares[own] = rounding.rounded(shares[own] + np.moveaxis(products, -2, 0), sums.numpy)
    return reduce.reference(tree, shares)


def cost(
    wafer: Wafer, tree: Tree, heads: HeadSlots, count: int, *, cache: DType = f32, sums: DType = f32
) -> int:
    """Cycles for `count` tokens on a row, on lines that reduce by `tree`."""
    price, slots = Price(wafer), heads.slots
    zeros = price.scalar("imul") + price.vector("mov", heads.heads * count, sums, None)
    slot = price.scalar("load iadd imul load load imul") + price.map("mac", 0, count, sums, cache)
    step = wafer.step_cycles(price.elements("mac", count, sums, cache))
    local = price.scalar("load") + price.loop(slots) + slots * slot + heads.features.size * step
    return zeros + local + all_reduce.cost(wafer, tree, heads.heads * count, dtype=sums)


def emit(
    pe: Code, line: Line, scores: Buffer, q: Operand, cache: KVCache, heads: Heads, tokens: Tokens
) -> None:
    """scores = q . keys for each head and each token of the row, on all PEs of the row."""
    with pe.builder.section("scores"), pe.scope():
        used = scores.view(0, pe.use(tokens.count) * heads.of.heads)
        pe.mov(used, 0.0)
        with pe.loop(pe.load(heads.count)) as slot:
            own = scores.at(heads.start(pe, slot, tokens.count), tokens.count)
            low, length = heads.elements(pe, slot)
            keys = cache.keys.at(low * cache.slots, tokens.count).stepping(cache.slots)
            pe.mac(own, keys, each(part(q, low, length)))
        line.all_reduce(pe, used, operation="add")
