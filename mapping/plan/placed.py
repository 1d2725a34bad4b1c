"""How good the places of a mapping are: the costs of its hand-overs beside what no placement can beat."""

from __future__ import annotations

from wse_sim.hardware import Region
from wse_sim.mapping.placement import LATENCY, Block, Costs, Floor, Weights, costs, lower_bound, ring
from wse_sim.mapping.plan.estimate import block_cycles
from wse_sim.mapping.plan.mapping import Mapping


def floor_of(mapping: Mapping, *, weights: Weights = LATENCY, replica: int = 0) -> tuple[Floor, list[Region]]:
    """The parts of a replica as blocks, their work at the last position; and where they lie."""
    parts = mapping.parts(replica)
    blocks = []
    for part in parts:
        layout, several = mapping.layout(part), len(parts) > 1
        work = block_cycles(layout, mapping.context - 1, several=several)
        blocks.append(Block(layout.width, layout.height, work, layout.shards))
    floor = Floor(
        mapping.grid.width, mapping.grid.height, tuple(blocks), ring(len(parts)), mapping.wafer, mapping.config.n_embd,
        mapping.dtype, mapping.dead, weights,
    )  # fmt: skip
    return floor, [part.region for part in parts]


def quality(mapping: Mapping) -> tuple[Costs, Costs]:
    """(of a replica's placement, lower bound for its regions in the shapes they have)."""
    floor, regions = floor_of(mapping)
    return costs(floor, regions), lower_bound(floor)


def describe_placement(mapping: Mapping) -> str:
    """The four costs, each with its gap to the bound."""
    if len(mapping.parts(0)) == 1:
        return f"{mapping.placement}: nothing is handed over"
    found, least = quality(mapping)
    names = {"latency": "latency", "period": "period", "traffic": "wavelet-hops", "busiest": "busiest link"}
    shown = (
        f"{text} {getattr(found, name):,.0f} (bound {getattr(least, name):,.0f}, "
        f"+{getattr(found, name) / getattr(least, name) - 1:.1%})"
        for name, text in names.items()
    )
    return f"{mapping.placement}: " + ", ".join(shown)
