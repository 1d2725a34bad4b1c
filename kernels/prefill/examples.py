"""The kernels of this folder put to work on shapes that tests draw: `count` tokens in turn on y, features on x."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import DType, Wafer, f16, f32, i32
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.bench import Bench
from wse_sim.kernels.blocks import Blocks, counts_of, starts_of, turn_tiles
from wse_sim.kernels.collective.line import Line
from wse_sim.kernels.collective.timing import wavelets
from wse_sim.kernels.contract import Example, Expected, Kernel, Shape
from wse_sim.kernels.matrix import turn
from wse_sim.kernels.matrix.gemm_panels import make_panels
from wse_sim.kernels.prefill import causal, causal_work, embedding, layernorm
from wse_sim.kernels.transformer import kv_cache
from wse_sim.kernels.transformer.embedding import reference as embedding_reference
from wse_sim.kernels.transformer.heads import make_heads
from wse_sim.kernels.transformer.table import make_table
from wse_sim.program.memory import Buffer
from wse_sim.program.register import Register

Floats = NDArray[np.floating[Any]]
EPSILON = 1e-5
SCALE = 0.75


class Prompt(Bench):
    """A bench with `count` tokens dealt in turn to the rows of PEs."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.count, self.height = self.shape["count"], self.shape["height"]
        self.rows = -(-self.count // self.height)

    def tokens(self, name: str, values: Floats | None, features: Blocks, dtype: DType | None = None) -> Buffer:
        """A buffer for a vector a token, and its values unless it is an output."""
        if values is not None:
            self.inputs[name] = turn_tiles(values, self.height, self.rows, features)
        return self.build.buffer(name, dtype or self.dtype, self.rows * features.size, bank_offset=8)

    def expect_tokens(self, name: str, values: Floats, features: Blocks) -> None:
        """That a buffer ends up with these vectors, pads 0."""
        self.outputs[name] = Expected(turn_tiles(values, self.height, self.rows, features))

    def own_rows(self) -> Register:
        """Tokens of a row of PEs."""
        held = np.arange(self.count, self.count - self.height, -1)
        return self.pe.load(self.build.constant("rows", i32, (-(-held // self.height)).clip(0)[:, None]))

    def lines(self, words: int = 1) -> tuple[Line, Line]:
        """Along x and along y."""
        return self.line(Axis.X, words=words), self.line(Axis.Y, words=words)


def _layernorm(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    bench = Prompt(wafer, dtype, shape, seed)
    features = Blocks(shape["features"], shape["width"])
    x, gain, bias = bench.values(bench.count, features.total) + dtype.numpy.type(3), *bench.values(2, features.total)
    source, to = bench.tokens("x", x, features), bench.tokens("to", None, features)
    to_gain, to_bias = (bench.vector(n, v, features, Axis.X) for n, v in (("gain", gain), ("bias", bias)))
    line, counts = bench.line(Axis.X), counts_of(bench.build, "count", features, Axis.X, bench.region)
    scratch = layernorm.make_scratch(bench.build, bench.rows, features.size, bench.region)
    layernorm.emit(
        bench.pe, line, source, to, to_gain, to_bias, bench.pe.load(counts), scratch, rows=bench.own_rows(),
        size=features.size, features=features.total, epsilon=EPSILON,
    )  # fmt: skip
    bench.expect_tokens("to", layernorm.reference(line.tree, x, gain, bias, EPSILON), features)
    cost = layernorm.cost(wafer, line.tree, bench.rows, features.size, dtype=dtype)
    return bench.done(cost, 4 * features.size * bench.rows)


def _embedding(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    bench = Prompt(wafer, dtype, shape, seed)
    features, vocabulary = shape["features"], shape["vocabulary"]
    words, places = bench.values(vocabulary, features), bench.values(bench.count, features)
    tokens = make_table(bench.build, "tokens", dtype, vocabulary, features, bench.region)
    positions = make_table(bench.build, "positions", dtype, bench.count, features, bench.region)
    on_y, on_x = tokens.features, Blocks(features, shape["width"])
    line_x, line_y = bench.lines(words=wavelets(bench.rows * on_y.size, dtype))
    to_x = turn.make_turn(bench.build, make_panels(bench.build, line_y), on_y, on_x)
    hidden, ids = bench.tokens("hidden", None, on_x), bench.build.buffer("ids", i32, bench.rows)
    owners = min(shape["owners"], bench.height)
    scratch = embedding.make_scratch(bench.build, bench.rows, on_y, dtype, bench.region, owners=owners)
    count, own_row = bench.build.argument("count", "int"), kv_cache.rows_of(bench.build, bench.region)
    embedding.emit(
        bench.pe, line_x, to_x, hidden, tokens, positions, ids, own_row, count, scratch, owners=owners, scale=SCALE
    )
    chosen = bench.random.integers(vocabulary, size=bench.count)
    padded = np.zeros(bench.rows * bench.height, np.int32)
    padded[: bench.count] = chosen
    bench.inputs["ids"] = bench.everywhere(padded.reshape(bench.rows, bench.height).T[:, None])
    bench.inputs.update(tokens=tokens.tiles(words), positions=positions.tiles(places))
    bench.arguments["count"] = bench.count
    expected = [embedding_reference(words, places, int(t), i, scale=SCALE) for i, t in enumerate(chosen)]
    bench.expect_tokens("hidden", np.array(expected), on_x)
    cost = embedding.cost(
        wafer, line_x.tree, line_y.tree, on_y, on_x, bench.rows, bench.count, owners=owners, dtype=dtype, scaled=True
    )
    return bench.done(cost, bench.count * on_y.size // 4)


def _causal(wafer: Wafer, dtype: DType, shape: Shape, seed: int) -> Example:
    bench = Prompt(wafer, dtype, shape, seed)
    total, sums, region = shape["heads"] * shape["head_size"], bench.sums, bench.region
    q, k, v = bench.values(3, bench.count, total)
    context = bench.count + shape["spare"]
    cache = kv_cache.make_cache(bench.build, "cache", dtype, total, context, region)
    heads = make_heads(bench.build, total, shape["heads"], region)
    sizes = causal_work.Sizes(
        heads.of, bench.height, bench.rows, cache.slots, shape["runs_a_panel"], shape["columns"]
    )
    scratch = causal_work.make_scratch(bench.build, sizes, region, cache=dtype, sums=sums)
    line_x, line_y = bench.lines(words=16)
    along_x, along_y = (make_panels(bench.build, line, name=line.axis.value) for line in (line_x, line_y))
    start = starts_of(bench.build, "run", Blocks(sizes.runs * shape["width"], shape["width"]), Axis.X, region)
    queries, out = bench.tokens("q", q, cache.features), bench.tokens("out", None, cache.features)
    runs = bench.pe.integer(min(bench.count, bench.height))
    causal.emit(
        bench.pe, along_x, along_y, queries, out, cache, heads, sizes, scratch, pitch=sizes.size,
        rows=bench.own_rows(), runs=runs, start=start, own_row=kv_cache.rows_of(bench.build, region),
    )  # fmt: skip
    bench.inputs["cache.keys"], bench.inputs["cache.values"] = cache.key_tiles(k), cache.value_tiles(v)
    expected = causal.reference(line_x.tree, heads.of, bench.height, q, k, v, dtype=dtype, sums=sums)
    bench.expect_tokens("out", expected, cache.features)
    cost = causal.cost(wafer, line_x.tree, line_y.tree, sizes, bench.count, dtype=dtype, sums=sums)
    return bench.done(cost, bench.count * sizes.size // 2)


def _every_row_works(shape: Shape) -> bool:
    """Rows of PEs without tokens fetch ahead of the others, which takes less than `cost`."""
    return shape["count"] >= shape["height"]


_PROMPT = {"width": (1, 6), "height": (1, 6), "count": (1, 24)}
_HEADS = {"heads": (1, 4), "head_size": (1, 8), "spare": (0, 12), "runs_a_panel": (1, 3), "columns": (1, 3)}
_TABLES = {"features": (1, 30), "vocabulary": (1, 40), "owners": (1, 4)}
_BOTH = (f32, f16)
KERNELS = (
    Kernel("layernorm of rows", _layernorm, {**_PROMPT, "features": (4, 60)}, _BOTH),
    Kernel("embedding of a prompt", _embedding, {**_PROMPT, **_TABLES}, _BOTH),
    Kernel("causal attention", _causal, {**_PROMPT, **_HEADS, "single": (0, 1)}, _BOTH, _every_row_works),
)
