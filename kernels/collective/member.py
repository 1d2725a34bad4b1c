"""Checks that code and data fit the lines that a collective was made for."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

from wse_sim.errors import ProgramError
from wse_sim.hardware import Region
from wse_sim.kernels.axis import Axis
from wse_sim.program.code import Code
from wse_sim.program.fabric import Color
from wse_sim.program.memory import Buffer, View

Operand = View | Buffer
Palette = Callable[[str], Color]
"""Gives the colour of a name: a new one each time, as Builder.color does, or a shared one."""


def lines_of(pe: Code, region: Region, axis: Axis, name: str) -> Region:
    """The region of `pe`, which must be whole lines of `region` along the axis."""
    if not pe.region or axis.span(pe.region) != axis.span(region) or not region.contains(pe.region):
        raise ProgramError(
            f"{name} runs along {axis.name} of {region!r}, but the code is for {pe.region!r}: "
            "expected whole lines of it; write it for some of its lines, or make another one for that region"
        )
    return pe.region


def steady(x: Operand) -> View:
    """A buffer or view that may be used several times in a row."""
    view = x[:] if isinstance(x, Buffer) else x
    if view.advance:
        raise ProgramError(
            f"{view!r} advances after each use, which a collective cannot follow: add to its register afterwards"
        )
    return view


def join_slot(pe: Code, slot: int, x: View) -> None:
    """Waits for a background slot: an empty operation that needs the slot cannot be issued before."""
    nothing = replace(x, length=0)
    pe.mov(nothing, 0.0 if x.dtype.is_float else 0, slot=slot)


def position(index: int, length: int, name: str) -> int:
    """A position on a line, counted from its end if negative."""
    if not -length <= index < length:
        raise ProgramError(f"{name}: position {index} on a line of {length} PEs; expected {-length} to {length - 1}")
    return index % length
