"""Keeps what a component may change, and puts it back."""

from __future__ import annotations

import numpy as np

from wse_sim.engine.jit import jit
from wse_sim.engine.stream.tables import COMPONENT, Stream


@jit
def save(stream: Stream) -> None:
    copy(stream, np.int64(0))


@jit
def restore(stream: Stream) -> None:
    copy(stream, np.int64(1))


@jit
def copy(stream: Stream, back: int) -> None:
    """From the machine to the stash, or back."""
    state, stash, parts = stream.state, stream.stash, stream.components
    component, place = stream.counter[COMPONENT], np.int64(0)
    for index in range(parts.first[component], parts.first[component + 1]):
        pe, slot = parts.pe[index], index - parts.first[component]
        copy_row(state.cores.state, pe, stash.core, slot, back)
        copy_row(state.cores.ints, pe, stash.ints, slot, back)
        copy_row(state.tally.state, pe, stash.states, slot, back)
        copy_row(state.tally.work, pe, stash.work, slot, back)
        copy_one(state.fabric.turn, pe, stash.turn, slot, back)
        if stream.begin[2]:
            place = copy_memory(stream, pe, place, back)
    for section in range(stash.section.shape[0]):
        for label in range(stash.section.shape[1]):
            if back:
                state.tally.section[0, section, label] = stash.section[section, label]
            else:
                stash.section[section, label] = state.tally.section[0, section, label]
        copy_row(stream.span, section, stash.span, section, back)
    for row in range(stash.instruction.shape[0]):
        for column in range(2):
            if back:
                state.tally.instruction[0, row, column] = stash.instruction[row, column]
            else:
                stash.instruction[row, column] = state.tally.instruction[0, row, column]
    state.tally.fault[0, 0] = 0


@jit
def copy_memory(stream: Stream, pe: int, place: int, back: int) -> int:
    """The bytes that a PE's role writes; returns where the next PE's go."""
    stash, memory = stream.stash, stream.state.memory
    role = stream.state.cores.role[pe]
    for each in range(stash.first[role], stash.first[role + 1]):
        begin = (memory.base[pe] + stash.range[each, 0]) >> 1
        count = (stash.range[each, 1] - stash.range[each, 0]) >> 1
        if back:
            for i in range(count):
                memory.u16[begin + i] = stash.memory[place + i]
        else:
            for i in range(count):
                stash.memory[place + i] = memory.u16[begin + i]
        place += count
    return place


@jit
def copy_row(machine: np.ndarray, row: int, stash: np.ndarray, slot: int, back: int) -> None:
    for column in range(stash.shape[1]):
        if back:
            machine[row, column] = stash[slot, column]
        else:
            stash[slot, column] = machine[row, column]


@jit
def copy_one(machine: np.ndarray, row: int, stash: np.ndarray, slot: int, back: int) -> None:
    if back:
        machine[row] = stash[slot]
    else:
        stash[slot] = machine[row]
