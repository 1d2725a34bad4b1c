"""Tensor-parallel: the heads and inner features of every layer dealt to regions side by side."""

from __future__ import annotations

from wse_sim.errors import FitError
from wse_sim.mapping.plan.mapping import Mapping
from wse_sim.mapping.strategies.arrange import Space, arrange
from wse_sim.mapping.strategies.choices import MOST_SHARDS, shards
from wse_sim.mapping.strategies.layer_sequential import too_large
from wse_sim.mapping.strategies.strategy import Problem, Strategy

NAME = "tensor-parallel"


def plan(problem: Problem) -> Mapping:
    """The number of shards and the size with the least latency."""
    counts = shards(problem)
    if not counts:
        raise FitError(indivisible(problem))
    return arrange(problem, NAME, Space([(1, count) for count in counts]), too_large(problem))


def indivisible(problem: Problem) -> str:
    """Why a model cannot be dealt to shards."""
    return (
        f"{problem.config.name} has {problem.config.n_head} heads and {problem.config.n_inner} inner features: "
        f"expected 2 to {MOST_SHARDS} shards that divide both and the {problem.width} columns"
    )


TENSOR = Strategy(
    name=NAME,
    meaning="regions side by side, each with some heads and inner features of every layer; scores stay within a "
    "region, the sums after attention and MLP go through all of them",
    memory="b N / A + 2 b L d c B / A, as layer-sequential, A = r a",
    compute="L T_gemv(P)",
    communication="6 L T_line along y, 2 L T_line along x through all regions, L T_line within one",
    uses=("shards", "placement"),
    lay=plan,
)
