"""The tables of vector and scalar operations: one record each, with the code that compiled code knows it by."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

from wse_sim.errors import ProgramError
from wse_sim.hardware.dtypes import DType
from wse_sim.hardware.states import State


class VectorCode(IntEnum):
    """Codes of the vector operations, fit for compiled code."""

    MOV = 0
    ADD = 1
    SUB = 2
    MUL = 3
    MAX = 4
    MIN = 5
    NEG = 6
    ABS = 7
    MAC = 8
    AND = 9
    OR = 10
    XOR = 11
    SHL = 12
    SHR = 13
    EXP = 14
    TANH = 15
    ERF = 16
    SQRT = 17
    RSQRT = 18
    RECIP = 19
    SUM = 20
    MAX_OF = 21
    MIN_OF = 22
    DOT = 23


MOV, ADD, SUB, MUL, MAX, MIN, NEG, ABS, MAC, AND, OR, XOR, SHL, SHR = tuple(VectorCode)[:14]
EXP, TANH, ERF, SQRT, RSQRT, RECIP, SUM, MAX_OF, MIN_OF, DOT = tuple(VectorCode)[14:]

class ScalarCode(IntEnum):
    """Codes of the scalar operations, fit for compiled code."""

    IADD = 0
    ISUB = 1
    IMUL = 2
    IDIV = 3
    IMOD = 4
    IMIN = 5
    IMAX = 6
    IAND = 7
    IOR = 8
    IXOR = 9
    ISHL = 10
    ISHR = 11
    ILT = 12
    ILE = 13
    IEQ = 14
    FADD = 15
    FSUB = 16
    FMUL = 17
    FDIV = 18
    FMIN = 19
    FMAX = 20
    FLT = 21
    FLE = 22
    FEQ = 23
    FNEG = 24
    FEXP = 25
    FTANH = 26
    FERF = 27
    FSQRT = 28
    FRSQRT = 29
    I2F = 30
    F2I = 31
    MOV = 32
    LOAD = 33
    STORE = 34
    CLOCK = 35


@dataclass(frozen=True)
class VectorOperation:
    """An operation over elements.

    state       what a PE counts as while it works on elements
    sources     operands read besides the destination
    operations  arithmetic operations per element
    floats      may work on f16 and f32
    integers    may work on 16- and 32-bit integers
    into        the destination is also read: dst = dst op ...
    reduces     the destination is a scalar register, and elements go one after the other
    cost        field of Wafer with the cycles of one element, for functions that are no vector instruction
    meaning     what it computes
    """

    code: VectorCode
    state: State
    sources: int
    operations: int
    meaning: str
    floats: bool = True
    integers: bool = True
    into: bool = False
    reduces: bool = False
    cost: str | None = None

    @property
    def name(self) -> str:
        return self.code.name.lower()

    def allows(self, dtype: DType) -> bool:
        """True if elements of `dtype` may be operated on."""
        return self.floats if dtype.is_float else self.integers

    def require(self, dtype: DType) -> None:
        """Refuses a dtype that the operation does not work on."""
        if not self.allows(dtype):
            kind = "floats" if self.floats else "integers"
            raise ProgramError(f"{self.name} works on {kind}, not on {dtype.name}: convert with mov first")


Kind = Literal["int", "float"]


@dataclass(frozen=True)
class ScalarOperation:
    """An operation on registers.

    takes    kind of its operands; None: either kind (mov, store), or no register operand (load, clock)
    gives    kind of its result; None: the kind of what it copies (mov, load), or no result (store)
    cost     field of Wafer that prices it
    sources  register or constant operands
    """

    code: ScalarCode
    takes: Kind | None
    gives: Kind | None
    cost: str
    sources: int
    meaning: str

    @property
    def name(self) -> str:
        return self.code.name.lower()


def _math(code: VectorCode, cost: str, meaning: str) -> VectorOperation:
    return VectorOperation(code, State.MATH, 1, 1, meaning, integers=False, cost=cost)


_V, _S = VectorCode, State

VECTOR_OPERATIONS: dict[str, VectorOperation] = {
    record.name: record
    for record in (
        VectorOperation(_V.MOV, _S.MOVE, 1, 0, "a, converted to the destination's type"),
        VectorOperation(_V.ADD, _S.ARITH, 2, 1, "a + b"),
        VectorOperation(_V.SUB, _S.ARITH, 2, 1, "a - b"),
        VectorOperation(_V.MUL, _S.ARITH, 2, 1, "a * b"),
        VectorOperation(_V.MAX, _S.ARITH, 2, 1, "the larger of a and b"),
        VectorOperation(_V.MIN, _S.ARITH, 2, 1, "the smaller of a and b"),
        VectorOperation(_V.NEG, _S.ARITH, 1, 1, "-a"),
        VectorOperation(_V.ABS, _S.ARITH, 1, 1, "the magnitude of a"),
        VectorOperation(_V.MAC, _S.MAC, 2, 2, "dst + a * b, rounded once", into=True),
        VectorOperation(_V.AND, _S.ARITH, 2, 1, "bits of a and b", floats=False),
        VectorOperation(_V.OR, _S.ARITH, 2, 1, "bits of a or b", floats=False),
        VectorOperation(_V.XOR, _S.ARITH, 2, 1, "bits of exactly one of a and b", floats=False),
        VectorOperation(_V.SHL, _S.ARITH, 2, 1, "a shifted left by b bits", floats=False),
        VectorOperation(_V.SHR, _S.ARITH, 2, 1, "a shifted right by b bits", floats=False),
        _math(_V.EXP, "scalar_exp_cycles", "e to the power a"),
        _math(_V.TANH, "scalar_tanh_cycles", "the hyperbolic tangent of a"),
        _math(_V.ERF, "scalar_erf_cycles", "the error function of a"),
        _math(_V.SQRT, "scalar_sqrt_cycles", "the square root of a"),
        _math(_V.RSQRT, "scalar_sqrt_cycles", "1 / the square root of a"),
        _math(_V.RECIP, "scalar_divide_cycles", "1 / a"),
        VectorOperation(_V.SUM, _S.REDUCE, 1, 1, "register + the sum of a", into=True, reduces=True),
        VectorOperation(_V.MAX_OF, _S.REDUCE, 1, 1, "the larger of register and all of a", into=True, reduces=True),
        VectorOperation(_V.MIN_OF, _S.REDUCE, 1, 1, "the smaller of register and all of a", into=True, reduces=True),
        VectorOperation(_V.DOT, _S.REDUCE, 2, 2, "register + the sum of a * b", into=True, reduces=True),
    )
}
"""Vector operations by name, in the order of their codes."""


def _int(code: ScalarCode, meaning: str, cost: str = "scalar_int_cycles") -> ScalarOperation:
    return ScalarOperation(code, "int", "int", cost, 2, meaning)


def _float(code: ScalarCode, meaning: str, cost: str = "scalar_float_cycles") -> ScalarOperation:
    return ScalarOperation(code, "float", "float", cost, 2, meaning)


def _compare(code: ScalarCode, meaning: str) -> ScalarOperation:
    return ScalarOperation(code, "float", "int", "scalar_float_cycles", 2, meaning)


def _function(code: ScalarCode, meaning: str, cost: str) -> ScalarOperation:
    return ScalarOperation(code, "float", "float", cost, 1, meaning)


_C = ScalarCode

SCALAR_OPERATIONS: dict[str, ScalarOperation] = {
    record.name: record
    for record in (
        _int(_C.IADD, "a + b"),
        _int(_C.ISUB, "a - b"),
        _int(_C.IMUL, "a * b"),
        _int(_C.IDIV, "a // b", "scalar_divide_cycles"),
        _int(_C.IMOD, "a % b", "scalar_divide_cycles"),
        _int(_C.IMIN, "the smaller of a and b"),
        _int(_C.IMAX, "the larger of a and b"),
        _int(_C.IAND, "bits of a and b"),
        _int(_C.IOR, "bits of a or b"),
        _int(_C.IXOR, "bits of exactly one of a and b"),
        _int(_C.ISHL, "a shifted left by b bits"),
        _int(_C.ISHR, "a shifted right by b bits"),
        _int(_C.ILT, "1 if a < b, else 0"),
        _int(_C.ILE, "1 if a <= b, else 0"),
        _int(_C.IEQ, "1 if a == b, else 0"),
        _float(_C.FADD, "a + b"),
        _float(_C.FSUB, "a - b"),
        _float(_C.FMUL, "a * b"),
        _float(_C.FDIV, "a / b", "scalar_divide_cycles"),
        _float(_C.FMIN, "the smaller of a and b"),
        _float(_C.FMAX, "the larger of a and b"),
        _compare(_C.FLT, "1 if a < b, else 0"),
        _compare(_C.FLE, "1 if a <= b, else 0"),
        _compare(_C.FEQ, "1 if a == b, else 0"),
        _function(_C.FNEG, "-a", "scalar_float_cycles"),
        _function(_C.FEXP, "e to the power a", "scalar_exp_cycles"),
        _function(_C.FTANH, "the hyperbolic tangent of a", "scalar_tanh_cycles"),
        _function(_C.FERF, "the error function of a", "scalar_erf_cycles"),
        _function(_C.FSQRT, "the square root of a", "scalar_sqrt_cycles"),
        _function(_C.FRSQRT, "1 / the square root of a", "scalar_sqrt_cycles"),
        ScalarOperation(_C.I2F, "int", "float", "scalar_float_cycles", 1, "a as a float"),
        ScalarOperation(_C.F2I, "float", "int", "scalar_float_cycles", 1, "a truncated towards zero"),
        ScalarOperation(_C.MOV, None, None, "scalar_int_cycles", 1, "a"),
        ScalarOperation(_C.LOAD, None, None, "scalar_memory_cycles", 0, "an element of SRAM"),
        ScalarOperation(_C.STORE, None, None, "scalar_memory_cycles", 1, "a, written to an element of SRAM"),
        ScalarOperation(_C.CLOCK, None, "int", "clock_cycles", 0, "the PE's cycle counter, low 31 bits"),
    )
}
"""Scalar operations by name, in the order of their codes."""

# -- which instruction of the real machine a vector operation is -------------------------------------

REDUCE = "reduce"
OTHER = "other"
_FLOAT_STEMS = {
    VectorCode.ADD: "fadd", VectorCode.SUB: "fsub", VectorCode.MUL: "fmul", VectorCode.MAX: "fmax",
    VectorCode.MIN: "fmax", VectorCode.NEG: "fneg", VectorCode.ABS: "fabs", VectorCode.MAC: "fmac",
}  # fmt: skip
_INT16_NAMES = {
    VectorCode.ADD: "add16", VectorCode.SUB: "sub16", VectorCode.AND: "and16", VectorCode.OR: "or16",
    VectorCode.XOR: "xor16", VectorCode.SHL: "sll16", VectorCode.SHR: "sar16",
}  # fmt: skip


def mnemonic(operation: VectorOperation, destination: DType, source: DType) -> str:
    """The key of `Wafer.rates` for an operation on sources of one type, as `fmach` or `fadds`.

    Mixed f16 -> f32 forms are `faddhs`, `fsubhs` and `fmachs`; conversions `fh2s`, `fs2h`, `fh2xp16`, ...
    `reduce` is any reduction, `other` whatever the published table does not list.
    """
    if operation.reduces:
        return REDUCE
    if operation.code is VectorCode.MOV:
        return _move(destination, source)
    if destination.is_float and source.is_float and operation.code in _FLOAT_STEMS:
        return _FLOAT_STEMS[operation.code] + _suffix(destination, source)
    if not destination.is_float and destination.bytes == 2 and operation.code in _INT16_NAMES:
        return _INT16_NAMES[operation.code]
    return OTHER


def _suffix(destination: DType, source: DType) -> str:
    letters = {2: "h", 4: "s"}
    if destination.bytes == source.bytes:
        return letters[destination.bytes]
    return letters[source.bytes] + letters[destination.bytes]


def _move(destination: DType, source: DType) -> str:
    if destination.is_float and source.is_float:
        return ("fmov" if destination == source else "f") + {
            (2, 2): "h", (4, 4): "s", (4, 2): "h2s", (2, 4): "s2h",
        }[destination.bytes, source.bytes]  # fmt: skip
    if destination.is_float != source.is_float:
        real, whole = (destination, source) if destination.is_float else (source, destination)
        if whole.bytes != 2:
            return OTHER
        letter = {2: "h", 4: "s"}[real.bytes]
        return f"xp162f{letter}" if destination.is_float else f"f{letter}2xp16"
    return f"mov{8 * destination.bytes}" if destination.bytes == source.bytes else OTHER
