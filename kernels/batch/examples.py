"""The kernels of this folder put to work on shapes that tests draw: `rows` sequences, each as if it were alone."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import DType, Wafer, f16, f32, i32
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.batch import attention, draw, embedding, gelu, gemv, likeliest, logits, places
from wse_sim.kernels.bench import Bench
from wse_sim.kernels.blocks import Blocks, counts_of, starts_of
from wse_sim.kernels.collective.timing import wavelets
from wse_sim.kernels.contract import Example, Expected, Kernel, Shape
from wse_sim.kernels.matrix.gemv import tiles
from wse_sim.kernels.transformer import kv_cache
from wse_sim.kernels.transformer.draw import make_draw
from wse_sim.kernels.transformer.heads import make_heads
from wse_sim.kernels.transformer.kv_cache import KVCache
from wse_sim.kernels.transformer.table import make_table
from wse_sim.program.memory import Buffer
from wse_sim.program.register import Register

Floats = NDArray[np.floating[Any]]
SCALE = 0.75
MOST = 4


class Sequences(Bench):
    """A bench with room for `MOST` sequences, of which the first `count` are worked on."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.count = self.shape["rows"]
        self.arguments["rows"] = self.count
        self._rows = self.build.argument("rows", "int")

    @property
    def rows(self) -> Register:
        """The number of sequences."""
        return self.pe.use(self._rows)

    def vectors(self, name: str, values: Floats | None, blocks: Blocks, axis: Axis) -> Buffer:
        """A buffer for a vector a sequence, split along `axis`, and its values (count, total) unless an output."""
        if values is not None:
            self.inputs[name] = self.everywhere(self.dealt(values, blocks, axis))
        return self.build.buffer(name, self.dtype, MOST * blocks.size, bank_offset=8)

    def dealt(self, values: Floats, blocks: Blocks, axis: Axis) -> Floats:
        """(count, total) as what each PE holds of them, to broadcast to (height, width, MOST * size)."""
        padded = np.zeros((MOST, blocks.total), values.dtype)
        padded[: self.count] = values
        dealt = blocks.deal(padded).swapaxes(0, 1)  # (parts, MOST, size)
        return np.expand_dims(dealt.reshape(blocks.parts, -1), 1 - axis.dimension)

    def entries(self, name: str, values: Any, dtype: DType = i32) -> Buffer:
        """A number for each sequence, the same on all PEs."""
        padded = np.zeros(MOST, dtype.numpy)
        padded[: self.count] = values
        self.inputs[name] = self.everywhere(padded.reshape(1, 1, -1))
        return self.build.buffer(name, dtype, MOST)

    def expect_vectors(self, name: str, values: Floats, blocks: Blocks, axis: Axis) -> None:
        """That a buffer ends up with these vectors, bit for bit, all else 0."""
        self.outputs[name] = Expected(self.dealt(values, blocks, axis))

    def expect_entries(self, name: str, values: Any) -> None:
        """A number for each sequence that is worked on; others stay 0."""
        padded = np.zeros(MOST, np.int64)
        padded[: self.count] = values
        self.outputs[name] = Expected(padded.reshape(1, 1, -1))


