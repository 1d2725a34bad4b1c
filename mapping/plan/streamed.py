"""Which mappings with streamed weights a program can be made of."""

from __future__ import annotations

from wse_sim.errors import UsageError
from wse_sim.kernels.matrix.feed import halves
from wse_sim.mapping.plan.mapping import Mapping


def require_streamed(mapping: Mapping) -> None:
    """Raises UsageError unless there is one region, whose weights are streamed, at an edge with I/O channels."""
    place = mapping.places[0]
    if len(mapping.places) > 1 or not place.streamed:
        raise UsageError(
            f"{mapping.strategy} with {len(mapping.places)} regions: expected one, whose weights are streamed"
        )
    if not halves(mapping.wafer, place.region):
        raise UsageError(
            f"weights streamed to {place.region!r}: expected it at a west or east edge of {mapping.wafer.name} with "
            "I/O channels"
        )
