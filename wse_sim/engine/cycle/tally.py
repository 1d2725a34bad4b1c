"""Counting: every cycle of every PE belongs to one state."""

from __future__ import annotations

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.arithmetic import reads_destination
from wse_sim.engine.cycle.fifo import LOW
from wse_sim.engine.cycle.operand import bytes_of
from wse_sim.engine.jit import inlined, jit
from wse_sim.engine.layout import DST, A, B
from wse_sim.engine.state import State
from wse_sim.hardware.states import State as Doing

_IDLE = np.int64(Doing.IDLE)

ELEMENTS, OPERATIONS, READ, WRITTEN = map(np.int64, range(4))  # columns of Tally.work


@inlined
def count_cycles(state: State, pe: int, strip: int, label: int, cycles: int) -> None:
    state.tally.state[pe, label] += cycles
    state.tally.section[strip, state.cores.state[pe, at.WITHIN], label] += cycles


@jit
def recount(state: State, pe: int, strip: int, was: int, label: int) -> None:
    """Moves one counted cycle to another state."""
    count_cycles(state, pe, strip, was, np.int64(-1))
    count_cycles(state, pe, strip, label, np.int64(1))


@inlined
def settle(state: State, pe: int, now: int, strip: int) -> None:
    """Counts the cycles since the label was set."""
    core = state.cores.state
    if now > core[pe, at.SINCE]:
        count_cycles(state, pe, strip, core[pe, at.LABEL], now - core[pe, at.SINCE])
        core[pe, at.SINCE] = now


@inlined
def set_label(state: State, pe: int, now: int, strip: int, label: int) -> None:
    """From `now` on the PE counts as `label`."""
    core = state.cores.state
    if label == _IDLE and (core[pe, at.LABEL] != _IDLE or core[pe, at.SINCE] == now):
        core[pe, at.FINISH] = now
    if core[pe, at.LABEL] != label:
        settle(state, pe, now, strip)
        core[pe, at.LABEL] = label


@jit
def begin_segment(state: State, pe: int, now: int, strip: int, label: int, cycles: int) -> None:
    """Overhead of the main thread: counted at once, open to background slots."""
    core = state.cores.state
    settle(state, pe, now, strip)
    count_cycles(state, pe, strip, label, cycles)
    core[pe, at.BUBBLE] = label
    core[pe, at.READY] = now + cycles
    core[pe, at.OCCUPIED] = now + cycles
    core[pe, at.SINCE] = now + cycles


@jit
def hold(state: State, pe: int, strip: int, label: int, cycles: int) -> None:
    """Cycles at the end of the segment in which the main thread holds the issue slot."""
    core = state.cores.state
    count_cycles(state, pe, strip, label, cycles)
    core[pe, at.READY] += cycles
    core[pe, at.SINCE] += cycles


@jit
def enter_instruction(state: State, pe: int, row: int, now: int, strip: int) -> None:
    """The instruction that starts at `now`, and its section."""
    core = state.cores.state
    core[pe, at.ROW] = row
    section = state.code.row[row, at.SECTION]
    if core[pe, at.WITHIN] != section:
        settle(state, pe, now, strip)
        leave_section(state, pe, now, strip)
        if crosses(state, pe, row):
            cross(state, pe, core[pe, at.WITHIN], np.int64(1))
            cross(state, pe, section, np.int64(-1))
        core[pe, at.WITHIN] = section
    if now < state.tally.span[strip, section, 0]:
        state.tally.span[strip, section, 0] = now


@inlined
def crosses(state: State, pe: int, row: int) -> bool:
    """Whether a PE that starts an instruction enters or leaves a phase that is measured."""
    measured = state.tally.measured
    return measured[state.code.row[row, at.SECTION]] != measured[state.cores.state[pe, at.WITHIN]]


@jit
def cross(state: State, pe: int, section: int, sign: int) -> None:
    """Takes the counters of a PE off those of the section's phase as it is entered, and adds them as it is left."""
    tally, fabric = state.tally, state.fabric
    phase = np.int64(tally.measured[section]) - 1
    if phase < 0:
        return
    states, works = tally.state.shape[1], tally.work.shape[1]
    for k in range(states):
        tally.passed[phase, pe, k] += sign * tally.state[pe, k]
    for k in range(works):
        tally.passed[phase, pe, states + k] += sign * tally.work[pe, k]
    for kind in range(2):
        first = fabric.first if kind == 0 else fabric.queue
        for index in range(first[pe], first[pe + 1]):
            fifo = fabric.at[index]
            tally.passed_words[phase, index, 0] += sign * (fabric.pool[fifo + at.F_HEAD] & LOW)
            tally.passed_words[phase, index, 1] += sign * fabric.pool[fifo + at.F_BLOCKED]


@jit
def leave_section(state: State, pe: int, now: int, strip: int) -> None:
    section = state.cores.state[pe, at.WITHIN]
    if now > state.tally.span[strip, section, 1]:
        state.tally.span[strip, section, 1] = now


@jit
def count_work(state: State, pe: int, strip: int, row: int, elements: int) -> None:
    """Elements, wavelets, arithmetic operations and SRAM bytes of a vector operation."""
    rows = state.code.row
    state.tally.instruction[strip, row, 0] += elements
    if rows[row, DST + at.O_KIND] == at.STREAM:
        state.tally.instruction[strip, row, 1] += (elements + rows[row, at.S_LANES] - 1) // rows[row, at.S_LANES]
    state.tally.work[pe, ELEMENTS] += elements
    state.tally.work[pe, OPERATIONS] += elements * rows[row, at.FLOPS]
    for operand in (A, B):
        if rows[row, operand + at.O_KIND] == at.MEMORY:
            state.tally.work[pe, READ] += elements * bytes_of(rows[row, operand + at.O_DTYPE])
    if rows[row, DST + at.O_KIND] == at.MEMORY:
        width = bytes_of(rows[row, DST + at.O_DTYPE])
        state.tally.work[pe, WRITTEN] += elements * width
        if reads_destination(rows[row, at.OP]):
            state.tally.work[pe, READ] += elements * width
