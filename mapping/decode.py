"""One decode step of a GPT as a program: layer after layer on one region, weights and KV cache resident.

The hidden state is split along y and replicated along x. A matrix whose input lies on y is reduced along y, which
leaves its output on x; the next matrix takes its input on x and is reduced along x. So nothing is ever transposed.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wse_sim.engine.machine import Machine
from wse_sim.hardware import Region, f32
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.blocks import Blocks, counts_of, starts_of, vector_tiles
from wse_sim.kernels.collective.line import make_line
from wse_sim.kernels.matrix import gemv
from wse_sim.kernels.transformer import argmax, attention, embedding, gelu, kv_cache, layernorm, logits, mix, residual
from wse_sim.kernels.transformer.gelu import Form
from wse_sim.kernels.transformer.heads import make_heads
from wse_sim.kernels.transformer.kv_cache import KVCache, Tokens, make_cache
from wse_sim.kernels.transformer.table import make_table
from wse_sim.mapping.layout import Layout
from wse_sim.mapping.model.reference import Weights
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer
from wse_sim.program.register import Register

Floats = NDArray[np.floating[Any]]
GELU: dict[str, Form] = {"gelu": "erf", "gelu_new": "tanh"}


class Linear(NamedTuple):
    """y = x W + b: the tile of W and the block of b on each PE.

    axis   along which the input is split; the output is split along the other
    parts  matrices side by side, as q, k and v: their blocks lie one after the other
    """

    name: str
    weight: Buffer
    bias: Buffer
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
    """Parameters and cache of one block."""

    ln_1: Norm
    qkv: Linear
    out: Linear
    ln_2: Norm
    up: Linear
    down: Linear
    cache: KVCache


class Counts(NamedTuple):
    """Valid elements of this PE's blocks, in registers."""

    hidden: Register
    inner: Register


