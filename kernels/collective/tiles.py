"""Tiles: tokens in turn on y, features on x, from one region to another that deals the features in other blocks.

x       (rows, size) on each PE of the source: token t on row t mod height, features split on x
to      the same on the target, which is as high, in blocks of its own
how     Some columns of the source after the other: their blocks become known to whole rows by a sum with zeros, the PE
        where the row's lane starts sends them, the one where it ends adds them to zeros again, and each PE of the
        target keeps what is its own. So any PE of a row may begin or end a lane; see `lanes`
paces   source and target keep step: a source that sends waits until its target takes
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.errors import ProgramError
from wse_sim.hardware import DType, Region, Wafer, f32, i32
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.blocks import Blocks, spread, starts_of
from wse_sim.kernels.collective import all_reduce
from wse_sim.kernels.collective.handover import paint
from wse_sim.kernels.collective.lanes import Lanes
from wse_sim.kernels.collective.line import Line
from wse_sim.kernels.collective.timing import Timing, wavelets
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.price import Price
from wse_sim.kernels.rows import blocks_of, cost_of_rows, each_row
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.fabric import Color
from wse_sim.program.memory import Buffer
from wse_sim.program.register import Register

Array = NDArray[Any]
CHUNK = 512  # elements that go over at a time, about


@dataclass(frozen=True)
class Cut:
    """What goes over at a time: `columns` blocks of the source, of so many `tokens` each.

    given, taken  features on the source and on the target
    """

    given: Blocks
    taken: Blocks
    tokens: int
    columns: int

    @property
    def groups(self) -> int:
        """Times until all columns are over."""
        return -(-self.given.parts // self.columns)


def cut_of(given: Blocks, taken: Blocks, rows: int) -> Cut:
    """For tiles of `rows` tokens at most. Raises ProgramError if a block is larger than what goes over at a time."""
    if given.size > CHUNK:
        raise ProgramError(f"tiles in blocks of {given.size} features: expected {CHUNK} or fewer; take more columns")
    tokens = min(rows, CHUNK // given.size)
    return Cut(given, taken, tokens, min(given.parts, CHUNK // (tokens * given.size)))


def reference(x: Array, given: Blocks, taken: Blocks) -> Array:
    """Tiles (..., width, size) of the source as those of the target, padded with zeros."""
    return taken.deal(given.join(x))


# -- cycles ---------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Cost:
    """Cycles of a hand-over of tiles.

    give   until the source is through, from its start, if the target waits for it
    take   until the target is through, from the source's start
    """

    give: int
    take: int


def cost(wafer: Wafer, cut: Cut, hops: int, lines: tuple[Tree, Tree], rows: int, *, dtype: DType = f32) -> Cost:
    """For `rows` tokens on a row of PEs, lanes of `hops` links; `lines` along x of the source and of the target."""
    price, t, size = Price(wafer), Timing(wafer), cut.given.size
    found = giving = taking = 0
    for tokens in [cut.tokens] * (rows // cut.tokens) + [rows % cut.tokens] * (rows % cut.tokens > 0):
        n = tokens * size * cut.columns
        words = wavelets(n, dtype)
        over = t.issue(2) + words + t.pauses(words) + price.loop(2) - price.loop(1)
        clear, known = price.vector("mov", n, dtype, None), [all_reduce.cost(wafer, x, n, dtype=dtype) for x in lines]
        own = price.vector("mov", tokens * size, dtype, dtype)
        giving = clear + price.scalar("imul imul imul load isub ile ilt iand imul imul") + own + known[0]
        taking = clear + price.scalar("imul imul load isub mov") + known[1] + _keeping(price, cut, tokens, dtype)
        found += (0 if found else giving) + cut.groups * (over + max(giving, taking))
    give = found - max(giving, taking)
    return Cost(give, give + t.stage(hops) + taking)


def _keeping(price: Price, cut: Cut, tokens: int, dtype: DType) -> int:
    """Cycles in which a PE of the target finds out what is its own, and keeps it."""
    wafer, size, own = price.wafer, cut.given.size, cut.taken.size
    steps = price.loop(cut.columns) + cut.columns * (price.scalar("iadd imul iadd") + wafer.branch_taken_cycles)
    if (size, cut.given.parts) == (own, cut.taken.parts):
        found = price.scalar("imul imul") + price.vector("mov", tokens * size, dtype, dtype)
        return steps + cut.columns * price.scalar("ieq") + found
    looks = price.scalar("imax isub imax isub isub imin ilt")
    hits = min(cut.columns, -(-own // size) + 1)
    row = price.vector("mov", min(size, own), dtype, dtype)
    rows = price.scalar("iadd imul iadd") + cost_of_rows(price, tokens, row, places=2)
    return steps + cut.columns * looks + hits * rows


def words_of_lane(cut: Cut, rows: int, dtype: DType) -> int:
    """Wavelets that go over for `rows` tokens on a row of PEs."""
    at_once = (min(cut.tokens, rows - first) for first in range(0, rows, cut.tokens))
    return cut.groups * sum(wavelets(tokens * cut.given.size * cut.columns, dtype) for tokens in at_once)


# -- program --------------------------------------------------------------------------------------------


@dataclass(frozen=True, eq=False)
class Tiles:
    """Lanes with their colours, and what PEs know of their place.

    starts, ends  PEs that send and that receive, with their colour
    column        i32[1] on the source: place along x
    first         i32[1] on the target: the first feature that is its own
    """

    cut: Cut
    starts: tuple[tuple[Region, Color], ...]
    ends: tuple[tuple[Region, Color], ...]
    column: Buffer
    first: Buffer

    def give(self, pe: Code, line: Line, x: Buffer, chunk: Buffer, rows: Register) -> None:
        """Sends the first `rows` tokens of `x`, and waits until they are taken; `pe` covers the source."""
        size, columns = self.cut.given.size, self.cut.columns
        with self._groups(pe, rows) as (slot, tokens, group):
            n = pe.use(tokens) * size
            some = chunk.view(0, pe.use(n) * columns)
            pe.mov(some, 0.0)
            place = pe.load(self.column) - pe.use(group) * columns
            with pe.when((place >= 0) & (place < columns)):
                pe.mov(chunk.at(place * n, n), x.at(pe.use(slot) * size, n))
            line.all_reduce(pe, some)
            for region, color in self.starts:
                pe.on(region).mov(color, some)

    def take(self, pe: Code, line: Line, x: Buffer, chunk: Buffer, rows: Register) -> None:
        """Receives `rows` tokens into `x`; `pe` covers the target."""
        size, columns = self.cut.given.size, self.cut.columns
        with self._groups(pe, rows) as (slot, tokens, group):
            some = chunk.view(0, pe.use(tokens) * (size * columns))
            pe.mov(some, 0.0)
            for region, color in self.ends:
                pe.on(region).mov(some, color)
            line.all_reduce(pe, some)
            start = pe.use(group) * (columns * size) - pe.load(self.first)
            at = pe.integer(0)
            with pe.loop(columns):
                self._keep(pe, x, chunk, slot, tokens, start, at)
                start += size
                at += pe.use(tokens) * size

    def _keep(
        self, pe: Code, x: Buffer, chunk: Buffer, slot: Register, tokens: Register, start: Register, at: Register
    ) -> None:
        """Of a block that begins `start` features after this PE's first one, `at` in the chunk: what is its own."""
        size, own = self.cut.given.size, self.cut.taken.size
        if (size, self.cut.given.parts) == (own, self.cut.taken.parts):
            with pe.when(start.equals(0)):
                n = pe.use(tokens) * size
                pe.mov(x.at(pe.use(slot) * size, n), chunk.at(at, n))
            return
        with pe.scope():
            to, skipped = pe.use(start).maximum(0), (0 - start).maximum(0)
            n = (own - to).minimum(size - skipped)
            with pe.when(n > 0):
                places = (at + skipped, size), (pe.use(slot) * own + to, own)
                with each_row(pe, tokens, *places) as (there, here):
                    pe.mov(x.at(here, n), chunk.at(there, n))

    @contextmanager
    def _groups(self, pe: Code, rows: Register) -> Iterator[tuple[Register, Register, Register]]:
        """Repeats for the tokens that go over at a time, and for their columns: first slot, tokens, group."""
        with pe.scope():
            slot = pe.integer(0)
            with pe.loop(blocks_of(pe, rows, self.cut.tokens)):
                tokens = (rows - slot).minimum(self.cut.tokens)
                with pe.loop(self.cut.groups) as group:
                    yield slot, tokens, group
                slot += self.cut.tokens


def make_tiles(
    build: Builder, source: Region, target: Region, cut: Cut, *, laid: Lanes, colors: list[Color], name: str = "tiles"
) -> Tiles:
    """Paints the lanes; a colour for each of their bundles."""
    if source.height != target.height or not laid:
        raise ProgramError(
            f"tiles from {source!r} to {target!r}: expected as many rows, and lanes; {laid.why_not or 'give others'}"
        )
    starts, ends = [], []
    for bundle, color in zip(laid.bundles, colors, strict=True):
        gone, come = paint(build, color, bundle.lanes)
        starts += [(region, color) for region in gone]
        ends += [(region, color) for region in come]
    return Tiles(
        cut,
        tuple(starts),
        tuple(ends),
        build.constant(f"{name}.column", i32, spread(np.arange(source.width), Axis.X), on=source),
        starts_of(build, f"{name}.first", cut.taken, Axis.X, target),
    )
