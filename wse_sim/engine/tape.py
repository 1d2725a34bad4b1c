"""What a recorded run writes down: arrays of events, and what is open on each PE."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

MOVE_COLUMNS, SLICE_COLUMNS, SPAN_COLUMNS = 4, 4, 5
PIECES = 6  # of a PE's time ahead: overhead, work, port, bank, pending write; or a slot's group before them

OPEN_FROM, OPEN_LAST, OPEN_COUNT, OPEN_PIECES = map(np.int64, range(4))  # columns of Tape.open
OPEN = 3 + 2 * PIECES
SLOT_START, SLOT_SPAN = map(np.int64, range(2))  # columns of Tape.slot
MOVES, SLICES, SPANS, FULL = map(np.int64, range(4))  # elements of Tape.written

STATE_BITS = np.int64(8)  # a slice's `what` is (row + 1) << STATE_BITS | state; row -1: no instruction
OUTPUT_BITS = np.int64(32)  # a move's last word is outputs << OUTPUT_BITS | wavelet

MOVES_PER_ROUTER = np.int64(5)  # most in a cycle: each moves through an output of its own
MOVES_PER_CORE = np.int64(8)
SLICES_PER_CORE = np.int64(PIECES + 2)


class Tape(NamedTuple):
    """PEs that are recorded are numbered from 0 in the order of `pes`."""

    pes: np.ndarray  # (n,) int64: PE of each number, ascending
    number: np.ndarray  # (padded pes,) int64: number of each PE; -1: not recorded
    groups: np.ndarray  # (g,) int64: groups of PEs in which any is recorded
    visited: np.ndarray  # (n,) int64: PEs whose router, then core, is visited in this cycle
    open: np.ndarray  # (n, OPEN) int64: cycle up to which its slices are written; its last slice, -1: none;
    # pieces of its time ahead that are planned; end and `what` of each
    slot: np.ndarray  # (n * slots + 1, 2) int64: start of each slot's operation, and its span, -1: none
    moves: np.ndarray  # (most, 4) int64: FIFO, cycle in which the word came, cycle in which it left, outputs and word
    slices: np.ndarray  # (most, 4) int64: number of the PE, first cycle, cycle after the last, what
    spans: np.ndarray  # (most, 5) int64: number of the PE, slot, row, start, end; -1: has not ended
    written: np.ndarray  # (4,) int64: moves, slices and spans so far; cycle at which there was no room for more, -1
    recorded: int  # PEs
    areas: int  # groups
    most_moves: int
    most_slices: int
    most_spans: int


def new_tape(pes: np.ndarray, padded: int, slots: int, group_bits: int, most: tuple[int, int, int]) -> Tape:
    """An empty tape for some PEs of `padded`, with room for so many moves, slices and spans.

    Pages of memory are taken as events fill them. The slices that are open at the end have room of their own.
    """
    number = np.full(padded, -1, np.int64)
    number[pes] = np.arange(len(pes))
    moves, slices, spans = most
    groups = np.unique(pes >> group_bits)
    tape = Tape(
        pes=pes.astype(np.int64),
        number=number,
        groups=groups.astype(np.int64),
        visited=np.zeros(len(pes), np.int64),
        open=np.zeros((len(pes), OPEN), np.int64),
        slot=np.full((len(pes) * slots + 1, 2), -1, np.int64),
        moves=np.empty((moves, MOVE_COLUMNS), np.int64),
        slices=np.empty((slices + PIECES * len(pes), SLICE_COLUMNS), np.int64),
        spans=np.empty((spans, SPAN_COLUMNS), np.int64),
        written=np.array([0, 0, 0, -1], np.int64),
        recorded=len(pes),
        areas=len(groups),
        most_moves=moves,
        most_slices=slices,
        most_spans=spans,
    )
    tape.open[:, OPEN_LAST] = -1
    return tape
