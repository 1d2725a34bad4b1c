"""Q K^T on a square of PEs without a transpose: K's rows go round along y, sums meet along x (WaferLLM's MeshGEMM-T).

q, k    tiles (m, d) and (n, d) of f16 on each PE: rows on y, features on x, stored feature by feature; k is twice as
        long, for the tile that arrives
scores  tile (m, n) on each PE, column by column: rows on y, the rows of K on x, scaled by nothing
how     side steps: a PE multiplies its tiles, for each feature a map over the rows of K; two chains add the shares of a
        row of PEs up, from both ends to the PE whose column has the number of the block of K that is held
tasks   the first end of k's sending or receipt activates the next step, the other unblocks it
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import Wafer, f16, i32
from wse_sim.hardware.geometry import EAST, RAMP, WEST, Direction
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective.ring import Ring, make_ring, ring_places
from wse_sim.kernels.collective.timing import Timing, wavelets
from wse_sim.kernels.price import Price
from wse_sim.kernels.published.compiled import ADVANCE, DESCRIPTOR, advance, load_descriptors
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.fabric import Color
from wse_sim.program.instruction import Task, activate, unblock
from wse_sim.program.memory import Buffer, View, each
from wse_sim.program.program import Program
from wse_sim.program.register import Register

Array = NDArray[Any]


@dataclass(frozen=True)
class Tiles:
    """A square of `side` PEs; m rows of Q, n rows of K and d features on each."""

    side: int
    m: int
    n: int
    d: int


def tiles(matrix: Array, side: int) -> Array:
    """A matrix (side r, side d) as a tile on each PE, (side, side, d r), feature by feature."""
    rows, features = (size // side for size in matrix.shape)
    return matrix.reshape(side, rows, side, features).transpose(0, 2, 3, 1).reshape(side, side, -1)


def matrix(parts: Array, t: Tiles) -> Array:
    """`scores` on each PE as the matrix (side m, side n)."""
    return parts.reshape(t.side, t.side, t.n, t.m).transpose(0, 3, 1, 2).reshape(t.side * t.m, t.side * t.n)


def reference(q: Array, k: Array) -> Array:
    """Q K^T in double precision."""
    return np.asarray(q.astype(np.float64) @ k.astype(np.float64).T)


def cost(wafer: Wafer, t: Tiles) -> int:
    """Cycles of a launch: the steps, in each of which a row of PEs adds up along two chains that meet.

    The root of a step is two columns from that of the one before, so its sum comes two stages later and its vector.
    """
    price, time = Price(wafer), Timing(wafer)
    task, control = wafer.task_switch_cycles, wafer.task_control_cycles
    begin = 2 * task + price.scalar("clock store load mov") + 2 * control
    issue = 2 * time.asynchronous(2) + price.scalar("load load store store")
    steps = 3 * wafer.dsr_load_cycles + wafer.map_start_cycles
    steps += t.n * wafer.step_cycles(price.elements("mac", t.m, f16, f16))
    moved = (3 * DESCRIPTOR + 2 * ADVANCE) * wafer.scalar_int_cycles
    multiply = price.vector("mov", t.m * t.n, f16, None) + price.scalar("mov mov") + price.loop(t.d)
    multiply += t.d * (moved + steps)
    root = price.scalar("imul ilt isub isub ilt iadd iadd load ieq ilt") + 4 * wafer.branch_taken_cycles
    words = wavelets(t.m * t.n, f16)
    chain = (t.side // 2) * (time.issue(3) + time.stage()) + words + time.pauses(words)
    step = control + issue + multiply + root + task + wafer.branch_not_taken_cycles
    apart = 2 * (time.issue(3) + time.stage()) + words + time.pauses(words)
    return begin + t.side * step + chain + (t.side - 1) * apart + task + price.scalar("ilt clock store")


@dataclass(frozen=True)
class Scoring:
    """Buffers, registers, the task of a step, k's ring and the colours of the chains."""

    tiles: Tiles
    q: Buffer
    k: Buffer
    scores: Buffer
    share: Buffer
    places: Buffer
    own: Buffer
    step: Register
    block: Register
    column: Buffer
    next_step: Task
    ring: Ring
    chains: tuple[tuple[Color, Color], tuple[Color, Color]]

    def begin(self, pe: Code) -> None:
        """Lets the first step begin, on all PEs."""
        pe.set(self.block, pe.load(self.own))
        pe.activate(self.next_step)
        pe.unblock(self.next_step)

    def emit(self, build: Builder, then: Callable[[Code], None]) -> None:
        """The task of a step; `then` goes on in its last turn on each PE."""
        _emit_step(build, self, then)


ARGUMENTS = {"scores step": 0, "block": 0}
"""What a launch of a program with scores is given."""


