"""A draw among the likeliest tokens: temperature, then the fewest that reach a share of the probability, then chance.

values, tokens  of the likeliest, in order, as `likeliest` leaves them, on each PE of a row
method          powers = exp((value - largest) / temperature); tokens are kept as long as those before them have less
                than top_p of the sum; the token in whose part of the kept sum the random number falls is drawn
rounding        each step once to f32
time            depends on the number of candidates alone
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import Region, Wafer, f32
from wse_sim.kernels import rounding
from wse_sim.kernels.price import Price
from wse_sim.kernels.transformer.likeliest import Search
from wse_sim.kernels.views import first
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer, View
from wse_sim.program.register import Register

Floats = NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Draw:
    """How to draw, in registers.

    count    candidates, int
    sharpen  1 / temperature, float
    top_p    share of the candidates' probability that is kept, float
    random   0 <= number < 1, float
    """

    count: Register
    sharpen: Register
    top_p: Register
    random: Register


def reference(values: Floats, *, sharpen: float, top_p: float, random: float) -> int:
    """Index of the value drawn of (count,) in descending order, bit for bit."""
    powers = rounding.exp(rounding.mul(rounding.sub(values, values[0]), rounding.number(sharpen)))
    sums = np.add.accumulate(powers.astype(np.float32))
    before = np.concatenate([np.zeros(1, np.float32), sums[:-1]])
    keep = before < rounding.mul(sums[-1], rounding.number(top_p))
    running = np.add.accumulate(np.where(keep, powers, np.float32(0)).astype(np.float32))
    target = rounding.mul(running[-1], rounding.number(random))
    return min(int((running <= target).sum()), int(keep.sum()) - 1)


def cost(wafer: Wafer, count: int) -> int:
    """Cycles for `count` candidates."""
    price = Price(wafer)
    powers = price.scalar("load") + price.vector("sub", count, f32, f32)
    powers += price.vector("mul", count, f32, f32, in_place=True) + price.vector("exp", count, f32, f32, in_place=True)
    total = price.scalar("mov fmul mov mov mov") + price.vector("sum", count, None, f32)
    keep = price.loop(count) + count * price.scalar("load flt fadd i2f fmul fadd store iadd")
    pick = price.loop(count) + count * price.scalar("load fadd fle iadd")
    return powers + total + keep + pick + price.scalar("fmul mov mov isub imin load store")


def make_draw(build: Builder) -> Draw:
    """Launch arguments of the names of its fields."""
    count = build.argument("count", "int")
    return Draw(count, *(build.argument(name, "float") for name in ("sharpen", "top_p", "random")))


def make_scratch(build: Builder, most: int, region: Region) -> Buffer:
    """f32[most], free again after the kernel; off the banks of values that start at bank 0."""
    return build.buffer("draw.powers", f32, most, on=region, bank_offset=8)


def emit(pe: Code, search: Search, draw: Draw, scratch: Buffer) -> None:
    """search.token = one of search.tokens."""
    assert search.values is not None
    assert search.tokens is not None
    with pe.builder.section("draw"), pe.scope():
        index = index_of(pe, first(search.values, draw.count), draw, draw.random, scratch)
        pe.store(search.token, pe.load(search.tokens.at(index)))


def index_of(pe: Code, values: View, draw: Draw, random: Register, scratch: Buffer) -> Register:
    """Which of the values, `draw.count` in descending order, a random number draws; `draw.random` is not used."""
    count, powers = pe.use(draw.count), first(scratch, draw.count)
    pe.sub(powers, values, pe.load(values))
    pe.mul(powers, powers, draw.sharpen)
    pe.vector("exp", powers, powers)
    kept, number = _keep(pe, count, scratch, _total(pe, powers) * draw.top_p)
    return _pick(pe, count, scratch, kept * random).minimum(number - 1)


def _total(pe: Code, powers: View) -> Register:
    total = pe.real(0.0)
    pe.sum(total, powers)
    return total


def _keep(pe: Code, count: Register, powers: Buffer, bound: Register) -> tuple[Register, Register]:
    """Powers that come after `bound` become 0; returns the sum of the others, and how many they are."""
    before, kept, number = pe.real(0.0), pe.real(0.0), pe.integer(0)
    with pe.loop(count) as i:
        power = pe.load(powers.at(i))
        keep = before < bound
        before += power
        share = power * pe.to_float(keep)
        kept += share
        pe.store(powers.at(i), share)
        number += keep
    return kept, number


def _pick(pe: Code, count: Register, powers: Buffer, target: Register) -> Register:
    """How many running sums do not exceed the target."""
    running, index = pe.real(0.0), pe.integer(0)
    with pe.loop(count) as i:
        running += pe.load(powers.at(i))
        index += running <= target
    return index
