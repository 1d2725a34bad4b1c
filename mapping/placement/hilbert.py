"""Blocks along a Hilbert curve, on a grid of cells as large as the largest block: what is near in order is near."""

from __future__ import annotations

from collections.abc import Iterator

from wse_sim.hardware import Region
from wse_sim.mapping.placement.floor import Floor, Pe


def hilbert(floor: Floor) -> tuple[Region, ...]:
    """Each block in the next cell where it meets no dead PE."""
    wide, high = (max(getattr(block, side) for block in floor.blocks) for side in ("width", "height"))
    cells = curve(floor.width // wide, floor.height // high)
    found: list[Region] = []
    for block in floor.blocks:
        place = next((p for x, y in cells if floor.alive(p := block.at((x * wide, y * high)))), None)
        if place is None:
            raise floor.no_room(len(found))
        found.append(place)
    return tuple(found)


def curve(width: int, height: int) -> Iterator[Pe]:
    """All cells of a rectangle, each beside the one before but for a diagonal step where both sides are odd.

    The generalised Hilbert curve of J. Cerveny (gilbert, 2018): a rectangle is cut in two or three until one side is 1.
    """
    if width and height:
        longer = width >= height
        yield from _walk((0, 0), (width, 0) if longer else (0, height), (0, height) if longer else (width, 0))


def _walk(corner: Pe, along: Pe, across: Pe) -> Iterator[Pe]:
    """The rectangle that two vectors span, from its corner to the end of the first."""
    (x, y), (ax, ay), (bx, by) = corner, along, across
    length, width = abs(ax + ay), abs(bx + by)
    (dax, day), (dbx, dby) = _unit(along), _unit(across)
    if width == 1:
        yield from ((x + i * dax, y + i * day) for i in range(length))
        return
    if length == 1:
        yield from ((x + i * dbx, y + i * dby) for i in range(width))
        return
    half, side = _half(along), _half(across)
    if 2 * length > 3 * width:
        if abs(half[0] + half[1]) % 2 and length > 2:
            half = (half[0] + dax, half[1] + day)
        yield from _walk(corner, half, across)
        yield from _walk((x + half[0], y + half[1]), (ax - half[0], ay - half[1]), across)
        return
    if abs(side[0] + side[1]) % 2 and width > 2:
        side = (side[0] + dbx, side[1] + dby)
    yield from _walk(corner, side, half)
    yield from _walk((x + side[0], y + side[1]), along, (bx - side[0], by - side[1]))
    end = (x + (ax - dax) + (side[0] - dbx), y + (ay - day) + (side[1] - dby))
    yield from _walk(end, (-side[0], -side[1]), (-(ax - half[0]), -(ay - half[1])))


def _unit(vector: Pe) -> Pe:
    return (vector[0] > 0) - (vector[0] < 0), (vector[1] > 0) - (vector[1] < 0)


def _half(vector: Pe) -> Pe:
    return int(vector[0] / 2), int(vector[1] / 2)
