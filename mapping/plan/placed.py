"""How good the places of a mapping are: the costs of its hand-overs beside what no placement can beat."""

from __future__ import annotations

from collections.abc import Sequence

from wse_sim.hardware import Region
from wse_sim.mapping.placement import LATENCY, Block, Costs, Floor, Weights, costs, lower_bound, ring
from wse_sim.mapping.plan.between import flows_of
from wse_sim.mapping.plan.estimate import block_cycles
from wse_sim.mapping.plan.mapping import Mapping
from wse_sim.mapping.region.layout import Layout


def floor_of(mapping: Mapping, *, weights: Weights = LATENCY, replica: int = 0) -> tuple[Floor, list[Region]]:
    """The parts of a replica as blocks, their work at the last position; and where they lie."""
    parts = mapping.parts(replica)
    layouts = [mapping.layout(part) for part in parts]
    floor = Floor(
        mapping.grid.width, mapping.grid.height, blocks_of(layouts, mapping.context - 1), ring(len(parts)),
        mapping.wafer, mapping.config.n_embd, mapping.dtype, mapping.dead, weights,
        flows=flows_of(layouts, mapping.prompt),
    )  # fmt: skip
    return floor, [part.region for part in parts]


def blocks_of(layouts: Sequence[Layout], position: int) -> tuple[Block, ...]:
    """The parts of a replica, with their work on the token at a position, or on a prompt up to there."""
    several = len(layouts) > 1
    return tuple(
        Block(
            each.width, each.height, block_cycles(each, position, several=several, last=each is layouts[-1]),
            each.shards,
        )
        for each in layouts
    )  # fmt: skip


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
