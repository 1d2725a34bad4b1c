"""A whole prompt at once: tokens in turn on y, features on x, with the weights and the cache of decode where they are.

Token t lies on row t mod height, so that its key and value are where decode looks for them. A matrix that decode
reduces along y serves the GEMM's form NN, one that it reduces along x the form NT. Laid twice are only vectors: gains
and biases of norms, and the biases of the two matrices whose output decode has on y.

Shards have heads and inner features of their own: scores stay in their columns, while the residual stream is split over
all of them, so that its panels and the sums after attention and MLP go through all.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from wse_sim.hardware import i32
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.blocks import counts_of, spread, vector_tiles
from wse_sim.kernels.matrix import gemm_nn, gemm_nt
from wse_sim.kernels.matrix.gemm_panels import make_panels
from wse_sim.kernels.matrix.turn import make_turn
from wse_sim.kernels.prefill import causal, embedding, kv_cache, layernorm
from wse_sim.kernels.rows import each_row
from wse_sim.kernels.transformer import gelu, residual
from wse_sim.mapping.model.reference import Weights
from wse_sim.mapping.region.layout import Layout
from wse_sim.mapping.region.prefill_work import WIDTHS, make_work, products
from wse_sim.mapping.region.resident import Layer, Linear
from wse_sim.mapping.region.stage import Stage
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer
from wse_sim.program.register import Register

if TYPE_CHECKING:
    from wse_sim.engine.machine import Machine


class RowNorm(NamedTuple):
    """Gain and bias of a LayerNorm, split along x."""

    gain: Buffer
    bias: Buffer


class Here(NamedTuple):
    """What code for a prompt keeps in registers.

    sequence  which cache keys and values go to
    hidden    the residual stream
    rows      tokens on this row of PEs
    runs      rows of PEs that hold a token
    features  valid elements of this PE's block of the residual stream
    inner     of its block of inner features
    """

    sequence: int
    hidden: Buffer
    rows: Register
    runs: Register
    features: Register
    inner: Register


class Prefill:
    """Prefill on the region of a stage, for prompts up to the layout's; made after the code of decode.

    width  elements of a panel, about; None: as many as leave all buffers in the SRAM
    """

    def __init__(self, build: Builder, stage: Stage, *, width: int | None = None) -> None:
        self.stage, self.layout, self.region = stage, stage.layout, stage.region
        self._parameters(build)
        self._constants(build)
        self.width = self._widest(build) if width is None else width
        build.release(*stage.resident.scratch)
        self.work = make_work(build, self.layout, self.region, stage.along_x.root, self.width)

    def _parameters(self, build: Builder) -> None:
        """The vectors that decode has on y."""
        size, dtype, layers = self.layout.residual.size, self.layout.dtype, self.stage.resident.layers.values()

        def buffer(name: str) -> Buffer:
            return build.buffer(f"prompt.{name}", dtype, size, on=self.region)

        norms = [norm.name for layer in layers for norm in (layer.ln_1, layer.ln_2)]
        self.norms = {name: RowNorm(buffer(f"{name}.weight"), buffer(f"{name}.bias")) for name in norms}
        linears = [linear.name for layer in layers for linear in (layer.out, layer.down)]
        self.biases = {name: buffer(f"{name}.bias") for name in linears}

    def _constants(self, build: Builder) -> None:
        m, region, stage = self.layout, self.region, self.stage
        self.along_x = make_panels(build, stage.along_x, name="panel.x")
        self.along_y = make_panels(build, stage.along_y, name="panel.y")
        self.inside = [(region, self.along_x)]  # the columns of each shard, and its panels along x
        if m.shards > 1:
            self.inside = [(own, make_panels(build, line, name="panel.shard")) for own, line in stage.shards]
        self.to_x = make_turn(build, self.along_y, m.hidden, m.residual, name="turn.x")
        self.to_y = make_turn(build, self.along_x, m.residual, m.hidden, name="turn.y")
        sizes = products(m, 1)
        self.starts = gemm_nt.make_starts(build, sizes.out, region, name="features.start")
        self.count = counts_of(build, "features.count", m.residual, Axis.X, region)
        first = np.arange(m.width) % (m.width // m.shards) * sizes.attention.runs
        self.first_run = build.constant("runs.start", i32, spread(first, Axis.X), on=region)

    def _widest(self, build: Builder) -> int:
        held = max(buffer.end for buffer in build.buffers if buffer.region.intersects(self.region))
        for width in WIDTHS:
            probe = Builder(build.grid.width, build.grid.height)
            make_work(probe, self.layout, self.region, 0, width)
            if held + max(buffer.end for buffer in probe.buffers) <= self.layout.wafer.user_sram_bytes:
                return width
        return WIDTHS[-1]

    # -- code -------------------------------------------------------------------------------------

    def emit(self, pe: Code, count: Register, rows: Register, *, sequence: int = 0) -> None:
        """All layers for a prompt of `count` tokens, `rows` of them on this row of PEs; keys and values stay.

        The prompt is embedded first where the tables are; elsewhere `work.hidden` holds what came from the part before.
        """
        self.begin(pe, count, sequence)
        with pe.scope():
            here = self.here(pe, count, rows, sequence)
            for i, layer in self.stage.resident.layers.items():
                with pe.builder.section(f"layer {i}"):
                    self.one(pe, i, layer, here)

    def here(self, pe: Code, count: Register, rows: Register, sequence: int) -> Here:
        """What the code of a layer needs to know of a prompt; arguments as of `emit`."""
        hidden, runs = self._hidden(sequence), pe.use(count).minimum(self.layout.height)
        inner = pe.load(self.stage.resident.inner_count)
        return Here(sequence, hidden, rows, runs, pe.load(self.count), inner)

    def begin(self, pe: Code, count: Register, sequence: int) -> None:
        """What comes before the layers: embeds a prompt where the tables are."""
        work = self.work
        with pe.builder.section("prefill"):
            for buffer in dict.fromkeys((work.normed, work.mixed)):
                pe.mov(buffer, 0.0)  # pads stay so
            if self.stage.resident.tables is not None:
                self._embed(pe, count, sequence)

    def one(self, pe: Code, i: int, layer: Layer, here: Here) -> None:
        """Layer i for a prompt."""
        with pe.builder.section("prefill"):
            self._attend(pe, i, layer, here)
            self._perceive(pe, layer, here)

    def take(self, pe: Code, position: Register, slot: Register, *, sequence: int = 0) -> None:
        """The stage's hidden state = that of one token of a prompt; `slot` is its place on its row of PEs."""
        work, size = self.work, self.layout.residual.size
        hidden = self._hidden(sequence)
        with pe.builder.section("prefill"), pe.builder.section("end"), pe.scope():
            row = pe.use(position) - pe.use(slot) * self.layout.height
            tile = hidden.at(pe.use(slot) * size, size)
            self.along_y.emit(pe, row, 1, tile, lambda _index: work.row[:], work.row[:])
            self.to_y.emit(pe, work.row, self.stage.resident.hidden, work.panel, rows=1)

    def _hidden(self, sequence: int) -> Buffer:
        """The residual stream of a prompt, or the only one there is."""
        return self.work.hidden[sequence % len(self.work.hidden)]

    def _embed(self, pe: Code, count: Register, sequence: int) -> None:
        work, r, line = self.work, self.stage.resident, self.stage.along_x
        assert r.tables is not None
        slots = work.ids.length
        pe.on(self.region[line.root, :]).mov(work.ids, work.given[sequence * slots : (sequence + 1) * slots])
        line.broadcast(pe, work.ids[:])
        embedding.emit(
            pe, line, self.to_x, self._hidden(sequence), r.tables.tokens, r.tables.positions, work.ids, r.own_row,
            count, work.embedding, owners=work.sizes.embedding, scale=self.layout.config.embeddings_scale,
        )  # fmt: skip

    def _attend(self, pe: Code, i: int, layer: Layer, here: Here) -> None:
        work, r, size = self.work, self.stage.resident, self.layout.features.size
        scale, cache = 1 / self.layout.config.score_divisor(i), layer.caches[here.sequence]
        self._norm(pe, layer.ln_1.name, here)
        self._along_y(pe, "qkv", layer.qkv, work.sizes.qkv, work.qkv, here)
        kv_cache.emit(pe, work.wide, size, 2 * size, cache, rows=here.rows, pitch=3 * size)
        if scale != 1.0:
            queries = work.wide.view(0, pe.use(here.rows) * size, inner=size, outer_stride=3 * size)
            pe.mul(queries, queries, scale)
        for region, along_x in self.inside:
            causal.emit(
                pe.on(region), along_x, self.along_y, work.wide, work.mixed, cache, r.heads, work.sizes.attention,
                work.attention, pitch=3 * size, rows=here.rows, runs=here.runs, start=self.first_run,
                own_row=r.own_row,
            )  # fmt: skip
        self._along_x(pe, "projection", layer.out, work.sizes.out, work.out, work.mixed, here)

    def _perceive(self, pe: Code, layer: Layer, here: Here) -> None:
        work, size = self.work, self.layout.inner.size
        self._norm(pe, layer.ln_2.name, here)
        self._along_y(pe, "up", layer.up, work.sizes.up, work.up, here)
        with each_row(pe, here.rows, (0, size)) as (at,):
            row = work.wide.at(at, size)
            gelu.emit(pe, row, row, here.inner, self.layout.gelu, work.gelu)
        self._along_x(pe, "down", layer.down, work.sizes.down, work.down, work.wide, here)

    def _norm(self, pe: Code, name: str, here: Here) -> None:
        work, config, norm = self.work, self.layout.config, self.norms[name]
        with pe.builder.section(name.rpartition(".")[2]):
            layernorm.emit(
                pe, self.stage.along_x, here.hidden, work.normed, norm.gain, norm.bias, here.features, work.norm,
                rows=here.rows, size=self.layout.residual.size, features=config.n_embd,
                epsilon=config.layer_norm_epsilon,
            )  # fmt: skip

    def _along_y(
        self, pe: Code, name: str, linear: Linear, sizes: gemm_nn.Sizes, scratch: gemm_nn.Scratch, here: Here
    ) -> None:
        """wide = normed W + b"""
        work = self.work
        with pe.builder.section(name), pe.scope():
            gemm_nn.emit(
                pe, self.along_x, self.along_y, sizes, a=work.normed, w=linear.weight, c=work.sums or work.wide,
                scratch=scratch, rows=here.rows, bias=linear.bias,
            )  # fmt: skip
            self._round(pe, work.wide, pe.use(here.rows) * sizes.columns)

    def _along_x(
        self, pe: Code, name: str, linear: Linear, sizes: gemm_nt.Sizes, scratch: gemm_nt.Scratch, x: Buffer,
        here: Here,
    ) -> None:  # fmt: skip
        """hidden += x W + b"""
        work = self.work
        with pe.builder.section(name), pe.scope():
            gemm_nt.emit(
                pe, self.stage.along_x, self.along_y, sizes, a=x, b=linear.weight, c=work.sums or work.update,
                starts=self.starts, scratch=scratch, rows=here.rows, bias=self.biases[linear.name],
            )  # fmt: skip
            used = pe.use(here.rows) * sizes.on_x.size
            self._round(pe, work.update, used)
            residual.emit(pe, here.hidden.view(0, used), work.update.view(0, used))

    def _round(self, pe: Code, to: Buffer, used: Register) -> None:
        if self.work.sums is not None:
            pe.mov(to.view(0, used), self.work.sums.view(0, used))

    # -- host side --------------------------------------------------------------------------------

    def load(self, machine: Machine, tensors: Weights) -> None:
        """Writes the parameters that lie here once more."""
        blocks = self.layout.residual
        for name, norm in self.norms.items():
            machine.write(norm.gain, vector_tiles(tensors[f"{name}.weight"], blocks, Axis.X))
            machine.write(norm.bias, vector_tiles(tensors[f"{name}.bias"], blocks, Axis.X))
        for name, buffer in self.biases.items():
            machine.write(buffer, vector_tiles(tensors[f"{name}.bias"], blocks, Axis.X))

    def write(self, machine: Machine, ids: Sequence[int], *others: Sequence[int]) -> None:
        """Hands over the tokens of a prompt, or of one for each sequence."""
        slots, height = self.work.ids.length, self.layout.height
        dealt = np.zeros((self.layout.sequences, slots * height), np.int32)
        for row, prompt in zip(dealt, (ids, *others), strict=True):
            row[: len(prompt)] = prompt
        machine.write(self.work.given, dealt.reshape(-1, height).T[:, None])


def panel_width(layout: Layout) -> int:
    """Elements of a panel in a layout's prefill."""
    build = Builder(layout.width, layout.height)
    return Prefill(build, Stage(build, layout, build.grid)).width
