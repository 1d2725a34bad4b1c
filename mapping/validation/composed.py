"""Cycles of kernels whose steps are alike, composed of launches on fewer PEs where a whole one would take too long."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal, get_args

from wse_sim.errors import UsageError

Fidelity = Literal["exact", "sampled"]
FIDELITIES: tuple[Fidelity, ...] = get_args(Fidelity)
WHOLE = 1.0  # seconds: what takes no longer is simulated whole
ENOUGH = 0.15  # seconds that launches on fewer PEs may take, together
FEWER = (32, 16, 8, 4)
MORE = (0, 1, 2)


def fidelity_of(name: str) -> Fidelity:
    """The fidelity of a name. Raises UsageError if there is none."""
    for fidelity in FIDELITIES:
        if fidelity == name:
            return fidelity
    raise UsageError(f"--fidelity is {name!r}: expected {' or '.join(FIDELITIES)}")


@dataclass(frozen=True)
class Steps:
    """A kernel on a square of PEs that takes as many steps as the square has PEs on a side.

    Before the steps there may be half as many shifts.

    simulate   cycles on a square of so many PEs a side that no edge of a die crosses
    seconds    about what that takes
    crossings  cycles that the edges of dies in the square add
    """

    side: int
    simulate: Callable[[int], float]
    seconds: Callable[[int], float]
    crossings: Callable[[], int]

    @property
    def too_many(self) -> bool:
        """Whether the whole square takes long and is larger than those it would be composed of."""
        return self.seconds(self.side) > WHOLE and self.side > self._fewer + MORE[-1]

    @property
    def composed_seconds(self) -> float:
        """About what composing takes."""
        return self._seconds_from(self._fewer)

    def composed(self) -> float:
        """Cycles of the whole square, from launches on three small ones: two tell a step, the third a shift."""
        fewer = self._fewer
        first, second, third = (self.simulate(fewer + more) for more in MORE)
        step = second - first  # `fewer` is even: the next side has no shift more
        shift = third - second - step
        return first + (self.side - fewer) * step + (self.side // 2 - fewer // 2) * shift + self.crossings()

    @property
    def _fewer(self) -> int:
        return next((side for side in FEWER if self._seconds_from(side) <= ENOUGH), FEWER[-1])

    def _seconds_from(self, fewer: int) -> float:
        return sum(self.seconds(fewer + more) for more in MORE)
