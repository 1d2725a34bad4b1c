"""MeshGEMM: C = A B on a square of PEs, both operands shifted along rings (arXiv 2502.04563, MeshInfra/WaferLLM).

a, b, c  tiles (m, k), (k, n), (m, n) of f16 on each PE: a and c column by column, b row by row
skew     b is dealt to the PEs skewed; rows of PEs bring a into place with half a ring of shifts, even rows backwards,
         odd rows forwards; rows that are there receive on, into the spare buffer, and drop it
how      side steps: multiply the tiles while a goes on along x and b along y into spare buffers; then swap
tasks    the first end of a send or receipt activates the axis's task, the other unblocks it; the axes' tasks in turn
         activate and unblock the next step
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import Wafer, f16, i32
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.banks import clashes
from wse_sim.kernels.collective.ring import HOPS, Ring, make_ring, ring_order, ring_places
from wse_sim.kernels.collective.shift import through_cycles
from wse_sim.kernels.collective.timing import Timing, wavelets
from wse_sim.kernels.price import Price
from wse_sim.kernels.published.compiled import ADVANCE, DESCRIPTOR, advance, load_descriptors
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.instruction import Task, activate, unblock
from wse_sim.program.memory import Buffer, each
from wse_sim.program.program import Program
from wse_sim.program.register import Register

Array = NDArray[Any]


@dataclass(frozen=True)
class Tiles:
    """A square of `side` PEs and the tile sizes on each."""

    side: int
    m: int
    k: int
    n: int


# -- host layout --------------------------------------------------------------------------------------


def a_tiles(matrix: Array, t: Tiles) -> Array:
    """A (side m, side k) as `a` on each PE before the skew, (side, side, m k)."""
    tiles = matrix.reshape(t.side, t.m, t.side, t.k).transpose(0, 2, 3, 1)
    return tiles.reshape(t.side, t.side, -1)


def b_tiles(matrix: Array, t: Tiles) -> Array:
    """B (side k, side n) as `b` on each PE, skewed: it begins with the block that the skew of a brings there."""
    blocks = matrix.reshape(t.side, t.k, t.side, t.n)
    order, places = np.array(ring_order(t.side)), np.array(ring_places(t.side))
    block = order[(places[None, :] + places[:, None]) % t.side]  # of PE (y, x)
    tiles = blocks[block, :, np.arange(t.side)[None, :]]  # (y, x, k, n)
    return tiles.reshape(t.side, t.side, -1)


# -- values -------------------------------------------------------------------------------------------


def reference(a: Array, b: Array, t: Tiles) -> Array:
    """C (side m, side n) in f16: the machine's multiply-adds in the machine's order."""
    order, places = np.array(ring_order(t.side)), np.array(ring_places(t.side))
    left = a.astype(np.float64).reshape(t.side, t.m, t.side, t.k)
    right = b.astype(np.float64).reshape(t.side, t.k, t.side, t.n)
    total = np.zeros((t.side, t.side, t.m, t.n), np.float16)  # (y, x, m, n)
    ys, xs = np.indices((t.side, t.side))
    for step in range(t.side):
        block = order[(places[xs] + places[ys] - step) % t.side]
        for k in range(t.k):
            products = left[ys, :, block, k][..., :, None] * right[block, k, xs][..., None, :]
            total = (total + products).astype(np.float16)
    return total.transpose(0, 2, 1, 3).reshape(t.side * t.m, t.side * t.n)


# -- cycles -------------------------------------------------------------------------------------------


def cost(wafer: Wafer, t: Tiles) -> int:
    """Cycles of a launch: the shifts of the skew, then the steps; messages take the cycles that it leaves free."""
    time, price = Timing(wafer), Price(wafer)
    task, control = wafer.task_switch_cycles, wafer.task_control_cycles
    issue, moved = 2 * time.asynchronous(2), task + 2 * control
    a_words, b_words = wavelets(t.m * t.k, f16), wavelets(t.k * t.n, f16)

    begin = 2 * task + price.scalar("clock store load mov ilt mov") + wafer.branch_taken_cycles + 2 * control
    shift = task + price.scalar("ilt load load ilt iadd") + 2 * wafer.branch_not_taken_cycles + issue + moved
    shift += through_cycles(wafer, a_words, hops=HOPS) + wafer.completion_cycles

    map_cycles, held = _map_cycles(wafer, t)
    descriptors = t.k * (3 * DESCRIPTOR + 2 * ADVANCE) * wafer.scalar_int_cycles
    inner = price.loop(t.k) + map_cycles + descriptors
    before = task + control + price.scalar("ilt load load load load") + wafer.branch_not_taken_cycles + 2 * issue
    multiplied = 4 * price.scalar("store") + inner + price.scalar("iadd") + wafer.branch_taken_cycles
    flow = held + descriptors + 2 * (a_words + b_words) + wafer.completion_cycles
    end = task + control + price.scalar("ilt clock store") + wafer.branch_taken_cycles
    return begin + t.side // 2 * shift + t.side * (before + max(multiplied, flow) + 2 * moved) + end


def _map_cycles(wafer: Wafer, t: Tiles) -> tuple[int, int]:
    """Cycles of a step's maps, and those of them in which no message moves on; the places of a take turns."""
    start = 3 * wafer.dsr_load_cycles + wafer.map_start_cycles
    elements = Price(wafer).elements("mac", t.m, f16, f16)
    column = t.m * f16.bytes
    held = [
        elements + wafer.bank_conflict_cycles * clashes(wafer, column * to, column * source, t.m, f16, f16)
        for source in range(2 * t.k)
        for to in range(t.n)
    ]
    return start * t.k + sum(map(wafer.step_cycles, held)) // 2, sum(held) // 2


