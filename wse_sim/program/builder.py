"""The friendly way to write a program: by region, in the order it runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import numpy as np

from wse_sim.errors import ProgramError
from wse_sim.hardware.dtypes import DType
from wse_sim.hardware.geometry import Direction, Grid, Region, Route
from wse_sim.program.code import Code
from wse_sim.program.fabric import Color, RoutePaint
from wse_sim.program.host import Filter, HostStream, make_filter, make_host_stream
from wse_sim.program.instruction import Instruction, Mark, Task, operands
from wse_sim.program.memory import Buffer, View
from wse_sim.program.program import Placed, Program
from wse_sim.program.register import Kind, Register
from wse_sim.program.values import whole

ALIGNMENT = 16  # bytes: one period of the SRAM banks
_HERE = str(Path(__file__).parent)
_CONTEXTLIB = str(Path(contextmanager.__code__.co_filename))


@dataclass(eq=False)
class _Open:
    """A loop or branch that is being written."""

    mark: Mark
    code: Code
    otherwise: list[Region] = field(default_factory=list)


class Builder:
    """Collects buffers, colours, routes, tasks and code for a width x height rectangle of PEs."""

    def __init__(self, width: int, height: int, *, name: str = "program") -> None:
        self.grid: Region = Grid(width, height)
        self.name = _one_line("program", name)
        self._buffers: list[Buffer] = []
        self._buffers_of: dict[int, list[Buffer]] = {}  # by identity of their region
        self._released: set[Buffer] = set()
        self._initial: dict[Buffer, np.ndarray] = {}
        self._colors: list[Color] = []
        self._routes: list[RoutePaint] = []
        self._streams: list[HostStream] = []
        self._filters: list[Filter] = []
        self._tasks: list[Task] = []
        self._entries: dict[Task, Region] = {}
        self._blocked: dict[Task, Region] = {}
        self._arguments: dict[str, Register] = {}
        self._placed: list[Placed] = []
        self._sections: list[str] = ["program"]
        self._section = 0
        self._open: list[_Open] = []
        self._names: dict[str, set[str]] = {
            "buffer": set(), "colour": set(), "task": set(), "host stream": set(),
        }  # fmt: skip
        self._live: dict[int, int] = {}  # serial of the register that holds each index
        self._serials = 0
        self._most_registers = 0
        self._own: set[object] = set()  # buffers, colours and tasks of this builder, by identity
        self._seen: dict[Region, Region] = {}
        self._meets: dict[tuple[int, int], bool] = {}

    # -- memory -----------------------------------------------------------------------------------

    @property
    def buffers(self) -> tuple[Buffer, ...]:
        """All buffers so far."""
        return tuple(self._buffers)

    def buffer(
        self,
        name: str,
        dtype: DType,
        length: int,
        *,
        on: Region | None = None,
        bank_offset: int = 0,
        init: np.ndarray | float | None = None,
    ) -> Buffer:
        """Allocates `length` elements on every PE of `on` (default: all).

        bank_offset  bytes past a 16-byte boundary, to keep two operands off each other's banks
        init         values at load time, broadcastable to (height, width, length) of the region
        """
        what = f"buffer {name!r}"
        if not isinstance(dtype, DType):
            raise ProgramError(f"{what} has dtype {dtype!r}: expected an element type, as f32 of wse_sim")
        region = self._region(what, on)
        elements = whole(length, f"length of {what}", least=0)
        offset = whole(bank_offset, f"bank_offset of {what}")
        if offset % dtype.bytes or not 0 <= offset < ALIGNMENT:
            raise ProgramError(f"{what}: bank_offset {offset} must be 0..15, a multiple of {dtype.bytes}")
        address = self._place(region, elements * dtype.bytes, offset)
        made = Buffer(self._unique("buffer", name), dtype, elements, region, address)
        if init is not None:
            self._initial[made] = _initial_values(made, init)
        self._keep(made)
        self._own.add(made)
        return made

    def block(
        self, shapes: Sequence[tuple[str, DType, int]], *, on: Region | None = None
    ) -> tuple[Buffer, ...]:
        """Buffers of (name, dtype, elements) one right after the other, the first on a 16-byte boundary.

        Without the gaps that keep operands off each other's banks: it saves room, and costs conflicts.
        """
        region, offsets, end = self._region("a block of buffers", on), [], 0
        for name, dtype, length in shapes:
            start = end + -end % dtype.bytes
            offsets.append(start)
            end = start + whole(length, f"length of buffer {name!r}", least=0) * dtype.bytes
        address = self._place(region, end, 0)
        made = tuple(
            Buffer(self._unique("buffer", name), dtype, length, region, address + start)
            for (name, dtype, length), start in zip(shapes, offsets, strict=True)
        )
        self._keep(*made)
        self._own.update(made)
        return made

    def part(self, name: str, buffer: Buffer, offset: int, length: int) -> Buffer:
        """Some elements of a buffer under a name of their own, for code that takes whole buffers."""
        self.require_own(buffer)
        first, count = whole(offset, f"offset of {name!r}", least=0), whole(length, f"length of {name!r}", least=0)
        if first + count > buffer.length:
            raise ProgramError(
                f"part {name!r} is elements {first}..{first + count - 1} of {buffer!r}: expected them inside"
            )
        address = buffer.address + first * buffer.dtype.bytes
        made = Buffer(self._unique("buffer", name), buffer.dtype, count, buffer.region, address)
        self._own.add(made)
        return made

    def constant(self, name: str, dtype: DType, values: np.ndarray, *, on: Region | None = None) -> Buffer:
        """A buffer of one element per PE holding `values`, broadcastable to (height, width)."""
        region = self._region(f"constant {name!r}", on)
        shape = (region.height, region.width)
        try:
            spread = np.broadcast_to(np.asarray(values), shape)
        except ValueError:
            raise ProgramError(
                f"values of constant {name!r} have shape {np.shape(values)}: expected (height, width) = {shape}, or "
                "one that broadcasts to it"
            ) from None
        return self.buffer(name, dtype, 1, on=region, init=spread[:, :, None])

    def release(self, *buffers: Buffer) -> None:
        """Lets later buffers reuse the room of these; they must not be used any more."""
        for buffer in buffers:
            if not isinstance(buffer, Buffer):
                raise ProgramError(f"release({buffer!r}): expected buffers")
            self.require_own(buffer)
        self._released.update(buffers)

    def _keep(self, *made: Buffer) -> None:
        self._buffers += made
        for buffer in made:
            self._buffers_of.setdefault(id(buffer.region), []).append(buffer)

    def _place(self, region: Region, nbytes: int, bank_offset: int) -> int:
        """First fit among the live buffers that share a PE with the region."""
        live = sorted(
            (b.address, b.end) for held in self._buffers_of.values() if self._share(held[0].region, region)
            for b in held if b not in self._released and b.nbytes
        )
        address = bank_offset
        for low, high in live:
            if address + nbytes <= low:
                break
            if high > address:
                address = _aligned(high, bank_offset)
        return address

    def _share(self, a: Region, b: Region) -> bool:
        """True if some PE is in both of two regions that `_region` gave."""
        key = (id(a), id(b))
        if key not in self._meets:
            self._meets[key] = a.intersects(b)
        return self._meets[key]

    # -- fabric -----------------------------------------------------------------------------------

    def color(self, name: str) -> Color:
        """A new colour; the wafer's limit is checked when the program meets a wafer."""
        made = Color(self._unique("colour", name), len(self._colors))
        self._colors.append(made)
        return made

    def route(self, color: Color, region: Region, route: Route) -> None:
        """Sets a colour's route on every router of a region."""
        self._require_color("route", color)
        if not isinstance(route, Route):
            raise ProgramError(f"route of colour {color!r} is {route!r}: expected a route, as WEST >> (RAMP | EAST)")
        where = self._region(f"route of colour {color!r}", region)
        if where:
            self._routes.append(RoutePaint(color, where, route, _caller()))

    def host_stream(self, name: str, color: Color, region: Region, side: Direction) -> HostStream:
        """Words that the host gives at launch enter the PEs of `region` from beyond the edge of the grid on `side`.

        Each PE of the region has words of its own, and needs a route of the colour with input `side`.
        """
        called = self._unique("host stream", name)
        self._require_color(f"host stream {called!r}", color)
        where = self._region(f"host stream {called!r}", region)
        self._streams.append(make_host_stream(called, color, where, side, where=_caller()))
        return self._streams[-1]

    def filter(self, color: Color, region: Region, *, keep: int, of: int, first: np.ndarray | int = 0) -> None:
        """The PEs of a region take `keep` of every `of` wavelets of a colour; routes beyond carry all on.

        first  the first one that a PE takes, counted from 0, broadcastable to (height, width) of the region
        """
        self._require_color("filter", color)
        where = self._region(f"filter of colour {color!r}", region)
        made = make_filter(color, where, keep=keep, of=of, first=first, where=_caller())
        if where:
            self._filters.append(made)

    def _require_color(self, what: str, color: object) -> None:
        if not isinstance(color, Color):
            raise ProgramError(f"{what} of {color!r}: expected a colour; make one with builder.color(name)")
        self.require_own(color)

    # -- tasks and code ---------------------------------------------------------------------------

    def task(
        self,
        name: str,
        *,
        start: Region | bool = False,
        blocked: Region | bool = False,
        on_wavelet: Color | None = None,
        argument: Kind | None = None,
    ) -> Task:
        """A new task.

        start       where the host's launch activates it (True: everywhere)
        blocked     where it begins blocked
        on_wavelet  colour whose wavelets start it; `argument` is the kind of the register they arrive in, an int one
                    if not said: see `Code.wavelet`
        """
        if on_wavelet is not None:
            if not isinstance(on_wavelet, Color):
                raise ProgramError(f"task {name!r} on wavelets of {on_wavelet!r}: expected a colour")
            self.require_own(on_wavelet)
        elif argument is not None:
            raise ProgramError(f"task {name!r} has an argument but no colour that brings it: give on_wavelet=color")
        called = self._unique("task", name)
        entry, stopped = (self._where(called, word, at) for word, at in (("start", start), ("blocked", blocked)))
        register = self._argument(f"{called}.wavelet", argument or "int") if on_wavelet is not None else None
        made = Task(called, len(self._tasks), on_wavelet, register, _caller())
        self._tasks.append(made)
        self._own.add(made)
        if entry:
            self._entries[made] = entry
        if stopped:
            self._blocked[made] = stopped
        return made

    def on(self, region: Region, task: Task) -> Code:
        """Where instructions of `task` for the PEs of `region` are written."""
        if not isinstance(task, Task):
            raise ProgramError(f"on({region!r}, {task!r}): expected a region and a task")
        self.require_own(task)
        return Code(self, task, self._region(f"code of task {task!r}", region))

    def main(self, region: Region | None = None) -> Code:
        """Code of the task `main`, which the host launches on every PE."""
        task = next((t for t in self._tasks if t.name == "main"), None) or self.task("main", start=True)
        return Code(self, task, self._region("code of task main", region))

    def argument(self, name: str, kind: Kind) -> Register:
        """A register that the host sets at launch on every PE, and that tasks share.

        Operators on it need to know where they emit: take it over with `n = pe.use(n)`.
        """
        if _one_line("argument", name) in self._arguments:
            raise ProgramError(f"argument {name!r} exists: expected another name; declare each argument once")
        return self._argument(name, kind)

    def _argument(self, name: str, kind: Kind) -> Register:
        """A register whose index no code has used or will use for anything else."""
        code = Code(self, Task("arguments", -1), self.grid)
        self._arguments[name] = self._register(self._most_registers, _kind(kind), code)
        return self._arguments[name]

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        """Names what is emitted inside, for the report's breakdown."""
        _one_line("section", name)
        outer = self._section
        full = name if outer == 0 else f"{self._sections[outer]}/{name}"
        if full not in self._sections:
            self._sections.append(full)
        self._section = self._sections.index(full)
        try:
            yield
        finally:
            self._section = outer

    def finish(self) -> Program:
        """The program, immutable from here on."""
        if self._open:
            last = self._open[-1]
            raise ProgramError(
                f"finish() inside a {last.mark.value} of task {last.code.task!r}: expected its end before"
            )
        return Program(
            name=self.name,
            grid=self.grid,
            buffers=tuple(self._buffers),
            initial=dict(self._initial),
            colors=tuple(self._colors),
            routes=tuple(self._routes),
            tasks=tuple(self._tasks),
            entries=dict(self._entries),
            blocked=dict(self._blocked),
            arguments=dict(self._arguments),
            sections=tuple(self._sections),
            placed=tuple(self._placed),
            registers=self._most_registers,
            released=frozenset(self._released),
            streams=tuple(self._streams),
            filters=tuple(self._filters),
        )

    # -- names and regions ------------------------------------------------------------------------

    def _unique(self, kind: str, name: str) -> str:
        """The name, with a number if another of the kind has it."""
        taken, free, i = self._names[kind], _one_line(kind, name), 2
        while free in taken:
            free, i = f"{name}.{i}", i + 1
        taken.add(free)
        return free

    def _region(self, what: str, region: Region | None) -> Region:
        """A region of the grid, one object for equal ones; None: all of it."""
        if region is None:
            return self.grid
        if not isinstance(region, Region):
            raise ProgramError(f"{what} on {region!r}: expected a region, as in builder.grid[0, :]")
        if region not in self._seen:
            if not self.grid.contains(region):
                raise ProgramError(
                    f"{what} on {region!r} reaches outside the {self.grid.width} x {self.grid.height} grid: expected a "
                    "part of builder.grid"
                )
            self._seen[region] = region
        return self._seen[region]

    def _where(self, task: str, word: str, region: Region | bool) -> Region | None:
        if isinstance(region, bool | np.bool_):
            return self.grid if region else None
        return self._region(f"{word} of task {task!r}", region)

    # -- for Code ---------------------------------------------------------------------------------

    def append(self, task: Task, region: Region, instruction: Instruction) -> None:
        """Adds an instruction after checking that all it names belongs to this builder."""
        for operand in operands(instruction):
            self.require_own(operand)
        where = self._region(f"code of task {task!r}", region)
        if where:
            self._placed.append(Placed(task, where, instruction, self._section, _caller()))

    def require_own(self, operand: object) -> None:
        """Refuses what another builder made, and registers whose scope has ended."""
        if isinstance(operand, View):
            self.require_own(operand.buffer)
            self.require_own(operand.where)
            self.require_own(operand.length)
        elif isinstance(operand, Register):
            self._require_live(operand)
        elif isinstance(operand, Color):
            if operand.id >= len(self._colors) or self._colors[operand.id] is not operand:
                raise _foreign("colour", operand)
        elif isinstance(operand, Buffer | Task) and operand not in self._own:
            raise _foreign("buffer" if isinstance(operand, Buffer) else "task", operand)

    def _require_live(self, register: Register) -> None:
        if register.code.builder is not self:
            raise _foreign("register", register)
        if self._live.get(register.index) != register.serial:
            raise ProgramError(
                f"register {register!r} is used after its loop, when or scope has ended at {_caller()}: expected a "
                "register that is still held; make it before, and change it inside with pe.set"
            )

    def new_register(self, kind: Kind, code: Code) -> Register:
        """The lowest register that is free."""
        index = 0
        while index in self._live:
            index += 1
        return self._register(index, kind, code)

    def _register(self, index: int, kind: Kind, code: Code) -> Register:
        self._serials += 1
        self._live[index] = self._serials
        self._most_registers = max(self._most_registers, index + 1)
        return Register(index, kind, code, self._serials)

    @contextmanager
    def register_scope(self) -> Iterator[None]:
        """Frees at its end the registers made inside, arguments excepted."""
        before = set(self._live)
        try:
            yield
        finally:
            held = before | {register.index for register in self._arguments.values()}
            self._live = {index: serial for index, serial in self._live.items() if index in held}

    @contextmanager
    def nested(self, mark: Mark, code: Code) -> Iterator[None]:
        """A loop or branch while it is written."""
        self._open.append(_Open(mark, code))
        try:
            yield
        finally:
            self._open.pop()

    def enter_otherwise(self, code: Code) -> None:
        """Refuses an `otherwise` that belongs to no `when`, or is the second one."""
        inside = [o for o in self._open if o.code.task is code.task and o.code.region.intersects(code.region)]
        found = inside[-1] if inside else None
        if found is None or found.mark is not Mark.WHEN or not found.code.region.contains(code.region):
            raise ProgramError(f"otherwise on {code.region!r} at {_caller()}: expected it right inside `with pe.when`")
        if any(region.intersects(code.region) for region in found.otherwise):
            raise ProgramError(f"second otherwise of one when at {_caller()}: expected one; use another `with pe.when`")
        found.otherwise.append(code.region)


