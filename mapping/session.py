"""A GPT resident on the wafer: tokens in, tokens out, one launch per token."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wse_sim.engine.machine import Machine
from wse_sim.errors import UsageError
from wse_sim.mapping.decode import OWN_TOKEN, Decoder
from wse_sim.mapping.layout import Layout
from wse_sim.mapping.model.reference import Weights
from wse_sim.mapping.sampling import Sampling
from wse_sim.report.report import Report
from wse_sim.report.trace import Recording, Trace

Floats = NDArray[np.float32]
NO_STOP: Set[int] = frozenset()

OnStep = Callable[[int, int], None]
"""Called after each step with the steps done and the cycles of the last."""


@dataclass(frozen=True, eq=False)
class Generation:
    """What a generation gave.

    prompt_ids  tokens given
    token_ids   tokens chosen, a stop token included
    cycles      of each step: one per prompt token, then one per token fed back
    positions   positions whose logits were computed, in order
    logits      (len(positions), vocabulary)
    stopped     whether it ended with a stop token
    """

    prompt_ids: tuple[int, ...]
    token_ids: tuple[int, ...]
    cycles: tuple[int, ...]
    positions: tuple[int, ...]
    logits: Floats
    stopped: bool = False


class Session:
    """A mapped model loaded on a machine; the KV cache grows from step to step.

    sampling  how the next token is drawn; None: the likeliest
    sequence  whose random numbers it takes; see `Sampling`
    trace     what the machine records
    """

    def __init__(
        self, layout: Layout, tensors: Weights, *, sampling: Sampling | None = None, sequence: int = 0,
        engine: str = "auto", threads: int = 1, trace: Trace | None = None,
    ) -> None:  # fmt: skip
        self.layout = with_candidates(layout, sampling)
        self.sampling, self.sequence = sampling, sequence
        self.decoder = Decoder(self.layout)
        self.machine = Machine(self.decoder.program, layout.wafer, engine=engine, threads=threads, trace=trace)
        self.decoder.load(self.machine, tensors)
        self.position = 0

    def step(self, token: int = OWN_TOKEN, *, sample: bool = True) -> int:
        """Runs one token at the next position; returns its cycles.

        sample  whether logits and the next token are computed, too
        """
        if self.position >= self.layout.context:
            raise UsageError(
                f"position {self.position} is beyond the context of {self.layout.context} tokens; "
                "start a new session, or map a longer context"
            )
        if not OWN_TOKEN <= token < self.layout.config.vocab_size:
            raise UsageError(f"token {token}: expected 0 to {self.layout.config.vocab_size - 1}")
        given: dict[str, float] = {"token": token, "position": self.position, "sample": int(sample)}
        if self.sampling is not None:
            given |= self.sampling.arguments(self.position, sequence=self.sequence)
        cycles = self.machine.launch(given)
        self.position += 1
        return cycles

    def logits(self) -> Floats:
        """Logits (vocabulary,) of the last step that sampled."""
        return self.decoder.logits(self.machine)

    def token(self) -> int:
        """The token chosen at the last step that sampled."""
        return self.decoder.token(self.machine)

    def report(self) -> Report:
        """Everything since the session began."""
        return self.machine.report()

    def recording(self) -> Recording:
        """What was recorded since the session began. Raises UsageError without a trace."""
        return self.machine.recording()


def with_candidates(layout: Layout, sampling: Sampling | None) -> Layout:
    """The layout with room for what sampling needs."""
    return layout if sampling is None else replace(layout, candidates=sampling.top_k)


def generate(
    session: Session,
    prompt_ids: Sequence[int],
    new_tokens: int,
    *,
    stop: Set[int] = NO_STOP,
    every_position: bool = False,
    on_step: OnStep | None = None,
) -> Generation:
    """Feeds the prompt token by token, then goes on with what the wafer chooses.

    stop            tokens after which it ends
    every_position  computes logits at each prompt position, not only at the last
    """
    check_length(session.layout, prompt_ids, new_tokens, used=session.position)
    cycles: list[int] = []
    chosen: list[int] = []
    positions: list[int] = []
    logits: list[Floats] = []
    for i in range(steps_of(prompt_ids, new_tokens)):
        sample = every_position or i >= len(prompt_ids) - 1
        cycles.append(session.step(prompt_ids[i] if i < len(prompt_ids) else OWN_TOKEN, sample=sample))
        if sample:
            positions.append(session.position - 1)
            logits.append(session.logits())
        if i >= len(prompt_ids) - 1 and len(chosen) < new_tokens:
            chosen.append(session.token())
        if on_step is not None:
            on_step(i + 1, cycles[-1])
        if chosen and chosen[-1] in stop:
            break
    return Generation(
        prompt_ids=tuple(prompt_ids),
        token_ids=tuple(chosen),
        cycles=tuple(cycles),
        positions=tuple(positions),
        logits=np.array(logits, np.float32).reshape(len(logits), session.layout.config.vocab_size),
        stopped=bool(chosen) and chosen[-1] in stop,
    )


def steps_of(prompt_ids: Sequence[int], new_tokens: int) -> int:
    """Launches of a generation that no stop token ends: the last token chosen is not fed back."""
    return len(prompt_ids) + max(new_tokens - 1, 0)


def check_length(layout: Layout, prompt_ids: Sequence[int], new_tokens: int, *, used: int = 0) -> None:
    """UsageError unless the tokens exist and the context has room for them after `used` ones."""
    if not prompt_ids:
        raise UsageError("the prompt is empty: expected one token or more")
    if new_tokens < 0:
        raise UsageError(f"{new_tokens} tokens asked for: expected 0 or more")
    outside = next((token for token in prompt_ids if not 0 <= token < layout.config.vocab_size), None)
    if outside is not None:
        raise UsageError(f"token {outside}: expected 0 to {layout.config.vocab_size - 1}")
    needed = used + steps_of(prompt_ids, new_tokens)
    if needed > layout.context:
        raise UsageError(
            f"a prompt of {len(prompt_ids)} tokens and {new_tokens} new ones need {needed} positions, but the context "
            f"has {layout.context}; shorten the prompt, or ask for fewer tokens"
        )
