"""Faults: compiled code leaves numbers, and words are made of them here."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.jit import jit
from wse_sim.engine.state import State
from wse_sim.errors import RunError

if TYPE_CHECKING:
    from wse_sim.engine.lower import Lowered

OUTSIDE, DIVISION, NEGATIVE_LENGTH, NOT_DRAINED = map(np.int64, range(1, 5))


@jit
def report_fault(state: State, pe: int, row: int, now: int, strip: int, code: int, detail: int) -> None:
    """Keeps the earliest fault of a strip of PEs, the lowest PE's among equals: cores run ahead of each other."""
    fault = state.tally.fault
    earlier = now < fault[strip, 2] or (now == fault[strip, 2] and pe < fault[strip, 1])
    if fault[strip, 0] == 0 or earlier:
        fault[strip, 0] = code
        fault[strip, 1] = pe
        fault[strip, 2] = now
        fault[strip, 3] = row
        fault[strip, 4] = detail


def raise_fault(state: State, lowered: Lowered, before: int) -> None:
    """Raises the earliest fault before a cycle, if there is one."""
    found = [f for f in state.tally.fault.tolist() if f[0] and f[2] < before]
    if not found:
        return
    code, pe, now, row, detail = min(found, key=lambda f: (f[2], f[1]))
    program = lowered.program
    placed = lowered.placed[row]
    where = f"PE ({pe % program.width}, {pe // program.width}), cycle {now}, {placed.where}: {placed.instruction!r}"
    if code == OUTSIDE:
        raise RunError(
            f"a view reaches outside its buffer at {where}; expected every element inside; check the registers that "
            "give its place and length"
        )
    if code == DIVISION:
        raise RunError(f"integer division by zero at {where}; guard it with `when`")
    if code == NEGATIVE_LENGTH:
        raise RunError(f"length or count {detail} is negative at {where}; expected 0 or more")
    color = program.colors[state.code.row[row, at.COLOR]]
    raise RunError(
        f"colour {color!r} is rerouted while wavelets wait at {where}; expected it drained; reroute after the last "
        "operation that receives on it"
    )