# -- program ------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Multiplication:
    """Buffers, twice as long where two tiles take turns, registers, tasks and rings: skews of x and y, then x and y.

    a_places, b_places  where the tile that is held begins, and the spare one; the published program has both in memory
    """

    tiles: Tiles
    a: Buffer
    b: Buffer
    c: Buffer
    shifts: Buffer
    a_places: Buffer
    b_places: Buffer
    step: Register
    wanted: Register
    skewed: Task
    moved_x: Task
    moved_y: Task
    skew: Task
    multiply: Task
    rings: tuple[Ring, ...]

    def begin(self, pe: Code) -> None:
        """Lets the skew begin, on all PEs."""
        pe.set(self.wanted, pe.load(self.shifts))
        pe.activate(self.skew)

    def emit(self, build: Builder, then: Callable[[Code], None]) -> None:
        """The tasks; `then` goes on in the last of them on each PE."""
        _emit_skew(build, self)
        _emit_multiply(build, self, then)
        _emit_moved(build, self)


ARGUMENTS = {"step": 0, "wanted": 0}
"""What a launch of a program with a multiplication is given."""


def make_multiplication(build: Builder, t: Tiles, *, y_ring: Ring | None = None) -> Multiplication:
    """A multiplication on all PEs; `y_ring`: a ring forward along y whose colours it may use."""
    places = ring_places(t.side)
    shifts = np.array([p if y % 2 == 0 else t.side - p for y, p in enumerate(places)])
    return Multiplication(
        tiles=t,
        a=build.buffer("a", f16, 2 * t.m * t.k),
        b=build.buffer("b", f16, 2 * t.k * t.n),
        c=build.buffer("c", f16, t.m * t.n, init=0.0),
        shifts=build.constant("shifts", i32, shifts[:, None]),
        a_places=build.buffer("a_places", i32, 2, init=np.array([0, t.m * t.k])),
        b_places=build.buffer("b_places", i32, 2, init=np.array([0, t.k * t.n])),
        step=build.argument("step", "int"),
        wanted=build.argument("wanted", "int"),
        skewed=build.task("skewed", blocked=True),
        moved_x=build.task("moved x", blocked=True),
        moved_y=build.task("moved y", blocked=True),
        skew=build.task("skew"),
        multiply=build.task("multiply"),
        rings=(
            make_ring(build, build.grid[:, 0::2], Axis.X, forward=False, name="skew backward"),
            make_ring(build, build.grid[:, 1::2], Axis.X, name="skew forward"),
            make_ring(build, build.grid, Axis.X, name="x"),
            y_ring or make_ring(build, build.grid, Axis.Y, name="y"),
        ),
    )


