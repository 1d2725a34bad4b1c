"""What a row of figures says of a kernel, and the program that is run for it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from wse_sim.errors import UsageError
from wse_sim.hardware import DType, Wafer
from wse_sim.mapping.validation.grammar import Sizes
from wse_sim.program.program import Program


@dataclass(frozen=True)
class Given:
    """What a row says of a kernel or a micro-benchmark.

    dtype  None if the row names none
    unit   of the figure
    """

    wafer: Wafer
    sizes: Sizes
    workload: str = ""
    dtype: DType | None = None
    unit: str = ""

    def need(self, what: str, *names: str) -> int:
        """A size by the first of its names that is given."""
        found = self.sizes.first(*names)
        if found is None:
            raise UsageError(f"size gives no {what}: expected it as {' or '.join(f'{name}=8' for name in names[:3])}")
        return found

    def matrix(self) -> tuple[int, int]:
        """Rows and columns."""
        found = self.sizes.matrix
        if found is None or len(found) != 2:
            raise UsageError("size gives no matrix: expected one as 64x128")
        return found[0], found[1]

    def product(self) -> tuple[int, int, int]:
        """m, k, n of a matrix (m, k) times one (k, n)."""
        if self.sizes.product is not None:
            (m, k), (inner, n) = self.sizes.product
            if k != inner:
                raise UsageError(f"size multiplies {m}x{k} by {inner}x{n}: expected as many rows as columns")
            return m, k, n
        if self.sizes.matrix is not None and len(self.sizes.matrix) == 3:
            return self.sizes.matrix
        if {"m", "k", "n"} <= set(self.sizes.named):
            return self.sizes.named["m"], self.sizes.named["k"], self.sizes.named["n"]
        raise UsageError("size gives no product: expected one as 64x64 * 64x128, 64^3 or M=64 K=64 N=128")

    def square_tile(self, side: int | None = None) -> int:
        """Side of a square tile, by itself or as the share of a square matrix on `side` PEs a side."""
        tile, matrix = self.sizes.tile, self.sizes.matrix
        if tile is None and matrix is not None:
            tile = tuple(share(size, side or 1) for size in matrix)
        if tile is None and (n := self.sizes.first("t", "mt", "n", "bare")) is not None:
            tile = (n,)
        if tile is None or len(set(tile)) > 1:
            raise UsageError("size gives no square tile: expected one as tile 16x16x16")
        return tile[0]

    @property
    def width(self) -> int:
        return self.sizes.first("width", "p", "pe") or 1

    @property
    def height(self) -> int:
        return self.sizes.first("height") or (self.width if self.sizes.first("p") else 1)

    @property
    def side(self) -> int:
        """PEs on a side of a square grid."""
        if self.width != self.height:
            raise UsageError(f"{self.width} x {self.height} PEs: expected a square")
        return self.width

    @property
    def pes(self) -> int:
        return self.width * self.height


@dataclass(frozen=True)
class Square:
    """A kernel that takes as many steps, all alike, as its square has PEs on a side.

    make       the program of a side
    seconds    about what a side takes to simulate
    crossings  cycles that the edges of a machine's dies add; None: not known without a launch of the whole square
    """

    side: int
    make: Callable[[int], Program]
    seconds: Callable[[int], float]
    crossings: Callable[[Wafer], int] | None = None


@dataclass(frozen=True)
class Job:
    """A program and what its launch is given.

    seconds  about what it takes to simulate; None: as `cost.kernel` says
    square   None if the steps of the kernel are not alike
    """

    program: Callable[[], Program]
    arguments: Mapping[str, float] = field(default_factory=dict)
    seconds: float | None = None
    square: Square | None = None

    @classmethod
    def of_square(cls, square: Square, arguments: Mapping[str, float]) -> Job:
        """The whole square's."""
        return cls(lambda: square.make(square.side), arguments, square.seconds(square.side), square)


def share(total: int, parts: int) -> int:
    """What each of so many PEs gets."""
    if parts < 1 or total % parts:
        raise UsageError(f"{total} over {parts} PEs: expected a multiple")
    return total // parts
