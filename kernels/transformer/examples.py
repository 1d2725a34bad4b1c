"""The kernels of this folder put to work on shapes that tests draw, with inputs from a seed."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import VECTOR_OPERATIONS, DType, Wafer, f16, f32
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.bench import Bench
from wse_sim.kernels.blocks import Blocks, counts_of, starts_of, vector_tiles
from wse_sim.kernels.collective.timing import wavelets
from wse_sim.kernels.contract import Example, Expected, Kernel, Shape
from wse_sim.kernels.transformer import (
    attention,
    draw,
    embedding,
    gelu,
    kv_cache,
    layernorm,
    likeliest,
    logits,
    mix,
    residual,
    softmax,
)
from wse_sim.kernels.transformer.heads import make_heads
from wse_sim.kernels.transformer.table import make_table

Floats = NDArray[np.floating[Any]]
EPSILON = 1e-5
SCALE = 0.75


def _residual(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    bench = Bench(wafer, dtype, shape, seed)
    blocks = Blocks(shape["features"], shape["height"])
    hidden, update = bench.values(blocks.total), bench.values(blocks.total)
    to = bench.vector("hidden", hidden, blocks, Axis.Y)
    residual.emit(bench.pe, to, bench.vector("update", update, blocks, Axis.Y))
    bench.expect("hidden", residual.reference(hidden, update), blocks, Axis.Y)
    return bench.done(residual.cost(wafer, blocks.size, dtype=dtype, clash=True), blocks.size // 4)


def _gelu(form: gelu.Form) -> Any:
    def example(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
        bench = Bench(wafer, dtype, shape, seed)
        blocks = Blocks(shape["features"], shape["width"])
        x = bench.values(blocks.total, spread=2.0)
        source = bench.vector("x", x, blocks, Axis.X)
        to = bench.vector("to", None, blocks, Axis.X)
        scratch = gelu.make_scratch(bench.build, blocks.size, bench.region)
        counts = counts_of(bench.build, "count", blocks, Axis.X, bench.region)
        gelu.emit(bench.pe, source, to, bench.pe.load(counts), form, scratch)
        bench.expect("to", gelu.reference(x, form), blocks, Axis.X)
        return bench.done(gelu.cost(wafer, blocks.size, form, dtype=dtype), 4 * blocks.size)

    return example


def _gelu_shared(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    bench = Bench(wafer, dtype, shape, seed)
    blocks = Blocks(shape["features"], shape["width"])
    shares, line = Blocks(blocks.size, shape["height"]), bench.line(Axis.Y, words=blocks.size)
    x = bench.values(blocks.total, spread=2.0)
    source = bench.vector("x", x, blocks, Axis.X)
    counts = counts_of(bench.build, "count", blocks, Axis.X, bench.region)
    starts = starts_of(bench.build, "share", shares, Axis.Y, bench.region)
    scratch = gelu.make_scratch(bench.build, shares.size, bench.region)
    gelu.emit_shared(bench.pe, line, source, source, bench.pe.load(counts), "tanh", scratch, starts)
    bench.expect("x", gelu.reference(x, "tanh"), blocks, Axis.X)
    cost = gelu.cost_shared(wafer, line.tree, blocks.size, "tanh", dtype=dtype)
    return bench.done(cost, 4 * shares.size + (line.length - 1) * wafer.hop_cycles)


def _layernorm(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    bench = Bench(wafer, dtype, shape, seed)
    blocks = Blocks(shape["features"], shape["height"])
    x, gain, bias = bench.values(blocks.total) + dtype.numpy.type(3.0), *bench.values(2, blocks.total)
    buffers = {n: bench.vector(n, v, blocks, Axis.Y) for n, v in (("x", x), ("gain", gain), ("bias", bias))}
    to = bench.vector("to", None, blocks, Axis.Y)
    scratch = layernorm.make_scratch(bench.build, blocks.size, bench.region)
    line, counts = bench.line(Axis.Y), counts_of(bench.build, "count", blocks, Axis.Y, bench.region)
    layernorm.emit(
        bench.pe, line, buffers["x"], to, buffers["gain"], buffers["bias"], bench.pe.load(counts), scratch,
        features=blocks.total, epsilon=EPSILON,
    )  # fmt: skip
    bench.expect("to", layernorm.reference(line.tree, x, gain, bias, EPSILON), blocks, Axis.Y)
    bound = 4 * blocks.size + 2 * (line.length - 1) * wafer.hop_cycles
    return bench.done(layernorm.cost(wafer, line.tree, blocks.size, dtype=dtype), bound)


def _softmax(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    bench = Bench(wafer, dtype, shape, seed)
    blocks, rows = Blocks(shape["elements"], shape["height"]), shape["rows"]
    x = bench.values(rows, blocks.total, spread=3.0)
    tiles = np.moveaxis(blocks.deal(x), 1, 0).reshape(blocks.parts, 1, rows * blocks.size)
    source = bench.build.buffer("x", dtype, rows * blocks.size)
    to = bench.build.buffer("to", dtype, rows * blocks.size)
    scratch = softmax.make_scratch(bench.build, rows, blocks.size, bench.region)
    line, counts = bench.line(Axis.Y), counts_of(bench.build, "count", blocks, Axis.Y, bench.region)
    softmax.emit(bench.pe, line, source, to, bench.pe.load(counts), scratch, rows=rows, size=blocks.size)
    bench.inputs["x"] = bench.everywhere(tiles)
    expected = blocks.deal(softmax.reference(line.tree, x))
    bench.outputs["to"] = Expected(np.moveaxis(expected, 1, 0).reshape(tiles.shape))
    bound = 8 * blocks.size * rows + 2 * (line.length - 1) * wafer.hop_cycles
    return bench.done(softmax.cost(wafer, line.tree, rows, blocks.size, dtype=dtype), bound)


def _embedding(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    bench = Bench(wafer, dtype, shape, seed)
    vocabulary, context, features = shape["vocabulary"], shape["context"], shape["features"]
    words, places = bench.values(vocabulary, features), bench.values(context, features)
    token, position = (bench.build.argument(name, "int") for name in ("token", "position"))
    tokens = make_table(bench.build, "tokens", dtype, vocabulary, features, bench.region)
    positions = make_table(bench.build, "positions", dtype, context, features, bench.region)
    blocks, line = tokens.features, bench.line(Axis.X)
    hidden = bench.vector("hidden", None, blocks, Axis.Y)
    embedding.emit(bench.pe, line, hidden, tokens, positions, token, position, scale=SCALE)
    at = {"token": int(bench.random.integers(vocabulary)), "position": int(bench.random.integers(context))}
    bench.arguments.update(at)
    bench.inputs.update(tokens=tokens.tiles(words), positions=positions.tiles(places))
    expected = embedding.reference(words, places, at["token"], at["position"], scale=SCALE)
    bench.expect("hidden", expected, blocks, Axis.Y)
    cost = embedding.cost(wafer, line.tree, blocks.size, hidden=dtype, table=dtype, scaled=True)
    return bench.done(cost, blocks.size // 4 + (line.length - 1) * wafer.hop_cycles)


def _logits(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    bench = Bench(wafer, dtype, shape, seed)
    vocabulary, features = shape["vocabulary"], shape["features"]
    words, x = bench.values(vocabulary, features), bench.values(features)
    table = make_table(bench.build, "tokens", dtype, vocabulary, features, bench.region)
    line = bench.line(Axis.Y, words=wavelets(table.rows.size, bench.sums))
    hidden = bench.vector("hidden", x, table.features, Axis.Y)
    result = logits.make_logits(bench.build, table, bench.sums)
    logits.emit(bench.pe, line, hidden, table, result, scale=SCALE)
    bench.inputs["tokens"] = table.tiles(words)
    expected = logits.reference(line.tree, x, words, scale=SCALE, sums=bench.sums)
    row = line.axis.part(bench.region, line.root)
    bench.outputs["logits"] = Expected(vector_tiles(expected, table.rows, Axis.X), region=row)
    cost = logits.cost(
        wafer, line.tree, table.rows.size, table.features.size, table=dtype, sums=bench.sums, scaled=True
    )
    macs = table.rows.size * table.features.size // wafer.rate(VECTOR_OPERATIONS["mac"], bench.sums, dtype)[0]
    return bench.done(cost, macs + (line.length - 1) // 2 * wafer.hop_cycles)


def _likeliest(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    bench = Bench(wafer, dtype, shape, seed)
    vocabulary, count = shape["vocabulary"], shape["count"]
    values = bench.random.integers(-shape["kinds"], 0, vocabulary).astype(dtype.numpy)  # with ties
    table = make_table(bench.build, "words", dtype, vocabulary, 1, bench.region)
    size, line = table.rows.size, bench.line(Axis.X)
    scores = logits.make_logits(bench.build, table, dtype, room=likeliest.room(size))
    search = likeliest.make_search(bench.build, size, bench.region, most=count, dtype=dtype)
    asked = bench.build.argument("count", "int") if count else None
    likeliest.emit(bench.pe, line, scores, table, search, asked)
    tiles = vector_tiles(values, table.rows, Axis.X)
    bench.inputs["logits"] = bench.everywhere(np.pad(tiles, [(0, 0), (0, 0), (0, scores.length - size)]))
    bench.arguments.update({"count": count} if count else {})
    expected = likeliest.reference(values, max(count, 1))
    bench.outputs["token"] = Expected(expected[-1:].reshape(1, 1, 1))
    if count:
        bench.outputs["likeliest.tokens"] = Expected(expected.reshape(1, 1, -1))
        bench.outputs["likeliest.values"] = Expected(values[expected].reshape(1, 1, -1))
    cost = likeliest.cost(wafer, line.tree, size, count=count or None, dtype=dtype)
    return bench.done(cost, size + 2 * max(count, 1) * (line.length - 1) * wafer.hop_cycles)


def _draw(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    bench = Bench(wafer, dtype, shape, seed)
    count = shape["count"]
    values = -np.sort(-bench.values(count, spread=2.0))
    search = likeliest.make_search(bench.build, 1, bench.region, most=count)
    scratch = draw.make_scratch(bench.build, count, bench.region)
    draw.emit(bench.pe, search, draw.make_draw(bench.build), scratch)
    given = {"sharpen": 1 / 0.7, "top_p": bench.random.uniform(0.1, 1.0), "random": bench.random.random()}
    tokens = bench.random.permutation(count).astype(np.int32)
    bench.inputs["likeliest.values"] = bench.everywhere(values.reshape(1, 1, -1))
    bench.inputs["likeliest.tokens"] = bench.everywhere(tokens.reshape(1, 1, -1))
    bench.arguments.update(given, count=count)
    bench.outputs["token"] = Expected(tokens[[[[draw.reference(values, **given)]]]])
    return bench.done(draw.cost(wafer, count), count)


def _attention(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    bench = Bench(wafer, dtype, shape, seed)
    heads_total, features, context = shape["heads"], shape["heads"] * shape["head_size"], shape["context"]
    place = int(bench.random.integers(context))
    q, k, v = bench.values(3, place + 1, features)
    position = bench.build.argument("position", "int")
    cache = kv_cache.make_cache(bench.build, "cache", dtype, features, context, bench.region)
    heads = make_heads(bench.build, features, heads_total, bench.region)
    sums = bench.sums
    scratch = mix.make_scratch(bench.build, heads.of, cache.slots, bench.region, cache=dtype, sums=sums)
    line_x = bench.line(Axis.X, words=wavelets(heads_total * cache.slots, sums))
    line_y = bench.line(Axis.Y, words=wavelets(cache.features.size, sums))
    own_row = kv_cache.rows_of(bench.build, bench.region)
    to_q, to_k, to_v = (
        bench.vector(name, x[-1], cache.features, Axis.X) for name, x in (("q", q), ("k", k), ("v", v))
    )
    out, pe = bench.vector("out", None, cache.features, Axis.X), bench.pe
    tokens = kv_cache.locate(pe, position, own_row, cache.rows)
    scale = shape["head_size"] ** -0.5
    attention.emit(pe, line_x, line_y, to_q, to_k, to_v, out, cache, heads, tokens, scratch, scale=scale)
    bench.arguments["position"] = place
    bench.inputs["cache.keys"] = cache.key_tiles(k[:-1])
    bench.inputs["cache.values"] = cache.value_tiles(v[:-1])
    trees = line_x.tree, line_y.tree
    expected = attention.reference(*trees, heads.of, q[-1], k, v, scale=scale, dtype=dtype, sums=sums)
    bench.expect("out", expected, cache.features, Axis.X)
    bench.outputs["cache.keys"] = Expected(cache.key_tiles(k))
    bench.outputs["cache.values"] = Expected(cache.value_tiles(v))
    count, size = place // cache.rows + 1, cache.features.size
    cost = kv_cache.cost_of_locating(wafer, cache.rows)
    cost += attention.cost(wafer, *trees, heads.of, count, dtype=dtype, cache=dtype, sums=sums)
    hops = line_x.length - 1 + 2 * (line_y.length - 1)
    return bench.done(cost, count * size // 2 + hops * wafer.hop_cycles)


_GRID = {"width": (1, 6), "height": (1, 5)}
_TABLES = {"vocabulary": (1, 40), "context": (1, 20), "features": (1, 30)}
_HEADS = {"heads": (1, 4), "head_size": (1, 8), "context": (1, 24)}
_SINGLE = {"single": (0, 1)}
_BOTH = (f32, f16)
KERNELS = (
    Kernel("residual", _residual, {**_GRID, "features": (1, 60)}, _BOTH),
    Kernel("gelu by erf", _gelu("erf"), {**_GRID, "features": (1, 60)}, _BOTH),
    Kernel("gelu by tanh", _gelu("tanh"), {**_GRID, "features": (1, 60)}, _BOTH),
    Kernel("gelu shared by a line", _gelu_shared, {**_GRID, "features": (1, 60)}, _BOTH),
    Kernel("layernorm", _layernorm, {**_GRID, "features": (4, 60)}, _BOTH),
    Kernel("softmax", _softmax, {**_GRID, "elements": (1, 30), "rows": (1, 4)}, _BOTH),
    Kernel("embedding", _embedding, {**_GRID, **_TABLES}, _BOTH),
    Kernel("logits", _logits, {**_GRID, "vocabulary": (1, 60), "features": (1, 30), **_SINGLE}, _BOTH),
    Kernel(
        "likeliest", _likeliest, {**_GRID, "vocabulary": (1, 100), "kinds": (1, 9), "count": (0, 5)}, _BOTH,
        legal=lambda shape: shape["count"] <= shape["vocabulary"],
    ),
    Kernel("draw", _draw, {**_GRID, "count": (1, 40)}),
    Kernel("attention", _attention, {**_GRID, **_HEADS, **_SINGLE}, _BOTH),
)
"""Every kernel of this folder; the parts of attention are in attention."""
