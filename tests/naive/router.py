"""A router: buffers asked in turn, each moving at most one wavelet per cycle."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from naive.fifo import Fifo

from wse_sim.hardware import RAMP, Direction, Route
from wse_sim.program.fabric import Color

Key = tuple[Color, Direction]
Targets = Callable[[Color, Direction], Fifo]
"""The queue behind an output port: the neighbour's buffer, or for RAMP the core's input queue."""


@dataclass
class Filter:
    """`keep` of every `of` wavelets go to the ramp, from the one numbered `first` on."""

    keep: int
    of: int
    first: int
    seen: int = 0

    def takes_next(self) -> bool:
        return (self.seen - self.first) % self.of < self.keep


class Router:
    """Buffers by (colour, input port), the current route of each colour, and filters before the ramp.

    last_filtered  cycle in which a filtered colour last moved
    """

    def __init__(self, routes: dict[Color, Route], buffers: dict[Key, Fifo], filters: dict[Color, Filter]) -> None:
        self.routes = routes
        self.buffers = buffers
        self.filters = filters
        self.last_filtered = -1
        self.order = sorted(buffers, key=lambda key: (key[0].id, key[1]))
        self.turn = 0

    def step(self, now: int, target: Targets) -> bool:
        """One cycle; true if anything moved."""
        used: set[Direction] = set()
        moved = [index for index in self._asked() if self._try(self.order[index], now, target, used)]
        if moved:
            self.turn = (moved[0] + 1) % len(self.order)
        return bool(moved)

    def _asked(self) -> list[int]:
        count = len(self.order)
        return [(self.turn + i) % count for i in range(count)]

    def _try(self, key: Key, now: int, target: Targets, used: set[Direction]) -> bool:
        """Moves the head of a buffer if it can; `used` are the outputs taken in this cycle."""
        color, port = key
        route = self.routes[color]
        buffer = self.buffers[key]
        if route.input is not port or not buffer.has_head(now):
            return False
        outputs = self._outputs(color, route)
        if any(output in used for output in outputs):
            return False
        if port is RAMP and self._ramp_moved(now, color):
            return False
        targets = [target(color, output) for output in outputs]
        if not all(fifo.has_room(now) for fifo in targets):
            return False
        word = buffer.pop(now)
        for fifo in targets:
            fifo.push(now, word)
        used.update(outputs)
        if color in self.filters:
            self.filters[color].seen += 1
            self.last_filtered = now
        return True

    def _outputs(self, color: Color, route: Route) -> list[Direction]:
        """Where the next wavelet goes."""
        kept = color not in self.filters or self.filters[color].takes_next()
        return [output for output in route.outputs if kept or output is not RAMP]

    def _ramp_moved(self, now: int, color: Color) -> bool:
        """True if another colour has left the ramp in this cycle."""
        ramps = [fifo for (c, port), fifo in self.buffers.items() if port is RAMP and c != color]
        return any(fifo.last_pop == now for fifo in ramps)
