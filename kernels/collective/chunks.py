"""The vectors of a line's PEs one after the other in one buffer, for gather and scatter."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from wse_sim.errors import ProgramError
from wse_sim.hardware import Region, Wafer, i32
from wse_sim.hardware.dtypes import WAVELET_BYTES, DType
from wse_sim.hardware.operations import VECTOR_OPERATIONS
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective.shapes import sides
from wse_sim.kernels.collective.timing import Timing
from wse_sim.program.builder import Builder
from wse_sim.program.memory import Buffer, View


def elements(x: View, whole: View, length: int, what: str) -> int:
    """Elements of each PE's vector; refuses what cannot be cut into chunks or into whole wavelets."""
    n = x.length
    if not isinstance(n, int) or n * x.dtype.bytes % WAVELET_BYTES:
        raise ProgramError(
            f"{what} of {x!r}: expected a fixed length that fills whole wavelets; pad it to {WAVELET_BYTES} bytes"
        )
    if whole.length != length * n or whole.stride != 1 or whole.inner is not None or whole.dtype is not x.dtype:
        raise ProgramError(
            f"{what} of {x!r} on {length} PEs and {whole!r}: "
            f"expected {length} x {n} elements of {x.dtype.name} in a row"
        )
    return n


def own(root: int, whole: View, n: int) -> View:
    """The root's vector."""
    return replace(whole, offset=whole.offset + root * n, length=n)


def nearest_first(side: range, whole: View, n: int) -> View:
    """The vectors of a side's PEs, that of the root's neighbour first."""
    count = len(side) - 1
    if side.step > 0:
        first = whole.offset + (side[-1] - 1) * n
        return replace(whole, offset=first, length=count * n, inner=n, outer_stride=-n)
    return replace(whole, offset=whole.offset + (side[-1] + 1) * n, length=count * n)


def farthest_first(side: range, whole: View, n: int) -> View:
    """The vectors of a side's PEs, that of its end first."""
    count = len(side) - 1
    first = whole.offset + side[0] * n
    if side.step > 0:
        return replace(whole, offset=first, length=count * n)
    return replace(whole, offset=first, length=count * n, inner=n, outer_stride=-n)


def count_behind(build: Builder, region: Region, axis: Axis, root: int, name: str) -> Buffer:
    """i32[1] on each PE: how many PEs are farther from the root on its side."""
    length = axis.length(region)
    behind = np.zeros(length, np.int32)
    for side in sides(length, root):
        behind[list(side[:-1])] = np.arange(len(side) - 1)
    shape = [1, 1]
    shape[axis.dimension] = length
    return build.constant(name, i32, behind.reshape(shape), on=region)


# -- cost ---------------------------------------------------------------------------------------------


def gathered_cycles(wafer: Wafer, length: int, root: int, words: int, *, each: int | None = None) -> int:
    """Until the root has taken the vectors of `words` wavelets of all others, `each` cycles per vector.

    The root takes one side after the other. Within a side vectors follow each other without gaps, or, where they are
    short, the farthest one takes a stage per PE.
    """
    t, each = Timing(wafer), words if each is None else each
    free = 0
    for side in sorted(points for points in (root, length - 1 - root) if points):
        first = max(free, t.stage()) + t.issue(2)
        last_begins = t.issue(2) + t.stage()
        if side > 1:
            last_begins += words + hand_on_cycles(wafer) + (side - 1) * t.stage() - min(words, t.stage())
        free = max(first + side * each, last_begins + each)
    return free


def copy_cycles(wafer: Wafer, n: int, dtype: DType) -> int:
    """A copy of n elements from SRAM to SRAM, their start apart from that of a read."""
    lanes, cycles = wafer.rate(VECTOR_OPERATIONS["mov"], dtype, dtype)
    return Timing(wafer).issue(2) + max(-(-n // lanes) * cycles, -(-n * dtype.bytes // wafer.write_bytes_per_cycle))


def hand_on_cycles(wafer: Wafer) -> int:
    """From the end of one operation to the first word handed on, with its count from SRAM."""
    return wafer.scalar_memory_cycles + wafer.scalar_int_cycles + Timing(wafer).issue(2)
