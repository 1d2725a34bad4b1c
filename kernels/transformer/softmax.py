"""Softmax of rows that are split along a line of PEs.

x, to     (rows, size) on each PE, row-major, f32 or f16; `count` elements of each row are read and written
method    the largest of each row by an all-reduce of `rows` values, exponentials of the differences, their
          sums by a second all-reduce of `rows` values, then one multiplication by 1 / sum
rounding  all inside in f32; once to the type of `to`
limits    count may be 0 on some PEs, not on all PEs of a line
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import DType, Region, Wafer, f32
from wse_sim.kernels import rounding
from wse_sim.kernels.blocks import Blocks
from wse_sim.kernels.collective import all_reduce, reduce
from wse_sim.kernels.collective.line import Line
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.price import Price
from wse_sim.kernels.views import part
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer, View
from wse_sim.program.register import Register

Floats = NDArray[np.floating[Any]]


class Scratch(NamedTuple):
    """What the kernel works in, free again after it.

    powers  f32[rows * size]: exponentials
    tops    f32[rows]: largest of each row
    sums    f32[rows]: sum of the exponentials of each row
    """

    powers: Buffer
    tops: Buffer
    sums: Buffer


def reference(tree: Tree, x: Floats) -> Floats:
    """Rows (rows, n) on lines that reduce by `tree`, in the type of `x`, bit for bit."""
    powers = rounding.exp(rounding.sub(x, x.max(axis=-1, keepdims=True)))
    shares = rounding.total(Blocks(x.shape[-1], tree.length).deal(powers))  # (rows, parts)
    sums = reduce.reference(tree, shares.T[..., None])
    return rounding.mul(powers, rounding.div(1.0, sums), x.dtype)


def cost(wafer: Wafer, tree: Tree, rows: int, count: int, *, dtype: DType = f32) -> int:
    """Cycles for `count` elements of each row on a PE, on lines that reduce by `tree`."""
    price = Price(wafer)
    tops = price.scalar("imul store") + cost_of_top(wafer, count, dtype)
    sums = price.scalar("imul load store") + cost_of_exponentials(wafer, count, dtype)
    scale = price.scalar("imul load fdiv") + price.vector("mul", count, dtype, f32)
    together = all_reduce.cost(wafer, tree, rows, operation="max") + all_reduce.cost(wafer, tree, rows)
    return 3 * price.loop(rows) + rows * (tops + sums + scale) + together


def cost_of_top(wafer: Wafer, count: int, dtype: DType = f32) -> int:
    """Cycles of `top`."""
    price = Price(wafer)
    return price.scalar("mov") + price.vector("max_of", count, None, dtype)


def cost_of_exponentials(
    wafer: Wafer, count: int, dtype: DType = f32, *, work: DType = f32, powers: DType = f32, in_place: bool = False
) -> int:
    """Cycles of `exponentials`; `in_place` if the work is done on `x`."""
    price = Price(wafer)
    found = price.vector("sub", count, work, dtype, in_place=in_place)
    found += price.vector("exp", count, powers, work, in_place=not in_place)
    return found + price.scalar("mov") + price.vector("sum", count, None, powers)


def make_scratch(build: Builder, rows: int, size: int, region: Region) -> Scratch:
    """Scratch for `rows` rows, `size` elements of each on a PE."""
    powers = build.buffer("softmax.powers", f32, rows * size, on=region)
    tops = build.buffer("softmax.tops", f32, rows, on=region)
    return Scratch(powers, tops, build.buffer("softmax.sums", f32, rows, on=region))


def emit(
    pe: Code, line: Line, x: Buffer, to: Buffer, count: Register, scratch: Scratch, *, rows: int, size: int
) -> None:
    """Each row of `to` = softmax of that row of `x`, over the PEs of a line; `to` may be `x`."""
    with pe.builder.section("softmax"):
        with pe.loop(rows) as row:
            pe.store(scratch.tops.at(row), top(pe, part(x, row * size, count)))
        line.all_reduce(pe, scratch.tops[:], operation="max")
        with pe.loop(rows) as row:
            start, highest = row * size, pe.load(scratch.tops.at(row))
            powers = part(scratch.powers, start, count)
            pe.store(scratch.sums.at(row), exponentials(pe, part(x, start, count), powers, powers, highest))
        line.all_reduce(pe, scratch.sums[:], operation="add")
        with pe.loop(rows) as row:
            start, share = row * size, 1.0 / pe.load(scratch.sums.at(row))
            pe.mul(part(to, start, count), part(scratch.powers, start, count), share)


def top(pe: Code, x: View) -> Register:
    """The largest element; minus infinity if there is none."""
    highest = pe.real(float("-inf"))
    pe.max_of(highest, x)
    return highest


def exponentials(
    pe: Code, x: View, work: View, powers: View, highest: Register, total: Register | None = None
) -> Register:
    """powers = exp(x - highest), the differences in `work`, which may be either of the two.

    Returns their sum, `total` with it if given.
    """
    pe.sub(work, x, highest)
    pe.vector("exp", powers, work)
    found = pe.real(0.0) if total is None else total
    pe.sum(found, powers)
    return found
