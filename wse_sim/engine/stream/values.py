"""The numbers of a stream operation: all elements at once, in their order."""

from __future__ import annotations

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.arithmetic import compute, encode, reads_destination
from wse_sim.engine.cycle.operand import read, write
from wse_sim.engine.cycle.stream import operand_value
from wse_sim.engine.half import bits_of_single, single_of_bits
from wse_sim.engine.jit import jit
from wse_sim.engine.layout import DST, A, B
from wse_sim.engine.stream.tables import Stream
from wse_sim.hardware.operations import VectorCode

_MOV, _ADD = np.int64(VectorCode.MOV), np.int64(VectorCode.ADD)
F32_BYTES = 4


@jit
def compute_operation(stream: Stream, pe: int, thread: int, in_a: int, in_b: int, out: int) -> None:
    """Does the elements of a thread's operation; words come from and go to these places of the pool."""
    state = stream.state
    row = state.cores.thread[thread, at.T_ROW]
    if state.code.row[row, at.PLAIN]:
        compute_plain(stream, thread, row, in_a, in_b, out)
    else:
        compute_groups(stream, pe, thread, row, in_a, in_b, out)


@jit
def compute_groups(stream: Stream, pe: int, thread: int, row: int, in_a: int, in_b: int, out: int) -> None:
    """Any operation, one wavelet after the other."""
    state, word = stream.state, stream.trace.word
    record, rows = state.cores.thread, state.code.row
    op, width, lanes = rows[row, at.OP], rows[row, at.BITS], rows[row, at.S_LANES]
    sends, keeps = rows[row, DST + at.O_KIND] == at.STREAM, reads_destination(rows[row, at.OP])
    from_a, from_b = rows[row, A + at.O_KIND] == at.STREAM, rows[row, B + at.O_KIND] == at.STREAM
    start, count = record[thread, at.T_DST], record[thread, at.T_COUNT]
    for group in range((count + lanes - 1) // lanes):
        word_a = np.int64(word[in_a + group]) if from_a else np.int64(0)
        word_b = np.int64(word[in_b + group]) if from_b else np.int64(0)
        sent = np.int64(0)
        for i in range(group * lanes, min(count, group * lanes + lanes)):
            shift = (i - group * lanes) * width
            first = operand_value(state, pe, thread, row, A, at.T_A, i, word_a >> shift, width)
            second = operand_value(state, pe, thread, row, B, at.T_B, i, word_b >> shift, width)
            if sends:
                sent |= encode(rows[row, DST + at.O_DTYPE], compute(op, 0.0, first, second)) << shift
            else:
                old = read(state.code, state.cores, state.memory, pe, row, DST, start, i) if keeps else 0.0
                value = compute(op, old, first, second)
                write(state.code, state.cores, state.memory, pe, row, DST, start, i, value)
        if sends:
            word[out + group] = sent


@jit
def single(stream: Stream, row: int, operand: int, start: int, index: int, words: int) -> np.float32:
    """An f32 element of a stream or of a view in memory."""
    rows = stream.state.code.row
    if rows[row, operand + at.O_KIND] == at.STREAM:
        return single_of_bits(stream.trace.word[words + index])
    if rows[row, operand + at.O_KIND] == at.NONE:
        return np.float32(0.0)
    return stream.state.memory.f32[(start + index * rows[row, operand + at.O_STRIDE]) >> 2]


@jit
def compute_plain(stream: Stream, thread: int, row: int, in_a: int, in_b: int, out: int) -> None:
    """f32 elements between streams and one-dimensional views, which the operation does not read and write at once."""
    record, rows = stream.state.cores.thread, stream.state.code.row
    memory, word = stream.state.memory, stream.trace.word
    op, count = rows[row, at.OP], record[thread, at.T_COUNT]
    a, b, to = record[thread, at.T_A], record[thread, at.T_B], record[thread, at.T_DST]
    sends = rows[row, DST + at.O_KIND] == at.STREAM
    from_a, from_b = rows[row, A + at.O_KIND] == at.STREAM, rows[row, B + at.O_KIND] == at.STREAM
    near_a, near_b = rows[row, A + at.O_STRIDE] == F32_BYTES, rows[row, B + at.O_STRIDE] == F32_BYTES
    near_to = rows[row, DST + at.O_STRIDE] == F32_BYTES
    if op == _MOV and sends and near_a:
        for i in range(count):
            word[out + i] = memory.u32[(a >> 2) + i]
    elif op == _MOV and from_a and near_to:
        for i in range(count):
            memory.u32[(to >> 2) + i] = word[in_a + i]
    elif op == _ADD and from_a and near_b and sends:
        for i in range(count):
            word[out + i] = bits_of_single(single_of_bits(word[in_a + i]) + memory.f32[(b >> 2) + i])
    elif op == _ADD and from_b and near_a and sends:
        for i in range(count):
            word[out + i] = bits_of_single(single_of_bits(word[in_b + i]) + memory.f32[(a >> 2) + i])
    else:
        for i in range(count):
            first, second = single(stream, row, A, a, i, in_a), single(stream, row, B, b, i, in_b)
            result = np.float32(compute(op, 0.0, np.float64(first), np.float64(second)))
            if sends:
                word[out + i] = bits_of_single(result)
            else:
                memory.f32[(to + i * rows[row, DST + at.O_STRIDE]) >> 2] = result
