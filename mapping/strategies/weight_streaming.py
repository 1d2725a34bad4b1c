"""Weight streaming: weights enter from the host link layer by layer, activations and KV cache stay."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import islice

from wse_sim.hardware import EAST, WEST, Grid, Region
from wse_sim.hardware.link import edges_of
from wse_sim.kernels.matrix import feed
from wse_sim.mapping.plan.estimate import estimate
from wse_sim.mapping.plan.mapping import Mapping, Place
from wse_sim.mapping.region.arrivals import tile_sizes, words_of_a_step
from wse_sim.mapping.region.fit import bytes_needed, fits
from wse_sim.mapping.region.layout import Layout
from wse_sim.mapping.region.rounds import MOST_ROUNDS
from wse_sim.mapping.strategies.best import COARSE, RUNG, best, ladder
from wse_sim.mapping.strategies.rough import rough_bytes, rough_cycles
from wse_sim.mapping.strategies.strategy import Problem, Strategy

NAME = "weight-streaming"
MOST = 64  # sequences that are tried
MOST_PROMPTS = 8  # at once, whose code is laid out one after the other
Candidate = tuple[Layout, Region]


def plan(problem: Problem) -> Mapping:
    """The square, or the whole rectangle, and the number of sequences with the most tokens a second."""
    found = best(
        list(_candidates(problem)), lambda pair: _rough(*pair) / _together(pair[0]), lambda pair: fits(pair[0]),
        lambda pair: 1 / estimate(_mapping(problem, *pair)).tokens_per_s, _nothing(problem),
    )  # fmt: skip
    return _mapping(problem, *found)


def _candidates(problem: Problem) -> Iterator[Candidate]:
    """Squares and rectangles of full height where no PE is dead, and numbers of sequences that look as if they fit: the
    largest; of prompts the smallest that keeps the PEs at work for as long as the link takes.
    """
    limit, high = problem.wafer.user_sram_bytes, problem.height
    rung = RUNG if problem.phase == "decode" else COARSE
    squares = [(side, side) for side in ladder(1, min(problem.width, high), rung)]
    for width, height in dict.fromkeys([*squares, *((side, high) for side in ladder(1, problem.width, rung))]):
        region = _place(problem, width, height)
        if region is None:
            continue
        one = _layout(problem, width, height, 1)
        fitting = [many for many in (_many(one, count) for count in _counts(problem)) if _bytes(many) <= limit]
        if problem.phase == "prefill":
            enough = (many for many in fitting if _work(many) >= _link(many, region))
            fitting = [*islice(enough, 1)] or fitting
        for many in fitting[-2:]:
            yield many, region


def _counts(problem: Problem) -> list[int]:
    """Numbers of sequences worth trying."""
    most = MOST if problem.phase == "decode" else MOST_PROMPTS
    return [problem.sequences] if problem.sequences else [2**k for k in range(most.bit_length())]


def _place(problem: Problem, width: int, height: int) -> Region | None:
    """Where the link takes least time and no PE is dead, at an edge with channels; None: nowhere."""
    edges = edges_of(problem.wafer, problem.width, problem.height)
    ends = {WEST: 0, EAST: edges.width - width}
    lefts = [ends[side] for side in edges.reached(Grid(problem.width, problem.height)) if side in ends] or [0]
    stretches = [edges.height * k // edges.channels for k in range(1, edges.channels)]
    tops = [0, *(max(0, start - height // 2) for start in stretches)]  # half of it beside the next channel's rows
    found = {_living(problem, Region(range(x, x + width), range(y, y + height))) for x in lefts for y in tops}
    regions = sorted((r for r in found if r), key=lambda r: (r.ys[0], r.xs[0]))
    return min(regions, key=lambda r: feed.cycles(problem.wafer, r, 1), default=None)


def _living(problem: Problem, region: Region) -> Region | None:
    """The region as far north as it can be from there on without a dead PE."""
    rows = sorted(y for x, y in problem.dead if x in region.xs)
    for y in rows:
        if y in region.ys:
            region = Region(region.xs, range(y + 1, y + 1 + region.height))
    return region if region.ys.stop <= problem.height else None


def _layout(problem: Problem, width: int, height: int, sequences: int) -> Layout:
    one = Layout(
        config=problem.config, wafer=problem.wafer, width=width, height=height, dtype=problem.dtype,
        accumulate=problem.accumulate, context=problem.context, streamed=True, layers=range(problem.config.n_layer),
        prompt=problem.prompt if problem.phase == "prefill" else 0,
    )  # fmt: skip
    return _many(one, sequences)


def _many(layout: Layout, sequences: int) -> Layout:
    """With so many that share a pass of the weights."""
    return replace(layout, sequences=sequences) if layout.prompt else replace(layout, batch=sequences)


def _together(layout: Layout) -> int:
    return layout.sequences * layout.batch


def _bytes(layout: Layout) -> int:
    """A first guess of a PE's SRAM."""
    if layout.prompt:
        return rough_bytes(layout)
    hidden, features, inner, many = layout.hidden.size, layout.features.size, layout.inner.size, layout.batch
    without = rough_bytes(replace(layout, layers=range(0), batch=1))
    layer = 6 * hidden + 3 * features + inner + 2 * features * layout.cache_slots * many
    work = (many - 1) * (4 * hidden + 4 * features + 3 * inner + layout.vocabulary.size)
    work += (many - 1) * layout.config.n_head // layout.width * layout.cache_slots
    work += 4 * MOST_ROUNDS * many // layout.dtype.bytes
    return without + layout.dtype.bytes * (len(layout.held) * layer + 2 * sum(tile_sizes(layout).values()) + work)


