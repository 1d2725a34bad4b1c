"""A vector operation that has started: lengths and views are fixed, its elements are computed on demand."""

from __future__ import annotations

from naive.arithmetic import VECTOR, Value, from_bytes, rounded, to_bytes

from wse_sim.errors import RunError
from wse_sim.hardware import DType, Wafer, f32, i32
from wse_sim.program.fabric import Color
from wse_sim.program.instruction import Vector
from wse_sim.program.memory import Buffer, Each, View
from wse_sim.program.register import Register

Popped = dict[Color, list[Value]]
"""Elements of the wavelets that a group of a stream operation has taken."""


class Registers:
    """32-bit registers, kept as bits."""

    def __init__(self, count: int) -> None:
        self.bits = [0] * count

    def get(self, register: Register) -> Value:
        return from_bytes(self.bits[register.index].to_bytes(4, "little"), _kind(register))

    def whole(self, number: int | Register) -> int:
        """The value of a length or a count."""
        return int(self.get(number)) if isinstance(number, Register) else number

    def set(self, register: Register, value: Value) -> None:
        self.bits[register.index] = int.from_bytes(to_bytes(value, _kind(register)), "little")


def _kind(register: Register) -> DType:
    return f32 if register.kind == "float" else i32


class Memory:
    """The data area of a PE, bytes."""

    def __init__(self, size: int) -> None:
        self.bytes = bytearray(size)

    def read(self, buffer: Buffer, element: int) -> Value:
        at = self._address(buffer, element)
        return from_bytes(bytes(self.bytes[at : at + buffer.dtype.bytes]), buffer.dtype)

    def write(self, buffer: Buffer, element: int, value: Value) -> None:
        at = self._address(buffer, element)
        self.bytes[at : at + buffer.dtype.bytes] = to_bytes(value, buffer.dtype)

    def _address(self, buffer: Buffer, element: int) -> int:
        assert 0 <= element < buffer.length, f"element {element} of {buffer!r}"
        return buffer.address + element * buffer.dtype.bytes


