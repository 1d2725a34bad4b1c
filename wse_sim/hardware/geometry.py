"""Directions, routes and regions of PEs. `x` grows east, `y` grows south."""

from __future__ import annotations

import operator
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from enum import IntEnum

import numpy as np
import numpy.typing as npt

from wse_sim.errors import ProgramError

# -- directions and routes ------------------------------------------------------------------------


class Direction(IntEnum):
    """A port of a router: a neighbour, or the ramp to its own PE.

    `RAMP >> EAST` and `WEST >> (RAMP | EAST)` are routes; an arrow reads input >> outputs.
    """

    EAST = 0
    NORTH = 1
    WEST = 2
    SOUTH = 3
    RAMP = 4

    @property
    def opposite(self) -> Direction:
        """The port of the neighbour that this port faces; the ramp faces itself."""
        return self if self is Direction.RAMP else Direction((self + 2) % 4)

    @property
    def dx(self) -> int:
        """Columns moved by a hop through this port."""
        return (1, 0, -1, 0, 0)[self]

    @property
    def dy(self) -> int:
        """Rows moved by a hop through this port."""
        return (0, -1, 0, 1, 0)[self]

    def __or__(self, other: Direction | Outputs) -> Outputs:  # type: ignore[override]
        return Outputs((self,)) | other

    def __rshift__(self, outputs: Direction | Outputs | Iterable[Direction]) -> Route:  # type: ignore[override]
        return Route(self, _outputs(outputs))

    def __repr__(self) -> str:
        return self.name

    __str__ = __repr__


EAST, NORTH, WEST, SOUTH, RAMP = Direction
_ORDER = (RAMP, EAST, NORTH, WEST, SOUTH)  # the ramp first: what stays here, then what goes on


@dataclass(frozen=True, init=False)
class Outputs:
    """A set of output ports, kept in one order: RAMP, EAST, NORTH, WEST, SOUTH."""

    directions: tuple[Direction, ...]

    def __init__(self, directions: Iterable[Direction] = ()) -> None:
        given = set(directions)
        object.__setattr__(self, "directions", tuple(d for d in _ORDER if d in given))

    def __or__(self, other: Direction | Outputs) -> Outputs:
        return Outputs((*self, *_outputs(other)))

    def __iter__(self) -> Iterator[Direction]:
        return iter(self.directions)

    def __len__(self) -> int:
        return len(self.directions)

    def __contains__(self, direction: object) -> bool:
        return direction in self.directions

    def __repr__(self) -> str:
        return "|".join(map(str, self)) or "nothing"


@dataclass(frozen=True)
class Route:
    """What a router does with the wavelets of one colour: one input port, one or more output ports."""

    input: Direction
    outputs: Outputs

    def __post_init__(self) -> None:
        if not isinstance(self.input, Direction):
            raise ProgramError(f"a route from {self.input!r}: the input must be one of {', '.join(map(str, _ORDER))}")
        if not isinstance(self.outputs, Outputs):
            object.__setattr__(self, "outputs", _outputs(self.outputs))
        if not self.outputs:
            raise ProgramError(f"the route from {self.input} has no output: name one, as in {self.input} >> RAMP")

    @property
    def mask(self) -> int:
        """Outputs as bits: the sum of 1 << code."""
        return sum(1 << d for d in self.outputs)

    def __or__(self, other: Direction | Outputs) -> Route:
        """One more output; `RAMP >> EAST | WEST` reads as it is written, though `>>` binds tighter."""
        return Route(self.input, self.outputs | other)

    def __repr__(self) -> str:
        return f"{self.input} >> {self.outputs!r}"


def _outputs(value: object) -> Outputs:
    if isinstance(value, Outputs):
        return value
    if isinstance(value, Direction):
        return Outputs((value,))
    if isinstance(value, Route):
        raise ProgramError(f"{value} already has its input: a route takes wavelets from one port only")
    if isinstance(value, Iterable):
        items = list(value)
        if all(isinstance(d, Direction) for d in items):
            return Outputs(items)
    raise ProgramError(f"{value!r} is no set of output ports: expected directions, as in RAMP | EAST")


# -- regions --------------------------------------------------------------------------------------

Index = int | slice


class RegionIndexError(ProgramError, IndexError):
    """An index or a PE lies outside a region."""


