"""A background slot: an asynchronous operation, group by group."""

from __future__ import annotations

from dataclasses import dataclass

from naive.work import Work

from wse_sim.hardware import State
from wse_sim.program.instruction import Completion


@dataclass
class Slot:
    """An operation in a slot; a free slot is None in the core.

    ready   cycle from which the next group may be done; after the last one, the operation's end
    done    elements computed
    due     cycle of the completion, once the last group has been done
    reason  what it waits for, or waited for last
    """

    work: Work
    then: Completion | None
    ready: int
    due: int | None = None
    done: int = 0
    reason: State = State.OVERHEAD

    @property
    def finished(self) -> bool:
        return self.due is not None

    def waits(self, now: int) -> bool:
        """Started, not finished, not resting: it needs only wavelets, room and the issue slot."""
        return not self.finished and now >= self.ready
