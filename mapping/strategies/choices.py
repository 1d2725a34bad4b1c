"""Cuts and sizes worth trying: how many parts, how the layers are dealt to them, how large they are."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import accumulate

from wse_sim.errors import FitError
from wse_sim.hardware import Region
from wse_sim.mapping.plan.mapping import Mapping
from wse_sim.mapping.plan.share import shares, step_of
from wse_sim.mapping.region.layout import Layout
from wse_sim.mapping.strategies.best import COARSE, RUNG, ladder
from wse_sim.mapping.strategies.build import Choice, layout_of, mapping_of
from wse_sim.mapping.strategies.rough import rough_bytes, rough_cycles
from wse_sim.mapping.strategies.strategy import Problem

BALANCE = (0.0, 0.5, 1.0)  # width by work to this power: all equal, between, in proportion
EVEN = (0.0,)  # for prompts, of which layers take almost all
MOST_SHARDS = 8  # that are tried


def stages(problem: Problem) -> list[int]:
    """Numbers of parts from 2 on worth trying: those that share the layers evenly, alone or beside one for the ends."""
    layers = problem.config.n_layer
    if problem.stages == 1:
        raise FitError(f"1 region for {layers} layers of {problem.config.name}: expected 2 to {layers + 1}")
    if problem.stages:
        return [problem.stages]
    even = {n for n in range(1, layers + 1) if layers % n == 0}
    return sorted({n for n in even | {n + 1 for n in even} if n > 1})


def shards(problem: Problem) -> list[int]:
    """Numbers of shards that the model can be dealt to, from 2 on; one if the problem asks for it."""
    config = problem.config
    wanted = [problem.shards] if problem.shards else range(2, min(MOST_SHARDS, problem.width) + 1)
    return [n for n in wanted if 1 < n <= problem.width and config.n_head % n == 0 and config.n_inner % n == 0]


def choices(problem: Problem, parts: int, count: int) -> list[Choice]:
    """So many parts of `count` shards each, in sizes that look as if they fit."""
    if parts > 1:
        found = [_fitting(problem, choice) for choice in _regions(problem, _cuts(problem, parts), count)]
        return [choice for choice in found if choice]
    found = [_fitting(problem, choice) for choice in _squares(problem, count)]
    return [choice for choice in found if choice] or _densest(problem, count)


def layouts_of(problem: Problem, choice: Choice) -> list[Layout]:
    """The distinct layouts of the parts, that of the first in front: layers are alike."""
    kinds = {(choice.cuts[k + 1] - choice.cuts[k], choice.widths[k], k == 0): k for k in choice.parts}
    return [layout_of(problem, choice, part) for part in kinds.values()]


def _fitting(problem: Problem, choice: Choice) -> Choice | None:
    """With as many sequences as the problem asks for, or as there are parts, or with half of them, a quarter ..."""
    limit, count = problem.wafer.user_sram_bytes, problem.sequences or len(choice.parts)
    while count:
        found = replace(choice, sequences=count if len(choice.parts) > 1 else 1)
        if all(rough_bytes(layout) <= limit for layout in layouts_of(problem, found)):
            return found
        count = 0 if problem.sequences else count // 2
    return None


# -- one part -----------------------------------------------------------------------------------------


def _squares(problem: Problem, count: int) -> Iterator[Choice]:
    """Squares, and the whole rectangle."""
    cuts = (0, problem.config.n_layer)
    rung = COARSE if problem.phase == "prefill" and count > 1 else RUNG
    sides = [(side, side) for side in ladder(1, min(problem.width, problem.height), rung)]
    for width, height in [*sides, (problem.width, problem.height)]:
        if width >= count:
            yield Choice(cuts, (width // count * count,), height, count)


def _densest(problem: Problem, count: int) -> list[Choice]:
    """The whole rectangle, turned, tight, or both."""
    cuts, found = (0, problem.config.n_layer), []
    for turned in (False, True):
        width, height = (problem.height, problem.width) if turned else (problem.width, problem.height)
        plain = Choice(cuts, (width // count * count,), height, count, turned=turned)
        found += [plain, replace(plain, tight=True)] if _may_be_tight(problem, plain) else [plain]
    return found


def _may_be_tight(problem: Problem, choice: Choice) -> bool:
    return problem.phase == "decode" and layout_of(problem, choice, 0).spare


# -- several ------------------------------------------------------------------------------------------


def _cuts(problem: Problem, count: int) -> tuple[int, ...]:
    """Layers dealt evenly to `count` parts, the first with as many fewer as its ends take."""
    layers = problem.config.n_layer
    if not 2 <= count <= layers + 1:
        raise FitError(f"{count} regions for {layers} layers of {problem.config.name}: expected 2 to {layers + 1}")
    side = max(1, min(64, problem.width // count, problem.height))
    probe = layout_of(problem, Choice((0, layers), (side,), side), 0)
    one = rough_cycles(replace(probe, layers=range(1), embedding=False, head=False), problem.context - 1)
    ends = round(rough_cycles(replace(probe, layers=range(0)), problem.context - 1) / one)
    first = min(max(0, (layers + ends) // count - ends), layers - count + 1)
    rest = [(layers - first) * k // (count - 1) - (layers - first) * (k - 1) // (count - 1) for k in range(1, count)]
    return tuple(accumulate([0, first, *rest]))


def _regions(problem: Problem, cuts: tuple[int, ...], count: int) -> Iterator[Choice]:
    """Regions of growing height with widths by work, equal, or in between; and such that fill the wafer.

    None is narrower than high, so that a hand-over finds a column for each of its rows.
    """
    probe = _probe(problem, cuts)
    work = [part.flops for part in shares(probe, step_of(probe)).values()]
    powers, rung = (BALANCE, RUNG) if problem.phase == "decode" else (EVEN, COARSE)
    for power in powers:
        shape = [max(1.0, (w / min(work[1:])) ** power) for w in work]
        for height in ladder(1, min(problem.height, int(problem.width / max(shape))), rung):
            widths = tuple(-(-round(height * s) // count) * count for s in shape)
            if max(widths) <= problem.width:
                yield Choice(cuts, widths, height, count)
    for rows in range(1, min(len(work), problem.height) + 1):
        height, width = problem.height // rows, problem.width // -(-len(work) // rows) // count * count
        if width >= height:
            yield Choice(cuts, (width,) * len(work), height, count)


def _probe(problem: Problem, cuts: tuple[int, ...]) -> Mapping:
    """The parts on single PEs, to ask for their work."""
    count = len(cuts) - 1
    made = Choice(cuts, (1,) * count, 1)
    row = [divmod(k, problem.wafer.width) for k in range(count)]
    regions = [Region(range(x, x + 1), range(y, y + 1)) for y, x in row]
    return mapping_of(replace(problem, dead=frozenset()), "probe", made, [regions])
