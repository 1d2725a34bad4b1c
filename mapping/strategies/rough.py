"""First guesses of a stage's cycles and SRAM, to choose among many sizes before the closed forms look at a few."""

from __future__ import annotations

from dataclasses import replace
from math import sqrt

from wse_sim.hardware import Wafer
from wse_sim.kernels.collective.timing import Timing
from wse_sim.kernels.price import Price
from wse_sim.kernels.transformer import gelu
from wse_sim.mapping.plan.estimate import prompt_cycles
from wse_sim.mapping.region.fit import bytes_needed
from wse_sim.mapping.region.layout import Layout

PANEL = 8  # elements of a panel in a prefill without room for any
BUFFER = 8  # bytes lost between one buffer and the next, on average


def rough_cycles(layout: Layout, position: int) -> float:
    """A token's cycles: the arithmetic as the closed forms have it, each all-reduce by `line_cycles`.

    Of a layout that takes prompts the closed form of a prompt, for which there is nothing rougher.
    """
    if layout.prompt:
        width = None if rough_bytes(layout) <= layout.wafer.user_sram_bytes else PANEL
        return prompt_cycles(layout, layout.prompt, spare=layout.streamed or not layout.whole, width=width).total
    layers = len(layout.held)
    found = layers * _layer(layout, position) if layers else 0.0
    wafer, hidden, tokens = layout.wafer, layout.hidden.size, layout.vocabulary.size
    if layout.embedding:
        found += line_cycles(wafer, layout.width, hidden)
    if layout.head:
        found += _product(layout, hidden, tokens)
        found += Price(wafer).vector("max_of", tokens, None, layout.accumulate)
        found += line_cycles(wafer, layout.height, tokens) + 2 * line_cycles(wafer, layout.width, 1)
    return found


def line_cycles(wafer: Wafer, length: int, words: int) -> float:
    """An all-reduce over two levels of chains, groups of the square root: a stage per PE of each, a hop for all others.

    (g + n / g) / 2 stages at g = sqrt(n), n / 2 hops there and n / 2 back, and the vector once on each way.
    """
    if length == 1:
        return 0.0
    t = Timing(wafer)
    return 4 * t.issue(2) + t.stage() * sqrt(length) + wafer.hop_cycles * length + 3 * words


def _layer(layout: Layout, position: int) -> float:
    wafer, hidden, features, inner = layout.wafer, layout.hidden.size, layout.features.size, layout.inner.size
    tokens = position // layout.height + 1
    heads = layout.config.n_head // layout.shards
    products = [(hidden, 3 * features), (features, hidden), (hidden, inner), (inner, hidden), (features, tokens)]
    products.append((tokens, features))
    local = sum(_product(layout, *tile) for tile in products)
    local += Price(wafer).vector("exp", tokens, layout.dtype, layout.dtype)
    local += gelu.cost(wafer, -(-inner // layout.height), layout.gelu, dtype=layout.dtype)
    along_y = [1, 1, 1, 1, 3 * features, 1, features, inner, inner]
    along_x = [hidden, hidden]
    found = local + sum(line_cycles(wafer, layout.height, words) for words in along_y)
    found += sum(line_cycles(wafer, layout.width, words) for words in along_x)
    return found + line_cycles(wafer, layout.width // layout.shards, heads * tokens)


def _product(layout: Layout, rows: int, columns: int) -> int:
    """A PE's share of a vector times a matrix, no two operands in one bank."""
    return Price(layout.wafer).map("mac", rows, columns, layout.accumulate, layout.dtype)


def _cache(layout: Layout) -> int:
    """Bytes of a sequence's keys and values."""
    return 2 * len(layout.held) * layout.features.size * layout.cache_slots * layout.dtype.bytes


def rough_bytes(layout: Layout) -> int:
    """SRAM of a PE: tables, weights, caches and scores; small buffers and the gaps between them by their number."""
    if layout.prompt:
        each = _cache(layout)
        if layout.streamed:
            each += layout.residual.size * -(-layout.prompt // layout.height) * layout.dtype.bytes
        return bytes_needed(replace(layout, sequences=1), narrow=True) + (layout.sequences - 1) * each
    hidden, features, inner, number = layout.hidden.size, layout.features.size, layout.inner.size, layout.dtype.bytes
    layer = hidden * (4 * features + 2 * inner) + 6 * hidden + 3 * features + inner
    layer += 2 * features * layout.cache_slots * layout.sequences
    shared = layout.embedding and layout.config.tie_word_embeddings
    tables = int(layout.embedding) + int(layout.head and not shared)
    table = hidden * (tables * layout.vocabulary.size + layout.embedding * layout.positions.size)
    work = 4 * hidden + 4 * features + 3 * inner + layout.head * layout.vocabulary.size
    scores = layout.config.n_head // layout.shards * layout.cache_slots
    buffers = len(layout.held) * (12 + 2 * layout.sequences) + 40
    return number * (len(layout.held) * layer + table + work) + layout.accumulate.bytes * scores + BUFFER * buffers
