"""A decode step for several sequences at once: a token of each, at its own position, with its own cache."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wse_sim.kernels.axis import Axis
from wse_sim.kernels.batch import attention, draw, embedding, gelu, gemv, likeliest, logits, places
from wse_sim.kernels.prefill import layernorm
from wse_sim.kernels.rows import each_row, times
from wse_sim.kernels.transformer import residual
from wse_sim.kernels.transformer.draw import Draw, make_draw
from wse_sim.mapping.model.reference import Weights
from wse_sim.mapping.region.arriving import Coming
from wse_sim.mapping.region.layout import Layout
from wse_sim.mapping.region.resident import Crowd, Head, Layer, Linear, Norm
from wse_sim.mapping.region.stage import Stage
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer
from wse_sim.program.register import Register

if TYPE_CHECKING:
    from wse_sim.engine.machine import Machine


class BatchStage:
    """The code of `Stage` for the first `rows` sequences of a batch."""

    def __init__(self, stage: Stage, rows: Register) -> None:
        crowd = stage.resident.crowd
        assert crowd is not None
        self.stage, self.layout, self.resident, self.rows = stage, stage.layout, stage.resident, rows
        self.crowd: Crowd = crowd
        self._x, self._y = stage.along_x, stage.along_y

    def begin(self, pe: Code) -> None:
        """The tokens chosen last where -1 stands for them, and where each token lies."""
        r, crowd = self.resident, self.crowd
        with each_row(pe, self.rows, (0, 1)) as (i,):
            token = pe.load(crowd.token.at(i))
            last = pe.load(crowd.chosen.at(pe.load(crowd.where.at(i))))
            pe.store(crowd.token.at(i), (token < 0) * (last - token) + token)
        cache = next(iter(r.layers.values())).caches[0]
        places.emit(
            pe, crowd.position, crowd.where, r.own_row, cache, r.heads.of.heads, crowd.places, rows=self.rows
        )

    def embed(self, pe: Code) -> None:
        """The hidden state of a token of each sequence."""
        r = self.resident
        assert r.tables is not None
        embedding.emit(
            pe, self._x, r.hidden, r.tables.tokens, r.tables.positions, self.crowd.token, self.crowd.position,
            rows=self.rows, scale=self.layout.config.embeddings_scale,
        )  # fmt: skip

    def blocks(self, pe: Code, hidden: Register, inner: Register, *, coming: Coming | None = None) -> None:
        """All layers; `hidden` and `inner` are the valid elements of this PE's blocks; `coming` as in `Stage`."""
        for i, resident in self.resident.layers.items():
            with pe.builder.section(f"layer {i}"):
                layer = resident if coming is None else coming.take(pe, i, resident)
                self._layer(pe, i, layer, hidden, inner)

    def choose(self, pe: Code, hidden: Register, wanted: Register, how: Draw | None) -> None:
        """Logits and the next token of the first `wanted` sequences; nothing is done where it is 0."""
        head = self.resident.head
        assert head is not None
        with pe.builder.section("head"), pe.when(wanted):
            self._choose(pe, head, hidden, wanted, how)

    def _choose(self, pe: Code, head: Head, hidden: Register, wanted: Register, how: Draw | None) -> None:
        r, crowd, table = self.resident, self.crowd, head.table
        self._norm(pe, head.norm, hidden, wanted)
        pitch, scale = likeliest.room(table.rows.size), self.layout.config.width_scale
        logits.emit(pe, self._y, r.normed, table, head.logits, rows=wanted, pitch=pitch, scale=scale)
        row, count = pe.on(self._y.axis.part(pe.region, self._y.root)), None if how is None else how.count
        likeliest.emit(row, self._x, head.logits, table, crowd.search, rows=wanted, count=count)
        if how is not None and head.powers is not None:
            draw.emit(row, crowd.search, how, crowd.random, head.powers, rows=wanted)
        with pe.builder.section("token"), pe.scope():
            self._y.broadcast(pe, crowd.search.token.view(0, wanted))
            with each_row(pe, wanted, (0, 1)) as (i,):
                pe.store(crowd.chosen.at(pe.load(crowd.where.at(i))), pe.load(crowd.search.token.at(i)))

    def _layer(self, pe: Code, i: int, layer: Layer, hidden: Register, inner: Register) -> None:
        r, m = self.resident, self.layout
        self._norm(pe, layer.ln_1, hidden, self.rows)
        self._linear(pe, layer.qkv, r.normed, r.qkv, "qkv")
        for region, inside in self.stage.shards:
            attention.emit(
                pe.on(region), inside, self._y, r.qkv, r.mixed, layer.caches[0], r.heads, self.crowd.places,
                r.mix_scratch, rows=self.rows, scale=1 / m.config.score_divisor(i),
            )  # fmt: skip
        self._linear(pe, layer.out, r.mixed, r.update, "projection")
        self._add(pe)
        self._norm(pe, layer.ln_2, hidden, self.rows)
        self._linear(pe, layer.up, r.normed, r.inner, "up")
        gelu.emit(
            pe, self._y, r.inner, r.activated, inner, m.gelu, r.gelu_scratch, r.gelu_start, rows=self.rows,
            size=m.inner.size,
        )  # fmt: skip
        if m.tight:
            with pe.builder.section("gelu"):
                self._set_ones(pe, r.activated)
        self._linear(pe, layer.down, r.activated, r.update, "down")
        self._add(pe)

    def _set_ones(self, pe: Code, activated: Buffer) -> None:
        """The first pad of each row becomes 1: the input of the matrix row that holds the bias."""
        size = self.layout.inner.size
        column, place = divmod(self.layout.inner.total, size)
        here = pe.on(pe.region[column, :])
        with each_row(here, self.rows, (place, size)) as (at,):
            here.store(activated.at(at), 1.0)

    def _add(self, pe: Code) -> None:
        r, size = self.resident, self.layout.hidden.size
        with pe.scope():
            count = times(pe, self.rows, size)
            residual.emit(pe, r.hidden.view(0, count), r.update.view(0, count))

    def _norm(self, pe: Code, norm: Norm, hidden: Register, rows: Register) -> None:
        r, config, size = self.resident, self.layout.config, self.layout.hidden.size
        with pe.builder.section(norm.name.rpartition(".")[2]):
            layernorm.emit(
                pe, self._y, r.hidden, r.normed, norm.gain, norm.bias, hidden, r.norm_scratch, rows=rows, size=size,
                features=config.n_embd, epsilon=config.layer_norm_epsilon,
            )  # fmt: skip

    def _linear(self, pe: Code, linear: Linear, x: Buffer, y: Buffer, name: str) -> None:
        line, wide = self._y if linear.axis is Axis.Y else self._x, self.resident.sums
        outputs = linear.columns.size * linear.parts
        with pe.builder.section(name):
            gemv.emit(
                pe, line, x, linear.weight, y if wide is None else wide, linear.bias, rows=self.rows,
                inputs=linear.rows.size, outputs=outputs,
            )  # fmt: skip
            if wide is not None:
                with pe.scope():
                    count = times(pe, self.rows, outputs)
                    pe.mov(y.view(0, count), wide.view(0, count))


