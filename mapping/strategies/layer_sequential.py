"""Layer-sequential: one region, one layer after the other, everything resident."""

from __future__ import annotations

from wse_sim.mapping.plan import Mapping, Place
from wse_sim.mapping.strategies.strategy import Problem, Strategy


def plan(problem: Problem) -> Mapping:
    """All of the model on all of the problem's rectangle."""
    layers = range(problem.config.n_layer)
    place = Place(x=0, y=0, width=problem.width, height=problem.height, layers=layers, embedding=True, head=True)
    return Mapping(
        config=problem.config,
        wafer=problem.wafer,
        strategy="layer-sequential",
        phase=problem.phase,
        dtype=problem.dtype,
        accumulate=problem.accumulate,
        context=problem.context,
        places=(place,),
        dead=problem.dead,
    )


LAYER_SEQUENTIAL = Strategy(
    name="layer-sequential",
    meaning="one region, one layer after the other; weights and KV cache resident; the hidden state alternates between "
    "the axes, so nothing is transposed",
    memory="b N / A + 2 b L d c B / A",
    compute="L T_gemv(P)",
    communication="10 L T_line(P)",
    plan=plan,
)
