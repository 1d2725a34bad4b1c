"""Vectors and matrices dealt in blocks to the PEs of a line, and the constants that tell a PE its share."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.errors import ProgramError
from wse_sim.hardware import Region, i32
from wse_sim.kernels.axis import Axis
from wse_sim.program.builder import Builder
from wse_sim.program.memory import Buffer

Array = NDArray[Any]


@dataclass(frozen=True)
class Blocks:
    """`total` elements dealt to `parts` PEs in blocks of one size; the last blocks are shorter, or empty.

    shards  the line is so many equal stretches, each with an equal part of the elements dealt to it alone
    """

    total: int
    parts: int
    shards: int = 1

    def __post_init__(self) -> None:
        if self.total < 1 or self.parts < 1:
            raise ProgramError(f"{self.total} elements in {self.parts} blocks: expected 1 or more of each")
        if self.shards < 1 or self.total % self.shards or self.parts % self.shards:
            raise ProgramError(
                f"{self.total} elements in {self.parts} blocks for {self.shards} shards: expected both to divide evenly"
            )

    @property
    def shard(self) -> Blocks:
        """One stretch alone."""
        return Blocks(self.total // self.shards, self.parts // self.shards)

    @property
    def size(self) -> int:
        """Elements of a full block."""
        return -(-self.total // self.parts)

    @property
    def starts(self) -> Array:
        """First element of each block, (parts,) int."""
        each, own = self.total // self.shards, np.arange(self.parts // self.shards) * self.size
        starts: Array = np.add.outer(np.arange(self.shards) * each, np.minimum(own, each)).ravel()
        return starts

    @property
    def counts(self) -> Array:
        """Valid elements of each block, (parts,) int."""
        each, own = self.total // self.shards, np.arange(self.parts // self.shards) * self.size
        counts: Array = np.tile(np.clip(each - own, 0, self.size), self.shards)
        return counts

    def deal(self, values: Array, dimension: int = -1) -> Array:
        """Splits a dimension of length `total` into two, (parts, size), padded with zeros."""
        at = dimension % values.ndim
        if values.shape[at] != self.total:
            raise ProgramError(f"array of shape {values.shape} as {self}: expected {self.total} at {at}")
        before, after = values.shape[:at], values.shape[at + 1 :]
        split = values.reshape(*before, self.shards, self.total // self.shards, *after)
        missing = (self.parts * self.size - self.total) // self.shards
        padded = np.pad(split, [(0, missing if i == at + 1 else 0) for i in range(split.ndim)])
        dealt: Array = padded.reshape(*before, self.parts, self.size, *after)
        return dealt

    def join(self, blocks: Array, dimension: int = -1) -> Array:
        """The inverse of `deal`: merges (parts, size), `dimension` naming the second, without the pads."""
        at = dimension % blocks.ndim
        before, after = blocks.shape[: at - 1], blocks.shape[at + 1 :]
        padded = blocks.reshape(*before, self.shards, self.parts * self.size // self.shards, *after)
        whole = padded.take(np.arange(self.total // self.shards), axis=at)
        return whole.reshape(*before, self.total, *after)


def spread(blocks: Array, axis: Axis) -> Array:
    """One entry per PE along `axis`, (parts, ...), for every PE: (height, width, ...), to broadcast."""
    return np.expand_dims(blocks, 1 - axis.dimension)


def vector_tiles(values: Array, blocks: Blocks, axis: Axis) -> Array:
    """A vector (total,) split along `axis` and the same across it: (height, width, size), to broadcast."""
    return spread(blocks.deal(values), axis)


def matrix_tiles(values: Array, rows: Blocks, columns: Blocks) -> Array:
    """A matrix with its rows split along y and its columns along x, (height, width, rows.size * columns.size)."""
    dealt = columns.deal(rows.deal(values, 0))  # (height, row, width, column)
    return dealt.swapaxes(1, 2).reshape(rows.parts, columns.parts, rows.size * columns.size)


def turn_tiles(values: Array, rows: int, slots: int, columns: Blocks) -> Array:
    """A matrix with its rows dealt in turn along y, row i to i % rows, and its columns in blocks along x.

    (height, width, slots * columns.size), padded with zeros
    """
    padded = np.zeros((slots * rows, values.shape[1]), values.dtype)
    padded[: len(values)] = values
    dealt = columns.deal(padded.reshape(slots, rows, -1))  # (slot, height, width, column)
    return np.moveaxis(dealt, 0, 2).reshape(rows, columns.parts, slots * columns.size)


def counts_of(build: Builder, name: str, blocks: Blocks, axis: Axis, region: Region) -> Buffer:
    """i32[1] on each PE: how many valid elements its block has; load it into the `count` of a kernel."""
    _fits(blocks, axis, region)
    return build.constant(name, i32, spread(blocks.counts, axis), on=region)


def starts_of(build: Builder, name: str, blocks: Blocks, axis: Axis, region: Region) -> Buffer:
    """i32[1] on each PE: which element its block starts at; `index * size`, also for empty blocks."""
    _fits(blocks, axis, region)
    return build.constant(name, i32, spread(np.arange(blocks.parts) * blocks.size, axis), on=region)


def _fits(blocks: Blocks, axis: Axis, region: Region) -> None:
    if blocks.parts != axis.length(region):
        parts = axis.length(region)
        raise ProgramError(f"{blocks} along {axis.name} of {region!r}: expected {parts} blocks, one per PE")
