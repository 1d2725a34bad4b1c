"""One pointer for compiled code instead of hundreds of arguments.

A NamedTuple of arrays passed by value costs compiled code seven words per array at every call, and compile time grows
with it (measured: 150 s for the cycle engine). A `Table` holds the same fields; compiled code gets the address of a
list of (data, lengths), and `table.fabric.pool[i]` reads and writes as on the NamedTuple, without the checks for
negative indices that numpy arrays need: indices must lie inside.
"""

from __future__ import annotations

import operator
from typing import Any

import numpy as np
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.datamodel import register_default
from numba.core.datamodel.models import PrimitiveModel
from numba.core.imputils import lower_builtin, lower_getattr, lower_getattr_generic
from numba.core.typing.templates import AbstractTemplate, AttributeTemplate, infer_global, signature
from numba.extending import NativeValue, infer_getattr, intrinsic, typeof_impl, unbox
from numba.np.numpy_support import from_dtype

WORDS = 4  # of each field: data and up to three lengths, or a value, or the address of a table
_WORD = ir.IntType(64)


class FlatType(types.Type):  # type: ignore[misc]
    """A contiguous array of a table: elements of one type behind a pointer to (data, lengths)."""

    def __init__(self, dtype: types.Type, dimensions: int) -> None:
        self.dtype = dtype
        self.dimensions = dimensions
        super().__init__(name=f"Flat({dtype}, {dimensions})")


class TableType(types.Type):  # type: ignore[misc]
    """The type of a table: names and types of its fields."""

    def __init__(self, fields: tuple[tuple[str, types.Type], ...]) -> None:
        self.fields = fields
        super().__init__(name=f"Table({', '.join(f'{name}: {kind}' for name, kind in fields)})")


class Table:
    """A NamedTuple of arrays, integers and such NamedTuples, made ready for compiled code.

    Keeps the arrays alive. Compiled code may change array elements, never a field.
    """

    def __init__(self, fields: Any) -> None:
        self.address: int
        self.numba_type: TableType
        self._fields = fields
        self._parts = {name: Table(v) for name, v in fields._asdict().items() if isinstance(v, tuple)}
        self._words = np.zeros(WORDS * len(fields), np.int64)
        kinds: list[tuple[str, types.Type]] = []
        for index, (name, value) in enumerate(fields._asdict().items()):
            words = self._words[WORDS * index : WORDS * index + WORDS]
            if name in self._parts:
                words[0] = self._parts[name].address
                kinds.append((name, self._parts[name].numba_type))
            elif isinstance(value, np.ndarray):
                if not value.flags.c_contiguous or value.ndim >= WORDS:
                    raise TypeError(f"{name}: expected a contiguous array of at most {WORDS - 1} dimensions")
                words[0] = value.ctypes.data
                words[1 : 1 + value.ndim] = value.shape
                kinds.append((name, FlatType(from_dtype(value.dtype), value.ndim)))
            else:
                words[0] = value
                kinds.append((name, types.int64))
        self.address = int(self._words.ctypes.data)
        self.numba_type = TableType(tuple(kinds))


# -- how compiled code holds them: as the address of their words ------------------------------------------


@register_default(TableType)
@register_default(FlatType)
class _AddressModel(PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: types.Type) -> None:
        super().__init__(manager, kind, _WORD)


@typeof_impl.register(Table)
def _typeof(value: Table, context: Any) -> TableType:
    return value.numba_type


@unbox(TableType)
def _unbox(kind: TableType, obj: Any, c: Any) -> NativeValue:
    address = c.pyapi.object_getattr_string(obj, "address")
    native = c.pyapi.long_as_longlong(address)
    c.pyapi.decref(address)
    return NativeValue(native, is_error=cgutils.is_not_null(c.builder, c.pyapi.err_occurred()))


# -- table.field ------------------------------------------------------------------------------------------


@infer_getattr
class _TableAttributes(AttributeTemplate):  # type: ignore[misc]
    key = TableType

    def generic_resolve(self, kind: TableType, name: str) -> types.Type | None:
        return next((field for known, field in kind.fields if known == name), None)


@lower_getattr_generic(TableType)
def _get_field(context: Any, builder: Any, kind: TableType, address: Any, name: str) -> Any:
    index = [known for known, _ in kind.fields].index(name)
    if isinstance(kind.fields[index][1], FlatType):
        return builder.add(address, _WORD(8 * WORDS * index))
    return _constant_word(builder, address, WORDS * index)


