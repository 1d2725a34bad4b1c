"""Values: Python floats and integers, rounded to an element type; words and bytes of them."""

from __future__ import annotations

import math
import struct
from collections.abc import Callable

import numpy as np

from wse_sim.hardware import DType

Value = int | float
_FORMATS = {"f16": "<e", "f32": "<f", "i16": "<h", "u16": "<H", "i32": "<i", "u32": "<I"}


def rounded(value: Value, dtype: DType) -> Value:
    """The value that an element of the type holds: floats to nearest even, integers wrapped.

    What no 64 bits can hold becomes the integer 0.
    """
    if dtype.is_float:
        with np.errstate(all="ignore"):
            return float(dtype.numpy.type(np.float64(value)))
    if isinstance(value, float) and not abs(value) < 9e18:
        return 0
    bits = 8 * dtype.bytes
    whole = int(value) % (1 << bits)
    signed = dtype.numpy.kind == "i"
    return whole - (1 << bits) if signed and whole >= 1 << (bits - 1) else whole


def to_bytes(value: Value, dtype: DType) -> bytes:
    return struct.pack(_FORMATS[dtype.name], rounded(value, dtype))


def from_bytes(data: bytes, dtype: DType) -> Value:
    value: Value = struct.unpack(_FORMATS[dtype.name], data)[0]
    return value


def to_word(values: list[Value], dtype: DType) -> int:
    """A wavelet: one element of 32 bits, or up to two of 16, low bits first."""
    data = b"".join(to_bytes(value, dtype) for value in values)
    return int.from_bytes(data, "little")


def from_word(word: int, dtype: DType) -> list[Value]:
    data = word.to_bytes(4, "little")
    return [from_bytes(data[i : i + dtype.bytes], dtype) for i in range(0, 4, dtype.bytes)]


# -- functions ------------------------------------------------------------------------------------


def exp(x: float) -> float:
    try:
        return math.exp(x)
    except OverflowError:
        return math.inf


def sqrt(x: float) -> float:
    with np.errstate(all="ignore"):
        return float(np.sqrt(np.float64(x)))


def divide(a: float, b: float) -> float:
    """a / b as IEEE says, also by zero."""
    with np.errstate(all="ignore"):
        return float(np.float64(a) / np.float64(b))


def greater(a: Value, b: Value) -> Value:
    return b if b > a else a


def smaller(a: Value, b: Value) -> Value:
    return b if b < a else a


# -- vector operations ----------------------------------------------------------------------------

VECTOR: dict[str, Callable[[Value, Value, Value], Value]] = {
    "mov": lambda to, a, b: a,
    "add": lambda to, a, b: a + b,
    "sub": lambda to, a, b: a - b,
    "mul": lambda to, a, b: a * b,
    "max": lambda to, a, b: greater(a, b),
    "min": lambda to, a, b: smaller(a, b),
    "neg": lambda to, a, b: -a,
    "abs": lambda to, a, b: abs(a),
    "mac": lambda to, a, b: to + a * b,
    "and": lambda to, a, b: int(a) & int(b),
    "or": lambda to, a, b: int(a) | int(b),
    "xor": lambda to, a, b: int(a) ^ int(b),
    "shl": lambda to, a, b: int(a) << (int(b) & 31),
    "shr": lambda to, a, b: int(a) >> (int(b) & 31),
    "exp": lambda to, a, b: exp(a),
    "tanh": lambda to, a, b: math.tanh(a),
    "erf": lambda to, a, b: math.erf(a),
    "sqrt": lambda to, a, b: sqrt(a),
    "rsqrt": lambda to, a, b: divide(1.0, sqrt(a)),
    "recip": lambda to, a, b: divide(1.0, a),
    "sum": lambda to, a, b: to + a,
    "max_of": lambda to, a, b: greater(to, a),
    "min_of": lambda to, a, b: smaller(to, a),
    "dot": lambda to, a, b: to + a * b,
}
"""What each vector operation computes from (destination, a, b), before rounding."""

# -- scalar operations ----------------------------------------------------------------------------

SCALAR: dict[str, Callable[[Value, Value], Value]] = {
    "iadd": lambda a, b: a + b,
    "isub": lambda a, b: a - b,
    "imul": lambda a, b: a * b,
    "idiv": lambda a, b: a // b,
    "imod": lambda a, b: a % b,
    "imin": smaller,
    "imax": greater,
    "iand": lambda a, b: int(a) & int(b),
    "ior": lambda a, b: int(a) | int(b),
    "ixor": lambda a, b: int(a) ^ int(b),
    "ishl": lambda a, b: int(a) << (int(b) & 31),
    "ishr": lambda a, b: int(a) >> (int(b) & 31),
    "ilt": lambda a, b: int(a < b),
    "ile": lambda a, b: int(a <= b),
    "ieq": lambda a, b: int(a == b),
    "fadd": lambda a, b: a + b,
    "fsub": lambda a, b: a - b,
    "fmul": lambda a, b: a * b,
    "fdiv": divide,
    "fmin": smaller,
    "fmax": greater,
    "flt": lambda a, b: int(a < b),
    "fle": lambda a, b: int(a <= b),
    "feq": lambda a, b: int(a == b),
    "fneg": lambda a, b: -a,
    "fexp": lambda a, b: exp(a),
    "ftanh": lambda a, b: math.tanh(a),
    "ferf": lambda a, b: math.erf(a),
    "fsqrt": lambda a, b: sqrt(a),
    "frsqrt": lambda a, b: divide(1.0, sqrt(a)),
    "i2f": lambda a, b: a,
    "f2i": lambda a, b: a,
    "mov": lambda a, b: a,
}
"""What each scalar operation on registers computes from (a, b), before rounding."""
