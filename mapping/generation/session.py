"""A GPT resident on the wafer: tokens in, tokens out, one launch per token."""

from __future__ import annotations

from collections.abc import Callable, Sequence, Set
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from wse_sim.engine.machine import Machine
from wse_sim.errors import UsageError
from wse_sim.mapping.generation.sampling import Sampling
from wse_sim.mapping.generation.schedule import Launch, schedule, takes_at_once
from wse_sim.mapping.model.reference import Weights
from wse_sim.mapping.model.tokens import token_ids
from wse_sim.mapping.region.decode import HEAD, OWN_TOKEN, Decoder
from wse_sim.mapping.region.finite import outgrown
from wse_sim.mapping.region.layout import Layout
from wse_sim.report.report import Report
from wse_sim.report.trace import Recording, Trace

Floats = NDArray[np.float32]
NO_STOP: Set[int] = frozenset()

OnStep = Callable[[int, int], None]
"""Called after each step with the steps done and the cycles of the last."""


@dataclass(frozen=True, eq=False)
class Generation:
    """What a generation gave.

    prompt_ids   tokens given
    token_ids    tokens chosen, a stop token included
    cycles       of each launch
    positions    positions whose logits were computed, in order
    logits       (len(positions), vocabulary)
    stopped      whether it ended with a stop token
    at_once      tokens of the prompt that were taken at once, the first ones
    looked_back  launches for logits at positions of those
    """

    prompt_ids: tuple[int, ...]
    token_ids: tuple[int, ...]
    cycles: tuple[int, ...]
    positions: tuple[int, ...]
    logits: Floats
    stopped: bool = False
    at_once: int = 0
    looked_back: int = 0

    @property
    def prompt_launches(self) -> int:
        """How many of the launches the prompt took; then follows one for each token fed back."""
        return len(self.prompt_ids) - self.at_once + (self.at_once > 0) + self.looked_back


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
        require_resident(layout)
        if layout.batch > 1:
            raise UsageError(f"a session for a batch of {layout.batch}: expected one sequence; take a BatchSession")
        self.layout = with_candidates(layout, sampling)
        self.sampling, self.sequence = sampling, sequence
        self.decoder = Decoder(self.layout)
        self.machine = Machine(self.decoder.program, layout.wafer, engine=engine, threads=threads, trace=trace)
        self.decoder.load(self.machine, tensors)
        self.position = 0
        self._prompt = 0  # tokens of the last prompt whose hidden states are still there
        self._chose = False  # whether the last launch chose a token

    def step(self, token: int = OWN_TOKEN, *, sample: bool = True) -> int:
        """Runs one token at the next position; returns its cycles.

        token   OWN_TOKEN: the one that the launch before chose
        sample  whether logits and the next token are computed, too
        """
        if self.position >= self.layout.context:
            raise UsageError(
                f"position {self.position} is beyond the context of {self.layout.context} tokens; "
                "start a new session, or map a longer context"
            )
        if not OWN_TOKEN <= token < self.layout.config.vocab_size:
            raise UsageError(f"token {token}: expected 0 to {self.layout.config.vocab_size - 1}")
        if token == OWN_TOKEN and not self._chose:
            raise UsageError(
                f"a step at position {self.position} with the token chosen last, but the launch before chose none: "
                "expected a token, or sample=True there"
            )
        cycles = self._launch(Launch(token, self.position, sample))
        self.position += 1
        self._prompt = 0
        return cycles

    def prefill(self, ids: Sequence[int], *, sample: bool = True) -> int:
        """Takes a whole prompt at once, on a new session; returns its cycles.

        sample  whether logits and the next token are computed, after its last token
        """
        prefill = self.decoder.prefill
        if prefill is None or not 1 <= len(ids) <= self.layout.prompt or self.position:
            raise UsageError(
                f"a prompt of {len(ids)} tokens at once at position {self.position}: expected 1 to "
                f"{self.layout.prompt} tokens (the layout's prompt) at position 0; feed the rest token by token"
            )
        prefill.write(self.machine, check_length(self.layout, ids, 0))
        cycles = self._launch(Launch(OWN_TOKEN, len(ids) - 1, sample, prompt_tokens=len(ids)))
        self.position = self._prompt = len(ids)
        return cycles

    def look_back(self, position: int) -> int:
        """Computes logits and the next token after a token of the prompt, before any step; returns its cycles."""
        if not 0 <= position < self._prompt:
            raise UsageError(
                f"look back at position {position}: expected one of the {self._prompt} tokens of a prompt just taken "
                "at once; a step uses the room of their hidden states"
            )
        return self._launch(Launch(OWN_TOKEN, position, True, prompt_tokens=HEAD))

    def _launch(self, launch: Launch) -> int:
        self._chose = launch.sample
        return self.machine.launch(launch.arguments(self.layout, self.sampling, sequence=self.sequence))

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


def require_resident(layout: Layout) -> None:
    """UsageError unless all of the model lies on the layout, and stays there."""
    if layout.streamed or not layout.whole:
        held = "weights that are streamed" if layout.streamed else "a part of a model"
        raise UsageError(
            f"a session with {held}: expected all of {layout.config.name}, resident; for the rest take a Flight of a "
            "mapping"
        )


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
    """Feeds the prompt, then goes on with what the wafer chooses.

    As much of the prompt as the layout takes at once begins a new session; the rest goes token by token.
    stop            tokens after which it ends
    every_position  computes logits at each prompt position, not only at the last
    errors          RunError where logits are not finite: the token that follows means nothing
    """
    prompt_ids = check_length(session.layout, prompt_ids, new_tokens, used=session.position)
    at_once = takes_at_once(session.layout, prompt_ids, session.position)
    launches = schedule(prompt_ids, new_tokens, at_once=at_once, every_position=every_position)
    cycles: list[int] = []
    chosen: list[int] = []
    positions: list[int] = []
    logits: list[Floats] = []
    start = session.position
    for i, launch in enumerate(launches):
        cycles.append(_run(session, launch, prompt_ids))
        if launch.sample:
            positions.append(start + launch.position)
            logits.append(finite(session.logits(), session.layout, positions[-1]))
        if launch.chooses:
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
        at_once=at_once,
        looked_back=at_once if every_position else 0,
    )


def finite(logits: Floats, layout: Layout, position: int) -> Floats:
    """The logits (vocabulary,) after a position; RunError if a number on their way left its type's range."""
    bad = int((~np.isfinite(logits)).sum())
    if bad:
        raise outgrown(f"position {position}: {bad:,} of {logits.size:,} logits", layout)
    return logits


def _run(session: Session, launch: Launch, prompt_ids: Sequence[int]) -> int:
    if launch.prompt_tokens == HEAD:
        return session.look_back(launch.position)
    if launch.prompt_tokens:
        return session.prefill(prompt_ids[: launch.prompt_tokens], sample=launch.sample)
    return session.step(launch.token, sample=launch.sample)


def check_length(layout: Layout, prompt_ids: Sequence[int], new_tokens: int, *, used: int = 0) -> list[int]:
    """The prompt's tokens; UsageError unless they exist and the context has room for them after `used` ones."""
    ids = token_ids(layout.config, prompt_ids)
    if new_tokens < 0:
        raise UsageError(f"{new_tokens} tokens asked for: expected 0 or more")
    needed = used + len(ids) + max(new_tokens - 1, 0)
    if needed > layout.context:
        raise UsageError(
            f"a prompt of {len(ids):,} tokens and {new_tokens:,} new ones need {needed:,} positions, but the "
            f"context has {layout.context:,}; shorten the prompt, or ask for fewer tokens"
        )
    return ids
