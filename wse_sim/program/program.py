"""`Program`: everything a rectangle of PEs needs to run, immutable, stored once per role."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from html import escape

import numpy as np

from wse_sim.hardware.geometry import Direction, Region, Route
from wse_sim.program.fabric import Color, RoutePaint
from wse_sim.program.instruction import Instruction, Reroute, Task, Vector
from wse_sim.program.layout import Border, Layout, lay_out
from wse_sim.program.memory import Buffer
from wse_sim.program.register import Register


@dataclass(frozen=True, eq=False)
class Placed:
    """An instruction, the PEs that run it, and where it was written."""

    task: Task
    region: Region
    instruction: Instruction
    section: int
    where: str


@dataclass(frozen=True)
class Role:
    """PEs that the same regions cover: they share code, buffers, queues and routes."""

    index: int
    example: tuple[int, int]
    count: int


@dataclass(frozen=True, eq=False)
class Program:
    """Buffers, colours, routes, tasks and code of every PE of `grid`.

    initial    values of buffers at load time, (height, width, length) of the buffer's region
    entries    tasks that a launch activates, and where
    arguments  registers that a launch sets on every PE
    sections   names of the parts that instructions belong to; 0 is the whole program
    placed     every instruction with its region, in the order of emission
    registers  most registers live at once
    released   buffers whose room later ones may reuse
    """

    name: str
    grid: Region
    buffers: tuple[Buffer, ...]
    initial: dict[Buffer, np.ndarray]
    colors: tuple[Color, ...]
    routes: tuple[RoutePaint, ...]
    tasks: tuple[Task, ...]
    entries: dict[Task, Region]
    blocked: dict[Task, Region]
    arguments: dict[str, Register]
    sections: tuple[str, ...]
    placed: tuple[Placed, ...]
    registers: int
    released: frozenset[Buffer] = frozenset()

    @property
    def width(self) -> int:
        """Columns."""
        return self.grid.width

    @property
    def height(self) -> int:
        """Rows."""
        return self.grid.height

    def buffer(self, name: str) -> Buffer:
        """The buffer of that name."""
        for candidate in self.buffers:
            if candidate.name == name:
                return candidate
        known = ", ".join(b.name for b in self.buffers)
        raise KeyError(f"no buffer {name!r} in program {self.name!r}: it has {known}")

    # -- roles ------------------------------------------------------------------------------------

    @cached_property
    def regions(self) -> tuple[Region, ...]:
        """Every distinct region of the program."""
        named = {id(p.region): p.region for p in self.placed}  # most are one object per region
        routes = (r.region for r in self.routes)
        every = [*(b.region for b in self.buffers), *routes, *named.values(), *self.entries.values()]
        return tuple(dict.fromkeys([*every, *self.blocked.values()]))

    @cached_property
    def _layout(self) -> Layout:
        return lay_out(self.grid, self.regions)

    @property
    def role_map(self) -> np.ndarray:
        """Role index of each PE, (height, width) int32."""
        return self._layout.role_map

    @cached_property
    def roles(self) -> tuple[Role, ...]:
        """Every role with its first PE in row-major order and its number of PEs; in the order of these PEs."""
        pairs = zip(self._layout.examples, self._layout.counts, strict=True)
        return tuple(Role(i, example, count) for i, (example, count) in enumerate(pairs))

    def covers(self, role: Role, region: Region) -> bool:
        """True if the role's PEs are in the region, one of the program's."""
        return role.example in region

    def neighbours(self, direction: Direction) -> tuple[Border, ...]:
        """Which roles lie behind a port of which roles, each pair once."""
        return self._layout.borders[direction]

    def regions_of(self, role: Role) -> tuple[int, ...]:
        """Indices into `regions` of those that cover the role."""
        return self._layout.regions_of[role.index]

    @cached_property
    def _region_index(self) -> dict[int, int]:
        """Index of a region of the program by the identity of any object that names it."""
        index = {region: i for i, region in enumerate(self.regions)}
        owners: list[RoutePaint | Placed] = [*self.routes, *self.placed]
        distinct = {id(owner.region): owner.region for owner in owners}
        return {key: index[region] for key, region in distinct.items()}

    @cached_property
    def _codes(self) -> tuple[np.ndarray, np.ndarray]:
        """Index of the region and id of the task of each instruction."""
        regions = [self._region_index[id(p.region)] for p in self.placed]
        return np.array(regions, np.int64), np.array([p.task.id for p in self.placed], np.int64)

    def code(self, role: Role, task: Task) -> Iterator[Placed]:
        """What a PE of the role runs in a task, in order."""
        region_of, task_of = self._codes
        inside = np.zeros(len(self.regions), np.bool_)
        inside[list(self.regions_of(role))] = True
        return (self.placed[i] for i in np.flatnonzero(inside[region_of] & (task_of == task.id)).tolist())

    # -- fabric and queues of a role --------------------------------------------------------------

    @cached_property
    def _paints(self) -> dict[int, list[int]]:
        """Routes painted on each region, by index of both."""
        found: dict[int, list[int]] = {}
        for i, paint in enumerate(self.routes):
            found.setdefault(self._region_index[id(paint.region)], []).append(i)
        return found

    @cached_property
    def _reroutes(self) -> dict[int, list[int]]:
        """Instructions that rewrite routes, by index, on each region."""
        found: dict[int, list[int]] = {}
        for i, placed in enumerate(self.placed):
            if isinstance(placed.instruction, Reroute):
                found.setdefault(self._region_index[id(placed.region)], []).append(i)
        return found

    def paints_of(self, role: Role) -> tuple[RoutePaint, ...]:
        """Routes painted on the role's routers, in the order of painting."""
        return tuple(self.routes[i] for i in sorted(i for r in self.regions_of(role) for i in self._paints.get(r, ())))

    def reroutes_of(self, role: Role) -> tuple[Placed, ...]:
        """Instructions of the role that rewrite routes."""
        found = sorted(i for r in self.regions_of(role) for i in self._reroutes.get(r, ()))
        return tuple(self.placed[i] for i in found)

    @cached_property
    def _role_routes(self) -> tuple[dict[Color, list[Route]], ...]:
        """Routes of each colour, by index of the role."""
        every = []
        for role in self.roles:
            found: dict[Color, list[Route]] = {}
            for paint in self.paints_of(role):
                found.setdefault(paint.color, []).append(paint.route)
            for placed in self.reroutes_of(role):
                if isinstance(placed.instruction, Reroute):
                    found.setdefault(placed.instruction.color, []).append(placed.instruction.route)
            every.append(found)
        return tuple(every)

    def routes_of(self, role: Role) -> dict[Color, list[Route]]:
        """Routes each colour ever has on the role's routers; the first is the one at the start."""
        return self._role_routes[role.index]

    def input_queues(self, role: Role) -> dict[Color, int]:
        """Input queue of each colour whose wavelets reach the role's PEs, numbered by colour."""
        found = {c for c, routes in self.routes_of(role).items() if any(Direction.RAMP in r.outputs for r in routes)}
        return {color: i for i, color in enumerate(sorted(found, key=lambda c: c.id))}

    def output_queues(self, role: Role) -> dict[Color, int]:
        """Output queue of each colour that the role's PEs may send, numbered by colour."""
        found = {c for c, routes in self.routes_of(role).items() if any(r.input is Direction.RAMP for r in routes)}
        return {color: i for i, color in enumerate(sorted(found, key=lambda c: c.id))}

    @cached_property
    def slots(self) -> int:
        """Background slots used: one more than the highest slot named."""
        used = [p.instruction.slot for p in self.placed if isinstance(p.instruction, Vector)]
        return max((s + 1 for s in used if s is not None), default=0)

    def sram_bytes(self, role: Role) -> int:
        """Bytes from the start of the data area to the end of the last buffer on the role's PEs."""
        return max((b.end for b in self.buffers if self.covers(role, b.region)), default=0)

    # -- identity ---------------------------------------------------------------------------------

    @cached_property
    def hash(self) -> str:
        """First 16 hex digits of the SHA-256 of the listing and of the initial values."""
        from wse_sim.program.listing import listing

        digest = hashlib.sha256(listing(self).encode())
        for buffer in self.buffers:
            if buffer in self.initial:
                digest.update(np.ascontiguousarray(self.initial[buffer]).tobytes())
        return digest.hexdigest()[:16]

    def listing(self, *, source: bool = False) -> str:
        """The program as readable text; with `source`, each route and instruction with its file:line."""
        from wse_sim.program.listing import listing

        return listing(self, source=source)

    def _repr_html_(self) -> str:
        return (
            f"<b>{escape(self.name)}</b>: {self.width} x {self.height} PEs, {len(self.roles)} roles, "
            f"{len(self.placed)} instructions, {len(self.colors)} colours, {len(self.buffers)} buffers "
            "<small>(<code>print(program.listing())</code> shows them)</small>"
        )
