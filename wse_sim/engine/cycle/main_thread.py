"""The main thread: one instruction after the other, ahead of time where nothing can interfere."""

from __future__ import annotations

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.arithmetic import load
from wse_sim.engine.cycle import scalar
from wse_sim.engine.cycle.burst import compute_elements, memory_cycles, stalls
from wse_sim.engine.cycle.control import change_task, go_on, rewrite_route
from wse_sim.engine.cycle.operand import bytes_of, element, inside
from wse_sim.engine.cycle.stream import advance_all, prepare, step
from wse_sim.engine.cycle.tally import (
    READ,
    begin_segment,
    count_work,
    crosses,
    enter_instruction,
    hold,
    leave_section,
    set_label,
)
from wse_sim.engine.cycle.tasks import pick_task, start_task
from wse_sim.engine.faults import DIVISION, NEGATIVE_LENGTH, OUTSIDE, report_fault
from wse_sim.engine.jit import inlined, jit
from wse_sim.engine.layout import DST, EACH, A, B
from wse_sim.engine.state import State
from wse_sim.hardware.states import State as Doing

_OVERHEAD, _SCALAR = np.int64(Doing.OVERHEAD), np.int64(Doing.SCALAR)
_PORT, _BANK, _PENDING = np.int64(Doing.PORT_STALL), np.int64(Doing.BANK_STALL), np.int64(Doing.PENDING_WRITE)


@inlined
def run_main(state: State, pe: int, now: int, strip: int) -> None:
    """Goes on from cycle `now` until something must be waited for."""
    core = state.cores.state
    while True:
        time = max(now, core[pe, at.READY])
        if time > now and (core[pe, at.LIVE] > 0 or time > state.wakes.horizon[0]):
            return
        mode = core[pe, at.MODE]
        if mode == at.FREE:
            task = pick_task(state, pe, now) if time == now else -1
            if task < 0:
                return
            start_task(state, pe, task, now, strip)
        elif mode == at.STREAMING:
            if time > now or not stream_on(state, pe, now, strip):
                return
        elif mode == at.MAPPING:
            map_on(state, pe, time, strip)
        elif not run_instruction(state, pe, time, time == now, strip):
            return


@jit
def run_instruction(state: State, pe: int, time: int, present: bool, strip: int) -> bool:
    """Starts the next instruction at `time`; False when it cannot start yet, or the program has failed.

    present  whether `time` is the current cycle, not one run ahead to
    """
    core = state.cores.state
    place = core[pe, at.PC]
    row = state.code.sequence[place]
    kind = state.code.row[row, at.KIND]
    if (kind == at.REROUTE or (kind != at.END_TASK and crosses(state, pe, row))) and not present:
        return False
    if kind == at.VECTOR and state.code.row[row, at.SLOT] >= 0:
        thread = pe * state.cores.threads + 1 + state.code.row[row, at.SLOT]
        if state.cores.thread[thread, at.T_STATE] != at.UNUSED:
            return False
    if kind == at.END_TASK:
        leave_section(state, pe, time, strip)
        core[pe, at.MODE] = at.FREE
        return True
    enter_instruction(state, pe, row, time, strip)
    core[pe, at.PC] = place + 1
    if kind == at.VECTOR or kind == at.MAP:
        return start_vector(state, pe, row, time, strip)
    if kind == at.SCALAR:
        return run_scalar(state, pe, row, time, strip)
    begin_segment(state, pe, time, strip, _OVERHEAD, np.int64(0))
    if kind == at.REROUTE:
        rewrite_route(state, pe, row, time, strip)
        hold(state, pe, strip, _SCALAR, state.code.row[row, at.COST])
    elif kind == at.ACTIVATE or kind == at.BLOCK or kind == at.UNBLOCK:
        change_task(state, pe, row)
        hold(state, pe, strip, _SCALAR, state.code.row[row, at.COST])
    else:
        begin_segment(state, pe, time, strip, _OVERHEAD, go_on(state, pe, place, row))
    return state.tally.fault[strip, 0] == 0


