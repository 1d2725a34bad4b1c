"""What streamed weights take of PEs at work: the slot that receives them goes before the main thread.

Each word costs a cycle, and the main thread stands still in it where it holds the issue slot. So the link never waits
for PEs that compute, and they take longer by the words that come while they do not wait themselves.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from wse_sim.hardware import Wafer
from wse_sim.kernels.collective import all_reduce
from wse_sim.mapping.region.arrivals import words_of_a_step
from wse_sim.mapping.region.batch_cycles import batch_cycles
from wse_sim.mapping.region.cycles import stage_cycles
from wse_sim.mapping.region.layout import Layout
from wse_sim.mapping.region.traffic import sums

_OVERHEAD = (
    "dsr_load", "op_start", "async_issue", "map_start", "map_step", "map_gap", "loop_start", "loop_edge",
    "branch_taken", "branch_not_taken", "completion",
)  # fmt: skip


def receiving_cycles(layout: Layout, position: int, cycles: int) -> int:
    """Of a step that decodes and takes some cycles besides, those by which its words, which come evenly, delay it."""
    return words_of_a_step(layout) * _held(layout, position) // max(cycles, 1)


def _held(layout: Layout, position: int) -> int:
    """Cycles in which the main thread holds the issue slot.

    The closed form on a machine without overhead, less its sums along lines, in which PEs mostly wait.
    """
    bare = replace(layout, wafer=_without_overhead(layout.wafer))
    waiting = (
        all_reduce.cost(bare.wafer, tree, layout.batch * words) for tree, words in sums(bare, position, spare=True)
    )
    return (stage_cycles if layout.batch == 1 else batch_cycles)(bare, position, spare=True).total - sum(waiting)


@lru_cache(maxsize=16)
def _without_overhead(wafer: Wafer) -> Wafer:
    idle = {f"{name}_cycles": 0 for name in _OVERHEAD}
    return wafer.with_(**idle, hop_cycles=1, ramp_out_cycles=1, ramp_in_cycles=1, stream_pause_wavelets=0)
