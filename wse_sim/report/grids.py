"""Arrays over the grid of PEs: sealed, summed into tiles, and rectangles of PEs in words."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
import numpy.typing as npt

Counts = npt.NDArray[np.int64]
Shares = npt.NDArray[np.float64]


def seal(values: npt.ArrayLike) -> Counts:
    """The values as int64 that nobody can write to; an int64 array is sealed itself, not copied."""
    array = np.asarray(values, np.int64)
    array.flags.writeable = False
    return array


def tile_sums(grid: Counts, tile: int) -> Counts:
    """Sums over tiles of tile x tile cells: (height, width, ...) to (rows, columns, ...); edge tiles are smaller."""
    rows = np.add.reduceat(grid, np.arange(0, grid.shape[0], tile), axis=0)
    return seal(np.add.reduceat(rows, np.arange(0, grid.shape[1], tile), axis=1))


def tile_peaks(grid: Counts, tile: int) -> Counts:
    """Largest values of tiles of tile x tile cells."""
    rows = np.maximum.reduceat(grid, np.arange(0, grid.shape[0], tile), axis=0)
    return seal(np.maximum.reduceat(rows, np.arange(0, grid.shape[1], tile), axis=1))


def pes_of_cells(width: int, height: int, tile: int) -> Counts:
    """PEs in each tile, (rows, columns)."""
    rows = np.minimum(tile, height - np.arange(0, height, tile))
    columns = np.minimum(tile, width - np.arange(0, width, tile))
    return seal(np.outer(rows, columns))


class Box(NamedTuple):
    """A rectangle of PEs, both corners inside."""

    left: int
    top: int
    right: int
    bottom: int

    def __str__(self) -> str:
        if self.left == self.right and self.top == self.bottom:
            return f"PE ({self.left}, {self.top})"
        return f"PEs x {_span(self.left, self.right)}, y {_span(self.top, self.bottom)}"


def box_of_cell(row: int, column: int, width: int, height: int, tile: int) -> Box:
    """The PEs of a cell of a grid."""
    left, top = column * tile, row * tile
    return Box(left, top, min(left + tile, width) - 1, min(top + tile, height) - 1)


def _span(low: int, high: int) -> str:
    return str(low) if low == high else f"{low}..{high}"


def box_around(cells: npt.NDArray[np.bool_], width: int, height: int, tile: int) -> Box:
    """Smallest rectangle of PEs around the chosen cells, of which there is at least one."""
    rows, columns = np.flatnonzero(cells.any(axis=1)), np.flatnonzero(cells.any(axis=0))
    first = box_of_cell(int(rows[0]), int(columns[0]), width, height, tile)
    last = box_of_cell(int(rows[-1]), int(columns[-1]), width, height, tile)
    return Box(first.left, first.top, last.right, last.bottom)
