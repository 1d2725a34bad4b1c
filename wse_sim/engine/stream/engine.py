"""The stream engine as the machine sees it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.shares import Left
from wse_sim.engine.state import State
from wse_sim.engine.stream.cover import REASONS, uncovered, written
from wse_sim.engine.stream.run import begin_component, end_component, run_rounds
from wse_sim.engine.stream.settle import NOTHING
from wse_sim.engine.stream.stash import restore
from wse_sim.engine.stream.tables import (
    COMPONENT,
    COUNTERS,
    DEADLOCK,
    FAULT,
    FINE,
    FULL,
    LAG,
    LOWEST,
    MESSAGE,
    NOTE,
    O_AT,
    O_SHIFT,
    OPERATION,
    OPERATIONS,
    PLACE,
    QUEUE_LENGTH,
    ROUTER_FIFOS,
    TOO_LONG,
    UNKNOWN_TURN,
    UNMATCHED,
    UNSETTLED,
    Progress,
    Stash,
    Stream,
    Trace,
)
from wse_sim.engine.stream.trees import make_trees
from wse_sim.engine.table import Table

LONGEST = 1 << 27  # cycles of a launch
MOST_BYTES = 8 << 30  # of a trace
ROUNDS = 1 << 10  # in one go
DRAFT = 4096
TURNS = 4096
_WHY = {
    int(FAULT): "meets a fault",
    int(DEADLOCK): "is among PEs that wait for ever",
    int(TOO_LONG): "is among PEs that run longer than they may",
    int(UNMATCHED): "takes more or fewer wavelets at once than were sent at once",
    int(UNKNOWN_TURN): "is among PEs whose routers pass too much side by side",
    int(UNSETTLED): "is among PEs whose dates did not settle",
    int(FULL): "is among PEs that do too much in a launch",
}


class StreamEngine:
    """Runs the components of a program that it can; made once for a machine."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._why = uncovered(state)
        self._trees, self._parts = make_trees(state, Table(state), self._why < 0)
        pes, nodes = len(self._why), len(self._trees.fifo)
        self._progress = Progress(
            last=np.full(pes, -1, np.int32),
            head=np.full(len(self._trees.leaves), -1, np.int32),
            tail=np.full(len(self._trees.leaves), -1, np.int32),
            read=np.full(nodes, -1, np.int32),
            waits=np.zeros(nodes, np.uint8),
            queue=np.zeros(pes, np.int32),
            contended=np.zeros(pes, np.uint8),
        )
        longest = int(state.code.row[:, at.LENGTH].max(initial=0)) + 2
        self._trace = _new_trace(max(DRAFT, longest), self._most_pes(), nodes)
        self._stash = self._new_stash()

    def run(self, *, begin: int, limit: int, values: bool, progress: Callable[[int], None] | None) -> list[Left]:
        """Runs what it can of a launch that has been activated, and says what it has left as it was.

        begin, limit  cycle of the launch, and how many it may take
        values        whether to compute numbers
        """
        active = self._active()
        left = self._uncovered(active)
        stream, table = self._stream(begin, min(limit, LONGEST), values)
        for component in np.flatnonzero(active & (self._parts.streams > 0)).tolist():
            stream.counter[COMPONENT] = component
            begin_component(table)
            while stream.counter[COMPONENT] == component:
                run_rounds(table, ROUNDS)
                if stream.counter[QUEUE_LENGTH] == 0 and stream.counter[LOWEST] >= NOTHING and stream.failed[0] == FINE:
                    end_component(table)
                if stream.failed[0] == FULL and self._grow(stream):
                    stream.failed[0] = FINE
                    stream = stream._replace(trace=self._trace)
                    table = Table(stream)
                elif stream.failed[0] != FINE:
                    left.append(self._fail(stream, table))
                if progress is not None:
                    progress(_latest(stream))
        return left

    def _active(self) -> np.ndarray:
        """Whether anything starts in each component, (components,) bool."""
        active = self._state.cores.state[self._parts.pe, at.ACTIVE] != 0
        return np.add.reduceat(active, self._parts.first[:-1]) > 0

    def _stream(self, begin: int, limit: int, values: bool) -> tuple[Stream, Table]:
        state = self._state
        unused = np.zeros_like(state.tally.span[:1])
        unused[:, :, 0] = np.iinfo(np.int64).max
        stream = Stream(
            state=state._replace(tally=state.tally._replace(span=unused)),
            trees=self._trees,
            components=self._parts,
            progress=self._progress,
            trace=self._trace,
            stash=self._stash,
            router=np.zeros((ROUTER_FIFOS, 10), np.int64),
            turns=np.zeros(TURNS, np.int64),
            counter=np.zeros(COUNTERS, np.int64),
            failed=np.full(3, -1, np.int64),
            span=state.tally.span[0],
            begin=np.array([begin, limit, values], np.int64),
        )
        stream.failed[0] = FINE
        return stream, Table(stream)

    def _fail(self, stream: Stream, table: Table) -> Left:
        """Puts the component back as it was, and goes on with the next."""
        pes = self._pes(int(stream.counter[COMPONENT]))
        restore(table)
        why, pe, row = stream.failed.tolist()
        stream.failed[:] = FINE, -1, -1
        stream.counter[COMPONENT] += 1
        return Left(pes, int(pes[0]) if pe < 0 else pe, _WHY[why], row)

    def _uncovered(self, active: np.ndarray) -> list[Left]:
        """The components that it does not try."""
        found = []
        for component in np.flatnonzero(active & (self._parts.streams == 0)).tolist():
            pes = self._pes(component)
            culprits = pes[self._why[pes] >= 0]
            pe = int(culprits[0]) if len(culprits) else int(pes[0])
            why = REASONS[self._why[pe]] if len(culprits) else "is where two routes of a colour meet"
            found.append(Left(pes, pe, why))
        return found

    def _pes(self, component: int) -> np.ndarray:
        return self._parts.pe[self._parts.first[component] : self._parts.first[component + 1]]

    # -- room -------------------------------------------------------------------------------------

    def _most_pes(self) -> int:
        """PEs of the largest component that it tries."""
        return int((np.diff(self._parts.first) * self._parts.streams).max(initial=1))

    def _new_stash(self) -> Stash:
        state, most = self._state, self._most_pes()
        first, ranges = written(state)
        until = np.concatenate([[0], np.cumsum(ranges[:, 1] - ranges[:, 0])])
        by_pe = np.diff(until[first])[state.cores.role][self._parts.pe]
        total = np.concatenate([[0], np.cumsum(by_pe)])
        words = int((np.diff(total[self._parts.first]) * self._parts.streams).max(initial=0)) // 2
        return Stash(
            core=np.empty((most, at.CORE), np.int64),
            ints=np.empty((most, state.cores.ints.shape[1]), np.int32),
            states=np.empty((most, state.tally.state.shape[1]), np.int64),
            work=np.empty((most, 4), np.int64),
            turn=np.empty(most, np.int64),
            memory=np.empty(max(words, 1), np.uint16),
            section=np.empty_like(state.tally.section[0]),
            instruction=np.empty_like(state.tally.instruction[0]),
            span=np.empty_like(state.tally.span[0]),
            first=first,
            range=ranges,
        )

    def _grow(self, stream: Stream) -> bool:
        """Makes those parts of the trace longer that are more than half full; False when that is too much."""
        used = stream.counter[:6].tolist()
        names = ("operation", "message", "place", "step", "note", "word")
        longer = {}
        for name, count in zip(names, used, strict=True):
            old = getattr(self._trace, name)
            if 2 * count > len(old):
                longer[name] = np.empty((2 * len(old), *old.shape[1:]), old.dtype)
                longer[name][:count] = old[:count]
        if "operation" in longer:
            longer["due"] = np.empty(len(longer["operation"]), np.uint8)
            longer["due"][: used[0]] = self._trace.due[: used[0]]
        if sum(array.nbytes for array in {**self._trace._asdict(), **longer}.values()) > MOST_BYTES or not longer:
            return False
        self._trace = self._trace._replace(**longer)
        return True


def _latest(stream: Stream) -> int:
    """The cycle to which the latest operation has come."""
    latest = int(stream.counter[OPERATIONS]) - 1
    if latest < 0:
        return 0
    _, _, count, *_ = record = stream.trace.operation[latest].tolist()
    at_, steps, shift = record[O_AT : O_SHIFT + 1]
    return max(0, count - 1 + shift + (int(stream.trace.step[at_ + steps - 1, LAG]) if steps else 0))


def _new_trace(draft: int, pes: int, nodes: int) -> Trace:
    """Room for a few operations of each PE of a component; memory that is not used costs nothing."""
    few = 4 * pes + 1024
    return Trace(
        operation=np.empty((few, OPERATION), np.int32),
        message=np.empty((few, MESSAGE), np.int32),
        place=np.empty((4 * nodes + 1024, PLACE), np.int32),
        step=np.empty((8 * draft + 16 * few, 2), np.int32),
        note=np.empty((few, NOTE), np.int32),
        due=np.empty(few, np.uint8),
        word=np.empty(8 * draft + 16 * few, np.uint32),
        free=np.zeros(33, np.int64),
        draft=np.empty((2 * ROUTER_FIFOS, draft, 2), np.int32),
    )
