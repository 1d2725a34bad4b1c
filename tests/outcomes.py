"""What a run of a program leaves behind, from either machine: all that the two must have in common."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np
import numpy.typing as npt
from naive.machine import NaiveMachine

from wse_sim.engine import layout
from wse_sim.engine.machine import Machine
from wse_sim.hardware import Direction, State, Wafer
from wse_sim.program.program import Program

MOST_CYCLES = 200_000
Counts = dict[tuple[int, int, str, str], int]
Launches = Sequence[Mapping[str, float]]
Streams = Mapping[str, tuple[npt.NDArray[np.generic], int]]
"""Values of each host stream, and how many times they are sent in each launch."""
Runner = Callable[..., "Outcome"]
NO_STREAMS: Streams = MappingProxyType({})


@dataclass
class Outcome:
    """Times count from the start of each launch.

    cycles   length of each launch
    finish   end of each PE, row after row, in each launch
    states   cycles of each PE by `State`, of all launches
    pops     words taken from each FIFO by (x, y, colour, port); the port of an input queue is QUEUE
    blocked  cycles that words waited in them
    memory   contents of each buffer, (height, width, length); none of a machine without numbers
    """

    width: int
    cycles: list[int]
    finish: list[list[int]]
    states: list[list[int]]
    pops: Counts
    blocked: Counts
    memory: dict[str, npt.NDArray[np.generic]]

    def count(self, state: State, x: int = 0, y: int = 0) -> int:
        """Cycles of one PE in a state."""
        return self.states[y * self.width + x][state]

    def end(self, x: int = 0, y: int = 0) -> int:
        """The cycle at which a PE became idle in the last launch."""
        return self.finish[-1][y * self.width + x]

    def value(self, name: str, x: int = 0, y: int = 0) -> float:
        """The first element of a buffer, by the PE's place in the buffer's region."""
        return self.memory[name][y, x, 0].item()


def run_naive(program: Program, wafer: Wafer, launches: Launches = ({},), streams: Streams = NO_STREAMS) -> Outcome:
    machine = NaiveMachine(program, wafer)
    cycles, finish = [], []
    for arguments in launches:
        for name, (values, times) in streams.items():
            machine.stream(name, values, times=times)
        cycles.append(machine.launch(arguments, max_cycles=MOST_CYCLES))
        finish.append(machine.finish)
    memory = _memory(machine)
    return Outcome(program.width, cycles, finish, machine.states, machine.pops, machine.blocked, memory)


def run_engine(
    program: Program, wafer: Wafer, launches: Launches = ({},), streams: Streams = NO_STREAMS, *, engine: str = "auto",
    **options: int,
) -> Outcome:  # fmt: skip
    machine = Machine(program, wafer, engine=engine, **options)

    def feed() -> None:
        for name, (values, times) in streams.items():
            machine.stream(name, values, times=times)

    return outcome_of(machine, launches, feed)


def outcome_of(machine: Machine, launches: Launches, before: Callable[[], None] = lambda: None) -> Outcome:
    """Launches a machine, each time after calling `before`."""
    cycles, finish = [], []
    for arguments in launches:
        before()
        begin = machine.now
        cycles.append(machine.launch(arguments, max_cycles=MOST_CYCLES))
        ends = machine.state.cores.state[:, layout.FINISH] - begin
        finish.append(np.maximum(ends, 0).tolist())  # a PE that did nothing keeps the end of a launch before
    pops, blocked = _fifo_counts(machine)
    states = machine.state.tally.state.tolist()
    memory = _memory(machine) if machine.values else {}
    return Outcome(machine.program.width, cycles, finish, states, pops, blocked, memory)


def _fifo_counts(machine: Machine) -> tuple[Counts, Counts]:
    fabric, width = machine.state.fabric, machine.program.width
    pops: Counts = {}
    blocked: Counts = {}
    for index, record in enumerate(fabric.at.tolist()):
        pe = int(fabric.pool[record + layout.F_OWNER])
        is_queue = index >= fabric.queue[0]
        port = "QUEUE" if is_queue else Direction(int(fabric.pool[record + layout.F_PORT])).name
        key = (pe % width, pe // width, machine.program.colors[fabric.color[index]].name, port)
        pops[key] = int(fabric.pool[record + layout.F_HEAD]) & 0xFFFFFFFF
        blocked[key] = int(fabric.pool[record + layout.F_BLOCKED])
    return pops, blocked


def _memory(machine: NaiveMachine | Machine) -> dict[str, npt.NDArray[np.generic]]:
    return {buffer.name: machine.read(buffer.name).copy() for buffer in machine.program.buffers}


def same_bits(one: npt.NDArray[np.generic], other: npt.NDArray[np.generic]) -> bool:
    """Equal bit for bit, but for the bits of NaNs."""
    if one.dtype.kind != "f":
        return one.tobytes() == other.tobytes()
    nan = np.isnan(one)
    return np.array_equal(nan, np.isnan(other)) and one[~nan].tobytes() == other[~nan].tobytes()


def assert_same(seen: Outcome, expected: Outcome, note: str = "") -> None:
    for part in ("cycles", "finish", "states", "pops", "blocked"):
        assert getattr(seen, part) == getattr(expected, part), f"{part} differ: {note}"
    for name, values in expected.memory.items():
        assert same_bits(seen.memory[name], values), f"{name} differs: {note}"
