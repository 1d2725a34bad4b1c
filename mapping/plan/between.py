"""What handing the hidden state from a part of a ring to the next takes, in closed form."""

from __future__ import annotations

from wse_sim.kernels.collective import all_reduce, handover
from wse_sim.kernels.collective.plan import plan
from wse_sim.kernels.collective.timing import wavelets
from wse_sim.kernels.collective.tree import Tree
from wse_sim.mapping.plan.mapping import Mapping, Part
from wse_sim.mapping.region.layout import Layout
from wse_sim.mapping.region.traffic import hops_of


def send_cycles(mapping: Mapping, source: Part, target: Part) -> int:
    """From the start of the sending until the next part has all."""
    layout = mapping.layout(source)
    hops = max((lane.hops for lane in handover.lanes(source.region, target.region)), default=0)
    return handover.cost(layout.wafer, hops, layout.hidden.size, dtype=layout.dtype)


def take_cycles(layout: Layout) -> int:
    """In which rows hear what has arrived on one PE of each."""
    size, dtype = layout.hidden.size, layout.dtype
    return handover.cost_of_taking(layout.wafer, size, dtype=dtype) + all_reduce.cost(
        layout.wafer, _line(layout), size, dtype=dtype
    )


def wavelets_between(mapping: Mapping, source: Part, target: Part) -> int:
    """Hops of the lanes, and of the sums by which rows hear what has arrived."""
    layout = mapping.layout(target)
    words = wavelets(layout.hidden.size, layout.dtype)
    on_lanes = sum(lane.hops for lane in handover.lanes(source.region, target.region))
    return words * (on_lanes + layout.height * hops_of(_line(layout)))


def _line(layout: Layout) -> Tree:
    words, queues = layout.line_words[0], layout.line_queues(spare=True)[0]
    return plan(layout.wafer, layout.width, words=words, queues=queues)
