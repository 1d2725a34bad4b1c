"""What PEs keep beside a layout for programs that take several rounds or prompts in a launch."""

from __future__ import annotations

from dataclasses import dataclass

from wse_sim.hardware import Region, i32
from wse_sim.program.builder import Builder
from wse_sim.program.memory import Buffer

MOST_ROUNDS = 32  # of a launch


@dataclass(frozen=True)
class Rounds:
    """On each PE of a region that decodes and chooses.

    position, token  i32[sequences]: of the next token of each, and that token
    history          i32[sequences * MOST_ROUNDS]: chosen in each round of the last launch
    """

    position: Buffer
    token: Buffer
    history: Buffer


@dataclass(frozen=True)
class Taken:
    """On each PE of a region that takes prompts at once.

    count   i32[sequences]: tokens of the prompt of each sequence; 0: none
    chosen  i32[sequences]: the token after each prompt, where tokens are chosen
    """

    count: Buffer
    chosen: Buffer


def make_position(build: Builder, region: Region, sequences: int) -> Buffer:
    """The positions alone, where no tokens are chosen."""
    return build.buffer("position", i32, sequences, on=region)


def make_rounds(build: Builder, region: Region, sequences: int, *, together: bool = False) -> Rounds:
    """The buffers; sequences that step together have their positions and tokens elsewhere."""
    each = 1 if together else sequences
    return Rounds(
        position=make_position(build, region, each),
        token=build.buffer("token.next", i32, each, on=region),
        history=build.buffer("token.history", i32, sequences * MOST_ROUNDS, on=region),
    )


def make_taken(build: Builder, region: Region, sequences: int) -> Taken:
    """The buffers."""
    return Taken(*(build.buffer(f"prompt.{name}", i32, sequences, on=region) for name in ("count", "chosen")))
