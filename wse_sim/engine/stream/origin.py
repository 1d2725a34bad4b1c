"""Where the whole numbers in registers come from, while a script is written; what of them control has read."""

from __future__ import annotations

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.arithmetic import F16, F32, load, reads_destination
from wse_sim.engine.cycle.main_thread import run_instruction
from wse_sim.engine.cycle.operand import bytes_of, inside, start_of
from wse_sim.engine.cycle.tally import begin_segment, enter_instruction, hold
from wse_sim.engine.jit import jit
from wse_sim.engine.layout import DST, EACH, A, B
from wse_sim.engine.stream.stores import is_written, keep_store, store_at, writes_numbers
from wse_sim.engine.stream.tables import (
    EXACT,
    FAULT,
    FINE,
    MEMORY_NODE,
    OPERATION_NODE,
    REGISTER_NODE,
    S_ORIGIN,
    S_VALUE,
    SCRATCH,
    X_A,
    X_B,
    X_KIND,
    X_LEFT,
    X_NEED,
    X_OP,
    X_RIGHT,
    X_VALUE,
    Stream,
)
from wse_sim.hardware.operations import ScalarCode
from wse_sim.hardware.states import State as Doing

CONSTANT, DATA, UNSEEN = map(np.int64, (-1, -2, -3))
"""Origin of a register's value: the same for all that run the script so far, numbers, as at the launch's begin; or a
node."""

_OVERHEAD, _SCALAR = np.int64(Doing.OVERHEAD), np.int64(Doing.SCALAR)
_C = ScalarCode
_IDIV, _IMOD, _IEQ, _MOV = (np.int64(c) for c in (_C.IDIV, _C.IMOD, _C.IEQ, _C.MOV))
_LOAD, _STORE, _CLOCK = np.int64(_C.LOAD), np.int64(_C.STORE), np.int64(_C.CLOCK)
ZERO, ONE = np.int64(0), np.int64(1)


@jit
def comes_from(stream: Stream, script: int, register: int, origin: int) -> None:
    stream.scripts.origin[script, register] = origin


@jit
def origin_of(stream: Stream, script: int, register: int) -> int:
    """Of a register; one that is seen for the first time becomes a node."""
    origin = np.int64(stream.scripts.origin[script, register])
    if origin == UNSEEN:
        value = np.int64(stream.solo.cores.ints[ZERO, register])
        origin = add_node(stream, REGISTER_NODE, ZERO, CONSTANT, CONSTANT, register, ZERO, value)
        stream.scripts.origin[script, register] = origin
    return origin


@jit
def add_node(stream: Stream, kind: int, op: int, left: int, right: int, a: int, b: int, value: int) -> int:
    """The new node, or DATA if there are too many."""
    node, place = stream.scripts.scratch, stream.counter[SCRATCH]
    if place == node.shape[0]:
        return DATA
    node[place, X_KIND], node[place, X_OP], node[place, X_LEFT], node[place, X_RIGHT] = kind, op, left, right
    node[place, X_A], node[place, X_B], node[place, X_NEED], node[place, X_VALUE] = a, b, 0, value
    stream.counter[SCRATCH] = place + 1
    return place


@jit
def need(stream: Stream, script: int, register: int, what: int) -> bool:
    """Control reads a register; False when it holds numbers."""
    origin = origin_of(stream, script, register)
    if origin == DATA:
        return False
    if origin >= 0:
        stream.scripts.scratch[origin, X_NEED] = max(stream.scripts.scratch[origin, X_NEED], what)
    return True


# -- scalar instructions ----------------------------------------------------------------------------------


@jit
def run_scalar(stream: Stream, script: int, row: int, time: int) -> tuple[int, bool]:
    """Runs a scalar instruction as far as control may need it.

    Returns FINE or FAULT, and whether only numbers can tell if it is at fault.
    """
    op = stream.solo.code.row[row, at.OP]
    if op == _LOAD:
        return run_load(stream, script, row, time)
    if op == _STORE:
        return run_store(stream, script, row, time)
    rows = stream.solo.code.row
    left, right = operand_origin(stream, script, row, A), operand_origin(stream, script, row, B)
    to = rows[row, DST + at.O_BASE]
    whole = (op <= _IEQ or op == _MOV) and rows[row, DST + at.O_DTYPE] != F32
    if not whole or left == DATA or right == DATA:
        pass_scalar(stream, row, time)
        comes_from(stream, script, to, DATA)
        return FINE, op == _CLOCK or ((op == _IDIV or op == _IMOD) and right == DATA)
    a, b = operand_number(stream, row, A), operand_number(stream, row, B)
    if not run_instruction(stream.solo, ZERO, time, True, ZERO):
        return FAULT, False
    origin = CONSTANT
    if op == _MOV:
        origin = left
    elif left >= 0 or right >= 0:
        value = np.int64(stream.solo.cores.ints[ZERO, to])
        origin = add_node(stream, OPERATION_NODE, op, left, right, a, b, value)
    comes_from(stream, script, to, origin)
    return FINE, False


@jit
def operand_origin(stream: Stream, script: int, row: int, operand: int) -> int:
    """Of a source of a scalar operation; fractions are numbers."""
    rows = stream.solo.code.row
    kind = rows[row, operand + at.O_KIND]
    if kind == at.NONE:
        return CONSTANT
    if rows[row, operand + at.O_DTYPE] == F32:
        return DATA
    return origin_of(stream, script, rows[row, operand + at.O_BASE]) if kind == at.REGISTER else CONSTANT


