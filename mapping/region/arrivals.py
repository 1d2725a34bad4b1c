"""Where the matrices of a layer lie when they come from the host: two buffers in turn, a whole layer in each."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import Region
from wse_sim.kernels.collective.timing import wavelets
from wse_sim.kernels.matrix.feed import Feed, halves, make_feed
from wse_sim.mapping.region.layout import Layout
from wse_sim.program.builder import ALIGNMENT, Builder
from wse_sim.program.memory import Buffer

MATRICES = ("attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj")


def tile_elements(layout: Layout) -> dict[str, int]:
    """Elements of a PE's tile of each matrix of a layer, by name."""
    hidden, features, inner = layout.hidden.size, layout.features.size, layout.inner.size
    sizes = (3 * hidden * features, features * hidden, hidden * inner, inner * hidden)
    return dict(zip(MATRICES, sizes, strict=True))


def tile_sizes(layout: Layout) -> dict[str, int]:
    """The same with the pads up to the next 16-byte boundary, where kernels expect the next matrix: those come, too."""
    period = ALIGNMENT // layout.dtype.bytes
    return {name: -(-size // period) * period for name, size in tile_elements(layout).items()}


def words_of_a_layer(layout: Layout) -> int:
    """Wavelets that each PE gets for a layer."""
    return wavelets(sum(tile_sizes(layout).values()), layout.dtype)


def words_of_a_step(layout: Layout) -> int:
    """The same for all layers that it holds."""
    return len(layout.held) * words_of_a_layer(layout)


@dataclass(frozen=True)
class Arrivals:
    """The feed of a region, and the matrices in its buffers.

    matrices  by name, in each of the two buffers
    sizes     elements that come for each, by name
    """

    feed: Feed
    matrices: tuple[Mapping[str, Buffer], Mapping[str, Buffer]]
    sizes: Mapping[str, int]

    def where(self, name: str, part: int) -> Buffer:
        """The matrix of that name, as h.3.mlp.c_fc, in the buffer of a part."""
        return self.matrices[part % 2][name.split(".", 2)[2]]

    def tiles(self, matrices: Mapping[str, NDArray[Any]]) -> NDArray[Any]:
        """A layer's matrices by name, each (height, width, elements), as a part of the feed: (height, width, n)."""
        region, found = self.feed.region, []
        for name, size in self.sizes.items():
            given = matrices[name]
            found.append(np.pad(given, [(0, 0), (0, 0), (0, size - given.shape[2])]))
        tiles = np.concatenate(found, axis=2)
        assert tiles.shape[:2] == (region.height, region.width)
        return tiles

    def values(self, layers: Iterator[Mapping[str, NDArray[Any]]]) -> dict[str, NDArray[Any]]:
        """What the host sends on each stream, by name, for layers one after the other."""
        tiles = np.stack([self.tiles(matrices) for matrices in layers])
        return {stream.name: rows for stream, rows in self.feed.values(tiles)}


def make_arrivals(build: Builder, layout: Layout, region: Region) -> Arrivals:
    """Takes a colour, and room for two layers."""
    sizes = tile_sizes(layout)
    columns = halves(layout.wafer, region)
    feed = make_feed(build, region, columns, n=sum(sizes.values()), dtype=layout.dtype, name="weights")
    starts = np.cumsum([0, *sizes.values()]).tolist()
    first, second = (
        {
            name: build.part(f"{buffer.name}.{name}", buffer, start, size)
            for (name, size), start in zip(tile_elements(layout).items(), starts, strict=False)
        }
        for buffer in feed.buffers
    )
    return Arrivals(feed, (first, second), sizes)
