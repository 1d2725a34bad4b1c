"""How the next token is chosen by chance, and the random numbers for it."""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Integral

import numpy as np

from wse_sim.errors import UsageError

LARGEST_SEED = 2**64 - 1


@dataclass(frozen=True, kw_only=True)
class Sampling:
    """A draw among the likeliest tokens.

    temperature  divides logits; small numbers come close to the greedy choice
    top_k        candidates
    top_p        only the likeliest candidates are kept whose probability together reaches this share of all candidates'
    seed         of the random numbers: Philox with this key, and position and sequence as counter, in float32. The host
                 makes them and passes each step its number; all else is computed on the wafer.
    """

    temperature: float = 1.0
    top_k: int = 50
    top_p: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        if not 1e-3 <= self.temperature <= 1e3:
            raise UsageError(f"temperature {self.temperature:g}: expected 0.001 to 1000, or 0 for no draw")
        for name, value in (("top_k", self.top_k), ("seed", self.seed)):
            if not isinstance(value, Integral):
                raise UsageError(f"{name} {value}: expected a whole number")
        if self.top_k < 1:
            raise UsageError(f"top_k {self.top_k}: expected 1 candidate or more")
        if not 0 < self.top_p <= 1:
            raise UsageError(f"top_p {self.top_p:g}: expected more than 0, and 1 at most")
        if not 0 <= self.seed <= LARGEST_SEED:
            raise UsageError(f"seed {self.seed}: expected 0 to {LARGEST_SEED}")

    def random(self, position: int, *, sequence: int = 0) -> float:
        """The number, 0 <= number < 1, that chooses what comes after a position of a sequence."""
        bits = np.random.Philox(key=self.seed, counter=[position, sequence, 0, 0])
        return float(np.random.Generator(bits).random(dtype=np.float32))

    def arguments(self, position: int, *, sequence: int = 0) -> dict[str, float]:
        """Launch arguments of a step; see `kernels.transformer.draw`."""
        return {
            "count": self.top_k,
            "sharpen": 1 / self.temperature,
            "top_p": self.top_p,
            "random": self.random(position, sequence=sequence),
        }

    def describe(self) -> str:
        """In a line."""
        return f"temperature {self.temperature:g}, top-k {self.top_k}, top-p {self.top_p:g}, seed {self.seed}"
