"""A slicing tree with areas in proportion: blocks get new shapes, so that together they fill a rectangle."""

from __future__ import annotations

from collections.abc import Sequence
from math import sqrt

from wse_sim.hardware import Region
from wse_sim.mapping.placement.floor import Block, Floor

GROWTH = 1.02  # of the rectangle's sides from one attempt to the next


def treemap(floor: Floor) -> tuple[Region, ...]:
    """The smallest rectangle like the floor in which every block gets its area, less what dead PEs take."""
    area = sum(block.area for block in floor.blocks)
    scale = min(1.0, sqrt(area / (floor.width * floor.height)))
    while True:
        whole = Region(range(min(floor.width, round(scale * floor.width))),
                       range(min(floor.height, round(scale * floor.height))))  # fmt: skip
        found = [_living(floor, block, place) for block, place in _slices(floor.blocks, whole)]
        large = [len(place or ()) >= block.area for block, place in zip(floor.blocks, found, strict=True)]
        if all(large):
            return tuple(place for place in found if place is not None)
        if scale >= 1.0:
            raise floor.no_room(large.index(False))
        scale = min(1.0, scale * GROWTH)


def _slices(blocks: Sequence[Block], whole: Region, *, back: bool = False) -> list[tuple[Block, Region]]:
    """Cuts across the longer side where the areas are halved; the order winds, so that neighbours stay neighbours.

    back  the first block lies at the far end
    """
    if len(blocks) == 1:
        return [(blocks[0], whole)]
    areas = [block.area for block in blocks]
    count = min(range(1, len(blocks)), key=lambda n: abs(2 * sum(areas[:n]) - sum(areas)))
    share = sum(areas[:count]) / sum(areas)
    longer, step = whole.width >= whole.height, max(block.step for block in blocks)
    if longer:
        cut = round(whole.width * (1 - share if back else share) / step) * step
        near, far = whole[:cut, :], whole[cut:, :]
    else:
        cut = round(whole.height * (1 - share if back else share))
        near, far = whole[:, :cut], whole[:, cut:]
    first, second = (far, near) if back else (near, far)
    if not (first and second):
        return [(block, Region(range(0), range(0))) for block in blocks]
    return [*_slices(blocks[:count], first, back=back), *_slices(blocks[count:], second, back=back)]


def _living(floor: Floor, block: Block, place: Region) -> Region | None:
    """What is left of a rectangle when rows or columns at its rim are given up until none of its PEs is dead."""
    place = place[: place.width // block.step * block.step, :] if place else place
    while place and not floor.alive(place):
        dead = [(x, y) for x, y in floor.dead if (x, y) in place]
        x, y = dead[0]
        column, row, step = x - place.xs[0], y - place.ys[0], block.step
        cuts = (
            place[: column // step * step, :], place[:, :row], place[:, row + 1 :],
            place[column + 1 + (place.width - column - 1) % step :, :],
        )  # fmt: skip
        place = max(cuts, key=len)
    return place or None
