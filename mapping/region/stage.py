"""Some layers of a GPT's decode step as code for a region, weights and KV cache resident.

The hidden state is split along y and replicated along x. A matrix whose input lies on y is reduced along y, which
leaves its output on x; the next matrix takes its input on x and is reduced along x. So nothing is ever transposed.
"""

from __future__ import annotations

from functools import cache
from typing import TYPE_CHECKING, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import Region
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective.line import Line, make_line
from wse_sim.kernels.collective.member import Palette
from wse_sim.kernels.matrix import gemv
from wse_sim.kernels.transformer import (
    attention,
    draw,
    embedding,
    gelu,
    kv_cache,
    layernorm,
    likeliest,
    logits,
    residual,
)
from wse_sim.kernels.transformer.draw import Draw
from wse_sim.kernels.transformer.kv_cache import KVCache, Tokens
from wse_sim.mapping.model.reference import Weights
from wse_sim.mapping.region.arriving import Coming
from wse_sim.mapping.region.layout import Layout
from wse_sim.mapping.region.resident import Layer, Linear, Norm, Resident
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer
from wse_sim.program.register import Register

if TYPE_CHECKING:
    from wse_sim.engine.machine import Machine


class Here(NamedTuple):
    """What code of a region keeps in registers.

    tokens  where the newest token lies in the cache
    hidden  valid elements of this PE's block of features
    inner   of its block of inner features
    """

    tokens: Tokens
    hidden: Register
    inner: Register


