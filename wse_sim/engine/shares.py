"""Which engine ran which part of a program."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from wse_sim.engine.lower import Lowered
from wse_sim.errors import RunError

SHOWN = 8


@dataclass(frozen=True, eq=False)
class Left:
    """PEs that the stream engine leaves to the cycle engine.

    pe   the one that is why, or the first
    row  instruction that is why; -1: none in particular
    """

    pes: np.ndarray
    pe: int
    why: str
    row: int = -1


@dataclass
class Shares:
    """What the engines did so far, launch by launch."""

    width: int
    pes: dict[str, int] = field(default_factory=dict)
    reasons: dict[tuple[int, str], int] = field(default_factory=dict)

    def add(self, engine: str, pes: int) -> None:
        """So many PEs were active on an engine in a launch."""
        if pes:
            self.pes[engine] = max(pes, self.pes.get(engine, 0))

    def leave(self, left: Left) -> None:
        self.reasons[left.pe, left.why] = len(left.pes)

    @property
    def engine(self) -> str:
        """`stream`, `cycle`, or both with a plus."""
        return "+".join(sorted(self.pes, reverse=True))

    def describe(self) -> tuple[str, ...]:
        """A line for each engine, with the PEs it ran at most in a launch, and for each part left by the stream one."""
        lines = [f"{engine}: {count} PEs" for engine, count in sorted(self.pes.items(), reverse=True)]
        for (pe, why), count in list(self.reasons.items())[:SHOWN]:
            lines.append(f"left to the cycle engine: {count} PEs, because PE ({self._place(pe)}) {why}")
        if len(self.reasons) > SHOWN:
            lines.append(f"and {len(self.reasons) - SHOWN} more parts")
        return tuple(lines)

    def _place(self, pe: int) -> str:
        return f"{pe % self.width}, {pe // self.width}"


def raise_left(left: Left, lowered: Lowered) -> None:
    """For a user who wants the stream engine and no other."""
    x, y = left.pe % lowered.program.width, left.pe // lowered.program.width
    where = "" if left.row < 0 else f" at {lowered.placed[left.row].where}: {lowered.placed[left.row].instruction!r}"
    raise RunError(
        f"the stream engine cannot run {len(left.pes)} PEs, because PE ({x}, {y}) {left.why}{where}; expected tasks "
        "that no wavelet starts and messages that are taken as they were sent; choose engine `auto` or `cycle`"
    )
