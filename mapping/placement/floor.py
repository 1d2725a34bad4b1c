"""What is to be placed: blocks that hand a vector to each other, on a rectangle of PEs of which some are dead."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from wse_sim.errors import FitError, UsageError
from wse_sim.hardware import DType, Region, Wafer, f32
from wse_sim.hardware.geometry import Grid

Pe = tuple[int, int]


@dataclass(frozen=True)
class Block:
    """A region without a place.

    work  cycles it is busy with a token or a prompt, hand-overs left out
    step  a number that divides its width
    """

    width: int
    height: int
    work: int = 0
    step: int = 1

    @property
    def area(self) -> int:
        """PEs."""
        return self.width * self.height

    def at(self, corner: Pe) -> Region:
        """Its PEs with the north-west corner there."""
        x, y = corner
        return Region(range(x, x + self.width), range(y, y + self.height))


@dataclass(frozen=True)
class Weights:
    """What an objective is made of: the score of a placement is the sum of these, each times its cost.

    latency  of cycles from a token to the next of its sequence
    period   of cycles of the slowest block
    traffic  of hops of all wavelets of a token's hand-overs
    busiest  of wavelets of a token's hand-overs on the link that carries most, on the routes that are laid
    """

    latency: float = 1.0
    period: float = 0.0
    traffic: float = 0.0
    busiest: float = 0.0

    def __post_init__(self) -> None:
        values = (self.latency, self.period, self.traffic, self.busiest)
        if min(values) < 0 or not any(values) or not np.isfinite(values).all():
            raise UsageError(f"{self}: expected weights of 0 or more, one of them larger than 0")


LATENCY = Weights()


@dataclass(frozen=True)
class Flow:
    """What goes over a link where it is no vector: of a prompt tiles, for which source and target keep step.

    total  elements along y that lanes are laid for
    words  wavelets on each lane
    give   cycles that it keeps the source busy
    take   cycles until the target is through, from the source's start, without hops
    """

    total: int
    words: int
    give: int
    take: int


@dataclass(frozen=True)
class Floor:
    """Blocks and the rectangle for them.

    links  (source, target) of each hand-over, by the indices of blocks
    total  elements of the vector that is handed over
    flows  what goes over each link instead, None where that vector does; (): it does everywhere
    seed   of what is drawn at random
    """

    width: int
    height: int
    blocks: tuple[Block, ...]
    links: tuple[tuple[int, int], ...]
    wafer: Wafer = field(repr=False, hash=False)
    total: int
    dtype: DType = f32
    dead: frozenset[Pe] = frozenset()
    weights: Weights = LATENCY
    seed: int = 0
    flows: tuple[Flow | None, ...] = ()

    def flow(self, link: int) -> Flow | None:
        """Of a link by its number."""
        return self.flows[link] if self.flows else None

    def elements(self, link: int) -> int:
        """Along y that the lanes of a link are laid for: of tiles, or of the vector."""
        flow = self.flow(link)
        return flow.total if flow else self.total

    @property
    def grid(self) -> Region:
        """All PEs."""
        return Grid(self.width, self.height)

    @cached_property
    def _dead_before(self) -> NDArray[np.int64]:
        """[y, x]: dead PEs north-west of a corner, to count them in any rectangle."""
        dead = np.zeros((self.height + 1, self.width + 1), np.int64)
        for x, y in self.dead:
            if (x, y) in self.grid:
                dead[y + 1, x + 1] = 1
        return dead.cumsum(0).cumsum(1)

    def alive(self, region: Region) -> bool:
        """Whether a rectangle is on the floor and has no dead PE."""
        if region.xs[0] < 0 or region.ys[0] < 0 or region.xs.stop > self.width or region.ys.stop > self.height:
            return False
        if not self.dead:
            return True
        before, x, y = self._dead_before, region.xs, region.ys
        found = before[y.stop, x.stop] - before[y[0], x.stop] - before[y.stop, x[0]] + before[y[0], x[0]]
        return int(found) == 0

    def no_room(self, found: int) -> FitError:
        """So many blocks have a place, the next one has none."""
        missing = self.blocks[found] if found < len(self.blocks) else self.blocks[-1]
        around = f" around {len(self.dead)} dead ones" if self.dead else ""
        return FitError(
            f"{len(self.blocks)} regions of {sum(block.area for block in self.blocks):,} PEs on "
            f"{self.width}x{self.height}{around}: only {found} found room, the next has {missing.width}x"
            f"{missing.height}; expected a larger wafer, smaller regions, or another placement"
        )


def ring(count: int) -> tuple[tuple[int, int], ...]:
    """Each block to the next, the last to the first; nothing for one."""
    return tuple((k, (k + 1) % count) for k in range(count)) if count > 1 else ()


def disjoint(regions: Sequence[Region]) -> bool:
    """Whether no two meet."""
    return not any(a.intersects(b) for i, a in enumerate(regions) for b in regions[:i])
