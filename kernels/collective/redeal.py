"""Redeal: a vector dealt in blocks along the rows of one region goes, in other blocks, to the same rows of another.

x      blocks of `source` on the PEs of each row of the source, of `target` on those of the target, `total` in all
how    each row is a chain of its PEs, from east to west. A PE of the source gives its own block, then passes on what
       comes from behind; a PE of the target passes on what is for those behind it, then keeps its own. So the elements
       stream in order over the gap, all sources begin at once, and the link at the gap carries each element once
takes  regions with the same rows, the target west of the source
f16    two to a wavelet if all blocks are even, else one, for blocks end anywhere in the stream
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

from numpy.typing import NDArray

from wse_sim.errors import ProgramError
from wse_sim.hardware import DType, Region, Wafer, f16, f32, i32
from wse_sim.hardware.geometry import EAST, RAMP, WEST
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.blocks import Blocks, spread
from wse_sim.kernels.collective.member import Operand, Palette
from wse_sim.kernels.collective.timing import Timing, wavelets
from wse_sim.kernels.views import first
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.fabric import Color
from wse_sim.program.memory import Buffer, View
from wse_sim.program.register import Register

Array = NDArray[Any]


def reference(x: Array, source: Blocks, target: Blocks) -> Array:
    """Blocks (..., parts, size) of the source as those of the target, padded with zeros."""
    return target.deal(source.join(x))


def carried(dtype: DType, source: Blocks, target: Blocks) -> DType:
    """Type of the elements on the fabric."""
    odd = any(blocks.size % 2 or blocks.shard.total % 2 for blocks in (source, target))
    return f32 if dtype is f16 and odd else dtype


def cost(wafer: Wafer, source: Blocks, target: Blocks, *, gap: int = 0, dtype: DType = f32, times: int = 1) -> int:
    """Cycles until the target has the last of so many vectors, one right after the other; loops around them left out.

    The first waits for the blocks from farthest away, and the last has farthest to go.
    """
    t, words = Timing(wafer), wavelets(source.total, carried(dtype, source, target))
    ways = ((_used(source) - 1) * t.stage(), (target.parts - 1) * t.stage())
    far = sum(max(0, way - words) for way in ways) + t.stage() + gap * wafer.hop_cycles
    return far + times * cost_of_each(wafer, source, target, dtype=dtype)


def cost_of_each(wafer: Wafer, source: Blocks, target: Blocks, *, dtype: DType = f32) -> int:
    """Cycles from vector to vector: a PE at the gap gives and passes on.

    Where streams pause, each PE of the target pauses elsewhere: half a cycle more for each, as simulated.
    """
    t, words = Timing(wafer), wavelets(source.total, carried(dtype, source, target))
    apart = _used(target) // 2 if wafer.stream_pause_wavelets else 0
    return 2 * t.issue(2) + words + t.pauses(words) + apart


def _used(blocks: Blocks) -> int:
    """Blocks that are not empty."""
    return int((blocks.counts > 0).sum())


def cost_of_telling(wafer: Wafer, n: int, *, dtype: DType) -> int:
    """Cycles by which `tell` puts off what follows on its heels."""
    t, words = Timing(wafer), wavelets(n, dtype)
    return 2 * t.issue(2) + t.stage() + words


def links(source: Blocks, target: Blocks, *, gap: int = 0, dtype: DType = f32) -> int:
    """Hops of the wavelets of one row."""
    words = dtype.per_wavelet if carried(dtype, source, target) is dtype else 1
    there = sum(int(n) * k for k, n in enumerate(source.counts))
    on = sum(int(n) * (target.parts - 1 - k) for k, n in enumerate(target.counts))
    return -(-(there + on + source.total * (gap + 1)) // words)


class Shares(NamedTuple):
    """How many elements of the vector lie in this PE's block, and how many it passes on: registers."""

    own: Register
    passed: Register


