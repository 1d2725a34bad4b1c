"""Blocks in rows, one after the other: row-major, or every other row from east to west.

A chain of equal blocks of w x h PEs, q in a row, hands over with the same cost within a row in both orders: straight
lanes of one hop. From row to row lanes go down h rows, in serpentine order straight down, in row-major order also past
the blocks between, back to where a row begins. So serpentine is never worse, and better from two rows on if q > 1. That
holds for a chain of equal blocks only: in a ring the last block hands over to the first one, too.
"""

from __future__ import annotations

from wse_sim.hardware import Region
from wse_sim.mapping.placement.floor import Block, Floor


def row_major(floor: Floor) -> tuple[Region, ...]:
    """Every row from west to east."""
    return _all(floor, serpentine=False)


def serpentine(floor: Floor) -> tuple[Region, ...]:
    """Every other row from east to west, beginning below the end of the one before."""
    return _all(floor, serpentine=True)


def _all(floor: Floor, *, serpentine: bool) -> tuple[Region, ...]:
    found = in_rows(floor, serpentine=serpentine)
    if len(found) < len(floor.blocks):
        raise floor.no_room(len(found))
    return tuple(found)


def in_rows(floor: Floor, *, serpentine: bool) -> list[Region]:
    """Places of as many blocks as find room, in the order given; a row is as high as the highest in it."""
    found: list[Region] = []
    top, deep, at, turned = 0, 0, 0, False
    for block in floor.blocks:
        while True:
            place = _free(floor, block, at, top, turned=turned)
            if place is not None:
                break
            if deep:
                top, deep, turned = top + deep, 0, serpentine and not turned
                at = _below(floor, block, found[-1], turned=turned) if serpentine else 0
            else:
                top, at = top + 1, 0
            if top + block.height > floor.height:
                return found
        found.append(place)
        deep = max(deep, block.height)
        at = floor.width - place.xs[0] if turned else place.xs.stop
    return found


def _free(floor: Floor, block: Block, at: int, top: int, *, turned: bool) -> Region | None:
    """The next place in a row, counted from where the row begins, where all PEs are alive."""
    rows = range(top, top + block.height)
    bad = sorted({floor.width - 1 - x if turned else x for x, y in floor.dead if y in rows})
    for column in bad:
        if at <= column < at + block.width:
            at = column + 1
    if at + block.width > floor.width or rows.stop > floor.height:
        return None
    return block.at((floor.width - at - block.width if turned else at, top))


def _below(floor: Floor, block: Block, last: Region, *, turned: bool) -> int:
    """Where a row begins, counted from its own side: below the end of the one before, if there is room."""
    at = floor.width - last.xs.stop if turned else last.xs[0]
    return at if at + block.width <= floor.width else max(0, floor.width - block.width)