@dataclass(frozen=True, repr=False)
class Region:
    """PEs at every crossing of some columns and some rows.

    xs, ys   absolute columns and rows, in order; equal ranges make equal regions
    region[x, y] takes integers and slices as numpy does, relative to the region, and gives a region.
    Iteration gives (x, y), row after row; an empty region is false.
    """

    xs: range
    ys: range

    @property
    def width(self) -> int:
        """Columns."""
        return len(self.xs)

    @property
    def height(self) -> int:
        """Rows."""
        return len(self.ys)

    @property
    def columns(self) -> tuple[Region, ...]:
        """One region per column, in order."""
        return tuple(Region(range(x, x + 1), self.ys) for x in self.xs)

    @property
    def rows(self) -> tuple[Region, ...]:
        """One region per row, in order."""
        return tuple(Region(self.xs, range(y, y + 1)) for y in self.ys)

    def __getitem__(self, key: tuple[Index, Index]) -> Region:
        if not isinstance(key, tuple) or len(key) != 2:
            raise RegionIndexError(f"region[{key!r}]: a region takes two indices, region[x, y]; use `:` for all")
        return Region(_pick(self.xs, key[0], "column", self), _pick(self.ys, key[1], "row", self))

    def __len__(self) -> int:
        return len(self.xs) * len(self.ys)

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return ((x, y) for y in self.ys for x in self.xs)

    def __contains__(self, pe: tuple[int, int]) -> bool:
        x, y = pe
        return operator.index(x) in self.xs and operator.index(y) in self.ys

    def contains(self, other: Region) -> bool:
        """True if every PE of `other` is in this region."""
        return not other or (_covers(self.xs, other.xs) and _covers(self.ys, other.ys))

    def intersects(self, other: Region) -> bool:
        """True if some PE is in both regions."""
        return _meet(self.xs, other.xs) and _meet(self.ys, other.ys)

    def mask(self, width: int, height: int) -> npt.NDArray[np.bool_]:
        """The region on a width x height grid: (height, width) bool, indexed [y, x]."""
        if not Grid(width, height).contains(self):
            raise RegionIndexError(f"region {self!r} reaches outside the {width} x {height} grid")
        found = np.zeros((height, width), np.bool_)
        found[np.ix_(np.array(self.ys, np.intp), np.array(self.xs, np.intp))] = True
        return found

    def __repr__(self) -> str:
        return f"[{_text(self.xs)}, {_text(self.ys)}]"


def Grid(width: int, height: int) -> Region:
    """The region of a whole width x height rectangle."""
    for name, value in (("width", width), ("height", height)):
        if isinstance(value, bool) or not isinstance(value, int | np.integer) or value < 1:
            raise ProgramError(f"grid {name} is {value!r}: expected a whole number of PEs, 1 or more")
    return Region(range(int(width)), range(int(height)))


def _pick(span: range, index: Index, what: str, region: Region) -> range:
    if isinstance(index, slice):
        return span[index]
    try:
        at = span[operator.index(index)]
    except TypeError:
        raise RegionIndexError(f"{what} {index!r} of region {region!r}: expected an integer or a slice") from None
    except IndexError:
        n = len(span)
        valid = f"-{n} to {n - 1}" if n else "none, the region is empty"
        raise RegionIndexError(f"{what} {index} is outside region {region!r}; valid: {valid}") from None
    return range(at, at + 1)


def _covers(span: range, part: range) -> bool:
    """True if a range holds every element of another, not empty, one."""
    evenly = len(part) == 1 or part.step % span.step == 0
    return evenly and part[0] in span and part[-1] in span


def _meet(a: range, b: range) -> bool:
    if not a or not b or max(a[0], a[-1]) < min(b[0], b[-1]) or max(b[0], b[-1]) < min(a[0], a[-1]):
        return False
    short, long = (a, b) if len(a) <= len(b) else (b, a)
    return any(i in long for i in short)


def _text(span: range) -> str:
    """A range as a slice: `3`, `0:8`, `1:7:2`, `7::-1`."""
    if not span:
        return "0:0"
    if len(span) == 1:
        return str(span[0])
    stop = span[-1] + span.step
    step = "" if span.step == 1 else f":{span.step}"
    return f"{span[0]}:{stop if stop >= 0 else ''}{step}"
