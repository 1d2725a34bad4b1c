"""A small grid in plain Python, every PE in every cycle: what SEMANTICS.md says, without any hurry.

Imports data from `wse_sim.program` and `wse_sim.hardware`, and nothing from `wse_sim.engine`.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from naive.arithmetic import Value
from naive.core import Core, Fabric
from naive.fifo import Fifo
from naive.host import make_channels
from naive.router import Filter, Key, Router

from wse_sim.errors import RunError
from wse_sim.hardware import RAMP, Direction, Route, State, Wafer
from wse_sim.program.fabric import Color
from wse_sim.program.instruction import Instruction, Reroute, Task, Vector
from wse_sim.program.memory import Buffer
from wse_sim.program.program import Program

Pe = tuple[int, int]
Array = npt.NDArray[np.generic]


class NaiveMachine:
    """A program loaded on a wafer. PEs are listed row after row."""

    def __init__(self, program: Program, wafer: Wafer, start_cycle: int = 0) -> None:
        self.program = program
        self.wafer = wafer
        self.now = start_cycle
        self.finish: list[int] = []  # of each PE in the last launch, from its start
        self.pes: list[Pe] = list(program.grid)
        self.routers = {pe: self._router(pe) for pe in self.pes}
        self.inputs = {pe: self._input_queues(pe) for pe in self.pes}
        self.hosted = {stream.color for stream in program.streams}
        self.cores = {pe: self._core(pe) for pe in self.pes}
        self.channels, self.entries = make_channels(program, wafer, lambda pe, *key: self.routers[pe].buffers[key])
        for buffer, values in program.initial.items():
            self._fill(buffer, values)

    # -- the host's side --------------------------------------------------------------------------

    def write(self, name: str, array: npt.ArrayLike) -> None:
        """Fills a buffer with (height, width, length) values of its region."""
        buffer = self.program.buffer(name)
        self._fill(buffer, np.asarray(array, buffer.dtype.numpy))

    def read(self, name: str) -> Array:
        """A buffer's (height, width, length) values."""
        buffer = self.program.buffer(name)
        region = buffer.region
        found = np.zeros((region.height, region.width, buffer.length), buffer.dtype.numpy)
        for i, (x, y) in enumerate(region):
            data = self.cores[x, y].memory.bytes[buffer.address : buffer.end]
            found[i // region.width, i % region.width] = np.frombuffer(bytes(data), buffer.dtype.numpy)
        return found

    def stream(self, name: str, values: npt.ArrayLike, *, times: int = 1) -> None:
        """What the host sends in the next launch, (entries or 1, n), so many times."""
        array = np.asarray(values)
        entries = self.entries[name]
        for entry, row in zip(entries, np.broadcast_to(array, (len(entries), array.shape[1])), strict=True):
            raw = row.tobytes()
            raw += bytes(-len(raw) % 4)
            entry.words = [int.from_bytes(raw[i : i + 4], "little") for i in range(0, len(raw), 4)] * times

    def launch(self, arguments: Mapping[str, Value] | None = None, max_cycles: int = 1_000_000) -> int:
        """Runs until nothing can happen any more; returns the cycles from the launch to the last end."""
        start = self.now
        for core in self.cores.values():
            core.finish = start
            for name, value in (arguments or {}).items():
                core.registers.set(self.program.arguments[name], value)
        for task, region in self.program.entries.items():
            for pe in region:
                self.cores[pe].activate(task)
        for channel in self.channels:
            channel.begin()
        while self._step():
            if self.now - start > max_cycles:
                raise RunError(f"no end after {max_cycles} cycles")
        self._check_ended()
        passed = max(router.last_filtered for router in self.routers.values()) + 1
        length = max(passed, *(core.finish for core in self.cores.values())) - start
        for core in self.cores.values():
            core.states[State.IDLE] -= (self.now - start) - length
        self.now = start + length
        self.finish = [self.cores[pe].finish - start for pe in self.pes]
        return length

    # -- counts -----------------------------------------------------------------------------------

    @property
    def states(self) -> list[list[int]]:
        """Cycles of each PE by `State`."""
        return [self.cores[pe].states for pe in self.pes]

    @property
    def fifos(self) -> dict[tuple[int, int, str, str], Fifo]:
        """Every queue by (x, y, colour, port); the input queue's port is called QUEUE."""
        found = {}
        for x, y in self.pes:
            for (color, port), fifo in self.routers[x, y].buffers.items():
                found[x, y, color.name, port.name] = fifo
            for color, fifo in self.inputs[x, y].items():
                found[x, y, color.name, "QUEUE"] = fifo
        return found

    @property
    def pops(self) -> dict[tuple[int, int, str, str], int]:
        return {key: fifo.pops for key, fifo in self.fifos.items()}

    @property
    def blocked(self) -> dict[tuple[int, int, str, str], int]:
        return {key: fifo.blocked for key, fifo in self.fifos.items()}

    # -- a cycle ----------------------------------------------------------------------------------

    def _step(self) -> bool:
        """All routers, then all cores; false if nothing can happen any more."""
        now = self.now
        poured = [channel.step(now) for channel in self.channels]
        moved = any(poured)
        for pe in self.pes:
            if self.routers[pe].step(now, lambda color, port, pe=pe: self._target(pe, color, port)):
                moved = True
        for pe in self.pes:
            self.cores[pe].step(now)
        self.now += 1
        stuck = all(core.stuck for core in self.cores.values())
        return moved or not stuck or any(fifo.in_flight(now) for fifo in self._queues())

    def _target(self, pe: Pe, color: Color, port: Direction) -> Fifo:
        if port is RAMP:
            return self.inputs[pe][color]
        neighbour = (pe[0] + port.dx, pe[1] + port.dy)
        return self.routers[neighbour].buffers[color, port.opposite]

    def _queues(self) -> list[Fifo]:
        return [f for pe in self.pes for f in (*self.routers[pe].buffers.values(), *self.inputs[pe].values())]

    def _reroute(self, pe: Pe, color: Color, route: Route) -> None:
        router = self.routers[pe]
        if router.buffers[color, router.routes[color].input].words:
            raise RunError(f"PE {pe} reroutes {color!r} while wavelets wait on the old input")
        router.routes[color] = route

    def _check_ended(self) -> None:
        """Raises RunError on a deadlock."""
        for pe, core in self.cores.items():
            if not core.idle:
                raise RunError(f"deadlock: PE {pe} has an operation that does not end")
            if core.active:
                raise RunError(f"deadlock: PE {pe} has active tasks {core.active}")
        for name, entries in self.entries.items():
            if any(entry.words for entry in entries):
                raise RunError(f"deadlock: host stream {name} has words left")
        for key, fifo in self.fifos.items():
            if fifo.words:
                raise RunError(f"deadlock: {key} holds {len(fifo.words)} words")

    # -- loading ----------------------------------------------------------------------------------

    def _routes(self, pe: Pe) -> dict[Color, list[Route]]:
        """Every route that each colour ever has on a PE, the first one first."""
        found: dict[Color, list[Route]] = {}
        for paint in self.program.routes:
            if pe in paint.region:
                found.setdefault(paint.color, []).append(paint.route)
        for placed in self.program.placed:
            if pe in placed.region and isinstance(placed.instruction, Reroute):
                found.setdefault(placed.instruction.color, []).append(placed.instruction.route)
        return dict(sorted(found.items(), key=lambda item: item[0].id))

    def _router(self, pe: Pe) -> Router:
        routes = self._routes(pe)
        wafer = self.wafer
        buffers: dict[Key, Fifo] = {}
        output_queues = 0
        for color, variants in routes.items():
            for port in sorted({route.input for route in variants}):
                if port is RAMP:
                    depth = wafer.output_queue_depths[output_queues]
                    buffers[color, port] = Fifo(wafer.ramp_out_cycles, depth)
                    output_queues += 1
                else:
                    buffers[color, port] = Fifo(self._link(pe, port), wafer.router_buffer)
        return Router({color: variants[0] for color, variants in routes.items()}, buffers, self._filters(pe))

    def _filters(self, pe: Pe) -> dict[Color, Filter]:
        found = {}
        for made in self.program.filters:
            if pe in made.region:
                place = list(made.region).index(pe)
                found[made.color] = Filter(made.keep, made.of, int(made.first.flat[place]))
        return found

    def _link(self, pe: Pe, port: Direction) -> int:
        """Latency of the link that comes in by a port."""
        wafer, (x, y) = self.wafer, pe
        if (x + port.dx, y + port.dy) not in self.program.grid:
            return wafer.hop_cycles  # from the host
        columns, rows = {x, x + port.dx}, {y, y + port.dy}
        along_x = len(columns) > 1
        first = max(columns) if along_x else max(rows)
        on_its_side = self.program.width > wafer.width or self.program.height > wafer.height
        edges = wafer.die_columns if along_x != on_its_side else wafer.die_rows
        return wafer.hop_cycles + (wafer.die_crossing_cycles if first in edges else 0)

    def _input_queues(self, pe: Pe) -> dict[Color, Fifo]:
        wafer = self.wafer
        arriving = [c for c, variants in self._routes(pe).items() if any(RAMP in r.outputs for r in variants)]
        return {
            color: Fifo(wafer.ramp_in_cycles, wafer.input_queue_depths[i]) for i, color in enumerate(arriving)
        }

    def _core(self, pe: Pe) -> Core:
        program = self.program
        code: dict[Task, list[Instruction]] = {}
        for placed in program.placed:
            if pe in placed.region:
                code.setdefault(placed.task, []).append(placed.instruction)
        used = [i.slot for instructions in code.values() for i in instructions if isinstance(i, Vector)]
        slots = max((slot + 1 for slot in used if slot is not None), default=0)
        sram = max((b.end for b in program.buffers if pe in b.region), default=0)
        buffers = self.routers[pe].buffers
        outputs = {color: fifo for (color, port), fifo in buffers.items() if port is RAMP}
        fabric = Fabric(self.inputs[pe], outputs, lambda color, route: self._reroute(pe, color, route), self.hosted)
        core = Core(code, program.registers, sram, slots, fabric, self.wafer)
        core.blocked = {task for task, region in program.blocked.items() if pe in region}
        return core

    def _fill(self, buffer: Buffer, values: Array) -> None:
        shape = (buffer.region.height, buffer.region.width, buffer.length)
        assert values.shape == shape, f"{buffer!r}: {values.shape} is not {shape}"
        for i, (x, y) in enumerate(buffer.region):
            row = np.ascontiguousarray(values[i // shape[1], i % shape[1]], buffer.dtype.numpy)
            self.cores[x, y].memory.bytes[buffer.address : buffer.end] = row.tobytes()
