"""Which attention heads the features of a PE belong to, when heads are split over PEs without regard to their borders.

Features are dealt along x in blocks; head i owns features i * size ... (i + 1) * size - 1. A PE's block touches a few
neighbouring heads, each in a *slot*: slot j is head first + j, which owns elements low[j] ... low[j] + length[j] - 1.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wse_sim.errors import ProgramError
from wse_sim.hardware import Region, i32
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.transformer.blocks import Array, Blocks, spread
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer
from wse_sim.program.register import Register


@dataclass(frozen=True, eq=False)
class HeadSlots:
    """The heads of each block, as arrays.

    first, count  (parts,) int: first head, heads touched
    low, length   (parts, slots) int: elements of the block that a slot's head owns
    """

    first: Array
    count: Array
    low: Array
    length: Array

    @property
    def slots(self) -> int:
        """Heads of the block that touches most."""
        return self.low.shape[1]


def head_slots(features: Blocks, heads: int) -> HeadSlots:
    """The heads of each block of features."""
    if features.total % heads:
        raise ProgramError(f"{features.total} features in {heads} heads: expected heads of one size")
    size = features.total // heads
    starts, ends = features.starts, features.starts + features.counts
    first = np.minimum(starts // size, heads - 1)
    count = np.where(ends > starts, -(-ends // size) - first, 0)
    head = first[:, None] + np.arange(max(1, int(count.max())))
    low = np.clip(head * size, starts[:, None], ends[:, None])
    high = np.clip((head + 1) * size, low, ends[:, None])
    return HeadSlots(first, count, low - starts[:, None], high - low)


@dataclass(frozen=True, eq=False)
class Heads:
    """The head slots of each PE, as constants in SRAM, for every layer.

    first, count  i32[1]
    low, length   i32[slots]
    """

    total: int
    features: Blocks
    slots: int
    first: Buffer
    count: Buffer
    low: Buffer
    length: Buffer

    def start(self, pe: Code, slot: Register, rows: Register) -> Register:
        """Element at which a slot's head starts in a (heads, rows) array."""
        return (pe.load(self.first) + slot) * rows

    def elements(self, pe: Code, slot: Register) -> tuple[Register, Register]:
        """Where in the block a slot's elements start, and how many they are."""
        return pe.load(self.low.at(slot)), pe.load(self.length.at(slot))


def make_heads(build: Builder, features: int, heads: int, region: Region) -> Heads:
    """The constants on a rectangle with `features` dealt along x."""
    blocks = Blocks(features, region.width)
    of = head_slots(blocks, heads)

    def constant(name: str, values: Array, length: int) -> Buffer:
        shaped = spread(values.reshape(blocks.parts, length), Axis.X)
        return build.buffer(f"heads.{name}", i32, length, on=region, init=shaped)

    return Heads(
        total=heads,
        features=blocks,
        slots=of.slots,
        first=constant("first", of.first, 1),
        count=constant("count", of.count, 1),
        low=constant("low", of.low, of.slots),
        length=constant("length", of.length, of.slots),
    )
