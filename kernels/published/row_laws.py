"""What the kernels of `row_tiles` compute, in double precision, and what they cost in closed form.

x       (rows, features); costs are from a PE's first instruction to its last, of the PE in the middle of a line
"""

from __future__ import annotations

from math import erf
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import WSE2, Wafer, f16
from wse_sim.kernels.collective import all_reduce
from wse_sim.kernels.collective.plan import plan
from wse_sim.kernels.collective.reduce import Operation
from wse_sim.kernels.price import Price
from wse_sim.kernels.published.row_tiles import Tile

Array = NDArray[Any]

# -- values -------------------------------------------------------------------------------------------


def rms_norm(x: Array, weight: Array, epsilon: float = 1e-5) -> Array:
    """weight * x / sqrt(mean(x * x) + epsilon) of each row."""
    wide = x.astype(np.float64)
    return np.asarray(wide / np.sqrt((wide**2).mean(axis=-1, keepdims=True) + epsilon) * weight)


def layer_norm(x: Array, weight: Array, bias: Array, epsilon: float = 1e-5) -> Array:
    """weight * (x - mean) / sqrt(variance + epsilon) + bias of each row."""
    wide = x.astype(np.float64)
    return rms_norm(wide - wide.mean(axis=-1, keepdims=True), weight, epsilon) + bias


def softmax(x: Array) -> Array:
    """Exponentials of each row over their sum."""
    powers = np.exp(x.astype(np.float64) - x.max(axis=-1, keepdims=True).astype(np.float64))
    return np.asarray(powers / powers.sum(axis=-1, keepdims=True))


def silu(x: Array) -> Array:
    """x * sigmoid(x); a gate multiplies it by y."""
    return np.asarray(x / (1 + np.exp(-x.astype(np.float64))))


def gelu(x: Array) -> Array:
    """x * (1 + erf(x / sqrt(2))) / 2."""
    return np.asarray(x * (1 + np.vectorize(erf)(x.astype(np.float64) / 2**0.5)) / 2)


# -- cycles -------------------------------------------------------------------------------------------


def rms_norm_cost(wafer: Wafer, t: Tile) -> int:
    """Cycles of `row_tiles.emit_rms_norm`."""
    price = Price(wafer)
    dot = price.vector("dot", t.cols, None, f16, f16, in_place=True, clash=True)  # x meets itself in the banks
    square = price.scalar("mov") + dot + price.scalar("fmul store")
    scale = price.scalar("load") + _in_place("mul", price, t.cols, loads=2) + _in_place("mul", price, t.cols, loads=2)
    root = sum(_in_place(name, price, t.rows, loads=1) for name in ("add", "sqrt", "recip"))
    return _each(price, t, square) + _together(wafer, t, "add") + root + _each(price, t, scale)


def layer_norm_cost(wafer: Wafer, t: Tile) -> int:
    """Cycles of `row_tiles.layer_norm`."""
    price = Price(wafer)
    add_up = price.scalar("mov") + price.vector("sum", t.cols, None, f16) + price.scalar("fmul store")
    centre = price.scalar("load") + _in_place("sub", price, t.cols, loads=1)
    shift = _in_place("add", price, t.cols, loads=2)
    norm = _together(wafer, t, "add") + rms_norm_cost(wafer, t)
    return norm + sum(_each(price, t, row) for row in (add_up, centre, shift))


def softmax_cost(wafer: Wafer, t: Tile, *, mapped: bool = False) -> int:
    """Cycles of `row_tiles.emit_softmax`."""
    price = Price(wafer)
    largest = price.scalar("mov") + price.vector("max_of", t.cols, None, f16) + price.scalar("store")
    powers = price.scalar("load mov store")
    if mapped:
        powers += price.vector("sub", t.cols, f16, f16) + _in_place("exp", price, t.cols, loads=1)
        powers += price.vector("sum", t.cols, None, f16)
    else:
        index = "" if not t.by_column else "imul"
        element = price.scalar(f"{index} iadd load fsub store load fadd") + _in_place("exp", price, 1, loads=1)
        powers += price.scalar("" if t.by_column else "imul") + price.loop(t.cols) + t.cols * element
    scale = price.scalar("load") + _in_place("mul", price, t.cols, loads=1)
    both = _together(wafer, t, "max") + _together(wafer, t, "add") + _in_place("recip", price, t.rows, loads=1)
    return both + sum(_each(price, t, row) for row in (largest, powers, scale))


def silu_cost(wafer: Wafer, n: int, *, gate: bool = False) -> int:
    """Cycles of `row_tiles.silu`, or of `silu_gate`."""
    price = Price(wafer)
    element = sum(_in_place(name, price, 1, loads=1) for name in ("exp", "recip")) + price.scalar("load fadd store")
    products = 2 * _in_place("mul", price, n, loads=2) if gate else price.vector("mul", n, f16, f16, f16)
    return price.vector("neg", n, f16, f16) + products + price.loop(n) + n * element


def gelu_cost(wafer: Wafer, n: int) -> int:
    """Cycles of `row_tiles.gelu`."""
    price = Price(wafer)
    scaled = 2 * price.vector("mul", n, f16, f16) + _in_place("add", price, n, loads=1)
    return scaled + _in_place("mul", price, n, loads=2) + price.loop(n) + n * _in_place("erf", price, 1, loads=1)


def launched(wafer: Wafer, cycles: int) -> int:
    """Cycles of a launch that reads the clock before and after so many."""
    return wafer.task_switch_cycles + cycles + 2 * Price(wafer).scalar("clock store")


def _in_place(name: str, price: Price, n: int, *, loads: int) -> int:
    """An operation whose result replaces an operand, with so many descriptors."""
    return price.vector(name, n, f16, f16, f16 if loads > 1 else None, in_place=True)


def _each(price: Price, t: Tile, row: int) -> int:
    """A loop over the rows."""
    return price.scalar("mov") + price.loop(t.rows) + t.rows * (row + price.scalar("iadd"))


def _together(wafer: Wafer, t: Tile, operation: Operation) -> int:
    """An all-reduce of a number per row."""
    return all_reduce.cost(wafer, plan(WSE2, t.width, groups=()), t.rows, operation=operation, dtype=f16)
