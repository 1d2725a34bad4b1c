"""Where replicas find room: each a ring of regions in a part of the wafer, by the placement that is asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from wse_sim.errors import FitError
from wse_sim.hardware import Region
from wse_sim.mapping.placement import Floor, placement, ring
from wse_sim.mapping.placement.rows import in_rows, serpentine
from wse_sim.mapping.plan.between import flows_of
from wse_sim.mapping.plan.placed import blocks_of
from wse_sim.mapping.strategies.build import Choice, layout_of
from wse_sim.mapping.strategies.strategy import Problem

Ring = tuple[Region, ...]


def one(problem: Problem, choice: Choice) -> list[Ring]:
    """One replica anywhere on the wafer."""
    return [placement(problem.placement).place(floor_of(problem, choice))]


def many(problem: Problem, choice: Choice) -> list[Ring]:
    """As many replicas as find room, at most those that the problem asks for; FitError if there is none."""
    if choice.turned:
        return one(problem, choice)
    found = _side_by_side(problem, choice) if len(choice.parts) == 1 else _in_strips(problem, choice)
    if not found:
        raise FitError(
            f"no room for {choice.widths[0]}x{choice.height} PEs on {problem.width}x{problem.height} PEs around the "
            "dead ones"
        )
    return found[: problem.replicas or None]


def floor_of(problem: Problem, choice: Choice) -> Floor:
    """The wafer as it lies, and the parts of a replica."""
    width, height = (problem.height, problem.width) if choice.turned else (problem.width, problem.height)
    layouts = [layout_of(problem, choice, part) for part in choice.parts]
    return Floor(
        width=width,
        height=height,
        blocks=blocks_of(layouts, problem.context - 1),
        links=ring(len(choice.parts)),
        wafer=problem.wafer,
        total=problem.config.n_embd,
        dtype=problem.dtype,
        dead=frozenset((y, x) for x, y in problem.dead) if choice.turned else problem.dead,
        weights=problem.weights,
        seed=problem.seed,
        flows=flows_of(layouts, problem.prompt),
    )


def room_for(problem: Problem, choice: Choice) -> int:
    """How many `many` finds, dead PEs not considered."""
    found = max((across * down for _, across, down in _shapes(problem, choice)), default=0)
    return min(found, problem.replicas or found)


def _shapes(problem: Problem, choice: Choice) -> Iterator[tuple[int, int, int]]:
    """Widths of a strip in which a replica takes 1, 2, ... rows; strips, and replicas in each."""
    count, widest = len(choice.widths), max(choice.widths)
    for rows in range(1, count + 1):
        in_a_row = -(-count // rows)
        strip = max(sum(choice.widths[:in_a_row]), in_a_row * widest if rows > 1 else 0)
        if strip <= problem.width and rows * choice.height <= problem.height:
            yield strip, problem.width // strip, problem.height // (rows * choice.height)


def _side_by_side(problem: Problem, choice: Choice) -> list[Ring]:
    """Single rectangles, in rows."""
    floor = floor_of(problem, choice)
    count = floor.width // choice.widths[0] * (floor.height // choice.height)
    places = in_rows(replace(floor, blocks=floor.blocks * count, links=()), serpentine=False)
    return [(place,) for place in places]


def _in_strips(problem: Problem, choice: Choice) -> list[Ring]:
    """The shape with the most replicas, each serpentine in its strip."""
    shapes = sorted(_shapes(problem, choice), key=lambda shape: (-shape[1] * shape[2], shape[0]))
    return max((_fill(problem, choice, strip) for strip, *_ in shapes[:3]), key=len, default=[])


def _fill(problem: Problem, choice: Choice, strip: int) -> list[Ring]:
    """One replica below the other, strip after strip: in rows, and within those by the placement asked for."""
    found: list[Ring] = []
    whole = floor_of(problem, choice)
    for left in range(0, whole.width - strip + 1, strip):
        top = 0
        while top + choice.height <= whole.height:
            try:
                rows = serpentine(_part(whole, left, top, strip, whole.height - top))
                deep = max(region.ys.stop for region in rows)
                placed = placement(problem.placement).place(_part(whole, left, top, strip, deep))
            except FitError:
                break
            found.append(tuple(_moved(region, left, top) for region in placed))
            top += deep
    return found


def _part(floor: Floor, left: int, top: int, width: int, height: int) -> Floor:
    """A window of a floor."""
    dead = ((x - left, y - top) for x, y in floor.dead)
    inside = frozenset((x, y) for x, y in dead if 0 <= x < width and 0 <= y < height)
    return replace(floor, width=width, height=height, dead=inside)


def _moved(region: Region, x: int, y: int) -> Region:
    return Region(range(region.xs.start + x, region.xs.stop + x), range(region.ys.start + y, region.ys.stop + y))
