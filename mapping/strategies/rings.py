"""Where replicas find room: each a ring of rectangles of one height, in a strip of the wafer."""

from __future__ import annotations

from collections.abc import Iterator

from wse_sim.errors import FitError
from wse_sim.mapping.plan.mapping import Pe
from wse_sim.mapping.strategies.build import Choice
from wse_sim.mapping.strategies.packing import pack, shelves
from wse_sim.mapping.strategies.strategy import Problem

Ring = list[Pe]


def one(problem: Problem, choice: Choice) -> list[Ring]:
    """The first place where one replica finds room, in rows, every other one from east to west."""
    width, height = (problem.height, problem.width) if choice.turned else (problem.width, problem.height)
    dead = {(y, x) for x, y in problem.dead} if choice.turned else problem.dead
    return [pack(choice.widths, choice.height, width, height, dead=dead)]


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
    [width], rows = choice.widths, len(list(shelves(choice.height, problem.height)))
    for count in range(rows * (problem.width // width), 0, -1):
        try:
            found = pack([width] * count, choice.height, problem.width, problem.height, dead=problem.dead,
                         serpentine=False)  # fmt: skip
        except FitError:
            continue
        return [[corner] for corner in found]
    return []


def _in_strips(problem: Problem, choice: Choice) -> list[Ring]:
    """The shape with the most replicas, each serpentine in its strip."""
    shapes = sorted(_shapes(problem, choice), key=lambda shape: (-shape[1] * shape[2], shape[0]))
    return max((_fill(problem, choice, strip) for strip, *_ in shapes[:3]), key=len, default=[])


def _fill(problem: Problem, choice: Choice, strip: int) -> list[Ring]:
    """One replica below the other, strip after strip."""
    found: list[Ring] = []
    for left in range(0, problem.width - strip + 1, strip):
        top = 0
        while top + choice.height <= problem.height:
            dead = {(x - left, y - top) for x, y in problem.dead if left <= x < left + strip and y >= top}
            try:
                ring = pack(choice.widths, choice.height, strip, problem.height - top, dead=dead)
            except FitError:
                break
            found.append([(left + x, top + y) for x, y in ring])
            top = max(y for _, y in found[-1]) + choice.height
    return found
