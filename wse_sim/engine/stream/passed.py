"""Dates -> what FIFOs have passed, in a launch and in the phases that are measured."""

from __future__ import annotations

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.cycle.tally import cross
from wse_sim.engine.jit import jit
from wse_sim.engine.stream.dates import arriving, delay_until, leaving
from wse_sim.engine.stream.stairs import NEVER, Stair, date_of, last_date, words_before
from wse_sim.engine.stream.tables import (
    C_NOTE,
    C_WITHIN,
    FIRST,
    G_AFTER,
    G_COUNT,
    LAG,
    N_CUE,
    N_LEAVES,
    N_SECTION,
    N_TIME,
    O_AFTER,
    Stream,
)

ALL_WORDS = ALL_DATES = np.int64(1 << 40)
LOW = np.int64(0xFFFFFFFF)


@jit
def count_fifo(stream: Stream, tree: int, node: int) -> None:
    """Words that a FIFO has passed, and the cycles in which a visible word waited there."""
    pool, record = stream.state.fabric.pool, stream.trace.message
    message, passed, blocked, before = np.int64(stream.progress.head[tree]), np.int64(0), np.int64(0), NEVER
    while message >= 0:
        own, arrival = leaving(stream, message, node), arriving(stream, message, node)
        if own != arrival:
            blocked += waited(stream, own, arrival, before, ALL_WORDS)
        count = np.int64(record[message, G_COUNT])
        before = last_date(stream, own, count)
        passed += count
        message = np.int64(record[message, G_AFTER])
    fifo = stream.state.fabric.at[stream.trees.fifo[node]]
    pool[fifo + at.F_BLOCKED] += blocked
    pool[fifo + at.F_TAIL] = (pool[fifo + at.F_TAIL] + passed) & LOW
    pool[fifo + at.F_HEAD] = ((stream.begin[0] + before) & LOW) << 32 | ((pool[fifo + at.F_HEAD] + passed) & LOW)


@jit
def waited(stream: Stream, own: Stair, arrival: Stair, before: int, words: int) -> int:
    """Cycles in which a message's first words were visible and next in a FIFO: only those that begin a step wait.

    before  date of the last word of the message before
    """
    step, total = stream.trace.step, np.int64(0)
    for k in range(own[1]):
        i = np.int64(step[own[0] + k, FIRST])
        if i >= words:
            break
        date = i + step[own[0] + k, LAG] + own[2]
        if k > 0:
            before = i - 1 + step[own[0] + k - 1, LAG] + own[2]
        total += date - max(date_of(stream, arrival, i), before + 1)
    return total


# -- phases ---------------------------------------------------------------------------------------------


@jit
def count_crossings(stream: Stream, pe: int) -> None:
    """What the FIFOs of a PE pass while its core is in a measured phase; before anything else of it is counted."""
    scripts, measured = stream.scripts, stream.state.tally.measured
    script, operation = np.int64(stream.progress.script[pe]), np.int64(stream.progress.first[pe])
    if script < 0:
        return
    within, cue, delay = np.int64(scripts.script[script, C_WITHIN]), np.int64(-1), np.int64(0)
    cross(stream.state, pe, within, np.int64(1))  # what it was before this launch
    for note in range(scripts.script[script, C_NOTE], scripts.script[script + 1, C_NOTE]):
        while cue < scripts.note[note, N_CUE]:
            operation = operation if cue < 0 else np.int64(stream.trace.operation[operation, O_AFTER])
            delay = delay_until(stream, operation)
            cue += 1
        if scripts.note[note, N_LEAVES]:
            continue
        section = np.int64(scripts.note[note, N_SECTION])
        if measured[section] != measured[within]:
            cross_fifos(stream, pe, within, scripts.note[note, N_TIME] + delay, np.int64(1))
            cross_fifos(stream, pe, section, scripts.note[note, N_TIME] + delay, np.int64(-1))
        within = section
    cross_fifos(stream, pe, within, ALL_DATES, np.int64(1))


@jit
def cross_fifos(stream: Stream, pe: int, section: int, date: int, sign: int) -> None:
    """Takes what the FIFOs of a PE have passed off that of the section's phase as it is entered; adds it at its end.

    A router moves words before its core goes on in a cycle; an input queue's are taken by the core itself.
    """
    fabric, tally = stream.state.fabric, stream.state.tally
    phase = np.int64(tally.measured[section]) - 1
    if phase < 0:
        return
    for kind in range(2):
        first = fabric.first if kind == 0 else fabric.queue
        for index in range(first[pe], first[pe + 1]):
            node = np.int64(stream.trees.node[index])
            if node >= 0:
                words, blocked = passed_before(stream, node, date + 1 if kind == 0 else date)
                tally.passed_words[phase, index, 0] += sign * words
                tally.passed_words[phase, index, 1] += sign * blocked


@jit
def passed_before(stream: Stream, node: int, date: int) -> tuple[int, int]:
    """Words that have left a FIFO before a date, and the cycles that they waited there."""
    record, tree = stream.trace.message, stream.trees.tree[node]
    message, words, blocked, last = np.int64(stream.progress.head[tree]), np.int64(0), np.int64(0), NEVER
    while message >= 0:
        own, arrival, count = leaving(stream, message, node), arriving(stream, message, node), record[message, G_COUNT]
        gone = words_before(stream, own, np.int64(count), date)
        if own != arrival:
            blocked += waited(stream, own, arrival, last, gone)
        words += gone
        if gone < count:
            break
        last = last_date(stream, own, np.int64(count))
        message = np.int64(record[message, G_AFTER])
    return words, blocked
