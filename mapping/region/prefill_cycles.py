"""Closed forms of a prefill's cycles, summed from the kernels' own."""

from __future__ import annotations

from dataclasses import dataclass, replace

from wse_sim.hardware import i32
from wse_sim.kernels.collective import broadcast
from wse_sim.kernels.collective.plan import plan
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.matrix import gemm_nn, gemm_nt, gemm_panels, turn
from wse_sim.kernels.prefill import causal, embedding, kv_cache, layernorm
from wse_sim.kernels.price import Price
from wse_sim.kernels.rows import cost_of_rows
from wse_sim.kernels.transformer import gelu, residual
from wse_sim.mapping.region.cycles import stage_cycles
from wse_sim.mapping.region.layout import Layout
from wse_sim.mapping.region.prefill import panel_width
from wse_sim.mapping.region.prefill_work import Products, products
from wse_sim.mapping.region.traffic import line_of_a_shard


@dataclass(frozen=True)
class PrefillCycles:
    """Cycles of the parts of a prefill.

    embedding  tokens handed round, and their embeddings; 0 where the tables lie elsewhere
    layer      by kernel, in order, of one layer
    layers     how many there are
    end        the last token's hidden state put where decode has it; 0 where layers follow elsewhere
    head       logits and the next token; 0 where the head is elsewhere
    """

    embedding: int
    layer: dict[str, int]
    layers: int
    end: int
    head: int

    def of(self, prompts: int) -> PrefillCycles:
        """Those of so many prompts in each layer one after the other."""
        layer = {name: prompts * cycles for name, cycles in self.layer.items()}
        ends = self.embedding, self.end, self.head
        embedding, end, head = (prompts * cycles for cycles in ends)
        return PrefillCycles(embedding, layer, self.layers, end, head)

    @property
    def of_a_layer(self) -> int:
        """Cycles of one layer."""
        return sum(self.layer.values())

    @property
    def total(self) -> int:
        """Cycles of all."""
        return self.embedding + self.layers * self.of_a_layer + self.end + self.head


def prefill_cycles(
    layout: Layout, count: int, *, width: int | None = None, spare: bool = False, last: bool = True
) -> PrefillCycles:
    """For a prompt of `count` tokens, at most the layout's; `width` of panels as in `Prefill`, `spare` as in `Stage`.

    last  whether the last layers lie here, after which the last token's hidden state is put where decode has it
    """
    wafer, dtype = layout.wafer, layout.dtype
    lengths = (layout.width, layout.height)
    along_x, along_y = (
        plan(wafer, length, words=words, queues=queues)
        for length, words, queues in zip(lengths, layout.line_words, layout.line_queues(spare=spare), strict=True)
    )
    sizes = products(layout, panel_width(layout) if width is None else width)
    rows = -(-layout.prompt // layout.height)
    begin = broadcast.cost(wafer, along_x.length, along_x.root, rows, dtype=i32)
    begin += Price(wafer).vector("mov", rows, i32, i32)
    size, scaled = layout.residual.size, layout.config.embeddings_scale != 1.0
    begin += embedding.cost(
        wafer, along_x, along_y, layout.hidden, layout.residual, rows, count, owners=sizes.embedding, dtype=dtype,
        scaled=scaled,
    )
    row = gemm_panels.cost(wafer, along_y, along_y.length // 2, 1, size, dtype=dtype)
    return PrefillCycles(
        embedding=begin if layout.embedding else 0,
        layer=_layer(layout, along_x, along_y, sizes, count),
        layers=len(layout.held),
        end=row + turn.cost(wafer, along_x, layout.residual, layout.hidden, 1, dtype=dtype) if last else 0,
        head=stage_cycles(layout, count - 1, spare=spare).head,
    )


def _layer(layout: Layout, along_x: Tree, along_y: Tree, sizes: Products, count: int) -> dict[str, int]:
    wafer, dtype, sums, price = layout.wafer, layout.dtype, layout.accumulate, Price(layout.wafer)
    rows, size, inner = -(-count // layout.height), layout.residual.size, layout.inner.size
    inside = line_of_a_shard(layout) or along_x

    def rounded(columns: int) -> int:
        return price.vector("mov", rows * columns, dtype, sums) if sums is not dtype else 0

    def nn(of: gemm_nn.Sizes) -> int:
        used = replace(of, rows=rows)
        product = gemm_nn.cost(wafer, along_x, along_y, used, weights=dtype, dtype=sums, bias=True)
        return product + rounded(of.columns)

    def nt(of: gemm_nt.Sizes) -> int:
        used = replace(of, rows=rows)
        product = gemm_nt.cost(wafer, along_x, along_y, used, weights=dtype, dtype=sums, bias=True)
        return product + rounded(size) + residual.cost(wafer, rows * size, dtype=dtype)

    norm = layernorm.cost(wafer, along_x, rows, size, dtype=dtype)
    scale = price.vector("mul", rows * size, dtype, dtype, in_place=True)
    return {
        "ln_1": norm,
        "qkv": nn(sizes.qkv),
        "append": kv_cache.cost(wafer, size, rows, dtype=dtype),
        "attention": scale + causal.cost(wafer, inside, along_y, sizes.attention, count, dtype=dtype, sums=sums),
        "projection": nt(sizes.out),
        "ln_2": norm,
        "up": nn(sizes.up),
        "gelu": cost_of_rows(price, rows, gelu.cost(wafer, inner, layout.gelu, dtype=dtype)),
        "down": nt(sizes.down),
    }
