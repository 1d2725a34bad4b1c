"""GEMM, form NT: C = A B^T on any rectangle of PEs, of any sizes, where C's columns are B's rows.

a      (rows, K's block on x) on each PE: rows of A are split along y, its columns along x
b      (K's block on x, N's block on y) on each PE, K first: where a GEMV along x has its matrix W = B^T
c      (rows, N's block on x) on each PE: rows along y, columns along x
how    for a panel of B's rows after the other, broadcast along y: each PE multiplies its tile of A with it; the partial
       products (rows, panel) are summed along x, and each column of PEs takes what is its own of the sums. So B goes
       from y to x, and nothing is transposed (compare arXiv 2502.04563, section 5.2).
types  products are added up in the type of c, on the fabric too: f32, f16, or f32 of f16 by the mixed multiply-add
order  K's block on a PE in order, then the PEs of a line as its tree says: that of a GEMV along x
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import DType, Region, Wafer, f32
from wse_sim.kernels import rounding
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.blocks import Blocks, starts_of
from wse_sim.kernels.collective import all_reduce, reduce
from wse_sim.kernels.collective.line import Line
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.matrix import gemm, gemm_panels
from wse_sim.kernels.matrix.gemm_panels import Panels
from wse_sim.kernels.price import Price
from wse_sim.kernels.rows import Count, cost_of_rows, each_row, times
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer
from wse_sim.program.register import Register

Array = NDArray[Any]


@dataclass(frozen=True)
class Sizes:
    """Of a product on a rectangle.

    rows        of A and C on a PE, at most
    inner       blocks of K on x
    on_y, on_x  blocks of N: those of B along y, those of C along x
    group       tiles in a panel of B
    """

    rows: int
    inner: Blocks
    on_y: Blocks
    on_x: Blocks
    group: int = 1

    def __post_init__(self) -> None:
        gemm.require_same("N along y and along x", self.on_y, self.on_x)
        gemm.require_positive(rows=self.rows, group=self.group)

    @property
    def wide(self) -> int:
        """B's rows in a panel."""
        return min(self.group, self.on_y.parts) * self.on_y.size

    @property
    def panels(self) -> int:
        """How many panels there are."""
        return -(-self.on_y.total // self.wide)


class Scratch(NamedTuple):
    """What the kernel works in, free again after it.

    b     panel of B, (K's block, wide)
    part  partial products, (rows, wide)
    """

    b: Buffer
    part: Buffer


def make_scratch(build: Builder, sizes: Sizes, dtype: DType, sums: DType, region: Region) -> Scratch:
    """Room for a panel of `dtype`, and for partial products in the type of C."""
    b = build.buffer("gemm.b", dtype, sizes.inner.size * sizes.wide, on=region)
    return Scratch(b, build.buffer("gemm.part", sums, sizes.rows * sizes.wide, on=region, bank_offset=8))


def make_starts(build: Builder, sizes: Sizes, region: Region, *, name: str = "gemm.start") -> Buffer:
    """i32[1] on each PE: the first of its columns of C."""
    return starts_of(build, name, sizes.on_x, Axis.X, region)


def reference(tree: Tree, a: Array, b: Array, *, bias: Array | None = None, dtype: DType = f32) -> Array:
    """C (M, N) of a (M, K) and b (N, K) on lines along x that reduce by `tree`, bit for bit; `bias` (N,) comes last."""
    inner = Blocks(a.shape[1], tree.length)
    left, right = inner.deal(a), inner.deal(b.T, 0)  # (M, parts, size), (parts, size, N)
    shares = np.zeros((tree.length, len(a), len(b)), dtype.numpy)
    for k in range(inner.size):
        shares = rounding.mac(shares, left[..., k].T[..., None], right[:, None, k])
    c = reduce.reference(tree, shares)
    return c if bias is None else rounding.add(c, bias, dtype.numpy)


def cost(
    wafer: Wafer, along_x: Tree, along_y: Tree, sizes: Sizes, *, weights: DType = f32, dtype: DType = f32,
    bias: bool = False,
) -> int:  # fmt: skip
    """Cycles from the start on all PEs until the last has its part of C, with the trees of the two lines."""
    price = Price(wafer)
    found = price.scalar("load mov") + price.loop(sizes.panels)
    per_panel = sizes.wide // sizes.on_y.size
    tile = sizes.inner.size * sizes.on_y.size
    each = price.vector("mov", sizes.rows * sizes.wide, dtype, None)
    each += gemm.cost(wafer, sizes.rows, sizes.inner.size, sizes.wide, weights=weights, dtype=dtype)
    each += all_reduce.cost(wafer, along_x, sizes.rows * sizes.wide, dtype=dtype)
    for index in range(sizes.panels):
        first = index * per_panel
        count = min(per_panel, gemm_panels.filled(sizes.on_y) - first)
        panel = sizes.inner.size * sizes.wide
        found += price.scalar("imul isub imin iadd")
        found += gemm_panels.cost(wafer, along_y, first, count, tile, dtype=weights, panel=panel)
        found += each + price.scalar("imax iadd imin isub ilt isub isub") + wafer.branch_not_taken_cycles
        taken = min(sizes.on_x.size, sizes.wide)
        row = price.vector("add" if bias else "mov", taken, dtype, weights if bias else dtype, dtype if bias else None)
        found += cost_of_rows(price, sizes.rows, row, places=2)
    return found


def emit(
    pe: Code, along_x: Line, along_y: Panels, sizes: Sizes, *, a: Buffer, b: Buffer, c: Buffer, starts: Buffer,
    scratch: Scratch, rows: Count, bias: Buffer | None = None,
) -> None:  # fmt: skip
    """c = a b^T (+ bias) on the first `rows` rows of each PE; a line of PEs along x has as many everywhere.

    starts  what `make_starts` makes
    bias    (N's block on x,), like a row of c
    """
    wide, inner = sizes.wide, sizes.inner.size
    with pe.builder.section("gemm"), pe.scope():
        used = times(pe, rows, wide)
        part, panel, first = scratch.part.view(0, used), pe.integer(0), pe.integer(0)
        with pe.loop(sizes.panels):
            gemm.fetch(pe, along_y, first, sizes.on_y, wide, b[:], scratch.b[:], apart=wide)
            pe.mov(part, 0.0)
            gemm.products(pe, scratch.part, scratch.b[:wide], a, rows=rows, steps=inner, pitch=inner)
            along_x.all_reduce(pe, part)
            _take(pe, sizes, panel, pe.load(starts), scratch.part, c, rows, bias)
            panel += wide


def _take(
    pe: Code, sizes: Sizes, panel: Register, start: Register, part: Buffer, c: Buffer, rows: Count,
    bias: Buffer | None,
) -> None:  # fmt: skip
    """Copies those columns of the sums that are columns of this PE's c.

    panel, start  first column of the panel and of c
    """
    with pe.scope():
        low = panel.maximum(start)
        count = (panel + sizes.wide).minimum(start + sizes.on_x.size).minimum(sizes.on_x.total) - low
        with pe.when(count > 0):
            own = low - start
            with each_row(pe, rows, (own, sizes.on_x.size), (low - panel, sizes.wide)) as (to, source):
                if bias is None:
                    pe.mov(c.at(to, count), part.at(source, count))
                else:
                    pe.add(c.at(to, count), bias.at(own, count), part.at(source, count))
