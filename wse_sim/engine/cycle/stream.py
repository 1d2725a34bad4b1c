"""Vector operations with a stream operand, and all operations in background slots: a group of elements at a time."""

from __future__ import annotations

import numpy as np

from wse_sim.engine.arithmetic import compute, decode, encode, reads_destination
from wse_sim.engine.cycle.fifo import has_room, peek, pop, push, visible
from wse_sim.engine.cycle.operand import advance, read, start_of, write
from wse_sim.engine.cycle.wake import announce, wake_router
from wse_sim.engine.half import bits_of_single, double_to_half, half_to_double, single_of_bits
from wse_sim.engine.jit import inlined, jit
from wse_sim.engine.layout import (
    BITS,
    CYCLES,
    DST,
    EACH,
    ISSUE,
    LACK,
    LANES,
    NONE,
    O_BASE,
    O_DTYPE,
    O_KIND,
    O_STRIDE,
    OP,
    OPERAND,
    PAIRS,
    PLAIN,
    S_CYCLES,
    S_LANES,
    STREAM,
    T_A,
    T_B,
    T_COUNT,
    T_DONE,
    T_DST,
    T_EACH,
    T_READY,
    T_ROW,
    T_START,
    T_STEP,
    T_STEPS,
    T_WHY,
    A,
    B,
)
from wse_sim.engine.state import State
from wse_sim.hardware.states import State as Doing

_OUTPUT_BLOCKED = np.int64(Doing.OUTPUT_BLOCKED)


@jit
def prepare(state: State, pe: int, thread: int, row: int, count: int, steps: int, time: int) -> None:
    """Loads a thread with an operation: resolves addresses and queues."""
    record = state.cores.thread
    record[thread, T_ROW] = row
    record[thread, T_DONE] = 0
    record[thread, T_COUNT] = count
    record[thread, T_START] = time
    record[thread, T_READY] = time + state.code.row[row, ISSUE]
    record[thread, T_DST] = place_of(state, pe, row, DST)
    record[thread, T_A] = place_of(state, pe, row, A)
    record[thread, T_B] = place_of(state, pe, row, B)
    record[thread, T_EACH] = place_of(state, pe, row, EACH)
    record[thread, T_STEP] = 0
    record[thread, T_STEPS] = steps


@jit
def place_of(state: State, pe: int, row: int, operand: int) -> int:
    """FIFO of a stream operand, byte address of a memory operand."""
    if state.code.row[row, operand + O_KIND] != STREAM:
        return start_of(state.code, state.cores, state.memory, pe, row, operand)
    role = state.cores.role[pe]
    color = state.code.row[row, operand + O_BASE]
    if operand == DST:
        return state.fabric.at[state.fabric.first[pe] + state.code.output[role, color]]
    return state.fabric.at[state.fabric.queue[pe] + state.code.input[role, color]]


@inlined
def step(state: State, pe: int, thread: int, now: int) -> bool:
    """Does the next group of elements if its wavelets are there and there is room for what it sends.

    Returns whether it did; else T_WHY says what it waits for.
    """
    record, rows, fabric = state.cores.thread, state.code.row, state.fabric
    row = record[thread, T_ROW]
    from_a, from_b = rows[row, A + O_KIND] == STREAM, rows[row, B + O_KIND] == STREAM
    sends = rows[row, DST + O_KIND] == STREAM
    if (from_a and not visible(fabric, record[thread, T_A], now)) or (
        from_b and not visible(fabric, record[thread, T_B], now)
    ):
        record[thread, T_WHY] = rows[row, LACK]
        return False
    if sends and not has_room(fabric, record[thread, T_DST], now):
        record[thread, T_WHY] = _OUTPUT_BLOCKED
        return False
    if rows[row, PLAIN]:
        word = do_plain(state, thread, row)
    elif rows[row, PAIRS] and record[thread, T_DONE] + 2 <= record[thread, T_COUNT]:
        word = move_pair(state, thread, row)
    else:
        word = do_group(state, pe, thread, row)
    if from_a and pop(fabric, record[thread, T_A], now):
        wake_router(state.wakes, pe, now + 1)
    if from_b and pop(fabric, record[thread, T_B], now):
        wake_router(state.wakes, pe, now + 1)
    if sends:
        push(fabric, record[thread, T_DST], word, now)
        announce(fabric, state.wakes, record[thread, T_DST], now + state.costs.ramp_out)
    record[thread, T_READY] = now + group_cycles(state, thread, row)
    pause = state.costs.stream_pause
    if pause > 0 and (from_a or from_b or sends) and pauses(record[thread, T_DONE], rows[row, S_LANES], pause):
        record[thread, T_READY] += 1
    return True


@inlined
def pauses(done: int, lanes: int, pause: int) -> bool:
    """Whether the group that ended with `done` elements is one of those after which a stream operation pauses."""
    return (done + lanes - 1) // lanes % pause == 0


