"""What prefill works in: sizes of its products, and buffers, of which those that never meet share their room."""

from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple, TypeVar

from wse_sim.hardware import DType, Region, i32
from wse_sim.kernels.blocks import Blocks
from wse_sim.kernels.collective import tiles
from wse_sim.kernels.matrix import gemm_nn, gemm_nt
from wse_sim.kernels.matrix.gemm_panels import filled
from wse_sim.kernels.prefill import causal_work, embedding, layernorm
from wse_sim.kernels.transformer import gelu
from wse_sim.kernels.transformer.heads import head_slots
from wse_sim.mapping.region.layout import Layout
from wse_sim.program.builder import Builder
from wse_sim.program.memory import Buffer

WIDTHS = (128, 64, 32, 16, 8, 4, 2, 1)  # elements of a panel that are tried, widest first
S = TypeVar("S", bound=tuple[Buffer, ...])


class Products(NamedTuple):
    """Sizes of the products of a layer, of the attention of a shard, and rows of PEs in a round of the embedding."""

    qkv: gemm_nn.Sizes
    out: gemm_nt.Sizes
    up: gemm_nn.Sizes
    down: gemm_nt.Sizes
    attention: causal_work.Sizes
    embedding: int


def products(layout: Layout, width: int) -> Products:
    """For the longest prompt of a layout, with panels of about `width` elements."""
    m = layout
    heads = head_slots(m.features.shard, m.config.n_head // m.shards)
    rows, runs = -(-m.prompt // m.height), min(m.prompt, m.height)

    def group(tiles: int, size: int) -> int:
        """Of so many tiles of a size, those of a panel: panels are as even as can be."""
        panels = -(-tiles // max(1, width // size))
        return -(-tiles // panels)

    def tiles(blocks: Blocks) -> int:
        return group(filled(blocks), blocks.size)

    def along_y(columns: int) -> gemm_nn.Sizes:
        return gemm_nn.Sizes(rows, m.residual, m.hidden, columns, tiles(m.residual), tiles(m.hidden))

    def along_x(inner: Blocks) -> gemm_nt.Sizes:
        return gemm_nt.Sizes(rows, inner, m.hidden, m.residual, tiles(m.hidden))

    one = causal_work.Sizes(heads, m.height, rows, m.cache_slots)
    columns = group(-(-runs // one.runs), one.kept)
    return Products(
        qkv=along_y(3 * m.features.size),
        out=along_x(m.features),
        up=along_y(m.inner.size),
        down=along_x(m.inner),
        attention=replace(one, runs_a_panel=group(runs, rows), columns=columns),
        embedding=group(runs, rows),
    )


class Work(NamedTuple):
    """Buffers, all of `rows` tokens on each PE but the last two.

    given, ids     i32: tokens, on the column of PEs that the host writes to and on all
    hidden         the residual stream; of prompts that are taken together, with streamed weights, one for each
    normed, mixed  input of a product: the same buffer, for they never meet, unless shards deal their features otherwise
    wide           q, k and v of each token, or the inner features of the MLP
    update         what is added to the residual stream
    sums           where products are added up; None: right where they belong
    row, panel     the hidden state of one token
    chunk          what is handed over at a time, where a part of the model lies here
    given          has room for a prompt of each sequence
    """

    sizes: Products
    given: Buffer
    ids: Buffer
    hidden: tuple[Buffer, ...]
    normed: Buffer
    mixed: Buffer
    wide: Buffer
    update: Buffer
    sums: Buffer | None
    embedding: embedding.Scratch
    norm: layernorm.Scratch
    qkv: gemm_nn.Scratch
    out: gemm_nt.Scratch
    up: gemm_nn.Scratch
    down: gemm_nt.Scratch
    attention: causal_work.Scratch
    gelu: Buffer
    row: Buffer
    panel: Buffer
    chunk: Buffer | None


def make_work(build: Builder, layout: Layout, region: Region, root: int, width: int) -> Work:
    """The buffers, for panels of about `width` elements; `root` is the column that the host writes to."""
    m, rows, dtype, sums = layout, -(-layout.prompt // layout.height), layout.dtype, layout.accumulate
    size, sizes = m.features.size, products(layout, width)
    widest = rows * max(3 * size, m.inner.size)

    def buffer(name: str, length: int, bank_offset: int = 0, of: DType = dtype) -> Buffer:
        return build.buffer(f"prompt.{name}", of, length, on=region, bank_offset=bank_offset)

    def free_again(scratch: S) -> S:
        build.release(*scratch)
        return scratch

    normed = buffer("normed", rows * size)
    return Work(
        sizes=sizes,
        given=build.buffer("prompt.given", i32, rows * m.sequences, on=region[root, :]),
        ids=buffer("ids", rows, of=i32),
        hidden=tuple(buffer("hidden", rows * size) for _ in range(m.sequences if m.streamed else 1)),
        normed=normed,
        mixed=normed if m.shards == 1 else buffer("mixed", rows * size),
        wide=buffer("wide", widest, 8),
        update=buffer("update", rows * size, 8),
        sums=buffer("sums", widest, 8, sums) if sums is not dtype else None,
        embedding=free_again(embedding.make_scratch(build, rows, m.hidden, dtype, region, owners=sizes.embedding)),
        norm=free_again(layernorm.make_scratch(build, rows, size, region)),
        qkv=free_again(gemm_nn.make_scratch(build, sizes.qkv, dtype, region)),
        out=free_again(gemm_nt.make_scratch(build, sizes.out, dtype, sums, region)),
        up=free_again(gemm_nn.make_scratch(build, sizes.up, dtype, region)),
        down=free_again(gemm_nt.make_scratch(build, sizes.down, dtype, sums, region)),
        attention=free_again(causal_work.make_scratch(build, sizes.attention, region, cache=dtype, sums=sums)),
        chunk=None if m.whole else free_again((buffer("chunk", tiles.CHUNK),))[0],
        gelu=free_again((gelu.make_scratch(build, m.inner.size, region),))[0],
        row=buffer("row", size),
        panel=buffer("panel", size),
    )
