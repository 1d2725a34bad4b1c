"""The ring that the hidden state of a replica goes round: from each part to the next, from the last to the first."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from itertools import combinations, count

import networkx as nx

from wse_sim.hardware import Region
from wse_sim.kernels.collective.lanes import Lanes, lanes
from wse_sim.mapping.plan.mapping import Mapping, Part

Box = tuple[int, int, int, int]


def ring_of(parts: Sequence[Part]) -> list[tuple[Part, Part]]:
    """Each part and the one it hands the hidden state to; none where there is only one."""
    return [] if len(parts) == 1 else list(zip(parts, (*parts[1:], parts[0]), strict=True))


def ring_lanes(mapping: Mapping, replica: int) -> list[Lanes]:
    """The lanes of each hand-over of a replica, round dead PEs; what cannot be laid says why."""
    regions = _regions(mapping, replica)
    totals = _totals(mapping, regions)
    if (shape := _shape(mapping, regions)) is not None:
        x, y = _box(regions)[:2]
        return [laid.moved(x, y) for laid in _laid(shape, totals)]
    pairs = zip(regions, (*regions[1:], *regions[:1]), totals, strict=True)
    return [lanes(a, b, total, dead=mapping.dead, within=mapping.grid) for a, b, total in pairs]


def distinct_rings(mapping: Mapping) -> list[list[Lanes]]:
    """Those of `ring_lanes` that differ in more than their place: a replica far from dead PEs is like another."""
    found: dict[object, list[Lanes]] = {}
    for replica in range(mapping.replicas):
        regions = _regions(mapping, replica)
        shape = _shape(mapping, regions)
        if shape is None:
            found[replica] = ring_lanes(mapping, replica)
        elif shape not in found:
            found[shape] = list(_laid(shape, _totals(mapping, regions)))
    return list(found.values())


def ring_colors(mapping: Mapping) -> list[list[tuple[int, ...]]]:
    """The numbers of `color_numbers` for each replica; replicas far from each other are asked one by one."""
    whole = [_regions(mapping, i) for i in range(mapping.replicas)]
    shapes = [_shape(mapping, regions) for regions in whole]
    boxes = [_box(regions) for regions in whole]
    if all(shapes) and not any(_meet(a, b) for a, b in combinations(boxes, 2)):
        return [_colors(shape, _totals(mapping, shape)) for shape in shapes if shape]
    return color_numbers([ring_lanes(mapping, i) for i in range(mapping.replicas)])


def _regions(mapping: Mapping, replica: int) -> tuple[Region, ...]:
    """Of the parts; none where there is only one, which hands nothing over."""
    found = tuple(part.region for part in mapping.parts(replica))
    return found if len(found) > 1 else ()


def _totals(mapping: Mapping, regions: tuple[Region, ...]) -> tuple[int, ...]:
    """Elements along y that go over: the hidden state of a token; of prompts a tile on every row, but the last token's
    hidden state to the first part.
    """
    hidden = (mapping.config.n_embd,) * len(regions)
    if mapping.phase == "decode":
        return hidden
    return tuple(region.height for region in regions[:-1]) + hidden[-1:]


def _shape(mapping: Mapping, regions: tuple[Region, ...]) -> tuple[Region, ...] | None:
    """Regions moved to the corner, where only their offsets count; None if a dead PE may be in the way."""
    if not regions:
        return ()
    x, y, to_x, to_y = _box(regions)
    if any(x <= at_x <= to_x and y <= at_y <= to_y for at_x, at_y in mapping.dead):
        return None
    return tuple(
        Region(range(r.xs.start - x, r.xs.stop - x), range(r.ys.start - y, r.ys.stop - y)) for r in regions
    )


@lru_cache(maxsize=512)
def _laid(shape: tuple[Region, ...], totals: tuple[int, ...]) -> tuple[Lanes, ...]:
    return tuple(lanes(a, b, n) for a, b, n in zip(shape, (*shape[1:], *shape[:1]), totals, strict=True))


@lru_cache(maxsize=512)
def _colors(shape: tuple[Region, ...], totals: tuple[int, ...]) -> list[tuple[int, ...]]:
    return color_numbers([_laid(shape, totals)])[0]


def color_numbers(rings: Sequence[Sequence[Lanes]]) -> list[list[tuple[int, ...]]]:
    """A number for each bundle of each hand-over of each ring; bundles that meet on a PE have different ones."""
    ways = [bundle for ring in rings for laid in ring for bundle in laid.bundles]
    meetings = nx.Graph()
    meetings.add_nodes_from(range(len(ways)))
    meetings.add_edges_from((i, j) for i, j in combinations(range(len(ways)), 2) if ways[i].meets(ways[j]))
    found, numbers = nx.greedy_color(meetings, strategy="DSATUR"), count()
    return [[tuple(found[next(numbers)] for _ in laid.bundles) for laid in ring] for ring in rings]


def _box(regions: Sequence[Region]) -> Box:
    """The westernmost column, the northernmost row, the easternmost column and the southernmost row."""
    if not regions:
        return -1, -1, -1, -1
    return (
        min(r.xs[0] for r in regions), min(r.ys[0] for r in regions), max(r.xs[-1] for r in regions),
        max(r.ys[-1] for r in regions),
    )  # fmt: skip


def _meet(a: Box, b: Box) -> bool:
    return a[0] <= b[2] and b[0] <= a[2] and a[1] <= b[3] and b[1] <= a[3]
