"""Layer-pipelined: regions with some layers each, areas by work, the hidden state handed from one to the next."""

from __future__ import annotations

from wse_sim.mapping.plan.mapping import Mapping
from wse_sim.mapping.strategies.arrange import Space, arrange
from wse_sim.mapping.strategies.choices import stages
from wse_sim.mapping.strategies.strategy import Problem, Strategy

NAME = "pipeline"


def plan(problem: Problem) -> Mapping:
    """The number of parts, their sizes and shapes with the most tokens a second; as many sequences as parts."""
    nothing = (
        f"{problem.config.name} in {problem.dtype.name} with {problem.context:,} tokens of context as a pipeline: no "
        f"number of regions fits {problem.width}x{problem.height} PEs of {problem.wafer.name}; try f16, a shorter "
        "context, more PEs, or streamed weights"
    )
    return arrange(problem, NAME, Space([(count, 1) for count in stages(problem)]), nothing)


PIPELINE = Strategy(
    name=NAME,
    meaning="regions with some layers each, widths by work; as many sequences as regions keep all of them busy",
    memory="b n_i / a_i + 2 b (L / S) d c B / a_i",
    compute="period: the largest of (L / S) T_gemv(P_i); latency: their sum",
    communication="10 (L / S) T_line(P_i); a hand-over of d / P words on each row, one hop per PE between",
    uses=("stages", "sequences", "placement"),
    lay=plan,
)
