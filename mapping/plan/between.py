"""What the hidden state takes from a part of a ring to the next, and keys and values to where they are decoded from."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from wse_sim.hardware import i32
from wse_sim.kernels.collective import all_reduce, handover, redeal, tiles
from wse_sim.kernels.collective.lanes import Lanes
from wse_sim.kernels.collective.plan import plan
from wse_sim.kernels.collective.tiles import Cut, cut_of
from wse_sim.kernels.collective.timing import wavelets
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.price import Price
from wse_sim.mapping.placement import Flow
from wse_sim.mapping.region.layout import Layout
from wse_sim.mapping.region.traffic import hops_of


def send_cycles(layout: Layout, laid: Lanes) -> int:
    """From the start of the sending by a part until the next one has all, ways round dead PEs included."""
    return handover.cost(layout.wafer, laid, layout.hidden.size, dtype=layout.dtype)


def take_cycles(layout: Layout) -> int:
    """In which rows hear what has arrived on one PE of each."""
    size, dtype = layout.hidden.size, layout.dtype
    return handover.cost_of_taking(layout.wafer, size, dtype=dtype) + all_reduce.cost(
        layout.wafer, _line(layout), size, dtype=dtype
    )


def tile_cut(source: Layout, target: Layout) -> Cut:
    """How the tiles of a prompt go over."""
    return cut_of(source.residual, target.residual, -(-source.prompt // source.height))


def tile_cycles(source: Layout, target: Layout, laid: Lanes, tokens: int) -> tiles.Cost:
    """From the end of a part's work on a prompt until the next one can begin with it."""
    lines = _line(source), _line(target)
    rows = -(-tokens // source.height)
    return tiles.cost(source.wafer, tile_cut(source, target), laid.hops, lines, rows, dtype=source.dtype)


def flows_of(layouts: Sequence[Layout], tokens: int) -> tuple[Flow | None, ...]:
    """What parts in a ring hand over to the next: of prompts of `tokens` tiles, and the last part a token's vector."""
    if not layouts[0].prompt or len(layouts) == 1:
        return ()
    return (*(_tile_flow(a, b, tokens) for a, b in pairwise(layouts)), None)


def _tile_flow(source: Layout, target: Layout, tokens: int) -> Flow:
    cut, rows = tile_cut(source, target), -(-tokens // source.height)
    cost = tiles.cost(source.wafer, cut, 0, (_line(source), _line(target)), rows, dtype=source.dtype)
    return Flow(source.height, tiles.words_of_lane(cut, rows, source.dtype), cost.give, cost.take)


def wavelets_of_tiles(source: Layout, target: Layout, laid: Lanes, tokens: int) -> int:
    """Hops of the lanes, and of the sums by which rows of both regions hear what goes over."""
    cut, hops = tile_cut(source, target), 0
    for row, lane in enumerate(laid.lanes):
        links = lane.links + sum(hops_of(_line(layout)) for layout in (source, target))
        hops += links * tiles.words_of_lane(cut, len(range(row, tokens, source.height)), source.dtype)
    return hops


def wavelets_between(source: Layout, target: Layout, laid: Lanes) -> int:
    """Hops of the lanes, and of the sums by which rows hear what has arrived."""
    on_lanes = laid.links * wavelets(source.hidden.size, source.dtype)
    return on_lanes + wavelets(target.hidden.size, target.dtype) * target.height * hops_of(_line(target))


def cache_cycles(taking: Layout, decoding: Layout, gap: int, tokens: int) -> int:
    """Until the first token, keys and values of a prompt are where they are decoded from, `gap` columns further."""
    wafer, price = taking.wafer, Price(taking.wafer)
    rows, layers = -(-tokens // taking.height), len(taking.held)
    loops = layers * (price.scalar("mov mov") + price.loop(rows) + rows * price.scalar("iadd iadd"))
    moved = redeal.cost(
        wafer, taking.features, decoding.features, gap=gap, dtype=taking.dtype, times=2 * layers * rows
    )
    return redeal.cost_of_telling(wafer, 1, dtype=i32) + loops + moved


def wavelets_of_cache(taking: Layout, decoding: Layout, gap: int, tokens: int) -> int:
    """Hops of the same."""
    of_a_token = redeal.links(taking.features, decoding.features, gap=gap, dtype=taking.dtype)
    told = taking.height * (gap + decoding.width)
    return told + 2 * len(taking.held) * tokens * of_a_token


def _line(layout: Layout) -> Tree:
    words, queues = layout.line_words[0], layout.line_queues(spare=True)[0]
    return plan(layout.wafer, layout.width, words=words, queues=queues)
