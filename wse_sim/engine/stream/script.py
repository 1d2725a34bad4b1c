"""What a main thread does between its first cycle and its last, written down for all PEs that do the same.

Scripts are played on a machine of one PE that computes no numbers. Control may depend on registers, and whole numbers
in memory that are there when the launch begins or that control itself has stored: each register knows where its whole
number comes from, and what control has read of it decides which other PEs the script fits. Cycles are counted from the
launch's as if stream operations took none; these are put in between later.
"""

from __future__ import annotations

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.cycle.main_thread import (
    begin_map_step,
    element_cycles,
    hold_for_elements,
    is_legal,
    next_map_step,
    number,
    run_instruction,
    uses_fabric,
)
from wse_sim.engine.cycle.stream import advance_all, prepare
from wse_sim.engine.cycle.tally import begin_segment, count_work, cross, enter_instruction, set_label
from wse_sim.engine.cycle.tasks import pick_task, start_task
from wse_sim.engine.jit import jit
from wse_sim.engine.layout import DST, EACH, A, B
from wse_sim.engine.stream.entries import add_cue, add_gap, add_note, add_risk, fails
from wse_sim.engine.stream.filing import keep_counts, keep_nodes
from wse_sim.engine.stream.origin import DATA, UNSEEN, comes_from, need, place_of_data, run_scalar
from wse_sim.engine.stream.stores import writes_numbers
from wse_sim.engine.stream.tables import (
    C_ACTIVE,
    C_BLOCKED,
    C_CODE,
    C_COUNT,
    C_CUE,
    C_GAP,
    C_NEXT,
    C_NODE,
    C_NOTE,
    C_PES,
    C_RISK,
    C_WITHIN,
    CONTROL,
    COUNTS,
    CUES,
    DEADLOCK,
    EXACT,
    FAULT,
    FINE,
    FULL,
    GAPS,
    NODES,
    NOTES,
    OPEN,
    ORDINAL,
    RISKS,
    SCRATCH,
    SCRIPTS,
    STORED,
    TOO_LONG,
    TOUCHED,
    TRUTH,
    U_WITHIN,
    Stream,
)
from wse_sim.hardware.states import State as Doing

_IDLE, _OVERHEAD = np.int64(Doing.IDLE), np.int64(Doing.OVERHEAD)
ZERO = np.int64(0)  # the only PE and strip of the solo machine, and its main thread
ONE = np.int64(1)
ONCE = np.uint8(1)  # bit of `touched`


@jit
def write_script(stream: Stream, pe: int) -> int:
    """A script of what a PE does, the last of its code's; -1: `failed` says why there is none."""
    scripts, counter = stream.scripts, stream.counter
    script = counter[SCRIPTS]
    if script + 1 >= scripts.script.shape[0]:
        return fails(stream, FULL, SCRIPTS)
    begin_script(stream, script, pe)
    why = play(stream, script)
    row = np.int64(stream.solo.cores.state[ZERO, at.ROW])
    if why == FINE and stream.solo.cores.state[ZERO, at.ACTIVE] != 0:
        why = DEADLOCK
    full = keep_counts(stream, pe, why == FINE)
    if why == FINE and full:
        return fails(stream, FULL, COUNTS)
    if why == FINE and not keep_nodes(stream, script):
        return fails(stream, FULL, NODES)
    if why == FULL:
        return np.int64(-1)
    if why != FINE:
        return fails(stream, why, pe, row)
    end_script(stream, script, pe)
    return script


@jit
def begin_script(stream: Stream, script: int, pe: int) -> None:
    """Puts a PE on the stage."""
    state, solo, scripts, counter = stream.state, stream.solo, stream.scripts, stream.counter
    core, role = solo.cores.state, state.cores.role[pe]
    for column in range(core.shape[1]):
        core[ZERO, column] = state.cores.state[pe, column]
    core[ZERO, at.READY] = core[ZERO, at.OCCUPIED] = core[ZERO, at.SINCE] = core[ZERO, at.FINISH] = 0
    code = scripts.code[role]
    for register in range(scripts.origin.shape[1]):
        solo.cores.ints[ZERO, register] = state.cores.ints[pe, register]
        scripts.origin[script, register] = DATA if scripts.stale[code, register] else UNSEEN
    solo.cores.role[ZERO], solo.memory.base[ZERO] = role, state.memory.base[pe]
    solo.fabric.first[ZERO], solo.fabric.queue[ZERO] = state.fabric.first[pe], state.fabric.queue[pe]
    for column in range(solo.tally.state.shape[1]):
        solo.tally.state[ZERO, column] = 0
    for column in range(4):
        solo.tally.work[ZERO, column] = 0
    for phase in range(solo.tally.passed.shape[0]):
        for column in range(solo.tally.passed.shape[2]):
            solo.tally.passed[phase, ZERO, column] = 0
    solo.tally.fault[ZERO, 0] = 0
    counter[SCRATCH] = counter[TOUCHED] = counter[ORDINAL] = 0
    counter[OPEN] = counter[STORED] = 0
    row = scripts.script
    counter[CUES], counter[NOTES], counter[RISKS] = row[script, C_CUE], row[script, C_NOTE], row[script, C_RISK]
    counter[COUNTS], counter[NODES], counter[GAPS] = row[script, C_COUNT], row[script, C_NODE], row[script, C_GAP]


