"""Prefill and decode on regions of their own: a prompt is taken on one while the other decodes, then handed over."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import product

from wse_sim.mapping.plan.checks import why_not
from wse_sim.mapping.plan.estimate import estimate
from wse_sim.mapping.plan.mapping import Mapping
from wse_sim.mapping.region.fit import fits
from wse_sim.mapping.strategies.best import best, ladder
from wse_sim.mapping.strategies.build import Choice, layout_of, mapping_of
from wse_sim.mapping.strategies.rings import one
from wse_sim.mapping.strategies.rough import rough_cycles
from wse_sim.mapping.strategies.strategy import Problem, Strategy

NAME = "prefill-decode"
SHAPES = (1, 2)  # widths of regions, in heights
Widths = tuple[int, int, int]  # of decode, of prompts; and the height of both


def plan(problem: Problem) -> Mapping:
    """The height of both and the width of each with the least latency in the problem's phase."""
    decode, prompts = problem.with_(phase="decode"), problem.with_(phase="prefill")

    def good(widths: Widths) -> bool:
        wide, taking, height = widths
        rooms = (fits(layout_of(p, _whole(p, w, height), 0)) for p, w in ((decode, wide), (prompts, taking)))
        return all(rooms) and not why_not(_placed(problem, widths))

    def rough(widths: Widths) -> float:
        wide, taking, height = widths
        if problem.phase == "decode":
            return rough_cycles(layout_of(decode, _whole(decode, wide, height), 0), problem.context - 1) + taking
        return -taking * height

    def exact(widths: Widths) -> float:
        return estimate(_placed(problem, widths)).cycles

    return _placed(problem, best(_sizes(problem), rough, good, exact, _nothing(problem)))


def _sizes(problem: Problem) -> Iterator[Widths]:
    for height in ladder(1, problem.height):
        for wide, taking in product(SHAPES, repeat=2):
            if (wide + taking) * height <= problem.width:
                yield wide * height, taking * height, height


def _whole(problem: Problem, width: int, height: int) -> Choice:
    return Choice((0, problem.config.n_layer), (width,), height)


def _placed(problem: Problem, widths: Widths) -> Mapping:
    """Decode in the west, so that keys and values stream towards the first of their features."""
    wide, taking, height = widths
    [[room]] = one(problem.with_(phase="decode"), _whole(problem, wide + taking, height))
    made = mapping_of(problem, NAME, _whole(problem, wide, height), [[room[:wide, :]]])
    prompts = replace(made.places[0], x=room.xs[wide], width=taking, prompts=True)
    return replace(made, places=(*made.places, prompts), prompt=problem.prompt)


def _nothing(problem: Problem) -> str:
    return (
        f"{problem.config.name} in {problem.dtype.name} with prompts of {problem.prompt:,} tokens at once: no two "
        f"regions side by side on {problem.width}x{problem.height} PEs of {problem.wafer.name} hold it twice; try a "
        "shorter prompt, f16, or more PEs"
    )


PREFILL_DECODE = Strategy(
    name=NAME,
    meaning="prompts at once on one region, decode on another beside it, at the same time; the keys and values of a "
    "prompt stream along the rows from one to the other",
    memory="b N / a + 2 b L d c / a on each of the two, and what c tokens at once take",
    compute="decode L T_gemv(P); a prompt of s tokens L s / P T_gemv(P), and its scores",
    communication="2 L ceil(s / P) (d b / 4 + 2 starts) for keys and values, each once over the gap",
    uses=("placement",),
    lay=plan,
)