class Place:
    """A view whose register has been read."""

    def __init__(self, view: View, registers: Registers) -> None:
        self.view = view
        self.buffer = view.buffer
        self.base = view.offset + (registers.whole(view.where) if view.where is not None else 0)

    def element(self, i: int, step: int = 0) -> int:
        """Index in the buffer of element i, in some step of a map."""
        view = self.view
        start = self.base + step * view.step
        if view.inner is None:
            return start + i * view.stride
        return start + (i // view.inner) * view.outer_stride + (i % view.inner) * view.stride

    def address(self, i: int, step: int = 0) -> int:
        return self.buffer.address + self.element(i, step) * self.buffer.dtype.bytes


class Work:
    """One vector operation from its start to its end.

    n      elements, of each step if it is a map
    steps  of a map; 1 for any other operation
    """

    def __init__(self, vector: Vector, registers: Registers, memory: Memory, wafer: Wafer) -> None:
        self.vector = vector
        self.registers = registers
        self.memory = memory
        self.n = registers.whole(vector.length)
        self.a = _placed(vector.a, registers)
        self.b = _placed(vector.b, registers)
        self.to = _placed(vector.to, registers)
        self.each = Place(vector.b.view, registers) if isinstance(vector.b, Each) else None
        self.steps = registers.whole(vector.b.view.length) if isinstance(vector.b, Each) else 1
        if self.n < 0 or self.steps < 0:
            raise RunError(f"{vector!r}: a length is negative")
        self.is_float = any(d.is_float for d in self._dtypes())
        self.lanes, self.cycles = wafer.rate(
            vector.operation, self.dtype(vector.to), self.dtype(vector.a)
        )

    # -- types ------------------------------------------------------------------------------------

    def dtype(self, operand: object) -> DType:
        """Type of an operand's elements; numbers count as what is carried."""
        found = self._known_dtype(operand)
        return self.vector.carry if found is None else found

    def _known_dtype(self, operand: object) -> DType | None:
        if isinstance(operand, View):
            return operand.dtype
        if isinstance(operand, Each):
            return operand.view.dtype
        if isinstance(operand, Color):
            return self.vector.carry
        return _kind(operand) if isinstance(operand, Register) else None

    def _dtypes(self) -> list[DType]:
        known = [self._known_dtype(x) for x in (self.vector.to, self.vector.a, self.vector.b)]
        return [d for d in known if d is not None]

    # -- streams ----------------------------------------------------------------------------------

    @property
    def inputs(self) -> list[Color]:
        return [x for x in (self.vector.a, self.vector.b) if isinstance(x, Color)]

    @property
    def output(self) -> Color | None:
        return self.vector.to if isinstance(self.vector.to, Color) else None

    @property
    def streams(self) -> bool:
        return bool(self.inputs) or self.output is not None

    # -- values -----------------------------------------------------------------------------------

    def compute(self, first: int, count: int, step: int = 0, popped: Popped | None = None) -> list[Value]:
        """Computes elements in order and writes them, unless they go to a stream; returns them."""
        found = []
        for i in range(first, first + count):
            words = {color: values[i - first] for color, values in (popped or {}).items()}
            found.append(self._element(i, step, words))
        return found

    def _element(self, i: int, step: int, words: dict[Color, Value]) -> Value:
        vector = self.vector
        a = self._source(vector.a, self.a, i, step, words)
        if self.each is not None:
            b = self.memory.read(self.each.buffer, self.each.element(step))
        else:
            b = self._source(vector.b, self.b, i, step, words)
        old = self._old(i, step) if vector.operation.into else 0
        result = rounded(VECTOR[vector.operation.name](old, a, b), self.dtype(vector.to))
        if self.to is not None:
            self.memory.write(self.to.buffer, self.to.element(i, step), result)
        elif isinstance(vector.to, Register):
            self.registers.set(vector.to, result)
        return result

    def _source(
        self, operand: object, place: Place | None, i: int, step: int, words: dict[Color, Value]
    ) -> Value:
        if place is not None:
            return self.memory.read(place.buffer, place.element(i, step))
        if isinstance(operand, Color):
            return words[operand]
        if isinstance(operand, Register):
            return self.registers.get(operand)
        if isinstance(operand, int | float):
            return rounded(operand, f32 if self.is_float else i32)
        return 0

    def _old(self, i: int, step: int) -> Value:
        """The destination's value before the operation."""
        if self.to is not None:
            return self.memory.read(self.to.buffer, self.to.element(i, step))
        assert isinstance(self.vector.to, Register), "a stream cannot be read and written"
        return self.registers.get(self.vector.to)

    def advance(self) -> None:
        """Views with auto-advance move their registers; one that is used twice moves once."""
        moved: list[View] = []
        for view in (self.vector.to, self.vector.a, self.vector.b):
            if isinstance(view, View) and view.where is not None and not any(_same(view, m) for m in moved):
                self.registers.set(view.where, self.registers.get(view.where) + view.advance)
                moved.append(view)


def _placed(operand: object, registers: Registers) -> Place | None:
    return Place(operand, registers) if isinstance(operand, View) else None


def descriptors(vector: Vector) -> list[View | Color]:
    """Views and streams to load: the sources', and the destination's unless it is a source in place."""
    second = vector.b.view if isinstance(vector.b, Each) else vector.b
    found: list[View | Color] = [x for x in (vector.a, second) if isinstance(x, View | Color)]
    to = vector.to
    if isinstance(to, Color) or (isinstance(to, View) and not any(_same(to, other) for other in found)):
        found.append(to)
    return found


def _same(to: View, source: View | Color) -> bool:
    return isinstance(source, View) and _in_place(to) == _in_place(source)


def _in_place(view: View) -> tuple[object, ...]:
    where = None if view.where is None else view.where.index
    return (id(view.buffer), view.offset, view.stride, where, view.inner, view.step)
