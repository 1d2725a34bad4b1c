"""Registers of a PE and the arithmetic that programs write on them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

from wse_sim.errors import ProgramError

if TYPE_CHECKING:
    from wse_sim.program.code import Code

Kind = Literal["int", "float"]
Number = int | float


@dataclass(frozen=True, eq=False)
class Register:
    """A 32-bit register: an integer or a float32. Operators emit one scalar instruction each.

    `==` compares identity, as for every object; use `equals` for a comparison by the PE.
    """

    index: int
    kind: Kind
    code: Code

    def _emit(self, name: str, other: Register | Number, *, swap: bool = False) -> Register:
        left, right = (other, self) if swap else (self, other)
        prefix = "i" if self.kind == "int" else "f"
        return self.code.scalar(prefix + name, left, right)

    def __add__(self, other: Register | Number) -> Register:
        return self._emit("add", other)

    def __radd__(self, other: Number) -> Register:
        return self._emit("add", other, swap=True)

    def __sub__(self, other: Register | Number) -> Register:
        return self._emit("sub", other)

    def __rsub__(self, other: Number) -> Register:
        return self._emit("sub", other, swap=True)

    def __mul__(self, other: Register | Number) -> Register:
        return self._emit("mul", other)

    def __rmul__(self, other: Number) -> Register:
        return self._emit("mul", other, swap=True)

    def __truediv__(self, other: Register | Number) -> Register:
        self._needs("float", "/")
        return self._emit("div", other)

    def __floordiv__(self, other: Register | Number) -> Register:
        self._needs("int", "//")
        return self._emit("div", other)

    def __mod__(self, other: Register | Number) -> Register:
        self._needs("int", "%")
        return self._emit("mod", other)

    def __lt__(self, other: Register | Number) -> Register:
        return self._emit("lt", other)

    def __le__(self, other: Register | Number) -> Register:
        return self._emit("le", other)

    def __gt__(self, other: Register | Number) -> Register:
        return self._emit("lt", other, swap=True)

    def __ge__(self, other: Register | Number) -> Register:
        return self._emit("le", other, swap=True)

    def __and__(self, other: Register | Number) -> Register:
        self._needs("int", "&")
        return self._emit("and", other)

    def equals(self, other: Register | Number) -> Register:
        """1 where the two are equal, else 0."""
        return self._emit("eq", other)

    def minimum(self, other: Register | Number) -> Register:
        return self._emit("min", other)

    def maximum(self, other: Register | Number) -> Register:
        return self._emit("max", other)

    def _needs(self, kind: Kind, operator: str) -> None:
        if self.kind != kind:
            raise ProgramError(f"operator {operator} on {self!r}: expected a register of kind {kind}, not {self.kind}")

    def __bool__(self) -> bool:
        raise ProgramError(f"{self!r} has a value only while a PE runs: use `with pe.when(...)`, not Python's if")

    def __repr__(self) -> str:
        return f"{'i' if self.kind == 'int' else 'f'}{self.index}"
