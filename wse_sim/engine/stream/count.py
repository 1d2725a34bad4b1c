"""Dates -> what the cycles of cores count as, and when sections began and ended."""

from __future__ import annotations

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.cycle.tally import cross
from wse_sim.engine.jit import jit
from wse_sim.engine.stream.count_slots import add_cycles, count_slots, slots_end
from wse_sim.engine.stream.dates import (
    arriving,
    delay_until,
    of_operation,
    start_of_operation,
)
from wse_sim.engine.stream.filing import IN_SECTION
from wse_sim.engine.stream.origin import CONSTANT, DATA
from wse_sim.engine.stream.passed import ALL_DATES, count_crossings, count_fifo
from wse_sim.engine.stream.router import turn_before
from wse_sim.engine.stream.stairs import date_of, last_date, next_ready, same
from wse_sim.engine.stream.tables import (
    C_CODE,
    C_COUNT,
    C_NOTE,
    C_PES,
    COMPONENT,
    FIRST,
    IN_SLOT,
    ISSUING,
    K_COLUMN,
    K_ROW,
    K_TABLE,
    K_VALUE,
    LAG,
    N_CUE,
    N_LEAVES,
    N_SECTION,
    N_TIME,
    O_A,
    O_B,
    O_COUNT,
    O_CUE,
    O_LAST,
    O_LEAF_A,
    O_LEAF_B,
    O_OUT,
    O_PACE,
    O_PE,
    OPERATIONS,
    SCRIPTS,
    U_NOTE,
    U_NOTES,
    U_ROW,
    U_WITHIN,
    UNKNOWN_TURN,
    Stream,
)
from wse_sim.hardware.states import State as Doing

_INPUT_WAIT, _OUTPUT_BLOCKED, _SLOT_WAIT = (
    np.int64(Doing.INPUT_WAIT), np.int64(Doing.OUTPUT_BLOCKED), np.int64(Doing.SLOT_WAIT)
)  # fmt: skip


@jit
def count_component(stream: Stream) -> None:
    """Writes a component's dates into the machine's counters; before it, none of them has changed."""
    component, parts = stream.counter[COMPONENT], stream.components
    for index in range(parts.first[component], parts.first[component + 1]):
        turn = turn_at_end(stream, parts.pe[index])
        if turn < 0:
            stream.failed[0] = UNKNOWN_TURN
            for earlier in range(parts.first[component], index):
                stream.state.fabric.turn[parts.pe[earlier]] = stream.progress.turn[parts.pe[earlier]]
            return
        stream.state.fabric.turn[parts.pe[index]] = turn
    if stream.state.tally.passed.shape[0] > 0:
        for index in range(parts.first[component], parts.first[component + 1]):
            count_crossings(stream, np.int64(parts.pe[index]))
    for operation in range(stream.counter[OPERATIONS]):
        if not stream.trace.due[operation] & IN_SLOT:
            count_operation(stream, operation)
    for index in range(parts.first_tree[component], parts.first_tree[component + 1]):
        tree = np.int64(parts.tree[index])
        if stream.progress.head[tree] >= 0:
            for node in range(stream.trees.first[tree], stream.trees.first[tree + 1]):
                count_fifo(stream, tree, node)
    for index in range(parts.first[component], parts.first[component + 1]):
        if stream.progress.script[parts.pe[index]] >= 0:
            count_script(stream, parts.pe[index], stream.progress.script[parts.pe[index]])
            if stream.progress.slotted[parts.pe[index]]:
                count_slots(stream, np.int64(parts.pe[index]))
    count_scripts(stream)


# -- scripts --------------------------------------------------------------------------------------------


@jit
def count_script(stream: Stream, pe: int, script: int) -> None:
    """A PE's own cycles and work in a script, and the sections before its first stream operation."""
    scripts, tally = stream.scripts, stream.state.tally
    scripts.script[script, C_PES] += 1
    for column in range(scripts.states.shape[1]):
        tally.state[pe, column] += scripts.states[script, column]
    for column in range(scripts.work.shape[1]):
        tally.work[pe, column] += scripts.work[script, column]
    for phase in range(scripts.passed.shape[1]):
        for column in range(scripts.passed.shape[2]):
            tally.passed[phase, pe, column] += scripts.passed[script, phase, column]
    for place in range(scripts.script[script, C_NOTE], scripts.script[script + 1, C_NOTE]):
        if scripts.note[place, N_CUE] >= 0:
            break
        mark(stream, place, stream.begin[0])


@jit
def mark(stream: Stream, note: int, delay: int) -> None:
    """A section begins or ends on a PE."""
    notes, span = stream.scripts.note, stream.span
    section, cycle = notes[note, N_SECTION], notes[note, N_TIME] + delay
    if notes[note, N_LEAVES]:
        span[section, 1] = max(span[section, 1], cycle)
    else:
        span[section, 0] = min(span[section, 0], cycle)


