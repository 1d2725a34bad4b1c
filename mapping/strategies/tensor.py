"""Tensor-parallel: the heads and inner features of every layer dealt to regions side by side."""

from __future__ import annotations

from wse_sim.errors import FitError
from wse_sim.mapping.plan.mapping import Mapping
from wse_sim.mapping.strategies.build import mapping_of
from wse_sim.mapping.strategies.layer_sequential import corner_of, fastest
from wse_sim.mapping.strategies.strategy import Problem, Strategy

NAME = "tensor-parallel"
MOST = 8  # shards that are tried


def plan(problem: Problem) -> Mapping:
    """The number of shards and the size with the least latency."""
    shards = counts(problem)
    if not shards:
        raise FitError(
            f"{problem.config.name} has {problem.config.n_head} heads and {problem.config.n_inner} inner features: "
            f"expected 2 to {MOST} shards that divide both and the {problem.width} columns"
        )
    choice = fastest(problem, shards=shards)
    return mapping_of(problem, NAME, choice, [corner_of(problem, choice)], sequences=1)


def counts(problem: Problem) -> list[int]:
    """Numbers of shards that the model can be dealt to, from 2 on; one if the problem asks for it."""
    config = problem.config
    wanted = [problem.shards] if problem.shards > 1 else range(2, min(MOST, problem.width) + 1)
    return [n for n in wanted if config.n_head % n == 0 and config.n_inner % n == 0]


TENSOR = Strategy(
    name=NAME,
    meaning="regions side by side, each with some heads and inner features of every layer; scores stay within a "
    "region, the sums after attention and MLP go through all of them",
    memory="b N / A + 2 b L d c B / A, as layer-sequential, A = r a",
    compute="L T_gemv(P)",
    communication="6 L T_line along y, 2 L T_line along x through all regions, L T_line within one",
    plan=plan,
)
