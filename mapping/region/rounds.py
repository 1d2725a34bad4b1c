"""What PEs keep that take several rounds in a launch: the position, the next token, and those that were chosen."""

from __future__ import annotations

from dataclasses import dataclass

from wse_sim.hardware import Region, i32
from wse_sim.program.builder import Builder
from wse_sim.program.memory import Buffer

MOST_ROUNDS = 32  # of a launch


@dataclass(frozen=True)
class Rounds:
    """On each PE of a region.

    position, token  i32[1]
    history          i32[sequences * MOST_ROUNDS]: chosen in each round of the last launch
    """

    position: Buffer
    token: Buffer
    history: Buffer


def make_rounds(build: Builder, region: Region, sequences: int) -> Rounds:
    """The buffers."""
    return Rounds(
        position=build.buffer("position", i32, 1, on=region),
        token=build.buffer("token.next", i32, 1, on=region),
        history=build.buffer("token.history", i32, sequences * MOST_ROUNDS, on=region),
    )
