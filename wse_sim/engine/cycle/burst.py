"""Vector operations that touch only memory and registers: their time is known when they start."""

from __future__ import annotations

import numpy as np

from wse_sim.engine.arithmetic import F16, F32, Memory, compute, reads_destination
from wse_sim.engine.cycle.operand import bytes_of, element, read, write
from wse_sim.engine.half import double_to_half, half_to_double
from wse_sim.engine.jit import jit
from wse_sim.engine.layout import (
    CYCLES,
    DST,
    KIND,
    LANES,
    MAP,
    MEMORY,
    NONE,
    O_DTYPE,
    O_INNER,
    O_KIND,
    O_STRIDE,
    OP,
    READS,
    WRITES,
    A,
    B,
)
from wse_sim.engine.state import Code, Cores, Costs
from wse_sim.hardware.operations import VectorCode

_MAC = np.int64(VectorCode.MAC)
NO_RUN, SINGLE, HALF, MIXED = map(np.int64, range(4))  # MIXED: f32 += f16 times a number


@jit
def compute_elements(code: Code, cores: Cores, memory: Memory, pe: int, row: int, dst: int, a: int, b: int,
                     count: int, scalar: float) -> None:
    """The values of a whole memory operation, element after element; `scalar` stands for b in a map."""
    op = code.row[row, OP]
    has_scalar = code.row[row, KIND] == MAP
    kind = mac_run(code, row)
    if kind != NO_RUN:
        value = scalar if has_scalar else read(code, cores, memory, pe, row, B, b, np.int64(0))
        add_run(memory, kind, dst, a, value, count)
        return
    keeps = reads_destination(op)
    has_b = code.row[row, B + O_KIND] != NONE
    for i in range(count):
        first = read(code, cores, memory, pe, row, A, a, i)
        second = scalar
        if not has_scalar and has_b:
            second = read(code, cores, memory, pe, row, B, b, i)
        old = read(code, cores, memory, pe, row, DST, dst, i) if keeps else 0.0
        write(code, cores, memory, pe, row, DST, dst, i, compute(op, old, first, second))


@jit
def mac_run(code: Code, row: int) -> int:
    """Which of the runs of `add_run`, if the instruction adds a multiple of a contiguous run to another; or NO_RUN."""
    if code.row[row, OP] == _MAC and (code.row[row, KIND] == MAP or code.row[row, B + O_KIND] != MEMORY):
        if is_run(code, row, DST, F32):
            if is_run(code, row, A, F32):
                return SINGLE
            if is_run(code, row, A, F16):
                return MIXED
        elif is_run(code, row, DST, F16) and is_run(code, row, A, F16):
            return HALF
    return NO_RUN


@jit
def add_run(memory: Memory, kind: int, dst: int, a: int, scalar: float, count: int) -> None:
    if kind == SINGLE:
        mac_single(memory, dst, a, scalar, count)
    elif kind == HALF:
        mac_half(memory, dst, a, scalar, count)
    else:
        mac_mixed(memory, dst, a, scalar, count)


@jit
def is_run(code: Code, row: int, operand: int, dtype: int) -> bool:
    """Whether an operand is a contiguous run of this dtype in memory."""
    return (
        code.row[row, operand + O_KIND] == MEMORY
        and code.row[row, operand + O_DTYPE] == dtype
        and code.row[row, operand + O_STRIDE] == bytes_of(dtype)
        and code.row[row, operand + O_INNER] == 0
    )


@jit
def mac_single(memory: Memory, dst: int, a: int, scalar: float, count: int) -> None:
    values = memory.f32
    to, source = dst >> 2, a >> 2
    for i in range(count):
        values[to + i] = np.float32(np.float64(values[to + i]) + np.float64(values[source + i]) * scalar)


@jit
def mac_half(memory: Memory, dst: int, a: int, scalar: float, count: int) -> None:
    values = memory.u16
    to, source = dst >> 1, a >> 1
    for i in range(count):
        total = half_to_double(values[to + i]) + half_to_double(values[source + i]) * scalar
        values[to + i] = double_to_half(total)


@jit
def mac_mixed(memory: Memory, dst: int, a: int, scalar: float, count: int) -> None:
    values, halves = memory.f32, memory.u16
    to, source = dst >> 2, a >> 1
    for i in range(count):
        values[to + i] = np.float32(np.float64(values[to + i]) + half_to_double(halves[source + i]) * scalar)