@jit
def end_script(stream: Stream, script: int, pe: int) -> None:
    """Files the script with its code's, and says where the next one begins."""
    solo, scripts, counter, row = stream.solo, stream.scripts, stream.counter, stream.scripts.script
    core = stream.state.cores.state
    code = scripts.code[stream.state.cores.role[pe]]
    row[script, C_CODE], row[script, C_NEXT], row[script, C_PES] = code, scripts.head[code], 0
    scripts.head[code] = script
    row[script, C_ACTIVE], row[script, C_BLOCKED] = core[pe, at.ACTIVE], core[pe, at.BLOCKED]
    row[script, C_WITHIN] = core[pe, at.WITHIN]
    row[script + 1, C_CUE], row[script + 1, C_NOTE] = counter[CUES], counter[NOTES]
    row[script + 1, C_RISK] = counter[RISKS]
    row[script + 1, C_COUNT], row[script + 1, C_NODE] = counter[COUNTS], counter[NODES]
    row[script + 1, C_GAP] = counter[GAPS]
    for column in range(scripts.core.shape[1]):
        scripts.core[script, column] = solo.cores.state[ZERO, column]
    for register in range(scripts.ints.shape[1]):
        scripts.ints[script, register] = solo.cores.ints[ZERO, register]
    for column in range(scripts.states.shape[1]):
        scripts.states[script, column] = solo.tally.state[ZERO, column]
    for column in range(4):
        scripts.work[script, column] = solo.tally.work[ZERO, column]
    cross(solo, ZERO, solo.cores.state[ZERO, at.WITHIN], np.int64(1))
    for phase in range(scripts.passed.shape[1]):
        for column in range(scripts.passed.shape[2]):
            scripts.passed[script, phase, column] = solo.tally.passed[phase, ZERO, column]
    counter[SCRIPTS] = script + 1


# -- the play -------------------------------------------------------------------------------------------


@jit
def play(stream: Stream, script: int) -> int:
    """Runs the PE until it rests; FINE or what was in the way."""
    solo = stream.solo
    core, record = solo.cores.state, solo.cores.thread
    while True:
        time, mode = core[ZERO, at.READY], core[ZERO, at.MODE]
        if time > stream.begin[1]:
            return TOO_LONG
        why = FINE
        if mode == at.FREE:
            task = pick_task(solo, ZERO, time)
            if task < 0:
                set_label(solo, ZERO, time, ZERO, _IDLE)
                return FINE
            start_task(solo, ZERO, task, time, ZERO)
            why = enter_task(stream, script)
        elif mode == at.STREAMING:
            count = record[ZERO, at.T_COUNT]
            if count > 0 and not add_cue(stream, record[ZERO, at.T_ROW], count, time):
                return FULL
            core[ZERO, at.MODE] = at.RUNNING
            advance_all(solo, ZERO, record[ZERO, at.T_ROW])
        elif mode == at.MAPPING:
            map_on(stream, time)
        else:
            why = run_next(stream, script, time)
        if why != FINE:
            return why
        if stream.counter[OPEN] != 0 and not add_gap(stream, time):
            return FULL


@jit
def enter_task(stream: Stream, script: int) -> int:
    """A task begins in the section of its first instruction."""
    solo = stream.solo
    row = solo.code.sequence[solo.cores.state[ZERO, at.PC]]
    section = np.int64(solo.code.row[row, at.SECTION])
    if solo.code.row[row, at.KIND] != at.END_TASK and section == solo.cores.state[ZERO, at.WITHIN]:
        if not add_note(stream, script, section, solo.cores.state[ZERO, at.READY], ZERO):
            return FULL
    return FINE


@jit
def run_next(stream: Stream, script: int, time: int) -> int:
    """The next instruction, and its section."""
    solo, scripts, counter = stream.solo, stream.scripts, stream.counter
    core = solo.cores.state
    row, within = solo.code.sequence[core[ZERO, at.PC]], core[ZERO, at.WITHIN]
    if scripts.touched[row] == 0:
        scripts.touched[row] = ONCE
        scripts.rows[counter[TOUCHED]] = row
        counter[TOUCHED] += 1
    why = run_row(stream, script, row, solo.code.row[row, at.KIND], time)
    counter[ORDINAL] += 1
    if why != FINE:
        return why
    if core[ZERO, at.MODE] == at.FREE:
        if not add_note(stream, script, within, time, np.int64(1)):
            return FULL
    elif core[ZERO, at.WITHIN] != within:
        if not add_note(stream, script, within, time, np.int64(1)):
            return FULL
        if not add_note(stream, script, core[ZERO, at.WITHIN], time, ZERO):
            return FULL
    return FINE


