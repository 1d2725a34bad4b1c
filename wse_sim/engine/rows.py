"""One integer row per instruction: what compiled code reads, priced for a wafer."""

from __future__ import annotations

import struct
from dataclasses import replace

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.arithmetic import INTEGER
from wse_sim.hardware import DType, Wafer, f16, f32, i32
from wse_sim.hardware.operations import ScalarCode, VectorCode
from wse_sim.hardware.states import State as Doing
from wse_sim.program.fabric import Color
from wse_sim.program.instruction import Change, Control, Mark, Reroute, Scalar, TaskChange, Vector, dtype_of
from wse_sim.program.memory import Each, View
from wse_sim.program.program import Placed
from wse_sim.program.register import Register

PRODUCTS = (VectorCode.MUL, VectorCode.MAC, VectorCode.DOT)
_CHANGES = {Change.ACTIVATE: at.ACTIVATE, Change.BLOCK: at.BLOCK, Change.UNBLOCK: at.UNBLOCK}
_MARKS = {
    Mark.LOOP: at.LOOP,
    Mark.END_LOOP: at.END_LOOP,
    Mark.WHEN: at.WHEN,
    Mark.OTHERWISE: at.OTHERWISE,
    Mark.END_WHEN: at.END_WHEN,
}


def row_of(placed: Placed, wafer: Wafer, host: frozenset[Color]) -> list[int]:
    """The instruction as integers, in the columns of `layout`; `host`: colours that host streams feed."""
    row = [0] * at.COLUMNS
    for operand in (at.DST, at.A, at.B, at.EACH):
        row[operand + at.O_WHERE] = -1
    row[at.SECTION] = placed.section
    row[at.SLOT] = row[at.LENGTH_AT] = row[at.COUNT_AT] = -1
    instruction = placed.instruction
    if isinstance(instruction, Vector):
        _vector(row, instruction, wafer)
        hosted = any(isinstance(x, Color) and x in host for x in (instruction.a, instruction.b))
        row[at.LACK] = int(Doing.WEIGHT_WAIT if hosted else Doing.INPUT_WAIT)
    elif isinstance(instruction, Scalar):
        _scalar(row, instruction, wafer)
    elif isinstance(instruction, Control):
        _control(row, instruction, wafer)
    elif isinstance(instruction, TaskChange):
        row[at.KIND], row[at.TASK] = _CHANGES[instruction.change], instruction.task.id
        row[at.COST] = wafer.task_control_cycles
    elif isinstance(instruction, Reroute):
        row[at.KIND], row[at.COLOR], row[at.COST] = at.REROUTE, instruction.color.id, wafer.reroute_cycles
        row[at.INPUT], row[at.OUTPUTS] = int(instruction.route.input), instruction.route.mask
    return row


def end_of_task() -> list[int]:
    row = [0] * at.COLUMNS
    row[at.KIND] = at.END_TASK
    return row


# -- vector operations ------------------------------------------------------------------------------------


def _vector(row: list[int], op: Vector, wafer: Wafer) -> None:
    mapped = isinstance(op.b, Each)
    row[at.KIND] = at.MAP if mapped else at.VECTOR
    row[at.OP], row[at.STATE], row[at.FLOPS] = int(op.operation.code), int(op.operation.state), op.operation.operations
    if op.operation.code in PRODUCTS and not dtype_of(op.to, op.carry).is_float:
        row[at.OP] += int(INTEGER)
    _number(row, at.LENGTH, at.LENGTH_AT, op.length)
    _operand(row, at.DST, op.to, op.carry)
    _operand(row, at.A, op.a, op.carry)
    if isinstance(op.b, Each):
        _operand(row, at.EACH, op.b.view, op.carry)
        _number(row, at.COUNT, at.COUNT_AT, op.b.view.length)
    elif op.b is not None:
        _operand(row, at.B, op.b, op.carry)
    _price(row, op, wafer)
    row[at.SLOT], row[at.HIGH] = -1 if op.slot is None else op.slot, int(op.high)
    if op.then is not None:
        row[at.DONE], row[at.TASK] = op.then.done.value, op.then.task.id


