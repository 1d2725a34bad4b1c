"""Whole numbers that a PE has stored in its own memory, while a script is written; what else it has written there."""

from __future__ import annotations

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.arithmetic import I32
from wse_sim.engine.cycle.operand import bytes_of
from wse_sim.engine.jit import jit
from wse_sim.engine.layout import DST
from wse_sim.engine.stream.tables import S_LOW, S_ORIGIN, S_VALUE, STORED, TOUCHED, Stream

NUMBERS = np.uint8(2)  # bit of `touched`: the instruction has written what only numbers tell
ZERO = np.int64(0)


@jit
def writes_numbers(stream: Stream, row: int) -> None:
    """The instruction writes to its buffer: nothing is known any more of what is there."""
    rows, scripts = stream.solo.code.row, stream.scripts
    if rows[row, DST + at.O_KIND] == at.MEMORY:
        scripts.touched[row] |= NUMBERS
        forget(stream, np.int64(rows[row, DST + at.O_LOW]), np.int64(rows[row, DST + at.O_HIGH]))


@jit
def forget(stream: Stream, low: int, high: int) -> None:
    """Of all stores to these bytes."""
    stored, counter = stream.scripts.stored, stream.counter
    each = ZERO
    while each < counter[STORED]:
        if stored[each, S_LOW] < high and low < stored[each, S_LOW] + bytes_of(I32):
            counter[STORED] -= 1
            for column in range(stored.shape[1]):
                stored[each, column] = stored[counter[STORED], column]
        else:
            each += 1


@jit
def keep_store(stream: Stream, row: int, low: int, value: int, origin: int) -> None:
    """The instruction stores a known whole number at an offset of the data area."""
    stored, counter = stream.scripts.stored, stream.counter
    if stream.solo.code.row[row, DST + at.O_DTYPE] != I32 or counter[STORED] == stored.shape[0]:
        writes_numbers(stream, row)
        return
    forget(stream, low, low + bytes_of(I32))
    place = counter[STORED]
    stored[place, S_LOW], stored[place, S_VALUE], stored[place, S_ORIGIN] = low, value, origin
    counter[STORED] = place + 1


@jit
def store_at(stream: Stream, low: int, dtype: int) -> int:
    """The known store whose number a load finds; -1: there is none."""
    if dtype == I32:
        for each in range(stream.counter[STORED]):
            if stream.scripts.stored[each, S_LOW] == low:
                return np.int64(each)
    return np.int64(-1)


@jit
def is_written(stream: Stream, low: int, high: int) -> bool:
    """Whether any of these bytes may no longer hold what the launch found there.

    Without numbers, memory that the code writes holds what earlier launches left out.
    """
    scripts, rows, code = stream.scripts, stream.solo.code.row, stream.scripts.code[stream.solo.cores.role[ZERO]]
    ever = False
    for each in range(scripts.first[code], scripts.first[code + 1]):
        ever |= scripts.range[each, 0] < high and low < scripts.range[each, 1]
    if not ever or not stream.begin[2]:
        return ever
    for each in range(stream.counter[STORED]):
        if scripts.stored[each, S_LOW] < high and low < scripts.stored[each, S_LOW] + bytes_of(I32):
            return True
    for each in range(stream.counter[TOUCHED]):
        row = scripts.rows[each]
        if scripts.touched[row] & NUMBERS != 0:
            if rows[row, DST + at.O_LOW] < high and low < rows[row, DST + at.O_HIGH]:
                return True
    return False
