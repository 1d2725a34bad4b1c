"""Deadlock: everything is at rest, but something still waits."""

from __future__ import annotations

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.lower import Lowered
from wse_sim.engine.state import State
from wse_sim.errors import RunError
from wse_sim.hardware import Direction
from wse_sim.hardware.states import State as Doing

SHOWN = 4


def raise_deadlock(state: State, lowered: Lowered, now: int) -> None:
    """Raises RunError naming PEs, colours and what each waits for, if anything waits."""
    waiting = [
        *_streams(state, lowered), *_operations(state, lowered), *_tasks(state, lowered), *_wavelets(state, lowered)
    ]  # fmt: skip
    if not waiting:
        return
    shown = "; ".join(waiting[:SHOWN])
    more = f"; and {len(waiting) - SHOWN} more" if len(waiting) > SHOWN else ""
    raise RunError(
        f"deadlock in program {lowered.program.name!r} at cycle {now}: {shown}{more}; expected all to end; "
        "check that each receiver has a sender, that lengths agree, and that routes meet"
    )


def _place(lowered: Lowered, pe: int) -> str:
    return f"PE ({pe % lowered.program.width}, {pe // lowered.program.width})"


def _streams(state: State, lowered: Lowered) -> list[str]:
    """Entries of host streams that have words left."""
    found = []
    for port in state.host.port[state.host.port[:, at.P_LEFT] > 0]:
        stream = lowered.program.streams[port[at.P_STREAM]]
        owner = _place(lowered, int(state.fabric.pool[port[at.P_FIFO] + at.F_OWNER]))
        total = port[at.P_SENT] + port[at.P_LEFT]
        found.append(f"host stream {stream.name!r} has {port[at.P_LEFT]} of {total} words left for {owner}")
    return found


def _operations(state: State, lowered: Lowered) -> list[str]:
    """Operations that have not ended."""
    found = []
    threads = state.cores.threads
    streaming = state.cores.state[:, at.MODE] == at.STREAMING
    for pe in np.flatnonzero(streaming | (state.cores.state[:, at.LIVE] > 0)).tolist():
        for thread in range(threads):
            record = state.cores.thread[pe * threads + thread]
            if (thread == 0 and streaming[pe]) or (thread > 0 and record[at.T_STATE] != at.UNUSED):
                found.append(f"{_place(lowered, pe)} {_what(state, lowered, record)}")
    return found


def _what(state: State, lowered: Lowered, record: np.ndarray) -> str:
    row = int(record[at.T_ROW])
    placed = lowered.placed[row]
    done = f"after {record[at.T_DONE]} of {record[at.T_COUNT]} elements of `{placed.instruction!r}` ({placed.where})"
    if record[at.T_WHY] == int(Doing.OUTPUT_BLOCKED):
        return f"waits for room on colour {_color(state, lowered, row, at.DST)} {done}"
    source = at.A if state.code.row[row, at.A + at.O_KIND] == at.STREAM else at.B
    host = " from the host, which has sent all" if record[at.T_WHY] == int(Doing.WEIGHT_WAIT) else ""
    return f"waits for input on colour {_color(state, lowered, row, source)}{host}, {done}"


def _color(state: State, lowered: Lowered, row: int, operand: int) -> str:
    color: int = state.code.row[row, operand + at.O_BASE]
    return lowered.program.colors[color].name


def _tasks(state: State, lowered: Lowered) -> list[str]:
    """Tasks that are active for ever."""
    found = []
    core = state.cores.state
    for pe in np.flatnonzero((core[:, at.ACTIVE] != 0) & (core[:, at.MODE] == at.FREE)).tolist():
        names = [t.name for t in lowered.program.tasks if core[pe, at.ACTIVE] >> t.id & 1]
        found.append(f"{_place(lowered, pe)} has active tasks {', '.join(names)} that are blocked or have no code")
    return found


def _wavelets(state: State, lowered: Lowered) -> list[str]:
    """Wavelets that nobody takes."""
    fabric = state.fabric
    head, tail = fabric.pool[fabric.at + at.F_HEAD] & 0xFFFFFFFF, fabric.pool[fabric.at + at.F_TAIL]
    found = []
    for fifo in np.flatnonzero(head != tail).tolist():
        color = lowered.program.colors[fabric.color[fifo]].name
        held = (int(tail[fifo]) - int(head[fifo])) & 0xFFFFFFFF
        if fifo < fabric.queue[0]:
            place = f"the router's input {Direction(int(fabric.pool[fabric.at[fifo] + at.F_PORT])).name}"
        else:
            place = "the input queue, which no operation reads"
        owner = _place(lowered, int(fabric.pool[fabric.at[fifo] + at.F_OWNER]))
        found.append(f"{owner} holds {held} wavelets of colour {color} in {place}")
    return found