def _foreign(kind: str, thing: object) -> ProgramError:
    return ProgramError(f"{kind} {thing!r} belongs to another builder: expected one that this builder made")


def _one_line(kind: str, name: object) -> str:
    if not isinstance(name, str) or not name or "\n" in name:
        raise ProgramError(f"name of {'an' if kind[0] == 'a' else 'a'} {kind} is {name!r}: expected a text of one line")
    return name


def _kind(kind: object) -> Kind:
    if kind not in ("int", "float"):
        raise ProgramError(f"kind of an argument is {kind!r}: expected 'int' or 'float'")
    return "int" if kind == "int" else "float"


def _aligned(address: int, bank_offset: int) -> int:
    """Smallest address of that bank offset not below `address`."""
    return address + (bank_offset - address) % ALIGNMENT


def _initial_values(buffer: Buffer, init: np.ndarray | float) -> np.ndarray:
    """Read-only values of the buffer's own type and shape."""
    shape = (buffer.region.height, buffer.region.width, buffer.length)
    given = np.asarray(init)
    if given.dtype.kind not in "fiub" or (given.dtype.kind == "f" and not buffer.dtype.is_float):
        raise ProgramError(
            f"initial values of {buffer!r} are {given.dtype}: expected {buffer.dtype}; convert them first"
        )
    try:
        with np.errstate(over="raise"):
            values = given.astype(buffer.dtype.numpy)
    except FloatingPointError:
        raise ProgramError(f"initial values of {buffer!r} overflow {buffer.dtype}: expected smaller ones") from None
    if not buffer.dtype.is_float and not np.array_equal(values, given):
        raise ProgramError(f"initial values of {buffer!r} do not fit {buffer.dtype}: expected a larger type")
    try:
        spread = np.broadcast_to(values, shape)
    except ValueError:
        raise ProgramError(
            f"initial values of {buffer!r} have shape {values.shape}: expected (height, width, length) = {shape}"
        ) from None
    spread.flags.writeable = False
    return spread


def _caller() -> str:
    """file:line of the first frame outside this package's program folder."""
    frame = sys._getframe(1)
    while frame.f_back is not None and frame.f_code.co_filename.startswith((_HERE, _CONTEXTLIB)):
        frame = frame.f_back
    return f"{_file(frame.f_code.co_filename)}:{frame.f_lineno}"


@cache
def _file(path: str) -> str:
    return Path(path).name
