"""A recording as the text log that the public viewer wse-viz opens: one event a line, by cycle.

What it knows besides: a wavelet lands at a router the cycle after it departed from the one before, and departs when
it goes on, so that longer hops and waits lie between landing and departing. PEs that wait show the instruction NOP.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from wse_sim.hardware.dtypes import DTYPES
from wse_sim.hardware.geometry import Direction
from wse_sim.hardware.states import BUSY, State
from wse_sim.report.trace.code import CodeLine
from wse_sim.report.trace.events import QUEUE, STILL_THERE
from wse_sim.report.trace.wavelets import wavelet_of

if TYPE_CHECKING:
    from wse_sim.report.trace.recording import Recording

_LETTERS = "ENWSR"
_PORT_OF = {letter: Direction(i) for i, letter in enumerate(_LETTERS)}
_MNEMONICS = {
    "loop": "JMP", "end loop": "JMP", "when": "JMP", "otherwise": "JMP", "end when": "JMP", "activate": "ACTVT",
    "block": "BLK", "unblock": "UBLK", "reroute": "MOV16",
}  # fmt: skip
_STATES = tuple(State)
_ISSUE, _BANKS = 2, 5  # stages of the real machine's pipeline that check descriptors, and banks
_PIPES = {State.PORT_STALL: _BANKS, State.BANK_STALL: _BANKS, State.PENDING_WRITE: _BANKS}
Line = tuple[int, str]
"""Cycle and text, without the cycle."""


def write_wse_viz(recording: Recording, path: Path) -> None:
    """Writes the log."""
    lines = [*_states(recording), *_wavelets(recording)]
    lines.sort(key=lambda line: line[0])  # keeps the order of what belongs to one PE and cycle
    with path.open("w", encoding="ascii") as out:
        out.write(f"@{recording.first} dimX={recording.width}, dimY={recording.height}\n")
        out.writelines(f"@{cycle} {text}\n" for cycle, text in lines)


# -- cores ------------------------------------------------------------------------------------------------


def _states(recording: Recording) -> Iterator[Line]:
    """A line where a PE's state changes; before a NOP one that says what it waits for."""
    slices = recording.slices
    columns = [c.tolist() for c in (slices.pe, slices.state, slices.instruction, slices.start, slices.end)]
    next_start = dict(zip(zip(columns[0], columns[3], strict=True), columns[1], strict=True))
    for pe, code, row, start, end in zip(*columns, strict=True):
        place, state, line = _place(recording, pe), _STATES[code], recording.code[row]
        busy = state in BUSY
        if not busy:
            yield start, f"{place}: {_stall(recording, pe, state, line)}"
        name = mnemonic_of(line) if busy else "NOP"
        yield start, f"{place}: [EX OP] ^ 0x{row & 0xFFFF:04x}: T{line.number:02d} {name}"
        if (pe, end) not in next_start:
            yield end, f"{place}: [EX OP] IDLE"


def mnemonic_of(line: CodeLine) -> str:
    """An instruction in capitals, as the viewer's table of colours has them."""
    return _MNEMONICS.get(line.name, "".join(c for c in line.name.upper() if c.isalnum()))


def _stall(recording: Recording, pe: int, state: State, line: CodeLine) -> str:
    if state is State.INPUT_WAIT and line.receives is not None:
        color = recording.colors.index(line.receives)
        queue, elements = recording.input_queue(pe, color), line.elements_per_wavelet
        return (
            f"T{line.number:02d} Not enough wavelets (0/{elements}) for SRC1 with C{color}, IN_Q[{queue}], "
            f"SIMD-{elements}"
        )
    return f"Pipe: {_PIPES.get(state, _ISSUE)}, Msg: stall: {_reason(recording, state, line)}"


def _reason(recording: Recording, state: State, line: CodeLine) -> str:
    match state:
        case State.OUTPUT_BLOCKED if line.sends is not None:
            return f"output C{recording.colors.index(line.sends)} full"
        case State.OVERHEAD:
            return f"issue {mnemonic_of(line)}"
        case State.TASK_SWITCH:
            return f"task switch T{line.number:02d}"
        case State.PENDING_WRITE:
            return "write_pending/read conflict"
        case _:
            return state.name.lower().replace("_", " ")


# -- wavelets ---------------------------------------------------------------------------------------------


def _wavelets(recording: Recording) -> Iterator[Line]:
    """Each wavelet's way through routers, and through the output queue in which it began."""
    stays = recording.stays
    columns = (stays.pe, stays.color, stays.port, stays.entered, stays.visible, stays.left, stays.outputs)
    words, idents, show = stays.word.tolist(), wavelet_of(recording).tolist(), _values(recording)
    for i, (pe, color, port, entered, visible, left, outputs) in enumerate(
        zip(*(c.tolist() for c in columns), strict=True)
    ):
        if port == QUEUE:
            continue
        place, gone, ramp = _place(recording, pe), left != STILL_THERE, port == Direction.RAMP
        record = (
            f"{place} (hwtile) wavelet C{color} ctrl=0, idx={words[i] >> 16:04x}, {_data(words[i])} "
            f"({show[color](words[i])}), half=0, ident={idents[i]:016x}"
        )
        if ramp:
            queue = f"OUT_Q[{recording.output_queue(pe, color)}]"
            yield max(entered, recording.first), f"{place}: pe: Writing wavelet C{color} {_data(words[i])} to {queue}"
            if gone and left > visible:
                yield max(visible, recording.first), f"{place}: pe: Backpressure on C{color} for {queue}"
            if gone:
                sent = max(left - 1, recording.first)
                yield sent, f"{place}: pe: Sending wavelet C{color} {_data(words[i])} ident:{idents[i]:016x} on {queue}"
        landing = left if ramp else max(entered + 1, recording.first)
        together = gone and landing == left
        if not ramp and not together:
            yield landing, f"{record} landing={_LETTERS[port]} departing=/     /"
        if gone:
            lands = _LETTERS[port] if together else "-"
            yield left, f"{record} landing={lands} {_departing(outputs)}"


def _place(recording: Recording, pe: int) -> str:
    x, y = recording.xy(pe)
    return f"P{x}.{y}"


def _data(word: int) -> str:
    """The low half of a wavelet; the high one is its index."""
    return f"data={word & 0xFFFF:04x}"


def _departing(outputs: int) -> str:
    """The ports it leaves through; a wavelet that leaves through the ramp is consumed here."""
    ports = "".join(letter if outputs >> _PORT_OF[letter] & 1 else " " for letter in _LETTERS)
    return f"departing=/{ports}/" + (", lf=1 to_ce_from_q" if outputs >> Direction.RAMP & 1 else "")


def _values(recording: Recording) -> list[Callable[[int], str]]:
    """How the words of each colour read: as the type that instructions send on it."""
    types = {line.sends: line.carry for line in recording.code if line.sends is not None}
    return [_READERS[types.get(name) or "u32"] for name in recording.colors]


def _reader(name: str) -> Callable[[int], str]:
    dtype = next(dtype for dtype in DTYPES if dtype.name == name)
    return lambda word: f"{name}({np.array([word], np.uint32).view(dtype.numpy)[0]})"


_READERS = {dtype.name: _reader(dtype.name) for dtype in DTYPES}
