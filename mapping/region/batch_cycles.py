"""Closed forms of the cycles of a batch's decode step on one region, summed from the kernels' own."""

from __future__ import annotations

from wse_sim.hardware import i32
from wse_sim.kernels.batch import attention, embedding, gelu, gemv, likeliest, logits, places
from wse_sim.kernels.collective import broadcast
from wse_sim.kernels.collective.plan import plan
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.prefill import layernorm
from wse_sim.kernels.price import Price
from wse_sim.kernels.rows import cost_of_rows
from wse_sim.kernels.transformer import residual
from wse_sim.kernels.transformer.heads import head_slots
from wse_sim.kernels.transformer.likeliest import room
from wse_sim.mapping.region.cycles import StageCycles
from wse_sim.mapping.region.layout import Layout
from wse_sim.mapping.region.traffic import line_of_a_shard


def batch_cycles(layout: Layout, position: int, *, spare: bool = False) -> StageCycles:
    """A step for the token at `position` of each sequence of the layout's batch; as `stage_cycles`."""
    (words_x, words_y), (queues_x, queues_y) = layout.line_words, layout.line_queues(spare=spare)
    along_x = plan(layout.wafer, layout.width, words=words_x, queues=queues_x)
    along_y = plan(layout.wafer, layout.height, words=words_y, queues=queues_y)
    price, many = Price(layout.wafer), layout.batch
    begin = cost_of_rows(price, many, price.scalar("load load load ilt isub imul iadd store"), places=1)
    table = embedding.cost(
        layout.wafer, along_x, many, layout.hidden.size, hidden=layout.dtype, table=layout.dtype,
        scaled=layout.config.embeddings_scale != 1.0,
    )  # fmt: skip
    return StageCycles(
        start=begin + places.cost(layout.wafer, many, layout.height),
        embedding=table if layout.embedding else 0,
        layer=_layer(layout, along_x, along_y, position) if layout.held else {},
        layers=len(layout.held),
        head=_head(layout, along_x, along_y) if layout.head else 0,
    )


def _layer(layout: Layout, along_x: Tree, along_y: Tree, position: int) -> dict[str, int]:
    wafer, dtype, many = layout.wafer, layout.dtype, layout.batch
    hidden, features, inner = layout.hidden.size, layout.features.size, layout.inner.size
    norm = layernorm.cost(wafer, along_y, many, hidden, dtype=dtype)
    rest = Price(wafer).scalar("imul") + residual.cost(wafer, many * hidden, dtype=dtype)
    heads, tokens = head_slots(layout.features, layout.config.n_head), position // layout.height + 1
    return {
        "ln_1": norm,
        "qkv": _linear(layout, along_y, hidden, 3 * features),
        "attention": attention.cost(
            wafer, line_of_a_shard(layout) or along_x, along_y, heads, many, tokens, dtype=dtype,
            sums=layout.accumulate,
        ),
        "projection": _linear(layout, along_x, features, hidden),
        "residual_1": rest,
        "ln_2": norm,
        "up": _linear(layout, along_y, hidden, inner),
        "gelu": gelu.cost(wafer, along_y, many, inner, layout.gelu, dtype=dtype),
        "down": _linear(layout, along_x, inner, hidden),
        "residual_2": rest,
    }


def _head(layout: Layout, along_x: Tree, along_y: Tree) -> int:
    wafer, many, tokens = layout.wafer, layout.batch, layout.vocabulary.size
    found = layernorm.cost(wafer, along_y, many, layout.hidden.size, dtype=layout.dtype)
    found += logits.cost(
        wafer, along_y, many, room(tokens), tokens, layout.hidden.size, table=layout.dtype,
        sums=layout.accumulate, scaled=layout.config.width_scale != 1.0,
    )  # fmt: skip
    found += likeliest.cost(wafer, along_x, many, tokens, dtype=layout.accumulate)
    return found + broadcast.cost(wafer, along_y.length, along_y.root, many, dtype=i32)


def _linear(layout: Layout, tree: Tree, inputs: int, outputs: int) -> int:
    """A matrix-vector product of each sequence, rounded once more where sums are wider than activations."""
    wafer, dtype, sums, many = layout.wafer, layout.dtype, layout.accumulate, layout.batch
    product = gemv.cost(wafer, tree, many, inputs, outputs, weights=dtype, dtype=sums, biased=True)
    return product + (Price(wafer).vector("mov", many * outputs, dtype, sums) if sums is not dtype else 0)
