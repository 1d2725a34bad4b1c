"""Prompts at once by many regions: each replica a ring of regions that prompts go round, one behind the other.

A region works on a prompt while the next one works on the prompt before. Tiles of the residual stream go from region to
region; keys and values stay where their layers are, in the cache of the prompt's sequence; the last token's hidden
state goes from the last region to the first, which has the tables and the head.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING

import numpy as np

from wse_sim.errors import UsageError
from wse_sim.hardware import i32
from wse_sim.kernels.collective.handover import Handover, make_handover
from wse_sim.kernels.collective.lanes import Lanes
from wse_sim.kernels.collective.tiles import Tiles, make_tiles
from wse_sim.mapping.model.reference import Weights
from wse_sim.mapping.pipeline.rings import Rings
from wse_sim.mapping.plan.between import tile_cut
from wse_sim.mapping.plan.checks import why_not
from wse_sim.mapping.plan.mapping import Mapping, Part
from wse_sim.mapping.region.prefill import Prefill
from wse_sim.mapping.region.rounds import Taken, make_taken
from wse_sim.mapping.region.stage import Stage
from wse_sim.program.code import Code
from wse_sim.program.fabric import Color
from wse_sim.program.memory import Buffer
from wse_sim.program.register import Register

if TYPE_CHECKING:
    from wse_sim.engine.machine import Machine


@dataclass(frozen=True, eq=False)
class Stop:
    """A region of the ring.

    incoming, outgoing  tiles from the region before and to the one after; None at the ends
    taken               on the first region with the tokens chosen
    """

    stage: Stage
    prefill: Prefill
    incoming: Tiles | None
    outgoing: Tiles | None
    taken: Taken


@dataclass(frozen=True, eq=False)
class Ring:
    """A replica.

    back    from the last region to the first
    left    i32[1] on the first region: prompts that are to come round in this launch
    """

    stops: tuple[Stop, ...]
    back: Handover
    left: Buffer


class PromptPipeline(Rings[Ring]):
    """The program of a mapping whose replicas are pipelines, and how the host talks to it.

    Launch argument `rounds`: how often the prompts are taken, one sequence after the other; more than once only where
    time is what matters.
    """

    def __init__(self, mapping: Mapping) -> None:
        reason = why_not(mapping)
        if reason or mapping.phase != "prefill":
            raise UsageError(reason or f"a {mapping.phase} mapping as a pipeline for prompts: expected prefill")
        super().__init__(mapping, f"{mapping.config.name} {mapping.strategy} prompts", ("rounds",))

    # -- what there is ----------------------------------------------------------------------------

    def _ring(self, parts: tuple[Part, ...], laid: list[Lanes], colors: list[list[Color]]) -> Ring:
        build, stages = self._build, self._stages(parts)
        over = [
            make_tiles(
                build, a.region, b.region, tile_cut(a.layout, b.layout), laid=laid[k], colors=colors[k],
                name=f"tiles {k}",
            )
            for k, (a, b) in enumerate(pairwise(stages))
        ]  # fmt: skip
        first, last = stages[0].region, stages[-1].region
        back = make_handover(
            build, last, first, total=self.mapping.config.n_embd, dtype=self.mapping.dtype, laid=laid[-1],
            colors=colors[-1],
        )  # fmt: skip
        left = build.buffer("prompt.left", i32, 1, on=first)
        kept = [make_taken(build, stage.region, self.mapping.sequences) for stage in stages]
        stops = tuple(
            Stop(stage, Prefill(build, stage), incoming, outgoing, own)
            for stage, incoming, outgoing, own in zip(stages, [None, *over], [*over, None], kept, strict=True)
        )
        return Ring(stops, back, left)

    # -- code -------------------------------------------------------------------------------------

    def _emit(self, ring: Ring) -> None:
        for number, stop in enumerate(ring.stops):
            pe = self._build.main(stop.stage.region)
            with self._build.section(f"stage {number}"), pe.scope():
                if number:
                    self._middle(pe, ring, stop)
                else:
                    self._first(pe, ring, stop)

    def _first(self, pe: Code, ring: Ring, stop: Stop) -> None:
        """Chooses the token after each prompt that comes round, then embeds the sequence's next and sends it on."""
        rounds, left = pe.use(self._arguments["rounds"]), pe.load(ring.left)
        with pe.when(left > 0):
            ring.back.post(pe)
        with pe.loop(rounds + 1) as n:
            for sequence in range(self.mapping.sequences):
                count = pe.load(stop.taken.count[sequence])
                with pe.when(count > 0):
                    with pe.when(n > 0):
                        self._choose(pe, ring, stop, left, sequence)
                    with pe.when(n < rounds):
                        self._work(pe, ring, stop, count, sequence)

    def _middle(self, pe: Code, ring: Ring, stop: Stop) -> None:
        """Works on every prompt that comes in, and sends it on."""
        with pe.loop(pe.use(self._arguments["rounds"])):
            for sequence in range(self.mapping.sequences):
                count = pe.load(stop.taken.count[sequence])
                with pe.when(count > 0):
                    self._work(pe, ring, stop, count, sequence)

    def _choose(self, pe: Code, ring: Ring, stop: Stop, left: Register, sequence: int) -> None:
        stage, head = stop.stage, stop.stage.resident.head
        assert head is not None
        hidden = stage.resident.hidden
        with pe.builder.section("take"):
            ring.back.take(pe, hidden)
            left -= 1
            with pe.when(left > 0):
                ring.back.post(pe)
            stage.along_x.all_reduce(pe, hidden)
        stage.choose(pe, pe.load(stage.resident.hidden_count))
        with pe.scope():
            pe.store(stop.taken.chosen[sequence], pe.load(head.search.token))

    def _work(self, pe: Code, ring: Ring, stop: Stop, count: Register, sequence: int) -> None:
        """All layers of the region on a prompt, from where it comes to where it goes."""
        stage, work = stop.stage, stop.prefill.work
        assert work.chunk is not None
        with pe.scope():
            last = pe.use(count) - 1
            tokens = stage.locate(pe, last)
            if stop.incoming is not None:
                with pe.builder.section("take"):
                    stop.incoming.take(pe, stage.along_x, work.hidden[0], work.chunk, tokens.count)
            stop.prefill.emit(pe, count, tokens.count, sequence=sequence)
            if stop.outgoing is not None:
                with pe.builder.section("send"):
                    stop.outgoing.give(pe, stage.along_x, work.hidden[0], work.chunk, tokens.count)
                return
            stop.prefill.take(pe, last, tokens.slot)
            with pe.builder.section("send"):
                ring.back.send(pe, stage.resident.hidden)

    # -- host side --------------------------------------------------------------------------------

    @property
    def stages(self) -> list[Stage]:
        """The regions."""
        return [stop.stage for ring in self.rings for stop in ring.stops]

    def load(self, machine: Machine, tensors: Weights) -> None:
        """Writes all parameters into SRAM."""
        for ring in self.rings:
            for stop in ring.stops:
                stop.stage.load(machine, tensors)
                stop.prefill.load(machine, tensors)

    def give(self, machine: Machine, prompts: list[list[int]], *, rounds: int = 1) -> None:
        """For the next launch a prompt for each sequence of each replica; an empty one: none."""
        count = self.mapping.sequences
        for index, ring in enumerate(self.rings):
            own = prompts[index * count : (index + 1) * count]
            counts = np.array([len(ids) for ids in own])
            ring.stops[0].prefill.write(machine, *own)
            machine.write(ring.left, np.array([rounds * int((counts > 0).sum())]))
            for stop in ring.stops:
                machine.write(stop.taken.count, counts)

    def first(self, machine: Machine) -> list[int]:
        """The token after each prompt of the last launch."""
        return [int(token) for ring in self.rings for token in machine.read(ring.stops[0].taken.chosen)[0, 0]]
