"""Shortest ways over a grid of routers with dead ones."""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterator

from wse_sim.hardware import Region

Pe = tuple[int, int]
_STEPS = ((1, 0), (-1, 0), (0, 1), (0, -1))


def detour(start: Pe, end: Pe, dead: Collection[Pe], within: Region | None) -> tuple[Pe, ...] | None:
    """Corners of a way with the fewest hops past dead PEs, start and end included; None if there is none.

    within  PEs that it may use; None: as far out as dead PEs lie, and one more
    """
    near = [start, end, *dead]
    xs, ys = [x for x, _ in near], [y for _, y in near]
    whole = within or Region(range(min(xs) - 1, max(xs) + 2), range(min(ys) - 1, max(ys) + 2))
    for box in _boxes(start, end, whole):
        way = _search(start, end, dead, box)
        if way and len(way) - 1 <= _distance(start, end) + 2 * _margin(start, end, box, whole):
            return _corners(way)
    return None


def _boxes(start: Pe, end: Pe, whole: Region) -> Iterator[Region]:
    """Growing rectangles around both, up to all there is."""
    margin = 1
    while True:
        xs, ys = (sorted((start[i], end[i])) for i in (0, 1))
        box = Region(
            range(max(xs[0] - margin, whole.xs[0]), min(xs[1] + margin, whole.xs[-1]) + 1),
            range(max(ys[0] - margin, whole.ys[0]), min(ys[1] + margin, whole.ys[-1]) + 1),
        )
        yield box
        if box == whole:
            return
        margin *= 4


def _margin(start: Pe, end: Pe, box: Region, whole: Region) -> int:
    """How far a way would have to go aside, there and back, to leave a box; the rim of all there is has no outside."""
    sides = [
        (min(start[0], end[0]) - box.xs[0], box.xs[0] == whole.xs[0]),
        (box.xs[-1] - max(start[0], end[0]), box.xs[-1] == whole.xs[-1]),
        (min(start[1], end[1]) - box.ys[0], box.ys[0] == whole.ys[0]),
        (box.ys[-1] - max(start[1], end[1]), box.ys[-1] == whole.ys[-1]),
    ]
    return min((margin for margin, rim in sides if not rim), default=len(whole))


def _search(start: Pe, end: Pe, dead: Collection[Pe], box: Region) -> list[Pe] | None:
    """Breadth first."""
    before: dict[Pe, Pe] = {start: start}
    waiting = deque([start])
    x_low, x_high, y_low, y_high = box.xs[0], box.xs[-1], box.ys[0], box.ys[-1]
    while waiting and end not in before:
        here = waiting.popleft()
        for dx, dy in _STEPS:
            x, y = there = (here[0] + dx, here[1] + dy)
            if there not in before and x_low <= x <= x_high and y_low <= y <= y_high and there not in dead:
                before[there] = here
                waiting.append(there)
    if end not in before or end in dead or start in dead:
        return None
    way = [end]
    while way[-1] != start:
        way.append(before[way[-1]])
    return way[::-1]


def _corners(way: list[Pe]) -> tuple[Pe, ...]:
    """The ends of a way, and where it turns."""
    kept = [way[0]]
    for i in range(1, len(way) - 1):
        before, after = way[i - 1], way[i + 1]
        if before[0] != after[0] and before[1] != after[1]:
            kept.append(way[i])
    return (*kept, *way[-1:]) if len(way) > 1 else tuple(kept)


def _distance(a: Pe, b: Pe) -> int:
    return abs(a[0] - b[0]) + abs(a[1] - b[1])
