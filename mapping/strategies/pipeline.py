"""Layer-pipelined: regions with some layers each, areas by work, the hidden state handed from one to the next."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import accumulate

from wse_sim.errors import FitError
from wse_sim.mapping.plan.estimate import estimate
from wse_sim.mapping.plan.mapping import Mapping
from wse_sim.mapping.plan.share import shares, step_of
from wse_sim.mapping.region.fit import fits
from wse_sim.mapping.region.layout import Layout
from wse_sim.mapping.strategies.build import Choice, layout_of, mapping_of
from wse_sim.mapping.strategies.packing import pack
from wse_sim.mapping.strategies.rough import rough_bytes, rough_cycles
from wse_sim.mapping.strategies.sizing import best, ladder
from wse_sim.mapping.strategies.strategy import Problem, Strategy

NAME = "pipeline"
BALANCE = (0.0, 0.5, 1.0)  # width by work to this power: all equal, between, in proportion


def plan(problem: Problem) -> Mapping:
    """The number of parts, their sizes and shapes with the most tokens a second; as many sequences as parts."""
    choices = [choice for count in counts(problem) for choice in sizes(problem, cuts_of(problem, count))]
    choice = best(
        choices,
        lambda choice: rough_period(problem, choice),
        lambda choice: all(fits(layout) for layout in layouts_of(problem, choice)),
        lambda choice: 1 / estimate(placed(problem, choice)).tokens_per_s,
        f"{problem.config.name} in {problem.dtype.name} with {problem.context:,} tokens of context as a pipeline: no "
        f"number of regions fits {problem.width}x{problem.height} PEs of {problem.wafer.name}; try f16, a shorter "
        "context, more PEs, or streamed weights",
    )
    return placed(problem, choice)


def counts(problem: Problem) -> list[int]:
    """Numbers of parts worth trying: those that share the layers evenly, alone or beside one part for the ends."""
    if problem.stages:
        return [problem.stages]
    layers = problem.config.n_layer
    even = {n for n in range(1, layers + 1) if layers % n == 0}
    return sorted({n for n in even | {n + 1 for n in even} if n > 1})


def cuts_of(problem: Problem, count: int) -> tuple[int, ...]:
    """Layers dealt evenly to `count` parts, the first with as many fewer as its ends take."""
    layers = problem.config.n_layer
    if not 2 <= count <= layers + 1:
        raise FitError(f"{count} regions for {layers} layers of {problem.config.name}: expected 2 to {layers + 1}")
    side = max(1, min(64, problem.width // count, problem.height))
    probe = layout_of(problem, Choice((0, layers), (side,), side), 0, sequences=1)
    one = rough_cycles(replace(probe, layers=range(1), embedding=False, head=False), problem.context - 1)
    ends = round(rough_cycles(replace(probe, layers=range(0)), problem.context - 1) / one)
    first = min(max(0, (layers + ends) // count - ends), layers - count + 1)
    rest = [(layers - first) * k // (count - 1) - (layers - first) * (k - 1) // (count - 1) for k in range(1, count)]
    return tuple(accumulate([0, first, *rest]))


def sizes(problem: Problem, cuts: tuple[int, ...]) -> Iterator[Choice]:
    """Regions of growing height with widths by work, equal or in between, that look as if they fit."""
    work = [part.flops for part in shares(_probe(problem, cuts), step_of(_probe(problem, cuts))).values()]
    for power in BALANCE:
        shape = [max(1.0, (w / min(work[1:])) ** power) for w in work]
        for height in ladder(1, min(problem.height, int(problem.width / max(shape)))):
            choice = Choice(cuts, tuple(round(height * s) for s in shape), height)
            if _has_room(problem, choice):
                yield choice


def _has_room(problem: Problem, choice: Choice) -> bool:
    limit = problem.wafer.user_sram_bytes
    if any(rough_bytes(layout) > limit for layout in layouts_of(problem, choice)):
        return False
    try:
        pack(choice.widths, choice.height, problem.width, problem.height, dead=problem.dead)
    except FitError:
        return False
    return True


def layouts_of(problem: Problem, choice: Choice) -> list[Layout]:
    """The distinct layouts of the parts: layers are alike."""
    sequences = problem.sequences or len(choice.parts)
    found = [layout_of(problem, choice, part, sequences=sequences) for part in choice.parts]
    return list(dict.fromkeys(replace(layout, layers=range(len(layout.held))) for layout in found))


def rough_period(problem: Problem, choice: Choice) -> float:
    """Cycles of the slowest part."""
    return max(rough_cycles(layout, problem.context - 1) for layout in layouts_of(problem, choice))


def placed(problem: Problem, choice: Choice) -> Mapping:
    """In rows, every other one from east to west."""
    corners = pack(choice.widths, choice.height, problem.width, problem.height, dead=problem.dead)
    return mapping_of(problem, NAME, choice, [corners], sequences=problem.sequences or len(choice.parts))


def _probe(problem: Problem, cuts: tuple[int, ...]) -> Mapping:
    """The parts on single PEs, to ask for their work."""
    count = len(cuts) - 1
    made = Choice(cuts, (1,) * count, 1)
    corners = [(k % problem.wafer.width, k // problem.wafer.width) for k in range(count)]
    return mapping_of(replace(problem, dead=frozenset()), NAME, made, [corners], sequences=1)


PIPELINE = Strategy(
    name=NAME,
    meaning="regions with some layers each, widths by work; as many sequences as regions keep all of them busy",
    memory="b n_i / a_i + 2 b (L / S) d c B / a_i",
    compute="period: the largest of (L / S) T_gemv(P_i); latency: their sum",
    communication="10 (L / S) T_line(P_i); a hand-over of d / P words on each row, one hop per PE between",
    plan=plan,
)
