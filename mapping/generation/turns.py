"""Whose turn it is: which sequences take part in each step of a generation, and with which token."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, field

from wse_sim.mapping.region.decode import OWN_TOKEN


@dataclass(frozen=True)
class Turn:
    """A sequence's part in a step.

    sequence  its number
    token     given, or OWN_TOKEN for the one chosen last
    position  of the token
    wanted    whether logits and the next token are computed
    """

    sequence: int
    token: int
    position: int
    wanted: bool


@dataclass
class Progress:
    """How far a sequence is.

    prompt  tokens given
    target  tokens to choose at most
    fed     tokens that took a step
    chosen  tokens chosen so far
    cycles  of the steps that it took part in
    """

    prompt: Sequence[int]
    target: int
    fed: int = 0
    chosen: list[int] = field(default_factory=list)
    cycles: list[int] = field(default_factory=list)
    stopped: bool = False

    @property
    def done(self) -> bool:
        """Whether no step is left: the last token chosen is not fed back."""
        return self.stopped or self.fed >= len(self.prompt) + max(self.target - 1, 0)

    @property
    def choosing(self) -> bool:
        """Whether what comes after the next token is to be chosen."""
        return self.fed >= len(self.prompt) - 1

    def take(self, token: int, stop: Set[int]) -> None:
        """Notes the token chosen in the step that was just taken, if one was asked for."""
        if self.fed >= len(self.prompt) and len(self.chosen) < self.target:
            self.chosen.append(token)
            self.stopped = token in stop


def turns(sequences: Sequence[Progress], *, every_position: bool = False) -> Iterator[tuple[Turn, ...]]:
    """The turns of each step, those that want a token first; sequences that are done are dropped.

    The caller notes what was chosen, and raises `fed`, before it asks for the next step.
    """
    while True:
        step = [
            Turn(
                sequence=number,
                token=one.prompt[one.fed] if one.fed < len(one.prompt) else OWN_TOKEN,
                position=one.fed,
                wanted=every_position or one.choosing,
            )
            for number, one in enumerate(sequences)
            if not one.done
        ]
        if not step:
            return
        yield tuple(sorted(step, key=lambda turn: not turn.wanted))
