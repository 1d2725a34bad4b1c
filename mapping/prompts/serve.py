"""Requests one after the other: the prompt of the next is taken while the one before is decoded, or goes on its way."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wse_sim.engine.machine import Machine
from wse_sim.errors import UsageError
from wse_sim.mapping.model.reference import Weights
from wse_sim.mapping.model.tokens import token_ids
from wse_sim.mapping.plan.mapping import Mapping
from wse_sim.mapping.prompts.pipeline import PromptPipeline
from wse_sim.mapping.prompts.program import Prompts
from wse_sim.mapping.prompts.streaming import PromptStreaming
from wse_sim.mapping.region.finite import require_finite
from wse_sim.mapping.region.rounds import MOST_ROUNDS
from wse_sim.report.report import Report


@dataclass(frozen=True)
class Served:
    """What requests gave.

    token_ids  of each, chosen on the wafer, greedily
    launches   cycles of each launch
    """

    token_ids: tuple[tuple[int, ...], ...]
    launches: tuple[int, ...]


class Serving:
    """A mapping that takes prompts at once, loaded on a machine.

    tensors  None: all weights 0, where only time matters
    """

    def __init__(self, mapping: Mapping, tensors: Weights | None, *, threads: int = 1) -> None:
        self.mapping = mapping
        self.program = _program(mapping)
        self.machine = Machine(self.program.program, mapping.wafer, threads=threads)
        if tensors is not None:
            self.program.load(self.machine, tensors)

    @property
    def decodes(self) -> bool:
        """Whether there is a region that goes on after a prompt."""
        return isinstance(self.program, Prompts) and self.program.replicas[0][1] is not None

    @property
    def slots(self) -> int:
        """Prompts that a launch takes."""
        return self.mapping.replicas * (1 if isinstance(self.program, Prompts) else self.mapping.sequences)

    def serve(self, prompts: Sequence[Sequence[int]], new_tokens: int) -> Served:
        """`new_tokens` for each prompt, request after request on each replica.

        errors  RunError where numbers are not finite, as far as `require_finite` finds it after each round of requests
        """
        prompts = self._checked(prompts, new_tokens)
        slots, waiting = self.slots, list(enumerate(prompts))
        found: list[list[int]] = [[] for _ in prompts]
        launches: list[int] = []
        here: list[int] = []
        while waiting or here:
            coming, waiting = waiting[:slots], waiting[slots:]
            launches += self._go_on(here, found, [prompt for _, prompt in coming], new_tokens - 1)
            here = [number for number, _ in coming] if self.decodes and new_tokens > 1 else []
            for (number, _), token in zip(coming, self.program.first(self.machine), strict=False):
                found[number].append(token)
            require_finite(self.machine, self.program.stages)
        return Served(tuple(map(tuple, found)), tuple(launches))

    def launch(self, prompts: list[list[int]], rounds: list[int]) -> int:
        """For each slot a prompt (an empty one: none) beside some rounds of decode; returns the cycles."""
        if not isinstance(self.program, Prompts):
            return self.take(prompts)
        self.program.give(self.machine, prompts, rounds)
        return self.machine.launch()

    def take(self, prompts: list[list[int]], *, times: int = 1) -> int:
        """Prompts through a pipeline or past streamed weights, so often one after the other; returns the cycles."""
        assert not isinstance(self.program, Prompts)
        self.program.give(self.machine, prompts, rounds=times)
        return self.machine.launch({"rounds": times})

    def report(self) -> Report:
        """Everything since it was loaded."""
        return self.machine.report()

    def _go_on(self, here: list[int], found: list[list[int]], coming: list[list[int]], rounds: int) -> list[int]:
        """The sequences that are here to their ends, the next prompts beside the last launch."""
        coming += [[]] * (self.slots - len(coming))
        left, cycles = rounds if here else 0, []
        while True:
            now = min(left, MOST_ROUNDS)
            last = now == left
            turns = [now] * len(here) + [0] * (self.slots - len(here))
            cycles.append(self.launch(coming if last else [[]] * len(coming), turns))
            if now:
                assert isinstance(self.program, Prompts)
                for number, tokens in zip(here, self.program.chosen(self.machine, now).tolist(), strict=False):
                    found[number] += tokens
            left -= now
            if last:
                return cycles

    def _checked(self, prompts: Sequence[Sequence[int]], new_tokens: int) -> list[list[int]]:
        mapping = self.mapping
        if new_tokens < 1 or (new_tokens > 1 and not self.decodes):
            few = "1" if not self.decodes else "1 or more"
            raise UsageError(f"{new_tokens} tokens after each prompt by {mapping.strategy}: expected {few}")
        found = [token_ids(mapping.config, prompt) for prompt in prompts]
        for ids in found:
            if len(ids) > mapping.prompt or len(ids) + new_tokens - 1 > mapping.context:
                raise UsageError(
                    f"a prompt of {len(ids)} tokens and {new_tokens} new ones: expected 1 to {mapping.prompt} "
                    f"tokens at once, and {mapping.context} of context in all"
                )
        return found


def _program(mapping: Mapping) -> Prompts | PromptPipeline | PromptStreaming:
    if mapping.places[0].streamed:
        return PromptStreaming(mapping)
    return PromptPipeline(mapping) if len(mapping.parts(0)) > 1 else Prompts(mapping)