@jit
def count_scripts(stream: Stream) -> None:
    """What counts for all PEs together, of each script as often as it was followed."""
    scripts, tally = stream.scripts, stream.state.tally
    for script in range(stream.counter[SCRIPTS]):
        times = np.int64(scripts.script[script, C_PES])
        if times == 0:
            continue
        scripts.script[script, C_PES] = 0
        for place in range(scripts.script[script, C_COUNT], scripts.script[script + 1, C_COUNT]):
            row, column = scripts.count[place, K_ROW], scripts.count[place, K_COLUMN]
            value = times * scripts.count[place, K_VALUE]
            if scripts.count[place, K_TABLE] == IN_SECTION:
                tally.section[0, row, column] += value
            else:
                tally.instruction[0, row, column] += value


@jit
def end_core(stream: Stream, pe: int) -> None:
    """A core at rest; its registers hold what the code computed, or else are stale."""
    scripts, cores = stream.scripts, stream.state.cores
    script, operation = np.int64(stream.progress.script[pe]), np.int64(stream.progress.last[pe])
    if script < 0:
        return
    core, end = cores.state, scripts.core
    for column in (at.MODE, at.ROW, at.PC, at.BUBBLE, at.ACTIVE, at.BLOCKED, at.LABEL, at.WITHIN):
        core[pe, column] = end[script, column]
    delay = stream.begin[0]
    if operation >= 0:
        delay += delay_until(stream, operation)
    for column in (at.READY, at.OCCUPIED, at.SINCE, at.FINISH):
        core[pe, column] = end[script, column] + delay
    if stream.progress.slotted[pe]:
        core[pe, at.SINCE] = core[pe, at.FINISH] = max(core[pe, at.FINISH], stream.begin[0] + slots_end(stream, pe))
    cross(stream.state, pe, core[pe, at.WITHIN], np.int64(-1))
    if not stream.begin[2]:
        code = scripts.script[script, C_CODE]
        for register in range(cores.ints.shape[1]):
            if scripts.origin[script, register] == CONSTANT:
                cores.ints[pe, register] = scripts.ints[script, register]
            elif scripts.origin[script, register] == DATA:
                scripts.stale[code, register] = 1


@jit
def turn_at_end(stream: Stream, pe: int) -> int:
    fabric = stream.state.fabric
    if fabric.first[pe + 1] == fabric.first[pe]:
        return np.int64(fabric.turn[pe])
    return turn_before(stream, pe, ALL_DATES)


# -- cores ----------------------------------------------------------------------------------------------


@jit
def count_operation(stream: Stream, operation: int) -> None:
    """Cycles of the main thread at work, waiting for input, room or a slot; the sections until the next operation."""
    record, state, cue = stream.trace.operation, stream.state, np.int64(stream.trace.operation[operation, O_CUE])
    pe, row = record[operation, O_PE], np.int64(stream.scripts.cue[cue, U_ROW])
    count = np.int64(record[operation, O_COUNT])
    pause, pace = state.costs.stream_pause, np.int64(record[operation, O_PACE])
    before_last = (count - 1) * pace
    if pause > 0:
        before_last += (count - 1) // pause
    waited = last_date(stream, of_operation(stream, operation), count) - start_of_operation(stream, operation)
    if record[operation, O_PACE] == ISSUING:
        add_cycles(stream, pe, np.int64(stream.scripts.cue[cue, U_WITHIN]), _SLOT_WAIT, waited)
        mark_after(stream, operation, cue)
        return
    waited -= before_last
    blocked = blocked_cycles(stream, operation) if waited > 0 else np.int64(0)
    section = state.code.row[row, at.SECTION]
    add_cycles(stream, pe, section, np.int64(state.code.row[row, at.STATE]), before_last + record[operation, O_LAST])
    add_cycles(stream, pe, section, _INPUT_WAIT, waited - blocked)
    add_cycles(stream, pe, section, _OUTPUT_BLOCKED, blocked)
    mark_after(stream, operation, cue)


@jit
def mark_after(stream: Stream, operation: int, cue: int) -> None:
    """The sections until the next operation of the main thread."""
    note, delay = np.int64(stream.scripts.cue[cue, U_NOTE]), stream.begin[0] + delay_until(stream, operation)
    for place in range(note, note + stream.scripts.cue[cue, U_NOTES]):
        mark(stream, place, delay)


@jit
def blocked_cycles(stream: Stream, operation: int) -> int:
    """Cycles in which all input was there, but no room."""
    record = stream.trace.operation
    if record[operation, O_OUT] < 0:
        return np.int64(0)
    own = of_operation(stream, operation)
    one, other = record[operation, O_A], record[operation, O_B]
    first = second = own
    if one >= 0:
        first = arriving(stream, one, record[operation, O_LEAF_A])
        if same(stream, own, first):
            return np.int64(0)
    if other >= 0:
        second = arriving(stream, other, record[operation, O_LEAF_B])
        if same(stream, own, second):
            return np.int64(0)
    total, step, free = np.int64(0), stream.trace.step, start_of_operation(stream, operation)
    pace, pause = np.int64(record[operation, O_PACE]), stream.state.costs.stream_pause
    for k in range(own[1]):  # between its steps it does one group after the other
        i = np.int64(step[own[0] + k, FIRST])
        date = i + step[own[0] + k, LAG] + own[2]
        if i > 0:
            free = next_ready(stream, own, k, pace, pause)
        there = free
        if one >= 0:
            there = max(there, date_of(stream, first, i))
        if other >= 0:
            there = max(there, date_of(stream, second, i))
        total += date - there
    return total
