"""Prompts taken at once, and where that is another region's work, keys and values handed over and decoded there.

One launch: the region for prompts works on the next sequence's while the other decodes the sequence it has; then the
first token, the keys and the values move over, and take the place of those that are done with.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache

import numpy as np
from numpy.typing import NDArray

from wse_sim.engine.machine import Machine
from wse_sim.errors import UsageError
from wse_sim.hardware import i32
from wse_sim.kernels.collective.member import Palette
from wse_sim.kernels.collective.redeal import Redeal, make_redeal
from wse_sim.kernels.rows import each_row
from wse_sim.kernels.transformer.kv_cache import KVCache
from wse_sim.mapping.model.reference import Weights
from wse_sim.mapping.plan.checks import why_not
from wse_sim.mapping.plan.mapping import Mapping, Part
from wse_sim.mapping.region.prefill import Prefill
from wse_sim.mapping.region.rounds import MOST_ROUNDS
from wse_sim.mapping.region.stage import Here, Stage
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer, View
from wse_sim.program.register import Register


@dataclass(frozen=True, eq=False)
class Taking:
    """A region that takes prompts.

    count  i32[1]: tokens of the prompt of this launch; 0: none
    """

    stage: Stage
    prefill: Prefill
    count: Buffer


@dataclass(frozen=True, eq=False)
class Decoding:
    """A region that goes on from what it is handed.

    count     as in `Taking`
    token     i32[1]: the next one
    position  i32[1]: of it
    rounds    i32[1]: tokens that the sequence which is here goes on for in this launch
    history   i32[MOST_ROUNDS]: chosen in each round of the last launch
    """

    stage: Stage
    hands: Redeal
    count: Buffer
    token: Buffer
    position: Buffer
    rounds: Buffer
    history: Buffer


class Prompts:
    """The program of a mapping that takes prompts at once, and how the host talks to it."""

    def __init__(self, mapping: Mapping, *, panel_width: int | None = None) -> None:
        reason = why_not(mapping)
        if reason or not mapping.prompt:
            raise UsageError(reason or f"{mapping.strategy} takes no prompts at once: expected a region for them")
        self.mapping = mapping
        width = max(place.x + place.width for place in mapping.places)
        height = max(place.y + place.height for place in mapping.places)
        self._build = Builder(width, height, name=f"{mapping.config.name} {mapping.strategy} prompts")
        self._palette: Palette = cache(self._build.color)
        self.replicas: list[tuple[Taking, Decoding | None]] = []
        for index in range(mapping.replicas):
            with self._build.section(f"replica {index}"):
                self.replicas.append(self._replica(index, panel_width))
        self.program = self._build.finish()

    def _replica(self, index: int, panel_width: int | None) -> tuple[Taking, Decoding | None]:
        build, part = self._build, self.mapping.prompt_part(index)
        assert part is not None
        taker = self._stage(part)
        decoding = self._decoding(index, taker) if part.places[0].prompts else None
        prefill = Prefill(build, taker, width=panel_width)
        taking = Taking(taker, prefill, build.buffer("prompt.count", i32, 1, on=part.region))
        with build.section("prompts"):
            self._take(build.main(part.region), taking, decoding)
        if decoding is not None:
            with build.section("decode"):
                self._decode(build.main(decoding.stage.region), decoding)
        return taking, decoding

    def _stage(self, part: Part) -> Stage:
        """A region, which leaves a queue for what is handed over where that is done."""
        layout = self.mapping.layout(part)
        return Stage(self._build, layout, part.region, color=self._palette, spare=self.mapping.spare)

    def _decoding(self, index: int, taker: Stage) -> Decoding:
        build, [part] = self._build, self.mapping.parts(index)
        stage = self._stage(part)

        def integers(name: str, length: int = 1) -> Buffer:
            return build.buffer(name, i32, length, on=part.region)

        return Decoding(
            stage,
            make_redeal(
                build, (taker.region, taker.layout.features), (stage.region, stage.layout.features),
                dtype=self.mapping.dtype, name="keys and values", color=self._palette,
            ),
            integers("decode.count"),
            integers("token.next"),
            integers("position"),
            integers("decode.rounds"),
            integers("token.history", MOST_ROUNDS),
        )  # fmt: skip

    # -- code -------------------------------------------------------------------------------------

    def _take(self, pe: Code, taking: Taking, decoding: Decoding | None) -> None:
        stage, head = taking.stage, taking.stage.resident.head
        assert head is not None
        count = pe.load(taking.count)
        with pe.when(count > 0):
            last = pe.use(count) - 1
            with pe.builder.section("start"):
                here = stage.here(pe, last)
            taking.prefill.emit(pe, count, here.tokens.count)
            taking.prefill.take(pe, last, here.tokens.slot)
            stage.choose(pe, here.hidden)
            if decoding is not None:
                with pe.builder.section("hand over"):
                    decoding.hands.tell(pe, head.search.token[:])
                    self._move(pe, stage, here.tokens.count, decoding.hands)

    def _decode(self, pe: Code, decoding: Decoding) -> None:
        """Rounds of the sequence that is here; then the next one comes."""
        stage = decoding.stage
        hidden, inner = pe.load(stage.resident.hidden_count), pe.load(stage.resident.inner_count)
        with pe.loop(pe.load(decoding.rounds)) as turn:
            self._step(pe, decoding, hidden, inner, turn)
        count = pe.load(decoding.count)
        with pe.when(count > 0), pe.builder.section("hand over"):
            decoding.hands.hear(pe, decoding.token[:])
            with pe.scope():
                tokens = stage.locate(pe, pe.use(count) - 1)
                self._move(pe, stage, tokens.count, decoding.hands)
            pe.store(decoding.position, count)

    def _step(self, pe: Code, decoding: Decoding, hidden: Register, inner: Register, turn: Register) -> None:
        stage, head = decoding.stage, decoding.stage.resident.head
        assert head is not None
        with pe.scope():
            token, position = pe.load(decoding.token), pe.load(decoding.position)
            stage.embed(pe, token, position)
            stage.blocks(pe, Here(stage.locate(pe, position), hidden, inner))
            stage.choose(pe, hidden)
            chosen = pe.load(head.search.token)
            pe.store(decoding.token, chosen)
            pe.store(decoding.history.at(turn), chosen)
            pe.store(decoding.position, position + 1)

    def _move(self, pe: Code, stage: Stage, rows: Register, hands: Redeal) -> None:
        """Keys and values of all layers, token after token of each row of PEs, out of one cache into another."""
        move = hands.give if hands.source.contains(stage.region) else hands.take
        with pe.scope():
            shares = hands.shares(pe)
            for i, layer in stage.resident.layers.items():
                with pe.builder.section(f"layer {i}"):
                    cache = layer.caches[0]
                    with each_row(pe, rows, (0, 1), (0, cache.features.size)) as (slot, start):
                        for view in _token(cache, slot, start):
                            move(pe, view, shares)

    # -- host side --------------------------------------------------------------------------------

    @property
    def stages(self) -> list[Stage]:
        """The regions."""
        return [each.stage for pair in self.replicas for each in pair if each is not None]

    def load(self, machine: Machine, tensors: Weights) -> None:
        """Writes all parameters into SRAM."""
        for taking, decoding in self.replicas:
            taking.stage.load(machine, tensors)
            taking.prefill.load(machine, tensors)
            if decoding is not None:
                decoding.stage.load(machine, tensors)

    def give(self, machine: Machine, prompts: list[list[int]], rounds: list[int]) -> None:
        """For the next launch a prompt for each replica, an empty one: none, and the rounds that each decodes."""
        for (taking, decoding), ids, turns in zip(self.replicas, prompts, rounds, strict=True):
            taking.prefill.write(machine, ids)
            machine.write(taking.count, np.array([len(ids)]))
            if decoding is not None:
                machine.write(decoding.count, np.array([len(ids)]))
                machine.write(decoding.rounds, np.array([turns]))

    def first(self, machine: Machine) -> list[int]:
        """The token after each replica's last prompt."""
        return [taking.stage.token(machine) for taking, _ in self.replicas]

    def chosen(self, machine: Machine, rounds: int) -> NDArray[np.int32]:
        """Tokens of the rounds of the last launch, (replicas, rounds)."""
        found = [machine.read(d.history)[0, 0, :rounds] for _, d in self.replicas if d is not None]
        return np.stack(found)


def _token(cache: KVCache, slot: Register, start: Register) -> tuple[View, View]:
    """A token's key and value."""
    size = cache.features.size
    return cache.keys.at(slot, size, stride=cache.slots), cache.values.at(start, size)
