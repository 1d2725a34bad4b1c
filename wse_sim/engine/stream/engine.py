"""The stream engine as the machine sees it."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.shares import Left
from wse_sim.engine.state import Cores, State, Tally
from wse_sim.engine.stream.cover import OF_ITS_OWN, REASONS, uncovered, written
from wse_sim.engine.stream.run import begin_component, go
from wse_sim.engine.stream.stairs import after_drafts
from wse_sim.engine.stream.tables import (
    COMPONENT,
    CONTROL,
    COUNTERS,
    COUNTS,
    CUE,
    CUES,
    DEADLOCK,
    FAULT,
    FINE,
    FULL,
    GAPS,
    LAG,
    MESSAGE,
    NODE,
    NODES,
    NOTES,
    O_AT,
    O_SHIFT,
    OPERATION,
    OPERATIONS,
    PLACE,
    PLACES,
    RISKS,
    ROUTER_FIFOS,
    SCRIPT,
    SCRIPTS,
    SINGULAR,
    STEPS,
    TANGLED,
    TOO_LONG,
    TRACED,
    UNKNOWN_TURN,
    UNMATCHED,
    UNSETTLED,
    Progress,
    Scripts,
    Stream,
    Trace,
)
from wse_sim.engine.stream.trees import make_trees
from wse_sim.engine.stream.twins import alike
from wse_sim.engine.table import Table

LONGEST = 1 << 27  # cycles of a launch
MOST_BYTES = 8 << 30  # of a trace
ROUNDS = 1 << 10  # in one go
DRAFT = 4096
TURNS = 4096
NODES_OF_ONE = 1 << 18  # nodes of a script in the making
MOST_STORED = 256  # whole numbers in memory that a script in the making knows
MORE_SCRIPTS = 1 << 14  # than twice those of the first launch are not kept for the next
_WHY = {
    int(FAULT): "meets a fault",
    int(DEADLOCK): "is among PEs that wait for ever",
    int(TOO_LONG): "is among PEs that run longer than they may",
    int(UNMATCHED): "takes more or fewer wavelets at once than were sent at once",
    int(UNKNOWN_TURN): "is among PEs whose routers pass too much side by side",
    int(UNSETTLED): "is among PEs whose dates did not settle",
    int(FULL): "is among PEs that do too much in a launch",
    int(CONTROL): "has control that depends on data",
    int(SINGULAR): REASONS[OF_ITS_OWN],
    int(TANGLED): "is among PEs that send or receive on a colour in several threads at once",
}
_POOLS = {
    int(SCRIPTS): ("script", "core", "ints", "origin", "states", "work", "passed"),
    int(CUES): ("cue",),
    int(NOTES): ("note",),
    int(COUNTS): ("count",),
    int(NODES): ("node",),
    int(RISKS): ("risk",),
    int(GAPS): ("gap",),
}
"""Arrays of the scripts that grow together, by their counter."""


class StreamEngine:
    """Runs the components of a program that it can; made once for a machine."""

    def __init__(self, state: State) -> None:
        self._state = state
        self._why = uncovered(state)
        self._trees, self._parts = make_trees(state, Table(state), self._why < 0)
        pes, nodes = len(self._why), len(self._trees.fifo)
        slots = pes * (state.cores.threads - 1)
        self._scripts = _new_scripts(state)
        twin = alike(self._parts, self._trees, state.fabric, self._scripts.code[state.cores.role])
        self._parts = self._parts._replace(twin=twin)
        self._progress = Progress(
            script=np.full(pes, -1, np.int32),
            done=np.zeros(pes, np.int32),
            first=np.full(pes, -1, np.int32),
            last=np.full(pes, -1, np.int32),
            head=np.full(len(self._trees.leaves), -1, np.int32),
            tail=np.full(len(self._trees.leaves), -1, np.int32),
            read=np.full(nodes, -1, np.int32),
            latest=np.full(nodes, -1, np.int32),
            waits=np.zeros(nodes, np.uint8),
            parked=np.zeros(pes, np.uint8),
            queue=np.zeros(pes + 1, np.int32),
            woken=np.zeros(pes, np.int32),
            queued=np.zeros(pes, np.uint8),
            issue=np.full(slots, -1, np.int32),
            pending=np.full(slots, -1, np.int32),
            slotted=np.zeros(pes, np.uint8),
            first_slot=np.zeros(pes, np.int32),
            contended=np.zeros(pes, np.uint8),
            turn=np.zeros(pes, np.int32),
        )
        longest = int(state.code.row[:, at.LENGTH].max(initial=0)) + 2
        self._trace = _new_trace(max(DRAFT, longest), self._most_pes(), nodes)
        self._solo = _solo(state)
        self._counter = np.zeros(COUNTERS, np.int64)
        self._kept: int | None = None  # scripts of the first launch
        self._most = np.zeros(int(STEPS) + 1, np.int64)  # records of the trace at most in use

    def run(
        self, *, begin: int, limit: int, values: bool, may_leave: bool, progress: Callable[[int], None] | None
    ) -> list[Left]:
        """Runs what it can of a launch that has been activated, and says what it has left as it was.

        begin, limit  cycle of the launch, and how many it may take
        values        whether to compute numbers
        may_leave     whether to leave what it could run, but not faster than the cycle engine
        """
        active = self._active()
        left = self._uncovered(active)
        if self._kept is not None and self._counter[SCRIPTS] > 2 * self._kept + MORE_SCRIPTS:
            self._forget()
        self._counter[TRACED] = -1
        stream, table = self._stream(begin, min(limit, LONGEST), values, may_leave)
        for component in np.flatnonzero(active & (self._parts.streams > 0)).tolist():
            self._counter[COMPONENT] = component
            begin_component(table)
            while self._counter[COMPONENT] == component:
                go(table, ROUNDS)
                if stream.failed[0] == FULL and self._grow(stream):
                    stream.failed[:] = FINE, -1, -1
                    stream = stream._replace(trace=self._trace, scripts=self._scripts)
                    table = Table(stream)
                elif stream.failed[0] != FINE:
                    left.append(self._fail(stream))
                self._most = np.maximum(self._most, self._counter[: STEPS + 1])
                if progress is not None:
                    progress(_latest(stream))
        if self._kept is None:
            self._kept = int(self._counter[SCRIPTS])
        return left

    def _forget(self) -> None:
        """Drops all scripts."""
        self._counter[list(_POOLS)] = 0
        for array in (self._scripts.head, self._scripts.tried):
            array[:] = -1
        self._scripts.script[0] = 0

    @property
    def bytes_per_node(self) -> float:
        """Bytes in use over the nodes dated in the largest component: operations and places.

        A place is a message at a FIFO. Words are left out, and what a component has room for whatever its size.
        """
        nodes = int(self._most[OPERATIONS] + self._most[PLACES])
        drafts = after_drafts(self._trace.draft.shape[1])
        names, used = ("operation", "message", "place", "step"), self._most - (0, 0, 0, drafts)
        trace = sum(getattr(self._trace, n)[:1].nbytes * int(c) for n, c in zip(names, used, strict=True))
        share = self._most_pes() / max(len(self._progress.last), 1)
        fixed = sum(array.nbytes for array in (*self._trees, *self._progress, *self._parts))
        return (trace + share * fixed) / max(nodes, 1)

    def know(self, register: int) -> None:
        """The register holds the same whole number on all PEs from now on, and a true one."""
        self._scripts.stale[:, register] = 0

    def _active(self) -> np.ndarray:
        """Whether anything starts in each component, (components,) bool."""
        active = self._state.cores.state[self._parts.pe, at.ACTIVE] != 0
        return np.add.reduceat(active, self._parts.first[:-1]) > 0

    def _stream(self, begin: int, limit: int, values: bool, may_leave: bool) -> tuple[Stream, Table]:
        state = self._state
        unused = np.zeros_like(state.tally.span[:1])
        unused[:, :, 0] = np.iinfo(np.int64).max
        stream = Stream(
            state=state._replace(tally=state.tally._replace(span=unused)),
            trees=self._trees,
            components=self._parts,
            progress=self._progress,
            trace=self._trace,
            scripts=self._scripts,
            solo=self._solo,
            router=np.zeros((ROUTER_FIFOS, 10), np.int64),
            slot=np.zeros((max(1, state.cores.threads - 1), 16), np.int64),
            window=np.zeros(8, np.int64),
            turns=np.zeros(TURNS, np.int64),
            counter=self._counter,
            failed=np.full(3, -1, np.int64),
            span=state.tally.span[0],
            begin=np.array([begin, limit, values, may_leave], np.int64),
        )
        stream.failed[0] = FINE
        return stream, Table(stream)

    def _fail(self, stream: Stream) -> Left:
        """Leaves the component as it was, and goes on with the next."""
        pes = self._pes(int(stream.counter[COMPONENT]))
        why, pe, row = stream.failed.tolist()
        if why == SINGULAR:  # and will be in other launches
            self._parts.streams[stream.counter[COMPONENT]] = 0
            self._why[pes] = OF_ITS_OWN
        stream.failed[:] = FINE, -1, -1
        stream.counter[COMPONENT] += 1
        return Left(pes, int(pes[0]) if pe < 0 or why == FULL else pe, _WHY[why], row)

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

    def _grow(self, stream: Stream) -> bool:
        """Makes longer what is full; False when that is too much."""
        pool = int(stream.failed[1])
        if pool in _POOLS:
            longer = {name: _longer(getattr(self._scripts, name)) for name in _POOLS[pool]}
            self._scripts = self._scripts._replace(**longer)
            return sum(array.nbytes for array in self._scripts) <= MOST_BYTES
        used = stream.counter[:5].tolist()
        names = ("operation", "message", "place", "step", "word")
        full = [name for name, n in zip(names, used, strict=True) if 2 * n > len(getattr(self._trace, name))]
        if "operation" in full:
            full.append("due")
        self._trace = self._trace._replace(**{name: _longer(getattr(self._trace, name)) for name in full})
        return bool(full) and sum(array.nbytes for array in self._trace) <= MOST_BYTES


def _longer(old: np.ndarray) -> np.ndarray:
    longer = np.empty((2 * len(old), *old.shape[1:]), old.dtype)
    longer[: len(old)] = old
    return longer


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
        due=np.empty(few, np.uint8),
        word=np.empty(8 * draft + 16 * few, np.uint32),
        free=np.zeros(33, np.int64),
        draft=np.empty((2 * ROUTER_FIFOS, draft, 2), np.int32),
    )


def _new_scripts(state: State) -> Scripts:
    ports = [part.reshape(len(part), -1) for part in (state.code.entry, state.code.input, state.code.output)]
    _, code = np.unique(np.concatenate(ports, axis=1), axis=0, return_inverse=True)
    code = code.ravel().astype(np.int32)
    of_code = [int(np.flatnonzero(code == each)[0]) for each in range(code.max() + 1)]
    first, ranges = written(state, of_code)
    registers = state.cores.ints.shape[1]
    states, rows = state.tally.state.shape[1], len(state.code.row)
    few = len(of_code) + 16
    return Scripts(
        code=code,
        head=np.full(len(of_code), -1, np.int32),
        tried=np.full(len(of_code), -1, np.int32),
        stale=np.zeros((len(of_code), registers), np.uint8),
        first=first,
        range=ranges,
        script=np.zeros((few, SCRIPT), np.int32),
        core=np.empty((few, at.CORE), np.int64),
        ints=np.empty((few, registers), np.int32),
        origin=np.empty((few, registers), np.int32),
        states=np.empty((few, states), np.int64),
        work=np.empty((few, 4), np.int64),
        passed=np.empty((few, *_passed(state).shape), np.int64),
        cue=np.empty((16 * few, CUE), np.int32),
        note=np.empty((16 * few, 4), np.int32),
        gap=np.empty((16 * few, 4), np.int32),
        count=np.empty((16 * few, 4), np.int64),
        node=np.empty((16 * few, NODE), np.int64),
        risk=np.empty((few, 3), np.int32),
        scratch=np.empty((NODES_OF_ONE, NODE), np.int64),
        stored=np.empty((MOST_STORED, 3), np.int64),
        touched=np.zeros(rows, np.uint8),
        rows=np.empty(rows, np.int32),
        value=np.empty(NODES_OF_ONE, np.int64),
    )


def _solo(state: State) -> State:
    """A machine of one PE with the code and the memory of all."""
    threads, registers = state.cores.threads, state.cores.ints.shape[1]
    ints = np.zeros((1, registers), np.int32)
    sections, states, rows = *state.tally.section.shape[1:], len(state.code.row)
    return state._replace(
        fabric=state.fabric._replace(first=np.zeros(2, np.int64), queue=np.zeros(2, np.int64)),
        cores=Cores(
            state=np.zeros((1, at.CORE), np.int64),
            thread=np.zeros((threads, at.THREAD), np.int64),
            ints=ints,
            floats=ints.view(np.float32),
            role=np.zeros(1, np.int64),
            threads=threads,
        ),
        tally=Tally(
            state=np.zeros((1, states), np.int64),
            section=np.zeros((1, sections, states), np.int64),
            span=np.zeros((1, sections, 2), np.int64),
            work=np.zeros((1, 4), np.int64),
            instruction=np.zeros((1, rows, 2), np.int64),
            strips=1,
            fault=np.zeros((1, 5), np.int64),
            measured=state.tally.measured,
            passed=_passed(state)[:, None].copy(),
            passed_words=np.zeros((0, 0, 2), np.int64),
        ),
        memory=state.memory._replace(base=np.zeros(1, np.int64)),
    )


def _passed(state: State) -> np.ndarray:
    """(phases, states + 4) zeros: what a PE has counted in each measured phase."""
    return np.zeros((len(state.tally.passed), state.tally.passed.shape[2]), np.int64)
