"""What a PE executes: vector operations, scalar instructions and control, as plain values."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from wse_sim.errors import ProgramError
from wse_sim.hardware.dtypes import DType, f32, i32
from wse_sim.hardware.geometry import Route
from wse_sim.hardware.operations import ScalarOperation, VectorOperation
from wse_sim.program.fabric import Color
from wse_sim.program.memory import Each, View
from wse_sim.program.register import Number, Register

Source = View | Color | Register | int | float
Target = View | Color | Register


@dataclass(frozen=True, eq=False)
class Task:
    """Code that runs to completion once it is active and not blocked.

    trigger  colour whose wavelets start the task, each wavelet in `argument`; None for a local task
    where    file:line that made it
    """

    name: str
    id: int
    trigger: Color | None = None
    argument: Register | None = None
    where: str = ""

    def __repr__(self) -> str:
        return self.name


class Done(Enum):
    """What the end of an asynchronous operation does to a task."""

    NOTHING = 0
    ACTIVATE = 1
    UNBLOCK = 2


@dataclass(frozen=True, eq=False)
class Completion:
    """Applied once, when the last element of an asynchronous operation is done."""

    done: Done
    task: Task

    def __repr__(self) -> str:
        return f"{self.done.name.lower()} {self.task!r}"


def activate(task: Task) -> Completion:
    """The completion that activates a task."""
    return Completion(Done.ACTIVATE, _task(task, "activate"))


def unblock(task: Task) -> Completion:
    """The completion that unblocks a task."""
    return Completion(Done.UNBLOCK, _task(task, "unblock"))


def _task(task: object, what: str) -> Task:
    if not isinstance(task, Task):
        raise ProgramError(f"{what}({task!r}): expected a task; make one with builder.task(name)")
    return task


@dataclass(frozen=True)
class HighPriority:
    """A background slot that goes before the main thread, which stands still meanwhile."""

    slot: int


Slot = int | HighPriority
"""A background slot; of low priority, it goes in the cycles that the main thread leaves free."""


@dataclass(frozen=True, eq=False)
class Vector:
    """One vector operation `to = op(a, b)`; with an `Each` as `b` it is a map.

    length  elements; a register when known only at run time
    carry   dtype of its elements on the fabric
    slot    background slot of an asynchronous operation, None for a synchronous one
    high    whether the slot goes before the main thread
    """

    operation: VectorOperation
    to: Target
    a: Source
    b: Source | Each | None
    length: int | Register
    carry: DType
    slot: int | None = None
    high: bool = False
    then: Completion | None = None

    def __repr__(self) -> str:
        text = f"{self.operation.name} {self.to!r} <- {self.a!r}"
        text += f", {self.b!r}" if self.b is not None else ""
        text += f"  n={self.length!r}"
        text += f" as {self.carry!r}" if any(isinstance(x, Color) for x in (self.to, self.a, self.b)) else ""
        text += f"  async {self.slot}{' high' if self.high else ''}" if self.slot is not None else ""
        return text + (f" then {self.then!r}" if self.then else "")


@dataclass(frozen=True, eq=False)
class Scalar:
    """One scalar instruction; `to` is None for a store, `view` is the element loaded or stored."""

    operation: ScalarOperation
    to: Register | None
    a: Register | Number | None = None
    b: Register | Number | None = None
    view: View | None = None

    def __repr__(self) -> str:
        operands = ", ".join(repr(x) for x in (self.view, self.a, self.b) if x is not None)
        target = f"{self.to!r} <- " if self.to is not None else ""
        return f"{target}{self.operation.name} {operands}"


class Mark(Enum):
    """Structured control: begins and ends that nest."""

    LOOP = "loop"
    END_LOOP = "end loop"
    WHEN = "when"
    OTHERWISE = "otherwise"
    END_WHEN = "end when"


@dataclass(frozen=True, eq=False)
class Control:
    """A loop over 0..count-1 with its counter in `register`, or a branch on `register` being nonzero."""

    mark: Mark
    register: Register | None = None
    count: int | Register | None = None

    def __repr__(self) -> str:
        if self.mark is Mark.LOOP:
            return f"loop {self.register!r} to {self.count!r}"
        return f"{self.mark.value} {self.register!r}" if self.register is not None else self.mark.value


class Change(Enum):
    """What a task instruction does."""

    ACTIVATE = "activate"
    BLOCK = "block"
    UNBLOCK = "unblock"


@dataclass(frozen=True, eq=False)
class TaskChange:
    """Activates, blocks or unblocks a task of the same PE."""

    change: Change
    task: Task

    def __repr__(self) -> str:
        return f"{self.change.value} {self.task!r}"


@dataclass(frozen=True, eq=False)
class Reroute:
    """Rewrites the PE's own route of a colour while the program runs."""

    color: Color
    route: Route

    def __repr__(self) -> str:
        return f"reroute {self.color!r}: {self.route}"


Instruction = Vector | Scalar | Control | TaskChange | Reroute


def operands(instruction: Instruction) -> tuple[object, ...]:
    """Views, colours, registers, tasks and numbers that an instruction names."""
    match instruction:
        case Vector(to=to, a=a, b=b, length=length, then=then):
            second = b.view if isinstance(b, Each) else b
            count = b.view.length if isinstance(b, Each) else None
            return (to, a, second, length, count, then.task if then else None)
        case Scalar(to=to, a=a, b=b, view=view):
            return (to, a, b, view)
        case Control(register=register, count=count):
            return (register, count)
        case TaskChange(task=task):
            return (task,)
        case Reroute(color=color):
            return (color,)


def dtype_of(operand: object, carry: DType) -> DType:
    """Type of an operand's elements."""
    if isinstance(operand, View):
        return operand.dtype
    if isinstance(operand, Register):
        return i32 if operand.kind == "int" else f32
    return carry


def views(instruction: Instruction) -> tuple[View, ...]:
    """Views that an instruction walks or loads from, the one of `each` too."""
    return tuple(x for x in operands(instruction) if isinstance(x, View))


def receives(instruction: Instruction) -> tuple[Color, ...]:
    """Colours whose input queue an instruction reads."""
    if not isinstance(instruction, Vector):
        return ()
    return tuple(x for x in (instruction.a, instruction.b) if isinstance(x, Color))


def sends(instruction: Instruction) -> Color | None:
    """The colour that an instruction sends on."""
    if isinstance(instruction, Vector) and isinstance(instruction.to, Color):
        return instruction.to
    return None
