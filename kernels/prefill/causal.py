"""Causal attention of a whole prompt, all heads: token t to itself and all before it.

q, out    (rows, features on x) on each PE: tokens in turn on y, token t on row t mod height, features split on x
cache     keys and values of all tokens, laid out the same way; see `kv_cache`
scores    [token][head][run][slot] on each PE: keys that lie on one row of PEs are a run, of `rows` slots; runs are
          dealt to the columns of PEs, so that scores have queries on y and keys on x
steps     `causal_scores`, form NT; softmax over runs, along x; `causal_mix`, form NN; the division comes last
mask      in the run of row j, query i of row y sees the first i slots, and one more if j <= y
rounding  scores, differences and weighted sums once to the type of sums; exponentials to that of the cache; largest
          scores and sums of exponentials in f32; once to the type of `out`
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import DType, Wafer, f32
from wse_sim.kernels import rounding
from wse_sim.kernels.collective import reduce
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.matrix.gemm_panels import Panels
from wse_sim.kernels.prefill import causal_mix, causal_scores
from wse_sim.kernels.prefill.causal_work import Scratch, Sizes
from wse_sim.kernels.transformer import scores
from wse_sim.kernels.transformer.heads import Heads, HeadSlots
from wse_sim.kernels.transformer.kv_cache import KVCache
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer
from wse_sim.program.register import Register

Floats = NDArray[np.floating[Any]]


def reference(
    along_x: Tree, heads: HeadSlots, height: int, q: Floats, keys: Floats, values: Floats, *, dtype: DType = f32,
    sums: DType = f32,
) -> Floats:  # fmt: skip
    """Output (tokens, d) of scaled queries, keys and values (tokens, d) on so many rows of PEs, bit for bit."""
    place = np.arange(len(q))
    seen = place <= place[:, None]  # (query, key)
    products = np.where(seen[:, None], scores.reference(along_x, heads, q, keys, sums=sums), -np.inf)
    highest = products.max(axis=-1, keepdims=True)
    powers = rounding.exp(rounding.sub(products, highest, sums.numpy), keys.dtype)  # (query, head, key)

    runs = -(-height // along_x.length)
    order = np.lexsort((place // height, place % height))  # of the keys: run after run
    column = place % height // runs
    shares = np.stack([_total(powers[..., order[column[order] == x]]) for x in range(along_x.length)])
    share = rounding.div(1.0, reduce.reference(along_x, shares))  # (query, head)

    head = np.arange(q.shape[1]) // (q.shape[1] // heads.heads)
    mixed = np.zeros(q.shape, sums.numpy)
    for key in order:
        mixed = rounding.mac(mixed, values[key], powers[:, head, key])
    return rounding.mul(mixed, share[:, head], dtype.numpy)


def _total(powers: Floats) -> Floats:
    return rounding.total(powers) if powers.shape[-1] else np.zeros(powers.shape[:-1], np.float32)


def cost(
    wafer: Wafer, along_x: Tree, along_y: Tree, sizes: Sizes, count: int, *, dtype: DType = f32, sums: DType = f32
) -> int:
    """Cycles for a prompt of `count` tokens, with the trees of the two lines."""
    products = causal_scores.cost(wafer, along_x, along_y, sizes, count, cache=dtype, sums=sums)
    return products + causal_mix.cost(wafer, along_x, along_y, sizes, count, dtype=dtype, sums=sums)


def emit(
    pe: Code, along_x: Panels, along_y: Panels, q: Buffer, out: Buffer, cache: KVCache, heads: Heads, sizes: Sizes,
    scratch: Scratch, *, pitch: int, rows: Register, runs: Register, start: Buffer, own_row: Buffer,
) -> None:  # fmt: skip
    """out = causal attention of the queries, scaled already, over keys and values in the cache.

    pitch    elements from query to query
    rows     tokens on this row of PEs
    runs     rows of PEs that hold a token
    start    i32[1] on each PE: its column's first run
    own_row  i32[1] on each PE: its row of PEs
    """
    with pe.builder.section("attention"), pe.scope():
        first = pe.load(start)
        causal_scores.emit(
            pe, along_x.line, along_y, q, cache, heads, sizes, scratch, pitch=pitch, rows=rows, runs=runs, start=first
        )
        causal_mix.emit(
            pe, along_x, along_y, out, cache, heads, sizes, scratch, rows=rows, runs=runs, start=first,
            own_row=own_row,
        )  # fmt: skip
