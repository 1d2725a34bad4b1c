"""GEMM, form NN: C = A W on any rectangle of PEs, of any sizes.

a      (rows, K's block on x) on each PE: rows of A are split along y, its columns along x
w      (K's block on y, columns) on each PE: where a GEMV along y has its matrix
c      (rows, columns) on each PE: rows along y, columns along x
how    for k in order: C += column k of A times row k of W. Panels of A are broadcast along x, panels of W along y, as
       in SUMMA. Blocks of K need not end alike on x and on y, so any rectangle will do; the shifts of Cannon and
       MeshGEMM need as many blocks along x as along y.
types  products are added up in the type of c: f32, f16, or f32 of f16 by the mixed multiply-add
order  k = 0, 1, ... whatever the rectangle and the panels
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import DType, Region, Wafer, f32
from wse_sim.kernels import rounding
from wse_sim.kernels.blocks import Blocks
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.matrix import gemm, gemm_panels
from wse_sim.kernels.matrix.gemm_panels import Panels
from wse_sim.kernels.price import Price
from wse_sim.kernels.rows import Count, times
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer

Array = NDArray[Any]


@dataclass(frozen=True)
class Sizes:
    """Of a product on a rectangle.

    rows              of A and C on a PE, at most
    on_x, on_y        blocks of K along the two axes
    columns           of W and C on a PE
    group_x, group_y  tiles in a panel of A and of W
    """

    rows: int
    on_x: Blocks
    on_y: Blocks
    columns: int
    group_x: int = 1
    group_y: int = 1

    def __post_init__(self) -> None:
        gemm.require_same("K along x and along y", self.on_x, self.on_y)
        gemm.require_positive(rows=self.rows, columns=self.columns, group_x=self.group_x, group_y=self.group_y)

    @property
    def wide(self) -> int:
        """Columns of a panel of A."""
        return min(self.group_x, self.on_x.parts) * self.on_x.size

    @property
    def high(self) -> int:
        """Rows of a panel of W."""
        return min(self.group_y, self.on_y.parts) * self.on_y.size

    @property
    def ends(self) -> list[int]:
        """Where in K a panel of A or of W ends, in order."""
        total = self.on_x.total
        found = {min(end, total) for step in (self.wide, self.high) for end in range(step, total + step, step)}
        return sorted(found)


class Scratch(NamedTuple):
    """Panels, free again after the kernel: (rows, wide) of A and (high, columns) of W."""

    a: Buffer
    w: Buffer


def make_scratch(build: Builder, sizes: Sizes, dtype: DType, region: Region) -> Scratch:
    """Room for the panels."""
    a = build.buffer("gemm.a", dtype, sizes.rows * sizes.wide, on=region)
    return Scratch(a, build.buffer("gemm.w", dtype, sizes.high * sizes.columns, on=region))


def reference(a: Array, w: Array, *, bias: Array | None = None, dtype: DType = f32) -> Array:
    """C (M, N) of a (M, K) and w (K, N), bit for bit; `bias` (N,) is what it begins with."""
    c = np.zeros((len(a), w.shape[1]), dtype.numpy)
    if bias is not None:
        c += bias.astype(dtype.numpy)
    for k in range(len(w)):
        c = rounding.mac(c, a[:, k, None], w[k])
    return c


def cost(
    wafer: Wafer, along_x: Tree, along_y: Tree, sizes: Sizes, *, weights: DType = f32, dtype: DType = f32,
    bias: bool = False,
) -> int:  # fmt: skip
    """Cycles from the start on all PEs until the last has its part of C, with the trees of the two lines."""
    price = Price(wafer)
    found = gemm.cost_of_begin(wafer, sizes.rows, sizes.columns, dtype=dtype, bias=weights if bias else None)
    found += price.scalar("mov mov mov mov mov") + price.loop(len(sizes.ends))
    start, products = 0, cache(partial(gemm.cost, wafer, sizes.rows, weights=weights, dtype=dtype))
    for end in sizes.ends:
        for line, blocks, step, other in (
            (along_x, sizes.on_x, sizes.wide, sizes.rows), (along_y, sizes.on_y, sizes.high, sizes.columns)
        ):  # fmt: skip
            found += price.scalar("ieq") + wafer.branch_not_taken_cycles
            if start % step == 0:
                first = start // blocks.size
                count = min(step // blocks.size, gemm_panels.filled(blocks) - first)
                tile, panel = blocks.size * other, step * other
                found += price.scalar("isub imin iadd mov")
                found += gemm_panels.cost(wafer, line, first, count, tile, dtype=weights, panel=panel)
        found += price.scalar("isub isub imin imin mov mov imul iadd iadd isub")
        found += products(end - start, sizes.columns, first=start % sizes.high)
        start = end
    return found


def emit(
    pe: Code, along_x: Panels, along_y: Panels, sizes: Sizes, *, a: Buffer, w: Buffer, c: Buffer, scratch: Scratch,
    rows: Count, bias: Buffer | None = None,
) -> None:  # fmt: skip
    """c = a w (+ bias) on the first `rows` rows of each PE; a line of PEs along x has as many everywhere."""
    columns, total = sizes.columns, sizes.on_x.total
    with pe.builder.section("gemm"), pe.scope():
        gemm.begin(pe, c, rows, columns, bias)
        left, at_a, at_w = pe.integer(total), pe.integer(sizes.wide), pe.integer(sizes.high)
        first_a, first_w = pe.integer(0), pe.integer(0)
        held = times(pe, rows, sizes.on_x.size)
        with pe.loop(len(sizes.ends)):
            with pe.when(at_a.equals(sizes.wide)):
                panel = scratch.a.view(0, times(pe, rows, sizes.wide))
                gemm.fetch(pe, along_x, first_a, sizes.on_x, sizes.wide, a.view(0, held), panel, apart=sizes.wide)
                pe.set(at_a, 0)
            with pe.when(at_w.equals(sizes.high)):
                gemm.fetch(pe, along_y, first_w, sizes.on_y, sizes.high, w[:], scratch.w[:])
                pe.set(at_w, 0)
            width = (sizes.wide - at_a).minimum(sizes.high - at_w).minimum(left)
            row = scratch.w.at(at_w * columns, columns)
            gemm.products(pe, c, row, scratch.a, rows=rows, steps=width, pitch=sizes.wide, first=at_a)
            at_a += width
            at_w += width
            left -= width
