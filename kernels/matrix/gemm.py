"""What the forms of GEMM share: the product of tiles on a PE, and how panels are fetched.

Products: C += A W with A (rows, steps) and W (steps, columns), row after row: for each row of A a map over its
elements, C's row += element k * W's row k, so that sums grow in the order of k.
"""

from __future__ import annotations

from math import gcd

from wse_sim.errors import ProgramError
from wse_sim.hardware import DType, Wafer
from wse_sim.kernels.banks import BANKS
from wse_sim.kernels.blocks import Blocks
from wse_sim.kernels.matrix import gemv
from wse_sim.kernels.matrix.gemm_panels import Panels, filled
from wse_sim.kernels.price import Price
from wse_sim.kernels.rows import Count, cost_of_rows, each_row, times
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer, View, each
from wse_sim.program.register import Register


def require_same(what: str, one: Blocks, other: Blocks) -> None:
    """Refuses two dealings of a dimension that differ in its length."""
    if one.total != other.total:
        raise ProgramError(f"GEMM with {what} of {one.total} and {other.total}: expected one length")


def require_positive(**sizes: int) -> None:
    """Refuses sizes below 1."""
    for name, size in sizes.items():
        if size < 1:
            raise ProgramError(f"GEMM with {name} {size}: expected 1 or more")


def begin(pe: Code, c: Buffer, rows: Count, columns: int, bias: Buffer | None = None) -> None:
    """Each row of C = bias, or 0."""
    if bias is None:
        pe.mov(c.view(0, times(pe, rows, columns)), 0.0)
        return
    with each_row(pe, rows, (0, columns)) as (to,):
        pe.mov(c.at(to, columns), bias)


def fetch(
    pe: Code, panels: Panels, first: Register, blocks: Blocks, size: int, tile: View, panel: View, *,
    apart: int | None = None,
) -> None:  # fmt: skip
    """The next panel of `size` elements of a dimension dealt in `blocks`; moves `first` past its owners.

    apart  None: tiles lie one after the other in the panel; else side by side, their rows so far apart
    """
    inner = blocks.size
    with pe.scope():
        count = (filled(blocks) - first).minimum(size // inner)

        def place(index: Register) -> View:
            if apart is None:
                length = tile.length
                assert isinstance(length, int)
                return panel.buffer.at(index * length, length)
            return panel.buffer.view(0, tile.length, inner=inner, outer_stride=apart).at(index * inner)

        panels.emit(pe, first, count, tile, place, panel)
        first += count


def products(
    pe: Code, c: Buffer, row: View, a: Buffer, *, rows: Count, steps: Count, pitch: int,
    first: int | Register = 0,
) -> None:  # fmt: skip
    """C += A W on the first `rows` rows.

    row    W's first row; the others follow without gaps
    pitch  elements from row to row of `a`
    first  element of each row of `a` with which to begin
    """
    columns = row.length
    assert isinstance(columns, int)
    with each_row(pe, rows, (0, columns), (first, pitch)) as (to, scalars):
        pe.mac(c.at(to, columns), row.stepping(columns), each(a.at(scalars, steps)))


def cost_of_begin(wafer: Wafer, rows: int, columns: int, *, dtype: DType, bias: DType | None) -> int:
    """Cycles of `begin`, with a bias of some type or without one."""
    price = Price(wafer)
    if bias is None:
        return price.vector("mov", rows * columns, dtype, None)
    return cost_of_rows(price, rows, price.vector("mov", columns, dtype, bias))


def cost(
    wafer: Wafer, rows: int, steps: int, columns: int, *, weights: DType, dtype: DType, first: int = 0, apart: int = 8
) -> int:
    """Cycles of `products`.

    first  row of W with which it begins
    apart  bytes from the banks of W's row 0 to those of C's row 0
    """
    found = cost_of_rows(Price(wafer), rows, 0, places=2)
    period = BANKS // gcd(BANKS, columns * dtype.bytes)
    for row in range(min(period, rows)):
        away = apart + row * columns * dtype.bytes - first * columns * weights.bytes
        one = gemv.local_cost(wafer, steps, columns, weights=weights, dtype=dtype, apart=away % BANKS)
        found += one * len(range(row, rows, period))
    return found
