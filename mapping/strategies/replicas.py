"""Data-parallel replicas: as many copies of a layer-sequential region as the wafer has room for."""

from __future__ import annotations

from wse_sim.errors import FitError
from wse_sim.mapping.plan.mapping import Mapping, Pe
from wse_sim.mapping.strategies.build import mapping_of
from wse_sim.mapping.strategies.layer_sequential import corner_of, fastest
from wse_sim.mapping.strategies.packing import pack, shelves
from wse_sim.mapping.strategies.strategy import Problem, Strategy

NAME = "replicas"


def plan(problem: Problem) -> Mapping:
    """The size with which all copies together are fastest."""
    choice = fastest(problem, share=lambda choice: 1 / max(1, copies(problem, choice.widths[0], choice.height)))
    if choice.turned:
        return mapping_of(problem, NAME, choice, [corner_of(problem, choice)], sequences=1)
    corners = spread(problem, choice.widths[0], choice.height)
    return mapping_of(problem, NAME, choice, [[corner] for corner in corners], sequences=1)


def copies(problem: Problem, width: int, height: int) -> int:
    """Rectangles that fit side by side, dead PEs not considered."""
    return problem.width // width * (problem.height // height)


def spread(problem: Problem, width: int, height: int) -> list[Pe]:
    """Corners of as many rectangles as find room in rows."""
    rows = len(list(shelves(height, problem.height)))
    for count in range(rows * (problem.width // width), 0, -1):
        try:
            return pack([width] * count, height, problem.width, problem.height, dead=problem.dead, serpentine=False)
        except FitError:
            continue
    raise FitError(f"no room for {width}x{height} PEs on {problem.width}x{problem.height} around the dead PEs")


REPLICAS = Strategy(
    name=NAME,
    meaning="data-parallel copies of a layer-sequential region, each with sequences of its own",
    memory="R (b N + 2 b L d c) / A",
    compute="L T_gemv(P), P^2 = A / R",
    communication="10 L T_line(P); throughput times R until the host link is full",
    plan=plan,
)
