"""The ring that the hidden state of a replica goes round: from each part to the next, from the last to the first."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations, count

import networkx as nx

from wse_sim.kernels.collective.lanes import Lanes, Pe, lanes
from wse_sim.mapping.plan.mapping import Mapping, Part


def ring_of(parts: Sequence[Part]) -> list[tuple[Part, Part]]:
    """Each part and the one it hands the hidden state to; none where there is only one."""
    return [] if len(parts) == 1 else list(zip(parts, (*parts[1:], parts[0]), strict=True))


def ring_lanes(mapping: Mapping, replica: int) -> list[Lanes]:
    """The lanes of each hand-over of a replica, round dead PEs; what cannot be laid says why."""
    return [
        lanes(a.region, b.region, mapping.config.n_embd, dead=mapping.dead, within=mapping.grid)
        for a, b in ring_of(mapping.parts(replica))
    ]


def color_numbers(rings: Sequence[Sequence[Lanes]]) -> list[list[tuple[int, ...]]]:
    """A number for each bundle of each hand-over of each ring; bundles that meet on a PE have different ones."""
    ways = [way for ring in rings for laid in ring for _, way in laid.bundles]
    boxes = [_box(way) for way in ways]
    meetings = nx.Graph()
    meetings.add_nodes_from(range(len(ways)))
    meetings.add_edges_from(
        (i, j)
        for i, j in combinations(range(len(ways)), 2)
        if _meet(boxes[i], boxes[j]) and not ways[i].isdisjoint(ways[j])
    )
    found, numbers = nx.greedy_color(meetings, strategy="DSATUR"), count()
    return [[tuple(found[next(numbers)] for _ in laid.bundles) for laid in ring] for ring in rings]


def _box(way: frozenset[Pe]) -> tuple[int, int, int, int]:
    xs, ys = zip(*way, strict=True)
    return min(xs), max(xs), min(ys), max(ys)


def _meet(a: tuple[int, int, int, int], b: tuple[int, int, int, int]) -> bool:
    return a[0] <= b[1] and b[0] <= a[1] and a[2] <= b[3] and b[2] <= a[3]
