"""What a search tries: strategies, sizes and placements."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from wse_sim.mapping.comparison.compare import row_of_strategy
from wse_sim.mapping.comparison.row import Fidelity
from wse_sim.mapping.placement import PLACEMENTS
from wse_sim.mapping.plan.mapping import Mapping
from wse_sim.mapping.strategies import STRATEGIES, Problem, strategy
from wse_sim.mapping.strategies.choices import shards, stages

SCALES = (1.0, 0.7, 0.5, 0.35, 0.25)  # of the sides of the rectangle that may be used
MOST = 6  # numbers of stages, and of shards, that are tried


@dataclass(frozen=True)
class Candidate:
    """A strategy and what is asked of it; 0 leaves a number to the strategy.

    scale  of both sides of the problem's rectangle
    """

    strategy: str
    placement: str
    scale: float = 1.0
    stages: int = 0
    shards: int = 0
    sequences: int = 0
    replicas: int = 0

    @property
    def key(self) -> str:
        """Names it in a results file."""
        return " ".join(f"{name}={value}" for name, value in asdict(self).items())

    def problem(self, problem: Problem) -> Problem:
        """The problem with what is asked for."""
        width, height = (max(1, round(side * self.scale)) for side in (problem.width, problem.height))
        asked = {k: v for k, v in asdict(self).items() if k not in ("strategy", "scale") and v}
        return problem.with_(width=width, height=height, **asked)

    def mapping(self, problem: Problem) -> Mapping:
        """What the strategy makes of it; raises FitError."""
        return strategy(self.strategy).plan(self.problem(problem))

    def row(self, problem: Problem, fidelity: Fidelity) -> dict[str, Any]:
        """The mapping's row, or why there is none."""
        return row_of_strategy(self.strategy, self.problem(problem), fidelity=fidelity).to_dict()


def first(problem: Problem, strategies: Sequence[str] | None = None) -> list[Candidate]:
    """Every strategy on rectangles of several sizes."""
    names = STRATEGIES if strategies is None else [strategy(name).name for name in strategies]
    return [Candidate(name, strategy(name).placed(problem).placement, scale) for name in names for scale in SCALES]


def second(problem: Problem, found: Sequence[tuple[Candidate, dict[str, Any]]], placements: Sequence[str] | None = None
           ) -> list[Candidate]:  # fmt: skip
    """Other numbers and placements of those that can be: on one rectangle for each strategy, the one with the most."""
    best: dict[str, tuple[Candidate, dict[str, Any]]] = {}
    for candidate, row in found:
        if row["feasible"]:
            before = best.get(candidate.strategy)
            if before is None or row["tokens_per_s"] > before[1]["tokens_per_s"]:
                best[candidate.strategy] = (candidate, row)
    names = [name for name in PLACEMENTS if name != "solved"] if placements is None else placements
    tried = {candidate for candidate, _ in found}
    more = (other for candidate, row in best.values() for other in _around(problem, candidate, row, names))
    return [candidate for candidate in dict.fromkeys(more) if candidate not in tried]


def _around(
    problem: Problem, candidate: Candidate, row: dict[str, Any], placements: Sequence[str]
) -> Iterator[Candidate]:
    asked = candidate.problem(problem)
    if row["replicas"] > 1:
        counts = {row["replicas"] // part: None for part in (2, 4, 8)}
        yield from (replace(candidate, replicas=count) for count in counts if count)
    if row["parts"] > 1:
        yield from (replace(candidate, placement=name) for name in placements)
        yield from (replace(candidate, stages=count) for count in _spread(stages(asked)))
        yield from (replace(candidate, sequences=count) for count in {1, row["sequences"] // 2} if count)
    if "tensor" in candidate.strategy or candidate.strategy == "hybrid":
        yield from (replace(candidate, shards=count) for count in _spread(shards(asked)))


def _spread(numbers: Sequence[int]) -> list[int]:
    """At most `MOST` of them, from the first to the last."""
    if len(numbers) <= MOST:
        return list(numbers)
    return [numbers[i * (len(numbers) - 1) // (MOST - 1)] for i in range(MOST)]
