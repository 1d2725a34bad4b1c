"""GEMV: y = x W, a vector times a matrix that stays where it is.

matrix  (d_in, d_out), dealt in blocks to a rectangle: d_in along the axis of the line, d_out across it
x       (rows,) on each PE: its part of the input, the same on all PEs across the line; pads hold 0
w       (rows * stride,) on each PE: its tile, row after row, the first `cols` of each row in use
y       (cols,) on each PE: its part of the output, in the end the same on all PEs along the line, or at its root only
how     each PE adds up its tile's share, a map over x; then the line sums the shares
memory  y beside the banks of w: give its buffer `bank_offset=8`; rows that fill whole 16 bytes never collide
"""

from __future__ import annotations

from dataclasses import replace
from math import gcd
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.errors import ProgramError
from wse_sim.hardware import DType, Region, Wafer, f32
from wse_sim.hardware.operations import VECTOR_OPERATIONS
from wse_sim.kernels import rounding
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.banks import BANKS, clashes
from wse_sim.kernels.blocks import Blocks, vector_tiles
from wse_sim.kernels.collective import all_reduce, reduce
from wse_sim.kernels.collective.line import Line
from wse_sim.kernels.collective.member import Operand
from wse_sim.kernels.collective.timing import Timing
from wse_sim.kernels.collective.tree import Tree
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer, View, each

Array = NDArray[Any]


# -- host layout --------------------------------------------------------------------------------------


def tiles(matrix: Array, region: Region, axis: Axis, *, stride: int | None = None) -> Array:
    """A matrix (d_in, d_out) as its tiles, (height, width, rows * stride), zeros where it does not fill them.

    axis    along which the input is split, that of the line
    stride  elements from row to row of a tile; None: cols
    """
    rows, cols = Blocks(matrix.shape[0], axis.length(region)), Blocks(matrix.shape[1], axis.across.length(region))
    wide = cols.size if stride is None else stride
    dealt = cols.deal(rows.deal(matrix, 0))  # (along, rows, across, cols)
    padded = np.pad(dealt, [(0, 0)] * 3 + [(0, wide - cols.size)])
    placed = np.moveaxis(padded.swapaxes(1, 2), 0, axis.dimension)
    return placed.reshape(*placed.shape[:2], -1)


def input_tiles(x: Array, region: Region, axis: Axis) -> Array:
    """A vector (d_in,) as x on each PE, to broadcast to (height, width, rows)."""
    return vector_tiles(x, Blocks(len(x), axis.length(region)), axis)


def output_tiles(y: Array, region: Region, axis: Axis) -> Array:
    """A vector (d_out,), for example a bias, as y on each PE, to broadcast to (height, width, cols)."""
    return input_tiles(y, region, axis.across)


def output_vector(parts: Array, d_out: int, axis: Axis, *, at: int = 0) -> Array:
    """The output (d_out,) out of y on each PE, (height, width, cols), read at one position along the line."""
    line = parts.take(at, axis=axis.dimension)
    return Blocks(d_out, len(line)).join(line)


