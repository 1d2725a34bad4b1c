"""A draw for each sequence; `reference` and method of `transformer.draw`.

random  f32[most] on each PE: 0 <= number < 1, one for each sequence
"""

from __future__ import annotations

from wse_sim.hardware import Wafer
from wse_sim.kernels.batch.likeliest import Search
from wse_sim.kernels.price import Price
from wse_sim.kernels.rows import Count, cost_of_rows, each_row
from wse_sim.kernels.transformer import draw as one
from wse_sim.kernels.transformer.draw import Draw, make_scratch, reference
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer

__all__ = ["cost", "emit", "make_scratch", "reference"]


def cost(wafer: Wafer, rows: int, count: int) -> int:
    """Cycles of `rows` sequences with `count` candidates each."""
    price = Price(wafer)
    return cost_of_rows(price, rows, one.cost(wafer, count) + price.scalar("load iadd"), places=2)


def emit(pe: Code, search: Search, draw: Draw, random: Buffer, scratch: Buffer, *, rows: Count) -> None:
    """search.token = one of search.tokens, for the first `rows` sequences; `draw.random` is not used."""
    assert search.values is not None
    assert search.tokens is not None
    most = search.values.length // search.best.length
    with pe.builder.section("draw"), each_row(pe, rows, (0, 1), (0, most)) as (i, at):
        values = search.values.at(at, pe.use(draw.count))
        index = one.index_of(pe, values, draw, pe.load(random.at(i)), scratch)
        pe.store(search.token.at(i), pe.load(search.tokens.at(at + index)))
