"""`Code`: what kernels write instructions with, bound to a task and a region."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wse_sim.errors import ProgramError
from wse_sim.hardware.dtypes import DType
from wse_sim.hardware.geometry import Region, Route
from wse_sim.hardware.operations import SCALAR_OPERATIONS, VECTOR_OPERATIONS
from wse_sim.program.fabric import Color
from wse_sim.program.instruction import (
    Change,
    Completion,
    Control,
    HighPriority,
    Instruction,
    Mark,
    Reroute,
    Scalar,
    Slot,
    Source,
    Target,
    Task,
    TaskChange,
    Vector,
)
from wse_sim.program.memory import Buffer, Each, View
from wse_sim.program.operands import (
    as_count,
    as_register,
    as_source,
    as_target,
    as_view,
    carried,
    common_length,
    scalar_operand,
)
from wse_sim.program.register import Kind, Number, Register
from wse_sim.program.values import whole

if TYPE_CHECKING:
    from wse_sim.program.builder import Builder


@dataclass(frozen=True, eq=False)
class Code:
    """Appends instructions to a task, on every PE of a region. Order of calls is order of execution.

    Operations take `n`, the number of elements, where no view tells; `carry`, the type of elements on the fabric
    (default: of the first view among a, b, to); `slot`, a background slot that makes the operation asynchronous, and
    `then`, what its end does to a task.
    """

    builder: Builder
    task: Task
    region: Region

    # -- where and when ---------------------------------------------------------------------------

    def on(self, region: Region) -> Code:
        """The same task on the part of the region that `region` covers."""
        if not isinstance(region, Region):
            raise ProgramError(f"on({region!r}): expected a region, as in builder.grid[0, :]")
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
        times = as_count("loop count", count)
        with self.scope(), self.builder.nested(Mark.LOOP, self):
            counter = self._new("int")
            self._emit(Control(Mark.LOOP, counter, times))
            yield counter
            self._emit(Control(Mark.END_LOOP, counter, times))

    @contextmanager
    def when(self, condition: Register) -> Iterator[None]:
        """Runs what is emitted inside where `condition` is not zero."""
        if not isinstance(condition, Register):
            raise ProgramError(
                f"when({condition!r}): expected a register; compare with <, <=, >, >= or register.equals(x), for == is "
                "Python's own"
            )
        if condition.kind != "int":
            raise ProgramError(f"when({condition!r}) on a float: expected an int register; compare it, as in x < 0")
        with self.scope(), self.builder.nested(Mark.WHEN, self):
            self._emit(Control(Mark.WHEN, condition))
            yield
            self._emit(Control(Mark.END_WHEN))

    def otherwise(self) -> None:
        """Inside `when`: what follows runs where the condition is zero."""
        self.builder.enter_otherwise(self)
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
        slot: Slot | None = None,
        then: Completion | None = None,
    ) -> None:
        """Appends `to = name(a, b)`.

        n      elements; needed only when no view tells
        carry  dtype of the elements on the fabric; default: of the first view among a, b, to
        slot   background slot for an asynchronous operation, or HighPriority(slot); `then` is applied at its end
        """
        if name not in VECTOR_OPERATIONS:
            raise ProgramError(f"unknown vector operation {name!r}: known are {', '.join(VECTOR_OPERATIONS)}")
        operation = VECTOR_OPERATIONS[name]
        target, first = as_target(name, to), as_source(name, "a", a)
        second = b if b is None or isinstance(b, Each) else as_source(name, "b", b)
        if (second is not None) != (operation.sources == 2):
            given = 1 if second is None else 2
            raise ProgramError(f"{name} has {given} sources: expected {operation.sources}, for {operation.meaning}")
        length = common_length(name, target, first, second) if n is None else as_count(f"n of {name}", n)
        if then is not None and not isinstance(then, Completion):
            raise ProgramError(f"{name}: then={then!r}: expected activate(task) or unblock(task)")
        if then is not None and slot is None:
            raise ProgramError(f"{name}: `then` belongs to an asynchronous operation: expected a slot too; give slot=0")
        if carry is not None and not isinstance(carry, DType):
            raise ProgramError(f"{name}: carry={carry!r}: expected an element type, as f16")
        kind = carry or carried(target, first, second)
        high = isinstance(slot, HighPriority)
        number = slot.slot if isinstance(slot, HighPriority) else slot
        at = None if number is None else whole(number, f"slot of {name}", least=0)
        self._emit(Vector(operation, target, first, second, length, kind, at, high, then))

    def mov(self, to: Target | Buffer, a: Source | Buffer, *,
            n: int | Register | None = None, carry: DType | None = None,
            slot: Slot | None = None, then: Completion | None = None) -> None:
        """to = a"""
        self.vector("mov", to, a, n=n, carry=carry, slot=slot, then=then)

    def add(self, to: Target | Buffer, a: Source | Buffer, b: Source | Buffer | Each, *,
            n: int | Register | None = None, carry: DType | None = None,
            slot: Slot | None = None, then: Completion | None = None) -> None:
        """to = a + b"""
        self.vector("add", to, a, b, n=n, carry=carry, slot=slot, then=then)

    def sub(self, to: Target | Buffer, a: Source | Buffer, b: Source | Buffer | Each, *,
            n: int | Register | None = None, carry: DType | None = None,
            slot: Slot | None = None, then: Completion | None = None) -> None:
        """to = a - b"""
        self.vector("sub", to, a, b, n=n, carry=carry, slot=slot, then=then)

    def mul(self, to: Target | Buffer, a: Source | Buffer, b: Source | Buffer | Each, *,
            n: int | Register | None = None, carry: DType | None = None,
            slot: Slot | None = None, then: Completion | None = None) -> None:
        """to = a * b"""
        self.vector("mul", to, a, b, n=n, carry=carry, slot=slot, then=then)

    def max(self, to: Target | Buffer, a: Source | Buffer, b: Source | Buffer | Each, *,
            n: int | Register | None = None, carry: DType | None = None,
            slot: Slot | None = None, then: Completion | None = None) -> None:
        """to = max(a, b)"""
        self.vector("max", to, a, b, n=n, carry=carry, slot=slot, then=then)

    def min(self, to: Target | Buffer, a: Source | Buffer, b: Source | Buffer | Each, *,
            n: int | Register | None = None, carry: DType | None = None,
            slot: Slot | None = None, then: Completion | None = None) -> None:
        """to = min(a, b)"""
        self.vector("min", to, a, b, n=n, carry=carry, slot=slot, then=then)

    def mac(self, to: Target | Buffer, a: Source | Buffer, b: Source | Buffer | Each, *,
            n: int | Register | None = None, carry: DType | None = None,
            slot: Slot | None = None, then: Completion | None = None) -> None:
        """to = to + a * b, rounded once"""
        self.vector("mac", to, a, b, n=n, carry=carry, slot=slot, then=then)

    def neg(self, to: Target | Buffer, a: Source | Buffer, *,
            n: int | Register | None = None, carry: DType | None = None,
            slot: Slot | None = None, then: Completion | None = None) -> None:
        """to = -a"""
        self.vector("neg", to, a, n=n, carry=carry, slot=slot, then=then)

    def abs(self, to: Target | Buffer, a: Source | Buffer, *,
            n: int | Register | None = None, carry: DType | None = None,
            slot: Slot | None = None, then: Completion | None = None) -> None:
        """to = the magnitude of a"""
        self.vector("abs", to, a, n=n, carry=carry, slot=slot, then=then)

    def sum(self, to: Register, a: Source | Buffer, *, n: int | Register | None = None,
            carry: DType | None = None) -> None:
        """to = to + the sum of a, one element after the other"""
        self.vector("sum", to, a, n=n, carry=carry)

    def max_of(self, to: Register, a: Source | Buffer, *, n: int | Register | None = None,
            carry: DType | None = None) -> None:
        """to = max(to, the largest of a)"""
        self.vector("max_of", to, a, n=n, carry=carry)

    def min_of(self, to: Register, a: Source | Buffer, *, n: int | Register | None = None,
            carry: DType | None = None) -> None:
        """to = min(to, the smallest of a)"""
        self.vector("min_of", to, a, n=n, carry=carry)

    def dot(self, to: Register, a: Source | Buffer, b: Source | Buffer, *, n: int | Register | None = None,
            carry: DType | None = None) -> None:
        """to = to + sum(a * b)"""
        self.vector("dot", to, a, b, n=n, carry=carry)

    # -- scalar code ------------------------------------------------------------------------------

    def integer(self, value: int | Register = 0) -> Register:
        """A new integer register holding `value`."""
        return self._copy(self._new("int"), value)

    def real(self, value: float | Register = 0.0) -> Register:
        """A new float register holding `value`."""
        return self._copy(self._new("float"), value)

    def set(self, register: Register, value: Number | Register) -> None:
        """Copies a number or another register of the same kind into `register`."""
        self._copy(as_register("set", register), value)

    def use(self, register: Register) -> Register:
        """The same register for use here: its operators emit into this code. Costs nothing."""
        self.builder.require_own(as_register("use", register))
        return Register(register.index, register.kind, self, register.serial)

    @property
    def wavelet(self) -> Register:
        """In a task that wavelets start: the register that the wavelet arrives in."""
        if self.task.argument is None:
            raise ProgramError(f"task {self.task!r} has no wavelet: expected a task made with on_wavelet=color")
        return self.use(self.task.argument)

    def load(self, view: View | Buffer) -> Register:
        """The first element of a view, in a new register of the fitting kind."""
        source = as_view("load", view)
        register = self._new("float" if source.dtype.is_float else "int")
        self._emit(Scalar(SCALAR_OPERATIONS["load"], register, view=source))
        return register

    def store(self, view: View | Buffer, value: Register | Number) -> None:
        """Writes the first element of a view."""
        target = as_view("store", view)
        held = scalar_operand("store", "float" if target.dtype.is_float else "int", value)
        self._emit(Scalar(SCALAR_OPERATIONS["store"], None, held, view=target))

    def scalar(self, name: str, a: Register | Number, b: Register | Number | None = None, *,
               to: Register | None = None) -> Register:
        """One scalar instruction of the table, its result in `to` or in a new register."""
        if name not in SCALAR_OPERATIONS:
            raise ProgramError(f"unknown scalar operation {name!r}: known are {', '.join(SCALAR_OPERATIONS)}")
        operation = SCALAR_OPERATIONS[name]
        if operation.takes is None or operation.gives is None:
            raise ProgramError(f"scalar({name!r}): expected arithmetic; use {_INSTEAD[name]}")
        if (b is not None) != (operation.sources == 2):
            given = 1 if b is None else 2
            raise ProgramError(f"{name} has {given} operands: expected {operation.sources}, for {operation.meaning}")
        left = scalar_operand(name, operation.takes, a)
        right = None if b is None else scalar_operand(name, operation.takes, b)
        register = self._new(operation.gives) if to is None else as_register(name, to)
        if register.kind != operation.gives:
            raise ProgramError(
                f"{name} gives {operation.gives} results, but {register!r} holds {register.kind}: expected a register "
                f"of kind {operation.gives}"
            )
        self._emit(Scalar(operation, register, left, right))
        return register

    def to_float(self, a: Register) -> Register:
        """An integer as a float."""
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
        """Makes a task of this PE run once it is not blocked and no other runs."""
        self._change(Change.ACTIVATE, task)

    def block(self, task: Task) -> None:
        """Keeps a task of this PE from starting."""
        self._change(Change.BLOCK, task)

    def unblock(self, task: Task) -> None:
        """Lets a blocked task of this PE start."""
        self._change(Change.UNBLOCK, task)

    def reroute(self, color: Color, route: Route) -> None:
        """Rewrites this PE's route of a colour; wavelets that wait on another input stay there."""
        if not isinstance(color, Color) or not isinstance(route, Route):
            raise ProgramError(f"reroute({color!r}, {route!r}): expected a colour and a route, as WEST >> RAMP")
        self._emit(Reroute(color, route))

    # -- inside -----------------------------------------------------------------------------------

    def _copy(self, to: Register, value: Number | Register) -> Register:
        self._emit(Scalar(SCALAR_OPERATIONS["mov"], to, scalar_operand("mov", to.kind, value)))
        return to

    def _change(self, change: Change, task: Task) -> None:
        if not isinstance(task, Task):
            raise ProgramError(f"{change.value}({task!r}): expected a task; make one with builder.task(name)")
        self._emit(TaskChange(change, task))

    def _new(self, kind: Kind) -> Register:
        return self.builder.new_register(kind, self)

    def _emit(self, instruction: Instruction) -> None:
        self.builder.append(self.task, self.region, instruction)


_INSTEAD = {
    "mov": "pe.integer, pe.real or pe.set",
    "load": "pe.load",
    "store": "pe.store",
    "clock": "pe.clock",
}
