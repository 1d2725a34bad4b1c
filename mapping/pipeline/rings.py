"""What programs of rings of regions have in common: lanes, colours, and the code of one replica after the other."""

from __future__ import annotations

from abc import ABC, abstractmethod
from functools import cache
from typing import Generic, TypeVar

from wse_sim.kernels.collective.lanes import Lanes
from wse_sim.kernels.collective.member import Palette
from wse_sim.mapping.plan.mapping import Mapping, Part
from wse_sim.mapping.plan.ring import ring_colors, ring_lanes
from wse_sim.mapping.region.stage import Stage
from wse_sim.program.builder import Builder
from wse_sim.program.fabric import Color

R = TypeVar("R")


class Rings(ABC, Generic[R]):
    """A program in which each replica is a ring of regions, or a single one.

    rings      what there is of each replica
    arguments  names of the launch arguments, all integers
    """

    def __init__(self, mapping: Mapping, name: str, arguments: tuple[str, ...]) -> None:
        self.mapping = mapping
        laid = [ring_lanes(mapping, i) for i in range(mapping.replicas)]
        self._build = Builder(*_extent(mapping, laid), name=name)
        self._arguments = {argument: self._build.argument(argument, "int") for argument in arguments}
        self._palette: Palette = cache(self._build.color)
        self.rings: tuple[R, ...] = tuple(
            self._ring(mapping.parts(i), laid[i], [[self._palette(f"handover.{n}") for n in own] for own in numbers])
            for i, numbers in enumerate(ring_colors(mapping))
        )
        for number, ring in enumerate(self.rings):
            with self._build.section(f"replica {number}"):
                self._emit(ring)
        self.program = self._build.finish()

    @abstractmethod
    def _ring(self, parts: tuple[Part, ...], laid: list[Lanes], colors: list[list[Color]]) -> R:
        """Makes what a replica has: lanes and colours of the hand-over of each part to the next."""

    @abstractmethod
    def _emit(self, ring: R) -> None:
        """Its code."""

    def _stages(self, parts: tuple[Part, ...]) -> list[Stage]:
        """The regions, which leave a queue for hand-overs where there are any."""
        return [
            Stage(self._build, self.mapping.layout(part), part.region, color=self._palette, spare=self.mapping.spare)
            for part in parts
        ]


def _extent(mapping: Mapping, laid: list[list[Lanes]]) -> tuple[int, int]:
    """Columns and rows that regions and the lanes between them reach into."""
    ends = [(place.region.xs.stop, place.region.ys.stop) for place in mapping.places]
    ends += [(x + 1, y + 1) for ring in laid for lanes in ring for lane in lanes.lanes for x, y in lane.corners]
    return max(x for x, _ in ends), max(y for _, y in ends)