def _embedding(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    bench = Sequences(wafer, dtype, shape, seed)
    vocabulary, context, features = shape["vocabulary"], shape["context"], shape["features"]
    words, spots = bench.values(vocabulary, features), bench.values(context, features)
    tokens = make_table(bench.build, "tokens", dtype, vocabulary, features, bench.region)
    positions = make_table(bench.build, "positions", dtype, context, features, bench.region)
    token, position = (bench.random.integers(high, size=bench.count) for high in (vocabulary, context))
    line = bench.line(Axis.X)
    hidden = bench.vectors("hidden", None, tokens.features, Axis.Y)
    embedding.emit(
        bench.pe, line, hidden, tokens, positions, bench.entries("token", token),
        bench.entries("position", position), rows=bench.rows, scale=SCALE,
    )  # fmt: skip
    bench.inputs.update(tokens=tokens.tiles(words), positions=positions.tiles(spots))
    expected = [embedding.reference(words, spots, *at, scale=SCALE) for at in zip(token, position, strict=True)]
    bench.expect_vectors("hidden", np.array(expected), tokens.features, Axis.Y)
    size = tokens.features.size
    cost = embedding.cost(wafer, line.tree, bench.count, size, hidden=dtype, table=dtype, scaled=True)
    return bench.done(cost, bench.count * size // 4 + (line.length - 1) * wafer.hop_cycles)


def _gemv(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    bench = Sequences(wafer, dtype, shape, seed)
    axis = tuple(Axis)[shape["axis"]]
    inputs = Blocks(shape["d_in"], axis.length(bench.region))
    outputs = Blocks(shape["d_out"], axis.across.length(bench.region))
    matrix, bias = bench.values(inputs.total, outputs.total), bench.values(outputs.total)
    x = bench.values(bench.count, inputs.total)
    line = bench.line(axis, words=wavelets(outputs.size, dtype))
    source = bench.vectors("x", x, inputs, axis)
    w = bench.build.buffer("w", dtype, inputs.size * outputs.size)
    added = bench.vector("bias", bias, outputs, axis.across)
    to = bench.vectors("y", None, outputs, axis.across)
    biased = added if shape["bias"] else None
    gemv.emit(
        bench.pe, line, source, w, to, biased, rows=bench.rows, inputs=inputs.size, outputs=outputs.size
    )
    bench.inputs["w"] = tiles(matrix, bench.region, axis)
    start = bias if shape["bias"] else None
    expected = [gemv.reference(line.tree, row, matrix, start=start, dtype=dtype) for row in x]
    bench.expect_vectors("y", np.array(expected), outputs, axis.across)
    cost = gemv.cost(
        wafer, line.tree, bench.count, inputs.size, outputs.size, weights=dtype, dtype=dtype, biased=shape["bias"] > 0
    )
    return bench.done(cost, (line.length - 1) // 2 * wafer.hop_cycles)


def _gelu(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    bench = Sequences(wafer, dtype, shape, seed)
    blocks = Blocks(shape["features"], shape["width"])
    shares, line = Blocks(blocks.size, shape["height"]), bench.line(Axis.Y, words=blocks.size)
    x = bench.values(bench.count, blocks.total, spread=2.0)
    source, to = bench.vectors("x", x, blocks, Axis.X), bench.vectors("to", None, blocks, Axis.X)
    counts = counts_of(bench.build, "count", blocks, Axis.X, bench.region)
    starts = starts_of(bench.build, "share", shares, Axis.Y, bench.region)
    scratch = gelu.make_scratch(bench.build, shares.size, bench.region)
    count = bench.pe.load(counts)
    gelu.emit(
        bench.pe, line, source, to, count, "tanh", scratch, starts, rows=bench.rows, size=blocks.size
    )
    bench.expect_vectors("to", gelu.reference(x, "tanh"), blocks, Axis.X)
    cost = gelu.cost(wafer, line.tree, bench.count, blocks.size, "tanh", dtype=dtype)
    return bench.done(cost, 4 * shares.size)


def _attention(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    bench = Sequences(wafer, dtype, shape, seed)
    number, size, context = shape["heads"], shape["head_size"], shape["context"]
    features, sums = Blocks(number * size, shape["width"]), bench.sums
    slots = -(-context // shape["height"])
    cache = KVCache(
        keys=bench.build.buffer("keys", dtype, MOST * features.size * slots),
        values=bench.build.buffer("values", dtype, MOST * features.size * slots, bank_offset=8),
        features=features, rows=shape["height"], slots=slots,
    )  # fmt: skip
    heads = make_heads(bench.build, features.total, number, bench.region)
    spots = places.make_places(bench.build, MOST, bench.region)
    scratch = attention.make_scratch(bench.build, heads.of, slots, MOST, bench.region, cache=dtype, sums=sums)
    words = {Axis.X: wavelets(number * slots, sums), Axis.Y: wavelets(features.size, sums)}
    line_x, line_y = bench.line(Axis.X, words=words[Axis.X]), bench.line(Axis.Y, words=words[Axis.Y])
    position = bench.random.integers(context, size=bench.count)
    where = bench.random.permutation(MOST)[: bench.count]
    qkv = [bench.values(3, at + 1, features.total) for at in position]
    own_row = kv_cache.rows_of(bench.build, bench.region)
    places.emit(
        bench.pe, bench.entries("position", position), bench.entries("where", where), own_row, cache, number, spots,
        rows=bench.rows,
    )  # fmt: skip
    side = np.array([[part[-1] for part in one] for one in qkv])  # (count, 3, features)
    tiles = np.stack([bench.dealt(side[:, i], features, Axis.X) for i in range(3)], axis=-2)
    tiles = tiles.reshape(1, features.parts, 3, MOST, features.size).swapaxes(2, 3).reshape(1, features.parts, -1)
    bench.inputs["qkv"] = bench.everywhere(tiles)
    source = bench.build.buffer("qkv", dtype, 3 * MOST * features.size)
    out, scale = bench.vectors("out", None, features, Axis.X), size**-0.5
    attention.emit(
        bench.pe, line_x, line_y, source, out, cache, heads, spots, scratch, rows=bench.rows, scale=scale
    )
    trees = line_x.tree, line_y.tree
    expected = [
        attention.reference(*trees, heads.of, q[-1], k, v, scale=scale, dtype=dtype, sums=sums) for q, k, v in qkv
    ]
    bench.expect_vectors("out", np.array(expected), features, Axis.X)
    for index, name in ((1, "keys"), (2, "values")):
        deal = cache.key_tiles if name == "keys" else cache.value_tiles
        held, kept = (np.zeros((shape["height"], shape["width"], MOST, features.size * slots)) for _ in range(2))
        for one, place in zip(qkv, where, strict=True):
            held[:, :, place], kept[:, :, place] = deal(one[index][:-1]), deal(one[index])
        bench.inputs[name] = held.reshape(*held.shape[:2], -1)
        bench.outputs[name] = Expected(kept.reshape(*kept.shape[:2], -1))
    counts = [at // cache.rows + 1 for at in position]
    cost = places.cost(wafer, bench.count, cache.rows)
    cost += attention.cost(
        wafer, *trees, heads.of, bench.count, round(float(np.mean(counts))), dtype=dtype, sums=sums
    )
    return bench.done(cost, sum(counts) * features.size // 2)


def _logits(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    bench = Sequences(wafer, dtype, shape, seed)
    vocabulary, features, sums = shape["vocabulary"], shape["features"], bench.sums
    words, x = bench.values(vocabulary, features), bench.values(bench.count, features)
    table = make_table(bench.build, "tokens", dtype, vocabulary, features, bench.region)
    pitch = likeliest.room(table.rows.size)
    line = bench.line(Axis.Y, words=wavelets(table.rows.size, sums))
    hidden = bench.vectors("hidden", x, table.features, Axis.Y)
    result = logits.make_logits(bench.build, table, pitch, MOST, sums)
    logits.emit(bench.pe, line, hidden, table, result, rows=bench.rows, pitch=pitch, scale=SCALE)
    bench.inputs["tokens"] = table.tiles(words)
    expected = np.zeros((MOST, bench.shape["width"], pitch), sums.numpy)
    for i, row in enumerate(x):
        one = logits.reference(line.tree, row, words, scale=SCALE, sums=sums)
        expected[i, :, : table.rows.size] = table.rows.deal(one)
    row = line.axis.part(bench.region, line.root)
    bench.outputs["logits"] = Expected(expected.swapaxes(0, 1).reshape(1, bench.shape["width"], -1), region=row)
    cost = logits.cost(
        wafer, line.tree, bench.count, pitch, table.rows.size, table.features.size, table=dtype, sums=sums, scaled=True
    )
    return bench.done(cost, (line.length - 1) // 2 * wafer.hop_cycles)


def _likeliest(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    bench = Sequences(wafer, dtype, shape, seed)
    vocabulary, count = shape["vocabulary"], shape["count"]
    values = bench.random.integers(-shape["kinds"], 0, (bench.count, vocabulary)).astype(dtype.numpy)  # with ties
    table = make_table(bench.build, "words", dtype, vocabulary, 1, bench.region)
    size, line = table.rows.size, bench.line(Axis.X)
    pitch = likeliest.room(size)
    scores = logits.make_logits(bench.build, table, pitch, MOST, dtype)
    search = likeliest.make_search(bench.build, size, MOST, bench.region, most=count, dtype=dtype)
    asked = bench.build.argument("count", "int") if count else None
    likeliest.emit(bench.pe, line, scores, table, search, rows=bench.rows, count=asked)
    tiles = np.zeros((bench.shape["width"], MOST, pitch), dtype.numpy)
    tiles[:, : bench.count, :size] = table.rows.deal(values).swapaxes(0, 1)
    bench.inputs["logits"] = bench.everywhere(tiles.reshape(1, bench.shape["width"], -1))
    bench.arguments.update({"count": count} if count else {})
    expected = np.array([likeliest.reference(row, max(count, 1)) for row in values])
    bench.expect_entries("token", expected[:, -1])
    if count:
        padded = np.zeros((MOST, count), np.int64)
        padded[: bench.count] = expected
        bench.outputs["likeliest.tokens"] = Expected(padded.reshape(1, 1, -1))
    cost = likeliest.cost(wafer, line.tree, bench.count, size, count=count or None, dtype=dtype)
    return bench.done(cost, size + 2 * max(count, 1) * (line.length - 1) * wafer.hop_cycles)


def _draw(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    bench = Sequences(wafer, dtype, shape, seed)
    count = shape["count"]
    values = np.zeros((MOST, count), np.float32)
    values[: bench.count] = -np.sort(-bench.values(bench.count, count, spread=2.0))
    search = likeliest.make_search(bench.build, 1, MOST, bench.region, most=count)
    scratch, how = draw.make_scratch(bench.build, count, bench.region), make_draw(bench.build)
    numbers = bench.random.random(bench.count).astype(np.float32)
    draw.emit(bench.pe, search, how, bench.entries("random", numbers, f32), scratch, rows=bench.rows)
    given = {"sharpen": 1 / 0.7, "top_p": bench.random.uniform(0.1, 1.0)}
    tokens = bench.random.permutation(MOST * count).astype(np.int32).reshape(MOST, count)
    bench.inputs["likeliest.values"] = bench.everywhere(values.reshape(1, 1, -1))
    bench.inputs["likeliest.tokens"] = bench.everywhere(tokens.reshape(1, 1, -1))
    bench.arguments.update(given, count=count, random=0.0)
    drawn = [draw.reference(v, **given, random=n) for v, n in zip(values[: bench.count], numbers, strict=True)]
    bench.expect_entries("token", tokens[np.arange(bench.count), drawn])
    return bench.done(draw.cost(wafer, bench.count, count), count * bench.count)


_GRID = {"width": (1, 6), "height": (1, 5), "rows": (1, MOST)}
_TABLES = {"vocabulary": (1, 40), "context": (1, 20), "features": (1, 30)}
_SINGLE = {"single": (0, 1)}
_BOTH = (f32, f16)
KERNELS = (
    Kernel("batch embedding", _embedding, {**_GRID, **_TABLES}, _BOTH),
    Kernel("batch gemv", _gemv, {**_GRID, "axis": (0, 1), "d_in": (1, 30), "d_out": (1, 30), "bias": (0, 1)}, _BOTH),
    Kernel("batch gelu", _gelu, {**_GRID, "features": (1, 60)}, _BOTH),
    Kernel(
        "batch attention", _attention, {**_GRID, "heads": (1, 4), "head_size": (1, 8), "context": (1, 24), **_SINGLE},
        _BOTH, margin=200,
    ),
    Kernel("batch logits", _logits, {**_GRID, "vocabulary": (1, 60), "features": (1, 30), **_SINGLE}, _BOTH),
    Kernel(
        "batch likeliest", _likeliest, {**_GRID, "vocabulary": (1, 100), "kinds": (1, 9), "count": (0, 5)}, _BOTH,
        legal=lambda shape: shape["count"] <= shape["vocabulary"],
    ),
    Kernel("batch draw", _draw, {**_GRID, "count": (1, 20)}),
)
"""Every kernel of this folder; its LayerNorm is that of `prefill`."""
