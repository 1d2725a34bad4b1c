"""Arithmetic as a PE does it, in numpy, for references: every result rounded once, elements one after the other.

Operands are widened to float64, which holds every product of two elements exactly; `SEMANTICS.md`, "Values".
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, DTypeLike, NDArray

from wse_sim.errors import UsageError

Floats = NDArray[np.floating[Any]]
_quiet = np.errstate(all="ignore")  # infinite and undefined results go on without a word, as on the machine


@_quiet
def rounded(x: ArrayLike, dtype: DTypeLike) -> Floats:
    """Numbers in float64, rounded to an element type; what is too large becomes infinite, as on the machine."""
    result: Floats = np.asarray(x).astype(dtype)
    return result


def stored(x: Floats, dtype: DTypeLike, name: str) -> Floats:
    """What the host hands over, rounded to the type in which it is kept; UsageError if that cannot hold it."""
    found = rounded(x, dtype)
    if not np.isfinite(found).all():
        kind = np.dtype(dtype)
        raise UsageError(f"{name} has values that {kind} cannot hold, {np.finfo(kind).max:g} at most; choose f32")
    return found


def wide(x: ArrayLike) -> Floats:
    """In float64."""
    return np.asarray(x, np.float64)


def number(x: float) -> float:
    """A number among floats in a program, which is of float32."""
    return float(np.float32(x))


@_quiet
def add(a: ArrayLike, b: ArrayLike, dtype: DTypeLike = np.float32) -> Floats:
    """a + b"""
    return rounded(wide(a) + wide(b), dtype)


@_quiet
def sub(a: ArrayLike, b: ArrayLike, dtype: DTypeLike = np.float32) -> Floats:
    """a - b"""
    return rounded(wide(a) - wide(b), dtype)


@_quiet
def mul(a: ArrayLike, b: ArrayLike, dtype: DTypeLike = np.float32) -> Floats:
    """a * b"""
    return rounded(wide(a) * wide(b), dtype)


@_quiet
def div(a: ArrayLike, b: ArrayLike, dtype: DTypeLike = np.float32) -> Floats:
    """a / b"""
    return rounded(wide(a) / wide(b), dtype)


@_quiet
def mac(to: Floats, a: ArrayLike, b: ArrayLike) -> Floats:
    """to + a * b, in the type of `to`."""
    return rounded(wide(to) + wide(a) * wide(b), to.dtype)


@_quiet
def total(x: Floats) -> Floats:
    """The sum over the last axis in a register, element after element."""
    result: Floats = np.add.accumulate(x.astype(np.float32), axis=-1)[..., -1]
    return result


def dot(a: Floats, b: Floats) -> Floats:
    """The sum of products over the last axis in a register, element after element."""
    found = np.zeros(np.broadcast_shapes(a.shape, b.shape)[:-1], np.float32)
    for i in range(a.shape[-1]):
        found = mac(found, a[..., i], b[..., i])
    return found


@_quiet
def rsqrt(x: ArrayLike) -> Floats:
    """1 / the square root, of float32."""
    return rounded(1 / np.sqrt(wide(x)), np.float32)


def exp(x: ArrayLike, dtype: DTypeLike = np.float32) -> Floats:
    """e to the power x"""
    return _by_element(math.exp, x, dtype)


def tanh(x: ArrayLike, dtype: DTypeLike = np.float32) -> Floats:
    """The hyperbolic tangent."""
    return _by_element(math.tanh, x, dtype)


def erf(x: ArrayLike, dtype: DTypeLike = np.float32) -> Floats:
    """The error function."""
    return _by_element(math.erf, x, dtype)


def _by_element(function: Callable[[float], float], x: ArrayLike, dtype: DTypeLike) -> Floats:
    """By the C library, as in the machine: numpy's own functions may differ in the last bit."""
    given = wide(x)
    found = np.fromiter((function(v) for v in given.ravel().tolist()), np.float64, given.size)
    return rounded(found.reshape(given.shape), dtype)