@inlined
def group_cycles(state: State, thread: int, row: int) -> int:
    """Cycles of the group that has just been done: fewer for half a wavelet at the end."""
    record, rows = state.cores.thread, state.code.row
    full = np.int64(rows[row, S_CYCLES])
    if full == 1 or record[thread, T_DONE] < record[thread, T_COUNT]:
        return full
    part = (record[thread, T_COUNT] - 1) % rows[row, S_LANES] + 1
    return np.int64(rows[row, CYCLES] * ((part + rows[row, LANES] - 1) // rows[row, LANES]))


@inlined
def do_plain(state: State, thread: int, row: int) -> int:
    """`do_group` for one f32 element between streams and one-dimensional views."""
    record, rows, memory = state.cores.thread, state.code.row, state.memory.f32
    index = record[thread, T_DONE]
    record[thread, T_DONE] = index + 1
    first = second = 0.0
    if rows[row, A + O_KIND] == STREAM:
        first = np.float64(single_of_bits(np.uint32(peek(state.fabric, record[thread, T_A]))))
    else:
        first = np.float64(memory[(record[thread, T_A] + index * rows[row, A + O_STRIDE]) >> 2])
    if rows[row, B + O_KIND] == STREAM:
        second = np.float64(single_of_bits(np.uint32(peek(state.fabric, record[thread, T_B]))))
    elif rows[row, B + O_KIND] != NONE:
        second = np.float64(memory[(record[thread, T_B] + index * rows[row, B + O_STRIDE]) >> 2])
    result = np.float32(compute(rows[row, OP], 0.0, first, second))
    if rows[row, DST + O_KIND] == STREAM:
        return np.int64(bits_of_single(result))
    memory[(record[thread, T_DST] + index * rows[row, DST + O_STRIDE]) >> 2] = result
    return np.int64(0)


@inlined
def move_pair(state: State, thread: int, row: int) -> int:
    """`do_group` for two f16 that are moved between streams and contiguous memory."""
    record, rows, memory = state.cores.thread, state.code.row, state.memory.u16
    index = record[thread, T_DONE]
    record[thread, T_DONE] = index + 2
    if rows[row, A + O_KIND] == STREAM:
        word = peek(state.fabric, record[thread, T_A])
    else:
        place = (record[thread, T_A] >> 1) + index
        word = np.int64(memory[place]) | np.int64(memory[place + 1]) << 16
    low, high = same_half(np.uint16(word & 0xFFFF)), same_half(np.uint16(word >> 16 & 0xFFFF))
    if rows[row, DST + O_KIND] != STREAM:
        place = (record[thread, T_DST] >> 1) + index
        memory[place] = low
        memory[place + 1] = high
    return np.int64(low) | np.int64(high) << 16


@inlined
def same_half(bits: np.uint16) -> np.uint16:
    """What is left of a half that is rounded to one: the number itself, what is none by way of float64."""
    return bits if bits & 0x7FFF <= 0x7C00 else double_to_half(half_to_double(bits))


@jit
def do_group(state: State, pe: int, thread: int, row: int) -> int:
    """Computes the thread's next group; returns the wavelet it sends, elements in order from the low bits."""
    record, rows = state.cores.thread, state.code.row
    op = rows[row, OP]
    done, count = record[thread, T_DONE], record[thread, T_COUNT]
    width = rows[row, BITS]
    word_a = peek(state.fabric, record[thread, T_A]) if rows[row, A + O_KIND] == STREAM else np.int64(0)
    word_b = peek(state.fabric, record[thread, T_B]) if rows[row, B + O_KIND] == STREAM else np.int64(0)
    word = np.int64(0)
    last = min(count, done + rows[row, S_LANES])
    for i in range(done, last):
        shift = (i - done) * width
        first = operand_value(state, pe, thread, row, A, T_A, i, word_a >> shift, width)
        second = operand_value(state, pe, thread, row, B, T_B, i, word_b >> shift, width)
        if rows[row, DST + O_KIND] == STREAM:
            word |= encode(rows[row, DST + O_DTYPE], compute(op, 0.0, first, second)) << shift
        else:
            start = record[thread, T_DST]
            old = 0.0
            if reads_destination(op):
                old = read(state.code, state.cores, state.memory, pe, row, DST, start, i)
            value = compute(op, old, first, second)
            write(state.code, state.cores, state.memory, pe, row, DST, start, i, value)
    record[thread, T_DONE] = last
    return word


@jit
def operand_value(state: State, pe: int, thread: int, row: int, operand: int, place: int, index: int, bits: int,
                  width: int) -> float:
    """A source element: from the wavelet's bits, or from memory, register or immediate."""
    kind = state.code.row[row, operand + O_KIND]
    if kind == STREAM:
        return decode(state.code.row[row, operand + O_DTYPE], bits & ((1 << width) - 1))
    if kind == NONE:
        return 0.0
    start = state.cores.thread[thread, place]
    return read(state.code, state.cores, state.memory, pe, row, operand, start, index)


@jit
def advance_all(state: State, pe: int, row: int) -> None:
    """Auto-advance of every view, once the operation is done; one that is used twice moves once."""
    rows = state.code.row
    advance(state.code, state.cores, pe, row, DST)
    if not same_operand(rows, row, DST, A):
        advance(state.code, state.cores, pe, row, A)
    if not same_operand(rows, row, DST, B) and not same_operand(rows, row, A, B):
        advance(state.code, state.cores, pe, row, B)


@jit
def same_operand(rows: np.ndarray, row: int, one: int, other: int) -> bool:
    for column in range(OPERAND):
        if rows[row, one + column] != rows[row, other + column]:
            return False
    return True
