"""Hybrid: replicas x pipeline x tensor, of which the strategies of one kind are corners."""

from __future__ import annotations

from itertools import product

from wse_sim.errors import FitError
from wse_sim.mapping.plan.mapping import Mapping
from wse_sim.mapping.strategies.arrange import Space, arrange
from wse_sim.mapping.strategies.choices import shards, stages
from wse_sim.mapping.strategies.strategy import Problem, Strategy
from wse_sim.mapping.strategies.tensor import indivisible

NAME = "hybrid"


def plan(problem: Problem) -> Mapping:
    """The numbers, two of them larger than 1, and the sizes with which all copies together are fastest."""
    parts = [n for n in ([problem.stages] if problem.stages else [1, *stages(problem)]) if n >= problem.sequences]
    dealt = shards(problem) if problem.shards > 1 else [1, *shards(problem)][: 1 if problem.shards else None]
    if not dealt:
        raise FitError(indivisible(problem))
    kinds = [*product(parts, dealt)]
    nothing = (
        f"{problem.config.name} in {problem.dtype.name} with {problem.context:,} tokens of context: no mixture of "
        f"replicas, stages and shards fits {problem.width}x{problem.height} PEs of {problem.wafer.name}; try f16, a "
        "shorter context, more PEs, or streamed weights"
    )
    return arrange(problem, NAME, Space(kinds, copies=True, least=2), nothing)


HYBRID = Strategy(
    name=NAME,
    meaning="replicas, each a pipeline of regions, each dealt to tensor-parallel shards: R x S x r; with two of the "
    "three 1 it is one of the strategies above",
    memory="R (b n_i + 2 b (L / S) d c B) / (R a_i)",
    compute="period: the largest of (L / S) T_gemv(P_i) / R, P_i^2 = A / (R S)",
    communication="per layer 6 T_line along y, 2 along x through r shards, 1 within one; hand-overs as in a pipeline",
    uses=("stages", "shards", "replicas", "sequences", "placement"),
    lay=plan,
)
