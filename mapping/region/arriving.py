"""Streamed weights on their way, as a step's code sees them: wait for a layer, and have the next one sent."""

from __future__ import annotations

from dataclasses import dataclass

from wse_sim.mapping.region.arrivals import Arrivals
from wse_sim.mapping.region.resident import Layer, Linear
from wse_sim.program.code import Code
from wse_sim.program.register import Register


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
