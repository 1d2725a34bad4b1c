"""Replicas x pipeline x tensor: one search over the numbers of each and the sizes of regions, by closed forms."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wse_sim.mapping.placement import placement
from wse_sim.mapping.plan.checks import why_not
from wse_sim.mapping.plan.estimate import estimate
from wse_sim.mapping.plan.mapping import Mapping
from wse_sim.mapping.strategies.best import best
from wse_sim.mapping.strategies.build import Choice, mapping_of
from wse_sim.mapping.strategies.choices import choices, layouts_of
from wse_sim.mapping.strategies.rings import many, one, room_for
from wse_sim.mapping.strategies.rough import rough_cycles
from wse_sim.mapping.strategies.strategy import Problem


@dataclass(frozen=True)
class Space:
    """What a strategy may choose from.

    kinds   (parts of the pipeline, shards of each part)
    copies  whether the wafer is filled with replicas
    least   how many of the three numbers are to be larger than 1
    """

    kinds: Sequence[tuple[int, int]]
    copies: bool = False
    least: int = 0


def arrange(problem: Problem, name: str, space: Space, nothing: str) -> Mapping:
    """The numbers and sizes with the most tokens a second; FitError with `nothing` if none can be.

    They are chosen with regions in rows where the placement asked for takes long.
    """
    quick = problem if placement(problem.placement).quick else problem.with_(placement="serpentine")
    found = [
        choice
        for parts, shards in space.kinds
        for choice in choices(problem, parts, shards)
        if _mixed(problem, choice) >= space.least
    ]

    def placed(choice: Choice, asked: Problem = quick) -> Mapping:
        rings = (many if space.copies else one)(asked, choice)
        return mapping_of(asked, name, choice, rings)

    def good(choice: Choice) -> bool:
        return not why_not(placed(choice))

    def rough(choice: Choice) -> float:
        return _rough_period(problem, choice) / (max(1, room_for(problem, choice)) if space.copies else 1)

    chosen = best(found, rough, good, lambda choice: 1 / estimate(placed(choice)).tokens_per_s, nothing)
    return placed(chosen, problem)


def _mixed(problem: Problem, choice: Choice) -> int:
    """How many of replicas, parts and shards are more than one."""
    return sum(number > 1 for number in (room_for(problem, choice), len(choice.parts), choice.shards))


def _rough_period(problem: Problem, choice: Choice) -> float:
    """Cycles between two tokens of a replica."""
    cycles = [rough_cycles(layout, problem.context - 1) for layout in layouts_of(problem, choice)]
    if len(choice.parts) == 1:
        return cycles[0]
    latency = cycles[0] + (len(choice.parts) - 1) * max(cycles[1:])
    return max(latency / choice.sequences, *cycles)