@jit
def run_scalar(state: State, pe: int, row: int, time: int, strip: int) -> bool:
    failure = scalar.execute(state, pe, row, time)
    if failure != scalar.FINE:
        report_fault(state, pe, row, time, strip, OUTSIDE if failure == scalar.OUTSIDE else DIVISION, np.int64(0))
        return False
    begin_segment(state, pe, time, strip, _OVERHEAD, np.int64(0))
    hold(state, pe, strip, _SCALAR, state.code.row[row, at.COST])
    return True


@jit
def start_vector(state: State, pe: int, row: int, time: int, strip: int) -> bool:
    """Descriptor loads and start; an operation in memory alone is then done, the others go on by themselves."""
    rows, core = state.code.row, state.cores.state
    count = number(state, pe, rows[row, at.LENGTH], rows[row, at.LENGTH_AT])
    is_map = rows[row, at.KIND] == at.MAP
    steps = number(state, pe, rows[row, at.COUNT], rows[row, at.COUNT_AT]) if is_map else np.int64(1)
    slot = rows[row, at.SLOT]
    thread = pe * state.cores.threads + 1 + slot
    prepare(state, pe, thread, row, count, steps, time)
    if not is_legal(state, pe, thread, row, count, steps, time, strip):
        return False
    count_work(state, pe, strip, row, count * steps)
    if slot >= 0:
        state.cores.thread[thread, at.T_STATE] = at.WORKING
        state.cores.thread[thread, at.T_WHY] = _OVERHEAD
        if count == 0:
            state.cores.thread[thread, at.T_STATE] = at.FINISHING
            due = rows[row, at.ISSUE] + state.costs.completion
            state.cores.thread[thread, at.T_READY] = time + max(due, np.int64(1))  # completions of `time` are past
        core[pe, at.LIVE] += 1
        begin_segment(state, pe, time, strip, _OVERHEAD, rows[row, at.FREE_AFTER])
        return True
    begin_segment(state, pe, time, strip, _OVERHEAD, rows[row, at.ISSUE])
    if is_map:
        core[pe, at.MODE] = at.MAPPING
    elif uses_fabric(state, row):
        core[pe, at.MODE] = at.STREAMING
    else:
        do_in_memory(state, pe, thread, row, 0.0, element_cycles(state, thread, row), strip)
        advance_all(state, pe, row)
    return True


@jit
def number(state: State, pe: int, fixed: int, register: int) -> int:
    """A length or count: from the instruction, or from a register."""
    return np.int64(fixed) if register < 0 else np.int64(state.cores.ints[pe, register])


@jit
def is_legal(state: State, pe: int, thread: int, row: int, count: int, steps: int, time: int, strip: int) -> bool:
    """Lengths and views, which may come from registers; reports the fault."""
    record = state.cores.thread
    if count < 0 or steps < 0:
        report_fault(state, pe, row, time, strip, NEGATIVE_LENGTH, min(count, steps))
        return False
    for operand, place in ((DST, at.T_DST), (A, at.T_A), (B, at.T_B)):
        if not inside(state.code, state.memory, pe, row, operand, record[thread, place], count, steps):
            report_fault(state, pe, row, time, strip, OUTSIDE, operand)
            return False
    if not inside(state.code, state.memory, pe, row, EACH, record[thread, at.T_EACH], steps, np.int64(1)):
        report_fault(state, pe, row, time, strip, OUTSIDE, EACH)
        return False
    return True


@jit
def uses_fabric(state: State, row: int) -> bool:
    for operand in (DST, A, B):
        if state.code.row[row, operand + at.O_KIND] == at.STREAM:
            return True
    return False


