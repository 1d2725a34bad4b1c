"""Which script each PE follows."""

from __future__ import annotations

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.cycle.scalar import on_integers
from wse_sim.engine.jit import jit
from wse_sim.engine.stream.origin import number_at, wrapped
from wse_sim.engine.stream.script import write_script
from wse_sim.engine.stream.tables import (
    C_ACTIVE,
    C_BLOCKED,
    C_CUE,
    C_NEXT,
    C_NODE,
    C_WITHIN,
    EXACT,
    MEMORY_NODE,
    REGISTER_NODE,
    TRUTH,
    X_A,
    X_B,
    X_KIND,
    X_LEFT,
    X_NEED,
    X_OP,
    X_RIGHT,
    X_VALUE,
    Stream,
)
from wse_sim.hardware.operations import ScalarCode

MOST_TRIED = 128  # scripts, the latest first: where PEs have one each, comparing takes longer than writing
_IDIV, _IMOD = np.int64(ScalarCode.IDIV), np.int64(ScalarCode.IMOD)


@jit
def cast(stream: Stream, pe: int) -> int:
    """The script that an active PE follows, an old one or a new one; -1: `failed` says why there is none."""
    scripts = stream.scripts
    code = scripts.code[stream.state.cores.role[pe]]
    script = np.int64(scripts.tried[code])
    if script < 0 or not fits(stream, script, pe):
        script, tried = np.int64(scripts.head[code]), np.int64(1)
        while script >= 0 and tried < MOST_TRIED and not fits(stream, script, pe):
            script = np.int64(scripts.script[script, C_NEXT])
            tried += 1
        if script < 0 or tried == MOST_TRIED:
            script = write_script(stream, pe)
    scripts.tried[code] = script
    return script


@jit
def fits(stream: Stream, script: int, pe: int) -> bool:
    """Whether control reads on this PE what it has read where the script was written."""
    scripts, core = stream.scripts, stream.state.cores.state
    row, node, value = scripts.script, scripts.node, scripts.value
    if (
        core[pe, at.ACTIVE] != row[script, C_ACTIVE]
        or core[pe, at.BLOCKED] != row[script, C_BLOCKED]
        or core[pe, at.WITHIN] != row[script, C_WITHIN]
    ):
        return False
    code, base = scripts.code[stream.state.cores.role[pe]], np.int64(stream.state.memory.base[pe])
    first = row[script, C_NODE]
    for each in range(row[script + 1, C_NODE] - first):
        place = first + each
        kind = node[place, X_KIND]
        if kind == REGISTER_NODE:
            if scripts.stale[code, node[place, X_A]]:
                return False
            found = np.int64(stream.state.cores.ints[pe, node[place, X_A]])
        elif kind == MEMORY_NODE:
            found = number_at(stream, base, node[place, X_OP], node[place, X_A])
        else:
            a = value[node[place, X_LEFT]] if node[place, X_LEFT] >= 0 else node[place, X_A]
            b = value[node[place, X_RIGHT]] if node[place, X_RIGHT] >= 0 else node[place, X_B]
            if b == 0 and (node[place, X_OP] == _IDIV or node[place, X_OP] == _IMOD):
                return False
            found = wrapped(np.int64(on_integers(node[place, X_OP], a, b)))
        value[each] = found
        if node[place, X_NEED] == EXACT and found != node[place, X_VALUE]:
            return False
        if node[place, X_NEED] == TRUTH and (found == 0) != (node[place, X_VALUE] == 0):
            return False
    return True


@jit
def cues_of(stream: Stream, script: int) -> int:
    """Stream operations of a script."""
    row = stream.scripts.script
    return np.int64(row[script + 1, C_CUE] - row[script, C_CUE])
