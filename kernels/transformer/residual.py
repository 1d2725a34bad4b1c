"""Residual: adds the output of a half-block to the residual stream, element by element.

hidden, update  (size,) on each PE, split and replicated alike; pads hold 0 and stay 0
rounding        once per element, to the type of `hidden`
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import DType, Wafer, f32
from wse_sim.kernels import rounding
from wse_sim.kernels.price import Price
from wse_sim.kernels.views import Operand, whole
from wse_sim.program.code import Code

Floats = NDArray[np.floating[Any]]


def reference(hidden: Floats, update: Floats) -> Floats:
    """hidden + update, in the type of `hidden`."""
    return rounding.add(hidden, update, hidden.dtype)


def cost(
    wafer: Wafer, size: int, *, dtype: DType = f32, update: DType | None = None, clash: bool = False
) -> int:
    """Cycles on each PE; `clash` unless one buffer lies off the other's banks, at `bank_offset=8`."""
    return Price(wafer).vector("add", size, dtype, dtype, update or dtype, in_place=True, clash=clash)


def emit(pe: Code, hidden: Operand, update: Operand) -> None:
    """hidden += update on every PE of `pe`."""
    with pe.builder.section("residual"):
        pe.add(whole(hidden), whole(hidden), whole(update))
