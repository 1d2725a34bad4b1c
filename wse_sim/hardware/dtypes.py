"""Types of the elements in SRAM and on the fabric."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

WAVELET_BYTES = 4


@dataclass(frozen=True, repr=False)
class DType:
    """An element type; there is one object of each, in copies and in other processes too.

    code   0..5, the integer that compiled code knows it by
    bytes  per element
    numpy  the numpy dtype of a buffer of it
    """

    name: str
    code: int
    bytes: int
    numpy: np.dtype[Any]

    @property
    def is_float(self) -> bool:
        return self.numpy.kind == "f"

    @property
    def per_wavelet(self) -> int:
        """Elements in one 32-bit wavelet."""
        return WAVELET_BYTES // self.bytes

    def __repr__(self) -> str:
        return self.name

    def __reduce__(self) -> tuple[Callable[[int], DType], tuple[int]]:
        return _of_code, (self.code,)


f16 = DType("f16", 0, 2, np.dtype(np.float16))
f32 = DType("f32", 1, 4, np.dtype(np.float32))
i16 = DType("i16", 2, 2, np.dtype(np.int16))
u16 = DType("u16", 3, 2, np.dtype(np.uint16))
i32 = DType("i32", 4, 4, np.dtype(np.int32))
u32 = DType("u32", 5, 4, np.dtype(np.uint32))

DTYPES: tuple[DType, ...] = (f16, f32, i16, u16, i32, u32)
"""Every type, in the order of the codes."""


def _of_code(code: int) -> DType:
    return DTYPES[code]
