"""Attention scores of one query with all keys on the rows of a cache, summed over the PEs that share a head.

q         (size,) on each PE: features split on x, the same on all rows
scores    f32 (heads, count) on each PE, compact: all heads with the `count` tokens of its row
method    for each head slot a map over its features, scores[head] += keys[feature] * q[feature]; then an
          all-reduce along x of heads * count values, to which a PE gives zeros for heads it has no part in
rounding  each multiply-add once to f32, also for a cache of f16
"""

from __future__ import annotations

from wse_sim.hardware import DType, Wafer, f32
from wse_sim.kernels.collective import all_reduce
from wse_sim.kernels.collective.line import Line
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.price import Price
from wse_sim.kernels.transformer.heads import Heads, HeadSlots
from wse_sim.kernels.transformer.kv_cache import KVCache, Tokens
from wse_sim.kernels.transformer.views import Operand, part
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer, each


def cost(wafer: Wafer, tree: Tree, heads: HeadSlots, count: int, *, cache: DType = f32) -> int:
    """Cycles for `count` tokens on a row, on lines that reduce by `tree`."""
    price, slots = Price(wafer), heads.slots
    zeros = price.scalar("imul") + price.vector("mov", heads.heads * count, f32, None)
    slot = price.scalar("load iadd imul load load imul") + price.map("mac", 0, count, f32, cache)
    step = max(wafer.map_step_cycles, price.elements("mac", count, f32, cache))
    local = price.scalar("load") + price.loop(slots) + slots * slot + heads.features.size * step
    return zeros + local + all_reduce.cost(wafer, tree, heads.heads * count)


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
