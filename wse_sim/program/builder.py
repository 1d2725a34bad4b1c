"""The friendly way to write a program: by region, in the order it runs."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from wse_sim.errors import ProgramError
from wse_sim.hardware.dtypes import DType
from wse_sim.hardware.geometry import Grid, Region, Route
from wse_sim.program.code import Code
from wse_sim.program.fabric import Color, RoutePaint
from wse_sim.program.instruction import Instruction, Task
from wse_sim.program.memory import Buffer
from wse_sim.program.program import Placed, Program
from wse_sim.program.register import Kind, Register

ALIGNMENT = 16  # bytes: one period of the SRAM banks
REGISTERS = 64
_HERE = str(Path(__file__).parent)


class Builder:
    """Collects buffers, colours, routes, tasks and code for a width x height rectangle of PEs."""

    def __init__(self, width: int, height: int, *, name: str = "program") -> None:
        self.grid: Region = Grid(width, height)
        self.name = name
        self._buffers: list[Buffer] = []
        self._released: set[Buffer] = set()
        self._initial: dict[Buffer, np.ndarray] = {}
        self._colors: list[Color] = []
        self._routes: list[RoutePaint] = []
        self._tasks: list[Task] = []
        self._entries: dict[Task, Region] = {}
        self._blocked: dict[Task, Region] = {}
        self._arguments: dict[str, Register] = {}
        self._placed: list[Placed] = []
        self._sections: list[str] = ["program"]
        self._section = 0
        self._next_register = 0
        self._most_registers = 0

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
        region = self.grid if on is None else on
        if length < 0 or int(length) != length:
            raise ProgramError(f"buffer {name!r} has length {length}: expected a whole number, 0 or more")
        if bank_offset % dtype.bytes or not 0 <= bank_offset < ALIGNMENT:
            raise ProgramError(f"buffer {name!r}: bank_offset {bank_offset} must be 0..15, a multiple of {dtype.bytes}")
        address = self._place(region, length * dtype.bytes, bank_offset)
        made = Buffer(self._unique(name), dtype, int(length), region, address)
        self._buffers.append(made)
        if init is not None:
            self._initial[made] = _initial_values(made, init)
        return made

    def constant(self, name: str, dtype: DType, values: np.ndarray, *, on: Region | None = None) -> Buffer:
        """A buffer of one element per PE holding `values`, broadcastable to (height, width)."""
        region = self.grid if on is None else on
        spread = np.broadcast_to(np.asarray(values), (region.height, region.width))
        return self.buffer(name, dtype, 1, on=region, init=spread[:, :, None])

    def release(self, *buffers: Buffer) -> None:
        """Lets later buffers reuse the room of these; they must not be used any more."""
        self._released.update(buffers)

    def _place(self, region: Region, nbytes: int, bank_offset: int) -> int:
        """First fit among the live buffers that share a PE with the region."""
        live = sorted(
            (b.address, b.end) for b in self._buffers
            if b not in self._released and b.nbytes and b.region.intersects(region)
        )
        address = bank_offset
        for low, high in live:
            if address + nbytes <= low:
                break
            if high > address:
                address = _aligned(high, bank_offset)
        return address

    def _unique(self, name: str) -> str:
        taken = {b.name for b in self._buffers}
        if name not in taken:
            return name
        return next(f"{name}.{i}" for i in range(2, len(taken) + 3) if f"{name}.{i}" not in taken)

    # -- fabric -----------------------------------------------------------------------------------

    def color(self, name: str) -> Color:
        """A new colour; the wafer's limit is checked when the program meets a wafer."""
        made = Color(name if name not in {c.name for c in self._colors} else f"{name}.{len(self._colors)}",
                     len(self._colors))
        self._colors.append(made)
        return made

    def route(self, color: Color, region: Region, route: Route) -> None:
        """Sets a colour's route on every router of a region."""
        if region:
            self._routes.append(RoutePaint(color, region, route, _caller()))

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
        on_wavelet  colour whose wavelets start it; `argument` is the kind of the register they arrive in
        """
        register = self.argument(f"{name}.wavelet", argument) if argument else None
        made = Task(name, len(self._tasks), on_wavelet, register)
        self._tasks.append(made)
        if start is not False:
            self._entries[made] = self.grid if start is True else start
        if blocked is not False:
            self._blocked[made] = self.grid if blocked is True else blocked
        return made

    def on(self, region: Region, task: Task) -> Code:
        """Where instructions of `task` for the PEs of `region` are written."""
        return Code(self, task, region)

    def main(self, region: Region | None = None) -> Code:
        """Code of the task `main`, which the host launches on every PE."""
        task = next((t for t in self._tasks if t.name == "main"), None) or self.task("main", start=True)
        return Code(self, task, self.grid if region is None else region)

    def argument(self, name: str, kind: Kind) -> Register:
        """A register that the host sets at launch on every PE, and that tasks share."""
        if self._next_register != len(self._arguments):
            raise ProgramError(f"argument {name!r}: declare arguments before the first instruction")
        register = Register(self._next_register, kind, Code(self, Task("arguments", -1), self.grid))
        self._arguments[name] = register
        self._next_register += 1
        self._most_registers = max(self._most_registers, self._next_register)
        return register

    @contextmanager
    def section(self, name: str) -> Iterator[None]:
        """Names what is emitted inside, for the report's breakdown."""
        outer = self._section
        full = name if outer == 0 else f"{self._sections[outer]}/{name}"
        if full not in self._sections:
            self._sections.append(full)
        self._section = self._sections.index(full)
        yield
        self._section = outer

    def finish(self) -> Program:
        """The program, immutable from here on."""
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
        )

    # -- for Code ---------------------------------------------------------------------------------

    def append(self, task: Task, region: Region, instruction: Instruction) -> None:
        if region:
            self._placed.append(Placed(task, region, instruction, self._section, _caller()))

    def new_register(self, kind: Kind, code: Code) -> Register:
        if self._next_register >= REGISTERS:
            raise ProgramError(f"more than {REGISTERS} registers live at {_caller()}: use `with code.scope():` to free some")
        self._next_register += 1
        self._most_registers = max(self._most_registers, self._next_register)
        return Register(self._next_register - 1, kind, code)

    @contextmanager
    def register_scope(self) -> Iterator[None]:
        first = self._next_register
        yield
        self._next_register = first


def _aligned(address: int, bank_offset: int) -> int:
    """Smallest address of that bank offset not below `address`."""
    return address + (bank_offset - address) % ALIGNMENT


def _initial_values(buffer: Buffer, init: np.ndarray | float) -> np.ndarray:
    shape = (buffer.region.height, buffer.region.width, buffer.length)
    values = np.asarray(init, dtype=buffer.dtype.numpy)
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
    return f"{Path(frame.f_code.co_filename).name}:{frame.f_lineno}"


_CONTEXTLIB = str(Path(contextmanager.__code__.co_filename))
