"""Decode of many sequences over many regions: each replica a ring of regions that the hidden state goes round.

Region k works on one sequence while region k + 1 works on the one before. The first region has the tables and the head:
a token that it chooses is the next one it embeds. One launch takes each sequence some rounds further.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from wse_sim.engine.machine import Machine
from wse_sim.errors import FitError, UsageError
from wse_sim.kernels.collective.handover import Handover, make_handover
from wse_sim.kernels.collective.lanes import Lanes
from wse_sim.mapping.model.reference import Weights
from wse_sim.mapping.pipeline.rings import Rings
from wse_sim.mapping.plan.mapping import Mapping, Part
from wse_sim.mapping.plan.ring import ring_lanes, ring_of
from wse_sim.mapping.region.rounds import MOST_ROUNDS, Rounds, make_position, make_rounds
from wse_sim.mapping.region.stage import Here, Stage
from wse_sim.program.code import Code
from wse_sim.program.fabric import Color
from wse_sim.program.memory import Buffer
from wse_sim.program.register import Register


@dataclass(frozen=True, eq=False)
class Stop:
    """A region of the ring.

    incoming, outgoing  None where the ring is one region
    position            i32[sequences]: of the next token of each
    """

    stage: Stage
    incoming: Handover | None
    outgoing: Handover | None
    position: Buffer


@dataclass(frozen=True, eq=False)
class Ring:
    """A replica.

    kept  on the first region
    """

    stops: tuple[Stop, ...]
    kept: Rounds


class Pipeline(Rings[Ring]):
    """The program of a mapping that keeps its weights, and how the host talks to it.

    Launch arguments: `rounds`, tokens of each sequence; `sample` (0: no logits, for tokens that the host gives).
    """

    def __init__(self, mapping: Mapping) -> None:
        _check(mapping)
        super().__init__(mapping, f"{mapping.config.name} {mapping.strategy}", ("rounds", "sample"))

    # -- what there is ----------------------------------------------------------------------------

    def _ring(self, parts: tuple[Part, ...], laid: list[Lanes], colors: list[list[Color]]) -> Ring:
        build, count, stages = self._build, self.mapping.sequences, self._stages(parts)
        links = self._links(parts, laid, colors)
        kept = make_rounds(build, stages[0].region, count)
        stops = tuple(
            Stop(stage, links[k - 1], links[k], make_position(build, stage.region, count) if k else kept.position)
            for k, stage in enumerate(stages)
        )
        return Ring(stops, kept)

    def _links(
        self, parts: tuple[Part, ...], laid: list[Lanes], colors: list[list[Color]]
    ) -> list[Handover] | list[None]:
        """From each region to the next, the last one to the first."""
        if len(parts) == 1:
            return [None]
        return [
            make_handover(
                self._build, a.region, b.region, total=self.mapping.config.n_embd, dtype=self.mapping.dtype, laid=lanes,
                colors=own,
            )
            for (a, b), lanes, own in zip(ring_of(parts), laid, colors, strict=True)
        ]  # fmt: skip

    # -- code -------------------------------------------------------------------------------------

    def _emit(self, ring: Ring) -> None:
        for number, stop in enumerate(ring.stops):
            pe = self._build.main(stop.stage.region)
            with self._build.section(f"stage {number}"), pe.scope():
                if number:
                    self._middle(pe, stop)
                else:
                    self._first(pe, ring)

    def _first(self, pe: Code, ring: Ring) -> None:
        """Chooses the token of each sequence that comes round, embeds it and sends it on."""
        stop = ring.stops[0]
        stage, rounds, sample = stop.stage, pe.use(self._arguments["rounds"]), pe.use(self._arguments["sample"])
        hidden, inner = pe.load(stage.resident.hidden_count), pe.load(stage.resident.inner_count)
        left = self._post_first(pe, stop)
        with pe.loop(rounds + (1 if stop.incoming else 0)) as n:
            for sequence in range(self.mapping.sequences):
                if stop.incoming:
                    with pe.when(n > 0):
                        self._take(pe, stop, left)
                        with pe.when(sample):
                            stage.choose(pe, hidden)
                            self._note(pe, ring, sequence, n - 1)
                with pe.when(n < rounds):
                    self._embed(pe, ring, sequence)
                    self._work(pe, stop, sequence, hidden, inner)
                    if not stop.incoming:
                        with pe.when(sample):
                            stage.choose(pe, hidden)
                            self._note(pe, ring, sequence, n)

    def _middle(self, pe: Code, stop: Stop) -> None:
        """Works on every sequence that comes in, and sends it on."""
        hidden, inner = pe.load(stop.stage.resident.hidden_count), pe.load(stop.stage.resident.inner_count)
        left = self._post_first(pe, stop)
        with pe.loop(pe.use(self._arguments["rounds"])):
            for sequence in range(self.mapping.sequences):
                self._take(pe, stop, left)
                self._work(pe, stop, sequence, hidden, inner)

    def _post_first(self, pe: Code, stop: Stop) -> Register:
        """Begins to receive; gives the number of hand-overs of this launch that are not yet taken."""
        left = pe.use(self._arguments["rounds"]) * self.mapping.sequences
        if stop.incoming:
            with pe.when(left > 0):
                stop.incoming.post(pe)
        return left

    def _take(self, pe: Code, stop: Stop, left: Register) -> None:
        """Waits for a hand-over, begins to receive the next one, and makes this one known to whole rows."""
        assert stop.incoming is not None
        hidden = stop.stage.resident.hidden
        with pe.builder.section("take"):
            stop.incoming.take(pe, hidden)
            left -= 1
            with pe.when(left > 0):
                stop.incoming.post(pe)
            stop.stage.along_x.all_reduce(pe, hidden)

    def _embed(self, pe: Code, ring: Ring, sequence: int) -> None:
        stop = ring.stops[0]
        with pe.scope():
            token, position = pe.load(ring.kept.token[sequence]), pe.load(stop.position[sequence])
            stop.stage.embed(pe, token, position)

    def _work(self, pe: Code, stop: Stop, sequence: int, hidden: Register, inner: Register) -> None:
        """All layers of the region on the newest token of a sequence, and off with it."""
        with pe.scope():
            position = pe.load(stop.position[sequence])
            here = Here(stop.stage.locate(pe, position), hidden, inner)
            stop.stage.blocks(pe, here, sequence=sequence)
            pe.store(stop.position[sequence], position + 1)
        if stop.outgoing:
            with pe.builder.section("send"):
                stop.outgoing.send(pe, stop.stage.resident.hidden)

    def _note(self, pe: Code, ring: Ring, sequence: int, turn: Register) -> None:
        head = ring.stops[0].stage.resident.head
        assert head is not None
        with pe.scope():
            token = pe.load(head.search.token)
            pe.store(ring.kept.token[sequence], token)
            pe.store(ring.kept.history.at(turn + sequence * MOST_ROUNDS), token)

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

    def feed(self, machine: Machine, rounds: int) -> None:
        """Nothing is streamed in."""

    def go_to(self, machine: Machine, position: int) -> None:
        """Sets the position of all sequences."""
        for ring in self.rings:
            for stop in ring.stops:
                machine.write(stop.position, np.array([position]))

    def give(self, machine: Machine, tokens: NDArray[np.int32]) -> None:
        """The next token of each sequence, (replicas, sequences); -1 keeps the one that was chosen."""
        for ring, given in zip(self.rings, tokens, strict=True):
            own = machine.read(ring.kept.token)[0, 0]
            machine.write(ring.kept.token, np.where(given < 0, own, given))

    def chosen(self, machine: Machine, rounds: int) -> NDArray[np.int32]:
        """Tokens of the last launch, (replicas, sequences, rounds)."""
        found = [machine.read(ring.kept.history)[0, 0].reshape(-1, MOST_ROUNDS)[:, :rounds] for ring in self.rings]
        return np.stack(found)


def _check(mapping: Mapping) -> None:
    """Refuses what no program can be made of."""
    if mapping.phase != "decode":
        raise UsageError(f"a {mapping.phase} mapping as a pipeline: expected decode")
    for index in range(mapping.replicas):
        parts = mapping.parts(index)
        first = parts[0].places[0]
        if first.streamed:
            raise UsageError(f"{mapping.strategy}: weights are streamed: expected regions that keep theirs")
        if not (first.embedding and first.head):
            raise UsageError(
                f"{mapping.strategy}: {parts[0].holds()} in the first region: expected embedding and head together, "
                "so that a chosen token stays where it is needed"
            )
        for (a, b), laid in zip(ring_of(parts), ring_lanes(mapping, index), strict=True):
            if not laid:
                raise FitError(
                    f"no lanes from {a.region!r}, {a.holds()}, to {b.region!r}, {b.holds()}: {laid.why_not}"
                )
        if mapping.sequences > len(parts):
            raise UsageError(
                f"{mapping.sequences} sequences in flight over {len(parts)} regions: expected one for each at most, "
                "or the ring would be full"
            )
