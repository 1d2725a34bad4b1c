"""What a script keeps of its making: counts that are not zero, and the nodes on which control depends."""

from __future__ import annotations

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.jit import jit
from wse_sim.engine.stream.origin import CONSTANT, DATA
from wse_sim.engine.stream.tables import (
    C_NODE,
    COUNTS,
    EXACT,
    K_COLUMN,
    K_ROW,
    K_TABLE,
    K_VALUE,
    NODES,
    SCRATCH,
    TOUCHED,
    X_LEFT,
    X_NEED,
    X_RIGHT,
    Stream,
)

IN_SECTION, OF_INSTRUCTION = map(np.int64, range(2))  # values of K_TABLE
_USED = np.int64(-1)  # X_NEED of a node that others are made from
ZERO = np.int64(0)


@jit
def keep_counts(stream: Stream, pe: int, keeps: bool) -> bool:
    """Clears the counts of the solo machine, and files them; returns whether that was too many."""
    solo, scripts = stream.solo, stream.scripts
    within = stream.state.cores.state[pe, at.WITHIN]
    full = keep_section(stream, within, keeps)  # in which the first task was picked
    for each in range(stream.counter[TOUCHED]):
        row = np.int64(scripts.rows[each])
        scripts.touched[row] = 0
        full |= keep_section(stream, solo.code.row[row, at.SECTION], keeps)
        for column in range(2):
            value = solo.tally.instruction[ZERO, row, column]
            solo.tally.instruction[ZERO, row, column] = 0
            full |= keeps and value != 0 and not add_count(stream, OF_INSTRUCTION, row, column, value)
    return full


@jit
def keep_section(stream: Stream, section: int, keeps: bool) -> bool:
    table, full = stream.solo.tally.section, False
    for label in range(table.shape[2]):
        value = table[ZERO, section, label]
        table[ZERO, section, label] = 0
        full |= keeps and value != 0 and not add_count(stream, IN_SECTION, section, label, value)
    return full


@jit
def add_count(stream: Stream, table: int, row: int, column: int, value: int) -> bool:
    count, place = stream.scripts.count, stream.counter[COUNTS]
    if place == count.shape[0]:
        return False
    count[place, K_TABLE], count[place, K_ROW], count[place, K_COLUMN] = table, row, column
    count[place, K_VALUE] = value
    stream.counter[COUNTS] = place + 1
    return True


@jit
def keep_nodes(stream: Stream, script: int) -> bool:
    """Files the nodes that control has read, and those that they are made from; False if there is no room.

    The origin of each register is then that of its value at rest: CONSTANT, the same for all that the script fits;
    UNSEEN, as it was; or DATA.
    """
    scripts, counter = stream.scripts, stream.counter
    scratch, node, renamed = scripts.scratch, scripts.node, scripts.value
    for back in range(counter[SCRATCH]):
        each = counter[SCRATCH] - 1 - back
        if scratch[each, X_NEED] != 0:
            for side in (X_LEFT, X_RIGHT):
                child = scratch[each, side]
                if child >= 0 and scratch[child, X_NEED] == 0:
                    scratch[child, X_NEED] = _USED
    for register in range(scripts.origin.shape[1]):
        origin = np.int64(scripts.origin[script, register])
        if origin >= 0 and scratch[origin, X_NEED] == EXACT:
            scripts.origin[script, register] = CONSTANT
        elif origin >= 0:
            scripts.origin[script, register] = DATA
    for each in range(counter[SCRATCH]):
        if scratch[each, X_NEED] == 0:
            continue
        place = counter[NODES]
        if place == node.shape[0]:
            return False
        renamed[each] = place - scripts.script[script, C_NODE]
        for column in range(node.shape[1]):
            node[place, column] = scratch[each, column]
        for side in (X_LEFT, X_RIGHT):
            if node[place, side] >= 0:
                node[place, side] = renamed[node[place, side]]
        counter[NODES] = place + 1
    return True