def _price(row: list[int], op: Vector, wafer: Wafer) -> None:
    source = dtype_of(op.a, op.carry)
    lanes, cycles = wafer.rate(op.operation, dtype_of(op.to, op.carry), source)
    row[at.LANES], row[at.CYCLES] = lanes, cycles
    in_memory = [x for x in (op.a, op.b, op.to if op.operation.into else None) if isinstance(x, View)]
    row[at.READS] = sum(view.dtype.bytes for view in in_memory)
    row[at.WRITES] = op.to.dtype.bytes if isinstance(op.to, View) else 0
    streams = any(isinstance(x, Color) for x in (op.to, op.a, op.b))
    row[at.BITS] = 8 * op.carry.bytes
    row[at.S_LANES] = op.carry.per_wavelet if streams else lanes
    row[at.PLAIN] = int(streams and _is_plain(op))
    row[at.PAIRS] = int(streams and _moves_pairs(op))
    row[at.S_CYCLES] = cycles * -(-row[at.S_LANES] // lanes)
    loads = descriptors(op) * wafer.dsr_load_cycles
    start = wafer.map_start_cycles if isinstance(op.b, Each) else wafer.op_start_cycles
    row[at.ISSUE] = loads + start
    row[at.FREE_AFTER] = loads + wafer.async_issue_cycles
    row[at.MAP_STEP], row[at.MAP_GAP] = wafer.map_step_cycles, wafer.map_gap_cycles
    row[at.RELOAD] = reloads(op) * wafer.dsr_load_cycles


def _is_plain(op: Vector) -> bool:
    """The commonest case, for which compiled code has a short way."""
    operands = [x for x in (op.to, op.a, op.b) if x is not None]
    return op.carry == f32 and not op.operation.into and all(
        isinstance(x, Color) or (isinstance(x, View) and x.dtype == f32 and x.inner is None) for x in operands
    )


def _moves_pairs(op: Vector) -> bool:
    """The commonest case of f16, for which there is one, too."""
    return op.operation.code is VectorCode.MOV and op.carry == f16 and op.b is None and all(
        isinstance(x, Color) or (isinstance(x, View) and x.dtype == f16 and x.inner is None and x.stride == 1)
        for x in (op.to, op.a)
    )


def descriptors(op: Vector) -> int:
    """Descriptors to load: one per view or stream; an operand used in place shares the destination's."""
    sources = [x.view if isinstance(x, Each) else x for x in (op.a, op.b)]
    loaded = [x for x in sources if isinstance(x, View | Color)]
    if isinstance(op.to, View | Color) and not any(_same(op.to, x) for x in loaded):
        loaded.append(op.to)
    return len(loaded)


def reloads(op: Vector) -> int:
    """Descriptors to load in each step of a map: those of the operation that its callback names."""
    if not (isinstance(op.b, Each) and op.b.reload):
        return 0
    return descriptors(replace(op, b=None))


def _same(left: View | Color, right: View | Color) -> bool:
    if isinstance(left, Color) or isinstance(right, Color):
        return False
    return left.buffer is right.buffer and (left.offset, left.stride, left.where, left.inner, left.step) == (
        right.offset, right.stride, right.where, right.inner, right.step)  # fmt: skip


def _number(row: list[int], fixed: int, register: int, value: int | Register) -> None:
    if isinstance(value, Register):
        row[register] = value.index
    else:
        row[fixed] = value


def _operand(row: list[int], first: int, operand: object, carry: DType) -> None:
    row[first + at.O_DTYPE] = dtype_of(operand, carry).code
    if isinstance(operand, View):
        _view(row, first, operand)
    elif isinstance(operand, Color):
        row[first + at.O_KIND], row[first + at.O_BASE] = at.STREAM, operand.id
    elif isinstance(operand, Register):
        row[first + at.O_KIND], row[first + at.O_BASE] = at.REGISTER, operand.index
    elif operand is not None:
        _immediate(row, first, operand, carry)


def _view(row: list[int], first: int, view: View) -> None:
    size, buffer = view.dtype.bytes, view.buffer
    row[first + at.O_KIND] = at.MEMORY
    row[first + at.O_BASE] = buffer.address + view.offset * size
    row[first + at.O_STRIDE] = view.stride * size
    row[first + at.O_WHERE] = -1 if view.where is None else view.where.index
    row[first + at.O_INNER] = view.inner or 0
    row[first + at.O_OUTER] = view.outer_stride * size
    row[first + at.O_STEP] = view.step * size
    row[first + at.O_LOW], row[first + at.O_HIGH] = buffer.address, buffer.end
    row[first + at.O_ADVANCE] = view.advance


def _immediate(row: list[int], first: int, value: object, carry: DType) -> None:
    """Numbers are held as float32 bits, or as integers for integer operations."""
    assert isinstance(value, int | float | np.integer | np.floating)
    row[first + at.O_KIND] = at.IMMEDIATE
    if carry.is_float:
        row[first + at.O_DTYPE] = f32.code
        row[first + at.O_BASE] = struct.unpack("<i", struct.pack("<f", float(value)))[0]
    else:
        row[first + at.O_DTYPE] = i32.code
        row[first + at.O_BASE] = (int(value) + 2**31) % 2**32 - 2**31  # wraps, as a register would


# -- scalar instructions and control ----------------------------------------------------------------------


def _scalar(row: list[int], op: Scalar, wafer: Wafer) -> None:
    row[at.KIND], row[at.OP] = at.SCALAR, int(op.operation.code)
    row[at.COST] = getattr(wafer, op.operation.cost)
    stores = op.operation.code is ScalarCode.STORE
    if op.to is not None:
        _operand(row, at.DST, op.to, f32)
    if op.view is not None:
        _operand(row, at.DST if stores else at.A, op.view, f32)
    for first, value in ((at.A, op.a), (at.B, op.b)):
        if value is not None:
            _operand(row, first, value, _kind(op))


def _kind(op: Scalar) -> DType:
    """How a constant of a scalar instruction is held."""
    if op.operation.takes is not None:
        return i32 if op.operation.takes == "int" else f32
    if op.to is not None:
        return i32 if op.to.kind == "int" else f32
    return f32 if op.view is None or op.view.dtype.is_float else i32


def _control(row: list[int], op: Control, wafer: Wafer) -> None:
    row[at.KIND] = _MARKS[op.mark]
    if op.register is not None:
        _operand(row, at.A, op.register, i32)
    if op.count is not None:
        _number(row, at.COUNT, at.COUNT_AT, op.count)
    stay, jump = {
        Mark.LOOP: (wafer.loop_start_cycles, wafer.loop_start_cycles + wafer.branch_taken_cycles),
        Mark.END_LOOP: (wafer.branch_not_taken_cycles, wafer.loop_edge_cycles),
        Mark.WHEN: (wafer.branch_not_taken_cycles, wafer.branch_taken_cycles),
        Mark.OTHERWISE: (0, wafer.branch_taken_cycles),
        Mark.END_WHEN: (0, 0),
    }[op.mark]
    row[at.COST], row[at.COST_TAKEN] = stay, jump
    row[at.STATE] = int(Doing.OVERHEAD)
