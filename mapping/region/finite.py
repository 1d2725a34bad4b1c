"""Whether what a region computed is finite: a number that outgrows its type spoils all that follow from it."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

import numpy as np

from wse_sim.errors import RunError
from wse_sim.hardware import f32
from wse_sim.mapping.region.layout import Layout

if TYPE_CHECKING:
    from wse_sim.engine.machine import Machine
    from wse_sim.mapping.region.stage import Stage


def outgrown(found: str, layout: Layout) -> RunError:
    """The error for what was found, with what to try."""
    dtype = layout.dtype
    cure = "smaller weights" if dtype is f32 else "f32" if layout.accumulate is f32 else "sums in f32, or all in f32"
    return RunError(
        f"{found} are NaN or infinite, as a number outgrew {dtype.name}, {np.finfo(dtype.numpy).max:g} at most: "
        f"expected finite ones; try {cure}"
    )


def require_finite(machine: Machine, stages: Iterable[Stage]) -> None:
    """RunError if a key or value in a cache is not finite, or a logit of those computed last in a region.

    What left its type's range after the last layer's keys and values, in a step before the last, is not found so.
    """
    copied = machine.host_bytes_out
    try:
        for stage in stages:
            _require_finite(machine, stage)
    finally:
        machine.host_bytes_out = copied  # a look at the simulation, not a copy of the run


def _require_finite(machine: Machine, stage: Stage) -> None:
    for i, layer in stage.resident.layers.items():
        for cache in layer.caches:
            bad = sum(_not_finite(machine.read(held)) for held in (cache.keys, cache.values))
            if bad:
                raise outgrown(f"{stage.region!r}, layer {i}: {bad:,} keys and values", stage.layout)
    if stage.resident.head is not None:
        logits = stage.all_logits(machine)
        bad = _not_finite(logits)
        if bad:
            raise outgrown(f"{stage.region!r}: {bad:,} of {logits.size:,} logits", stage.layout)


def _not_finite(values: np.ndarray) -> int:
    return int((~np.isfinite(values)).sum())
