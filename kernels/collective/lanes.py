"""Lanes: ways from the rows of one region to the rows of another, for a vector that lies on the rows of both.

The vector is split along y and the same along x, over as many rows as each region has. A lane for each row of the
source takes its block to every row of the target that needs some of it: along x, then along y in a column of the
target. Columns are dealt so that none crosses another and one colour serves all; where the target is too narrow for
that, in groups with a colour each. Lanes that go round dead PEs may cross, too.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import Region
from wse_sim.hardware.geometry import EAST, NORTH, RAMP, SOUTH, WEST, Direction, Outputs
from wse_sim.kernels.blocks import Blocks
from wse_sim.kernels.collective.detour import detour

Pe = tuple[int, int]
Run = tuple[Region, Direction, Outputs]
MOST_GROUPS = 4  # colours for lanes between two regions, no dead PE in the way


@dataclass(frozen=True)
class Lane:
    """A way from a PE past corners to a column, and along that to one row or several.

    corners  the start, each PE where it turns, and where it meets the column of its ends
    rows     of the ends in that column
    """

    corners: tuple[Pe, ...]
    rows: range

    @property
    def start(self) -> Pe:
        """Where it begins."""
        return self.corners[0]

    @property
    def ends(self) -> tuple[Pe, ...]:
        """Where it delivers, from north to south."""
        return tuple((self.corners[-1][0], y) for y in self.rows)

    @property
    def hops(self) -> int:
        """Links to the farthest end."""
        y = self.corners[-1][1]
        return self._reach + max(abs(y - self.rows[0]), abs(y - self.rows[-1]))

    @property
    def links(self) -> int:
        """Links in all."""
        y = self.corners[-1][1]
        return self._reach + max(y, self.rows[-1]) - min(y, self.rows[0])

    def moved(self, x: int, y: int) -> Lane:
        """The same lane, so far to the east and south."""
        corners = tuple((a + x, b + y) for a, b in self.corners)
        return Lane(corners, range(self.rows.start + y, self.rows.stop + y))

    @property
    def _reach(self) -> int:
        return sum(abs(a[0] - b[0]) + abs(a[1] - b[1]) for a, b in pairwise(self.corners))

    def runs(self) -> Iterator[Run]:
        """PEs on the way, each run with the port that it takes wavelets from and those it hands them to."""
        port = RAMP
        for a, b in pairwise(self.corners):
            if a != b:
                out = _direction(a, b)
                yield _pe(a), port, Outputs([out])
                port = out.opposite
                if between := _between(a, b):
                    yield between, port, Outputs([out])
        x, y = self.corners[-1]
        north, south = self.rows[0] < y, self.rows[-1] > y
        here = [RAMP] * (y in self.rows) + [NORTH] * north + [SOUTH] * south
        yield _pe((x, y)), port, Outputs(here)
        if north:
            yield from self._column(range(y - 1, self.rows[0] - 1, -1), NORTH)
        if south:
            yield from self._column(range(y + 1, self.rows[-1] + 1), SOUTH)

    def _column(self, ys: range, out: Direction) -> Iterator[Run]:
        """Away from where the lane meets the column."""
        x = self.corners[-1][0]
        passed = sorted(y for y in ys if y not in self.rows)
        shared = sorted(y for y in ys[:-1] if y in self.rows)
        for found, outputs in ((passed, [out]), (shared, [out, RAMP])):
            if found:
                yield Region(range(x, x + 1), range(found[0], found[-1] + 1)), out.opposite, Outputs(outputs)
        yield _pe((x, ys[-1])), out.opposite, Outputs([RAMP])


@dataclass(frozen=True)
class Lanes:
    """Those from a region to another.

    lanes    one for each row of the source that holds something, from north to south; () if there are none
    why_not  what keeps them from being
    """

    lanes: tuple[Lane, ...]
    why_not: str = ""

    def __bool__(self) -> bool:
        return bool(self.lanes)

    @property
    def hops(self) -> int:
        """Links of the longest."""
        return max((lane.hops for lane in self.lanes), default=0)

    @property
    def links(self) -> int:
        """Links of all together."""
        return sum(lane.links for lane in self.lanes)

    def moved(self, x: int, y: int) -> Lanes:
        """The same lanes, so far to the east and south."""
        return Lanes(tuple(lane.moved(x, y) for lane in self.lanes), self.why_not)

    def cycles(self, words: int, hop_cycles: int) -> int:
        """From the first word of each lane on its first link until the last word of all is at its end.

        Lanes that share a link, as they do round dead PEs, take turns on it.
        """
        alone = self.hops * hop_cycles + words
        return max([alone, *(hops * hop_cycles + lanes * words for lanes, hops in self.shared)])

    @cached_property
    def shared(self) -> tuple[tuple[int, int], ...]:
        """Of each link that lanes share: how many, and hops from the nearest start to it and on to the farthest end."""
        if len(self.bundles) < 2:
            return ()
        found: dict[tuple[Pe, Pe], dict[Lane, tuple[int, int]]] = {}
        for lane in self.lanes:
            way = [pe for a, b in pairwise(lane.corners) for pe in _towards(a, b)]
            x, y = lane.corners[-1]
            for last in {lane.rows[0], lane.rows[-1]}:
                for before, link in enumerate(pairwise([*way, *_towards((x, y), (x, last)), (x, last)])):
                    found.setdefault(link, {})[lane] = (before, lane.hops - before)
        together = ([*zip(*users.values(), strict=True)] for users in found.values() if len(users) > 1)
        return tuple({(len(before), min(before) + max(after)) for before, after in together})

    @cached_property
    def bundles(self) -> tuple[Bundle, ...]:
        """Lanes that do not meet, for a colour each."""
        points = [pe for lane in self.lanes for pe in (*lane.corners, lane.ends[0], lane.ends[-1])]
        if not points:
            return ()
        xs, ys = [x for x, _ in points], [y for _, y in points]
        corner, shape = (min(xs), min(ys)), (max(ys) - min(ys) + 1, max(xs) - min(xs) + 1)
        found: list[tuple[list[Lane], NDArray[np.bool_]]] = []
        for lane in self.lanes:
            ways = [_window(region, corner) for region, _, _ in lane.runs()]
            bundle = next((b for b in found if not any(b[1][way].any() for way in ways)), None)
            if bundle is None:
                found.append(bundle := ([], np.zeros(shape, np.bool_)))
            bundle[0].append(lane)
            for way in ways:
                bundle[1][way] = True
        return tuple(Bundle(tuple(lanes), corner, mask) for lanes, mask in found)


@dataclass(frozen=True, eq=False)
class Bundle:
    """Lanes that do not meet.

    corner  column and row of the first entry of `mask`
    mask    (height, width): PEs on their ways
    """

    lanes: tuple[Lane, ...]
    corner: Pe
    mask: NDArray[np.bool_]

    def meets(self, other: Bundle) -> bool:
        """Whether some PE is on a way of both."""
        (x, y), (to_x, to_y) = self.corner, other.corner
        left, right = max(x, to_x), min(x + self.mask.shape[1], to_x + other.mask.shape[1])
        top, bottom = max(y, to_y), min(y + self.mask.shape[0], to_y + other.mask.shape[0])
        if left >= right or top >= bottom:
            return False
        mine = self.mask[top - y : bottom - y, left - x : right - x]
        return bool((mine & other.mask[top - to_y : bottom - to_y, left - to_x : right - to_x]).any())


def _window(region: Region, corner: Pe) -> tuple[slice, slice]:
    (x, y), xs, ys = corner, region.xs, region.ys
    return slice(ys.start - y, ys.stop - y), slice(xs.start - x, xs.stop - x)


@lru_cache(maxsize=1 << 14)
def lanes(
    source: Region, target: Region, total: int, *, dead: frozenset[Pe] = frozenset(), within: Region | None = None
) -> Lanes:
    """Lanes for a vector of `total` elements.

    dead    PEs that nothing passes: a dead PE's router is taken to be dead, too
    within  PEs that a way round dead ones may use; None: as far as it must go
    """
    if source.intersects(target):
        return Lanes((), f"regions {source!r} and {target!r} meet: expected them disjoint")
    rows = rows_of(Blocks(total, source.height), Blocks(total, target.height))
    ends = [range(target.ys[0] + r.start, target.ys[0] + r.stop) for r in rows]
    most = 0
    for groups in range(1, MOST_GROUPS + 1):
        for east in (target.xs[-1] > source.xs[-1], target.xs[0] > source.xs[0]):
            columns = _columns(source, target, east=east)
            most = max(most, len(columns))
            edge = source.xs[-1] if east else source.xs[0]
            plain = [
                _lane(source, target, edge, columns[depth], source.ys[i], ends[i])
                for i, depth in enumerate(_grouped(source.ys, ends, groups))
                if depth < len(columns)
            ]
            if len(plain) == len(ends) and _apart(plain):
                return _round(plain, dead, within)
    return Lanes(
        (), f"{len(ends)} rows of {source!r} end in {most} columns of {target!r} that can be reached: expected a wider "
        "target, or regions in the same rows"
    )  # fmt: skip


def _grouped(ys: Sequence[int], ends: Sequence[range], groups: int) -> list[int]:
    """Depths of so many groups of neighbouring lanes, each by itself: their lanes may cross those of other groups."""
    cuts = [len(ends) * k // groups for k in range(groups + 1)]
    return [depth for a, b in pairwise(cuts) for depth in _depths(ys[a:b], ends[a:b])]


def _apart(plain: Sequence[Lane]) -> bool:
    """Whether no PE has two lanes to take."""
    ends = [pe for lane in plain for pe in lane.ends]
    return len(ends) == len(set(ends))


def rows_of(source: Blocks, target: Blocks) -> list[range]:
    """Target rows that need some of each source row's block, for all source rows whose blocks are needed.

    Blocks that hold pads only go along where the other side has room for them.
    """
    total = min(source.parts * source.size, target.parts * target.size)
    starts = range(0, total, source.size)
    return [range(a // target.size, (min(a + source.size, total) - 1) // target.size + 1) for a in starts]


def _depths(ys: Sequence[int], ends: Sequence[range]) -> list[int]:
    """Which column each lane turns into, counted from the source: farther than all whose rows it passes in its own.

    Lanes that go south pass rows below theirs, those that go north rows above; both may end on the row between.
    """
    down, up = [0] * len(ends), [0] * len(ends)
    for i in reversed(range(len(ends))):
        passed = down[i + 1 : i + 1 + max(0, ends[i][-1] - ys[i])]
        down[i] = max(passed, default=-1) + 1
    for i in range(len(ends)):
        passed = up[max(0, i - max(0, ys[i] - ends[i][0])) : i]
        up[i] = max(passed, default=-1) + 1
    south = {ends[i][-1]: down[i] for i in reversed(range(len(ends))) if ends[i][-1] > ys[i]}
    shared = [south[ends[i][0]] for i in range(len(ends)) if ends[i][0] < ys[i] and ends[i][0] in south]
    aside = max(shared, default=0)
    return [max(d, u + (aside if to[0] < y else 0)) for d, u, y, to in zip(down, up, ys, ends, strict=False)]


def _columns(source: Region, target: Region, *, east: bool) -> list[int]:
    """Columns of the target, straight above or below the source or to one side of it, the nearest first."""
    if east:
        return [x for x in target.xs if x >= source.xs[0]]
    return [x for x in reversed(target.xs) if x <= source.xs[-1]]


def _lane(source: Region, target: Region, edge: int, x: int, y: int, rows: range) -> Lane:
    """Out of a row of the source, into a column of the target: through its side, or from above or below."""
    entry = min(max(y, target.ys[0]), target.ys[-1])
    start = (x if x in source.xs else edge, y)
    return Lane(_plain([start, (x, y), (x, entry)]), rows)


# -- dead PEs -------------------------------------------------------------------------------------------


def _round(plain: Sequence[Lane], dead: Collection[Pe], within: Region | None) -> Lanes:
    """The same lanes, those with dead PEs in their way on the shortest way round them."""
    found = []
    for lane in plain:
        if not _blocked(lane, dead):
            found.append(lane)
            continue
        (x, y), stops = lane.corners[-1], (*lane.rows[:1], *lane.rows[-1:])
        column = {(x, to) for to in range(min(y, *stops), max(y, *stops) + 1)}  # that of its own ends is alive
        corners = detour(lane.start, (x, y), {*dead, *column} - {(x, y)}, within)
        if corners is None:
            return Lanes(
                (), f"dead PEs wall off PE {(x, y)} from PE {lane.start}: expected a way past them; place the "
                "regions elsewhere"
            )  # fmt: skip
        found.append(Lane(corners, lane.rows))
    return Lanes(tuple(found))


def _blocked(lane: Lane, dead: Collection[Pe]) -> bool:
    for a, b in pairwise(lane.corners):
        xs, ys = sorted((a[0], b[0])), sorted((a[1], b[1]))
        if any(xs[0] <= x <= xs[1] and ys[0] <= y <= ys[1] for x, y in dead):
            return True
    return False


# -- pieces ---------------------------------------------------------------------------------------------


def straight(start: Pe, end: Pe) -> Lane:
    """Along x, then along y."""
    return Lane(_plain([start, (end[0], start[1]), end]), range(end[1], end[1] + 1))


def _plain(corners: Sequence[Pe]) -> tuple[Pe, ...]:
    """Without those where nothing turns."""
    kept = [corners[0]]
    for pe in corners[1:]:
        if pe != kept[-1]:
            kept.append(pe)
    return tuple(kept)


def _direction(a: Pe, b: Pe) -> Direction:
    if a[1] == b[1]:
        return EAST if b[0] > a[0] else WEST
    return SOUTH if b[1] > a[1] else NORTH


def _towards(a: Pe, b: Pe) -> list[Pe]:
    """PEs of a row or a column from one to before another."""
    if a == b:
        return []
    out = _direction(a, b)
    return [(a[0] + i * out.dx, a[1] + i * out.dy) for i in range(abs(a[0] - b[0]) + abs(a[1] - b[1]))]


def _pe(pe: Pe) -> Region:
    return Region(range(pe[0], pe[0] + 1), range(pe[1], pe[1] + 1))


def _between(a: Pe, b: Pe) -> Region:
    """What lies strictly between two PEs of a row or a column."""
    xs, ys = sorted((a[0], b[0])), sorted((a[1], b[1]))
    if a[1] == b[1]:
        return Region(range(xs[0] + 1, xs[1]), range(ys[0], ys[0] + 1))
    return Region(range(xs[0], xs[0] + 1), range(ys[0] + 1, ys[1]))