@jit
def memory_cycles(code: Code, costs: Costs, row: int, count: int) -> tuple[int, int]:
    """Cycles of `count` elements in memory: at work, and waiting for a port."""
    lanes = np.int64(code.row[row, LANES])
    busy = (count + lanes - 1) // lanes * code.row[row, CYCLES]
    reads = (count * code.row[row, READS] + costs.read_rate - 1) // costs.read_rate
    writes = (count * code.row[row, WRITES] + costs.write_rate - 1) // costs.write_rate
    return busy, max(busy, reads, writes) - busy


@jit
def stalls(code: Code, costs: Costs, row: int, dst: int, a: int, b: int, count: int) -> tuple[int, int]:
    """Cycles lost to bank conflicts and to pending writes by `count` elements in memory."""
    lanes = np.int64(code.row[row, LANES])
    groups = (count + lanes - 1) // lanes
    if groups <= 0:
        return np.int64(0), np.int64(0)
    if uniform(code, costs, row):
        bank = groups * conflicts(code, costs, row, dst, a, b, np.int64(0), lanes)
        pending = (groups - 1) * waits_for_write(code, row, dst, a, b, lanes, lanes)
    else:
        bank, pending = np.int64(0), np.int64(0)
        for group in range(groups):
            bank += conflicts(code, costs, row, dst, a, b, group * lanes, lanes)
            if group > 0:
                pending += waits_for_write(code, row, dst, a, b, group * lanes, lanes)
    return bank * costs.bank_conflict, pending * costs.pending_write


@jit
def uniform(code: Code, costs: Costs, row: int) -> bool:
    """Whether all memory operands move on by the same bytes, whole banks, so that every group meets the same ones."""
    stride = np.int64(-1 << 40)
    for operand in (DST, A, B):
        if code.row[row, operand + O_KIND] == MEMORY:
            if code.row[row, operand + O_INNER] != 0:
                return False
            if stride == -1 << 40:
                stride = np.int64(code.row[row, operand + O_STRIDE])
            elif stride != code.row[row, operand + O_STRIDE]:
                return False
    return code.row[row, LANES] * stride % costs.interleave == 0


@jit
def conflicts(code: Code, costs: Costs, row: int, dst: int, a: int, b: int, index: int, lanes: int) -> int:
    """Pairs of operands that a group reads from the same banks."""
    total = clash(code, costs, row, A, a, B, b, index, lanes)
    if reads_destination(code.row[row, OP]):
        total += clash(code, costs, row, DST, dst, A, a, index, lanes)
        total += clash(code, costs, row, DST, dst, B, b, index, lanes)
    return total


@jit
def clash(code: Code, costs: Costs, row: int, left: int, left_start: int, right: int, right_start: int, index: int,
          lanes: int) -> int:
    """1 when the group's words of two memory operands share a bank and no order of access avoids it.

    A group's words of one operand count as contiguous from its first element. Operands wider than a port are read in
    two halves, which can always take turns unless the operands lie askew.
    """
    if code.row[row, left + O_KIND] != MEMORY or code.row[row, right + O_KIND] != MEMORY:
        return np.int64(0)
    left_low = element(code, row, left, left_start, index)
    right_low = element(code, row, right, right_start, index)
    left_width = lanes * bytes_of(code.row[row, left + O_DTYPE])
    right_width = lanes * bytes_of(code.row[row, right + O_DTYPE])
    port = costs.read_port
    if left_width > port or right_width > port:
        return np.int64((right_low - left_low) % port != 0)
    first, last = left_low // costs.interleave, (left_low + left_width - 1) // costs.interleave
    other_first, other_last = right_low // costs.interleave, (right_low + right_width - 1) // costs.interleave
    apart = (other_first - first) % costs.bank_modulo
    return np.int64(apart <= last - first or costs.bank_modulo - apart <= other_last - other_first)


@jit
def waits_for_write(code: Code, row: int, dst: int, a: int, b: int, index: int, lanes: int) -> int:
    """1 when the group starting at `index` reads bytes that the group before it writes."""
    if code.row[row, DST + O_KIND] != MEMORY:
        return 0
    low = element(code, row, DST, dst, index - lanes)
    high = element(code, row, DST, dst, index - 1)
    if low > high:
        low, high = high, low
    if code.row[row, DST + O_INNER] != 0:
        for i in range(index - lanes + 1, index - 1):
            place = element(code, row, DST, dst, i)
            low, high = min(low, place), max(high, place)
    high += bytes_of(code.row[row, DST + O_DTYPE])
    if reads_destination(code.row[row, OP]) and low <= element(code, row, DST, dst, index) < high:
        return 1
    for operand, start in ((A, a), (B, b)):
        if code.row[row, operand + O_KIND] == MEMORY and low <= element(code, row, operand, start, index) < high:
            return 1
    return 0
