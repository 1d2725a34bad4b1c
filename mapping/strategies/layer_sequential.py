"""Layer-sequential: one region, one layer after the other, everything resident."""

from __future__ import annotations

from wse_sim.mapping.plan.mapping import Mapping
from wse_sim.mapping.region.fit import bytes_needed
from wse_sim.mapping.strategies.arrange import Space, arrange
from wse_sim.mapping.strategies.build import Choice, layout_of
from wse_sim.mapping.strategies.strategy import Problem, Strategy

NAME = "layer-sequential"


def plan(problem: Problem) -> Mapping:
    """The square, or the whole rectangle, with the least latency."""
    return arrange(problem, NAME, Space([(1, 1)]), too_large(problem))


def too_large(problem: Problem) -> str:
    """Why a model has no room on one region."""
    whole = Choice((0, problem.config.n_layer), (problem.width,), problem.height)
    needed = bytes_needed(layout_of(problem, whole, 0))
    return (
        f"{problem.config.name} in {problem.dtype.name} with {problem.context:,} tokens of context needs {needed:,} "
        f"bytes of SRAM on each of {problem.width}x{problem.height} PEs, but there are "
        f"{problem.wafer.user_sram_bytes:,}; try f16, a shorter context, more PEs, or streamed weights"
    )


LAYER_SEQUENTIAL = Strategy(
    name=NAME,
    meaning="one region, one layer after the other; weights and KV cache resident; the hidden state alternates between "
    "the axes, so nothing is transposed",
    memory="b N / A + 2 b L d c B / A",
    compute="L T_gemv(P)",
    communication="10 L T_line(P)",
    uses=("placement",),
    lay=plan,
)