def _rough(layout: Layout, region: Region) -> float:
    """A first guess of a step's cycles."""
    return max(_link(layout, region), _work(layout))


def _link(layout: Layout, region: Region) -> int:
    return feed.cycles(layout.wafer, region, words_of_a_step(layout))


def _work(layout: Layout) -> float:
    return _together(layout) * rough_cycles(layout, layout.context - 1)


def _mapping(problem: Problem, layout: Layout, region: Region) -> Mapping:
    place = Place(
        x=region.xs[0], y=region.ys[0], width=layout.width, height=layout.height, layers=layout.held, embedding=True,
        head=True, streamed=True,
    )  # fmt: skip
    return Mapping(
        config=problem.config, wafer=problem.wafer, strategy=NAME, phase=problem.phase, dtype=problem.dtype,
        accumulate=problem.accumulate, context=problem.context, sequences=_together(layout), places=(place,),
        prompt=layout.prompt, dead=problem.dead,
    )  # fmt: skip


def _nothing(problem: Problem) -> str:
    needed = bytes_needed(_layout(problem, problem.width, problem.height, max(problem.sequences, 1)))
    return (
        f"{problem.config.name} in {problem.dtype.name} with {problem.context:,} tokens of context and streamed "
        f"weights needs {needed:,} bytes of SRAM on each of {problem.width}x{problem.height} PEs for tables, cache "
        f"and two layers, but there are {problem.wafer.user_sram_bytes:,}, or dead PEs leave no room; try f16, a "
        "shorter context, or more PEs"
    )


WEIGHT_STREAMING = Strategy(
    name=NAME,
    meaning="one region at an edge with I/O channels, whose matrices enter along every row, layer by layer, dealt by "
    "filters, the next layer while one is worked on; tables, norms, activations and KV cache stay; B sequences step "
    "together, or B prompts are taken at once in each pass of the weights",
    memory="2 b n / A + 2 b L d c B / A + tables",
    compute="B L T_gemv(P)",
    communication="b N / BW' a step beside the compute: the longer of the two counts; 10 L T_line(P) for B sequences",
    uses=("sequences",),
    lay=plan,
)
