"""What handing the hidden state from a part of a ring to the next takes, in closed form."""

from __future__ import annotations

from wse_sim.kernels.collective import all_reduce, handover
from wse_sim.kernels.collective.lanes import Lanes
from wse_sim.kernels.collective.plan import plan
from wse_sim.kernels.collective.timing import wavelets
from wse_sim.kernels.collective.tree import Tree
from wse_sim.mapping.region.layout import Layout
from wse_sim.mapping.region.traffic import hops_of


def send_cycles(layout: Layout, laid: Lanes) -> int:
    """From the start of the sending by a part until the next one has all, ways round dead PEs included."""
    return handover.cost(layout.wafer, laid, layout.hidden.size, dtype=layout.dtype)


def take_cycles(layout: Layout) -> int:
    """In which rows hear what has arrived on one PE of each."""
    size, dtype = layout.hidden.size, layout.dtype
    return handover.cost_of_taking(layout.wafer, size, dtype=dtype) + all_reduce.cost(
        layout.wafer, _line(layout), size, dtype=dtype
    )


def wavelets_between(source: Layout, target: Layout, laid: Lanes) -> int:
    """Hops of the lanes, and of the sums by which rows hear what has arrived."""
    on_lanes = laid.links * wavelets(source.hidden.size, source.dtype)
    return on_lanes + wavelets(target.hidden.size, target.dtype) * target.height * hops_of(_line(target))


def _line(layout: Layout) -> Tree:
    words, queues = layout.line_words[0], layout.line_queues(spare=True)[0]
    return plan(layout.wafer, layout.width, words=words, queues=queues)
