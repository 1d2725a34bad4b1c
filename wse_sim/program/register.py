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

    An operator emits into the code that made the register, or into the narrower code of two registers; `code.use`
    moves a register over. `+=` and its like change the register in place. `==` compares identity, as for every
    object; use `equals` for a comparison by the PE.

    serial  tells it from other registers that have the same index at other times
    """

    index: int
    kind: Kind
    code: Code
    serial: int = 0

    def __add__(self, other: Register | Number) -> Register:
        return self._emit("add", other)

    def __radd__(self, other: Number) -> Register:
        return self._emit("add", other, swap=True)

    def __iadd__(self, other: Register | Number) -> Register:
        return self._emit("add", other, to=self)

    def __sub__(self, other: Register | Number) -> Register:
        return self._emit("sub", other)

    def __rsub__(self, other: Number) -> Register:
        return self._emit("sub", other, swap=True)

    def __isub__(self, other: Register | Number) -> Register:
        return self._emit("sub", other, to=self)

    def __mul__(self, other: Register | Number) -> Register:
        return self._emit("mul", other)

    def __rmul__(self, other: Number) -> Register:
        return self._emit("mul", other, swap=True)

    def __imul__(self, other: Register | Number) -> Register:
        return self._emit("mul", other, to=self)

    def __truediv__(self, other: Register | Number) -> Register:
        self._needs("float", "/")
        return self._emit("div", other)

    def __rtruediv__(self, other: Number) -> Register:
        self._needs("float", "/")
        return self._emit("div", other, swap=True)

    def __itruediv__(self, other: Register | Number) -> Register:
        self._needs("float", "/")
        return self._emit("div", other, to=self)

    def __floordiv__(self, other: Register | Number) -> Register:
        self._needs("int", "//")
        return self._emit("div", other)

    def __rfloordiv__(self, other: Number) -> Register:
        self._needs("int", "//")
        return self._emit("div", other, swap=True)

    def __ifloordiv__(self, other: Register | Number) -> Register:
        self._needs("int", "//")
        return self._emit("div", other, to=self)

    def __mod__(self, other: Register | Number) -> Register:
        self._needs("int", "%")
        return self._emit("mod", other)

    def __rmod__(self, other: Number) -> Register:
        self._needs("int", "%")
        return self._emit("mod", other, swap=True)

    def __imod__(self, other: Register | Number) -> Register:
        self._needs("int", "%")
        return self._emit("mod", other, to=self)

    def __neg__(self) -> Register:
        return self._home(None).scalar("fneg", self) if self.kind == "float" else self._emit("sub", 0, swap=True)

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

    def __iand__(self, other: Register | Number) -> Register:
        self._needs("int", "&")
        return self._emit("and", other, to=self)

    def __or__(self, other: Register | Number) -> Register:
        self._needs("int", "|")
        return self._emit("or", other)

    def __ior__(self, other: Register | Number) -> Register:
        self._needs("int", "|")
        return self._emit("or", other, to=self)

    def __xor__(self, other: Register | Number) -> Register:
        self._needs("int", "^")
        return self._emit("xor", other)

    def __ixor__(self, other: Register | Number) -> Register:
        self._needs("int", "^")
        return self._emit("xor", other, to=self)

    def __lshift__(self, other: Register | Number) -> Register:
        self._needs("int", "<<")
        return self._emit("shl", other)

    def __ilshift__(self, other: Register | Number) -> Register:
        self._needs("int", "<<")
        return self._emit("shl", other, to=self)

    def __rshift__(self, other: Register | Number) -> Register:
        self._needs("int", ">>")
        return self._emit("shr", other)

    def __irshift__(self, other: Register | Number) -> Register:
        self._needs("int", ">>")
        return self._emit("shr", other, to=self)

    def equals(self, other: Register | Number) -> Register:
        """1 where the two are equal, else 0."""
        return self._emit("eq", other)

    def minimum(self, other: Register | Number) -> Register:
        """The smaller of the two."""
        return self._emit("min", other)

    def maximum(self, other: Register | Number) -> Register:
        """The larger of the two."""
        return self._emit("max", other)

    # -- inside -----------------------------------------------------------------------------------

    def _emit(
        self, name: str, other: Register | Number, *, swap: bool = False, to: Register | None = None
    ) -> Register:
        left, right = (other, self) if swap else (self, other)
        prefix = "i" if self.kind == "int" else "f"
        return self._home(other).scalar(prefix + name, left, right, to=to)

    def _home(self, other: Register | Number | None) -> Code:
        """Where an operator on this register and another operand emits: the narrower of their codes."""
        found = [r.code for r in (self, other) if isinstance(r, Register) and r.code.task.id >= 0]
        if not found:
            raise ProgramError(
                f"operator on {self!r}, which was declared outside all code, so it is unknown where to compute: "
                "expected a register of some code; take it over with `n = pe.use(n)`"
            )
        first, last = found[0], found[-1]
        if first.task is not last.task:
            raise ProgramError(
                f"operator on registers of two tasks, {first.task!r} and {last.task!r}: expected one task; take the "
                "other register over with `pe.use(register)`"
            )
        if first.region.contains(last.region):
            return last
        if last.region.contains(first.region):
            return first
        raise ProgramError(
            f"operator on registers of {first.region!r} and {last.region!r}: expected one region inside the other; "
            "compute on a region that both cover"
        )

    def _needs(self, kind: Kind, symbol: str) -> None:
        if self.kind != kind:
            advice = "`//`" if symbol == "/" else f"pe.to_{kind}"
            raise ProgramError(
                f"operator {symbol} on {self!r}: expected a register of kind {kind}, not {self.kind}; use {advice}"
            )

    def _no_value(self, instead: str) -> ProgramError:
        return ProgramError(f"{self!r} has a value only while a PE runs: use {instead}")

    def __bool__(self) -> bool:
        raise self._no_value("`with pe.when(...)`, not Python's if, and, or, not, min, max or a < b < c")

    def __index__(self) -> int:
        raise self._no_value("`with pe.loop(register)` for a loop and `buffer.at(register)` for an index")

    def __int__(self) -> int:
        raise self._no_value("`pe.to_int(register)`")

    def __float__(self) -> float:
        raise self._no_value("`pe.to_float(register)`")

    def __repr__(self) -> str:
        return f"{'i' if self.kind == 'int' else 'f'}{self.index}"
