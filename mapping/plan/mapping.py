"""`Mapping`: which rectangles of a wafer hold which parts of a GPT; a value to describe, check, save and simulate."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import cached_property
from itertools import pairwise
from typing import TYPE_CHECKING, Literal, get_args

from wse_sim.errors import FitError, UsageError
from wse_sim.hardware import DType, Region, Wafer, f32
from wse_sim.hardware.geometry import Grid
from wse_sim.mapping.model import GPTConfig
from wse_sim.mapping.plan.draw import describe_html, draw_mapping, regions_of
from wse_sim.mapping.plan.rules import check_places, check_whole
from wse_sim.mapping.region.layout import Layout

if TYPE_CHECKING:
    from matplotlib.axes import Axes

Phase = Literal["decode", "prefill"]
Pe = tuple[int, int]


@dataclass(frozen=True, kw_only=True)
class Place:
    """A rectangle of PEs and what it holds.

    x, y           its north-west corner
    layers         blocks of the model, as a range
    embedding      whether the token and position tables lie here
    head           whether the last norm and the output head are computed here
    shard, shards  which of how many parts of each layer, split by heads and by inner features
    replica        which copy of the model it belongs to
    streamed       whether weights pass through from the host link instead of staying
    prompts        whether it takes prompts at once, and hands keys and values over to the place that decodes
    """

    x: int
    y: int
    width: int
    height: int
    layers: range = range(0)
    embedding: bool = False
    head: bool = False
    shard: int = 0
    shards: int = 1
    replica: int = 0
    streamed: bool = False
    prompts: bool = False

    @property
    def region(self) -> Region:
        """Its PEs on the wafer."""
        return Region(range(self.x, self.x + self.width), range(self.y, self.y + self.height))

    @property
    def area(self) -> int:
        """PEs."""
        return self.width * self.height

    def holds(self) -> str:
        """What it holds, in words."""
        parts = ["embedding"] if self.embedding else []
        if len(self.layers) == 1:
            parts.append(f"layer {self.layers[0]}")
        elif self.layers:
            parts.append(f"layers {self.layers[0]}-{self.layers[-1]}")
        parts += ["head"] if self.head else []
        text = ("prompts: " if self.prompts else "") + (", ".join(parts) or "nothing")
        text += ", weights streamed" if self.streamed else ""
        return text if self.shards == 1 else f"{text}, shard {self.shard + 1} of {self.shards}"


def _order(place: Place) -> tuple[bool, bool, int, int]:
    return not place.embedding, place.head and not place.layers, place.layers.start, place.shard


@dataclass(frozen=True)
class Part:
    """Places that work on the same layers together: one, or the shards of a tensor-parallel group.

    places  in the order of their shards, side by side from west to east, of one size
    """

    places: tuple[Place, ...]

    def __post_init__(self) -> None:
        for a, b in pairwise(self.places):
            if (b.x, b.y, b.width, b.height) != (a.x + a.width, a.y, a.width, a.height):
                raise FitError(
                    f"shards on {a.region!r} and {b.region!r} of {a.holds()}: expected regions of one size side by "
                    "side, for the sums of a layer go along their rows"
                )

    @property
    def region(self) -> Region:
        """All its PEs."""
        first, last = self.places[0].region, self.places[-1].region
        return Region(range(first.xs[0], last.xs[-1] + 1), first.ys)

    def holds(self) -> str:
        """What it holds, in words."""
        first = self.places[0]
        return replace(first, shard=0, shards=1).holds() + (f", {first.shards} shards" if first.shards > 1 else "")


@dataclass(frozen=True, kw_only=True)
class Mapping:
    """A GPT on a wafer.

    phase      what it serves: decode, one new token a step; or prefill, a whole prompt at once
    strategy   name of the strategy that made it
    places     disjoint rectangles that hold every part of every replica
    dtype      of weights, cache and activations
    accumulate type of sums
    context    tokens that the KV cache has room for; 0: all positions of the model
    sequences  sequences in flight in each replica; those of streamed weights step together
    prompt     tokens of a prompt taken at once, at most; 0: the context, where prompts are taken at once
    tight      no gaps between tensors; see `Layout`
    turned     the wafer lies on its side: x runs along its columns
    dead       PEs that do not work, (x, y), their routers included: on the safe side, for how the vendor's spare cores
               and links make a wafer look free of defects to programs is not published
    placement  name of the way its regions were placed
    """

    config: GPTConfig
    wafer: Wafer
    strategy: str
    places: tuple[Place, ...]
    phase: Phase = "decode"
    dtype: DType = f32
    accumulate: DType = f32
    context: int = 0
    sequences: int = 1
    prompt: int = 0
    tight: bool = False
    turned: bool = False
    dead: frozenset[Pe] = frozenset()
    placement: str = "by hand"

    def __post_init__(self) -> None:
        if self.context == 0:
            object.__setattr__(self, "context", self.config.n_positions)
        if self.phase not in get_args(Phase):
            raise UsageError(f"phase {self.phase!r}: expected one of {', '.join(get_args(Phase))}")
        if self.prompt == 0 and (self.phase == "prefill" or any(place.prompts for place in self.places)):
            object.__setattr__(self, "prompt", self.context)
        if self.sequences < 1:
            raise UsageError(f"{self.sequences} sequences in flight: expected 1 or more")
        check_places(self)
        check_whole(self)

    # -- parts ------------------------------------------------------------------------------------

    @property
    def grid(self) -> Region:
        """All PEs of the wafer, as it lies."""
        width, height = self.wafer.width, self.wafer.height
        return Grid(height, width) if self.turned else Grid(width, height)

    @cached_property
    def replicas(self) -> int:
        """Copies of the model."""
        return 1 + max(place.replica for place in self.places)

    @property
    def area(self) -> int:
        """PEs in use."""
        return sum(place.area for place in self.places)

    def replica(self, index: int, *, prompts: bool = False) -> tuple[Place, ...]:
        """The places of one copy that decode, or those that take prompts only, in the order of the model."""
        return self._by_replica.get((index, prompts), ())

    @cached_property
    def _by_replica(self) -> dict[tuple[int, bool], tuple[Place, ...]]:
        found: dict[tuple[int, bool], list[Place]] = {}
        for place in self.places:
            found.setdefault((place.replica, place.prompts), []).append(place)
        return {key: tuple(sorted(places, key=_order)) for key, places in found.items()}

    def parts(self, index: int) -> tuple[Part, ...]:
        """The places of one copy in the order of the model, shards of the same layers together."""
        found: dict[tuple[int, int, bool, bool], list[Place]] = {}
        for place in self.replica(index):
            key = (place.layers.start, place.layers.stop, place.embedding, place.head)
            found.setdefault(key, []).append(place)
        return tuple(Part(tuple(places)) for places in found.values())

    def prompt_part(self, index: int) -> Part | None:
        """The place of one copy that takes prompts at once: one for that alone, or in phase prefill its only part."""
        found = self.replica(index, prompts=True)
        if found:
            return Part(found)
        return self.parts(index)[0] if self.phase == "prefill" and len(self.parts(index)) == 1 else None

    @property
    def spare(self) -> bool:
        """Whether regions leave PEs an input queue, for what comes from other regions or from the host."""
        return len(self.parts(0)) > 1 or self.places[0].streamed or bool(self.replica(0, prompts=True))

    def layout(self, part: Part) -> Layout:
        """How tensors are dealt to the PEs of a part."""
        place = part.places[0]
        alone = self.phase == "prefill" and not self.replica(place.replica, prompts=True)
        takes = place.prompts or alone
        return Layout(
            config=self.config,
            wafer=self.wafer,
            width=sum(p.width for p in part.places),
            height=place.height,
            shards=place.shards,
            dtype=self.dtype,
            accumulate=self.accumulate,
            context=self.context,
            sequences=1 if place.prompts or (place.streamed and not takes) else self.sequences,
            prompt=self.prompt if takes else 0,
            batch=self.sequences if place.streamed and not takes else 1,
            streamed=place.streamed,
            tight=self.tight,
            layers=place.layers,
            embedding=place.embedding,
            head=place.head,
        )

    def moved(self, corners: dict[int, Pe]) -> Mapping:
        """The same with some places, by index, at other corners."""
        places = [
            replace(p, x=corners[i][0], y=corners[i][1]) if i in corners else p for i, p in enumerate(self.places)
        ]
        return replace(self, places=tuple(places))

    def describe(self) -> str:
        """What lies where, in words."""
        c = self.config
        copies = "" if self.replicas == 1 else f", {self.replicas} replicas"
        flight = "" if self.sequences == 1 else f", {self.sequences} sequences in flight"
        lines = [
            f"{c.name}: {self.phase} in {self.dtype.name} on {self.wafer.name}, {self.strategy}{copies}{flight}",
            f"{self.area:,} of {self.wafer.width * self.wafer.height:,} PEs in {len(self.places)} regions, "
            f"{self.context} tokens of context" + (f", {len(self.dead)} dead PEs" if self.dead else ""),
        ]
        lines += [f"  ({p.x}, {p.y}) {p.width} x {p.height}: {p.holds()}" for p in self._first]
        return "\n".join(lines)

    @property
    def regions(self) -> dict[str, Region]:
        """The places' regions by what they hold, to draw over a report's maps."""
        return regions_of(self)

    @property
    def _first(self) -> tuple[Place, ...]:
        return (*self.replica(0), *self.replica(0, prompts=True))

    def draw(self, *, ax: Axes | None = None) -> Axes:
        """The places on the wafer, and the way of the hidden state from one to the next."""
        return draw_mapping(self, ax=ax)

    def _repr_html_(self) -> str:
        return describe_html(self)
