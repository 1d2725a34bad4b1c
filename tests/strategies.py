"""Random programs that must end: legal, free of races and of deadlocks, on grids from 1 x 1 to 6 x 5.

Every PE goes through the same phases in the same order, and all that a phase needs from other PEs they give
in that phase; so the oldest phase that has not ended always goes on. Operands of asynchronous operations are
never used again. A `random.Random` chooses, so one generator serves hypothesis and long runs with a seed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import nullcontext
from dataclasses import dataclass, field
from random import Random

import numpy as np
from hypothesis import strategies as st

from wse_sim.hardware import (
    EAST,
    NORTH,
    RAMP,
    SOUTH,
    WEST,
    WSE2,
    WSE3,
    Direction,
    DType,
    Region,
    Route,
    Wafer,
    f16,
    f32,
    i16,
    i32,
    toy,
    u16,
    u32,
)
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.fabric import Color
from wse_sim.program.instruction import Completion, HighPriority, Slot, Task, activate, unblock
from wse_sim.program.memory import Buffer, View, each
from wse_sim.program.program import Program
from wse_sim.program.register import Register

Pe = tuple[int, int]
LINKS = (EAST, NORTH, WEST, SOUTH)
FLOATS = (f32, f16)
INTEGERS = (i16, u16, i32, u32)
GRIDS = ((1, 1), (2, 1), (1, 3), (2, 2), (3, 1), (4, 1), (3, 2), (3, 3), (4, 3), (6, 1), (6, 5))
WHOLE = ("iadd", "isub", "imul", "imin", "imax", "iand", "ior", "ixor", "ilt", "ile", "ieq")
MOST_COLORS = 20
QUEUES = 24  # more than any machine has, so that programs may be wild
SLOTS = 3  # shared; one more per data task


@dataclass
class Case:
    """A program, the wafer it runs on, the arguments of each launch, and what the host streams send in each."""

    program: Program
    wafer: Wafer
    launches: list[dict[str, float]]
    note: str
    streams: dict[str, tuple[np.ndarray, int]] = field(default_factory=dict)


# -- hypothesis ---------------------------------------------------------------------------------------


def programs(phases: int = 5, *, timed: bool = True) -> st.SearchStrategy[Case]:
    """Random cases that shrink; see `random_case`."""
    return st.builds(lambda rng: random_case(rng, phases, timed=timed), st.randoms(use_true_random=False))


def random_case(
    rng: Random, phases: int = 5, *, timed: bool = True, plain: bool = False, grid: tuple[int, int] | None = None,
    host: bool = False, slots: bool = False,
) -> Case:  # fmt: skip
    """A program of up to so many phases.

    timed  else results do not depend on how fast anything is
    plain  only main threads, one after the other: no background slots, data tasks, clocks or new routes
    slots  background slots all the same, which start no tasks
    host   words come from the host, too, and filters thin colours out
    """
    width, height = grid or rng.choice(GRIDS)
    columns, rows = _sides_of_wafer(rng, width, height, larger=host)
    sides = _at_the_edge(width, height, columns, rows) if host else ()
    timed = timed and not plain
    draft = Draft(rng, width, height, timed=timed, plain=plain, sides=sides, slots=slots)
    draft.fill(rng.randint(1, phases))
    program = draft.b.finish()
    launches = [draft.random_arguments() for _ in range(rng.choice((1, 1, 1, 2, 3)))]
    wafer = random_wafer(rng, columns, rows)
    if host:
        wafer = with_link(rng, wafer)
    return Case(program, wafer, launches, " ".join(draft.notes), draft.streams)


def _sides_of_wafer(rng: Random, width: int, height: int, *, larger: bool) -> tuple[int, int]:
    """As large as the grid, or larger, upright or on its side."""
    more = (0, 0, 1, 4) if larger else (0,)
    sides = width + rng.choice(more), height + rng.choice(more)
    return sides if rng.random() < 0.7 else sides[::-1]


def _at_the_edge(width: int, height: int, columns: int, rows: int) -> tuple[Direction, ...]:
    """Sides of a grid in the north-west corner of a wafer that are edges of the wafer."""
    if width > columns or height > rows:
        columns, rows = rows, columns
    return (WEST, NORTH, *[EAST] * (width == columns), *[SOUTH] * (height == rows))


def with_link(rng: Random, wafer: Wafer) -> Wafer:
    """All edges have channels, of any speed from a word in a hundred cycles to three a cycle."""
    channels = 4 * rng.randint(1, 3)
    words = rng.choice((0.01, 0.07, 0.3, 0.99, 1, 1.7, 3))  # of a channel in a cycle
    rate = int(words * channels * 4 * wafer.clock_hz) + rng.randint(0, 99)
    return wafer.with_(io_edges=LINKS, io_channels=channels, host_bytes_per_second=rate, filters=MOST_COLORS)


# -- wafers -------------------------------------------------------------------------------------------

_LATENCIES = {
    "hop_cycles": (1, 3),
    "ramp_out_cycles": (1, 9),
    "ramp_in_cycles": (1, 9),
    "router_buffer": (1, 4),
    "stream_pause_wavelets": (0, 5),
}
_COSTS = (
    "dsr_load", "op_start", "async_issue", "map_start", "map_step", "map_gap", "loop_start", "loop_edge",
    "branch_taken", "branch_not_taken", "completion", "task_control", "reroute", "scalar_int", "scalar_float",
    "scalar_memory", "clock", "bank_conflict", "pending_write",
)  # fmt: skip
_FUNCTIONS = ("scalar_divide", "scalar_sqrt", "scalar_exp", "scalar_tanh", "scalar_erf")


def random_wafer(rng: Random, width: int, height: int) -> Wafer:
    """WSE-2 or WSE-3 in small, or numbers that no machine has."""
    base = rng.choice((toy(width, height), WSE2.crop(width, height), WSE3.crop(width, height)))
    changes: dict[str, object] = {}
    if rng.random() < 0.6:
        changes |= {name: rng.randint(*bounds) for name, bounds in _LATENCIES.items()}
        changes["input_queue_depths"] = tuple(rng.randint(1, 8) for _ in range(QUEUES))
        changes["output_queue_depths"] = tuple(rng.randint(1, 8) for _ in range(QUEUES))
    else:
        changes["input_queue_depths"] = (base.input_queue_depths * QUEUES)[:QUEUES]
        changes["output_queue_depths"] = (base.output_queue_depths * QUEUES)[:QUEUES]
    if rng.random() < 0.4:
        changes["die_columns"], changes["die_rows"] = (tuple(sorted(rng.sample(range(1, 9), 2))) for _ in "xy")
        changes["die_crossing_cycles"] = rng.randint(0, 9)
    if rng.random() < 0.6:
        most = rng.choice((0, 3, 9))
        changes |= {f"{name}_cycles": rng.randint(0, most) for name in _COSTS}
        changes |= {f"{name}_cycles": rng.randint(0, 12) for name in _FUNCTIONS}
        changes["half_function_percent"] = rng.choice((30, 50, 100))
        changes["task_switch_cycles"] = rng.randint(1, 9)
    if rng.random() < 0.3:
        changes["read_port_bytes"] = rng.choice((2, 4, 8, 16))
        changes["read_bytes_per_cycle"] = rng.choice((3, 4, 8, 12, 16, 32))
        changes["write_bytes_per_cycle"] = rng.choice((2, 4, 5, 8, 10, 16))
        changes["bank_interleave_bytes"] = rng.choice((2, 4, 8))
        changes["read_conflict_modulo"] = rng.choice((1, 2, 4, 8))
    if rng.random() < 0.3:
        changes["rates"] = {name: (rng.choice((1, 2, 4, 8)), rng.randint(1, 3)) for name in base.rates}
    return base.with_(**changes)


# -- programs -----------------------------------------------------------------------------------------


@dataclass
class Tree:
    """A multicast: who passes wavelets on to whom, and who keeps them."""

    root: Pe
    children: dict[Pe, list[Direction]]
    parent: dict[Pe, Direction] = field(default_factory=dict)
    taps: set[Pe] = field(default_factory=set)

    def routes(self) -> Iterable[tuple[Pe, Route]]:
        for pe, children in self.children.items():
            outputs = [*children, RAMP] if pe in self.taps else children
            yield pe, self.parent.get(pe, RAMP) >> outputs


class Draft:
    """A program while it is being made."""

    def __init__(
        self, rng: Random, width: int, height: int, *, timed: bool = True, plain: bool = False,
        sides: tuple[Direction, ...] = (), slots: bool = False,
    ) -> None:  # fmt: skip
        self.sides = sides  # from which words of the host may come
        self.streams: dict[str, tuple[np.ndarray, int]] = {}
        self.entered: set[tuple[Pe, Direction]] = set()
        self.rng = rng
        self.timed = timed
        self.plain = plain
        self.slots = slots or not plain
        self.starts = not plain
        self.b = Builder(width, height)
        self.pes = list(self.b.grid)
        self.notes: list[str] = []
        self.names = 0
        self.colors = 0
        self.joins = rng.choice((0, 0, 1, 2)) if self.starts else 0
        self.data_tasks: list[tuple[Task, Color, Register]] = []
        self.tasks: list[Task] = []
        self.side: list[Task] = []
        self.written: set[Task] = set()
        self._make_tasks()
        self.task = self.tasks[0]
        self.where = [self.b.argument(f"where{i}", "int") for i in range(10)]
        self.pool: list[Buffer] = []

    def _make_tasks(self) -> None:
        """Main, its continuations, side tasks and data tasks, in any order of priority."""
        kinds = ["main"] + ["next"] * self.joins + ["side"] * self.rng.choice((0, 1, 2))
        kinds += ["data"] * (self.rng.choice((0, 0, 1, 2)) if self.timed else 0)
        self.rng.shuffle(kinds)
        made: dict[str, list[Task]] = {"next": []}
        for kind in kinds:
            if kind == "main":
                main = self.b.task("main", start=True)
            elif kind == "side":
                self.side.append(self.b.task("side"))
            elif kind == "next":
                made["next"].append(self.b.task("next"))
            else:
                color = self.color("data")
                held = self.rng.choice(("int", "float"))
                task = self.b.task("data", on_wavelet=color, argument=held, blocked=self.rng.random() < 0.3)
                count = self.b.argument(f"count{len(self.data_tasks)}", "int")
                self.data_tasks.append((task, color, count))
        self.tasks = [main, *made["next"]]

    def random_arguments(self) -> dict[str, float]:
        """Values of the registers that a launch sets; views begin at `where`."""
        names = [n for n in self.b.finish().arguments if not n.endswith(".wavelet")]
        return {name: 0 if name.startswith("count") else self.rng.randint(0, 2) for name in names}

    def fill(self, phases: int) -> None:
        """Phases between which continuations start."""
        kinds: list[Callable[[], None]] = [
            *[self.compute] * 3, *[self.send] * 2, *[self.storm] * 2,
            self.chain, self.background, self.there_and_back,
        ]  # fmt: skip
        if self.plain:
            kinds = [self.compute, *[self.send] * 3, *[self.drizzle] * 2, *[self.chain] * 2]
            if self.slots:
                kinds += [*[self.send] * 3, *[self.storm] * 2, self.background]
        if self.sides:
            kinds += [*[self.pour] * 5, *[self.thin] * 2]
        plan = [self.rng.choice(kinds) for _ in range(phases)]
        for task in self.tasks[1:]:
            plan.insert(self.rng.randint(0, len(plan)), lambda task=task: self.join(task))
        for index in range(len(self.data_tasks)):
            plan.insert(self.rng.randint(0, len(plan)), lambda index=index: self.feed(index))
        self.at(self.region()).integer(0)
        for i, phase in enumerate(plan):
            with self.b.section(f"part {i % 3}"):
                phase()
        for task in self.tasks[1:]:  # continuations that no phase has reached
            if task is self.task:
                self.at(self.b.grid).integer(1)

    # -- small things -----------------------------------------------------------------------------

    def at(self, region: Region) -> Code:
        return self.b.on(region, self.task)

    def color(self, name: str) -> Color:
        self.colors += 1
        return self.b.color(name)

    def one(self, pe: Pe) -> Region:
        return self.b.grid[pe[0], pe[1]]

    def region(self) -> Region:
        """Any rectangle, perhaps with gaps."""
        grid = self.b.grid

        def part(size: int) -> slice:
            first = self.rng.randrange(size)
            return slice(first, self.rng.randint(first + 1, size), self.rng.choice((1, 1, 2)))

        return self.rng.choice((grid, grid[part(grid.width), part(grid.height)]))

    def chance(self, p: float) -> bool:
        return self.rng.random() < p

    def length(self) -> int:
        return self.rng.choice((0, 1, 1, 2, 3, 4, 5, 7, 8, 12, 17))

    def buffer(self, dtype: DType, length: int, on: Region) -> Buffer:
        """A new buffer with random contents."""
        values = np.random.default_rng(self.rng.getrandbits(30))
        shape = (on.height, on.width, max(1, length))
        if dtype.is_float:
            init = values.uniform(-4, 4, shape) * self.rng.choice((1, 1, 1, 1e-6, 1e4, 1e-39))
        else:
            info = np.iinfo(dtype.numpy)
            low, high = (0, 50) if self.chance(0.6) else (info.min, info.max)
            init = values.integers(low, high, shape)
        bank = self.rng.choice((0, 0, dtype.bytes, 8))
        self.names += 1
        name = f"{dtype.name}_{self.names}"
        return self.b.buffer(name, dtype, max(1, length), on=on, bank_offset=bank, init=init)

    def delay(self, code: Code) -> None:
        """Some cycles of scalar code, the same on all PEs or a number of its own on each."""
        if self.chance(0.5):
            return
        with code.scope():
            register = code.integer(3)
            count: int | Register = self.rng.randint(0, 9)
            if self.chance(0.4):
                count = code.load(self.buffer(self.rng.choice((u16, i32)), 1, code.region).view(0, 1))
                count = code.scalar("iand", count, 7)
            with code.loop(count):
                code.scalar("iadd", register, 1, to=register)

    # -- views ------------------------------------------------------------------------------------

    def view(self, code: Code, dtype: DType, n: int, *, reuse: bool = False, static: bool = False) -> View:
        """A view of n elements; with `reuse` perhaps of a buffer that other operations use too."""
        if reuse and self.pool and self.chance(0.6):
            fit = [b for b in self.pool if b.dtype == dtype and b.region.contains(code.region)]
            if fit := [b for b in fit if b.length >= n]:
                return self.walk(self.rng.choice(fit), n)
        made = self.buffer(dtype, n + self.rng.choice((0, 0, 3, 2 * n + 4)), code.region)
        if reuse:
            self.pool.append(made)
        if not static and self.chance(0.2):
            return self.moved(code, made, n)
        return self.walk(made, n)

    def walk(self, buffer: Buffer, n: int) -> View:
        """A way through a buffer: in order, strided, backwards, in rows, or on one spot."""
        for _ in range(4):
            stride = self.rng.choice((1, 1, 1, 2, 3, -1, -2, 0))
            inner = self.rng.choice((None, None, 1, 2, 3))
            outer = self.rng.randint(-2, 5)
            plain = View(buffer, 0, 0, stride, inner, outer if inner else 0)
            low, high = plain.extent(n) if n else (0, 0)
            if high - low < buffer.length:
                offset = self.rng.randint(-low, buffer.length - 1 - high)
                return View(buffer, offset, n, stride, inner, outer if inner else 0)
        return buffer.view(self.rng.randint(0, buffer.length - n), n)

    def moved(self, code: Code, buffer: Buffer, n: int) -> View:
        """A view that starts where a register says."""
        return buffer.view(0, n).at(code.integer(self.rng.randint(0, buffer.length - max(1, n))))

    # -- operations -------------------------------------------------------------------------------

    def number(self, dtype: DType) -> float:
        if dtype.is_float:
            return self.rng.choice((0.5, -1.25, 0.1, 3.0))
        return self.rng.choice((0, 1, 3, 5))

    def scalar(self, code: Code, dtype: DType) -> float | Register:
        if self.chance(0.6):
            return self.number(dtype)
        return code.real(self.number(dtype)) if dtype.is_float else code.integer(int(self.number(dtype)))

    def unary(self, dtype: DType, source: DType) -> str:
        if dtype.is_float and source.is_float and self.chance(0.3):
            return self.rng.choice(("exp", "tanh", "erf", "sqrt", "rsqrt", "recip"))
        return self.rng.choice(("mov", "mov", "neg", "abs")) if dtype == source else "mov"

    def binary(self, dtype: DType) -> str:
        if not dtype.is_float and self.chance(0.4):
            return self.rng.choice(("and", "or", "xor"))
        return self.rng.choice(("add", "sub", "mul", "max", "min"))

    def dtype(self) -> DType:
        return self.rng.choice((f32, f32, f32, f16, f16, *INTEGERS))

    def partner(self, dtype: DType) -> DType:
        """A type that may stand beside another as a source."""
        return self.rng.choice(FLOATS) if dtype.is_float else dtype

    def compute(self) -> None:
        """Operations in memory on some region."""
        self.notes.append("compute")
        code = self.at(self.region())
        with code.scope():
            for _ in range(self.rng.randint(1, 4)):
                self.rng.choice((
                    self.in_memory, self.in_memory, self.map, self.reduce, self.registers, self.looped,
                    self.branch, self.advancing, self.elements, self.time if self.timed else self.map,
                ))(code)  # fmt: skip

    def in_memory(self, code: Code) -> None:
        n, dtype = self.length(), self.dtype()
        to = self.view(code, dtype, n, reuse=True)
        form = self.rng.randrange(4)
        if form == 0:
            source = self.rng.choice((dtype, self.dtype()))
            a = self.view(code, source, n, reuse=True) if self.chance(0.8) else self.scalar(code, dtype)
            name = self.unary(dtype, source) if isinstance(a, View) else "mov"
            code.vector(name, to, a)
            return
        a = to if self.chance(0.2) else self.view(code, self.partner(dtype), n, reuse=True)
        b: View | float | Register = self.scalar(code, dtype)
        if self.chance(0.7):
            b = self.view(code, self.partner(dtype), n, reuse=True)
        if form == 1:
            code.mac(to, a, b)
        elif form == 2 and not dtype.is_float:
            code.vector(self.rng.choice(("shl", "shr")), to, a, self.rng.randint(0, 40))
        else:
            code.vector(self.binary(dtype), to, a, b)

    def map(self, code: Code) -> None:
        n, steps, dtype = self.length(), self.rng.randint(0, 4), self.dtype()
        to = self.stepping(code, dtype, n, steps)
        a = self.stepping(code, self.partner(dtype), n, steps)
        b = each(self.view(code, self.partner(dtype), steps), reload=self.chance(0.3))
        code.vector("mac" if self.chance(0.6) else self.binary(dtype), to, a, b, n=n)

    def stepping(self, code: Code, dtype: DType, n: int, steps: int) -> View:
        step = self.rng.choice((0, 0, 1, n, 2))
        return self.buffer(dtype, n + step * steps + 1, code.region).view(0, n).stepping(step)

    def reduce(self, code: Code) -> None:
        n, dtype = self.length(), self.rng.choice((f32, f16, i16, i32))
        register = code.real(self.number(f32)) if dtype.is_float else code.integer(int(self.number(i32)))
        a = self.view(code, dtype, n, reuse=True)
        if self.chance(0.4):
            code.vector("dot", register, a, self.view(code, dtype, n, reuse=True))
        else:
            code.vector(self.rng.choice(("sum", "max_of", "min_of")), register, a)
        code.store(self.view(code, dtype, 1), register)

    def registers(self, code: Code) -> None:
        """Arithmetic on registers, its result stored."""
        x, y = (code.load(self.view(code, i16, 1)) for _ in range(2))
        for _ in range(self.rng.randint(1, 3)):
            name = self.rng.choice(WHOLE)
            x = code.scalar(name, x, self.rng.choice((y, 3, -2)))
        x = code.scalar(self.rng.choice(("idiv", "imod", "ishl", "ishr")), x, self.rng.randint(1, 40))
        code.store(self.view(code, i32, 1), x)
        u, v = code.load(self.view(code, f32, 1)), code.to_float(y)
        for _ in range(self.rng.randint(1, 3)):
            name = self.rng.choice(("fadd", "fsub", "fmul", "fdiv", "fmin", "fmax"))
            u = code.scalar(name, u, self.rng.choice((v, 0.75, u)))
        u = code.scalar(self.rng.choice(("fneg", "fexp", "ftanh", "ferf", "fsqrt", "frsqrt")), u)
        code.store(self.view(code, self.rng.choice(FLOATS), 1), u)
        code.store(self.view(code, i32, 1), code.scalar(self.rng.choice(("flt", "fle", "feq")), u, v))
        code.store(self.view(code, i32, 1), code.to_int(v))

    def looped(self, code: Code) -> None:
        n, count = self.rng.randint(0, 5), self.rng.randint(0, 4)
        times: int | Register = count if self.chance(0.6) else code.integer(count)
        with code.loop(times) as i:
            if self.chance(0.5):
                self.in_memory(code)
            to = self.buffer(f32, n + count, code.region)
            code.add(to.view(0, n).at(i), self.view(code, f32, n, static=True), self.scalar(code, f32))

    def branch(self, code: Code) -> None:
        """PEs part ways by a constant of their own."""
        own = self.buffer(i32, 1, code.region)
        condition = code.scalar("iand", code.load(own.view(0, 1)), 1)
        with code.when(condition):
            if self.chance(0.7):
                self.in_memory(code)
            if self.chance(0.5):
                code.otherwise()
                if self.chance(0.7):
                    self.in_memory(code)

    def advancing(self, code: Code) -> None:
        """Auto-advance through a buffer, a few elements at a time."""
        n, count, dtype = self.rng.randint(1, 4), self.rng.randint(1, 3), self.rng.choice((f32, f16, i32))
        first, second = code.integer(0), code.integer(1)
        a = self.buffer(dtype, n * count, code.region).view(0, n).at(first, advance=True)
        to = self.buffer(dtype, n * count + 1, code.region).view(0, n).at(second, advance=True)
        with code.loop(count):
            code.add(self.rng.choice((to, a)), a, self.rng.choice((self.number(dtype), a)))

    def time(self, code: Code) -> None:
        """How long something takes, by the PE's own clock."""
        before = code.clock()
        self.in_memory(code)
        taken = code.scalar("isub", code.clock(), before)
        code.store(self.view(code, i32, 1), code.scalar("iand", taken, 0x7FFFFFFF))  # the clock has 31 bits

    def elements(self, code: Code) -> None:
        """A length that each PE reads from its own memory."""
        most, dtype = 7, self.dtype()
        n = code.scalar("iand", code.load(self.buffer(u16, 1, code.region).view(0, 1)), most)
        to, a = self.buffer(dtype, most, code.region), self.buffer(dtype, most, code.region)
        code.add(to.view(0, n), a.view(0, n), self.number(dtype))

    # -- trees and transfers ----------------------------------------------------------------------

    def tree(self, *, loop: bool = True) -> Tree:
        """A multicast from some PE, grown link by link."""
        root = self.rng.choice(self.pes)
        tree = Tree(root, {root: []})
        straight = self.chance(0.5)
        tip, heading = root, self.rng.choice(LINKS)
        for _ in range(self.rng.randint(0, self.rng.choice((3, 8, 16)))):
            if not straight or self.chance(0.2):
                heading = self.rng.choice(LINKS)
                tip = tip if self.chance(0.7) else self.rng.choice(list(tree.children))
            beyond = (tip[0] + heading.dx, tip[1] + heading.dy)
            if beyond in self.pes and beyond not in tree.children:
                tree.children[tip].append(heading)
                tree.children[beyond], tree.parent[beyond] = [], heading.opposite
                tip = beyond
        tree.taps = {pe for pe, c in tree.children.items() if not c or (pe != root and self.chance(0.4))}
        if loop and self.chance(0.15):
            tree.taps.add(root)
        return tree

    def paint(self, tree: Tree, color: Color) -> None:
        for pe, route in tree.routes():
            self.b.route(color, self.one(pe), route)

    def colors_left(self) -> int:
        return MOST_COLORS - self.colors

    def send(self) -> None:
        """Several multicasts at once; each PE takes its parts in them in the same order."""
        count = min(self.rng.randint(1, 4), self.colors_left())
        self.notes.append(f"send{count}")
        for _ in range(count):
            self.transfer()

    def transfer(self) -> None:
        tree, color, carry = self.tree(loop=self.slots), self.color("c"), self.dtype()
        if not self.slots and tree.root in tree.taps:
            return
        self.paint(tree, color)
        n = self.rng.choice((0, 1, 2, 5, 8, 13, 20, 33))
        times = 1 if tree.root in tree.taps else self.rng.choice((1, 1, 1, 2, 3))
        for place, pe in enumerate([tree.root, *sorted(tree.taps)]):
            code = self.at(self.one(pe))
            sends = place == 0
            slot = self.slot(0.4)
            if pe == tree.root and pe in tree.taps:  # it takes what it gives at the same time
                slot = 0 if sends else self.rng.choice((None, 1))
            self.delay(code)
            with code.loop(times) if times > 1 else nullcontext():
                self.give(code, color, carry, n, slot) if sends else self.take(code, color, carry, n, slot)

    def pour(self) -> None:
        """Words from the host, along straight lines from PEs at an edge, some filtered on the way."""
        count = min(self.rng.randint(1, 3), self.colors_left())
        self.notes.append(f"pour{count}")
        for _ in range(count):
            self.pour_one()

    def pour_one(self) -> None:
        color, carry, side, grid = self.color("host"), self.dtype(), self.rng.choice(self.sides), self.b.grid
        edge = {EAST: grid[-1, :], NORTH: grid[:, 0], WEST: grid[0, :], SOUTH: grid[:, -1]}[side]
        first = self.rng.randrange(len(edge))
        entries = list(edge)[first : self.rng.randint(first + 1, len(edge))]
        if any((entry, side) in self.entered for entry in entries):
            return
        self.entered.update((entry, side) for entry in entries)
        of, periods = self.rng.randint(1, 5), self.rng.choice((0, 1, 2, 5))
        for entry in entries:
            reach = [pe for k in range(6) if (pe := (entry[0] - k * side.dx, entry[1] - k * side.dy)) in self.pes]
            self.pour_along(reach[: self.rng.randint(1, len(reach))], color, carry, side, of, periods)
        (x, y), (right, bottom) = entries[0], entries[-1]
        stream = self.b.host_stream("pour", color, grid[x : right + 1, y : bottom + 1], side)
        values = np.random.default_rng(self.rng.getrandbits(30))
        words, times = of * periods, self.rng.choice((1, 1, 2))
        if words % times:
            times = 1
        shape = (self.rng.choice((1, len(entries))), words // times * carry.per_wavelet)
        given = values.uniform(-4, 4, shape) if carry.is_float else values.integers(0, 50, shape)
        self.streams[stream.name] = given.astype(carry.numpy), times

    def pour_along(self, path: list[Pe], color: Color, carry: DType, side: Direction, of: int, periods: int) -> None:
        """A line's routes, filters and receivers; of the filtered ones each takes a part of every period."""
        for k, pe in enumerate(path):
            last = k + 1 == len(path)
            taps = last or self.chance(0.6)
            onward = [] if last else [side.opposite]
            self.b.route(color, self.one(pe), side >> [*onward, RAMP] if taps else side >> onward)
            if taps:
                keep = of
                if self.chance(0.6):
                    keep = self.rng.randint(0, of)
                    self.b.filter(color, self.one(pe), keep=keep, of=of, first=self.rng.randrange(of))
                code = self.at(self.one(pe))
                self.delay(code)
                self.take(code, color, carry, keep * periods * carry.per_wavelet, self.slot(0.5))

    def thin(self) -> None:
        """A multicast of which some PEs take a part only."""
        if not self.colors_left():
            return
        self.notes.append("thin")
        tree, color, carry = self.tree(loop=False), self.color("thin"), self.dtype()
        self.paint(tree, color)
        of, periods = self.rng.randint(1, 5), self.rng.choice((0, 1, 3))
        places = [tree.root, *sorted(tree.taps)] if tree.taps != {tree.root} else []
        if not places:
            return
        for pe in places:
            code, keep = self.at(self.one(pe)), of
            self.delay(code)
            if pe == tree.root:
                self.give(code, color, carry, of * periods * carry.per_wavelet, self.slot(0.4))
                continue
            if self.chance(0.7):
                keep = self.rng.randint(0, of)
                self.b.filter(color, self.one(pe), keep=keep, of=of, first=self.rng.randrange(of))
            self.take(code, color, carry, keep * periods * carry.per_wavelet, self.slot(0.4))

    def storm(self) -> None:
        """Multicasts that meet on the way: all PEs send from slots of their own, and only then receive."""
        count = min(self.rng.randint(2, 6), self.colors_left())
        self.notes.append(f"storm{count}")
        carry, n = self.dtype(), self.rng.choice((3, 8, 20))
        sends = dict.fromkeys(self.pes, 0)
        receives: list[tuple[Pe, Color]] = []
        for _ in range(count):
            tree = self.tree()
            if sends[tree.root] < SLOTS:
                color = self.color("storm")
                self.paint(tree, color)
                self.give(self.at(self.one(tree.root)), color, carry, n, sends[tree.root])
                sends[tree.root] += 1
                receives += [(pe, color) for pe in sorted(tree.taps)]
        for pe, color in receives:
            self.take(self.at(self.one(pe)), color, carry, n, None)

    def drizzle(self) -> None:
        """Multicasts that meet on the way, each short enough to be sent before anyone receives."""
        count = min(self.rng.randint(2, 8), self.colors_left())
        self.notes.append(f"drizzle{count}")
        receives: list[tuple[Pe, Color, DType, int]] = []
        for _ in range(count):
            tree, color, carry, n = self.tree(loop=False), self.color("drizzle"), self.dtype(), self.rng.choice((1, 2))
            self.paint(tree, color)
            code = self.at(self.one(tree.root))
            self.delay(code)
            self.give(code, color, carry, n, None)
            receives += [(pe, color, carry, n) for pe in sorted(tree.taps)]
        for pe, color, carry, n in receives:
            self.take(self.at(self.one(pe)), color, carry, n, None)

    def slot(self, p: float) -> Slot | None:
        """A background slot with this probability, of either priority in any program; else the main thread."""
        if not self.slots or not self.chance(p):
            return None
        slot = self.rng.randrange(SLOTS)
        return HighPriority(slot) if not self.plain and self.chance(0.4) else slot

    def give(self, code: Code, color: Color, carry: DType, n: int, slot: Slot | None) -> None:
        """Sends n elements of the carried type."""
        with code.scope() if slot is None else nullcontext():
            form = self.rng.randrange(4)
            a = self.stream_view(code, self.partner(carry), n, slot)
            if form == 0:
                b = self.stream_operand(code, carry, n, slot)
                code.vector(self.binary(carry), color, a, b, carry=carry, slot=slot)
            elif form == 1 and slot is None:
                code.mov(color, self.scalar(code, carry), n=n, carry=carry)
            else:
                code.vector(self.unary(carry, a.dtype), color, a, carry=carry, slot=slot)

    def take(
        self, code: Code, color: Color, carry: DType, n: int, slot: Slot | None, then: Completion | None = None
    ) -> None:
        """Receives n elements of the carried type."""
        with code.scope() if slot is None else nullcontext():
            form = self.rng.randrange(5)
            if form == 0 and slot is None and carry in (f32, f16, i16, i32):
                register = code.real(0.5) if carry.is_float else code.integer(2)
                name = self.rng.choice(("sum", "max_of", "min_of"))
                code.vector(name, register, color, n=n, carry=carry)
                code.store(self.view(code, carry, 1), register)
                return
            dtype = self.partner(carry)
            to = self.stream_view(code, dtype, n, slot)
            if form == 1:
                other = self.stream_operand(code, dtype, n, slot)
                code.vector(self.binary(dtype), to, color, other, carry=carry, slot=slot, then=then)
            elif form == 2:
                other = self.stream_view(code, self.partner(dtype), n, slot)
                code.vector(self.binary(dtype), to, other, color, carry=carry, slot=slot, then=then)
            elif form == 3:
                other = self.stream_operand(code, dtype, n, slot)
                code.vector("mac", to, color, other, carry=carry, slot=slot, then=then)
            else:
                code.vector(self.unary(dtype, carry), to, color, carry=carry, slot=slot, then=then)

    def stream_view(self, code: Code, dtype: DType, n: int, slot: Slot | None) -> View:
        """An operand beside a stream; in a slot its registers and its buffer are its own."""
        made = self.view(code, dtype, n, static=slot is not None)
        if self.where and self.chance(0.2):
            wide = self.buffer(dtype, 4 * n + 3, code.region)
            return wide.view(0, n).at(self.where.pop(), advance=self.chance(0.5))
        return made

    def stream_operand(self, code: Code, dtype: DType, n: int, slot: Slot | None) -> View | float:
        if self.chance(0.5):
            return self.number(dtype)
        return self.stream_view(code, self.partner(dtype), n, slot)

    def chain(self) -> None:
        """Each PE of a path adds its own elements to what comes along, on two colours in turn."""
        path = self.path()
        if len(path) < 2 or self.colors_left() < 2:
            return
        self.notes.append("chain")
        colors, carry = [self.color("chain") for _ in range(2)], self.dtype()
        n = self.rng.choice((0, 1, 3, 8, 15))
        for k, pe in enumerate(path):
            code = self.at(self.one(pe))
            before, after = colors[(k + 1) % 2], colors[k % 2]
            if k:
                self.b.route(before, self.one(pe), _towards(pe, path[k - 1]) >> RAMP)
            if k + 1 < len(path):
                self.b.route(after, self.one(pe), RAMP >> _towards(pe, path[k + 1]))
            self.delay(code)
            slot = self.slot(0.3)
            if k == 0:
                self.give(code, after, carry, n, slot)
            elif k + 1 == len(path):
                self.take(code, before, carry, n, slot)
            else:
                own = self.stream_view(code, self.partner(carry), n, slot)
                code.vector(self.binary(carry), after, before, own, carry=carry, slot=slot)

    def path(self) -> list[Pe]:
        """A walk that meets no PE twice."""
        walk = [self.rng.choice(self.pes)]
        heading = self.rng.choice(LINKS)
        for _ in range(8):
            heading = self.rng.choice((heading, heading, self.rng.choice(LINKS)))
            beyond = (walk[-1][0] + heading.dx, walk[-1][1] + heading.dy)
            if beyond in self.pes and beyond not in walk:
                walk.append(beyond)
        return walk

    def there_and_back(self) -> None:
        """A colour goes along a line, and back once all have rewritten their routes; two more acknowledge."""
        path = self.line()
        if len(path) < 2 or self.colors_left() < 3:
            return
        self.notes.append("reroute")
        color, ready, done = (self.color(name) for name in ("turning", "ready", "done"))
        n, m, carry = self.rng.randint(0, 9), self.rng.randint(0, 9), self.dtype()
        ahead = _towards(path[0], path[1])
        back = ahead.opposite
        forth: list[Route] = [RAMP >> ahead, *[back >> (RAMP | ahead)] * (len(path) - 2), back >> RAMP]
        return_: list[Route] = [ahead >> RAMP, *[ahead >> (RAMP | back)] * (len(path) - 2), RAMP >> back]
        for pe, route, reply in zip(path, forth, return_, strict=True):
            self.b.route(color, self.one(pe), route)
            self.b.route(ready, self.one(pe), reply if pe in (path[0], path[-1]) else ahead >> back)
            self.b.route(done, self.one(pe), route)
        for k, pe in enumerate(path):
            code = self.at(self.one(pe))
            self.delay(code)
            first, last = k == 0, k + 1 == len(path)
            self.give(code, color, carry, n, None) if first else self.take(code, color, carry, n, None)
            if first:
                self.take(code, ready, i32, 1, None)
            code.reroute(color, return_[k])
            if last:
                self.give(code, ready, i32, 1, None)
                self.give(code, color, carry, m, None)
                self.take(code, done, i32, 1, None)
            else:
                self.take(code, color, carry, m, None)
                self.give(code, done, i32, 1, None) if first else self.take(code, done, i32, 1, None)
            code.reroute(color, forth[k])

    def line(self) -> list[Pe]:
        start, heading = self.rng.choice(self.pes), self.rng.choice(LINKS)
        steps = range(self.rng.randint(2, 4))
        reach = [(start[0] + k * heading.dx, start[1] + k * heading.dy) for k in steps]
        return [pe for pe in reach if pe in self.pes]

    # -- slots and tasks --------------------------------------------------------------------------

    def side_task(self) -> Task:
        """One of the tasks beside main; it gets its code when it is first named."""
        task = self.rng.choice(self.side)
        if task not in self.written:
            self.written.add(task)
            code = self.b.on(self.b.grid, task)
            with code.scope():
                self.registers(code)
        return task

    def background(self) -> None:
        """Operations in memory in background slots."""
        self.notes.append("background")
        code = self.at(self.region())
        for _ in range(self.rng.randint(1, 3)):
            n, dtype = self.length(), self.dtype()
            to, a = self.stream_view(code, dtype, n, 0), self.stream_view(code, self.partner(dtype), n, 0)
            then = activate(self.side_task()) if self.side and self.starts and self.chance(0.5) else None
            slot = self.rng.randrange(SLOTS)
            if self.chance(0.5):
                code.add(to, a, self.stream_operand(code, dtype, n, 0), slot=slot, then=then)
            else:
                code.mov(to, a, slot=slot, then=then)
            self.delay(code)
        if self.side and self.chance(0.3):
            code.activate(self.side_task())

    def join(self, task: Task) -> None:
        """The continuation starts when operations in slots have ended."""
        self.notes.append("join")
        tree, color, carry, n = self.tree(loop=False), None, self.dtype(), self.length()
        if self.colors_left() > 0:
            color = self.color("join")
            self.paint(tree, color)
        for pe in self.pes:
            code = self.at(self.one(pe))
            self.delay(code)
            if color is not None and pe == tree.root and pe not in tree.taps:
                self.give(code, color, carry, n, self.rng.choice((None, 0)))
                code.activate(task)
            elif color is not None and pe in tree.taps and pe != tree.root:
                self.wait_for(code, task, lambda code, then: self.take(code, color, carry, n, 1, then))
            elif self.chance(0.5):
                self.wait_for(code, task, lambda code, then: self.copy(code, n, 1, then))
            else:
                code.activate(task)
        if color is not None and tree.taps == {tree.root}:  # a root alone: it keeps what it sends
            code = self.b.on(self.one(tree.root), task)
            self.give(code, color, carry, n, 0)
            self.take(code, color, carry, n, 1)
        self.task = task

    def copy(self, code: Code, n: int, slot: int, then: Completion | None) -> None:
        to, a = self.buffer(f32, n, code.region), self.buffer(f16, n, code.region)
        code.mov(to.view(0, n), a.view(0, n), slot=slot, then=then)

    def wait_for(self, code: Code, task: Task, operation: Callable[[Code, Completion | None], None]) -> None:
        """Three ways to join: by activation, by unblocking, or both."""
        way = self.rng.randrange(3)
        if way == 0:
            operation(code, activate(task))
            return
        code.block(task)
        if way == 1:
            code.activate(task)
            operation(code, unblock(task))
        else:
            operation(code, unblock(task))
            self.copy(code, self.length(), 2, activate(task))

    def feed(self, index: int) -> None:
        """Wavelets that start a task at their receivers; the sender sends them from a slot of their own."""
        task, color, count = self.data_tasks[index]
        self.notes.append("data")
        tree, n = self.tree(), self.rng.choice((0, 1, 2, 5, 9))
        self.paint(tree, color)
        assert task.argument is not None
        carry = f32 if task.argument.kind == "float" else self.rng.choice((i32, u32, f16, i16))
        self.give(self.at(self.one(tree.root)), color, carry, n, SLOTS + index)
        for pe in tree.taps:
            self.at(self.one(pe)).unblock(task)
            code = self.b.on(self.one(pe), task)
            with code.scope():
                self.on_wavelet(code, task, count, -(-n // carry.per_wavelet))

    def on_wavelet(self, code: Code, task: Task, count: Register, n: int) -> None:
        """Keeps the wavelet, counts it, and after the last one does a little more."""
        assert task.argument is not None
        carry = f32 if task.argument.kind == "float" else i32
        kept = self.buffer(carry, n + 1, code.region)
        code.store(kept.at(count), task.argument)
        code.scalar("iadd", count, 1, to=count)
        if self.chance(0.5):
            code.add(self.view(code, carry, 3), self.view(code, carry, 3), task.argument)
        if self.chance(0.5):
            with code.when(code.scalar("ieq", count, n)):
                self.in_memory(code)
                if self.side:
                    code.activate(self.side_task())


def _towards(pe: Pe, neighbour: Pe) -> Direction:
    return next(d for d in LINKS if (pe[0] + d.dx, pe[1] + d.dy) == neighbour)
