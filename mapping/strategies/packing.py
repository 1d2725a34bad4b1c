"""Rectangles of one height in rows over a wafer, around dead PEs."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence

from wse_sim.errors import FitError
from wse_sim.mapping.plan.mapping import Pe


def pack(
    widths: Sequence[int], height: int, width: int, depth: int, *, dead: Collection[Pe] = (), serpentine: bool = True
) -> list[Pe]:
    """Corners of rectangles in rows of one height on width x depth PEs, in the order given.

    serpentine  every other row runs from east to west
    Raises FitError if they do not all find room.
    """
    found: list[Pe] = []
    rows = shelves(height, depth)
    row, at, turned = next(rows, None), 0, False
    while len(found) < len(widths) and row is not None:
        wide = widths[len(found)]
        at = _free(at, wide, row, height, width, dead, turned=turned)
        if at + wide <= width:
            found.append((width - at - wide if turned else at, row))
            at += wide
        else:
            row, at = next(rows, None), 0
            if serpentine:
                at = _turn(found, widths, width, turned=turned)
                turned = not turned
    if len(found) < len(widths):
        raise FitError(
            f"{len(widths)} regions {height} PEs high, {sum(widths)} wide together, on {width}x{depth} PEs: only "
            f"{len(found)} found room; expected a larger wafer, or smaller regions"
        )
    return found


def _turn(found: Sequence[Pe], widths: Sequence[int], width: int, *, turned: bool) -> int:
    """Where the next row begins, counted from its own side: below the end of this one."""
    if not found:
        return 0
    x = found[-1][0]
    return x if turned else width - x - widths[len(found) - 1]


def shelves(height: int, depth: int) -> Iterator[int]:
    """Top rows of as many shelves as there is room for."""
    return iter(range(0, depth - height + 1, height))


def _free(at: int, wide: int, row: int, height: int, width: int, dead: Collection[Pe], *, turned: bool) -> int:
    """The next position in a row, counted from where the row begins, from which `wide` columns are alive."""
    bad = sorted({width - 1 - x if turned else x for x, y in dead if row <= y < row + height})
    for column in bad:
        if at <= column < at + wide:
            at = column + 1
    return at
