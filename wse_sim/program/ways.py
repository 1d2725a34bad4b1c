"""The ways of one colour's wavelets over the grid."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import numpy.typing as npt

from wse_sim.hardware.geometry import Direction
from wse_sim.program.fabric import Color
from wse_sim.program.layout import LINKS
from wse_sim.program.program import Program

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


class Ways:
    """The routes of one colour, by role."""

    def __init__(self, program: Program, color: Color) -> None:
        self.program = program
        self.routes = [program.routes_of(role).get(color, []) for role in program.roles]
        self.fixed = [found[0] if found and found.count(found[0]) == len(found) else None for found in self.routes]

    # -- from senders on --------------------------------------------------------------------------

    def reached_roles(self, senders: Iterable[int]) -> set[int]:
        """Roles that wavelets may reach; more than that where PEs of a role differ in their surroundings."""
        onward: dict[int, set[int]] = {}
        for link in LINKS:
            for border in self.program.neighbours(link):
                if self._passes(border.role, link, border.neighbour):
                    onward.setdefault(border.role, set()).add(border.neighbour)
        reached = set(senders)
        front = list(reached)
        while front:
            new = onward.get(front.pop(), set()) - reached
            reached |= new
            front += new
        return reached

    def reached(self, senders: Iterable[int]) -> Bools:
        """PEs that wavelets reach, row after row; of routes that change, all are taken to hold."""
        role = self.program.role_map.ravel()
        found = np.zeros(len(self.routes), np.bool_)
        found[list(senders)] = True
        reached: Bools = found[role]
        gives, takes = self._by_port()
        front = np.flatnonzero(reached)
        while len(front):
            new = []
            for link in LINKS:
                there = front[gives[link][role[front]]] + link.dx + link.dy * self.program.width
                there = there[takes[link.opposite][role[there]] & ~reached[there]]
                reached[there] = True
                new.append(there)
            front = np.concatenate(new)
        return reached

    def _by_port(self) -> tuple[dict[Direction, Bools], dict[Direction, Bools]]:
        """Whether each role sends the colour out of a port, and takes it in there."""
        gives = {d: np.array([any(d in r.outputs for r in found) for found in self.routes]) for d in LINKS}
        takes = {d: np.array([any(r.input is d for r in found) for found in self.routes]) for d in LINKS}
        return gives, takes

    def _passes(self, role: int, link: Direction, neighbour: int) -> bool:
        if neighbour < 0:
            return False
        takes = any(route.input is link.opposite for route in self.routes[neighbour])
        return takes and any(link in route.outputs for route in self.routes[role])

    # -- circles ----------------------------------------------------------------------------------

    def circle(self) -> list[tuple[int, int]]:
        """PEs of a circle that routes form at the start; none if there is none. PEs that reroute are left out.

        A circle makes as many hops east as west, and north as south. So it needs both of a pair; if it has one pair
        only, it lies in a row or column, and two PEs feed each other; else each PE's feeder is followed back.
        """
        used = {
            link for link in LINKS for b in self.program.neighbours(link) if self._fed(b.role, link, b.neighbour)
        }
        pairs = [pair for pair in ((LINKS[0], LINKS[2]), (LINKS[1], LINKS[3])) if used.issuperset(pair)]
        if len(pairs) == 2:
            return self._follow()
        for link, back in pairs:
            for border in self.program.neighbours(link):
                if self._fed(border.role, link, border.neighbour) and self._fed(border.neighbour, back, border.role):
                    x, y = border.example
                    return sorted([(x, y), (x + link.dx, y + link.dy)])
        return []

    def _fed(self, role: int, link: Direction, neighbour: int) -> bool:
        """True if a role's router takes the colour through `link` from a neighbour that sends it there."""
        here, there = self.fixed[role], self.fixed[neighbour] if neighbour >= 0 else None
        return here is not None and there is not None and here.input is link and link.opposite in there.outputs

    def _follow(self) -> list[tuple[int, int]]:
        """Follows feeders 1, 2, 4, ... steps back until all have come to a PE without one, or never will."""
        nobody = self.program.width * self.program.height
        feeder = self._feeders()
        ahead = feeder.copy()
        moving = np.flatnonzero(ahead != nobody)
        for _ in range(nobody.bit_length()):
            if not len(moving):
                return []
            ahead[moving] = ahead[ahead[moving]]
            moving = moving[ahead[moving] != nobody]
        if not len(moving):
            return []
        circle = [int(ahead[moving].min())]
        while (before := int(feeder[circle[-1]])) != circle[0]:
            circle.append(before)
        circle.reverse()
        first = circle.index(min(circle))
        return [(pe % self.program.width, pe // self.program.width) for pe in circle[first:] + circle[:first]]

    def _feeders(self) -> Ints:
        """PE that each PE takes the colour from; the number of PEs where there is none, and one entry more."""
        width, height = self.program.width, self.program.height
        role = self.program.role_map
        found = np.full(width * height + 1, width * height, np.int64)
        index = np.arange(width * height).reshape(height, width)
        for link in LINKS:
            takes = np.array([r is not None and r.input is link for r in self.fixed], np.bool_)[role]
            gives = np.array([r is not None and link.opposite in r.outputs for r in self.fixed], np.bool_)[role]
            here, there = _beside(height, width, link), _beside(height, width, link.opposite)
            fed = takes[here] & gives[there]
            found[index[here][fed]] = index[there][fed]
        return found


def _beside(height: int, width: int, link: Direction) -> tuple[slice, slice]:
    """Rows and columns of the PEs that have a neighbour behind a port."""
    rows = slice(max(0, -link.dy), height - max(0, link.dy))
    return rows, slice(max(0, -link.dx), width - max(0, link.dx))
