"""What every mapping keeps to: regions on the wafer, apart from each other and alive, that hold the whole model."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wse_sim.errors import FitError, UsageError

if TYPE_CHECKING:
    from wse_sim.mapping.plan.mapping import Mapping, Place


def check_places(mapping: Mapping) -> None:
    """Raises FitError or UsageError that names the region at fault."""
    if not mapping.places:
        raise UsageError(f"a {mapping.strategy} mapping without places: expected one or more")
    for place in mapping.places:
        _check_place(mapping, place)
    _check_apart(mapping)


def _check_place(mapping: Mapping, place: Place) -> None:
    grid = mapping.grid
    if place.width < 1 or place.height < 1 or not grid.contains(place.region):
        raise FitError(
            f"region {place.region!r} of {place.holds()} on {mapping.wafer.name}, which has {grid.width}x{grid.height} "
            "usable PEs: expected it inside; give a smaller grid"
        )
    if not mapping.config.n_layer >= place.layers.stop or place.layers.step != 1:
        raise UsageError(f"{place.layers} of {mapping.config.name}: expected some of {mapping.config.n_layer} layers")
    if not (place.layers or place.embedding or place.head):
        raise UsageError(f"region {place.region!r} holds nothing: expected a part of the model")
    if not 0 <= place.shard < place.shards or place.replica < 0:
        raise UsageError(f"shard {place.shard} of {place.shards}, replica {place.replica}: expected 0 and up")


def _check_apart(mapping: Mapping) -> None:
    """No PE is in two regions, and none of them is dead."""
    taken = np.full((mapping.grid.height, mapping.grid.width), -1, np.int32)
    for index, place in enumerate(mapping.places):
        here = taken[place.y : place.y + place.height, place.x : place.x + place.width]
        if here.max() >= 0:
            other = mapping.places[int(here.max())]
            raise FitError(
                f"{other.holds()} on {other.region!r} meets {place.holds()} on {place.region!r}: expected them disjoint"
            )
        here[:] = index
    for x, y in sorted(mapping.dead):
        if (x, y) in mapping.grid and taken[y, x] >= 0:
            hit = mapping.places[int(taken[y, x])]
            raise FitError(
                f"PE ({x}, {y}) is dead and in {hit.region!r} of {hit.holds()}: expected regions that avoid it; place "
                "the mapping anew"
            )


def check_whole(mapping: Mapping) -> None:
    """Every replica holds every shard of every part exactly once, and so do the places that take its prompts."""
    for index in range(mapping.replicas):
        _check_copy(mapping, index, mapping.replica(index))
        prompts = mapping.replica(index, prompts=True)
        if prompts:
            _check_copy(mapping, index, prompts)


def _check_copy(mapping: Mapping, index: int, places: tuple[Place, ...]) -> None:
    parts = {"the embedding": [p for p in places if p.embedding], "the head": [p for p in places if p.head]}
    layers: list[list[Place]] = [[] for _ in range(mapping.config.n_layer)]
    for place in places:
        for layer in place.layers:
            layers[layer].append(place)
    for part, held in [*parts.items(), *((f"layer {i}", found) for i, found in enumerate(layers))]:
        _check_shards(part, index, held)


def _check_shards(part: str, replica: int, held: list[Place]) -> None:
    shards = [p.shard for p in held]
    if not held or sorted(shards) != list(range(held[0].shards)) or len({p.shards for p in held}) > 1:
        raise UsageError(
            f"{part} of replica {replica} is held by shards {shards} of {[p.shards for p in held]}: expected each "
            "shard exactly once"
        )