@jit
def run_row(stream: Stream, script: int, row: int, kind: int, time: int) -> int:
    solo = stream.solo
    rows = solo.code.row
    if kind == at.VECTOR or kind == at.MAP:
        return run_vector(stream, script, row, time)
    if kind == at.SCALAR:
        why, risky = run_scalar(stream, script, row, time)
        if why == FINE and risky and not add_risk(stream, script, time):
            return FULL
        return why
    if kind == at.LOOP or kind == at.END_LOOP:
        if rows[row, at.COUNT_AT] >= 0 and not need(stream, script, rows[row, at.COUNT_AT], EXACT):
            return CONTROL
        if kind == at.END_LOOP and not need(stream, script, rows[row, A + at.O_BASE], EXACT):
            return CONTROL
        if kind == at.LOOP:
            comes_from(stream, script, rows[row, A + at.O_BASE], np.int64(-1))
    elif kind == at.WHEN and not need(stream, script, rows[row, A + at.O_BASE], TRUTH):
        return CONTROL
    return FINE if run_instruction(solo, ZERO, time, True, ZERO) else FAULT


@jit
def run_vector(stream: Stream, script: int, row: int, time: int) -> int:
    """A vector operation's time, but none of its numbers."""
    solo = stream.solo
    rows, core = solo.code.row, solo.cores.state
    is_map, risky, thread = rows[row, at.KIND] == at.MAP, False, ONE + rows[row, at.SLOT]
    within = core[ZERO, at.WITHIN]
    if rows[row, at.LENGTH_AT] >= 0 and not need(stream, script, rows[row, at.LENGTH_AT], EXACT):
        return CONTROL
    if is_map and rows[row, at.COUNT_AT] >= 0 and not need(stream, script, rows[row, at.COUNT_AT], EXACT):
        return CONTROL
    for operand in (DST, A, B, EACH):
        where = rows[row, operand + at.O_WHERE]
        if rows[row, operand + at.O_KIND] == at.MEMORY and where >= 0 and not need(stream, script, where, EXACT):
            if not place_of_data(stream, row, operand):
                return CONTROL
            risky = True
    if risky and not add_risk(stream, script, time):
        return FULL
    enter_instruction(solo, ZERO, row, time, ZERO)
    core[ZERO, at.PC] += 1
    count = number(solo, ZERO, rows[row, at.LENGTH], rows[row, at.LENGTH_AT])
    steps = number(solo, ZERO, rows[row, at.COUNT], rows[row, at.COUNT_AT]) if is_map else np.int64(1)
    prepare(solo, ZERO, thread, row, count, steps, time)
    if not is_legal(solo, ZERO, thread, row, count, steps, time, ZERO):
        return FAULT
    count_work(solo, ZERO, ZERO, row, count * steps)
    writes_numbers(stream, row)
    if thread > 0:
        return issue_slot(stream, script, row, count, time, within)
    begin_segment(solo, ZERO, time, ZERO, _OVERHEAD, rows[row, at.ISSUE])
    if is_map:
        core[ZERO, at.MODE] = at.MAPPING
    elif uses_fabric(solo, row):
        core[ZERO, at.MODE] = at.STREAMING
    else:
        hold_for_elements(solo, ZERO, row, element_cycles(solo, ZERO, row), ZERO)
        advance_all(solo, ZERO, row)
    if rows[row, DST + at.O_KIND] == at.REGISTER:
        comes_from(stream, script, rows[row, DST + at.O_BASE], DATA)
    return FINE


@jit
def issue_slot(stream: Stream, script: int, row: int, count: int, time: int, within: int) -> int:
    """Hands an operation over to a background slot, of whose time nothing is known here."""
    rows = stream.solo.code.row
    slot = rows[row, at.SLOT]
    if not add_cue(stream, row, count, time):
        return FULL
    stream.scripts.cue[stream.counter[CUES] - 1, U_WITHIN] = within
    stream.counter[OPEN] &= ~(ONE << slot)
    if count > 0:
        stream.counter[OPEN] |= ONE << slot
    begin_segment(stream.solo, ZERO, time, ZERO, _OVERHEAD, rows[row, at.FREE_AFTER])
    if rows[row, DST + at.O_KIND] == at.REGISTER:
        comes_from(stream, script, rows[row, DST + at.O_BASE], DATA)
    for operand in (DST, A, B):
        if rows[row, operand + at.O_KIND] == at.MEMORY and rows[row, operand + at.O_ADVANCE] != 0:
            comes_from(stream, script, rows[row, operand + at.O_WHERE], DATA)
    return FINE


@jit
def map_on(stream: Stream, time: int) -> None:
    """One step of a map."""
    solo = stream.solo
    record = solo.cores.thread
    row = record[ZERO, at.T_ROW]
    if record[ZERO, at.T_STEP] == record[ZERO, at.T_STEPS]:
        solo.cores.state[ZERO, at.MODE] = at.RUNNING
        advance_all(solo, ZERO, row)
        return
    hold_for_elements(solo, ZERO, row, begin_map_step(solo, ZERO, ZERO, row, time, ZERO), ZERO)
    next_map_step(solo, ZERO, row)
