"""Prompts at once with weights that come from the host, layer by layer: some prompts share each pass of the weights.

While the PEs work on a layer, prompt after prompt, the next layer arrives. Keys and values stay in the cache of each
prompt's sequence.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wse_sim.engine.machine import Machine
from wse_sim.errors import UsageError
from wse_sim.mapping.model.reference import Weights
from wse_sim.mapping.plan.checks import why_not
from wse_sim.mapping.plan.mapping import Mapping
from wse_sim.mapping.plan.streamed import require_streamed
from wse_sim.mapping.region.arriving import Coming, Source
from wse_sim.mapping.region.prefill import Prefill
from wse_sim.mapping.region.resident import Layer
from wse_sim.mapping.region.rounds import make_taken
from wse_sim.mapping.region.stage import Stage
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.register import Register


class PromptStreaming:
    """The program of a mapping with streamed weights in phase prefill, and how the host talks to it.

    Launch argument `rounds`: how often the prompts are taken, all together; more than once only where time is what
    matters.
    """

    def __init__(self, mapping: Mapping) -> None:
        reason = why_not(mapping)
        if reason or mapping.phase != "prefill":
            raise UsageError(reason or f"a {mapping.phase} mapping for prompts with streamed weights: expected prefill")
        require_streamed(mapping)
        self.mapping, region = mapping, mapping.places[0].region
        build = Builder(region.xs.stop, region.ys.stop, name=f"{mapping.config.name} {mapping.strategy} prompts")
        rounds = build.argument("rounds", "int")
        self.stage = Stage(build, mapping.layout(mapping.parts(0)[0]), region, spare=True)
        self._taken = make_taken(build, region, mapping.sequences)
        self.prefill = Prefill(build, self.stage)
        self._source = Source(self.stage.resident)
        pe = build.main(region)
        self._emit(pe, pe.use(rounds))
        self.program = build.finish()

    # -- code -------------------------------------------------------------------------------------

    def _emit(self, pe: Code, rounds: Register) -> None:
        self._source.post(pe, rounds)
        with pe.loop(rounds) as n, pe.scope():
            self._each(pe, self.prefill.begin)
            self._source.layers(pe, n, (n + 1) < rounds, lambda coming: self._layers(pe, coming))
            self._each(pe, self._choose)

    def _layers(self, pe: Code, coming: Coming) -> None:
        for i, resident in self.stage.resident.layers.items():
            with pe.builder.section(f"layer {i}"):
                layer = coming.take(pe, i, resident)

                def work(pe: Code, count: Register, sequence: int, i: int = i, layer: Layer = layer) -> None:
                    rows = self.stage.locate(pe, count - 1).count
                    self.prefill.one(pe, i, layer, self.prefill.here(pe, count, rows, sequence))

                self._each(pe, work)

    def _each(self, pe: Code, work: Callable[[Code, Register, int], None]) -> None:
        """The code for each prompt that there is: its tokens, and which one it is."""
        for sequence in range(self.mapping.sequences):
            with pe.scope():
                count = pe.load(self._taken.count[sequence])
                with pe.when(count > 0), pe.scope():
                    work(pe, count, sequence)

    def _choose(self, pe: Code, count: Register, sequence: int) -> None:
        stage, head = self.stage, self.stage.resident.head
        assert head is not None
        last = count - 1
        self.prefill.take(pe, last, stage.locate(pe, last).slot, sequence=sequence)
        stage.choose(pe, pe.load(stage.resident.hidden_count))
        pe.store(self._taken.chosen[sequence], pe.load(head.search.token))

    # -- host side --------------------------------------------------------------------------------

    @property
    def stages(self) -> list[Stage]:
        """The region."""
        return [self.stage]

    def load(self, machine: Machine, tensors: Weights) -> None:
        """Writes what stays into SRAM, and keeps the matrices to send them."""
        self.stage.load(machine, tensors)
        self.prefill.load(machine, tensors)
        self._source.load(tensors)

    def give(self, machine: Machine, prompts: list[list[int]], *, rounds: int = 1) -> None:
        """For the next launch a prompt for each sequence, an empty one: none; and the weights, so often."""
        self.prefill.write(machine, *prompts)
        machine.write(self._taken.count, np.array([len(ids) for ids in prompts]))
        self._source.feed(machine, rounds)

    def first(self, machine: Machine) -> list[int]:
        """The token after each prompt of the last launch."""
        return [int(token) for token in machine.read(self._taken.chosen)[0, 0]]