def _constant_word(builder: Any, address: Any, offset: int) -> Any:
    """A word that never changes while compiled code runs."""
    pointer = builder.gep(builder.inttoptr(address, _WORD.as_pointer()), [_WORD(offset)])
    value = builder.load(pointer)
    value.set_metadata("invariant.load", builder.module.add_metadata([]))
    return value


# -- flat.shape -------------------------------------------------------------------------------------------


@infer_getattr
class _FlatAttributes(AttributeTemplate):  # type: ignore[misc]
    key = FlatType

    def resolve_shape(self, kind: FlatType) -> types.Type:
        return types.UniTuple(types.int64, kind.dimensions)


@lower_getattr(FlatType, "shape")
def _get_shape(context: Any, builder: Any, kind: FlatType, flat: Any) -> Any:
    lengths = [_constant_word(builder, flat, 1 + dimension) for dimension in range(kind.dimensions)]
    return context.make_tuple(builder, types.UniTuple(types.int64, kind.dimensions), lengths)


# -- flat[i], flat[i, j], flat[i, j, k] -------------------------------------------------------------------


def _is_index(kind: FlatType, index: types.Type) -> bool:
    if isinstance(index, types.BaseTuple):
        return len(index) == kind.dimensions and all(isinstance(i, types.Integer) for i in index)
    return kind.dimensions == 1 and isinstance(index, types.Integer)


@infer_global(operator.getitem)
class _FlatGet(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: tuple[types.Type, ...], _: Any) -> Any:
        flat, index = args
        if isinstance(flat, FlatType) and _is_index(flat, index):
            return signature(flat.dtype, flat, index)
        return None


@infer_global(operator.setitem)
class _FlatSet(AbstractTemplate):  # type: ignore[misc]
    def generic(self, args: tuple[types.Type, ...], _: Any) -> Any:
        flat, index, *_value = args
        if isinstance(flat, FlatType) and _is_index(flat, index):
            return signature(types.none, flat, index, flat.dtype)
        return None


def _pointer(context: Any, builder: Any, kind: FlatType, flat: Any, index_type: Any, index: Any) -> Any:
    """Address of an element."""
    if isinstance(index_type, types.BaseTuple):
        parts = zip(index_type, cgutils.unpack_tuple(builder, index), strict=True)
    else:
        parts = zip([index_type], [index], strict=True)
    place = None
    for dimension, (part_type, part) in enumerate(parts):
        step = context.cast(builder, part, part_type, types.int64)
        if place is None:
            place = step
        else:
            place = builder.add(builder.mul(place, _constant_word(builder, flat, 1 + dimension)), step)
    data_type = context.get_data_type(kind.dtype)
    data = builder.inttoptr(_constant_word(builder, flat, 0), data_type.as_pointer())
    return builder.gep(data, [place])


@lower_builtin(operator.getitem, FlatType, types.Integer)
@lower_builtin(operator.getitem, FlatType, types.BaseTuple)
def _get(context: Any, builder: Any, sig: Any, args: Any) -> Any:
    kind, index_type = sig.args
    return context.unpack_value(builder, kind.dtype, _pointer(context, builder, kind, args[0], index_type, args[1]))


@lower_builtin(operator.setitem, FlatType, types.Integer, types.Any)
@lower_builtin(operator.setitem, FlatType, types.BaseTuple, types.Any)
def _set(context: Any, builder: Any, sig: Any, args: Any) -> None:
    kind, index_type, value_type = sig.args
    value = context.cast(builder, args[2], value_type, kind.dtype)
    context.pack_value(builder, kind.dtype, value, _pointer(context, builder, kind, args[0], index_type, args[1]))


# -- prefetch(flat, i), prefetch(flat, (i, j)) ------------------------------------------------------------


@intrinsic
def prefetch(typingctx: Any, flat: Any, index: Any) -> Any:
    """Asks for the cache line of an element that is soon read and written; changes nothing."""
    if not (isinstance(flat, FlatType) and _is_index(flat, index)):
        return None

    def generate(context: Any, builder: Any, sig: Any, args: Any) -> Any:
        pointer = _pointer(context, builder, sig.args[0], args[0], sig.args[1], args[1])
        word, byte = ir.IntType(32), ir.IntType(8).as_pointer()
        kind = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [builder.bitcast(pointer, byte), word(1), word(3), word(1)])
        return context.get_dummy_value()

    return types.none(flat, index), generate
