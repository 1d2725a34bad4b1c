"""Instructions as recordings name them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wse_sim.hardware.dtypes import DTYPES
from wse_sim.hardware.operations import OTHER, REDUCE, mnemonic
from wse_sim.program.instruction import Control, Instruction, Reroute, Scalar, Vector, dtype_of, receives, sends
from wse_sim.program.program import Placed


@dataclass(frozen=True)
class CodeLine:
    """An instruction of the program.

    text      as in the listing
    name      short: the machine's mnemonic of a vector operation, else what it does
    section   of the program
    task      its name
    number    of the task
    receives  colour of its input stream, None without one
    sends     colour of its output stream
    carry     type of the elements on its streams, None without one
    where     file:line that wrote it
    """

    text: str
    name: str
    section: str
    task: str
    number: int
    receives: str | None
    sends: str | None
    carry: str | None
    where: str

    @property
    def elements_per_wavelet(self) -> int:
        """Elements in a wavelet of its streams; 1 without one."""
        return next((dtype.per_wavelet for dtype in DTYPES if dtype.name == self.carry), 1)


def code_lines(placed: Sequence[Placed], sections: Sequence[str]) -> tuple[CodeLine, ...]:
    """Instructions of a program with such sections."""
    return tuple(
        CodeLine(
            text=repr(each.instruction),
            name=_name(each.instruction),
            section=sections[each.section],
            task=each.task.name,
            number=each.task.id,
            receives=next((color.name for color in receives(each.instruction)), None),
            sends=color.name if (color := sends(each.instruction)) is not None else None,
            carry=_carry(each.instruction),
            where=each.where,
        )
        for each in placed
    )


def _carry(instruction: Instruction) -> str | None:
    if not isinstance(instruction, Vector) or not (receives(instruction) or sends(instruction)):
        return None
    return instruction.carry.name


def _name(instruction: Instruction) -> str:
    match instruction:
        case Vector():
            return _vector_name(instruction)
        case Scalar(operation=operation):
            return operation.name
        case Control(mark=mark):
            return mark.value
        case Reroute():
            return "reroute"
        case _:
            return instruction.change.value


def _vector_name(op: Vector) -> str:
    """The machine's mnemonic; where it has none, the operation and the bits of its elements."""
    source = dtype_of(op.a, op.carry)
    known = mnemonic(op.operation, dtype_of(op.to, op.carry), source)
    return f"{op.operation.name}{8 * source.bytes}" if known in (REDUCE, OTHER) else known
