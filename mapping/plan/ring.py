"""The ring that the hidden state of a replica goes round: from each part to the next, from the last to the first."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import networkx as nx

from wse_sim.hardware import Region
from wse_sim.kernels.collective.handover import lanes
from wse_sim.mapping.plan.mapping import Part

Ends = tuple[Region, Region]


def ring_of(parts: Sequence[Part]) -> list[tuple[Part, Part]]:
    """Each part and the one it hands the hidden state to; none where there is only one."""
    return [] if len(parts) == 1 else list(zip(parts, (*parts[1:], parts[0]), strict=True))


def color_numbers(ends: Sequence[Ends]) -> tuple[int, ...]:
    """A number for each hand-over from a region to another; those that meet on a PE have different ones."""
    ways = [frozenset(pe for lane in lanes(*pair) for region, _, _ in lane.runs() for pe in region) for pair in ends]
    meetings = nx.Graph()
    meetings.add_nodes_from(range(len(ways)))
    meetings.add_edges_from((i, j) for i, j in combinations(range(len(ways)), 2) if ways[i] & ways[j])
    found = nx.greedy_color(meetings, strategy="DSATUR")
    return tuple(found[i] for i in range(len(ways)))
