"""What users hand to an instruction, made plain or refused."""

from __future__ import annotations

import numpy as np

from wse_sim.errors import ProgramError
from wse_sim.hardware.dtypes import DType, f32, i32
from wse_sim.program.fabric import Color
from wse_sim.program.instruction import Source, Target
from wse_sim.program.memory import Buffer, Each, View
from wse_sim.program.register import Kind, Number, Register
from wse_sim.program.values import is_number, plain, whole


def as_target(name: str, operand: object) -> Target:
    """A destination; a buffer stands for all of it."""
    if isinstance(operand, Buffer):
        return operand[:]
    if isinstance(operand, View | Color | Register):
        return operand
    raise ProgramError(f"{name}: to={operand!r}: expected a buffer, a view, a colour or a register")


def as_source(name: str, which: str, operand: object) -> Source:
    """A source; a buffer stands for all of it."""
    if isinstance(operand, Buffer):
        return operand[:]
    if isinstance(operand, View | Color | Register):
        return operand
    if is_number(operand):
        return plain(operand, f"{which} of {name}")
    hint = "; each(...) goes last, as b" if isinstance(operand, Each) else ""
    raise ProgramError(
        f"{name}: {which}={operand!r}: expected a buffer, a view, a colour, a register or a number{hint}"
    )


def as_view(name: str, operand: object) -> View:
    """A view; a buffer stands for all of it."""
    if isinstance(operand, Buffer):
        return operand[:]
    if isinstance(operand, View):
        return operand
    raise ProgramError(f"{name}({operand!r}): expected a buffer or a view")


def as_register(name: str, operand: object) -> Register:
    """A register and nothing else."""
    if not isinstance(operand, Register):
        raise ProgramError(f"{name}({operand!r}): expected a register; make one with pe.integer or pe.real")
    return operand


def as_count(what: str, value: object) -> int | Register:
    """A length or a count."""
    if not isinstance(value, Register):
        return whole(value, what, least=0)
    if value.kind != "int":
        raise ProgramError(f"{what} is {value!r}, a float: expected an int register; use pe.to_int")
    return value


def scalar_operand(name: str, kind: Kind, operand: object) -> Register | Number:
    """A register or a number of the kind that a scalar instruction takes."""
    if isinstance(operand, Register):
        if operand.kind != kind:
            raise ProgramError(f"{name} takes {kind} operands, not {operand!r}; convert it first with pe.to_{kind}")
        return operand
    if not is_number(operand):
        raise ProgramError(f"{name} of {operand!r}: expected a register or a number")
    if kind == "int" and isinstance(operand, float | np.floating):
        raise ProgramError(f"{name} takes int operands, not {operand}: expected a whole number; write int(...)")
    return plain(operand, f"operand of {name}")


def common_length(name: str, target: Target, first: Source, second: Source | Each | None) -> int | Register:
    """The common length of the views; sources first."""
    lengths = [v.length for v in (first, second, target) if isinstance(v, View)]
    if not lengths:
        raise ProgramError(f"{name}: no operand is a view, so the length is unknown; give n=")
    fixed = {x for x in lengths if isinstance(x, int)}
    loaded = {x.serial for x in lengths if isinstance(x, Register)}
    if len(fixed) > 1 or len(loaded) > 1:
        text = f"{name} {target!r} <- {first!r}" + (f", {second!r}" if second is not None else "")
        what = f"lengths {sorted(fixed)} differ" if len(fixed) > 1 else "lengths are different registers"
        raise ProgramError(f"{text}: {what}: expected one length; shorten a view, or give n=")
    return lengths[0]


def carried(target: Target, first: Source, second: Source | Each | None) -> DType:
    """Type of elements on the fabric unless the user says: of the first view, else of the first register."""
    for operand in (first, second, target):
        if isinstance(operand, View):
            return operand.dtype
    for operand in (first, second, target):
        if isinstance(operand, Register):
            return i32 if operand.kind == "int" else f32
    return f32
