"""Numbers that users hand in, made plain or refused."""

from __future__ import annotations

import math
import operator
from typing import TypeGuard

import numpy as np

from wse_sim.errors import ProgramError

LARGEST_FLOAT = float(np.finfo(np.float32).max)


def whole(value: object, what: str, *, least: int | None = None) -> int:
    """A whole number as a Python int."""
    if type(value) is int and (least is None or value >= least):
        return value
    bound = "" if least is None else f", {least} or more"
    number = value
    if isinstance(value, bool | np.bool_ | float):
        number = None
    try:
        found = operator.index(number)  # type: ignore[arg-type]
    except (TypeError, ProgramError):  # the latter from registers, which have no value yet
        raise ProgramError(f"{what} is {value!r}: expected a whole number{bound}") from None
    if least is not None and found < least:
        raise ProgramError(f"{what} is {found}: expected a whole number{bound}")
    return found


def is_number(value: object) -> TypeGuard[int | float]:
    """True for the numbers of Python and of numpy, not for truth values."""
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)


def plain(value: int | float, what: str) -> int | float:
    """A number that 32 bits can hold, as a Python int or float."""
    if isinstance(value, int | np.integer):
        if not -(1 << 31) <= int(value) < 1 << 32:
            raise ProgramError(f"{what} is {value}: expected a number of 32 bits; keep larger ones in two words")
        return int(value)
    number = float(value)
    if math.isfinite(number) and abs(number) > LARGEST_FLOAT:
        raise ProgramError(f"{what} is {number}: expected a float32, at most {LARGEST_FLOAT:.4g}")
    return number
