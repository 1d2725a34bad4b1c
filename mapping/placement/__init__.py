"""Where on a wafer regions go: orders and searches with one interface, what a placement costs, what none can beat."""

from collections.abc import Callable
from collections.abc import Mapping as Table
from dataclasses import dataclass
from types import MappingProxyType

from wse_sim.errors import UsageError
from wse_sim.hardware import Region
from wse_sim.mapping.placement.anneal import annealed
from wse_sim.mapping.placement.bound import lower_bound
from wse_sim.mapping.placement.costs import Costs, costs
from wse_sim.mapping.placement.floor import LATENCY, Block, Floor, Flow, Weights, ring
from wse_sim.mapping.placement.hilbert import hilbert
from wse_sim.mapping.placement.rows import row_major, serpentine
from wse_sim.mapping.placement.solve import solved
from wse_sim.mapping.placement.treemap import treemap


@dataclass(frozen=True)
class Placement:
    """A way to place blocks.

    meaning  one sentence
    quick    whether it takes milliseconds, not seconds
    place    disjoint rectangles of living PEs for the blocks of a floor, in their order; raises FitError
    """

    name: str
    meaning: str
    place: Callable[[Floor], tuple[Region, ...]]
    quick: bool = True


PLACEMENTS: Table[str, Placement] = MappingProxyType(
    {
        p.name: p
        for p in (
            Placement("row-major", "in rows from west to east", row_major),
            Placement("serpentine", "in rows, every other one from east to west", serpentine),
            Placement("hilbert", "along a Hilbert curve, on cells as large as the largest region", hilbert),
            Placement("treemap", "a slicing tree: areas in proportion, shapes as they come", treemap),
            Placement("annealed", "the best of the quick ones, improved by simulated annealing", annealed, quick=False),
            Placement("solved", "by a mixed-integer program, for few regions", solved, quick=False),
        )
    }
)


def placement(name: str) -> Placement:
    """The placement called `name`; UsageError lists the known ones."""
    if name not in PLACEMENTS:
        raise UsageError(f"unknown placement {name!r}: expected one of {', '.join(PLACEMENTS)}")
    return PLACEMENTS[name]


__all__ = [
    "LATENCY", "PLACEMENTS", "Block", "Costs", "Floor", "Flow", "Placement", "Weights", "costs", "lower_bound",
    "placement", "ring",
]  # fmt: skip