@jit
def operand_number(stream: Stream, row: int, operand: int) -> int:
    rows = stream.solo.code.row
    base = np.int64(rows[row, operand + at.O_BASE])
    if rows[row, operand + at.O_KIND] == at.REGISTER:
        return np.int64(stream.solo.cores.ints[ZERO, base])
    return base if rows[row, operand + at.O_KIND] != at.NONE else ZERO


@jit
def pass_scalar(stream: Stream, row: int, time: int) -> None:
    """The cycles of a scalar instruction, which itself is not done."""
    solo = stream.solo
    enter_instruction(solo, ZERO, row, time, ZERO)
    solo.cores.state[ZERO, at.PC] += 1
    begin_segment(solo, ZERO, time, ZERO, _OVERHEAD, ZERO)
    hold(solo, ZERO, ZERO, _SCALAR, solo.code.row[row, at.COST])


@jit
def run_store(stream: Stream, script: int, row: int, time: int) -> tuple[int, bool]:
    rows = stream.solo.code.row
    where, origin = rows[row, DST + at.O_WHERE], operand_origin(stream, script, row, A)
    value = operand_number(stream, row, A) if origin != DATA else ZERO
    pass_scalar(stream, row, time)
    if where >= 0 and not need(stream, script, where, EXACT):
        writes_numbers(stream, row)
        return FINE, True
    if not is_inside(stream, row, DST):
        return FAULT, False
    if origin == DATA:
        writes_numbers(stream, row)
    else:
        keep_store(stream, row, offset_of(stream, row, DST), value, origin)
    return FINE, False


@jit
def run_load(stream: Stream, script: int, row: int, time: int) -> tuple[int, bool]:
    """A load's value is known if the PE has not written there, or a known number."""
    solo = stream.solo
    rows = solo.code.row
    where, to = rows[row, A + at.O_WHERE], rows[row, DST + at.O_BASE]
    dtype = np.int64(rows[row, A + at.O_DTYPE])
    pass_scalar(stream, row, time)
    if where >= 0 and not need(stream, script, where, EXACT):
        comes_from(stream, script, to, DATA)
        return FINE, True
    if not is_inside(stream, row, A):
        return FAULT, False
    fraction = dtype == F32 or dtype == F16 or rows[row, DST + at.O_DTYPE] == F32
    low, stored = offset_of(stream, row, A), stream.scripts.stored
    known = store_at(stream, low, dtype)
    if fraction or (known < 0 and is_written(stream, low, low + bytes_of(dtype))):
        comes_from(stream, script, to, DATA)
        return FINE, False
    if known >= 0:
        value, origin = stored[known, S_VALUE], np.int64(stored[known, S_ORIGIN])
    else:
        value = number_at(stream, np.int64(solo.memory.base[ZERO]), dtype, low)
        origin = add_node(stream, MEMORY_NODE, dtype, CONSTANT, CONSTANT, low, ZERO, value)
    solo.cores.ints[ZERO, to] = np.int32(value)
    comes_from(stream, script, to, origin)
    return FINE, False


@jit
def offset_of(stream: Stream, row: int, operand: int) -> int:
    """Of a scalar operand in the data area, bytes."""
    rows = stream.solo.code.row
    where, low = rows[row, operand + at.O_WHERE], np.int64(rows[row, operand + at.O_BASE])
    if where >= 0:
        low += np.int64(stream.solo.cores.ints[ZERO, where]) * bytes_of(rows[row, operand + at.O_DTYPE])
    return low


@jit
def is_inside(stream: Stream, row: int, operand: int) -> bool:
    solo = stream.solo
    start = start_of(solo.code, solo.cores, solo.memory, ZERO, row, operand)
    return inside(solo.code, solo.memory, ZERO, row, operand, start, ONE, ONE)


@jit
def number_at(stream: Stream, base: int, dtype: int, offset: int) -> int:
    """A whole number in a data area that begins at byte `base`, as a register holds it."""
    return wrapped(np.int64(load(stream.state.memory, dtype, base + offset)))


@jit
def wrapped(value: int) -> int:
    return np.int64(np.int32(np.uint32(value & 0xFFFFFFFF)))


# -- views whose place is a number ------------------------------------------------------------------------


@jit
def place_of_data(stream: Stream, row: int, operand: int) -> bool:
    """Puts a view whose place is data at its buffer's begin, if no stall can depend on where it is."""
    solo = stream.solo
    rows = solo.code.row
    if operand != EACH:
        for other in (DST, A, B):
            if other == operand or rows[row, other + at.O_KIND] != at.MEMORY:
                continue
            if is_read(stream, row, operand) and is_read(stream, row, other):
                return False
            apart = (
                rows[row, operand + at.O_HIGH] <= rows[row, other + at.O_LOW]
                or rows[row, other + at.O_HIGH] <= rows[row, operand + at.O_LOW]
            )
            if (operand == DST or other == DST) and not apart:
                return False
    size = bytes_of(rows[row, operand + at.O_DTYPE])
    begin = (rows[row, operand + at.O_LOW] - rows[row, operand + at.O_BASE]) // size
    solo.cores.ints[ZERO, rows[row, operand + at.O_WHERE]] = np.int32(begin)
    return True


@jit
def is_read(stream: Stream, row: int, operand: int) -> bool:
    return operand != DST or reads_destination(stream.solo.code.row[row, at.OP])
