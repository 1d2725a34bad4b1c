"""Scalar instructions: arithmetic on registers, loads, stores, the clock."""

from __future__ import annotations

import numpy as np

from wse_sim.engine.arithmetic import scalar_function
from wse_sim.engine.cycle.operand import inside, read, start_of, write
from wse_sim.engine.jit import jit
from wse_sim.engine.layout import DST, OP, A, B
from wse_sim.engine.state import State
from wse_sim.hardware.operations import ScalarCode, VectorCode

FINE, OUTSIDE, DIVISION = map(np.int64, range(3))
_ZERO, _ONE = np.int64(0), np.int64(1)

_C, _V = ScalarCode, VectorCode
_IADD, _ISUB, _IMUL, _IDIV, _IMOD = (np.int64(c) for c in (_C.IADD, _C.ISUB, _C.IMUL, _C.IDIV, _C.IMOD))
_IMIN, _IMAX, _IAND, _IOR, _IXOR = (np.int64(c) for c in (_C.IMIN, _C.IMAX, _C.IAND, _C.IOR, _C.IXOR))
_ISHL, _ISHR, _ILT, _ILE, _IEQ = (np.int64(c) for c in (_C.ISHL, _C.ISHR, _C.ILT, _C.ILE, _C.IEQ))
_FADD, _FSUB, _FMUL, _FDIV, _FMIN = (np.int64(c) for c in (_C.FADD, _C.FSUB, _C.FMUL, _C.FDIV, _C.FMIN))
_FMAX, _FLT, _FLE, _FEQ, _FNEG = (np.int64(c) for c in (_C.FMAX, _C.FLT, _C.FLE, _C.FEQ, _C.FNEG))
_FEXP, _FTANH, _FERF, _FSQRT, _FRSQRT = (np.int64(c) for c in (_C.FEXP, _C.FTANH, _C.FERF, _C.FSQRT, _C.FRSQRT))
_LOAD, _STORE, _CLOCK = (np.int64(c) for c in (_C.LOAD, _C.STORE, _C.CLOCK))
_EXP, _TANH, _ERF, _SQRT, _RSQRT = (np.int64(c) for c in (_V.EXP, _V.TANH, _V.ERF, _V.SQRT, _V.RSQRT))


@jit
def execute(state: State, pe: int, row: int, now: int) -> int:
    """Runs one scalar instruction; returns FINE or what went wrong."""
    code, cores, memory = state.code, state.cores, state.memory
    op = code.row[row, OP]
    if op == _CLOCK:
        write(code, cores, memory, pe, row, DST, _ZERO, _ZERO, np.float64(now & 0x7FFFFFFF))
        return FINE
    source = DST if op == _STORE else A
    start = start_of(code, cores, memory, pe, row, source)
    if (op == _LOAD or op == _STORE) and not inside(code, memory, pe, row, source, start, _ONE, _ONE):
        return OUTSIDE
    if op == _STORE:
        write(code, cores, memory, pe, row, DST, start, _ZERO, read(code, cores, memory, pe, row, A, _ZERO, _ZERO))
        return FINE
    a = read(code, cores, memory, pe, row, A, start, _ZERO)
    b = read(code, cores, memory, pe, row, B, _ZERO, _ZERO)
    if (op == _IDIV or op == _IMOD) and b == 0.0:
        return DIVISION
    value = on_integers(op, np.int64(a), np.int64(b)) if op <= _IEQ else on_floats(op, a, b)
    write(code, cores, memory, pe, row, DST, _ZERO, _ZERO, value)
    return FINE


@jit
def on_integers(op: int, a: int, b: int) -> float:
    """Division and remainder round towards minus infinity, as in Python."""
    result = np.int64(0)
    if op == _IADD:
        result = a + b
    elif op == _ISUB:
        result = a - b
    elif op == _IMUL:
        result = a * b
    elif op == _IDIV:
        result = a // b
    elif op == _IMOD:
        result = a % b
    elif op == _IMIN:
        result = min(a, b)
    elif op == _IMAX:
        result = max(a, b)
    elif op == _IAND:
        result = a & b
    elif op == _IOR:
        result = a | b
    elif op == _IXOR:
        result = a ^ b
    elif op == _ISHL:
        result = a << (b & 31)
    elif op == _ISHR:
        result = a >> (b & 31)
    elif op == _ILT:
        result = np.int64(a < b)
    elif op == _ILE:
        result = np.int64(a <= b)
    elif op == _IEQ:
        result = np.int64(a == b)
    return np.float64(result & 0xFFFFFFFF)


@jit
def on_floats(op: int, a: float, b: float) -> float:
    if op == _FADD:
        return a + b
    if op == _FSUB:
        return a - b
    if op == _FMUL:
        return a * b
    if op == _FDIV:
        return a / b
    if op == _FMIN:
        return b if b < a else a
    if op == _FMAX:
        return b if b > a else a
    if op == _FLT:
        return np.float64(a < b)
    if op == _FLE:
        return np.float64(a <= b)
    if op == _FEQ:
        return np.float64(a == b)
    if op == _FNEG:
        return -a
    if op == _FEXP:
        return scalar_function(_EXP, a)
    if op == _FTANH:
        return scalar_function(_TANH, a)
    if op == _FERF:
        return scalar_function(_ERF, a)
    if op == _FSQRT:
        return scalar_function(_SQRT, a)
    if op == _FRSQRT:
        return scalar_function(_RSQRT, a)
    return a  # mov, load, i2f, f2i: the destination's type converts
