"""What a script consists of, written down as it is played: cues, notes, risks and gaps."""

from __future__ import annotations

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.cycle.main_thread import uses_fabric
from wse_sim.engine.jit import jit
from wse_sim.engine.layout import DST, A, B
from wse_sim.engine.stream.tables import (
    C_CUE,
    CUES,
    FULL,
    GAPS,
    H_BEGIN,
    H_END,
    H_LABEL,
    H_SECTION,
    N_CUE,
    N_LEAVES,
    N_SECTION,
    N_TIME,
    NOTES,
    ORDINAL,
    R_CUE,
    R_ORDINAL,
    R_TIME,
    RISKS,
    U_A,
    U_B,
    U_GAP,
    U_GAPS,
    U_GROUPS,
    U_LAST,
    U_NOTE,
    U_NOTES,
    U_OUT,
    U_PACE,
    U_ROW,
    U_SLOT,
    U_START,
    U_WITHIN,
    Stream,
)

ZERO = np.int64(0)  # the only PE of the solo machine


@jit
def fails(stream: Stream, why: int, where: int, row: int = -1) -> int:
    stream.failed[0], stream.failed[1], stream.failed[2] = why, where, row
    return np.int64(-1)


@jit
def add_cue(stream: Stream, row: int, count: int, time: int) -> bool:
    """The next stream operation, of so many elements, or the start of an operation in a slot."""
    cue, place, rows = stream.scripts.cue, stream.counter[CUES], stream.solo.code.row
    if place == cue.shape[0]:
        fails(stream, FULL, CUES)
        return False
    groups = (count + rows[row, at.S_LANES] - 1) // rows[row, at.S_LANES]
    cue[place, U_ROW], cue[place, U_GROUPS], cue[place, U_START] = row, groups, time
    cue[place, U_A], cue[place, U_B] = input_of(stream, row, A), input_of(stream, row, B)
    cue[place, U_OUT] = output_of(stream, row)
    cue[place, U_PACE], cue[place, U_LAST] = rows[row, at.S_CYCLES], last_cycles(stream, row, groups, count)
    cue[place, U_NOTE], cue[place, U_NOTES] = stream.counter[NOTES], 0
    cue[place, U_GAP], cue[place, U_GAPS] = stream.counter[GAPS], 0
    cue[place, U_SLOT], cue[place, U_WITHIN] = rows[row, at.SLOT], 0
    stream.counter[CUES] = place + 1
    return True


@jit
def input_of(stream: Stream, row: int, operand: int) -> int:
    """Local input queue that an operand reads; -1: it is no stream."""
    code = stream.solo.code
    if code.row[row, operand + at.O_KIND] != at.STREAM:
        return np.int64(-1)
    return np.int64(code.input[stream.solo.cores.role[ZERO], code.row[row, operand + at.O_BASE]])


@jit
def output_of(stream: Stream, row: int) -> int:
    """Local router FIFO into which an instruction sends; -1: it sends nothing."""
    code = stream.solo.code
    if code.row[row, DST + at.O_KIND] != at.STREAM:
        return np.int64(-1)
    return np.int64(code.output[stream.solo.cores.role[ZERO], code.row[row, DST + at.O_BASE]])


@jit
def last_cycles(stream: Stream, row: int, groups: int, count: int) -> int:
    """Cycles of the last group, which may be partial, and of the pause after it."""
    rows, pause = stream.solo.code.row, stream.solo.costs.stream_pause
    pause = pause if uses_fabric(stream.solo, row) else np.int64(0)
    part = (count - 1) % rows[row, at.S_LANES] + 1
    cycles = np.int64(rows[row, at.CYCLES] * ((part + rows[row, at.LANES] - 1) // rows[row, at.LANES]))
    if rows[row, at.S_CYCLES] == 1:
        cycles = np.int64(1)
    return cycles + 1 if pause > 0 and groups % pause == 0 else cycles


@jit
def last_cue(stream: Stream, script: int) -> int:
    return stream.counter[CUES] - stream.scripts.script[script, C_CUE] - 1


@jit
def add_note(stream: Stream, script: int, section: int, time: int, leaves: int) -> bool:
    """A section begins, or is left."""
    note, place = stream.scripts.note, stream.counter[NOTES]
    if place == note.shape[0]:
        fails(stream, FULL, NOTES)
        return False
    note[place, N_CUE], note[place, N_SECTION] = last_cue(stream, script), section
    note[place, N_TIME], note[place, N_LEAVES] = time, leaves
    stream.counter[NOTES] = place + 1
    if note[place, N_CUE] >= 0:
        stream.scripts.cue[stream.counter[CUES] - 1, U_NOTES] += 1
    return True


@jit
def add_risk(stream: Stream, script: int, time: int) -> bool:
    """Numbers decide whether the instruction is at fault."""
    risk, place = stream.scripts.risk, stream.counter[RISKS]
    if place == risk.shape[0]:
        fails(stream, FULL, RISKS)
        return False
    risk[place, R_CUE], risk[place, R_TIME] = last_cue(stream, script), time
    risk[place, R_ORDINAL] = stream.counter[ORDINAL]
    stream.counter[RISKS] = place + 1
    return True


@jit
def add_gap(stream: Stream, begin: int) -> bool:
    """The overhead with which the last instruction began, while slots may be in use."""
    gap, place, core = stream.scripts.gap, stream.counter[GAPS], stream.solo.cores.state
    end, label, section = core[ZERO, at.OCCUPIED], core[ZERO, at.BUBBLE], core[ZERO, at.WITHIN]
    if end <= begin:
        return True
    cue, last = stream.counter[CUES] - 1, place - 1
    if stream.scripts.cue[cue, U_GAPS] > 0 and gap[last, H_END] == begin:
        if gap[last, H_LABEL] == label and gap[last, H_SECTION] == section:
            gap[last, H_END] = end
            return True
    if place == gap.shape[0]:
        fails(stream, FULL, GAPS)
        return False
    gap[place, H_BEGIN], gap[place, H_END], gap[place, H_LABEL], gap[place, H_SECTION] = begin, end, label, section
    stream.scripts.cue[cue, U_GAPS] += 1
    stream.counter[GAPS] = place + 1
    return True