def make(t: Tiles) -> Program:
    """The program; its launch begins with the skew. `times` holds each PE's clock before and after."""
    build = Builder(t.side, t.side, name=f"MeshGEMM {t.side} {t.m} {t.k} {t.n}")
    main, times = build.task("main", start=True), build.buffer("times", i32, 2)
    product = make_multiplication(build, t)
    pe = build.on(build.grid, main)
    pe.store(times[0], pe.clock())
    product.begin(pe)
    product.emit(build, lambda pe: pe.store(times[1], pe.clock()))
    return build.finish()


def _emit_skew(build: Builder, parts: Multiplication) -> None:
    """A shift of a along x; the rows of PEs whose a is in place already drop what comes."""
    t, pe = parts.tiles, build.on(build.grid, parts.skew)
    step, wanted = pe.use(parts.step), pe.use(parts.wanted)
    with pe.when(step < t.side // 2):
        held, spare = _places(pe, parts.a_places)
        for first, ring in enumerate(parts.rings[:2]):
            rows = pe.on(build.grid[:, first::2])
            _exchange(rows, ring, parts.a, held, spare, t.m * t.k, (0, 1), parts.skewed)
        with pe.when(step < wanted):
            _swap(pe, parts.a_places, held, spare)
        step += 1
        pe.otherwise()
        pe.set(parts.step, 0)
        pe.activate(parts.multiply)


def _emit_multiply(build: Builder, parts: Multiplication, then: Callable[[Code], None]) -> None:
    """c += a b, while both go on."""
    t, pe = parts.tiles, build.on(build.grid, parts.multiply)
    pe.block(parts.multiply)
    step = pe.use(parts.step)
    with pe.when(step < t.side):
        column, spare_a = _places(pe, parts.a_places)
        row, spare_b = _places(pe, parts.b_places)
        _exchange(pe, parts.rings[2], parts.a, column, spare_a, t.m * t.k, (0, 1), parts.moved_x)
        _exchange(pe, parts.rings[3], parts.b, row, spare_b, t.k * t.n, (2, 3), parts.moved_y)
        _swap(pe, parts.a_places, column, spare_a)
        _swap(pe, parts.b_places, row, spare_b)
        with pe.loop(t.k):
            load_descriptors(pe, 3)
            pe.mac(parts.c[: t.m].stepping(t.m), parts.a.at(column, t.m), each(parts.b.at(row, t.n)))
            advance(pe, column, t.m)
            advance(pe, row, t.n)
        step += 1
        pe.otherwise()
        then(pe)


def _places(pe: Code, places: Buffer) -> tuple[Register, Register]:
    return pe.load(places[0]), pe.load(places[1])


def _swap(pe: Code, places: Buffer, held: Register, spare: Register) -> None:
    pe.store(places[0], spare)
    pe.store(places[1], held)


def _exchange(
    pe: Code, ring: Ring, buffer: Buffer, held: Register, spare: Register, length: int, slots: tuple[int, int],
    moved: Task,
) -> None:  # fmt: skip
    """Sends the tile that is held and receives the next one into the spare place."""
    for code, receives, sends in ring.code(pe):
        code.mov(buffer.at(spare, length), receives, slot=slots[0], then=activate(moved))
        code.mov(sends, buffer.at(held, length), slot=slots[1], then=unblock(moved))


def _emit_moved(build: Builder, parts: Multiplication) -> None:
    """Both messages of an axis are through: the tasks block themselves again and let the next step begin."""
    for task, goes_on in ((parts.skewed, Code.activate), (parts.moved_x, Code.activate), (parts.moved_y, Code.unblock)):
        pe = build.on(build.grid, task)
        pe.block(task)
        goes_on(pe, parts.skew if task is parts.skewed else parts.multiply)
