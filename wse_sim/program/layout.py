"""From regions to roles: which PEs the same regions cover, and which of them are neighbours."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from wse_sim.hardware.geometry import Direction, Region

LINKS = (Direction.EAST, Direction.NORTH, Direction.WEST, Direction.SOUTH)
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Border:
    """A PE of one role beside a PE of another.

    neighbour  role behind the port; -1: the edge of the grid
    example    such a PE of `role`
    """

    role: int
    neighbour: int
    example: tuple[int, int]


@dataclass(frozen=True, eq=False)
class Layout:
    """Roles of a grid, numbered by their first PE in row-major order.

    role_map  role of each PE, (height, width) int32
    examples  first PE of each role
    counts    PEs of each role
    inside    whether each region covers each role, (roles, regions) bool
    borders   distinct pairs of roles that touch, by the port between them
    """

    role_map: npt.NDArray[np.int32]
    examples: tuple[tuple[int, int], ...]
    counts: tuple[int, ...]
    inside: npt.NDArray[np.bool_]
    borders: dict[Direction, tuple[Border, ...]]


@dataclass(frozen=True, eq=False)
class _Classes:
    """Columns (or rows) that the same regions cover.

    of     class of each column
    first  first column of each class, in ascending order
    count  columns of each class
    rows   regions that cover each class, (classes, regions) bool
    """

    of: Ints
    first: Ints
    count: Ints
    rows: npt.NDArray[np.bool_]


def lay_out(grid: Region, regions: Sequence[Region]) -> Layout:
    """Works by classes of columns and rows, whose number does not grow with the grid."""
    xs = _classes(grid.width, [r.xs for r in regions])
    ys = _classes(grid.height, [r.ys for r in regions])
    table = np.empty((len(ys.first), len(xs.first)), np.int64)  # role of each pair of classes
    known: dict[bytes, int] = {}
    covering: list[npt.NDArray[np.bool_]] = []
    for j in range(len(ys.first)):
        members = xs.rows & ys.rows[j]
        packed = np.packbits(members, axis=1)
        for i in range(len(xs.first)):
            key = packed[i].tobytes()
            if key not in known:
                known[key] = len(covering)
                covering.append(members[i])
            table[j, i] = known[key]
    counts = np.zeros(len(covering), np.int64)
    np.add.at(counts, table, ys.count[:, None] * xs.count[None, :])
    _, first = np.unique(table.ravel(), return_index=True)
    examples = [(int(xs.first[at % table.shape[1]]), int(ys.first[at // table.shape[1]])) for at in first]
    return Layout(
        role_map=table[ys.of][:, xs.of].astype(np.int32),
        examples=tuple(examples),
        counts=tuple(counts.tolist()),
        inside=np.array(covering, np.bool_).reshape(len(covering), len(regions)),
        borders={link: _borders(table, xs, ys, link) for link in LINKS},
    )


def _classes(size: int, spans: Sequence[range]) -> _Classes:
    """Classes in the order of their first column, so that a scan by classes meets PEs in row-major order."""
    inside = np.zeros((size, len(spans)), np.bool_)
    for i, span in enumerate(spans):
        inside[np.asarray(span, np.int64), i] = True
    packed = np.packbits(inside, axis=1)
    known: dict[bytes, int] = {}
    of = np.array([known.setdefault(row.tobytes(), len(known)) for row in packed], np.int64)
    _, first, count = np.unique(of, return_index=True, return_counts=True)
    return _Classes(of, first.astype(np.int64), count.astype(np.int64), inside[first])


def _borders(table: Ints, xs: _Classes, ys: _Classes, link: Direction) -> tuple[Border, ...]:
    """Pairs of roles along a link, found on pairs of classes."""
    along_x = link.dx != 0
    here, there, first = _pairs(xs.of if along_x else ys.of, link.dx + link.dy)
    grid = table.T if along_x else table  # classes along the link come first
    role = grid[here]
    behind = np.where(there[:, None] >= 0, grid[np.maximum(there, 0)], -1)
    across = ys.first if along_x else xs.first
    _, found = np.unique(role * (int(table.max()) + 2) + behind + 1, return_index=True)
    borders = []
    for i in found.tolist():
        pair, other = divmod(i, len(across))
        at = (int(first[pair]), int(across[other]))
        borders.append(Border(int(role[pair, other]), int(behind[pair, other]), at if along_x else at[::-1]))
    return tuple(borders)


def _pairs(of: Ints, step: int) -> tuple[Ints, Ints, Ints]:
    """Distinct pairs of classes one step apart, -1 beyond the edge, and where each pair comes first."""
    behind = np.full(len(of), -1, np.int64)
    if step > 0:
        behind[:-1] = of[1:]
    else:
        behind[1:] = of[:-1]
    width = int(of.max()) + 2
    _, first = np.unique(of * width + behind + 1, return_index=True)
    first = np.sort(first)
    return of[first], behind[first], first.astype(np.int64)
