"""What a strategy is asked, and what it promises."""

from __future__ import annotations

from collections.abc import Callable
from collections.abc import Mapping as Table
from dataclasses import dataclass, replace
from types import MappingProxyType

from wse_sim.errors import UsageError
from wse_sim.hardware import DType, Wafer, f32
from wse_sim.mapping.model import GPTConfig
from wse_sim.mapping.placement import LATENCY, Weights, placement
from wse_sim.mapping.plan.mapping import Mapping, Pe, Phase

USUAL = "serpentine"
CHOICES: Table[str, tuple[object, ...]] = MappingProxyType({
    "stages": (0, 1), "shards": (0, 1), "sequences": (0, 1), "replicas": (0, 1), "placement": (USUAL,),
})  # fmt: skip
"""Fields of a problem that are for some strategies only, and what they hold where nothing is asked for."""


@dataclass(frozen=True, kw_only=True)
class Problem:
    """What is to be mapped, and onto what.

    width, height  PEs to use at most; 0: those of the wafer
    context        tokens that the KV cache has room for; 0: all positions of the model
    prompt         tokens of a prompt at once, at most, where prompts are taken so; 0: the context
    dead           PEs that do not work
    placement      name of the way regions are placed
    weights        what a good placement is, for those that search for one
    seed           of what they draw at random
    stages, shards, sequences  regions of a pipeline, parts of a layer, sequences in flight; 0: the strategy's choice
    replicas       copies of the model at most; 0: as many as find room
    """

    config: GPTConfig
    wafer: Wafer
    phase: Phase = "decode"
    dtype: DType = f32
    accumulate: DType = f32
    width: int = 0
    height: int = 0
    context: int = 0
    prompt: int = 0
    dead: frozenset[Pe] = frozenset()
    placement: str = USUAL
    weights: Weights = LATENCY
    seed: int = 0
    stages: int = 0
    shards: int = 0
    sequences: int = 0
    replicas: int = 0

    def __post_init__(self) -> None:
        for name, limit in (("width", self.wafer.width), ("height", self.wafer.height)):
            given = getattr(self, name)
            if not 0 <= given <= limit:
                raise UsageError(f"{name} {given} on {self.wafer.name}: expected 1 to {limit} PEs, or 0 for all")
            if given == 0:
                object.__setattr__(self, name, limit)
        placement(self.placement)
        for name in ("stages", "shards", "sequences", "replicas", "seed"):
            if getattr(self, name) < 0:
                raise UsageError(f"{name} {getattr(self, name)}: expected 0 or more")
        for x, y in self.dead:
            if not (0 <= x < self.wafer.width and 0 <= y < self.wafer.height):
                wide, high = self.wafer.width, self.wafer.height
                raise UsageError(f"dead PE ({x}, {y}) on {self.wafer.name}: expected one of its {wide} x {high} PEs")
        if self.context == 0:
            object.__setattr__(self, "context", self.config.n_positions)
        if not 1 <= self.context <= self.config.n_positions:
            raise UsageError(
                f"context {self.context}: {self.config.name} has {self.config.n_positions} positions; "
                f"expected 1 to {self.config.n_positions}"
            )
        if not 0 <= self.prompt <= self.context:
            raise UsageError(f"prompts of {self.prompt} tokens: expected 1 to {self.context}, or 0 for all the context")
        if self.prompt == 0:
            object.__setattr__(self, "prompt", self.context)

    def with_(self, **changes: object) -> Problem:
        """A copy with some fields changed."""
        return replace(self, **changes)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Strategy:
    """A way to lay a model over a wafer.

    meaning        one sentence
    memory         bytes of a PE, as a formula
    compute        cycles of arithmetic, as a formula
    communication  cycles on the fabric or the host link, as a formula
    uses           which of a problem's fields in `CHOICES` it goes by
    lay            makes the mapping of a problem that asks for nothing else; raises FitError if there is none
    The symbols are those of `SYMBOLS`.
    """

    name: str
    meaning: str
    memory: str
    compute: str
    communication: str
    uses: tuple[str, ...]
    lay: Callable[[Problem], Mapping]

    def plan(self, problem: Problem) -> Mapping:
        """The mapping; FitError if there is none, UsageError if the problem asks for what has no meaning here."""
        for name, idle in CHOICES.items():
            given = getattr(problem, name)
            if name not in self.uses and given not in idle:
                raise UsageError(
                    f"{self.name} has no use for {name} {given}: expected none; it goes by {' and '.join(self.uses)}"
                )
        return self.lay(problem)

    def placed(self, problem: Problem) -> Problem:
        """The problem with the usual placement where the strategy has no use for another."""
        return problem if "placement" in self.uses else problem.with_(placement=USUAL)


SYMBOLS = {
    "b": "bytes of a number",
    "N": "parameters of the model; n of a layer",
    "A": "PEs in use; a of a region, P its side",
    "L, d, c": "layers, features, tokens of context",
    "B": "sequences in flight",
    "T_gemv(P)": "cycles of a layer's matrix-vector products on P x P PEs",
    "T_line(P)": "cycles of an all-reduce along P PEs; about ten in a layer",
    "R, S, r": "replicas, stages of a pipeline, tensor-parallel shards",
    "BW'": "bytes per cycle of the host link's channels that serve the region's rows",
}
"""What the formulas are written in."""