class Resident:
    """Everything a layout keeps in SRAM: parameters, cache, work space."""

    def __init__(self, build: Builder, layout: Layout) -> None:
        self.build, self.layout = build, layout
        config, region = layout.config, build.grid
        self.tokens = make_table(build, "wte", layout.dtype, config.vocab_size, config.n_embd, region)
        self.positions = make_table(build, "wpe", layout.dtype, layout.context, config.n_embd, region)
        self.head = self.tokens
        if not config.tie_word_embeddings:
            self.head = make_table(build, "lm_head", layout.dtype, config.vocab_size, config.n_embd, region)
        self.layers = [self._layer(i) for i in range(config.n_layer)]
        self.ln_f = self._norm("ln_f")
        self.heads = make_heads(build, config.n_embd, config.n_head, region)
        self.own_row = kv_cache.rows_of(build, region)
        self.hidden_count = counts_of(build, "hidden.count", layout.hidden, Axis.Y, region)
        self.inner_count = counts_of(build, "inner.count", layout.inner, Axis.X, region)
        self._work()

    def _layer(self, i: int) -> Layer:
        m = self.layout
        return Layer(
            ln_1=self._norm(f"h.{i}.ln_1"),
            qkv=self._linear(f"h.{i}.attn.c_attn", m.hidden, m.features, Axis.Y, parts=3),
            out=self._linear(f"h.{i}.attn.c_proj", m.features, m.hidden, Axis.X),
            ln_2=self._norm(f"h.{i}.ln_2"),
            up=self._linear(f"h.{i}.mlp.c_fc", m.hidden, m.inner, Axis.Y),
            down=self._linear(f"h.{i}.mlp.c_proj", m.inner, m.hidden, Axis.X),
            cache=make_cache(self.build, f"h.{i}.cache", m.dtype, m.config.n_embd, m.context, self.build.grid),
        )

    def _norm(self, name: str) -> Norm:
        size, dtype = self.layout.hidden.size, self.layout.dtype
        gain = self.build.buffer(f"{name}.weight", dtype, size)
        return Norm(name, gain, self.build.buffer(f"{name}.bias", dtype, size))

    def _linear(self, name: str, rows: Blocks, columns: Blocks, axis: Axis, *, parts: int = 1) -> Linear:
        dtype = self.layout.dtype
        weight = self.build.buffer(f"{name}.weight", dtype, rows.size * columns.size * parts)
        return Linear(
            name, weight, self.build.buffer(f"{name}.bias", dtype, columns.size * parts), rows, columns, axis, parts
        )

    def _work(self) -> None:
        """Activations and scratch, all in f32; a result lies off the banks of what it is computed from."""
        m, build = self.layout, self.build
        size, inner = m.hidden.size, m.inner.size
        self.hidden = build.buffer("hidden", f32, size)
        self.normed = build.buffer("normed", f32, size)
        self.update = build.buffer("update", f32, size, bank_offset=8)
        self.qkv = build.buffer("qkv", f32, 3 * m.features.size, bank_offset=8)
        self.mixed = build.buffer("mixed", f32, m.features.size)
        self.inner = build.buffer("inner", f32, inner, bank_offset=8)
        self.activated = build.buffer("activated", f32, inner)
        self.logits = logits.make_logits(build, self.head)
        self.token = argmax.make_token(build, build.grid)
        self.norm_scratch = layernorm.make_scratch(build, size, build.grid)
        shares = Blocks(inner, m.height)  # the PEs of a column hold the same inner features, and share the work
        self.gelu_scratch = gelu.make_scratch(build, shares.size, build.grid)
        self.gelu_start = starts_of(build, "gelu.start", shares, Axis.Y, build.grid)
        self.mix_scratch = mix.make_scratch(build, self.heads.of, m.cache_slots, build.grid)
        self.argmax_scratch = argmax.make_scratch(build, build.grid)

    # -- host side --------------------------------------------------------------------------------

    def load(self, machine: Machine, tensors: Weights) -> None:
        """Writes all parameters into SRAM."""
        machine.write(self.tokens.data, self.tokens.tiles(tensors["wte.weight"]))
        machine.write(self.positions.data, self.positions.tiles(tensors["wpe.weight"][: self.layout.context]))
        if self.head is not self.tokens:
            machine.write(self.head.data, self.head.tiles(tensors["lm_head.weight"]))
        for layer in self.layers:
            for norm in (layer.ln_1, layer.ln_2):
                self._load_norm(machine, norm, tensors)
            for linear in (layer.qkv, layer.out, layer.up, layer.down):
                machine.write(linear.weight, weight_tiles(linear, tensors[f"{linear.name}.weight"], self.build.grid))
                machine.write(linear.bias, bias_tiles(linear, tensors[f"{linear.name}.bias"], self.build.grid))
        self._load_norm(machine, self.ln_f, tensors)

    def _load_norm(self, machine: Machine, norm: Norm, tensors: Weights) -> None:
        for buffer, name in ((norm.gain, "weight"), (norm.bias, "bias")):
            machine.write(buffer, vector_tiles(tensors[f"{norm.name}.{name}"], self.layout.hidden, Axis.Y))


def weight_tiles(linear: Linear, matrix: Floats, region: Region) -> Floats:
    """A matrix (in, parts * out) as what each PE holds, (height, width, rows * parts * columns)."""
    shape = (region.height, region.width, linear.rows.size, linear.columns.size)
    parts = [gemv.tiles(part, region, linear.axis).reshape(shape) for part in np.split(matrix, linear.parts, axis=1)]
    return np.concatenate(parts, axis=-1).reshape(region.height, region.width, -1)


def bias_tiles(linear: Linear, bias: Floats, region: Region) -> Floats:
    """A vector (parts * out,) as what each PE holds, to broadcast to (height, width, parts * columns)."""
    parts = [gemv.output_tiles(part, region, linear.axis) for part in np.split(bias, linear.parts)]
    return np.concatenate(parts, axis=-1)


