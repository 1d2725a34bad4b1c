"""When the vectors of a reduction flow along its tree."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import lru_cache

from wse_sim.hardware import Wafer
from wse_sim.kernels.collective.timing import Timing
from wse_sim.kernels.collective.tree import Tree


@dataclass
class Flow:
    """A tree whose edges all carry a vector of `stream` cycles.

    A position takes one vector after the other and sends on the last one as it comes. Vectors that are early wait on
    their way, and what they do until queues and buffers are full slows down others on the same links.

    begins  cycle in which each position begins to send, from the start on all PEs
    """

    wafer: Wafer
    tree: Tree
    stream: int
    begins: list[int] = field(init=False)

    def __post_init__(self) -> None:
        t = Timing(self.wafer)
        self._issue, self._last_issue = t.issue(2), t.issue(3)
        self._ramps, self._hop = t.stage(0), self.wafer.hop_cycles
        self.begins = [self._issue] * self.tree.length
        self.end = 0
        takes, root, stored = self.tree.takes, self.tree.root, self.tree.stored
        for position in [*(edge.sender for edge in self.tree.edges), root]:
            if len(takes[position]) == 1 and position != root and position not in stored:  # as most are
                self.begins[position] = max(self._last_issue, self._arrival(takes[position][0], position))
            elif takes[position]:
                self._take(position)

    def _take(self, position: int) -> None:
        """What a position takes; those that it takes from come before it."""
        takes = self.tree.takes[position]
        begin, free, lost = self._issue, 0, 0
        goes_on = position != self.tree.root and position not in self.tree.stored
        for i, sender in enumerate(takes):
            later = takes[i + 1 :]
            issue = self._issue if later or not goes_on else self._last_issue
            begin = max(free + issue, self._arrival(sender, position))
            slowed = max((self._slowed(begin, position, sender, other) for other in later), default=0)
            free = begin + self.stream + max(0, slowed, lost) - lost
            lost = max(lost, slowed)
        self.begins[position] = free + self._issue if position in self.tree.stored else begin
        self.end = free

    def _arrival(self, sender: int, taker: int) -> int:
        return self.begins[sender] + self._ramps + self._hop * abs(sender - taker)

    def _slowed(self, begin: int, taker: int, sender: int, later: int) -> int:
        """Cycles that a vector, taken from `begin` on, loses to one that is taken later.

        They take turns on the ramp, and on links that both pass, until what is in front of the taker is full.
        """
        wafer = self.wafer
        room = wafer.input_queue_depths[0] + wafer.ramp_in_cycles
        found = self._lost(self._arrival(later, taker) - begin, room)
        waits = begin - self._arrival(sender, taker)
        while (sender < taker) == (later < taker) and abs(sender - taker) < abs(later - taker):
            ahead = self.begins[later] + wafer.hop_cycles * abs(later - sender) - self.begins[sender] - waits
            buffers = (abs(sender - taker) - 1) * (wafer.router_buffer + wafer.hop_cycles)
            found = max(found, self._lost(ahead, room + buffers))
            if not self.tree.takes[sender]:
                break
            sender = self.tree.takes[sender][-1]
        return found

    def _lost(self, ahead: int, room: int) -> int:
        """Words that pass of another vector while one is under way that is so many cycles ahead of it."""
        return max(0, min(self.stream - max(0, ahead), room - max(0, -ahead)))


@lru_cache(maxsize=4096)
def end_of(wafer: Wafer, tree: Tree, stream: int) -> int:
    """Cycle in which the root is through; remembered, for estimates of whole models ask again and again."""
    return Flow(wafer, tree, stream).end
