"""What a generation launches, one after the other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wse_sim.mapping.generation.sampling import Sampling
from wse_sim.mapping.region.decode import DECODE, HEAD, OWN_TOKEN
from wse_sim.mapping.region.layout import Layout


@dataclass(frozen=True)
class Launch:
    """One launch of a `Decoder`'s program.

    token          fed in a step; OWN_TOKEN: the one chosen last
    position       of the last token that it takes, from the begin of the generation
    sample         whether logits and the next token are computed
    chooses        whether the token goes on with the text
    prompt_tokens  of the prompt taken at once; DECODE: a step; HEAD: a look back at a token of the prompt
    """

    token: int
    position: int
    sample: bool
    chooses: bool = False
    prompt_tokens: int = DECODE

    def arguments(
        self, layout: Layout, sampling: Sampling | None = None, *, sequence: int = 0, start: int = 0
    ) -> dict[str, float]:
        """Of the program, in a session that has taken `start` tokens before the generation."""
        position = start + self.position
        given: dict[str, float] = {"token": self.token, "position": position, "sample": int(self.sample)}
        if layout.prompt:
            given["prompt"] = self.prompt_tokens
        return given if sampling is None else given | sampling.arguments(position, sequence=sequence)


def schedule(
    prompt_ids: Sequence[int], new_tokens: int, *, at_once: int = 0, every_position: bool = False
) -> tuple[Launch, ...]:
    """The launches of a generation that no stop token ends: the last token chosen is not fed back.

    at_once         tokens of the prompt that are taken at once, the first ones
    every_position  computes logits at each prompt position, not only at the last
    """
    last, found = len(prompt_ids) - 1, []

    def add(token: int, position: int, *, sample: bool = True, prompt_tokens: int = DECODE) -> None:
        chooses = sample and last <= position < last + new_tokens
        found.append(Launch(token, position, sample, chooses, prompt_tokens))

    if at_once:
        sample = at_once > last and not every_position
        add(OWN_TOKEN, at_once - 1, sample=sample, prompt_tokens=at_once)
    for position in range(at_once if every_position else 0):
        add(OWN_TOKEN, position, prompt_tokens=HEAD)
    for position in range(at_once, len(prompt_ids)):
        add(prompt_ids[position], position, sample=every_position or position == last)
    for position in range(last + 1, last + new_tokens):
        add(OWN_TOKEN, position)
    return tuple(found)


def takes_at_once(layout: Layout, prompt_ids: Sequence[int], start: int = 0) -> int:
    """Tokens of a prompt that a session takes at once: as many as the layout can, on a new session."""
    return 0 if start else min(len(prompt_ids), layout.prompt)
