"""Streamed weights on their way, as a step's code sees them: wait for a layer, and have the next one sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wse_sim.kernels import rounding
from wse_sim.kernels.rounding import Floats
from wse_sim.mapping.model.reference import Weights
from wse_sim.mapping.region.arrivals import Arrivals, words_of_a_step
from wse_sim.mapping.region.resident import Layer, Linear, Resident, weight_tiles
from wse_sim.program.code import Code
from wse_sim.program.register import Register

if TYPE_CHECKING:
    from wse_sim.engine.machine import Machine


@dataclass(frozen=True)
class Coming:
    """A step's layers, which come one after the other.

    turn   which buffer the first layer comes in
    last   number of the last layer
    again  not 0 if another step follows, whose first layer is sent for during the last one of this
    """

    arrivals: Arrivals
    turn: int
    last: int
    again: Register

    def take(self, pe: Code, i: int, layer: Layer) -> Layer:
        """Waits for the matrices of a layer, and begins to receive the next; gives the layer with where they are."""
        part, feed = self.turn + i, self.arrivals.feed
        with pe.builder.section("weights"):
            feed.join(pe, part)
            if i < self.last:
                feed.post(pe, part + 1)
            else:
                with pe.when(self.again):
                    feed.post(pe, part + 1)
        return layer._replace(
            qkv=self._there(layer.qkv, part), out=self._there(layer.out, part), up=self._there(layer.up, part),
            down=self._there(layer.down, part),
        )  # fmt: skip

    def _there(self, linear: Linear, part: int) -> Linear:
        return linear._replace(weight=self.arrivals.where(linear.name, part))


class Source:
    """The layers of a region as its code asks for them and as the host sends them, pass after pass."""

    def __init__(self, resident: Resident) -> None:
        assert resident.arrivals is not None
        self._resident, self._arrivals = resident, resident.arrivals
        self._words: dict[str, NDArray[np.uint32]] | None = None

    # -- code -------------------------------------------------------------------------------------

    def post(self, pe: Code, wanted: Register) -> None:
        """Begins to receive the first layer of a launch, unless `wanted` is 0."""
        with pe.builder.section("weights"), pe.when(wanted):
            self._arrivals.feed.post(pe, 0)

    def layers(self, pe: Code, n: Register, again: Register, work: Callable[[Coming], None]) -> None:
        """Pass n over all layers, and `again` as in `Coming`: of an odd number the first one comes in the one buffer
        and the other by turns.
        """
        layers = len(self._resident.layers)
        if layers % 2 == 0:
            work(Coming(self._arrivals, 0, layers - 1, again))
            return
        with pe.when(pe.scalar("iand", n, 1)):
            work(Coming(self._arrivals, 1, layers - 1, again))
            pe.otherwise()
            work(Coming(self._arrivals, 0, layers - 1, again))

    # -- host side --------------------------------------------------------------------------------

    def load(self, tensors: Weights) -> None:
        """Keeps the matrices to send them; UsageError if their type cannot hold one."""
        dtype = self._resident.layout.dtype.numpy

        def tiles(linear: Linear) -> Floats:
            name = f"{linear.name}.weight"
            return weight_tiles(linear, rounding.stored(tensors[name], dtype, name))

        def layers() -> Iterator[Mapping[str, Floats]]:
            for layer in self._resident.layers.values():
                yield {_name(each.name): tiles(each) for each in (layer.qkv, layer.out, layer.up, layer.down)}

        self._words = self._arrivals.values(layers())

    def feed(self, machine: Machine, passes: int) -> None:
        """Sends the layers so often; zeros if nothing was loaded."""
        layout = self._resident.layout
        for stream in self._arrivals.feed.streams:
            if self._words is not None:
                machine.stream(stream, self._words[stream.name], times=passes)
            else:
                words = self._arrivals.feed.share(stream) * words_of_a_step(layout)
                machine.stream(stream, np.zeros((1, 1), np.uint32), times=words * passes)


def _name(linear: str) -> str:
    """The name of a matrix within its layer."""
    return linear.split(".", 2)[2]
