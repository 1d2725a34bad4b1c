"""Views cut to a length, or moved, by registers."""

from __future__ import annotations

from dataclasses import replace

from wse_sim.program.memory import Buffer, View
from wse_sim.program.register import Register

Operand = View | Buffer


def whole(operand: Operand) -> View:
    """A buffer as a view of all of it."""
    return operand[:] if isinstance(operand, Buffer) else operand


def first(operand: Operand, count: int | Register) -> View:
    """The first `count` elements."""
    return replace(whole(operand), length=count)


def part(operand: Operand, start: Register, count: int | Register) -> View:
    """`count` elements from element `start` on; the view's own offset is kept."""
    return replace(whole(operand).at(start), length=count)
