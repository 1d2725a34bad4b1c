"""IEEE half precision in compiled code: exact conversions between half bits and float64."""

from __future__ import annotations

from typing import Any

import numpy as np
from llvmlite import binding, ir
from numba import types
from numba.extending import intrinsic

from wse_sim.engine.jit import jit

_HOST = binding.get_host_cpu_features()
_NATIVE = ("aarch64", "arm64")
_HARDWARE = bool(_HOST.get("f16c")) or binding.get_default_triple().startswith(_NATIVE)


@intrinsic  # type: ignore[misc]
def _half_to_single(typingctx: Any, bits: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.fpext(builder.bitcast(args[0], ir.HalfType()), ir.FloatType())

    return types.float32(types.uint16), generate


@intrinsic  # type: ignore[misc]
def _single_to_half(typingctx: Any, value: Any) -> Any:
    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(builder.fptrunc(args[0], ir.HalfType()), ir.IntType(16))

    return types.uint16(types.float32), generate


@intrinsic  # type: ignore[misc]
def bits_of_single(typingctx: Any, value: Any) -> Any:
    """float32 -> its bits as uint32."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.IntType(32))

    return types.uint32(types.float32), generate


@intrinsic  # type: ignore[misc]
def single_of_bits(typingctx: Any, bits: Any) -> Any:
    """uint32 bits -> float32."""

    def generate(context: Any, builder: Any, signature: Any, args: Any) -> Any:
        return builder.bitcast(args[0], ir.FloatType())

    return types.float32(types.uint32), generate


@jit
def _round_to_odd(value: float) -> np.float32:
    """float64 -> float32 truncated, last bit set where anything was lost: a later rounding to half is exact."""
    single = np.float32(value)
    back = np.float64(single)
    if back == value or value != value:
        return single
    bits = np.int64(bits_of_single(single))
    if (back > value) == (value > 0.0):  # rounded away from zero: step back towards it
        bits -= 1
    return single_of_bits(np.uint32(bits | 1))


if _HARDWARE:

    @jit
    def half_to_double(bits: np.uint16) -> float:
        return np.float64(_half_to_single(bits))

    @jit
    def double_to_half(value: float) -> np.uint16:
        """Rounds once, to nearest even."""
        return _single_to_half(_round_to_odd(value))

else:

    @jit
    def half_to_double(bits: np.uint16) -> float:
        sign = -1.0 if bits & 0x8000 else 1.0
        exponent, fraction = (int(bits) >> 10) & 31, int(bits) & 1023
        if exponent == 31:
            return sign * np.inf if fraction == 0 else np.nan
        if exponent == 0:
            return sign * fraction * 2.0**-24
        return sign * (1024 + fraction) * 2.0 ** (exponent - 25)

    @jit
    def double_to_half(value: float) -> np.uint16:
        """Rounds once, to nearest even."""
        bits = np.int64(bits_of_single(_round_to_odd(value)))
        sign, rest = (bits >> 16) & 0x8000, bits & 0x7FFFFFFF
        if rest > 0x7F800000:
            return np.uint16(sign | 0x7E00)
        if rest >= 0x47800000:
            return np.uint16(sign | 0x7C00)
        exponent = (rest >> 23) - 112
        fraction = (rest & 0x7FFFFF) | 0x800000
        shift = 13 if exponent > 0 else min(14 - exponent, 31)
        result = (exponent << 10) + ((fraction >> 13) & 1023) if exponent > 0 else fraction >> shift
        remainder, middle = fraction & ((1 << shift) - 1), 1 << (shift - 1)
        if remainder > middle or (remainder == middle and result & 1):
            result += 1
        return np.uint16(sign | result)
