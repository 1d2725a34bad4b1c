"""Which PEs the stream engine can run, from what is written for them."""

from __future__ import annotations

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.state import Code, State
from wse_sim.engine.stream.tables import ROUTER_FIFOS

REROUTES = "meets a colour whose routes are rewritten"
NOT_COVERED = (
    "has background slots that start tasks",
    "has background slots of high priority",
    REROUTES,
    "adds a stream to itself",
)


def uncovered(state: State) -> np.ndarray:
    """Reason why the stream engine cannot run each PE, (pes,) int64, an index; -1: it can."""
    code, fabric = state.code, state.fabric
    roles = _of_roles(code, _rows(code.row))
    roles[((code.trigger >= 0) & (code.entry >= 0)).any(axis=1)] = DATA_TASKS
    turned = np.unique(code.row[code.row[:, at.KIND] == at.REROUTE, at.COLOR])
    meets = (code.fifo[:, turned] >= 0).any(axis=(1, 2)) | (code.input[:, turned] >= 0).any(axis=1)
    roles[meets] = NOT_COVERED.index(REROUTES)
    by_pe = roles[state.cores.role]
    by_pe[_meet_host(state)] = FROM_HOST
    by_pe[np.diff(fabric.first) > ROUTER_FIFOS] = MANY_FIFOS
    return by_pe


def _meet_host(state: State) -> np.ndarray:
    """(pes,) bool: PEs with a buffer of a colour that comes from the host or is filtered anywhere."""
    fabric = state.fabric
    record, owner = fabric.at, fabric.pool[fabric.at + at.F_OWNER]
    special = (fabric.pool[record + at.F_OUTPUTS] & at.FILTERED) != 0
    special[fabric.queue[0] :] = False
    special |= np.isin(record, state.host.port[:, at.P_FIFO])
    colors = np.unique(fabric.color[special])
    found = np.zeros(len(state.cores.role), np.bool_)
    found[owner[np.isin(fabric.color, colors)]] = True
    return found


REASONS = (
    *NOT_COVERED,
    "has tasks that wavelets start",
    f"has more than {ROUTER_FIFOS} router buffers",
    "meets a colour that the host feeds, or that a filter thins out",
    "is among PEs most of which do what no other does, where the cycle engine is as fast",
)
DATA_TASKS, MANY_FIFOS, FROM_HOST, OF_ITS_OWN = range(len(NOT_COVERED), len(REASONS))


def mean_words(state: State) -> float:
    """Words that a stream instruction moves on average over those of all PEs; 0 where only a register knows."""
    code = state.code
    row, ends = code.row, _ends(code)
    streams = (row[:, [operand + at.O_KIND for operand in (at.DST, at.A, at.B)]] == at.STREAM).any(axis=1)
    streams &= row[:, at.KIND] == at.VECTOR
    words = np.where(streams, -(-row[:, at.LENGTH] // np.maximum(row[:, at.S_LANES], 1)), 0)
    until = np.cumsum(np.stack([streams, words])[:, code.sequence], axis=1)
    begins = code.entry.ravel()[code.entry.ravel() >= 0]
    role = np.nonzero(code.entry >= 0)[0]
    last = ends[np.searchsorted(ends, begins)]
    first = np.where(begins > 0, until[:, begins - 1], 0)
    pes = np.bincount(state.cores.role, minlength=len(code.entry))[role]
    count, total = ((until[:, last] - first) * pes).sum(axis=1).tolist()
    return float(total / count) if count else 0.0


def _rows(row: np.ndarray) -> np.ndarray:
    """Index of the reason why an instruction is not covered, (rows,) int64; -1: it is."""
    kind = row[:, at.KIND]
    streams = (row[:, at.A + at.O_KIND] == at.STREAM) & (row[:, at.B + at.O_KIND] == at.STREAM)
    same = streams & (row[:, at.A + at.O_BASE] == row[:, at.B + at.O_BASE])
    vector = kind == at.VECTOR
    found = [
        vector & (row[:, at.DONE] != 0), vector & (row[:, at.HIGH] != 0), kind == at.REROUTE, vector & same
    ]  # fmt: skip
    return np.select(found, list(range(len(found))), -1)


def _of_roles(code: Code, by_row: np.ndarray) -> np.ndarray:
    """The largest of a number of each instruction over those of a role's tasks, (roles,) int64; -1: it has none."""
    ends = _ends(code)
    if not len(ends):
        return np.full(len(code.entry), -1, np.int64)
    begins = np.concatenate([[0], ends[:-1] + 1])
    by_task = np.maximum.reduceat(by_row[code.sequence], begins)
    found = np.where(code.entry >= 0, by_task[np.searchsorted(begins, code.entry)], -1)
    return found.max(axis=1, initial=-1).astype(np.int64)  # type: ignore[no-any-return]


def _ends(code: Code) -> np.ndarray:
    """Where tasks end in the sequence of instructions."""
    return np.flatnonzero(code.row[code.sequence, at.KIND] == at.END_TASK)


def _rows_of(code: Code, role: int, ends: np.ndarray) -> np.ndarray:
    """Rows of all instructions of a role's tasks."""
    entries = code.entry[role][code.entry[role] >= 0]
    rows = [code.sequence[e : ends[np.searchsorted(ends, e)] + 1] for e in entries.tolist()]
    return np.unique(np.concatenate([np.zeros(0, np.int64), *rows]))


def written(state: State, roles: list[int]) -> tuple[np.ndarray, np.ndarray]:
    """Bytes that each of some roles may write: (roles + 1,) first index into (n, 2) begin and end, even."""
    code = state.code
    row = code.row
    stores = row[:, at.DST + at.O_KIND] == at.MEMORY
    first, ranges, ends = [0], [], _ends(code)
    for role in roles:
        used = _rows_of(code, role, ends)
        used = used[stores[used]]
        ranges += _union(row[used][:, [at.DST + at.O_LOW, at.DST + at.O_HIGH]])
        first.append(len(ranges))
    return np.array(first, np.int64), np.array(ranges, np.int64).reshape(-1, 2)


def _union(ranges: np.ndarray) -> list[tuple[int, int]]:
    """Few ranges that cover all, rounded to even bytes."""
    found: list[tuple[int, int]] = []
    for low, high in sorted((low // 2 * 2, -(-high // 2) * 2) for low, high in ranges.tolist()):
        if found and low <= found[-1][1]:
            found[-1] = found[-1][0], max(found[-1][1], high)
        else:
            found.append((low, high))
    return found
