"""Hand-over: a vector that lies on the rows of one region goes to the rows of another, each row by a lane of its own.

x        (size,) on each PE of the source: split along y, the same along x
arrival  (size,) on one PE of each row of the target, where its lane ends; `Line.all_reduce` along x hands it on
lanes    straight along x between the same rows; else along x, then along y to another row, each lane in a column of its
         own, so that none crosses another and one colour serves all
takes    regions with as many rows; a target at least as wide as high where the rows differ; `lanes` tells
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from wse_sim.errors import ProgramError
from wse_sim.hardware import DType, Region, Wafer, f32
from wse_sim.hardware.geometry import EAST, NORTH, RAMP, SOUTH, WEST, Direction
from wse_sim.kernels.collective.member import Operand, Palette, join_slot, steady
from wse_sim.kernels.collective.timing import Timing, wavelets
from wse_sim.kernels.price import Price
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.fabric import Color
from wse_sim.program.memory import Buffer

Pe = tuple[int, int]
SLOT = 0  # background slot that receives


@dataclass(frozen=True)
class Lane:
    """A way along x from `start`, then along y to `end`."""

    start: Pe
    end: Pe

    @property
    def hops(self) -> int:
        """Links on the way."""
        return abs(self.start[0] - self.end[0]) + abs(self.start[1] - self.end[1])

    def runs(self) -> Iterator[tuple[Region, Direction, Direction]]:
        """PEs on the way, each run with the port that it takes wavelets from and the one it hands them to."""
        (x, y), (to_x, to_y) = self.start, self.end
        across, along = (EAST if to_x > x else WEST), (SOUTH if to_y > y else NORTH)
        turn = (across if to_x != x else along) if to_y == y else along
        if to_x != x:
            yield _run([x], [y]), RAMP, across
            yield _run(_between(x, to_x), [y]), across.opposite, across
        if to_y != y:
            yield _run([to_x], [y]), across.opposite if to_x != x else RAMP, along
            yield _run([to_x], _between(y, to_y)), along.opposite, along
        yield _run([to_x], [to_y]), turn.opposite, RAMP


def lanes(source: Region, target: Region) -> tuple[Lane, ...]:
    """A lane for each row of the source; () if there is no way to lay them."""
    if source.height != target.height or source.intersects(target):
        return ()
    rows = list(zip(source.ys, target.ys, strict=True))
    if source.ys == target.ys:
        facing = source.xs[-1] if target.xs[0] > source.xs[-1] else source.xs[0]
        entry = target.xs[0] if target.xs[0] > source.xs[-1] else target.xs[-1]
        return tuple(Lane((facing, y), (entry, to_y)) for y, to_y in rows)
    for east in (target.xs[-1] > source.xs[-1], target.xs[0] > source.xs[0]):
        columns = _columns(source, target, east=east)
        if len(columns) == len(rows):
            edge = source.xs[-1] if east else source.xs[0]
            return tuple(
                Lane((x if x in source.xs else edge, y), (x, to_y)) for x, (y, to_y) in zip(columns, rows, strict=True)
            )
    return ()


def _columns(source: Region, target: Region, *, east: bool) -> list[int]:
    """A column of the target for each row of the source, straight above or below it or to one side of it.

    Of two rows, the one from which a lane would cross the other's gets the farther column.
    """
    reached = (
        [x for x in target.xs if x >= source.xs[0]] if east else [x for x in reversed(target.xs) if x <= source.xs[-1]]
    )
    nearest = reached[: source.height]
    return nearest[::-1] if target.ys[0] > source.ys[0] else nearest


def cost(wafer: Wafer, hops: int, n: int, *, dtype: DType = f32) -> int:
    """Cycles from the start of the sending until the last element has arrived, over lanes of at most `hops`."""
    t, words = Timing(wafer), wavelets(n, dtype)
    return t.issue(2) + t.stage(hops) + words + t.pauses(words)


def cost_of_taking(wafer: Wafer, n: int, *, dtype: DType = f32) -> int:
    """Cycles in which the target copies what has arrived, the all-reduce left out."""
    price = Price(wafer)
    return Timing(wafer).asynchronous(1) + price.vector("mov", n, dtype, dtype)


@dataclass(frozen=True)
class Handover:
    """Lanes with their colour and the room where they end.

    starts, ends  the PEs of the lanes, grouped to few regions
    """

    target: Region
    color: Color
    arrival: Buffer
    starts: tuple[Region, ...]
    ends: tuple[Region, ...]

    def send(self, pe: Code, x: Operand) -> None:
        """Waits until every lane has taken its `x`; `pe` covers the source."""
        for region in self.starts:
            pe.on(region).mov(self.color, x)

    def post(self, pe: Code) -> None:
        """Begins to receive in the background, once for each `send`; `pe` covers the target."""
        for region in self.ends:
            pe.on(region).mov(self.arrival, self.color, slot=SLOT)

    def take(self, pe: Code, x: Operand) -> None:
        """Waits for what was posted and puts it into `x` where the lanes end, 0 elsewhere."""
        to = steady(x)
        pe.mov(to, 0.0)
        for region in self.ends:
            here = pe.on(region)
            join_slot(here, SLOT, self.arrival[:])
            here.mov(to, self.arrival)


def make_handover(
    build: Builder,
    source: Region,
    target: Region,
    *,
    size: int,
    dtype: DType = f32,
    name: str = "handover",
    color: Palette | None = None,
) -> Handover:
    """Takes a colour and paints the lanes for vectors of `size` elements."""
    laid = lanes(source, target)
    if not laid:
        raise ProgramError(
            f"no lanes from {source!r} to {target!r}: expected disjoint regions of one height, the target as wide as "
            "that where the rows differ"
        )
    channel = (color or build.color)(name)
    for region, port, outputs in _merged(laid):
        build.route(channel, region, port >> outputs)
    starts, ends = ([lane.start for lane in laid], [lane.end for lane in laid])
    arrival = build.buffer(f"{name}.arrival", dtype, size, on=_bounds(ends))
    return Handover(target, channel, arrival, _grouped(starts), _grouped(ends))


# -- regions ------------------------------------------------------------------------------------------


def _run(xs: Sequence[int], ys: Sequence[int]) -> Region:
    return Region(range(xs[0], xs[-1] + 1) if xs else range(0), range(ys[0], ys[-1] + 1) if ys else range(0))


def _between(a: int, b: int) -> range:
    """What lies strictly between two positions, ascending."""
    return range(min(a, b) + 1, max(a, b))


def _merged(laid: Sequence[Lane]) -> list[tuple[Region, Direction, Direction]]:
    """The runs of all lanes; lanes along x in neighbouring rows as one."""
    if all(lane.start[1] == lane.end[1] for lane in laid):
        ys = [lane.start[1] for lane in laid]
        return [(Region(region.xs, _run([0], ys).ys), a, b) for region, a, b in laid[0].runs() if region]
    return [run for lane in laid for run in lane.runs() if run[0]]


def _grouped(pes: Sequence[Pe]) -> tuple[Region, ...]:
    """One region if they are a column, else one for each."""
    xs, ys = [x for x, _ in pes], [y for _, y in pes]
    if len(set(xs)) == 1:
        return (_run(xs[:1], ys),)
    return tuple(_run([x], [y]) for x, y in pes)


def _bounds(pes: Sequence[Pe]) -> Region:
    xs, ys = sorted(x for x, _ in pes), sorted(y for _, y in pes)
    return _run(xs, ys)
