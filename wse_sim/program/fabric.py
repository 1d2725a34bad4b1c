"""Colours: the names of the fabric's virtual channels, and streams of wavelets on them."""

from __future__ import annotations

from dataclasses import dataclass

from wse_sim.hardware.geometry import Region, Route


@dataclass(frozen=True)
class Color:
    """A virtual channel of the fabric. As `to` of an operation it is an output stream, as `a` or `b` an input."""

    name: str
    id: int

    def __repr__(self) -> str:
        return self.name


@dataclass(frozen=True)
class RoutePaint:
    """A colour's route on every router of a region, from the start of the program."""

    color: Color
    region: Region
    route: Route
    where: str
