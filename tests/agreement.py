"""What two engines must agree on: results, and all that is counted."""

from __future__ import annotations

import numpy as np
from outcomes import assert_same, outcome_of, same_bits
from strategies import Case

from wse_sim.engine import layout
from wse_sim.engine.machine import Machine
from wse_sim.mapping.commands.bench import Ready


def all_that_is_counted(machine: Machine) -> dict[str, np.ndarray]:
    """Every number that a launch leaves behind, as arrays: PEs, FIFOs, sections, instructions."""
    state = machine.state
    fifo = state.fabric.at[:, None] + np.array([layout.F_HEAD, layout.F_TAIL, layout.F_BLOCKED])
    return {
        "states": state.tally.state, "sections": state.tally.section, "spans": state.tally.span,
        "work": state.tally.work, "instructions": state.tally.instruction, "turns": state.fabric.turn,
        "finish": state.cores.state[:, layout.FINISH], "fifos": state.fabric.pool[fifo],
        "slots": state.cores.state[:, layout.TURN],
    }  # fmt: skip


def all_agrees(case: Case) -> str:
    """Both engines leave the same, down to whose turn it is; returns which engines ran the program in the end."""
    found = []
    for engine in ("cycle", "auto"):
        machine = Machine(case.program, case.wafer, engine=engine)
        found.append((outcome_of(machine, case.launches), all_that_is_counted(machine), machine.shares.engine))
    assert_same(found[1][0], found[0][0], case.note)
    for name, counts in found[0][1].items():
        np.testing.assert_array_equal(found[1][1][name], counts, err_msg=f"{name}: {case.note}")
    return found[1][2]


def agree_on_all(ready: Ready) -> None:
    """Numbers on both engines, counts on both and without numbers."""
    machines = [
        Machine(ready.program, ready.wafer, engine=engine, values=values)
        for engine, values in (("cycle", True), ("stream", True), ("stream", False))
    ]
    for machine in machines:
        random = np.random.default_rng(1)
        for buffer in ready.program.buffers:
            if buffer not in ready.program.initial and buffer.dtype.is_float:
                machine.write(buffer, random.random(buffer.length, np.float32).astype(buffer.dtype.numpy))
        machine.launch(ready.arguments)
    expected, streamed, timed = machines
    for name, counts in all_that_is_counted(expected).items():
        np.testing.assert_array_equal(all_that_is_counted(streamed)[name], counts, err_msg=name)
        np.testing.assert_array_equal(all_that_is_counted(timed)[name], counts, err_msg=f"{name} without numbers")
    for buffer in ready.program.buffers:
        assert same_bits(streamed.read(buffer), expected.read(buffer)), buffer
