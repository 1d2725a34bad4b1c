"""Closed forms of a decode step's cycles on one region, summed from the kernels' own."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

from wse_sim.hardware import i32
from wse_sim.kernels.blocks import Blocks
from wse_sim.kernels.collective import broadcast
from wse_sim.kernels.collective.plan import plan
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.matrix import gemv
from wse_sim.kernels.price import Price
from wse_sim.kernels.transformer import attention, embedding, gelu, kv_cache, layernorm, likeliest, logits, residual
from wse_sim.kernels.transformer.heads import HeadSlots, head_slots
from wse_sim.mapping.region.layout import Layout
from wse_sim.mapping.region.traffic import line_of_a_shard


@dataclass(frozen=True)
class StageCycles:
    """Cycles of the parts of a region's step for one token.

    start      finding its place in the cache
    embedding  0 where the tables lie elsewhere
    layer      by kernel, in order, of one layer
    layers     how many there are
    head       0 where the head is elsewhere
    """

    start: int
    embedding: int
    layer: dict[str, int]
    layers: int
    head: int

    @property
    def of_a_layer(self) -> int:
        """Cycles of one layer."""
        return sum(self.layer.values())

    @property
    def total(self) -> int:
        """Cycles of all."""
        return self.start + self.embedding + self.layers * self.of_a_layer + self.head


def stage_cycles(layout: Layout, position: int, *, spare: bool = False) -> StageCycles:
    """A step for the token at `position`; tokens before it are in the cache. `spare` as in `Stage`."""
    (words_x, words_y), (queues_x, queues_y) = layout.line_words, layout.line_queues(spare=spare)
    along_x = plan(layout.wafer, layout.width, words=words_x, queues=queues_x)
    along_y = plan(layout.wafer, layout.height, words=words_y, queues=queues_y)
    return StageCycles(
        start=kv_cache.cost_of_locating(layout.wafer, layout.height),
        embedding=_embedding(layout, along_x) if layout.embedding else 0,
        layer=_layer(layout, along_x, along_y, position) if layout.held else {},
        layers=len(layout.held),
        head=sum(_head(layout, along_x, along_y).values()) if layout.head else 0,
    )


def _embedding(layout: Layout, along_x: Tree) -> int:
    scaled = layout.config.embeddings_scale != 1.0
    dtype = layout.dtype
    return embedding.cost(layout.wafer, along_x, layout.hidden.size, hidden=dtype, table=dtype, scaled=scaled)


def _layer(layout: Layout, along_x: Tree, along_y: Tree, position: int) -> dict[str, int]:
    wafer, dtype = layout.wafer, layout.dtype
    hidden, features, inner = layout.hidden.size, layout.features.size, layout.inner.size
    norm = layernorm.cost(wafer, along_y, hidden, dtype=dtype)
    tokens = position // layout.height + 1  # on the fullest row
    rest = residual.cost(wafer, hidden, dtype=dtype)
    heads = _head_slots(layout.features, layout.config.n_head)
    inside = line_of_a_shard(layout) or along_x
    return {
        "ln_1": norm,
        "qkv": _linear(layout, along_y, hidden, 3 * features),
        "attention": attention.cost(
            wafer, inside, along_y, heads, tokens, dtype=dtype, sums=layout.accumulate
        ),
        "projection": _linear(layout, along_x, features, hidden),
        "residual_1": rest,
        "ln_2": norm,
        "up": _linear(layout, along_y, hidden, inner),
        "gelu": gelu.cost_shared(wafer, along_y, inner, layout.gelu, dtype=dtype),
        "down": _linear(layout, along_x, inner, hidden),
        "residual_2": rest,
    }


def _head(layout: Layout, along_x: Tree, along_y: Tree) -> dict[str, int]:
    wafer, dtype, scaled = layout.wafer, layout.dtype, layout.config.width_scale != 1.0
    hidden, tokens = layout.hidden.size, layout.vocabulary.size
    return {
        "ln_f": layernorm.cost(wafer, along_y, hidden, dtype=dtype),
        "logits": logits.cost(
            wafer, along_y, tokens, hidden, table=dtype, sums=layout.accumulate, scaled=scaled
        ),
        "choice": likeliest.cost(wafer, along_x, tokens, dtype=layout.accumulate)
        + broadcast.cost(wafer, along_y.length, along_y.root, 1, dtype=i32),
    }


def _linear(layout: Layout, tree: Tree, rows: int, columns: int) -> int:
    """A matrix-vector product, rounded once more where sums are wider than activations."""
    wafer, dtype, sums = layout.wafer, layout.dtype, layout.accumulate
    product = gemv.cost(wafer, tree, rows, columns, weights=dtype, dtype=sums)
    return product + (Price(wafer).vector("mov", columns, dtype, sums) if sums is not dtype else 0)


@cache
def _head_slots(features: Blocks, heads: int) -> HeadSlots:
    return head_slots(features, heads)
