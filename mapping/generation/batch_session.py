"""Several sequences decoded together, each as if it were alone."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass

import numpy as np

from wse_sim.engine.machine import Machine
from wse_sim.errors import UsageError
from wse_sim.mapping.generation.sampling import Sampling
from wse_sim.mapping.generation.session import (
    NO_STOP,
    Floats,
    Generation,
    OnStep,
    check_length,
    finite,
    require_resident,
    with_candidates,
)
from wse_sim.mapping.generation.turns import Progress, Turn, turns
from wse_sim.mapping.model.reference import Weights
from wse_sim.mapping.region.batch import BatchDecoder
from wse_sim.mapping.region.decode import OWN_TOKEN
from wse_sim.mapping.region.layout import Layout
from wse_sim.mapping.region.resident import Crowd
from wse_sim.report.report import Report
from wse_sim.report.trace import Trace


@dataclass(frozen=True)
class Step:
    """A launch of a `BatchDecoder`.

    arguments  of the launch
    writes     what the host writes into SRAM before, by name of the buffer: (most,) each
    """

    arguments: dict[str, float]
    writes: dict[str, np.ndarray]

    def run(self, machine: Machine) -> int:
        """Writes and launches; returns the cycles."""
        for name, values in self.writes.items():
            machine.write(name, values)
        return machine.launch(self.arguments)


def step_of(crowd: Crowd, step: Sequence[Turn], sampling: Sampling | None) -> Step:
    """The launch for the turns of a step."""
    most = crowd.token.length

    def entries(values: Sequence[float]) -> np.ndarray:
        return np.array([*values, *[0] * (most - len(values))])

    arguments: dict[str, float] = {"active": len(step), "wanted": sum(turn.wanted for turn in step)}
    writes = {
        crowd.token.name: entries([turn.token for turn in step]),
        crowd.position.name: entries([turn.position for turn in step]),
        crowd.where.name: entries([turn.sequence for turn in step]),
    }
    if sampling is not None:
        arguments |= sampling.arguments(0) | {"random": 0.0}
        numbers = [sampling.random(turn.position, sequence=turn.sequence) for turn in step]
        writes[crowd.random.name] = entries(numbers).astype(np.float32)
    return Step(arguments, writes)


class BatchSession:
    """A mapped model loaded on a machine, with a cache for each of `layout.batch` sequences.

    sampling  how the next tokens are drawn; None: the likeliest
    trace     what the machine records
    """

    def __init__(
        self, layout: Layout, tensors: Weights, *, sampling: Sampling | None = None, engine: str = "auto",
        threads: int = 1, trace: Trace | None = None,
    ) -> None:  # fmt: skip
        require_resident(layout)
        if layout.batch == 1:
            raise UsageError("a batch of 1 sequence: expected 2 or more; take a Session")
        self.layout, self.sampling = with_candidates(layout, sampling), sampling
        self.decoder = BatchDecoder(self.layout)
        self.machine = Machine(self.decoder.program, layout.wafer, engine=engine, threads=threads, trace=trace)
        self.decoder.load(self.machine, tensors)
        self._chose: set[int] = set()  # sequences whose last turn chose a token

    def step(self, step: Sequence[Turn]) -> int:
        """One token of each sequence that has a turn, those that want logits first; returns the cycles."""
        self._require(step)
        for turn in step:
            (self._chose.add if turn.wanted else self._chose.discard)(turn.sequence)
        return step_of(self.decoder.crowd, step, self.sampling).run(self.machine)

    def logits(self, wanted: int) -> Floats:
        """Logits (wanted, vocabulary) of the last step, in the order of its turns."""
        return self.decoder.logits(self.machine, wanted)

    def tokens(self) -> list[int]:
        """The token chosen last of each sequence."""
        return self.decoder.chosen(self.machine)

    def report(self) -> Report:
        """Everything since the session began."""
        return self.machine.report()

    def _require(self, step: Sequence[Turn]) -> None:
        layout, numbers = self.layout, [turn.sequence for turn in step]
        if not step or len({*numbers}) < len(numbers) or not {*numbers} <= {*range(layout.batch)}:
            raise UsageError(
                f"a step with turns of sequences {numbers}: expected one turn or more, of different ones from 0 to "
                f"{layout.batch - 1}"
            )
        if [turn.wanted for turn in step] != sorted((turn.wanted for turn in step), reverse=True):
            raise UsageError(f"a step with turns of sequences {numbers}: expected those that want logits first")
        for turn in step:
            if not 0 <= turn.position < layout.context:
                raise UsageError(
                    f"position {turn.position} of sequence {turn.sequence}: expected 0 to {layout.context - 1}"
                )
            if turn.token == OWN_TOKEN and turn.sequence not in self._chose:
                raise UsageError(
                    f"the token chosen last of sequence {turn.sequence}, whose turn before chose none: expected a "
                    "token, or one wanted there"
                )
            if not OWN_TOKEN <= turn.token < layout.config.vocab_size:
                raise UsageError(
                    f"token {turn.token} of sequence {turn.sequence}: expected 0 to {layout.config.vocab_size - 1}"
                )


@dataclass(frozen=True, eq=False)
class BatchGeneration:
    """What a generation of a batch gave.

    sequences  in the order of the prompts; the cycles of each are those of the steps that it took part in
    cycles     of each step
    """

    sequences: tuple[Generation, ...]
    cycles: tuple[int, ...]


def generate_batch(
    session: BatchSession,
    prompts: Sequence[Sequence[int]],
    new_tokens: int,
    *,
    stop: Set[int] = NO_STOP,
    every_position: bool = False,
    on_step: OnStep | None = None,
) -> BatchGeneration:
    """Feeds each prompt token by token, then goes on with what the wafer chooses; who is done is dropped.

    As `generate` for each of them, on a new session.
    """
    prompts = check_batch(session.layout, prompts, new_tokens)
    vocabulary = session.layout.config.vocab_size
    progress = [Progress(prompt, new_tokens) for prompt in prompts]
    kept: list[list[tuple[int, Floats]]] = [[] for _ in prompts]
    cycles: list[int] = []
    for step in turns(progress, every_position=every_position):
        cycles.append(session.step(step))
        wanted = [turn for turn in step if turn.wanted]
        logits, tokens = session.logits(len(wanted)), session.tokens()
        for turn, row in zip(wanted, logits, strict=True):
            kept[turn.sequence].append((turn.position, finite(row, session.layout, turn.position)))
        for turn in step:
            one = progress[turn.sequence]
            one.fed += 1
            one.cycles.append(cycles[-1])
            one.take(tokens[turn.sequence], stop)
        if on_step is not None:
            on_step(len(cycles), cycles[-1])
    found = tuple(_generation(one, rows, vocabulary) for one, rows in zip(progress, kept, strict=True))
    return BatchGeneration(found, tuple(cycles))


def _generation(one: Progress, rows: list[tuple[int, Floats]], vocabulary: int) -> Generation:
    return Generation(
        prompt_ids=tuple(one.prompt),
        token_ids=tuple(one.chosen),
        cycles=tuple(one.cycles),
        positions=tuple(position for position, _ in rows),
        logits=np.array([row for _, row in rows], np.float32).reshape(len(rows), vocabulary),
        stopped=one.stopped,
    )


def check_batch(layout: Layout, prompts: Sequence[Sequence[int]], new_tokens: int) -> list[list[int]]:
    """The prompts' tokens; UsageError unless the layout has room for the sequences, and each fits its context."""
    if not 1 <= len(prompts) <= layout.batch:
        raise UsageError(f"{len(prompts)} prompts for a batch of {layout.batch}: expected 1 to {layout.batch}")
    return [check_length(layout, prompt, new_tokens) for prompt in prompts]
