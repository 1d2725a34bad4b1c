"""Data-parallel replicas: as many copies of a layer-sequential region as the wafer has room for."""

from __future__ import annotations

from wse_sim.mapping.plan.mapping import Mapping
from wse_sim.mapping.strategies.arrange import Space, arrange
from wse_sim.mapping.strategies.layer_sequential import too_large
from wse_sim.mapping.strategies.strategy import Problem, Strategy

NAME = "replicas"


def plan(problem: Problem) -> Mapping:
    """The size with which all copies together are fastest."""
    return arrange(problem, NAME, Space([(1, 1)], copies=True), too_large(problem))


REPLICAS = Strategy(
    name=NAME,
    meaning="data-parallel copies of a layer-sequential region, each with sequences of its own",
    memory="R (b N + 2 b L d c) / A",
    compute="L T_gemv(P), P^2 = A / R",
    communication="10 L T_line(P); throughput times R until the host link is full",
    uses=("replicas",),
    lay=plan,
)
