"""A queue of wavelets with a latency: a list, and the cycles of the last push and pop."""

from __future__ import annotations


class Fifo:
    """At most one push and one pop per cycle.

    words    (cycle from which it is visible, 32 bits as an int), the oldest first
    pops     words taken out so far
    blocked  cycles that visible heads waited although nobody popped
    """

    def __init__(self, latency: int, depth: int) -> None:
        self.latency = latency
        self.capacity = depth + latency
        self.words: list[tuple[int, int]] = []
        self.last_push: int | None = None
        self.last_pop: int | None = None
        self.pushes = 0
        self.pops = 0
        self.blocked = 0

    def has_head(self, now: int) -> bool:
        """True if a word may be popped in this cycle."""
        return bool(self.words) and self.words[0][0] <= now and self.last_pop != now

    def has_room(self, now: int) -> bool:
        """True if the queue was not full at the start of this cycle."""
        at_start = len(self.words)
        at_start += 1 if self.last_pop == now else 0
        at_start -= 1 if self.last_push == now else 0
        return at_start < self.capacity

    def in_flight(self, now: int) -> bool:
        """True if some word is not visible yet."""
        return any(visible > now for visible, _ in self.words)

    def push(self, now: int, word: int) -> None:
        assert self.last_push != now, "two pushes in one cycle"
        assert self.has_room(now), "push into a full queue"
        self.words.append((now + self.latency, word))
        self.last_push = now
        self.pushes += 1

    def pop(self, now: int) -> int:
        assert self.has_head(now), "pop without a visible word"
        visible, word = self.words.pop(0)
        waited = now - visible
        if self.last_pop is not None:
            waited = min(waited, now - self.last_pop - 1)
        self.blocked += waited
        self.last_pop = now
        self.pops += 1
        return word
