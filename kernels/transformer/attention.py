"""Attention of one new token to itself and all before it, all heads: from its q, k and v to its output.

q, k, v, out  (size,) on each PE: features split on x, wherever heads end, and the same on all rows
cache         keys and values of all tokens, features on x, tokens in turn on y; see `kv_cache`
steps         append k and v; scale q; `scores`, summed along x; softmax and weighted sum, `mix`, along y
rounding      q once more to its type by the scale; the cache to its type; the rest as `scores` and `mix` say
lines         vectors of heads * count words go along x, of size + head slots along y: plan for as many
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import DType, Wafer, f32
from wse_sim.kernels import rounding
from wse_sim.kernels.collective.line import Line
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.price import Price
from wse_sim.kernels.transformer import kv_cache, mix, scores
from wse_sim.kernels.transformer.heads import Heads, HeadSlots
from wse_sim.kernels.transformer.kv_cache import KVCache, Tokens
from wse_sim.kernels.views import Operand, whole
from wse_sim.program.code import Code

Floats = NDArray[np.floating[Any]]


def reference(
    along_x: Tree, along_y: Tree, heads: HeadSlots, q: Floats, keys: Floats, values: Floats, *, scale: float,
    dtype: DType = f32, sums: DType = f32,
) -> Floats:  # fmt: skip
    """Output (d,) for a query (d,) and the cached keys and values (tokens, d) of all tokens, bit for bit.

    dtype  of the query and the output
    """
    scaled = q if scale == 1.0 else rounding.mul(q, rounding.number(scale), dtype.numpy)
    products = scores.reference(along_x, heads, scaled, keys, sums=sums)
    return mix.reference(along_y, heads, products, values, dtype=dtype)


def cost(
    wafer: Wafer,
    along_x: Tree,
    along_y: Tree,
    heads: HeadSlots,
    count: int,
    *,
    dtype: DType = f32,
    cache: DType | None = None,
    sums: DType = f32,
) -> int:
    """Cycles with `count` tokens on the fullest row, with the trees of the two lines."""
    kept, size = cache or dtype, heads.features.size
    append = kv_cache.cost(wafer, size, dtype=dtype, cache=kept)
    scale = Price(wafer).vector("mul", size, dtype, dtype, in_place=True)
    products = scores.cost(wafer, along_x, heads, count, cache=kept, sums=sums)
    mixed = mix.cost(wafer, along_y, heads, count, dtype=dtype, cache=kept, sums=sums)
    return append + scale + products + mixed


def emit(
    pe: Code,
    along_x: Line,
    along_y: Line,
    q: Operand,
    k: Operand,
    v: Operand,
    out: Operand,
    cache: KVCache,
    heads: Heads,
    tokens: Tokens,
    scratch: mix.Scratch,
    *,
    scale: float,
) -> None:
    """out = attention of the newest token; scales `q` in place, by 1 / sqrt(head size) in GPT-2.

    scale  1 leaves `q` as it is, for models without it or with it in their weights
    """
    with pe.builder.section("attention"):
        kv_cache.emit(pe, k, v, cache, tokens)
        if scale != 1.0:
            pe.mul(whole(q), whole(q), scale)
        scores.emit(pe, along_x, scratch.scores, q, cache, heads, tokens)
        mix.emit(pe, along_y, out, cache, heads, tokens, scratch)
