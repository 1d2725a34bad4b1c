"""What one element of an operation computes. Values travel as float64, which holds every 32-bit number exactly.

Rounding a float64 sum, difference, product, quotient or root of float32 (or half) operands to float32 (or half) gives
the correctly rounded result (53 >= 2 * 24 + 2), so each element is rounded once. A multiply-add forms its product
exactly, adds in float64 and rounds the sum once to the destination.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np

from wse_sim.engine.half import bits_of_single, double_to_half, half_to_double, single_of_bits
from wse_sim.engine.jit import jit
from wse_sim.hardware.dtypes import f16, f32, i16, i32, u16
from wse_sim.hardware.operations import VectorCode

F16, F32, I16, U16, I32 = (np.int64(d.code) for d in (f16, f32, i16, u16, i32))


class Memory(NamedTuple):
    """The SRAM of all PEs in one pool, seen as each element type."""

    f32: np.ndarray
    i32: np.ndarray
    u32: np.ndarray
    i16: np.ndarray
    u16: np.ndarray
    base: np.ndarray  # (pes,) int64, bytes: start of each PE's data area


@jit
def load(memory: Memory, dtype: int, address: int) -> float:
    """The element at a byte address of the pool."""
    if dtype == F32:
        return np.float64(memory.f32[address >> 2])
    if dtype == F16:
        return half_to_double(memory.u16[address >> 1])
    if dtype == I32:
        return np.float64(memory.i32[address >> 2])
    if dtype == I16:
        return np.float64(memory.i16[address >> 1])
    if dtype == U16:
        return np.float64(memory.u16[address >> 1])
    return np.float64(memory.u32[address >> 2])


@jit
def store(memory: Memory, dtype: int, address: int, value: float) -> None:
    """Rounds (floats) or wraps (integers) once and writes the element."""
    if dtype == F32:
        memory.f32[address >> 2] = np.float32(value)
    elif dtype == F16:
        memory.u16[address >> 1] = double_to_half(value)
    elif dtype == I16 or dtype == U16:
        memory.u16[address >> 1] = np.uint16(integer(value) & 0xFFFF)
    else:
        memory.u32[address >> 2] = np.uint32(integer(value) & 0xFFFFFFFF)


@jit
def encode(dtype: int, value: float) -> int:
    """The bits of an element on the fabric: 32, or the low 16."""
    if dtype == F32:
        return np.int64(bits_of_single(np.float32(value)))
    if dtype == F16:
        return np.int64(double_to_half(value))
    if dtype == I16 or dtype == U16:
        return integer(value) & 0xFFFF
    return integer(value) & 0xFFFFFFFF


@jit
def decode(dtype: int, bits: int) -> float:
    """The element of these bits."""
    if dtype == F32:
        return np.float64(single_of_bits(np.uint32(bits)))
    if dtype == F16:
        return half_to_double(np.uint16(bits))
    if dtype == I32:
        return np.float64(np.int32(np.uint32(bits)))
    if dtype == I16:
        return np.float64(np.int16(np.uint16(bits)))
    return np.float64(bits)


@jit
def integer(value: float) -> int:
    """Truncates towards zero; NaN and values beyond 64 bits give 0."""
    if not (-9.0e18 < value < 9.0e18):
        return 0
    return np.int64(value)


_V = VectorCode
_MOV, _ADD, _SUB, _MUL, _MAX, _MIN = (np.int64(c) for c in (_V.MOV, _V.ADD, _V.SUB, _V.MUL, _V.MAX, _V.MIN))
_NEG, _ABS, _MAC, _AND, _OR, _XOR = (np.int64(c) for c in (_V.NEG, _V.ABS, _V.MAC, _V.AND, _V.OR, _V.XOR))
_SHL, _SHR, _EXP, _TANH, _ERF = (np.int64(c) for c in (_V.SHL, _V.SHR, _V.EXP, _V.TANH, _V.ERF))
_SQRT, _RSQRT, _SUM, _MAX_OF = (np.int64(c) for c in (_V.SQRT, _V.RSQRT, _V.SUM, _V.MAX_OF))
_MIN_OF, _DOT = np.int64(_V.MIN_OF), np.int64(_V.DOT)


INTEGER = np.int64(64)  # added to the codes of products of integers, which float64 would round


@jit
def integer_product(op: int, old: int, a: int, b: int) -> float:
    """a * b, or old + a * b, modulo 2^32."""
    product = a * b if op == _MUL else old + a * b
    return np.float64(product & 0xFFFFFFFF)


@jit
def compute(op: int, old: float, a: float, b: float) -> float:
    """One element of a vector operation; `old` is the destination's value before it."""
    if op == _MAC or op == _DOT:
        return old + a * b
    if op == _MOV:
        return a
    if op == _ADD:
        return a + b
    if op == _SUB:
        return a - b
    if op == _MUL:
        return a * b
    if op == _SUM:
        return old + a
    if op == _MAX:
        return b if b > a else a
    if op == _MIN:
        return b if b < a else a
    if op == _MAX_OF:
        return a if a > old else old
    if op == _MIN_OF:
        return a if a < old else old
    if op == _NEG:
        return -a
    if op == _ABS:
        return abs(a)
    if op <= _SHR:
        return bitwise(op, integer(a), integer(b))
    if op >= INTEGER:
        return integer_product(op - INTEGER, integer(old), integer(a), integer(b))
    return scalar_function(op, a)


@jit
def bitwise(op: int, a: int, b: int) -> float:
    if op == _AND:
        return np.float64(a & b)
    if op == _OR:
        return np.float64(a | b)
    if op == _XOR:
        return np.float64(a ^ b)
    if op == _SHL:
        return np.float64((a << (b & 31)) & 0xFFFFFFFF)
    return np.float64(a >> (b & 31))


@jit
def scalar_function(op: int, a: float) -> float:
    """Transcendentals in float64 by the C library; the destination rounds them once."""
    if op == _EXP:
        return math.exp(a)
    if op == _TANH:
        return math.tanh(a)
    if op == _ERF:
        return math.erf(a)
    if op == _SQRT:
        return np.sqrt(a)
    if op == _RSQRT:
        return 1.0 / np.sqrt(a)
    return 1.0 / a


@jit
def reads_destination(op: int) -> bool:
    """Whether the operation needs the destination's old value."""
    plain = op & (INTEGER - 1)
    return plain == _MAC or plain == _SUM or plain == _MAX_OF or plain == _MIN_OF or plain == _DOT
