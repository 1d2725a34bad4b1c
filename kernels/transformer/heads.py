"""Which attention heads the features of a PE belong to; blocks of features need not end where heads do.

Features are dealt along x; head i owns features i * size ... (i + 1) * size - 1. A PE's block touches a few
neighbouring heads, each in a *slot*: slot j is head first + j, with length[j] elements from low[j] on.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wse_sim.errors import ProgramError
from wse_sim.hardware import Region, i32
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.blocks import Array, Blocks, spread
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer
from wse_sim.program.register import Register


@dataclass(frozen=True, eq=False)
class HeadSlots:
    """The heads of each block of features.

    heads         of a shard of the features
    first, count  (parts,) int: first head, counted within the shard; heads touched
    low, length   (parts, slots) int: elements of the block that a slot's head owns
    """

    features: Blocks
    heads: int
    first: Array
    count: Array
    low: Array
    length: Array

    @property
    def slots(self) -> int:
        """Heads of the block that touches most."""
        return int(self.low.shape[1])


def head_slots(features: Blocks, heads: int) -> HeadSlots:
    """Finds the heads of each block."""
    if features.total % heads or heads % features.shards:
        shards = f", {features.shards} shards" if features.shards > 1 else ""
        raise ProgramError(
            f"{features.total} features in {heads} heads{shards}: expected heads of one size, as many in each shard"
        )
    size = features.total // heads
    starts, ends = features.starts[:, None], (features.starts + features.counts)[:, None]
    first = np.minimum(starts // size, heads - 1)
    count = np.where(ends > starts, -(-ends // size) - first, 0)
    head = first + np.arange(max(1, int(count.max())))
    low = np.clip(head * size, starts, ends)
    high = np.clip((head + 1) * size, low, ends)
    of_a_shard = heads // features.shards
    return HeadSlots(features, of_a_shard, first[:, 0] % of_a_shard, count[:, 0], low - starts, high - low)


@dataclass(frozen=True, eq=False)
class Heads:
    """The head slots of each PE, as constants in SRAM that serve every layer.

    first, count  i32[1]
    low, length   i32[slots]
    """

    of: HeadSlots
    first: Buffer
    count: Buffer
    low: Buffer
    length: Buffer

    def start(self, pe: Code, slot: Register, rows: int | Register) -> Register:
        """Element at which a slot's head starts in a (heads, rows) array."""
        return (pe.load(self.first) + slot) * rows

    def elements(self, pe: Code, slot: Register) -> tuple[Register, Register]:
        """Where in the block a slot's elements start, and how many they are."""
        return pe.load(self.low.at(slot)), pe.load(self.length.at(slot))


def make_heads(build: Builder, features: int, heads: int, region: Region, *, shards: int = 1) -> Heads:
    """The constants on a rectangle with `features` dealt along x; each shard has its own heads."""
    of = head_slots(Blocks(features, region.width, shards), heads)

    def constant(name: str, values: Array, length: int) -> Buffer:
        shaped = spread(values.reshape(region.width, length), Axis.X)
        return build.buffer(f"heads.{name}", i32, length, on=region, init=shaped)

    return Heads(
        of=of,
        first=constant("first", of.first, 1),
        count=constant("count", of.count, 1),
        low=constant("low", of.low, of.slots),
        length=constant("length", of.length, of.slots),
    )
