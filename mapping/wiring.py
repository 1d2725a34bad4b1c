"""Colours for hand-overs: those that meet on a PE differ, all others share."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import combinations

import networkx as nx

from wse_sim.hardware import Region
from wse_sim.kernels.collective.handover import lanes

Ends = tuple[Region, Region]


def color_numbers(ends: Sequence[Ends]) -> tuple[int, ...]:
    """A number for each hand-over from a region to another; equal ones may have one colour."""
    ways = [frozenset(pe for lane in lanes(*pair) for region, _, _ in lane.runs() for pe in region) for pair in ends]
    meetings = nx.Graph()
    meetings.add_nodes_from(range(len(ways)))
    meetings.add_edges_from((i, j) for i, j in combinations(range(len(ways)), 2) if ways[i] & ways[j])
    found = nx.greedy_color(meetings, strategy="DSATUR")
    return tuple(found[i] for i in range(len(ways)))
