"""Decode with weights that come from the host, layer by layer, for several sequences that step together.

While the PEs work on a layer, the next one arrives; after the last layer the first one, for the next step. One launch
takes each sequence some rounds further.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from collections.abc import Mapping as Table

import numpy as np
from numpy.typing import NDArray

from wse_sim.engine.machine import Machine
from wse_sim.errors import UsageError
from wse_sim.kernels.matrix.feed import halves
from wse_sim.kernels.rows import each_row
from wse_sim.mapping.model.reference import Weights
from wse_sim.mapping.plan.mapping import Mapping
from wse_sim.mapping.region.arrivals import words_of_a_layer
from wse_sim.mapping.region.arriving import Coming
from wse_sim.mapping.region.batch import BatchStage
from wse_sim.mapping.region.resident import weight_tiles
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
        self._kept = make_rounds(build, region, mapping.sequences)
        self._words: dict[str, NDArray[np.uint32]] | None = None
        self._emit(build.main(region))
        self.program = build.finish()

    # -- code -------------------------------------------------------------------------------------

    def _emit(self, pe: Code) -> None:
        arrivals = self.stage.resident.arrivals
        assert arrivals is not None
        rounds, r = pe.use(self._rounds), self.stage.resident
        hidden, inner = pe.load(r.hidden_count), pe.load(r.inner_count)
        with pe.builder.section("weights"), pe.when(rounds > 0):
            arrivals.feed.post(pe, 0)
        work = self._one if self.mapping.sequences == 1 else self._many
        with pe.loop(rounds) as n, pe.scope():
            work(pe, n, hidden, inner, (n + 1) < rounds)

    def _layers(self, pe: Code, n: Register, again: Register, blocks: Callable[[Coming], None]) -> None:
        """All layers. Of an odd number the first one comes in the one buffer and the other by turns."""
        arrivals, layers = self.stage.resident.arrivals, len(self.layout.held)
        assert arrivals is not None
        if layers % 2 == 0:
            blocks(Coming(arrivals, 0, layers - 1, again))
            return
        with pe.when(pe.scalar("iand", n, 1)):
            blocks(Coming(arrivals, 1, layers - 1, again))
            pe.otherwise()
            blocks(Coming(arrivals, 0, layers - 1, again))

    def _one(self, pe: Code, n: Register, hidden: Register, inner: Register, again: Register) -> None:
        """A step of one sequence."""
        stage, head = self.stage, self.stage.resident.head
        assert head is not None
        token, position = pe.load(self._kept.token), pe.load(self._kept.position)
        stage.embed(pe, token, position)
        here = Here(stage.locate(pe, position), hidden, inner)
        self._layers(pe, n, again, lambda coming: stage.blocks(pe, here, coming=coming))
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
        self._layers(pe, n, again, lambda coming: batch.blocks(pe, hidden, inner, coming=coming))
        wanted = pe.use(self._sample) * count
        batch.choose(pe, hidden, wanted, None)
        with pe.builder.section("next"):
            with each_row(pe, count, (0, 1)) as (i,):
                pe.store(crowd.position.at(i), pe.load(crowd.position.at(i)) + 1)
                pe.store(crowd.token.at(i), -1)
            with each_row(pe, wanted, (0, 1), (n + 0, MOST_ROUNDS)) as (i, at):
                pe.store(self._kept.history.at(at), pe.load(crowd.chosen.at(i)))

    # -- host side --------------------------------------------------------------------------------

    def load(self, machine: Machine, tensors: Weights) -> None:
        """Writes what stays into SRAM, and keeps the matrices to send them."""
        self.stage.load(machine, tensors)
        r = self.stage.resident
        assert r.arrivals is not None

        def layers() -> Iterator[Table[str, NDArray[np.float32]]]:
            for layer in r.layers.values():
                linears = (layer.qkv, layer.out, layer.up, layer.down)
                yield {_name(each.name): weight_tiles(each, tensors[f"{each.name}.weight"]) for each in linears}

        self._words = r.arrivals.values(layers())

    def feed(self, machine: Machine, rounds: int) -> None:
        """What the host sends in a launch of so many rounds; zeros if nothing was loaded."""
        arrivals = self.stage.resident.arrivals
        assert arrivals is not None
        for stream in arrivals.feed.streams:
            if self._words is not None:
                machine.stream(stream, self._words[stream.name], times=rounds)
            else:
                words = arrivals.feed.share(stream) * words_of_a_layer(self.layout) * len(self.layout.held)
                machine.stream(stream, np.zeros((1, 1), np.uint32), times=words * rounds)

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


def _name(linear: str) -> str:
    """The name of a matrix within its layer."""
    return linear.split(".", 2)[2]


def _check(mapping: Mapping) -> None:
    """Refuses what no program can be made of."""
    place = mapping.places[0]
    if mapping.phase != "decode":
        raise UsageError(f"a {mapping.phase} mapping with streamed weights: expected decode")
    if len(mapping.places) > 1 or not place.streamed:
        raise UsageError(
            f"{mapping.strategy} with {len(mapping.places)} regions: expected one, whose weights are streamed"
        )
    if not halves(mapping.wafer, place.region):
        raise UsageError(
            f"weights streamed to {place.region!r}: expected it at a west or east edge of {mapping.wafer.name} with "
            "I/O channels"
        )
