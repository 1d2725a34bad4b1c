"""`Program`: everything a rectangle of PEs needs to run, immutable, stored once per role."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from html import escape
from itertools import pairwise
from typing import TypeVar

import numpy as np

from wse_sim.hardware.geometry import Direction, Region, Route
from wse_sim.program.fabric import Color, RoutePaint
from wse_sim.program.host import Filter, HostStream
from wse_sim.program.instruction import Instruction, Reroute, Task, Vector
from wse_sim.program.layout import Border, Layout, lay_out
from wse_sim.program.memory import Buffer
from wse_sim.program.register import Register

T = TypeVar("T")


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
    streams    words from the host
    filters    which of a colour's wavelets PEs take
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
    streams: tuple[HostStream, ...] = ()
    filters: tuple[Filter, ...] = ()

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

    def stream(self, name: str) -> HostStream:
        """The host stream of that name."""
        for candidate in self.streams:
            if candidate.name == name:
                return candidate
        known = ", ".join(s.name for s in self.streams) or "none"
        raise KeyError(f"no host stream {name!r} in program {self.name!r}: it has {known}")

    # -- roles ------------------------------------------------------------------------------------

    @cached_property
    def regions(self) -> tuple[Region, ...]:
        """Every distinct region of the program."""
        named = {id(p.region): p.region for p in self.placed}  # most are one object per region
        routes = (r.region for r in self.routes)
        every = [*(b.region for b in self.buffers), *routes, *named.values(), *self.entries.values()]
        outside = [*(stream.region for stream in self.streams), *(made.region for made in self.filters)]
        return tuple(dict.fromkeys([*every, *self.blocked.values(), *outside]))

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

    @property
    def inside(self) -> np.ndarray:
        """Whether each role's PEs are in each of `regions`, (roles, regions) bool."""
        return self._layout.inside

    def covers(self, role: Role, region: Region) -> bool:
        """True if the role's PEs are in the region, one of the program's."""
        return role.example in region

    def neighbours(self, direction: Direction) -> tuple[Border, ...]:
        """Which roles lie behind a port of which roles, each pair once."""
        return self._layout.borders[direction]

    def regions_of(self, role: Role) -> tuple[int, ...]:
        """Indices into `regions` of those that cover the role."""
        return tuple(np.flatnonzero(self.inside[role.index]).tolist())

    @cached_property
    def _region_index(self) -> dict[int, int]:
        """Index of a region of the program by the identity of any object that names it."""
        index = {region: i for i, region in enumerate(self.regions)}
        owners: list[RoutePaint | Placed | Buffer] = [*self.routes, *self.placed, *self.buffers]
        distinct = {id(owner.region): owner.region for owner in owners}
        return {key: index[region] for key, region in distinct.items()}

    def regions_of_each(self, owners: Sequence[RoutePaint | Placed | Buffer]) -> np.ndarray:
        """Index into `regions` of each route, instruction or buffer of the program, int64."""
        return np.array([self._region_index[id(owner.region)] for owner in owners], np.int64)

    @cached_property
    def _codes(self) -> tuple[np.ndarray, np.ndarray]:
        """Index of the region and id of the task of each instruction."""
        return self.regions_of_each(self.placed), np.array([p.task.id for p in self.placed], np.int64)

    def code(self, role: Role, task: Task) -> Iterator[Placed]:
        """What a PE of the role runs in a task, in order."""
        region_of, task_of = self._codes
        here = self.inside[role.index][region_of] & (task_of == task.id)
        return (self.placed[i] for i in np.flatnonzero(here).tolist())

    # -- fabric and queues of a role --------------------------------------------------------------

    @cached_property
    def _paints(self) -> tuple[tuple[RoutePaint, ...], ...]:
        """Routes painted on the routers of each role, in the order of painting."""
        return _chosen(self.routes, self.inside[:, self.regions_of_each(self.routes)])

    @cached_property
    def _reroutes(self) -> tuple[tuple[Placed, ...], ...]:
        """Instructions of each role that rewrite routes."""
        found = [placed for placed in self.placed if isinstance(placed.instruction, Reroute)]
        return _chosen(found, self.inside[:, self.regions_of_each(found)])

    def paints_of(self, role: Role) -> tuple[RoutePaint, ...]:
        """Routes painted on the role's routers, in the order of painting."""
        return self._paints[role.index]

    def reroutes_of(self, role: Role) -> tuple[Placed, ...]:
        """Instructions of the role that rewrite routes."""
        return self._reroutes[role.index]

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

    @cached_property
    def sram_sizes(self) -> np.ndarray:
        """Bytes from the start of the data area to the end of the last buffer on each role's PEs, (roles,) int64."""
        ends = np.array([b.end for b in self.buffers], np.int64)
        held = self.inside[:, self.regions_of_each(self.buffers)]
        sizes: np.ndarray = np.where(held, ends, 0).max(axis=1, initial=0)
        return sizes

    def sram_bytes(self, role: Role) -> int:
        """The role's entry of `sram_sizes`."""
        return int(self.sram_sizes[role.index])

    # -- identity ---------------------------------------------------------------------------------

    @cached_property
    def hash(self) -> str:
        """First 16 hex digits of the SHA-256 of the listing, of the initial values and of the filters."""
        from wse_sim.program.listing import listing

        digest = hashlib.sha256(listing(self).encode())
        for buffer in self.buffers:
            if buffer in self.initial:
                digest.update(np.ascontiguousarray(self.initial[buffer]).tobytes())
        for made in self.filters:
            digest.update(np.ascontiguousarray(made.first).tobytes())
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


def _chosen(things: Sequence[T], of_role: np.ndarray) -> tuple[tuple[T, ...], ...]:
    """The things that each row of a (roles, things) table marks."""
    _, index = np.nonzero(of_role)
    ends = np.cumsum(of_role.sum(axis=1)).tolist()
    marked = [things[i] for i in index.tolist()]
    return tuple(tuple(marked[a:b]) for a, b in pairwise([0, *ends]))
