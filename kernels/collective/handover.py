"""Hand-over: a vector that lies on the rows of one region goes to the rows of another, each row by a lane of its own.

x        (size,) on each PE of the source: split along y in blocks, the same along x
to       (size,) on each PE of the target, whose blocks are others where it has more or fewer rows
arrival  a block of the source on the PEs where its lane ends; `take` puts what a row needs of it where it belongs, and
         0 elsewhere, so that `Line.all_reduce` along x makes the vector known to whole rows
lanes    see `lanes`: regions of any heights, if the target is wide enough; dead PEs are gone round
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace

from wse_sim.errors import ProgramError
from wse_sim.hardware import DType, Region, Wafer, f32
from wse_sim.hardware.geometry import Route
from wse_sim.kernels.blocks import Blocks
from wse_sim.kernels.collective.lanes import Lane, Lanes, Pe
from wse_sim.kernels.collective.lanes import lanes as lay
from wse_sim.kernels.collective.member import Operand, join_slot, steady
from wse_sim.kernels.collective.timing import Timing, wavelets
from wse_sim.kernels.price import Price
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.fabric import Color
from wse_sim.program.memory import Buffer

SLOT = 0  # background slot that receives


def cost(wafer: Wafer, laid: Lanes, n: int, *, dtype: DType = f32) -> int:
    """Cycles from the start of the sending of blocks of `n` elements until the last one has arrived."""
    t, words = Timing(wafer), wavelets(n, dtype)
    return t.issue(2) + t.stage(0) + laid.cycles(words, wafer.hop_cycles) + t.pauses(words)


def cost_of_taking(wafer: Wafer, n: int, *, dtype: DType = f32) -> int:
    """Cycles in which the target copies what has arrived, the all-reduce left out."""
    price = Price(wafer)
    return Timing(wafer).asynchronous(1) + price.vector("mov", n, dtype, dtype)


@dataclass(frozen=True)
class Arrival:
    """Lanes that share a colour end on `region`, where `to[at:]` gets elements of the block from `start` on."""

    region: Region
    color: Color
    start: int
    at: int
    count: int


@dataclass(frozen=True)
class Handover:
    """Lanes with their colours and the room where they end.

    starts    PEs that send, with their colour
    arrivals  PEs that receive, and what they keep
    """

    room: Buffer
    starts: tuple[tuple[Region, Color], ...]
    arrivals: tuple[Arrival, ...]

    def send(self, pe: Code, x: Operand) -> None:
        """Waits until every lane has taken its `x`; `pe` covers the source."""
        for region, color in self.starts:
            pe.on(region).mov(color, x)

    def post(self, pe: Code) -> None:
        """Begins to receive in the background, once for each `send`; `pe` covers the target."""
        for end in self.arrivals:
            pe.on(end.region).mov(self.room, end.color, slot=SLOT)

    def take(self, pe: Code, x: Operand) -> None:
        """Waits for what was posted and puts it into `x` where the lanes end, 0 elsewhere."""
        to = steady(x)
        pe.mov(to, 0.0)
        for end in self.arrivals:
            here = pe.on(end.region)
            join_slot(here, SLOT, self.room[:])
            kept = replace(to, offset=to.offset + end.at * to.stride, length=end.count)
            here.mov(kept, self.room[end.start : end.start + end.count])


def make_handover(
    build: Builder,
    source: Region,
    target: Region,
    *,
    total: int,
    dtype: DType = f32,
    name: str = "handover",
    laid: Lanes | None = None,
    colors: Sequence[Color] = (),
) -> Handover:
    """Paints the lanes for a vector of `total` elements.

    laid    the lanes, where others than the plain ones are wanted: round dead PEs
    colors  one for each of their bundles; new ones if there are none
    """
    laid = laid or lay(source, target, total)
    if not laid:
        raise ProgramError(f"no lanes from {source!r} to {target!r}: {laid.why_not}")
    channels = list(colors) or [build.color(name) for _ in laid.bundles]
    starts: list[tuple[Region, Color]] = []
    arrivals: list[Arrival] = []
    blocks = Blocks(total, source.height), Blocks(total, target.height)
    for bundle, color in zip(laid.bundles, channels, strict=True):
        starts += [(region, color) for region in paint(build, color, bundle.lanes)[0]]
        arrivals += _arrivals(bundle.lanes, color, source, target, blocks)
    ends = [pe for lane in laid.lanes for pe in lane.ends]
    room = build.buffer(f"{name}.arrival", dtype, blocks[0].size, on=_bounds(ends))
    return Handover(room, tuple(starts), tuple(arrivals))


def _arrivals(
    members: Iterable[Lane], color: Color, source: Region, target: Region, blocks: tuple[Blocks, Blocks]
) -> list[Arrival]:
    """PEs of a column that keep like parts of their blocks together."""
    mine, theirs = blocks
    total = min(mine.parts * mine.size, theirs.parts * theirs.size)
    found: dict[tuple[int, int, int], list[Pe]] = {}
    for lane in members:
        first = (lane.start[1] - source.ys[0]) * mine.size
        for x, y in lane.ends:
            own = (y - target.ys[0]) * theirs.size
            low, high = max(first, own), min(first + mine.size, own + theirs.size, total)
            found.setdefault((low - first, low - own, high - low), []).append((x, y))
    return [Arrival(region, color, *kept) for kept, pes in found.items() for region in _columns(pes)]


def paint(build: Builder, color: Color, members: Sequence[Lane]) -> tuple[list[Region], list[Region]]:
    """Routes of lanes, like stretches in neighbouring rows at once; PEs that send, and PEs that receive, by column."""
    found: dict[tuple[range, Route], list[range]] = {}
    for lane in members:
        for region, port, outputs in lane.runs():
            found.setdefault((region.xs, Route(port, outputs)), []).append(region.ys)
    for (xs, route), stretches in found.items():
        for ys in _joined(stretches):
            build.route(color, Region(xs, ys), route)
    return _columns(lane.start for lane in members), _columns(pe for lane in members for pe in lane.ends)


# -- regions ------------------------------------------------------------------------------------------


def _joined(stretches: Iterable[range]) -> list[range]:
    """Disjoint stretches in order, those that touch as one."""
    found: list[range] = []
    for stretch in sorted(stretches, key=lambda s: s.start):
        if found and found[-1].stop == stretch.start:
            found[-1] = range(found[-1].start, stretch.stop)
        else:
            found.append(stretch)
    return found


def _columns(pes: Iterable[Pe]) -> list[Region]:
    """Regions one PE wide that hold them all."""
    found: dict[int, list[range]] = {}
    for x, y in pes:
        found.setdefault(x, []).append(range(y, y + 1))
    return [Region(range(x, x + 1), ys) for x, stretches in found.items() for ys in _joined(stretches)]


def _bounds(pes: Sequence[Pe]) -> Region:
    xs, ys = [x for x, _ in pes], [y for _, y in pes]
    return Region(range(min(xs), max(xs) + 1), range(min(ys), max(ys) + 1))