@dataclass(frozen=True)
class Redeal:
    """Two colours in turn along the rows of both regions.

    carry   type of the elements on the fabric
    counts  i32[1] each, on the source and on the target, in the order of `Shares`
    """

    source: Region
    target: Region
    carry: DType
    colors: tuple[Color, Color]
    counts: tuple[tuple[Buffer, ...], tuple[Buffer, ...]]

    def shares(self, pe: Code) -> Shares:
        """Loads what `give` or `take` need, for all vectors to come; `pe` covers the source or the target."""
        own = self.counts[0] if self.source.contains(pe.region) else self.counts[1]
        return Shares(*(pe.load(buffer) for buffer in own))

    def give(self, pe: Code, x: Operand, shares: Shares) -> None:
        """Sends a vector whose blocks begin the views `x`; `pe` covers the source."""
        for region, takes, gives in self._stations(self.source):
            here, own = pe.on(region), first(x, shares.own)
            assert gives is not None
            here.mov(gives, own, carry=self.carry)
            self._pass(here, takes, gives, shares.passed)

    def take(self, pe: Code, x: Operand, shares: Shares) -> None:
        """Receives a vector into views `x`, as far as this PE's block goes; `pe` covers the target."""
        for region, takes, gives in self._stations(self.target):
            here, own = pe.on(region), first(x, shares.own)
            assert takes is not None
            self._pass(here, takes, gives, shares.passed)
            here.mov(own, takes, carry=self.carry)

    def tell(self, pe: Code, x: View) -> None:
        """Sends the same elements to all of the target, from the source's PEs at the gap; `pe` covers the source."""
        for region, _, gives in self._stations(self.source):
            if self.source.xs[0] in region.xs:
                assert gives is not None
                pe.on(Region(self.source.xs[:1], region.ys)).mov(gives, x)

    def hear(self, pe: Code, x: View) -> None:
        """Receives what `tell` sends, and passes it on; `pe` covers the target."""
        for region, takes, gives in self._stations(self.target):
            assert takes is not None
            pe.on(region).mov(x, takes)
            if gives is not None:
                pe.on(region).mov(gives, x)

    def _pass(self, pe: Code, takes: Color | None, gives: Color | None, count: Register) -> None:
        """Hands on what comes, unless this is an end of the chain."""
        if takes is not None and gives is not None:
            pe.mov(gives, takes, n=count, carry=self.carry)

    def _stations(self, region: Region) -> Iterator[tuple[Region, Color | None, Color | None]]:
        """Columns of a region that take from one colour and give to one."""
        for xs, takes, gives in _chain(self.source, self.target):
            if xs[0] in region.xs:
                yield (
                    Region(xs, region.ys),
                    None if takes is None else self.colors[takes],
                    None if gives is None else self.colors[gives],
                )


def make_redeal(
    build: Builder, source: tuple[Region, Blocks], target: tuple[Region, Blocks], *, dtype: DType = f32,
    name: str = "redeal", color: Palette | None = None,
) -> Redeal:  # fmt: skip
    """Takes two colours and paints the rows of two regions, each with how vectors are dealt along x."""
    (here, given), (there, taken) = source, target
    _check(here, there, given, taken)
    palette = color or build.color
    colors = palette(f"{name}.even"), palette(f"{name}.odd")
    for xs, takes, gives in _chain(here, there):
        where = Region(xs, here.ys)
        if takes is not None:
            build.route(colors[takes], where, EAST >> RAMP)
        if gives is not None:
            build.route(colors[gives], where, RAMP >> WEST)
    gap = _gap(here, there)
    if gap:
        build.route(colors[(here.width - 1) % 2], Region(gap, here.ys), EAST >> WEST)
    counts = (
        _constants(build, f"{name}.given", here, given, given.total - given.starts - given.counts),
        _constants(build, f"{name}.taken", there, taken, taken.starts),
    )
    return Redeal(here, there, carried(dtype, given, taken), colors, counts)


def gap_between(source: Region, target: Region) -> int:
    """Columns between two regions."""
    return len(_gap(source, target))


def _gap(source: Region, target: Region) -> range:
    return range(target.xs[-1] + 1, source.xs[0])


def _chain(source: Region, target: Region) -> Iterator[tuple[range, int | None, int | None]]:
    """Columns in even and in odd places of the chain, with the colours that they take from and give to."""
    columns = [*source.xs[::-1], *target.xs[::-1]]
    last = len(columns) - 1
    middle = ((k, (k - 1) % 2, k % 2) for k in range(1, last))
    stations: list[tuple[int, int | None, int | None]] = [(0, None, 0), *middle, (last, (last - 1) % 2, None)]
    groups: dict[tuple[bool, int | None, int | None], list[int]] = {}
    for k, takes, gives in stations:
        groups.setdefault((k < source.width, takes, gives), []).append(columns[k])
    for (_, takes, gives), found in groups.items():
        xs = sorted(found)
        yield range(xs[0], xs[-1] + 1, 2), takes, gives


def _constants(build: Builder, name: str, region: Region, blocks: Blocks, passed: Array) -> tuple[Buffer, ...]:
    return (
        build.constant(f"{name}.own", i32, spread(blocks.counts, Axis.X), on=region),
        build.constant(f"{name}.passed", i32, spread(passed, Axis.X), on=region),
    )


def _check(source: Region, target: Region, given: Blocks, taken: Blocks) -> None:
    if source.ys != target.ys or target.xs[-1] >= source.xs[0]:
        raise ProgramError(
            f"redeal from {source!r} to {target!r}: expected the same rows, and the target west of the source"
        )
    if given.total != taken.total or (given.parts, taken.parts) != (source.width, target.width):
        raise ProgramError(
            f"redeal of {given} on {source.width} columns to {taken} on {target.width}: expected blocks of one vector, "
            "one for each column"
        )