class Stage:
    """A region with its part of a model: buffers, lines, and the code to work on one token.

    color  gives the colour of a name; regions that share it share colours
    spare  leaves PEs an input queue for hand-overs
    """

    def __init__(
        self, build: Builder, layout: Layout, region: Region, *, color: Palette | None = None, spare: bool = False
    ) -> None:
        self.layout, self.region = layout, region
        self.resident = Resident(build, layout, region)
        self.along_x, self.along_y = (
            make_line(
                build, region, axis, wafer=layout.wafer, words=words, name=axis.value, color=color, queues=queues
            )
            for axis, words, queues in zip(Axis, layout.line_words, layout.line_queues(spare=spare), strict=True)
        )
        self.shards = self._shards(build, color) if layout.shards > 1 else ((region, self.along_x),)

    def _shards(self, build: Builder, color: Palette | None) -> tuple[tuple[Region, Line], ...]:
        """The columns of each shard, and lines that stay inside: plain chains, for they take the fewest queues."""
        width, palette = self.layout.width // self.layout.shards, color or cache(build.color)
        regions = [self.region[k * width : (k + 1) * width, :] for k in range(self.layout.shards)]
        return tuple((r, make_line(build, r, Axis.X, groups=(), name="shard", color=palette)) for r in regions)

    def locate(self, pe: Code, position: Register) -> Tokens:
        """Where the token at `position` goes."""
        return kv_cache.locate(pe, position, self.resident.own_row, self.layout.height)

    def here(self, pe: Code, position: Register) -> Here:
        """What work on the token at `position` needs to know."""
        r = self.resident
        return Here(self.locate(pe, position), pe.load(r.hidden_count), pe.load(r.inner_count))

    def embed(self, pe: Code, token: Register, position: Register) -> None:
        """The hidden state of a token, where the layout has the tables."""
        r = self.resident
        assert r.tables is not None
        embedding.emit(
            pe, self.along_x, r.hidden, r.tables.tokens, r.tables.positions, token, position,
            scale=self.layout.config.embeddings_scale,
        )  # fmt: skip

    def blocks(self, pe: Code, here: Here, *, sequence: int = 0, coming: Coming | None = None) -> None:
        """All layers of the layout, one after the other, for the newest token of a sequence.

        coming  of weights that are streamed
        """
        for i, resident in self.resident.layers.items():
            with pe.builder.section(f"layer {i}"):
                layer = resident if coming is None else coming.take(pe, i, resident)
                self._layer(pe, i, layer, layer.caches[sequence], here)

    def choose(self, pe: Code, hidden: Register, *, wanted: Register | None = None, how: Draw | None = None) -> None:
        """Logits and the next token, where the layout has the head.

        hidden  valid elements of this PE's block of features
        wanted  nothing is done where it is 0
        how     to draw one of the layout's candidates; None: the likeliest
        """
        with pe.builder.section("head"):
            if wanted is None:
                self._choose(pe, hidden, how)
                return
            with pe.when(wanted):
                self._choose(pe, hidden, how)

    def _choose(self, pe: Code, hidden: Register, how: Draw | None) -> None:
        r = self.resident
        assert r.head is not None
        self._norm(pe, r.head.norm, hidden)
        logits.emit(pe, self.along_y, r.normed, r.head.table, r.head.logits, scale=self.layout.config.width_scale)
        row = pe.on(self.along_y.axis.part(pe.region, self.along_y.root))
        count = None if how is None else how.count
        likeliest.emit(row, self.along_x, r.head.logits, r.head.table, r.head.search, count)
        if how is not None and r.head.powers is not None:
            draw.emit(row, r.head.search, how, r.head.powers)
        with pe.builder.section("token"):
            self.along_y.broadcast(pe, r.head.search.token[:])

    def _layer(self, pe: Code, i: int, layer: Layer, kept: KVCache, here: Here) -> None:
        r, size = self.resident, self.layout.features.size
        self._norm(pe, layer.ln_1, here.hidden)
        self._linear(pe, layer.qkv, r.normed, r.qkv, "qkv")
        for region, inside in self.shards:
            attention.emit(
                pe.on(region), inside, self.along_y, r.qkv[:size], r.qkv[size : 2 * size], r.qkv[2 * size :], r.mixed,
                kept, r.heads, here.tokens, r.mix_scratch, scale=1 / self.layout.config.score_divisor(i),
            )  # fmt: skip
        self._linear(pe, layer.out, r.mixed, r.update, "projection")
        residual.emit(pe, r.hidden, r.update)
        self._norm(pe, layer.ln_2, here.hidden)
        self._linear(pe, layer.up, r.normed, r.inner, "up")
        gelu.emit_shared(
            pe, self.along_y, r.inner, r.activated, here.inner, self.layout.gelu,
            r.gelu_scratch, r.gelu_start,
        )  # fmt: skip
        if self.layout.tight:
            with pe.builder.section("gelu"):
                self._set_one(pe, r.activated)
        self._linear(pe, layer.down, r.activated, r.update, "down")
        residual.emit(pe, r.hidden, r.update)

    def _set_one(self, pe: Code, activated: Buffer) -> None:
        """The first pad becomes 1: the input of the row that holds the bias."""
        column, place = divmod(self.layout.inner.total, self.layout.inner.size)
        pe.on(pe.region[column, :]).store(activated[place], 1.0)

    def _norm(self, pe: Code, norm: Norm, hidden: Register) -> None:
        r, config = self.resident, self.layout.config
        with pe.builder.section(norm.name.rpartition(".")[2]):
            layernorm.emit(
                pe, self.along_y, r.hidden, r.normed, norm.gain, norm.bias, hidden, r.norm_scratch,
                features=config.n_embd, epsilon=config.layer_norm_epsilon,
            )  # fmt: skip

    def _linear(self, pe: Code, linear: Linear, x: Buffer, y: Buffer, name: str) -> None:
        line = self.along_y if linear.axis is Axis.Y else self.along_x
        with pe.builder.section(name):
            wide = self.resident.sums
            sums = y[:] if wide is None else wide[: y.length]
            gemv.emit(pe, line, x=x, w=linear.weight, y=sums, bias=linear.bias)
            if wide is not None:
                pe.mov(y, sums)

    # -- host side --------------------------------------------------------------------------------

    def load(self, machine: Machine, tensors: Weights) -> None:
        """Writes all parameters into SRAM."""
        self.resident.load(machine, tensors)

    def logits(self, machine: Machine) -> NDArray[np.float32]:
        """Logits (vocabulary,) of the last token that was chosen here, from the row that holds their sums."""
        found: NDArray[np.float32] = self.all_logits(machine)[0]
        return found

    def all_logits(self, machine: Machine) -> NDArray[np.float32]:
        """The same (batch, vocabulary) of all sequences that a step works on."""
        head = self.resident.head
        assert head is not None
        rows = head.table.rows
        row = machine.read(head.logits)[self.along_y.root].reshape(self.layout.width, self.layout.batch, -1)
        found: NDArray[np.float32] = rows.join(row[:, :, : rows.size].swapaxes(0, 1)).astype(np.float32)
        return found

    def token(self, machine: Machine) -> int:
        """The last token that was chosen here."""
        head = self.resident.head
        assert head is not None
        return int(machine.read(head.search.token)[0, 0, 0])
