"""The tables of operations, element types and states."""

from __future__ import annotations

import copy
import pickle

import numba
import numpy as np
import pytest

from wse_sim.errors import ProgramError
from wse_sim.hardware import operations as ops
from wse_sim.hardware.dtypes import DTYPES, DType, f16, f32, i16, i32, u16, u32
from wse_sim.hardware.operations import (
    SCALAR_OPERATIONS,
    VECTOR_OPERATIONS,
    ScalarCode,
    ScalarOperation,
    VectorCode,
    VectorOperation,
    mnemonic,
)
from wse_sim.hardware.presets import WSE1, WSE2, WSE3
from wse_sim.hardware.states import BUSY, GROUPS, State
from wse_sim.hardware.wafer import Wafer

VECTORS = list(VECTOR_OPERATIONS.values())
SCALARS = list(SCALAR_OPERATIONS.values())

# -- element types --------------------------------------------------------------------------------


def test_types_agree_with_numpy() -> None:
    assert [t.name for t in DTYPES] == ["f16", "f32", "i16", "u16", "i32", "u32"]
    assert [t.code for t in DTYPES] == list(range(6))
    assert all(t.bytes == t.numpy.itemsize and t.per_wavelet * t.bytes == 4 for t in DTYPES)
    assert [t.is_float for t in DTYPES] == [True, True, False, False, False, False]
    assert repr(f16) == "f16"


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_type_stays_the_same_object_in_copies_and_on_the_way_to_other_processes(dtype: DType) -> None:
    assert pickle.loads(pickle.dumps(dtype)) is dtype
    assert copy.deepcopy(dtype) is dtype


# -- tables ---------------------------------------------------------------------------------------


def test_every_code_has_one_record_in_order() -> None:
    assert [o.code for o in VECTORS] == list(VectorCode) == list(range(len(VECTORS)))
    assert [o.code for o in SCALARS] == list(ScalarCode) == list(range(len(SCALARS)))
    assert all(VECTOR_OPERATIONS[o.name] is o for o in VECTORS)
    assert all(SCALAR_OPERATIONS[o.name] is o for o in SCALARS)


def test_the_module_names_every_vector_code() -> None:
    assert [getattr(ops, code.name) for code in VectorCode] == list(VectorCode)


def test_codes_work_in_compiled_code() -> None:
    @numba.njit
    def is_mac(code: int) -> bool:
        return code == VectorCode.MAC

    assert is_mac(int(ops.MAC))
    assert not is_mac(int(ops.ADD))


@pytest.mark.parametrize("operation", VECTORS, ids=lambda o: o.name)
def test_a_vector_record_is_consistent(operation: VectorOperation) -> None:
    assert operation.state in BUSY
    assert operation.floats or operation.integers
    assert operation.sources in (1, 2)
    assert operation.reduces == (operation.state is State.REDUCE)
    assert operation.into == (operation.reduces or operation.state is State.MAC)
    assert (operation.cost is not None) == (operation.state is State.MATH)
    assert operation.operations == {"mov": 0, "mac": 2, "dot": 2}.get(operation.name, 1)


@pytest.mark.parametrize("operation", SCALARS, ids=lambda o: o.name)
def test_a_scalar_record_is_priced_by_a_field_of_the_wafer(operation: ScalarOperation) -> None:
    assert getattr(WSE3, operation.cost) >= 1
    assert operation.sources in (0, 1, 2)
    first = {"i": "int", "f": "float"}
    if operation.name not in ("mov", "load", "store", "clock", "i2f", "f2i"):
        assert operation.takes == first[operation.name[0]]
        assert operation.gives == ("int" if operation.name[1:] in ("lt", "le", "eq") else operation.takes)


