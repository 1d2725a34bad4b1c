"""Decode with weights that come from the host, layer by layer, for several sequences that step together.

While the PEs work on a layer, the next one arrives; after the last layer the first one, for the next step. One launch
takes each sequence some rounds further.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wse_sim.engine.machine import Machine
from wse_sim.errors import UsageError
from wse_sim.kernels.rows import each_row
from wse_sim.mapping.model.reference import Weights
from wse_sim.mapping.plan.mapping import Mapping
from wse_sim.mapping.plan.streamed import require_streamed
from wse_sim.mapping.region.arriving import Source
from wse_sim.mapping.region.batch import BatchStage
from wse_sim.mapping.region.rounds import MOST_ROUNDS, make_rounds
from wse_sim.mapping.region.stage import Here, Stage
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.register import Register


class Streaming:
    """The program of a mapping with streamed weights, and how the host talks to it, as `Pipeline`."""

    def __init__(self, mapping: Mapping) -> None:
        _check(mapping)
        self.mapping, self.layout = mapping, mapping.layout(mapping.parts(0)[0])
        layout = self.layout
        region = mapping.places[0].region
        build = self._build = Builder(
            region.xs.stop, region.ys.stop, name=f"{mapping.config.name} {mapping.strategy}"
        )
        self._rounds, self._sample = build.argument("rounds", "int"), build.argument("sample", "int")
        self.stage = Stage(build, layout, region, spare=True)
        self._kept = make_rounds(build, region, mapping.sequences, together=True)
        self._source = Source(self.stage.resident)
        self._emit(build.main(region))
        self.program = build.finish()

    # -- code -------------------------------------------------------------------------------------

    def _emit(self, pe: Code) -> None:
        rounds, r = pe.use(self._rounds), self.stage.resident
        hidden, inner = pe.load(r.hidden_count), pe.load(r.inner_count)
        self._source.post(pe, rounds)
        work = self._one if self.mapping.sequences == 1 else self._many
        with pe.loop(rounds) as n, pe.scope():
            work(pe, n, hidden, inner, (n + 1) < rounds)

    def _one(self, pe: Code, n: Register, hidden: Register, inner: Register, again: Register) -> None:
        """A step of one sequence."""
        stage, head = self.stage, self.stage.resident.head
        assert head is not None
        token, position = pe.load(self._kept.token), pe.load(self._kept.position)
        stage.embed(pe, token, position)
        here = Here(stage.locate(pe, position), hidden, inner)
        self._source.layers(pe, n, again, lambda coming: stage.blocks(pe, here, coming=coming))
        pe.store(self._kept.position[0], position + 1)
        with pe.when(pe.use(self._sample)):
            stage.choose(pe, hidden)
            chosen = pe.load(head.search.token)
            pe.store(self._kept.token[0], chosen)
            pe.store(self._kept.history.at(n), chosen)

    def _many(self, pe: Code, n: Register, hidden: Register, inner: Register, again: Register) -> None:
        """A step of a batch."""
        count = pe.integer(self.mapping.sequences)
        batch = BatchStage(self.stage, count)
        crowd = batch.crowd
        with pe.builder.section("start"):
            batch.begin(pe)
        batch.embed(pe)
        self._source.layers(pe, n, again, lambda coming: batch.blocks(pe, hidden, inner, coming=coming))
        wanted = pe.use(self._sample) * count
        batch.choose(pe, hidden, wanted, None)
        with pe.builder.section("next"):
            with each_row(pe, count, (0, 1)) as (i,):
                pe.store(crowd.position.at(i), pe.load(crowd.position.at(i)) + 1)
                pe.store(crowd.token.at(i), -1)
            with each_row(pe, wanted, (0, 1), (n + 0, MOST_ROUNDS)) as (i, at):
                pe.store(self._kept.history.at(at), pe.load(crowd.chosen.at(i)))

    # -- host side --------------------------------------------------------------------------------

    @property
    def stages(self) -> list[Stage]:
        """The region."""
        return [self.stage]

    def load(self, machine: Machine, tensors: Weights) -> None:
        """Writes what stays into SRAM, and keeps the matrices to send them."""
        self.stage.load(machine, tensors)
        self._source.load(tensors)

    def feed(self, machine: Machine, rounds: int) -> None:
        """What the host sends in a launch of so many rounds; zeros if nothing was loaded."""
        self._source.feed(machine, rounds)

    def go_to(self, machine: Machine, position: int) -> None:
        """Sets the position of all sequences."""
        crowd = self.stage.resident.crowd
        machine.write(self._kept.position, np.array([position]))
        if crowd is not None:
            machine.write(crowd.position, np.array([position]))
            machine.write(crowd.where, np.arange(self.mapping.sequences))

    def give(self, machine: Machine, tokens: NDArray[np.int32]) -> None:
        """The next token of each sequence, (1, sequences); -1 keeps the one that was chosen."""
        crowd = self.stage.resident.crowd
        if crowd is not None:
            machine.write(crowd.token, tokens[0])
        elif tokens[0, 0] >= 0:
            machine.write(self._kept.token, tokens[0])

    def chosen(self, machine: Machine, rounds: int) -> NDArray[np.int32]:
        """Tokens of the last launch, (1, sequences, rounds)."""
        found: NDArray[np.int32] = machine.read(self._kept.history)[0, 0].reshape(1, -1, MOST_ROUNDS)[:, :, :rounds]
        return found


def _check(mapping: Mapping) -> None:
    """Refuses what no program can be made of."""
    if mapping.phase != "decode":
        raise UsageError(f"a {mapping.phase} mapping with streamed weights: expected decode")
    require_streamed(mapping)