class BatchDecoder:
    """The program of one step of a batch, and how the host talks to it.

    Launch arguments: `active` sequences, of which the first `wanted` get logits and a token; for layouts with
    candidates those of `kernels.transformer.draw`, `random` unused. What the sequences are is written into `crowd`.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        build = Builder(layout.width, layout.height, name=f"{layout.config.name} decode of {layout.batch}")
        active, wanted = build.argument("active", "int"), build.argument("wanted", "int")
        how = make_draw(build) if layout.candidates else None
        self.stage = Stage(build, layout, build.grid)
        self._batch = BatchStage(self.stage, active)
        pe, r = build.main(), self.stage.resident
        with build.section("start"):
            self._batch.begin(pe)
            hidden, inner = pe.load(r.hidden_count), pe.load(r.inner_count)
        self._batch.embed(pe)
        self._batch.blocks(pe, hidden, inner)
        self._batch.choose(pe, hidden, pe.use(wanted), how)
        self.program = build.finish()

    @property
    def crowd(self) -> Crowd:
        """What the host writes before a step, and the tokens chosen."""
        return self._batch.crowd

    def load(self, machine: Machine, tensors: Weights) -> None:
        """Writes all parameters into SRAM."""
        self.stage.load(machine, tensors)

    def logits(self, machine: Machine, wanted: int) -> NDArray[np.float32]:
        """Logits (wanted, vocabulary) of the last step, in the order of its sequences."""
        return self.stage.all_logits(machine)[:wanted]

    def chosen(self, machine: Machine) -> list[int]:
        """The token chosen last of each sequence of the cache."""
        found: list[int] = machine.read(self.crowd.chosen)[0, 0].tolist()
        return found
