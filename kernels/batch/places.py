"""Where the newest token of each sequence lies: one entry for each sequence of a step, on each PE.

A cache holds several sequences, one after the other; entry i of `where` says which of them sequence i of a step is.
"""

from __future__ import annotations

from dataclasses import dataclass

from wse_sim.hardware import Region, Wafer, i32
from wse_sim.kernels.price import Price
from wse_sim.kernels.rows import Count, cost_of_rows, each_row
from wse_sim.kernels.transformer.kv_cache import KVCache, cost_of_locating
from wse_sim.kernels.transformer.kv_cache import locate as locate_one
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer
from wse_sim.program.register import Register


@dataclass(frozen=True, eq=False)
class Places:
    """i32[most] each, but for `total`.

    mine    1 on the row of PEs of the newest token, else 0
    slot    slot of the newest token, on its row
    count   tokens on this row of PEs
    first   first element of the sequence's scores, which lie one sequence after the other
    base    first element of the sequence in the cache
    total   i32[1]: elements of all scores
    """

    mine: Buffer
    slot: Buffer
    count: Buffer
    first: Buffer
    base: Buffer
    total: Buffer


def make_places(build: Builder, most: int, region: Region) -> Places:
    """For `most` sequences."""
    names = ("mine", "slot", "count", "first", "base")
    entries = {name: build.buffer(f"places.{name}", i32, most, on=region) for name in names}
    return Places(**entries, total=build.buffer("places.total", i32, 1, on=region))


def cost(wafer: Wafer, rows: int, height: int) -> int:
    """Cycles of `rows` sequences on a rectangle of `height` rows of PEs."""
    price = Price(wafer)
    row = cost_of_locating(wafer, height) + price.scalar("load load imul store store store store store imul iadd")
    return price.scalar("mov store") + cost_of_rows(price, rows, row)


def emit(
    pe: Code, position: Buffer, where: Buffer, own_row: Buffer, cache: KVCache, heads: int, places: Places, *,
    rows: Count,
) -> None:  # fmt: skip
    """Fills `places` for the first `rows` sequences, the newest token of each at its `position`."""
    with pe.scope():
        first = pe.integer(0)
        with each_row(pe, rows, (0, 1)) as (i,):
            tokens = locate_one(pe, pe.load(position.at(i)), own_row, cache.rows)
            pe.store(places.mine.at(i), tokens.mine)
            pe.store(places.slot.at(i), tokens.slot)
            pe.store(places.count.at(i), tokens.count)
            pe.store(places.first.at(i), first)
            pe.store(places.base.at(i), pe.load(where.at(i)) * (cache.features.size * cache.slots))
            first += tokens.count * heads
        pe.store(places.total, first)


def held(pe: Code, entries: Buffer, i: Register) -> Register:
    """An entry of a sequence."""
    return pe.load(entries.at(i))