class Decoder:
    """The program of one step, and how the host talks to it.

    Launch arguments: `token` (-1: the one chosen last), `position`, `sample` (0: skip logits and choice).
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        build = Builder(layout.width, layout.height, name=f"{layout.config.name} decode")
        self._token = build.argument("token", "int")
        self._position = build.argument("position", "int")
        self._sample = build.argument("sample", "int")
        self.resident = Resident(build, layout)
        wafer, features = layout.wafer, layout.features.size
        self._along_x = make_line(build, build.grid, Axis.X, wafer=wafer, words=layout.hidden.size)
        self._along_y = make_line(build, build.grid, Axis.Y, wafer=wafer, words=features)
        self._emit(build.main())
        self.program = build.finish()

    def _emit(self, pe: Code) -> None:
        r, m, build = self.resident, self.layout, pe.builder
        token, position, sample = (pe.use(a) for a in (self._token, self._position, self._sample))
        with build.section("start"):
            with pe.when(token < 0):
                pe.set(token, pe.load(r.token))
            tokens = kv_cache.locate(pe, position, r.own_row, m.height)
            counts = Counts(pe.load(r.hidden_count), pe.load(r.inner_count))
        embedding.emit(
            pe, self._along_x, r.hidden, r.tokens, r.positions, token, position,
            scale=m.config.embeddings_scale,
        )  # fmt: skip
        for i, layer in enumerate(r.layers):
            with build.section(f"layer {i}"):
                self._layer(pe, i, layer, tokens, counts)
        with pe.when(sample), build.section("head"):
            self._norm(pe, r.ln_f, counts)
            logits.emit(pe, self._along_y, r.normed, r.head, r.logits, scale=m.config.width_scale)
            argmax.emit(pe, self._along_x, self._along_y, r.logits, r.head, r.token, r.argmax_scratch)

    def _layer(self, pe: Code, i: int, layer: Layer, tokens: Tokens, counts: Counts) -> None:
        r, size = self.resident, self.layout.features.size
        self._norm(pe, layer.ln_1, counts)
        self._linear(pe, layer.qkv, r.normed, r.qkv, "qkv")
        attention.emit(
            pe, self._along_x, self._along_y, r.qkv[:size], r.qkv[size : 2 * size], r.qkv[2 * size :], r.mixed,
            layer.cache, r.heads, tokens, r.mix_scratch, scale=1 / self.layout.config.score_divisor(i),
        )  # fmt: skip
        self._linear(pe, layer.out, r.mixed, r.update, "projection")
        residual.emit(pe, r.hidden, r.update)
        self._norm(pe, layer.ln_2, counts)
        self._linear(pe, layer.up, r.normed, r.inner, "up")
        gelu.emit_shared(
            pe, self._along_y, r.inner, r.activated, counts.inner, GELU[self.layout.config.activation],
            r.gelu_scratch, r.gelu_start,
        )  # fmt: skip
        self._linear(pe, layer.down, r.activated, r.update, "down")
        residual.emit(pe, r.hidden, r.update)

    def _norm(self, pe: Code, norm: Norm, counts: Counts) -> None:
        r, config = self.resident, self.layout.config
        layernorm.emit(
            pe, self._along_y, r.hidden, r.normed, norm.gain, norm.bias, counts.hidden, r.norm_scratch,
            features=config.n_embd, epsilon=config.layer_norm_epsilon,
        )  # fmt: skip

    def _linear(self, pe: Code, linear: Linear, x: Buffer, y: Buffer, name: str) -> None:
        line = self._along_y if linear.axis is Axis.Y else self._along_x
        with pe.builder.section(name):
            gemv.emit(pe, line, x=x, w=linear.weight, y=y, bias=linear.bias)

    # -- host side --------------------------------------------------------------------------------

    def load(self, machine: Machine, tensors: Weights) -> None:
        """Writes all parameters into SRAM."""
        self.resident.load(machine, tensors)

    def logits(self, machine: Machine) -> NDArray[np.float32]:
        """Logits (vocabulary,) of the last step that sampled, from the row that holds their sums."""
        row = machine.read(self.resident.logits)[self._along_y.root]
        return self.resident.head.rows.join(row)

    def token(self, machine: Machine) -> int:
        """The token chosen at the last step that sampled."""
        return int(machine.read(self.resident.token)[0, 0, 0])