def smooth_stride(cols: int, dtype: DType) -> int:
    """The least stride not below `cols` with which no row of a tile meets the banks of y."""
    per_period = BANKS // dtype.bytes
    return -(-cols // per_period) * per_period


# -- values -------------------------------------------------------------------------------------------


def reference(
    tree: Tree, x: Array, matrix: Array, *, start: Array | None = None, dtype: DType = f32, carry: DType | None = None
) -> Array:
    """The root's output (d_out,) of x (d_in,) and matrix (d_in, d_out): the machine's additions in the machine's order.

    start  (d_out,) what the root begins with: a bias, or what y held
    """
    rows = Blocks(len(x), tree.length)
    shares = np.zeros((tree.length, matrix.shape[1]), dtype.numpy)
    if start is not None:
        shares[tree.root] = start
    inputs, weights = rows.deal(x), rows.deal(matrix, 0)
    for row in range(rows.size):
        shares = rounding.mac(shares, inputs[:, row, None], weights[:, row])
    return reduce.reference(tree, shares, carry=carry)


# -- cycles -------------------------------------------------------------------------------------------


def cost(
    wafer: Wafer, tree: Tree, rows: int, cols: int, *, weights: DType = f32, dtype: DType = f32,
    stride: int | None = None, apart: int = 8, broadcast: bool = True, carry: DType | None = None,
) -> int:  # fmt: skip
    """Cycles from the start on all PEs until the last PE has its output.

    apart  bytes from the first element of w to that of y, modulo 16
    """
    t, summed = Timing(wafer), all_reduce.cost if broadcast else reduce.cost
    clear = t.issue(1) + _groups(wafer, "mov", cols, dtype, dtype, reads=0)
    along = summed(wafer, tree, cols, dtype=dtype, carry=carry)
    return clear + local_cost(wafer, rows, cols, weights=weights, dtype=dtype, stride=stride, apart=apart) + along


def local_cost(
    wafer: Wafer, rows: int, cols: int, *, weights: DType = f32, dtype: DType = f32, stride: int | None = None,
    apart: int = 8,
) -> int:  # fmt: skip
    """Cycles of a PE's own share, the map alone."""
    start = 3 * wafer.dsr_load_cycles + wafer.map_start_cycles
    elements = _groups(wafer, "mac", cols, dtype, weights, reads=weights.bytes + dtype.bytes)
    pitch = (cols if stride is None else stride) * weights.bytes
    period = BANKS // gcd(BANKS, pitch)
    hits = [clashes(wafer, apart, row * pitch, cols, dtype, weights) for row in range(min(period, rows))]
    steps = [wafer.step_cycles(elements + found * wafer.bank_conflict_cycles) for found in hits]
    return start + sum(steps[row % period] for row in range(rows))


def _groups(wafer: Wafer, name: str, n: int, to: DType, source: DType, *, reads: int) -> int:
    """Cycles of n elements at the rate of the operation or of the SRAM ports; `reads` bytes are read for each."""
    lanes, cycles = wafer.rate(VECTOR_OPERATIONS[name], to, source)
    read, written = -(-n * reads // wafer.read_bytes_per_cycle), -(-n * to.bytes // wafer.write_bytes_per_cycle)
    return max(-(-n // lanes) * cycles, read, written)


# -- program ------------------------------------------------------------------------------------------


def emit(
    pe: Code,
    line: Line,
    *,
    x: Operand,
    w: Operand,
    y: Operand,
    bias: Operand | None = None,
    accumulate: bool = False,
    stride: int | None = None,
    broadcast: bool = True,
    carry: DType | None = None,
) -> None:
    """y = x W (+ bias) (+ y) on the lines that `pe` covers.

    accumulate  adds to what y holds at the line's root
    stride      elements from row to row of w; None: the length of y
    broadcast   False: only the root has the result, other PEs partial ones
    carry       dtype of y on the fabric
    """
    output = y[:] if isinstance(y, Buffer) else y
    row = _row(w, output, stride)
    with pe.builder.section("gemv"):
        _begin(pe, line, output, bias, accumulate)
        pe.mac(output, row, each(x))
        if broadcast:
            line.all_reduce(pe, output, carry=carry)
        else:
            line.reduce(pe, output, carry=carry)


def _row(w: Operand, y: View, stride: int | None) -> View:
    """The first row of the tile, moving on to the next one with each step."""
    tile = w[:] if isinstance(w, Buffer) else w
    pitch = y.length if stride is None else stride
    if not isinstance(pitch, int) or not isinstance(y.length, int) or pitch < y.length:
        raise ProgramError(
            f"a GEMV to {y!r}, rows of {tile!r} {pitch!r} elements apart: expected fixed lengths, and rows apart"
        )
    return replace(tile, length=y.length).stepping(pitch)


def _begin(pe: Code, line: Line, y: View, bias: Operand | None, accumulate: bool) -> None:
    """What the sum begins with: the line's root alone has the bias and what y held."""
    positions = (slice(0, line.root), slice(line.root, line.root + 1), slice(line.root + 1, line.length))
    if bias is None and not accumulate:
        pe.mov(y, 0.0)
        return
    for part in positions:
        here = pe.on(line.axis.part(pe.region, part))
        if part.start != line.root:
            here.mov(y, 0.0)
        elif bias is not None and accumulate:
            here.add(y, y, bias)
        elif bias is not None:
            here.mov(y, bias)
