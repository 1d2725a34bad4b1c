"""Of many sizes of regions, those worth a look, and the best."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from itertools import islice
from typing import TypeVar

from wse_sim.errors import FitError

T = TypeVar("T")
RUNG = 1.15  # from one size to the next
COARSE = 1.3  # the same for prompts, whose closed forms take longer
ESTIMATED = 3  # candidates that the closed forms look at


def ladder(low: int, high: int, rung: float = RUNG) -> Iterator[int]:
    """Sizes from `low` to `high`, each some part larger than the one before; none if `high` is less."""
    size = low
    while size < high:
        yield size
        size = max(size + 1, round(size * rung))
    if high >= low:
        yield high


def best(candidates: Iterable[T], rough: Callable[[T], float], good: Callable[[T], bool], exact: Callable[[T], float],
         nothing: str) -> T:  # fmt: skip
    """Of the candidates that look cheapest and are good, the cheapest; FitError with `nothing` if none is good.

    `good` may raise FitError, too, for a candidate that is not.
    """
    finalists = [*islice((one for one in sorted(candidates, key=rough) if _is(good, one)), ESTIMATED)]
    if not finalists:
        raise FitError(nothing)
    return min(finalists, key=exact)


def _is(good: Callable[[T], bool], candidate: T) -> bool:
    try:
        return good(candidate)
    except FitError:
        return False