# -- rates ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "destination", "source", "expected"),
    [
        ("mac", f16, f16, "fmach"), ("mac", f32, f32, "fmacs"), ("mac", f32, f16, "fmachs"),
        ("add", f16, f16, "faddh"), ("add", f32, f16, "faddhs"), ("sub", f32, f32, "fsubs"),
        ("mul", f32, f32, "fmuls"), ("max", f16, f16, "fmaxh"), ("min", f32, f32, "fmaxs"), ("abs", f16, f16, "fabsh"),
        ("mov", f16, f16, "fmovh"), ("mov", f32, f32, "fmovs"), ("mov", f32, f16, "fh2s"), ("mov", f16, f32, "fs2h"),
        ("mov", f16, i16, "xp162fh"), ("mov", f32, u16, "xp162fs"), ("mov", i16, f16, "fh2xp16"),
        ("mov", i16, f32, "fs2xp16"), ("mov", u16, i16, "mov16"), ("mov", u32, i32, "mov32"),
        ("mov", i32, f32, "other"), ("mov", i32, i16, "other"),
        ("add", i16, i16, "add16"), ("shr", u16, u16, "sar16"), ("add", i32, i32, "other"),
        ("add", f16, f32, "faddsh"), ("sum", f32, f16, "reduce"), ("dot", f32, f32, "reduce"),
    ],
)  # fmt: skip
def test_mnemonics(name: str, destination: DType, source: DType, expected: str) -> None:
    assert mnemonic(VECTOR_OPERATIONS[name], destination, source) == expected


@pytest.mark.parametrize(
    ("name", "destination", "source", "on_wse2", "on_wse3"),
    [
        # SDK, Appendix SIMD Mode
        ("mac", f16, f16, (4, 1), (8, 1)),
        ("mac", f32, f16, (2, 1), (4, 1)),
        ("add", f32, f32, (2, 1), (4, 1)),
        ("mov", i16, u16, (4, 1), (8, 1)),
        ("mov", f32, f16, (1, 1), (4, 1)),
        ("max", f16, f16, (1, 1), (8, 1)),
        ("max", f32, f32, (1, 1), (4, 1)),
        ("mul", f32, f32, (1, 1), (1, 1)),
        ("add", i32, i32, (1, 1), (1, 1)),
        ("add", f16, f32, (1, 1), (1, 1)),
        # measured: half a f32 multiply-add per cycle on WSE-3, two cycles per element of a reduction
        ("mac", f32, f32, (1, 2), (1, 2)),
        ("sum", f32, f16, (1, 2), (1, 2)),
        # scalar code, element by element
        ("exp", f32, f16, (1, 76), (1, 76)),
        ("exp", f16, f16, (1, 38), (1, 38)),
        ("recip", f32, f32, (1, 50), (1, 106)),
    ],
)
def test_rates(name: str, destination: DType, source: DType, on_wse2: object, on_wse3: object) -> None:
    operation = VECTOR_OPERATIONS[name]
    assert WSE1.rate(operation, destination, source) == on_wse2
    assert WSE2.rate(operation, destination, source) == on_wse2
    assert WSE3.rate(operation, destination, source) == on_wse3


@pytest.mark.parametrize("wafer", [WSE1, WSE2, WSE3], ids=lambda w: w.name)
def test_every_listed_rate_is_reached_by_some_operation(wafer: Wafer) -> None:
    reached = {mnemonic(o, d, s) for o in VECTORS for d in DTYPES for s in DTYPES if o.allows(d) and o.allows(s)}
    assert set(wafer.rates) <= reached


@pytest.mark.parametrize(("name", "dtype"), [("exp", i16), ("and", f32)])
def test_an_operation_refuses_a_foreign_type(name: str, dtype: DType) -> None:
    wanted = "floats" if name == "exp" else "integers"
    with pytest.raises(ProgramError, match=f"{name} works on {wanted}, not on {dtype.name}: convert with mov first"):
        WSE2.rate(VECTOR_OPERATIONS[name], dtype, dtype)


def test_an_unlisted_pair_of_types_is_still_priced() -> None:
    assert WSE3.rate(VECTOR_OPERATIONS["mac"], f16, f32) == WSE3.rates["other"]


# -- states ---------------------------------------------------------------------------------------


def test_states_keep_their_order() -> None:
    assert [s.name for s in State] == [
        "IDLE", "MOVE", "ARITH", "MAC", "REDUCE", "MATH", "SCALAR", "PORT_STALL", "BANK_STALL", "PENDING_WRITE",
        "INPUT_WAIT", "OUTPUT_BLOCKED", "SLOT_WAIT", "OVERHEAD", "TASK_SWITCH", "WEIGHT_WAIT",
    ]  # fmt: skip
    assert list(State) == list(range(16))


@pytest.mark.parametrize("state", State)
def test_every_state_is_explained_and_in_one_group(state: State) -> None:
    assert state.meaning
    assert state.cure
    assert [name for name, members in GROUPS.items() if state in members] == [state.group]


def test_states_index_arrays() -> None:
    tally = np.zeros(len(State), np.int64)
    tally[State.WEIGHT_WAIT] += 2
    assert tally[15] == 2
