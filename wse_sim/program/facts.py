"""What the rules of a program ask for, worked out once per region and per role."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from typing import TypeVar

from wse_sim.errors import WseError
from wse_sim.hardware.geometry import Route
from wse_sim.hardware.wafer import Wafer
from wse_sim.program.fabric import Color
from wse_sim.program.instruction import Change, Done, Reroute, Task, TaskChange, Vector, receives, sends
from wse_sim.program.program import Placed, Program, Role

E = TypeVar("E", bound=WseError)
K = TypeVar("K", Color, Task)


@dataclass(frozen=True, eq=False)
class Deeds:
    """What the code of a region, or of a role, does; each with the first instruction that does it.

    receives  colours whose wavelets operations read
    sends     colours that operations send on
    code      tasks that have code
    starts    tasks that are activated
    frees     tasks that are unblocked
    """

    receives: dict[Color, Placed] = field(default_factory=dict)
    sends: dict[Color, Placed] = field(default_factory=dict)
    code: dict[Task, Placed] = field(default_factory=dict)
    starts: dict[Task, Placed] = field(default_factory=dict)
    frees: dict[Task, Placed] = field(default_factory=dict)

    def add(self, placed: Placed) -> None:
        """Notes what an instruction does."""
        self.code.setdefault(placed.task, placed)
        instruction = placed.instruction
        for color in receives(instruction):
            self.receives.setdefault(color, placed)
        sent = sends(instruction)
        if sent is not None:
            self.sends.setdefault(sent, placed)
        if isinstance(instruction, Vector) and instruction.then is not None:
            if instruction.then.done is Done.ACTIVATE:
                self.starts.setdefault(instruction.then.task, placed)
            elif instruction.then.done is Done.UNBLOCK:
                self.frees.setdefault(instruction.then.task, placed)
        elif isinstance(instruction, TaskChange) and instruction.change is not Change.BLOCK:
            found = self.starts if instruction.change is Change.ACTIVATE else self.frees
            found.setdefault(instruction.task, placed)

    def join(self, other: Deeds) -> None:
        """Adds what another region does."""
        _fill(self.receives, other.receives)
        _fill(self.sends, other.sends)
        _fill(self.code, other.code)
        _fill(self.starts, other.starts)
        _fill(self.frees, other.frees)


def _fill(mine: dict[K, Placed], theirs: dict[K, Placed]) -> None:
    for key, placed in theirs.items():
        mine.setdefault(key, placed)


@dataclass(frozen=True)
class RouteAt:
    """A route that a colour has on some PEs at some time, and where it was written."""

    color: Color
    route: Route
    where: str


@dataclass(frozen=True, eq=False)
class Facts:
    """A program, the wafer it is to run on, and what the rules want to know about the two."""

    program: Program
    wafer: Wafer

    @cached_property
    def vectors(self) -> tuple[tuple[Placed, Vector], ...]:
        """Vector operations."""
        return tuple((p, p.instruction) for p in self.program.placed if isinstance(p.instruction, Vector))

    @cached_property
    def everywhere(self) -> Deeds:
        """What any PE does."""
        found = Deeds()
        for deeds in self._by_region.values():
            found.join(deeds)
        return found

    @cached_property
    def by_role(self) -> tuple[Deeds, ...]:
        """What the PEs of each role do."""
        return tuple(self._of_role(role) for role in self.program.roles)

    @cached_property
    def _by_region(self) -> dict[int, Deeds]:
        """By index of the region."""
        index = {region: i for i, region in enumerate(self.program.regions)}
        by_object: dict[int, Deeds] = {}
        found: dict[int, Deeds] = {}
        for placed in self.program.placed:
            key = id(placed.region)
            if key not in by_object:
                by_object[key] = found.setdefault(index[placed.region], Deeds())
            by_object[key].add(placed)
        return found

    def _of_role(self, role: Role) -> Deeds:
        found = Deeds()
        for region in self.program.regions_of(role):
            if region in self._by_region:
                found.join(self._by_region[region])
        return found

    @cached_property
    def routes(self) -> tuple[tuple[RouteAt, ...], ...]:
        """Routes that each role's routers ever have."""
        return tuple(tuple(self._routes_of(role)) for role in self.program.roles)

    def _routes_of(self, role: Role) -> Iterator[RouteAt]:
        for paint in self.program.paints_of(role):
            yield RouteAt(paint.color, paint.route, f"painted at {paint.where}")
        for placed in self.program.reroutes_of(role):
            if isinstance(placed.instruction, Reroute):
                color, route = placed.instruction.color, placed.instruction.route
                yield RouteAt(color, route, f"rerouted at {placed.where}")

    # -- words ------------------------------------------------------------------------------------

    def pes(self, role: Role) -> str:
        """The role's first PE, and how many more there are."""
        return pe_text(role.example) + (f" and {role.count - 1} more" if role.count > 1 else "")


def pe_text(pe: tuple[int, int]) -> str:
    """A PE, as in messages."""
    return f"PE ({pe[0]}, {pe[1]})"


def at(placed: Placed) -> str:
    """Where an instruction was written, and where it runs."""
    return f"at {placed.where}, task {placed.task!r}, PEs {placed.region!r}"


def problem(kind: type[E], what: str, where: str, *, expected: str, advice: str) -> E:
    """An error in the one form that messages have."""
    return kind(f"{what}, {where}; expected {expected}; {advice}")
