"""Many sequences at once through the regions of a mapping: prompts in, tokens out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from wse_sim.engine.machine import Machine
from wse_sim.errors import UsageError
from wse_sim.mapping.model.reference import Weights
from wse_sim.mapping.model.tokens import token_ids
from wse_sim.mapping.pipeline.program import Pipeline
from wse_sim.mapping.pipeline.streaming import Streaming
from wse_sim.mapping.plan.mapping import Mapping
from wse_sim.mapping.region.finite import require_finite
from wse_sim.mapping.region.rounds import MOST_ROUNDS
from wse_sim.report.report import Report
from wse_sim.report.trace import Recording, Trace

Prompts = Sequence[Sequence[int]]


@dataclass(frozen=True)
class Flown:
    """What a flight gave.

    token_ids  chosen on the wafer, greedily, for each prompt
    launches   (rounds, cycles) of each launch
    """

    token_ids: tuple[tuple[int, ...], ...]
    launches: tuple[tuple[int, int], ...]


class Flight:
    """A mapping loaded on a machine.

    tensors  None: all weights 0, where only time matters
    start    position at which all sequences go on, over an empty cache
    trace    what the machine records
    """

    def __init__(
        self, mapping: Mapping, tensors: Weights | None, *, start: int = 0, threads: int = 1,
        trace: Trace | None = None,
    ) -> None:  # fmt: skip
        self.mapping = mapping
        self.pipeline = Streaming(mapping) if mapping.places[0].streamed else Pipeline(mapping)
        self.machine = Machine(self.pipeline.program, mapping.wafer, threads=threads, trace=trace)
        if tensors is not None:
            self.pipeline.load(self.machine, tensors)
        self.go_to(start)

    @property
    def sequences(self) -> int:
        """Of all replicas."""
        return self.mapping.replicas * self.mapping.sequences

    def generate(self, prompts: Prompts, new_tokens: int) -> Flown:
        """Goes on from a prompt for each sequence; shorter prompts begin to choose while longer ones are still read.

        All sequences take as many steps: what shorter prompts choose beyond `new_tokens` is in their caches, too.
        errors  RunError where numbers are not finite, as far as `require_finite` finds it: the tokens mean nothing
        """
        prompts = self._checked(prompts, new_tokens)
        longest = max(map(len, prompts))
        shape = (self.mapping.replicas, self.mapping.sequences)
        chosen: list[list[int]] = [[] for _ in prompts]
        launches: list[tuple[int, int]] = []
        for turn in range(longest):
            given = np.array([p[turn] if turn < len(p) else -1 for p in prompts], np.int32)
            self.pipeline.give(self.machine, given.reshape(shape))
            sample = any(turn >= len(p) - 1 for p in prompts)
            launches.append((1, self.run(1, sample=sample)))
            if sample:
                ended = [turn >= len(p) - 1 for p in prompts]
                self._note(chosen, 1, ended)
        while (left := new_tokens - min(map(len, chosen))) > 0:
            rounds = min(left, MOST_ROUNDS)
            launches.append((rounds, self.run(rounds)))
            self._note(chosen, rounds, [True] * len(prompts))
        require_finite(self.machine, self.pipeline.stages)
        return Flown(tuple(tuple(tokens[:new_tokens]) for tokens in chosen), tuple(launches))

    def run(self, rounds: int, *, sample: bool = True) -> int:
        """One launch: every sequence some tokens further; returns its cycles."""
        if not 1 <= rounds <= MOST_ROUNDS:
            raise UsageError(f"{rounds} rounds in a launch: expected 1 to {MOST_ROUNDS}")
        if self.position + rounds > self.mapping.context:
            raise UsageError(
                f"{rounds} tokens more at position {self.position}, but the context has {self.mapping.context}: "
                "start anew, or map a longer context"
            )
        self.pipeline.feed(self.machine, rounds)
        cycles = self.machine.launch({"rounds": rounds, "sample": int(sample)})
        self.position += rounds
        return cycles

    def go_to(self, position: int) -> None:
        """All sequences go on there, over what their caches hold."""
        if not 0 <= position <= self.mapping.context:
            raise UsageError(f"position {position}: expected 0 to {self.mapping.context}, the tokens of the context")
        self.pipeline.go_to(self.machine, position)
        self.position = position

    def report(self) -> Report:
        """Everything since the flight began."""
        return self.machine.report()

    def recording(self) -> Recording:
        """What was recorded since the flight began. Raises UsageError without a trace."""
        return self.machine.recording()

    def _note(self, chosen: list[list[int]], rounds: int, ended: list[bool]) -> None:
        found = self.pipeline.chosen(self.machine, rounds).reshape(-1, rounds)
        for tokens, row, counts in zip(chosen, found.tolist(), ended, strict=True):
            if counts:
                tokens.extend(row)

    def _checked(self, prompts: Prompts, new_tokens: int) -> list[list[int]]:
        if len(prompts) != self.sequences:
            raise UsageError(f"{len(prompts)} prompts for {self.sequences} sequences: expected one for each")
        if new_tokens < 0:
            raise UsageError(f"{new_tokens} tokens asked for: expected 0 or more")
        found = [token_ids(self.mapping.config, prompt) for prompt in prompts]
        longest = max(map(len, found))
        needed = self.position + longest + max(new_tokens - 1, 0)
        if needed > self.mapping.context:
            raise UsageError(
                f"prompts of up to {longest:,} tokens and {new_tokens:,} new ones at position "
                f"{self.position:,} need {needed:,} positions, but the context has {self.mapping.context:,}: expected "
                "shorter prompts, or fewer tokens"
            )
        return found
