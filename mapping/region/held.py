"""How long PEs at work hold streamed weights up: a background slot receives in those cycles only that the main thread
leaves free.

A word of a row goes on when all PEs that hear it have room, and they work alike. So while they are busy with elements,
what their queues cannot take waits at the edge; the link makes up for none of it. In rows of many PEs, each of which
takes one word of many, the queues last for as long as a PE computes without a pause.
"""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from wse_sim.hardware import Region, Wafer
from wse_sim.kernels.collective import all_reduce
from wse_sim.kernels.matrix import feed
from wse_sim.mapping.region.arrivals import words_of_a_layer
from wse_sim.mapping.region.batch_cycles import batch_cycles
from wse_sim.mapping.region.cycles import stage_cycles
from wse_sim.mapping.region.layout import Layout
from wse_sim.mapping.region.traffic import sums

_OVERHEAD = (
    "dsr_load", "op_start", "async_issue", "map_start", "map_step", "map_gap", "loop_start", "loop_edge",
    "branch_taken", "branch_not_taken", "completion",
)  # fmt: skip
_WEIGHTS_QUEUE = 0  # the feed's colour is a region's first


def blocked_cycles(layout: Layout, region: Region, position: int) -> int:
    """Of a step of streamed weights, those by which it is longer than the link takes, if the link sets the pace.

    The cycles that elements and scalars hold the issue slot, less what queues take: in each stretch between two sums of
    a sequence once.
    """
    words = len(layout.held) * words_of_a_layer(layout)
    if not words:
        return 0
    sharing = max(map(len, feed.halves(layout.wafer, region).values()))
    pace = words * sharing / feed.cycles(layout.wafer, region, words)  # words a cycle at an entry
    room = sharing * (layout.wafer.input_queue_depths[_WEIGHTS_QUEUE] + layout.wafer.ramp_in_cycles)
    stretches = layout.batch * len(list(sums(layout, position, spare=True)))
    return max(0, _held(layout, position) - round(stretches * room / pace))


def _held(layout: Layout, position: int) -> int:
    """The closed form on a machine without overhead, less its sums along lines, in which PEs mostly wait."""
    bare = replace(layout, wafer=_without_overhead(layout.wafer))
    total = (stage_cycles if layout.batch == 1 else batch_cycles)(bare, position, spare=True).total
    waiting = (
        all_reduce.cost(bare.wafer, tree, layout.batch * words) for tree, words in sums(bare, position, spare=True)
    )
    return total - sum(waiting)


@lru_cache(maxsize=16)
def _without_overhead(wafer: Wafer) -> Wafer:
    idle = {f"{name}_cycles": 0 for name in _OVERHEAD}
    return wafer.with_(**idle, hop_cycles=1, ramp_out_cycles=1, ramp_in_cycles=1, stream_pause_wavelets=0)
