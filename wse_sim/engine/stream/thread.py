"""A core's main thread between its stream operations: time passes there by instruction rows alone.

Cycles are counted from the launch's as if stream operations took none; they are put in between later.
"""

from __future__ import annotations

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.cycle.main_thread import map_on, run_instruction
from wse_sim.engine.cycle.stream import advance_all
from wse_sim.engine.cycle.tally import set_label
from wse_sim.engine.cycle.tasks import pick_task, start_task
from wse_sim.engine.jit import jit
from wse_sim.engine.stream.tables import N_LEAVES, N_OPERATION, N_SECTION, N_TIME, NOTES, Stream
from wse_sim.hardware.states import State as Doing

_IDLE = np.int64(Doing.IDLE)
STREAMS, RESTS, FAILS, IS_LONG, IS_FULL = map(np.int64, range(5))
"""What has stopped it: a stream operation, nothing left to do, a fault, the limit of cycles, the pool of notes."""


@jit
def run_ahead(stream: Stream, pe: int) -> int:
    """Runs up to the first group of the next stream operation."""
    state = stream.state
    core = state.cores.state
    while True:
        time = core[pe, at.READY]
        mode = core[pe, at.MODE]
        if time - stream.begin[0] > stream.begin[1]:
            return IS_LONG
        if stream.counter[NOTES] + 2 > stream.trace.note.shape[0]:
            return IS_FULL
        if mode == at.FREE:
            task = pick_task(state, pe, time)
            if task < 0:
                set_label(state, pe, time, np.int64(0), _IDLE)
                return RESTS
            start_task(state, pe, task, time, np.int64(0))
            enters(stream, pe)
        elif mode == at.STREAMING:
            thread = pe * state.cores.threads
            if state.cores.thread[thread, at.T_COUNT] > 0:
                return STREAMS
            core[pe, at.MODE] = at.RUNNING
            advance_all(state, pe, state.cores.thread[thread, at.T_ROW])
        elif mode == at.MAPPING:
            map_on(state, pe, time, np.int64(0))
        else:
            within = core[pe, at.WITHIN]
            if not run_instruction(state, pe, time, True, np.int64(0)):
                return FAILS
            if core[pe, at.MODE] == at.FREE:
                note(stream, pe, within, time, np.int64(1))
            elif core[pe, at.WITHIN] != within:
                note(stream, pe, within, time, np.int64(1))
                note(stream, pe, core[pe, at.WITHIN], time, np.int64(0))


@jit
def enters(stream: Stream, pe: int) -> None:
    """A task begins in the section of its first instruction."""
    state = stream.state
    row = state.code.sequence[state.cores.state[pe, at.PC]]
    section = np.int64(state.code.row[row, at.SECTION])
    if state.code.row[row, at.KIND] != at.END_TASK and section == state.cores.state[pe, at.WITHIN]:
        note(stream, pe, section, state.cores.state[pe, at.READY], np.int64(0))


@jit
def note(stream: Stream, pe: int, section: int, time: int, leaves: int) -> None:
    """Remembers when a section begins or ends on a PE; at once where no stream operation came before."""
    before = stream.progress.last[pe]
    if before < 0:
        mark(stream, section, time, leaves)
        return
    place, notes = stream.counter[NOTES], stream.trace.note
    notes[place, N_OPERATION], notes[place, N_SECTION] = before, section
    notes[place, N_TIME], notes[place, N_LEAVES] = time - stream.begin[0], leaves
    stream.counter[NOTES] = place + 1


@jit
def mark(stream: Stream, section: int, cycle: int, leaves: int) -> None:
    if leaves:
        stream.span[section, 1] = max(stream.span[section, 1], cycle)
    else:
        stream.span[section, 0] = min(stream.span[section, 0], cycle)
