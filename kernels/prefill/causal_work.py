"""Sizes of causal attention on a rectangle, and the buffers that it works in; see `causal`."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from wse_sim.hardware import DType, Region, f32
from wse_sim.kernels.transformer.heads import HeadSlots
from wse_sim.program.builder import Builder
from wse_sim.program.memory import Buffer


@dataclass(frozen=True)
class Sizes:
    """Of attention on a rectangle.

    heads         which heads the features of a column of PEs belong to
    height        rows of PEs
    rows          tokens on a row of PEs, at most
    slots         tokens that a PE's cache has room for
    runs_a_panel  runs in a panel of keys
    columns       columns of PEs in a panel of exponentials
    """

    heads: HeadSlots
    height: int
    rows: int
    slots: int
    runs_a_panel: int = 1
    columns: int = 1

    @property
    def size(self) -> int:
        """Features on a PE."""
        return self.heads.features.size

    @property
    def runs(self) -> int:
        """Runs of a column of PEs, at most."""
        return -(-self.height // self.heads.features.parts)

    @property
    def wide(self) -> int:
        """Keys of a panel of keys."""
        return min(self.runs_a_panel, self.height) * self.rows

    @property
    def kept(self) -> int:
        """Keys of a column of PEs."""
        return self.runs * self.rows

    @property
    def spread(self) -> int:
        """Keys of a panel of exponentials."""
        return min(self.columns, self.heads.features.parts) * self.kept


class Scratch(NamedTuple):
    """What attention works in, free again after it. Keys, powers, panels are of the cache's type, the others sums.

    keys         (features, wide): a panel of keys
    part         (rows, heads, wide): partial scores
    scores       (rows, heads, kept)
    tops, totals f32 (rows, heads): largest score, sum of the exponentials
    powers       (rows, heads, kept): exponentials
    power_panel  (rows, heads, spread)
    value_panel  (spread, features)
    mixed        (rows, features)
    """

    keys: Buffer
    part: Buffer
    scores: Buffer
    tops: Buffer
    totals: Buffer
    powers: Buffer
    power_panel: Buffer
    value_panel: Buffer
    mixed: Buffer


def make_scratch(build: Builder, sizes: Sizes, region: Region, *, cache: DType = f32, sums: DType = f32) -> Scratch:
    """Scratch for a cache of some type."""
    lines, size = sizes.rows * sizes.heads.heads, sizes.size

    def buffer(name: str, dtype: DType, length: int, bank_offset: int = 0) -> Buffer:
        return build.buffer(f"causal.{name}", dtype, length, on=region, bank_offset=bank_offset)

    return Scratch(
        keys=buffer("keys", cache, size * sizes.wide),
        part=buffer("part", sums, lines * sizes.wide, 8),
        scores=buffer("scores", sums, lines * sizes.kept),
        tops=buffer("tops", f32, lines),
        totals=buffer("totals", f32, lines),
        powers=buffer("powers", cache, lines * sizes.kept),
        power_panel=buffer("power_panel", cache, lines * sizes.spread),
        value_panel=buffer("value_panel", cache, sizes.spread * size),
        mixed=buffer("mixed", sums, sizes.rows * size, 8),
    )
