"""Layer-sequential: one region, one layer after the other, everything resident."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

from wse_sim.mapping.plan.mapping import Mapping, Pe
from wse_sim.mapping.region.cycles import stage_cycles
from wse_sim.mapping.region.fit import bytes_needed, fits
from wse_sim.mapping.region.layout import Layout
from wse_sim.mapping.strategies.build import Choice, layout_of, mapping_of
from wse_sim.mapping.strategies.packing import pack
from wse_sim.mapping.strategies.rough import rough_bytes, rough_cycles
from wse_sim.mapping.strategies.sizing import best, ladder
from wse_sim.mapping.strategies.strategy import Problem, Strategy

NAME = "layer-sequential"


def plan(problem: Problem) -> Mapping:
    """The square, or the whole rectangle, with the least latency."""
    choice = fastest(problem)
    return mapping_of(problem, NAME, choice, [corner_of(problem, choice)], sequences=1)


def corner_of(problem: Problem, choice: Choice) -> list[Pe]:
    """The first place where one region finds room."""
    width, height = (problem.height, problem.width) if choice.turned else (problem.width, problem.height)
    dead = {(y, x) for x, y in problem.dead} if choice.turned else problem.dead
    return pack(choice.widths, choice.height, width, height, dead=dead)


def fastest(
    problem: Problem, *, shards: Sequence[int] = (1,), share: Callable[[Choice], float] = lambda _: 1.0
) -> Choice:
    """All of the model on one region: the size with the fewest cycles a token.

    shards  numbers of shards to choose from
    share   of a token's cycles that counts, where several regions work at once
    """
    last = problem.context - 1

    def layout(choice: Choice) -> Layout:
        return layout_of(problem, choice, 0, sequences=1)

    return best(
        [choice for count in shards for choice in _sizes(problem, count)],
        lambda choice: share(choice) * rough_cycles(layout(choice), last),
        lambda choice: fits(layout(choice)),
        lambda choice: share(choice) * stage_cycles(layout(choice), last).total,
        _nothing(problem),
    )


def _sizes(problem: Problem, shards: int) -> list[Choice]:
    """Squares that look as if they fit, and the whole rectangle, which may lie on its side and be tight."""
    cuts, found = (0, problem.config.n_layer), []
    sides = [(side, side) for side in ladder(1, min(problem.width, problem.height))]
    for width, height in [*sides, (problem.width, problem.height)]:
        if width >= shards:
            found.append(Choice(cuts, (width // shards * shards,), height, shards))
    limit = problem.wafer.user_sram_bytes
    found = [c for c in found if rough_bytes(layout_of(problem, c, 0, sequences=1)) <= limit]
    return found or _densest(problem, shards)


def _densest(problem: Problem, shards: int) -> list[Choice]:
    """The whole rectangle, turned, tight, or both."""
    cuts, found = (0, problem.config.n_layer), []
    for turned in (False, True):
        width, height = (problem.height, problem.width) if turned else (problem.width, problem.height)
        plain = Choice(cuts, (width // shards * shards,), height, shards, turned=turned)
        found += [plain, replace(plain, tight=True)] if layout_of(problem, plain, 0, sequences=1).spare else [plain]
    return found


def _nothing(problem: Problem) -> str:
    whole = Choice((0, problem.config.n_layer), (problem.width,), problem.height)
    needed = bytes_needed(layout_of(problem, whole, 0, sequences=1))
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
    plan=plan,
)
