"""LayerNorm of many vectors that are split along a line of PEs; `reference` and method of the one of decode.

x, to       (rows, size) on each PE; only `count` elements of each row are read and written, so that pads stay 0
gain, bias  (size,) on each PE, dealt like a row
rounding    all inside in f32, f16 data too; once to the type of `to`
"""

from __future__ import annotations

from wse_sim.hardware import DType, Region, Wafer, f32
from wse_sim.kernels import rows as loops
from wse_sim.kernels.collective import all_reduce
from wse_sim.kernels.collective.line import Line
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.price import Price
from wse_sim.kernels.rows import Count, each_row
from wse_sim.kernels.transformer.layernorm import Scratch, reference
from wse_sim.kernels.views import Operand, first
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer
from wse_sim.program.register import Register

__all__ = ["Scratch", "cost", "emit", "make_scratch", "reference"]


def cost(
    wafer: Wafer, tree: Tree, rows: int, count: int, *, dtype: DType = f32, parameters: DType | None = None
) -> int:
    """Cycles of `rows` vectors in blocks of `count` elements."""
    price, kind = Price(wafer), parameters or dtype
    mean = price.scalar("mov store") + price.vector("sum", count, None, dtype)
    squares = price.scalar("load fmul mov store") + price.vector("sub", count, f32, dtype)
    squares += price.vector("dot", count, None, f32, f32, clash=True)
    scale = price.scalar("load fmul fadd frsqrt") + price.vector("mul", count, f32, f32, in_place=True)
    scale += price.vector("mul", count, f32, f32, kind, in_place=True) + price.vector("add", count, dtype, f32, kind)
    together = 2 * all_reduce.cost(wafer, tree, rows)
    return together + sum(loops.cost_of_rows(price, rows, row, places=2) for row in (mean, squares, scale))


def make_scratch(build: Builder, rows: int, size: int, region: Region) -> Scratch:
    """`centred` lies off the banks of a gain and bias that start at bank 0."""
    centred = build.buffer("layernorm.centred", f32, rows * size, on=region, bank_offset=8)
    return Scratch(centred, build.buffer("layernorm.partial", f32, rows, on=region))


def emit(
    pe: Code,
    line: Line,
    x: Buffer,
    to: Buffer,
    gain: Operand,
    bias: Operand,
    count: Register,
    scratch: Scratch,
    *,
    rows: Count,
    size: int,
    features: int,
    epsilon: float,
) -> None:
    """to = layer_norm(x) for the first `rows` rows of each PE, as many on all PEs of a line; `to` may be `x`."""
    partial = scratch.partial.view(0, rows)
    with pe.builder.section("layernorm"):
        with each_row(pe, rows, (0, 1), (0, size)) as (row, at):
            own = pe.real(0.0)
            pe.sum(own, x.at(at, count))
            pe.store(scratch.partial.at(row), own)
        line.all_reduce(pe, partial)
        with each_row(pe, rows, (0, 1), (0, size)) as (row, at):
            mean = pe.load(scratch.partial.at(row)) * (1 / features)
            centred, own = scratch.centred.at(at, count), pe.real(0.0)
            pe.sub(centred, x.at(at, count), mean)
            pe.dot(own, centred, centred)
            pe.store(scratch.partial.at(row), own)
        line.all_reduce(pe, partial)
        with each_row(pe, rows, (0, 1), (0, size)) as (row, at):
            variance = pe.load(scratch.partial.at(row)) * (1 / features)
            centred, scale = scratch.centred.at(at, count), pe.scalar("frsqrt", variance + epsilon)
            pe.mul(centred, centred, scale)
            pe.mul(centred, centred, first(gain, count))
            pe.add(to.at(at, count), centred, first(bias, count))
