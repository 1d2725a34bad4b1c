"""`Code`: what kernels write instructions with, bound to a task and a region."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wse_sim.errors import ProgramError
from wse_sim.hardware.dtypes import DType, f32, i32
from wse_sim.hardware.geometry import Region, Route
from wse_sim.hardware.operations import SCALAR_OPERATIONS, VECTOR_OPERATIONS, ScalarOperation
from wse_sim.program.fabric import Color
from wse_sim.program.instruction import (
    Change,
    Completion,
    Control,
    Instruction,
    Mark,
    Reroute,
    Scalar,
    Source,
    Target,
    Task,
    TaskChange,
    Vector,
)
from wse_sim.program.memory import Buffer, Each, View
from wse_sim.program.register import Kind, Number, Register

if TYPE_CHECKING:
    from wse_sim.program.builder import Builder


@dataclass(frozen=True, eq=False)
class Code:
    """Appends instructions to a task, on every PE of a region. Order of calls is order of execution."""

    builder: Builder
    task: Task
    region: Region

    # -- where and when ---------------------------------------------------------------------------

    def on(self, region: Region) -> Code:
        """The same task on the part of the region that `region` covers."""
        if not self.region.contains(region):
            raise ProgramError(f"{region!r} reaches outside {self.region!r}: narrow it, or start from a larger region")
        return Code(self.builder, self.task, region)

    @contextmanager
    def scope(self) -> Iterator[None]:
        """Registers made inside are free again afterwards."""
        with self.builder.register_scope():
            yield

    @contextmanager
    def loop(self, count: int | Register) -> Iterator[Register]:
        """Repeats what is emitted inside; yields the counter, 0..count-1."""
        with self.scope():
            counter = self._new("int")
            self._emit(Control(Mark.LOOP, counter, count))
            yield counter
            self._emit(Control(Mark.END_LOOP, counter))

    @contextmanager
    def when(self, condition: Register) -> Iterator[None]:
        """Runs what is emitted inside where `condition` is not zero."""
        with self.scope():
            self._emit(Control(Mark.WHEN, condition))
            yield
            self._emit(Control(Mark.END_WHEN))

    def otherwise(self) -> None:
        """Inside `when`: what follows runs where the condition is zero."""
        self._emit(Control(Mark.OTHERWISE))

    # -- vector operations ------------------------------------------------------------------------

    def vector(
        self,
        name: str,
        to: Target | Buffer,
        a: Source | Buffer,
        b: Source | Buffer | Each | None = None,
        *,
        n: int | Register | None = None,
        carry: DType | None = None,
        slot: int | None = None,
        then: Completion | None = None,
    ) -> None:
        """Appends `to = name(a, b)`.

        n      elements; needed only when no view tells
        carry  dtype of the elements on the fabric; default: of the first view among a, b, to
        slot   background slot for an asynchronous operation, with `then` applied at its end
        """
        if name not in VECTOR_OPERATIONS:
            raise ProgramError(f"unknown vector operation {name!r}: known are {', '.join(VECTOR_OPERATIONS)}")
        target, first, second = _whole(to), _whole(a), b if isinstance(b, Each) else _whole(b)
        length = n if n is not None else _length(name, target, first, second)
        kind = carry or _carried(target, first, second)
        if then is not None and slot is None:
            raise ProgramError(f"{name}: `then` belongs to an asynchronous operation; give it a slot")
        self._emit(Vector(VECTOR_OPERATIONS[name], target, first, second, length, kind, slot, then))

    def mov(self, to: Target | Buffer, a: Source | Buffer, *, n: int | Register | None = None,
            carry: DType | None = None, slot: int | None = None, then: Completion | None = None) -> None:
        """to = a"""
        self.vector("mov", to, a, n=n, carry=carry, slot=slot, then=then)

    def add(self, to: Target | Buffer, a: Source | Buffer, b: Source | Buffer | Each, *,
            n: int | Register | None = None, carry: DType | None = None,
            slot: int | None = None, then: Completion | None = None) -> None:
        """to = a + b"""
        self.vector("add", to, a, b, n=n, carry=carry, slot=slot, then=then)

    def sub(self, to: Target | Buffer, a: Source | Buffer, b: Source | Buffer | Each) -> None:
        """to = a - b"""
        self.vector("sub", to, a, b)

    def mul(self, to: Target | Buffer, a: Source | Buffer, b: Source | Buffer | Each) -> None:
        """to = a * b"""
        self.vector("mul", to, a, b)

    def max(self, to: Target | Buffer, a: Source | Buffer, b: Source | Buffer | Each, *,
            n: int | Register | None = None, carry: DType | None = None) -> None:
        """to = max(a, b)"""
        self.vector("max", to, a, b, n=n, carry=carry)

    def mac(self, to: Target | Buffer, a: Source | Buffer, b: Source | Buffer | Each, *,
            slot: int | None = None, then: Completion | None = None) -> None:
        """to = to + a * b, rounded once"""
        self.vector("mac", to, a, b, slot=slot, then=then)

    def sum(self, to: Register, a: Source | Buffer) -> None:
        """to = to + the sum of a, one element after the other"""
        self.vector("sum", to, a)

    def max_of(self, to: Register, a: Source | Buffer) -> None:
        """to = max(to, the largest of a)"""
        self.vector("max_of", to, a)

    def dot(self, to: Register, a: Source | Buffer, b: Source | Buffer) -> None:
        """to = to + sum(a * b)"""
        self.vector("dot", to, a, b)

    # -- scalar code ------------------------------------------------------------------------------

    def integer(self, value: int | Register = 0) -> Register:
        """A new integer register holding `value`."""
        return self._scalar("mov", self._new("int"), value)

    def real(self, value: float | Register = 0.0) -> Register:
        """A new float register holding `value`."""
        return self._scalar("mov", self._new("float"), value)

    def set(self, register: Register, value: Number | Register) -> None:
        """Copies a number or another register of the same kind into `register`."""
        self._scalar("mov", register, value)

    def load(self, view: View | Buffer) -> Register:
        """The first element of a view, in a new register of the fitting kind."""
        source = _whole(view)
        assert isinstance(source, View)
        register = self._new("float" if source.dtype.is_float else "int")
        self._emit(Scalar(SCALAR_OPERATIONS["load"], register, view=source))
        return register

    def store(self, view: View | Buffer, value: Register | Number) -> None:
        """Writes the first element of a view."""
        target = _whole(view)
        assert isinstance(target, View)
        self._emit(Scalar(SCALAR_OPERATIONS["store"], None, value, view=target))

    def scalar(self, name: str, a: Register | Number, b: Register | Number | None = None, *,
               to: Register | None = None) -> Register:
        """One scalar instruction of the table, its result in `to` or in a new register."""
        if name not in SCALAR_OPERATIONS:
            raise ProgramError(f"unknown scalar operation {name!r}: known are {', '.join(SCALAR_OPERATIONS)}")
        operation = SCALAR_OPERATIONS[name]
        for operand in (a, b):
            if isinstance(operand, Register) and operand.kind != operation.takes:
                raise ProgramError(f"{name} takes {operation.takes} operands, not {operand!r}; convert it first")
        register = to if to is not None else self._new(operation.gives)
        if register.kind != operation.gives:
            raise ProgramError(f"{name} gives a {operation.gives}, but {register!r} holds a {register.kind}")
        self._emit(Scalar(operation, register, a, b))
        return register

    def to_float(self, a: Register) -> Register:
        return self.scalar("i2f", a)

    def to_int(self, a: Register) -> Register:
        """Truncation towards zero."""
        return self.scalar("f2i", a)

    def clock(self) -> Register:
        """The PE's cycle counter, low 31 bits."""
        register = self._new("int")
        self._emit(Scalar(SCALAR_OPERATIONS["clock"], register))
        return register

    # -- tasks and routes -------------------------------------------------------------------------

    def activate(self, task: Task) -> None:
        self._emit(TaskChange(Change.ACTIVATE, task))

    def block(self, task: Task) -> None:
        self._emit(TaskChange(Change.BLOCK, task))

    def unblock(self, task: Task) -> None:
        self._emit(TaskChange(Change.UNBLOCK, task))

    def reroute(self, color: Color, route: Route) -> None:
        """Rewrites this PE's route of a colour; wavelets that wait on another input stay there."""
        self._emit(Reroute(color, route))

    # -- inside -----------------------------------------------------------------------------------

    def _scalar(self, name: str, to: Register, value: Register | Number) -> Register:
        if isinstance(value, Register) and value.kind != to.kind:
            raise ProgramError(f"{to!r} holds a {to.kind}: convert {value!r} with to_float or to_int first")
        if to.kind == "int" and isinstance(value, float):
            raise ProgramError(f"{to!r} holds an int: {value} is a float")
        self._emit(Scalar(SCALAR_OPERATIONS[name], to, value))
        return to

    def _new(self, kind: Kind) -> Register:
        return self.builder.new_register(kind, self)

    def _emit(self, instruction: Instruction) -> None:
        self.builder.append(self.task, self.region, instruction)


def _whole(operand: Source | Target | Buffer | None) -> Source | Target | None:
    return operand[:] if isinstance(operand, Buffer) else operand


def _length(name: str, *operands: object) -> int | Register:
    """The common length of the views; sources first."""
    target, first, second = operands
    lengths = [v.length for v in (first, second, target) if isinstance(v, View)]
    if not lengths:
        raise ProgramError(f"{name}: no operand is a view, so the length is unknown; give n=")
    fixed = {x for x in lengths if isinstance(x, int)}
    if len(fixed) > 1:
        raise ProgramError(f"{name} {target!r} <- {first!r}, {second!r}: lengths {sorted(fixed)} differ; shorten a view")
    return lengths[0]


def _carried(*operands: object) -> DType:
    target, first, second = operands
    for operand in (first, second, target):
        if isinstance(operand, View):
            return operand.dtype
    for operand in (first, second, target):
        if isinstance(operand, Register):
            return i32 if operand.kind == "int" else f32
    return f32
