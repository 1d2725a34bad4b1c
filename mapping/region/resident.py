"""What a GPT keeps on a region while it decodes: which buffers, how long, and how they are loaded."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import DType, Region, f32, i32
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.batch import attention
from wse_sim.kernels.batch.likeliest import Search as BatchSearch
from wse_sim.kernels.batch.likeliest import make_search
from wse_sim.kernels.batch.places import Places, make_places
from wse_sim.kernels.blocks import Blocks, counts_of, spread, starts_of, vector_tiles
from wse_sim.kernels.prefill import layernorm
from wse_sim.kernels.transformer import draw, gelu, kv_cache, likeliest, logits
from wse_sim.kernels.transformer.heads import make_heads
from wse_sim.kernels.transformer.kv_cache import KVCache
from wse_sim.kernels.transformer.likeliest import Search
from wse_sim.kernels.transformer.table import Table, make_table
from wse_sim.mapping.model.reference import Weights
from wse_sim.mapping.region.arrivals import make_arrivals
from wse_sim.mapping.region.layout import Layout
from wse_sim.program.builder import Builder
from wse_sim.program.memory import Buffer

if TYPE_CHECKING:
    from wse_sim.engine.machine import Machine

Floats = NDArray[np.floating[Any]]
Make = Callable[..., Buffer]
"""Makes a buffer of a name, a type, elements and perhaps a bank_offset."""


class Linear(NamedTuple):
    """y = x W + b: the tile of W and the block of b on each PE.

    bias   None: it is one more row of the matrix, for an element of the input that is always 1
    axis   along which the input is split; the output is split along the other
    parts  matrices side by side, as q, k and v: their blocks lie one after the other
    """

    name: str
    weight: Buffer
    bias: Buffer | None
    rows: Blocks
    columns: Blocks
    axis: Axis
    parts: int


class Norm(NamedTuple):
    """Gain and bias of a LayerNorm, split along y."""

    name: str
    gain: Buffer
    bias: Buffer


class Layer(NamedTuple):
    """Parameters of one block, and a cache for each sequence."""

    ln_1: Norm
    qkv: Linear
    out: Linear
    ln_2: Norm
    up: Linear
    down: Linear
    caches: tuple[KVCache, ...]


class Tables(NamedTuple):
    """Token and position tables, where a model begins."""

    tokens: Table
    positions: Table


class Head(NamedTuple):
    """Where a model ends: the last norm, the table of the logits, and what choosing a token takes."""

    norm: Norm
    table: Table
    logits: Buffer
    search: Search
    powers: Buffer | None


class Crowd(NamedTuple):
    """Of a batch: an entry for each sequence of a step, or of the cache.

    token, position, where  of a step: token (-1: the one chosen last), its position, and which of the cache's sequences
    random                  of a step: the number that draws the next token
    chosen                  of the cache: the token that was chosen last
    places                  see `kernels.batch.places`
    search                  see `kernels.batch.likeliest`
    """

    token: Buffer
    position: Buffer
    where: Buffer
    chosen: Buffer
    random: Buffer
    places: Places
    search: BatchSearch


class Resident:
    """What a layout keeps in the SRAM of a region: parameters, cache, work space.

    tables, head  None where the layout leaves them to another region
    arrivals      of streamed weights; None: they stay
    crowd         None where a step works on one sequence
    """

    def __init__(self, build: Builder, layout: Layout, region: Region) -> None:
        self.build, self.layout, self.region = build, layout, region
        config = layout.config
        self.tables = self._tables() if layout.embedding else None
        table = self._head_table() if layout.head else None
        self.arrivals = make_arrivals(build, layout, region) if layout.streamed and layout.held else None
        self.layers = {i: self._layer(i) for i in layout.held}
        norm = self._norm("ln_f", self._buffer) if layout.head else None
        self.heads = make_heads(build, config.n_embd, config.n_head, region, shards=layout.shards)
        self.own_row = kv_cache.rows_of(build, region)
        self.hidden_count = counts_of(build, "hidden.count", layout.hidden, Axis.Y, region)
        self.inner_count = counts_of(build, "inner.count", layout.inner, Axis.X, region)
        self._work()
        self.crowd = None if layout.batch == 1 else self._crowd()
        self.head = None if table is None or norm is None else self._head(norm, table)

    def _tables(self) -> Tables:
        m = self.layout
        return Tables(self._table("wte", m.config.vocab_size), self._table("wpe", m.context))

    def _table(self, name: str, rows: int) -> Table:
        return make_table(self.build, name, self.layout.dtype, rows, self.layout.config.n_embd, self.region)

    def _head_table(self) -> Table:
        """The token table if it is tied and here, or else one more."""
        config = self.layout.config
        if config.tie_word_embeddings and self.tables is not None:
            return self.tables.tokens
        return self._table("wte" if config.tie_word_embeddings else "lm_head", config.vocab_size)

    def _layer(self, i: int) -> Layer:
        """In a tight layout its buffers lie one right after the other, and each layer lies like the next."""
        if not self.layout.tight:
            return self._shaped(i, self._buffer)
        shapes: list[tuple[str, DType, int]] = []

        def note(name: str, dtype: DType, length: int, bank_offset: int = 0) -> Buffer:
            shapes.append((name, dtype, length))
            return Buffer(name, dtype, length, self.region, bank_offset)

        self._shaped(i, note)
        made = iter(self.build.block(shapes, on=self.region))
        return self._shaped(i, lambda *_, **__: next(made))

    def _shaped(self, i: int, make: Make) -> Layer:
        m = self.layout
        return Layer(
            ln_1=self._norm(f"h.{i}.ln_1", make),
            qkv=self._linear(f"h.{i}.attn.c_attn", m.hidden, m.features, Axis.Y, make, parts=3),
            out=self._linear(f"h.{i}.attn.c_proj", m.features, m.hidden, Axis.X, make),
            ln_2=self._norm(f"h.{i}.ln_2", make),
            up=self._linear(f"h.{i}.mlp.c_fc", m.hidden, m.inner, Axis.Y, make),
            down=self._linear(f"h.{i}.mlp.c_proj", m.inner, m.hidden, Axis.X, make),
            caches=tuple(self._cache(f"h.{i}.cache", make) for _ in range(m.sequences)),
        )

    def _cache(self, name: str, make: Make) -> KVCache:
        m = self.layout
        length = m.batch * m.features.size * m.cache_slots
        return KVCache(
            keys=make(f"{name}.keys", m.dtype, length),
            values=make(f"{name}.values", m.dtype, length, bank_offset=8),
            features=m.features,
            rows=m.height,
            slots=m.cache_slots,
        )

    def _norm(self, name: str, make: Make) -> Norm:
        size, dtype = self.layout.hidden.size, self.layout.dtype
        return Norm(name, make(f"{name}.weight", dtype, size), make(f"{name}.bias", dtype, size))

    def _linear(self, name: str, rows: Blocks, columns: Blocks, axis: Axis, make: Make, *, parts: int = 1) -> Linear:
        dtype, tight = self.layout.dtype, self.layout.tight
        if self.arrivals is None:
            weight = make(f"{name}.weight", dtype, rows.size * columns.size * parts)
        else:
            weight = self.arrivals.where(name, 0)
        bias = None if tight else make(f"{name}.bias", dtype, columns.size * parts)
        return Linear(name, weight, bias, replace(rows, total=rows.total + tight), columns, axis, parts)

    def _buffer(
        self, name: str, dtype: DType, length: int, *, bank_offset: int = 0, init: Floats | None = None
    ) -> Buffer:
        return self.build.buffer(name, dtype, length, on=self.region, bank_offset=bank_offset, init=init)

    def _one(self, blocks: Blocks, axis: Axis) -> Floats | None:
        """In a tight layout: vectors split along an axis whose first pad, which no kernel writes, is 1."""
        if not self.layout.tight:
            return None
        ones = np.zeros(blocks.parts * blocks.size, np.float32)
        ones[blocks.total] = 1
        return spread(np.tile(ones.reshape(blocks.parts, blocks.size), self.layout.batch), axis)

    def _work(self) -> None:
        """Activations and scratch; a result lies off the banks of what it is computed from."""
        m, build, region, many = self.layout, self.build, self.region, self.layout.batch
        size, inner, dtype = m.hidden.size, m.inner.size, m.dtype
        self.hidden = self._buffer("hidden", dtype, many * size)
        self.normed = self._buffer("normed", dtype, many * size, init=self._one(m.hidden, Axis.Y))
        self.update = self._buffer("update", dtype, many * size, bank_offset=8)
        self.qkv = self._buffer("qkv", dtype, many * 3 * m.features.size, bank_offset=8)
        self.mixed = self._buffer("mixed", dtype, many * m.features.size, init=self._one(m.features, Axis.X))
        self.inner = self._buffer("inner", dtype, many * inner, bank_offset=8)
        self.activated = self._buffer("activated", dtype, many * inner)
        self.sums: Buffer | None = None  # where products are added up in a wider type than that of the result
        if m.accumulate is not dtype:
            widest = many * max(size, 3 * m.features.size, inner)
            self.sums = self._buffer("sums", m.accumulate, widest, bank_offset=8)
        self.norm_scratch = layernorm.make_scratch(build, many, size, region)
        shares = Blocks(inner, m.height)  # the PEs of a column hold the same inner features, and share the work
        self.gelu_scratch = gelu.make_scratch(build, shares.size, region)
        self.gelu_start = starts_of(build, "gelu.start", shares, Axis.Y, region)
        self.mix_scratch = attention.make_scratch(
            build, self.heads.of, m.cache_slots, many, region, cache=dtype, sums=m.accumulate
        )

    def _crowd(self) -> Crowd:
        m, build, region = self.layout, self.build, self.region
        size = m.vocabulary.size

        def entries(name: str, dtype: DType = i32) -> Buffer:
            return build.buffer(f"batch.{name}", dtype, m.batch, on=region)

        return Crowd(
            token=entries("token"),
            position=entries("position"),
            where=entries("where"),
            chosen=entries("chosen"),
            random=entries("random", f32),
            places=make_places(build, m.batch, region),
            search=make_search(build, size, m.batch, region, most=m.candidates, dtype=m.accumulate),
        )

    @property
    def scratch(self) -> tuple[Buffer, ...]:
        """What holds nothing from step to step, no zeros in its pads either, and is not for the head."""
        held = [self.update, self.qkv, self.inner, self.activated, self.gelu_scratch, *self.mix_scratch]
        return tuple(held if self.sums is None else [*held, self.sums])

    def _head(self, norm: Norm, table: Table) -> Head:
        build, region, sums, size = self.build, self.region, self.layout.accumulate, table.rows.size
        most, many, room = self.layout.candidates, self.layout.batch, likeliest.room(table.rows.size)
        if self.crowd is None:
            search = likeliest.make_search(build, size, region, most=most, dtype=sums)
        else:
            of = self.crowd.search
            search = Search(of.tops, of.best, of.token, of.values, of.tokens)
        return Head(
            norm=norm,
            table=table,
            logits=logits.make_logits(build, table, sums, room=many * room),
            search=search,
            powers=draw.make_scratch(build, most, region) if most else None,
        )

    # -- host side --------------------------------------------------------------------------------

    def load(self, machine: Machine, tensors: Weights) -> None:
        """Writes all parameters into SRAM."""
        if self.tables is not None:
            machine.write(self.tables.tokens.data, self.tables.tokens.tiles(tensors["wte.weight"]))
            rows = tensors["wpe.weight"][: self.layout.context]
            machine.write(self.tables.positions.data, self.tables.positions.tiles(rows))
        for layer in self.layers.values():
            for norm in (layer.ln_1, layer.ln_2):
                self._load_norm(machine, norm, tensors)
            for linear in (layer.qkv, layer.out, layer.up, layer.down):
                self._load_linear(machine, linear, tensors)
        if self.head is not None:
            self._load_norm(machine, self.head.norm, tensors)
            if self.tables is None or self.head.table is not self.tables.tokens:
                tied = self.layout.config.tie_word_embeddings
                matrix = tensors["wte.weight" if tied else "lm_head.weight"]
                machine.write(self.head.table.data, self.head.table.tiles(matrix))

    def _load_linear(self, machine: Machine, linear: Linear, tensors: Weights) -> None:
        matrix, bias = tensors[f"{linear.name}.weight"], tensors[f"{linear.name}.bias"]
        if linear.bias is None:
            machine.write(linear.weight, weight_tiles(linear, np.vstack([matrix, bias])))
        else:
            if self.arrivals is None:
                machine.write(linear.weight, weight_tiles(linear, matrix))
            machine.write(linear.bias, bias_tiles(linear, bias))

    def _load_norm(self, machine: Machine, norm: Norm, tensors: Weights) -> None:
        for buffer, name in ((norm.gain, "weight"), (norm.bias, "bias")):
            machine.write(buffer, vector_tiles(tensors[f"{norm.name}.{name}"], self.layout.hidden, Axis.Y))


def weight_tiles(linear: Linear, matrix: Floats) -> Floats:
    """A matrix (in, parts * out) as what each PE holds, (height, width, rows * parts * columns)."""
    parts = []
    for part in np.split(matrix, linear.parts, axis=1):
        dealt = linear.columns.deal(linear.rows.deal(part, 0))  # (along, rows, across, columns)
        parts.append(np.moveaxis(dealt.swapaxes(1, 2), 0, linear.axis.dimension))
    tiles = np.concatenate(parts, axis=-1)
    return tiles.reshape(*tiles.shape[:2], -1)


def bias_tiles(linear: Linear, bias: Floats) -> Floats:
    """A vector (parts * out,) as what each PE holds, to broadcast to (height, width, parts * columns)."""
    parts = [vector_tiles(part, linear.columns, linear.axis.across) for part in np.split(bias, linear.parts)]
    return np.concatenate(parts, axis=-1)