@jit
def element_cycles(state: State, thread: int, row: int) -> tuple[int, int, int, int]:
    """Cycles of all elements of an operation in memory: at work, then waiting for a port, a bank, a pending write."""
    record = state.cores.thread
    count = record[thread, at.T_COUNT]
    busy, port = memory_cycles(state.code, state.costs, row, count)
    bank, pending = stalls(
        state.code, state.costs, row, record[thread, at.T_DST], record[thread, at.T_A], record[thread, at.T_B], count
    )
    return busy, port, bank, pending


@jit
def do_in_memory(state: State, pe: int, thread: int, row: int, element_b: float, cycles: tuple[int, int, int, int],
                 strip: int) -> None:
    """All elements of an operation in memory, and the cycles they take."""
    record = state.cores.thread
    dst, a, b = record[thread, at.T_DST], record[thread, at.T_A], record[thread, at.T_B]
    compute_elements(state.code, state.cores, state.memory, pe, row, dst, a, b, record[thread, at.T_COUNT], element_b)
    hold_for_elements(state, pe, row, cycles, strip)


@jit
def hold_for_elements(state: State, pe: int, row: int, cycles: tuple[int, int, int, int], strip: int) -> None:
    busy, port, bank, pending = cycles
    hold(state, pe, strip, state.code.row[row, at.STATE], busy)
    hold(state, pe, strip, _PORT, port)
    hold(state, pe, strip, _BANK, bank)
    hold(state, pe, strip, _PENDING, pending)


@jit
def map_on(state: State, pe: int, time: int, strip: int) -> None:
    """One step of a map: the operation with the next element as its scalar."""
    record, rows = state.cores.thread, state.code.row
    thread = pe * state.cores.threads
    row = record[thread, at.T_ROW]
    if record[thread, at.T_STEP] == record[thread, at.T_STEPS]:
        state.cores.state[pe, at.MODE] = at.RUNNING
        advance_all(state, pe, row)
        return
    where = element(state.code, row, EACH, record[thread, at.T_EACH], record[thread, at.T_STEP])
    scalar = load(state.memory, rows[row, EACH + at.O_DTYPE], where)
    cycles = begin_map_step(state, pe, thread, row, time, strip)
    do_in_memory(state, pe, thread, row, scalar, cycles, strip)
    next_map_step(state, thread, row)


@jit
def begin_map_step(state: State, pe: int, thread: int, row: int, time: int, strip: int) -> tuple[int, int, int, int]:
    """The overhead of a step; returns the cycles of its elements."""
    rows = state.code.row
    state.tally.work[pe, READ] += bytes_of(rows[row, EACH + at.O_DTYPE])
    cycles = element_cycles(state, thread, row)
    idle = max(rows[row, at.MAP_GAP], rows[row, at.MAP_STEP] - cycles[0] - cycles[1] - cycles[2] - cycles[3])
    begin_segment(state, pe, time, strip, _OVERHEAD, rows[row, at.RELOAD] + idle)
    return cycles


@jit
def next_map_step(state: State, thread: int, row: int) -> None:
    record = state.cores.thread
    record[thread, at.T_DST] += state.code.row[row, DST + at.O_STEP]
    record[thread, at.T_A] += state.code.row[row, A + at.O_STEP]
    record[thread, at.T_STEP] += 1


@inlined
def stream_on(state: State, pe: int, now: int, strip: int) -> bool:
    """The next group of the main thread's stream operation; False when it has to wait."""
    core, record = state.cores.state, state.cores.thread
    thread = pe * state.cores.threads
    row = record[thread, at.T_ROW]
    if record[thread, at.T_COUNT] > 0:
        if not step(state, pe, thread, now):
            return False
        set_label(state, pe, now, strip, state.code.row[row, at.STATE])
        core[pe, at.READY] = record[thread, at.T_READY]
        core[pe, at.OCCUPIED] = now
    if record[thread, at.T_DONE] == record[thread, at.T_COUNT]:
        core[pe, at.MODE] = at.RUNNING
        advance_all(state, pe, row)
    return True
