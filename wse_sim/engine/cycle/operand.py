"""Operands of instructions: where an element is, what it holds, whether it lies inside its buffer."""

from __future__ import annotations

import numpy as np

from wse_sim.engine.arithmetic import F16, F32, I16, U16, Memory, encode, load, store
from wse_sim.engine.half import single_of_bits
from wse_sim.engine.jit import jit
from wse_sim.engine.layout import (
    IMMEDIATE,
    MEMORY,
    O_ADVANCE,
    O_BASE,
    O_DTYPE,
    O_HIGH,
    O_INNER,
    O_KIND,
    O_LOW,
    O_OUTER,
    O_STEP,
    O_STRIDE,
    O_WHERE,
    REGISTER,
)
from wse_sim.engine.state import Code, Cores


@jit
def bytes_of(dtype: int) -> int:
    return 2 if dtype == F16 or dtype == I16 or dtype == U16 else 4


@jit
def start_of(code: Code, cores: Cores, memory: Memory, pe: int, row: int, operand: int) -> int:
    """Byte address in the pool of a view's first element."""
    where = code.row[row, operand + O_WHERE]
    start = memory.base[pe] + code.row[row, operand + O_BASE]
    if where >= 0:
        start += np.int64(cores.ints[pe, where]) * bytes_of(code.row[row, operand + O_DTYPE])
    return start


@jit
def element(code: Code, row: int, operand: int, start: int, index: int) -> int:
    """Byte address of element `index` of a view that starts at `start`."""
    inner = code.row[row, operand + O_INNER]
    stride = np.int64(code.row[row, operand + O_STRIDE])
    if inner == 0:
        return start + index * stride
    return start + (index // inner) * np.int64(code.row[row, operand + O_OUTER]) + (index % inner) * stride


@jit
def read(code: Code, cores: Cores, memory: Memory, pe: int, row: int, operand: int, start: int, index: int) -> float:
    """Element `index` of a memory, register or immediate operand."""
    kind = code.row[row, operand + O_KIND]
    dtype = code.row[row, operand + O_DTYPE]
    base = code.row[row, operand + O_BASE]
    if kind == MEMORY:
        return load(memory, dtype, element(code, row, operand, start, index))
    if kind == REGISTER:
        return np.float64(cores.floats[pe, base]) if dtype == F32 else np.float64(cores.ints[pe, base])
    if kind == IMMEDIATE:
        return np.float64(single_of_bits(np.uint32(base))) if dtype == F32 else np.float64(base)
    return 0.0


@jit
def write(code: Code, cores: Cores, memory: Memory, pe: int, row: int, operand: int, start: int, index: int,
          value: float) -> None:
    """Stores an element of a memory or register operand, rounding once."""
    dtype = code.row[row, operand + O_DTYPE]
    if code.row[row, operand + O_KIND] == MEMORY:
        store(memory, dtype, element(code, row, operand, start, index), value)
    elif dtype == F32:
        cores.floats[pe, code.row[row, operand + O_BASE]] = np.float32(value)
    else:
        cores.ints[pe, code.row[row, operand + O_BASE]] = np.int32(np.uint32(encode(dtype, value)))


@jit
def inside(code: Code, memory: Memory, pe: int, row: int, operand: int, start: int, count: int, steps: int) -> bool:
    """Whether `count` elements, moved on `steps` times by a map, stay inside the view's buffer."""
    if code.row[row, operand + O_KIND] != MEMORY or count <= 0 or steps <= 0:
        return True
    stride = np.int64(code.row[row, operand + O_STRIDE])
    inner = np.int64(code.row[row, operand + O_INNER])
    low, high = np.int64(0), (count - 1) * stride
    if inner > 0:
        wide = min(inner, count)
        outer = np.int64(code.row[row, operand + O_OUTER])
        rows, rest = (count - wide) // wide * outer, (count - wide) % wide
        across = (wide - 1) * stride
        low, high = min(0, rows) + min(0, across), max(0, rows) + max(0, across)
        if rest > 0:  # the last row is shorter
            last, across = rows + outer, (rest - 1) * stride
            low, high = min(low, last + min(0, across)), max(high, last + max(0, across))
    elif high < 0:
        low, high = high, low
    moved = (steps - 1) * np.int64(code.row[row, operand + O_STEP])
    first = start - memory.base[pe] + low + min(0, moved)
    last = start - memory.base[pe] + high + max(0, moved) + bytes_of(code.row[row, operand + O_DTYPE])
    return first >= code.row[row, operand + O_LOW] and last <= code.row[row, operand + O_HIGH]


@jit
def advance(code: Code, cores: Cores, pe: int, row: int, operand: int) -> None:
    """Auto-advance: moves the register of a view past what was used."""
    if code.row[row, operand + O_KIND] == MEMORY and code.row[row, operand + O_ADVANCE] != 0:
        cores.ints[pe, code.row[row, operand + O_WHERE]] += code.row[row, operand + O_ADVANCE]
