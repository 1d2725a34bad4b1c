"""Keys and values of a whole prompt put into the cache: each PE its own, for tokens lie on y as the cache has them.

k, v  rows of `pitch` elements on each PE, tokens in turn on y, features split on x
"""

from __future__ import annotations

from wse_sim.hardware import DType, Wafer, f32
from wse_sim.kernels.price import Price
from wse_sim.kernels.rows import cost_of_rows, each_row
from wse_sim.kernels.transformer.kv_cache import KVCache
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer
from wse_sim.program.register import Register


def cost(wafer: Wafer, size: int, rows: int, *, dtype: DType = f32) -> int:
    """Cycles for `rows` tokens on a PE and blocks of `size` features."""
    price = Price(wafer)
    values = price.scalar("imul") + price.vector("mov", rows * size, dtype, dtype)
    return values + cost_of_rows(price, rows, price.vector("mov", size, dtype, dtype), places=2)


def emit(pe: Code, qkv: Buffer, k: int, v: int, cache: KVCache, *, rows: Register, pitch: int) -> None:
    """cache[:rows] = the keys from element `k` of each row of `qkv` on, and the values from `v` on."""
    size = cache.features.size
    with pe.builder.section("append"), pe.scope():
        held = pe.use(rows) * size
        pe.mov(cache.values.view(0, held), qkv.view(v, held, inner=size, outer_stride=pitch))
        with each_row(pe, rows, (0, pitch), (0, 1)) as (at, slot):
            pe.mov(cache.keys.at(slot, size, stride=cache.slots), qkv.view(k, size).at(at))
