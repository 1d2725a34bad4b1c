"""`Program`: everything a rectangle of PEs needs to run, immutable, stored once per role."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from wse_sim.hardware.geometry import Direction, Region, Route
from wse_sim.program.fabric import Color, RoutePaint
from wse_sim.program.instruction import Instruction, Reroute, Task, Vector
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

    @property
    def width(self) -> int:
        return self.grid.width

    @property
    def height(self) -> int:
        return self.grid.height

    def buffer(self, name: str) -> Buffer:
        for candidate in self.buffers:
            if candidate.name == name:
                return candidate
        known = ", ".join(b.name for b in self.buffers)
        raise KeyError(f"no buffer {name!r} in program {self.name!r}: it has {known}")

    # -- roles ------------------------------------------------------------------------------------

    @cached_property
    def regions(self) -> tuple[Region, ...]:
        """Every distinct region of the program."""
        named = [*(b.region for b in self.buffers), *(r.region for r in self.routes), *(p.region for p in self.placed)]
        return tuple(dict.fromkeys([*named, *self.entries.values(), *self.blocked.values()]))

    @cached_property
    def _classes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Class of each column, class of each row, role of each pair of classes (-1: no PE)."""
        in_x = np.zeros((self.width, len(self.regions)), np.bool_)
        in_y = np.zeros((self.height, len(self.regions)), np.bool_)
        for i, region in enumerate(self.regions):
            in_x[np.asarray(region.xs, np.int64), i] = True
            in_y[np.asarray(region.ys, np.int64), i] = True
        x_kinds, x_class = np.unique(in_x, axis=0, return_inverse=True)
        y_kinds, y_class = np.unique(in_y, axis=0, return_inverse=True)
        members = x_kinds[None, :, :] & y_kinds[:, None, :]
        flat = members.reshape(-1, len(self.regions))
        _, role = np.unique(flat, axis=0, return_inverse=True)
        return x_class.ravel(), y_class.ravel(), role.reshape(len(y_kinds), len(x_kinds))

    @cached_property
    def role_map(self) -> np.ndarray:
        """Role index of each PE, (height, width) int32."""
        x_class, y_class, role = self._classes
        return role[y_class][:, x_class].astype(np.int32)

    @cached_property
    def roles(self) -> tuple[Role, ...]:
        """Every role with its first PE in row-major order and its number of PEs."""
        kinds, first, count = np.unique(self.role_map, return_index=True, return_counts=True)
        return tuple(
            Role(int(kind), (int(at % self.width), int(at // self.width)), int(n))
            for kind, at, n in zip(kinds, first, count, strict=True)
        )

    def covers(self, role: Role, region: Region) -> bool:
        return role.example in region

    def code(self, role: Role, task: Task) -> Iterator[Placed]:
        """What a PE of the role runs in a task, in order."""
        inside = {region for region in self.regions if self.covers(role, region)}
        return (p for p in self.placed if p.task is task and p.region in inside)

    # -- fabric and queues of a role --------------------------------------------------------------

    def routes_of(self, role: Role) -> dict[Color, list[Route]]:
        """Routes each colour ever has on the role's routers; the first is the one at the start."""
        found: dict[Color, list[Route]] = {}
        for paint in self.routes:
            if self.covers(role, paint.region):
                found.setdefault(paint.color, []).append(paint.route)
        for placed in self._role_code(role):
            if isinstance(placed.instruction, Reroute):
                found.setdefault(placed.instruction.color, []).append(placed.instruction.route)
        return found

    def input_queues(self, role: Role) -> dict[Color, int]:
        """Input queue of each colour whose wavelets reach the role's PEs, numbered by colour."""
        found = {c for c, routes in self.routes_of(role).items() if any(Direction.RAMP in r.outputs for r in routes)}
        return {color: i for i, color in enumerate(sorted(found, key=lambda c: c.id))}

    def output_queues(self, role: Role) -> dict[Color, int]:
        """Output queue of each colour that the role's PEs may send, numbered by colour."""
        found = {c for c, routes in self.routes_of(role).items() if any(r.input is Direction.RAMP for r in routes)}
        return {color: i for i, color in enumerate(sorted(found, key=lambda c: c.id))}

    def _role_code(self, role: Role) -> Iterator[Placed]:
        inside = {region for region in self.regions if self.covers(role, region)}
        return (p for p in self.placed if p.region in inside)

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

    def listing(self) -> str:
        """The program as readable text."""
        from wse_sim.program.listing import listing

        return listing(self)

    def _repr_html_(self) -> str:
        return (
            f"<b>{self.name}</b>: {self.width} x {self.height} PEs, {len(self.roles)} roles, "
            f"{len(self.placed)} instructions, {len(self.colors)} colours, {len(self.buffers)} buffers"
        )
