"""LayerNorm of one vector that is split along a line of PEs.

x, to       (size,) on each PE, f32 or f16; only `count` elements are read and written, so that pads stay 0
gain, bias  (size,) on each PE, dealt like `x`
method      two passes, for accuracy: the mean by an all-reduce of one value, then the sum of the squares of
            what is left by a second one; out = (x - mean) / sqrt(variance + epsilon) * gain + bias
rounding    all inside in f32, f16 data too; once to the type of `to`
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
from wse_sim.kernels.views import Operand, first
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer, View
from wse_sim.program.register import Register

Floats = NDArray[np.floating[Any]]


class Scratch(NamedTuple):
    """What the kernel works in, free again after it.

    centred  f32[size]: x - mean
    partial  f32[1]: the value that is reduced
    """

    centred: Buffer
    partial: Buffer


def reference(tree: Tree, x: Floats, gain: Floats, bias: Floats, epsilon: float) -> Floats:
    """Vectors (..., d) on lines that reduce by `tree`, in the type of `x`, bit for bit."""
    blocks = Blocks(x.shape[-1], tree.length)
    mean = _mean(tree, rounding.total(blocks.deal(x)), blocks.total)
    centred = rounding.sub(x, mean)
    shares = blocks.deal(centred)
    variance = _mean(tree, rounding.dot(shares, shares), blocks.total)
    scale = rounding.rsqrt(rounding.add(variance, rounding.number(epsilon)))
    normed = rounding.mul(rounding.mul(centred, scale), gain)
    return rounding.add(normed, bias, x.dtype)


def _mean(tree: Tree, shares: Floats, features: int) -> Floats:
    """Means (..., 1) of the sums (..., parts) on the PEs of a line."""
    together = reduce.reference(tree, np.moveaxis(shares, -1, 0)[..., None])
    return rounding.mul(together, rounding.number(1 / features))


def cost(
    wafer: Wafer, tree: Tree, count: int, *, dtype: DType = f32, parameters: DType | None = None
) -> int:
    """Cycles for blocks of `count` elements on lines that reduce by `tree`."""
    price, kind = Price(wafer), parameters or dtype
    mean = price.scalar("mov store load fmul") + price.vector("sum", count, None, dtype)
    squares = price.vector("sub", count, f32, dtype) + price.scalar("mov store load fmul fadd frsqrt")
    squares += price.vector("dot", count, None, f32, f32, clash=True)
    scale = price.vector("mul", count, f32, f32, in_place=True)
    scale += price.vector("mul", count, f32, f32, kind, in_place=True)
    together = 2 * all_reduce.cost(wafer, tree, 1)
    return mean + squares + together + scale + price.vector("add", count, dtype, f32, kind)


def make_scratch(build: Builder, size: int, region: Region, *, rows: int = 1) -> Scratch:
    """`centred` lies off the banks of a gain and bias that start at bank 0."""
    centred = build.buffer("layernorm.centred", f32, rows * size, on=region, bank_offset=8)
    return Scratch(centred, build.buffer("layernorm.partial", f32, rows, on=region))


def emit(
    pe: Code,
    line: Line,
    x: Operand,
    to: Operand,
    gain: Operand,
    bias: Operand,
    count: Register,
    scratch: Scratch,
    *,
    features: int,
    epsilon: float,
) -> None:
    """to = layer_norm(x) over the `features` elements of a line; `to` may be `x`."""
    source, centred = first(x, count), first(scratch.centred, count)
    with pe.builder.section("layernorm"), pe.scope():
        mean = _sum_over_line(pe, line, scratch.partial, source) * (1 / features)
        pe.sub(centred, source, mean)
        variance = _sum_over_line(pe, line, scratch.partial, centred, squared=True) * (1 / features)
        scale = pe.scalar("frsqrt", variance + epsilon)
        pe.mul(centred, centred, scale)
        pe.mul(centred, centred, first(gain, count))
        pe.add(first(to, count), centred, first(bias, count))


def _sum_over_line(pe: Code, line: Line, partial: Buffer, x: View, *, squared: bool = False) -> Register:
    """The sum of all elements of the line, or of their squares, on each of its PEs."""
    own = pe.real(0.0)
    if squared:
        pe.dot(own, x, x)
    else:
        pe.sum(own, x)
    pe.store(partial, own)
    line.all_reduce(pe, partial[:], operation="add")
    return pe.load(partial)