def make_scoring(build: Builder, t: Tiles) -> Scoring:
    """Scores on all PEs."""
    return Scoring(
        tiles=t,
        q=build.buffer("q", f16, t.m * t.d),
        k=build.buffer("k", f16, 2 * t.n * t.d),
        scores=build.buffer("scores", f16, t.m * t.n),
        share=build.buffer("share", f16, t.m * t.n),
        places=build.buffer("places", i32, 2, init=np.array([0, t.n * t.d])),
        own=build.constant("own block", i32, np.array(ring_places(t.side))[:, None]),
        step=build.argument("scores step", "int"),
        block=build.argument("block", "int"),
        column=build.constant("column", i32, np.arange(t.side)[None, :]),
        next_step=build.task("next step", blocked=True),
        ring=make_ring(build, build.grid, Axis.Y, name="k"),
        chains=(_chain(build, EAST), _chain(build, WEST)),
    )


def make(t: Tiles) -> Program:
    """The program; `times` holds each PE's clock before and after."""
    build = Builder(t.side, t.side, name=f"Q K^T {t.side} {t.m} {t.n} {t.d}")
    main, times = build.task("main", start=True), build.buffer("times", i32, 2)
    scoring = make_scoring(build, t)
    pe = build.on(build.grid, main)
    pe.store(times[0], pe.clock())
    scoring.begin(pe)
    scoring.emit(build, lambda pe: pe.store(times[1], pe.clock()))
    return build.finish()


def _chain(build: Builder, ahead: Direction) -> tuple[Color, Color]:
    """The colours that PEs of even and of odd columns send on, towards `ahead`."""
    grid, side = build.grid, build.grid.width
    colors = build.color(f"{ahead.name} even"), build.color(f"{ahead.name} odd")
    for parity, color in enumerate(colors):
        for x in range(side):
            behind, before = (x > 0, x < side - 1) if ahead is EAST else (x < side - 1, x > 0)
            if x % 2 == parity and before:
                build.route(color, grid[x, :], RAMP >> ahead)
            elif x % 2 != parity and behind:
                build.route(color, grid[x, :], ahead.opposite >> RAMP)
    return colors


def _emit_step(build: Builder, parts: Scoring, then: Callable[[Code], None]) -> None:
    t, pe = parts.tiles, build.on(build.grid, parts.next_step)
    pe.block(parts.next_step)
    step = pe.use(parts.step)
    with pe.when(step < t.side):
        held, spare = pe.load(parts.places[0]), pe.load(parts.places[1])
        size = t.n * t.d
        for code, receives, sends in parts.ring.code(pe):
            code.mov(parts.k.at(spare, size), receives, slot=0, then=activate(parts.next_step))
            code.mov(sends, parts.k.at(held, size), slot=1, then=unblock(parts.next_step))
        pe.store(parts.places[0], spare)
        pe.store(parts.places[1], held)
        _multiply(pe, parts, t, held)
        root = _root(pe, pe.use(parts.block), t.side)
        step += 1
        here = pe.load(parts.column)
        for columns, parity, sides in _columns(t.side):
            _add_up(pe.on(build.grid[columns, :]), parts, parity, sides, (here, root))
        pe.otherwise()
        then(pe)


def _multiply(pe: Code, parts: Scoring, t: Tiles, held: Register) -> None:
    """share = q k^T of the tiles that are held."""
    pe.mov(parts.share, 0.0)
    column, row = pe.integer(0), pe.integer(held)
    with pe.loop(t.d):
        load_descriptors(pe, 3)
        pe.mac(parts.share[: t.m].stepping(t.m), parts.q.at(column, t.m), each(parts.k.at(row, t.n)))
        advance(pe, column, t.m)
        advance(pe, row, t.n)


def _root(pe: Code, block: Register, side: int) -> Register:
    """The column whose number is that of the block that is held, the ring's `block`-th; then the block before it."""
    root = block * 2
    with pe.when(root >= side):
        pe.set(root, 2 * side - 1 - root)
    block -= 1
    with pe.when(block < 0):
        block += side
    return root


def _columns(side: int) -> list[tuple[slice, int, tuple[bool, bool]]]:
    """Columns that do the same: which, whether odd, and whether there are others to the west and to the east."""
    last = side - 1
    parts = [slice(0, 1), slice(1, last, 2), slice(2, last, 2), slice(last, side)]
    return [(s, s.start % 2, (s.start > 0, s.start < last)) for s in parts if s.start < s.stop]


def _add_up(
    pe: Code, parts: Scoring, parity: int, sides: tuple[bool, bool], columns: tuple[Register, Register]
) -> None:
    """Passes the sum on towards the root's column, or takes what comes from both sides there."""
    here, root = (pe.use(column) for column in columns)
    (west, east), share = sides, parts.share[:]
    eastward, westward = parts.chains
    from_west, from_east = eastward[1 - parity], westward[1 - parity]
    with pe.when(root.equals(here)):
        arriving = [color for color, there in ((from_west, west), (from_east, east)) if there]
        for i, color in enumerate(arriving):
            pe.add(parts.scores if i == len(arriving) - 1 else share, color, share)
        pe.otherwise()
        if east:
            with pe.when(root > here):
                _pass_on(pe, eastward[parity], from_west if west else None, share)
        if west:
            with pe.when(root < here):
                _pass_on(pe, westward[parity], from_east if east else None, share)


def _pass_on(pe: Code, to: Color, comes: Color | None, share: View) -> None:
    if comes is None:
        pe.mov(to, share)
    else:
        pe.add(to, comes, share)
