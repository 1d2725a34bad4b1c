"""GELU, element by element on each PE, in the exact form and in the form by tanh.

x, to     (size,) on each PE, f32 or f16; only `count` elements are read and written, so that pads stay 0
rounding  inside in f32; once to the type of `to`
forms     erf   x/2 (1 + erf(x / sqrt 2))
          tanh  x/2 (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))), the `gelu_new` of GPT-2
"""

from __future__ import annotations

import math
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import DType, Region, Wafer, f32
from wse_sim.kernels import rounding
from wse_sim.kernels.collective import all_reduce
from wse_sim.kernels.collective.line import Line
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.price import Price
from wse_sim.kernels.views import Operand, first, part, whole
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer, View
from wse_sim.program.register import Register

Floats = NDArray[np.floating[Any]]
Form = Literal["erf", "tanh"]
_HALF_ROOT = 1 / math.sqrt(2)
_LINEAR = math.sqrt(2 / math.pi)
_CUBIC = 0.044715 * _LINEAR


def reference(x: Floats, form: Form) -> Floats:
    """In the type of `x`, bit for bit."""
    if form == "erf":
        share = rounding.erf(rounding.mul(x, rounding.number(_HALF_ROOT)))
    else:
        square = rounding.mul(rounding.mul(x, x), rounding.number(_CUBIC))
        share = rounding.tanh(rounding.mul(rounding.add(square, rounding.number(_LINEAR)), x))
    double = rounding.mul(rounding.add(share, 1.0), x)
    return rounding.mul(double, 0.5, x.dtype)


def cost(wafer: Wafer, count: int, form: Form, *, dtype: DType = f32) -> int:
    """Cycles of `count` elements on one PE, where `x` and the scratch lie in different banks."""
    price = Price(wafer)
    if form == "erf":
        inner = price.vector("mul", count, f32, dtype)
    else:
        inner = price.vector("mul", count, f32, dtype, dtype, clash=True)
        inner += price.vector("mul", count, f32, f32, in_place=True)
        inner += price.vector("add", count, f32, f32, in_place=True)
        inner += price.vector("mul", count, f32, f32, dtype, in_place=True)
    outer = price.vector(form, count, f32, f32, in_place=True)
    outer += price.vector("add", count, f32, f32, in_place=True)
    outer += price.vector("mul", count, f32, f32, dtype, in_place=True)
    return inner + outer + price.vector("mul", count, dtype, f32)


def cost_shared(wafer: Wafer, tree: Tree, size: int, form: Form, *, dtype: DType = f32) -> int:
    """Cycles of `emit_shared` for blocks of `size` elements on lines that reduce by `tree`."""
    price = Price(wafer)
    own = cost(wafer, -(-size // tree.length), form, dtype=dtype) + price.scalar("load isub imin imax")
    zeros = price.vector("mov", size, dtype, None)
    return own + zeros + all_reduce.cost(wafer, tree, size, dtype=dtype)


def make_scratch(build: Builder, size: int, region: Region) -> Buffer:
    """f32[size], free again after the kernel; off the banks of a buffer that starts at bank 0."""
    return build.buffer("gelu.scratch", f32, size, on=region, bank_offset=8)


def emit(pe: Code, x: Operand, to: Operand, count: Register, form: Form, scratch: Buffer) -> None:
    """to[:count] = gelu(x[:count]); `to` may be `x`."""
    with pe.builder.section("gelu"):
        double(pe, first(scratch, count), first(x, count), form)
        pe.mul(first(to, count), first(scratch, count), 0.5)


def emit_shared(
    pe: Code, line: Line, x: Operand, to: Operand, count: Register, form: Form, scratch: Buffer, start: Buffer
) -> None:
    """The same where all PEs of a line hold the same `x`: each does its share, an all-reduce hands it round.

    A function of an element takes scores of cycles, an element on the line few: it pays where blocks are
    large; `cost_shared` against `cost` tells. All of `to` is written, its pads with 0.

    scratch  f32[shares.size], with shares = Blocks(size, line.length)
    start    i32[1]: what `starts_of` makes of `shares` along the line
    """
    with pe.builder.section("gelu"), pe.scope():
        low = pe.load(start)
        own = (pe.use(count) - low).minimum(scratch.length).maximum(0)
        double(pe, first(scratch, own), part(x, low, own), form)
        pe.mov(whole(to), 0.0)
        pe.mul(part(to, low, own), first(scratch, own), 0.5)
        line.all_reduce(pe, to, operation="add")


def double(pe: Code, work: View, x: View, form: Form) -> None:
    """work = 2 gelu(x)"""
    if form == "erf":
        pe.mul(work, x, _HALF_ROOT)
    else:
        pe.mul(work, x, x)
        pe.mul(work, work, _CUBIC)
        pe.add(work, work, _LINEAR)
        pe.mul(work, work, x)
    pe.vector(form, work, work)
    pe.add(work, work, 1.0)
    pe.mul(work, work, x)
