"""Windows: cycles in which a core's main thread leaves the issue slot to background slots, one after the other.

The main thread does not hold it in overhead, while it waits for words, room or a slot, and when it has nothing to do.
"""

from __future__ import annotations

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.jit import jit
from wse_sim.engine.stream.dates import end_of, of_operation
from wse_sim.engine.stream.stairs import LATEST, NEVER, UNSET, first_date, next_ready
from wse_sim.engine.stream.tables import (
    C_CUE,
    FIRST,
    H_BEGIN,
    H_END,
    ISSUING,
    LAG,
    O_A,
    O_AFTER,
    O_B,
    O_CUE,
    O_PACE,
    O_PE,
    O_START,
    U_GAP,
    U_GAPS,
    U_SLOT,
    U_START,
    Stream,
)

W_BEGIN, W_END, W_KIND = map(np.int64, range(3))
W_BEFORE, W_GAP, W_WORD, W_STEP = map(np.int64, range(3, 7))
"""Columns: its cycles, the end left out, and what it is; the main thread's last operation that has ended, the gap
after it; if it is waiting in its next operation, for which word, at which step."""
IN_GAP, WAITING, IDLE = map(np.int64, range(3))  # kinds

S_OPERATION, S_UNTIL, S_INDEX, S_READY, S_STEPS, S_LAG, S_FREE, S_FREE_STEPS, S_PAUSE, S_LISTED = map(
    np.int64, range(10)
)
"""Columns of a slot that takes turns: its operation and the last one; next group, when it may be done; of the staircase
in the making: steps, last lag; of the dates with words and room: step at the next group, steps; groups between pauses;
the first operation that was listed."""


@jit
def begin_windows(stream: Stream, issue: int) -> None:
    """From the start of a slot's operation on; there is no window yet."""
    window = stream.window
    window[W_BEGIN] = window[W_END] = NEVER
    pass_operation(stream, issue)


@jit
def pass_operation(stream: Stream, operation: int) -> None:
    """What comes next is after an operation of the main thread."""
    window = stream.window
    window[W_BEFORE], window[W_STEP] = operation, -1
    window[W_GAP] = stream.scripts.cue[stream.trace.operation[operation, O_CUE], U_GAP]


@jit
def next_window(stream: Stream) -> None:
    """The next window, which may be empty; one without end is the last."""
    window, record = stream.window, stream.trace.operation
    before = window[W_BEFORE]
    following = np.int64(record[before, O_AFTER])
    if window[W_STEP] >= 0:
        next_wait(stream, following)
        return
    cue, gap = np.int64(record[before, O_CUE]), window[W_GAP]
    delay = end_of(stream, before) - record[before, O_START]
    if gap < stream.scripts.cue[cue, U_GAP] + stream.scripts.cue[cue, U_GAPS]:
        window[W_BEGIN] = stream.scripts.gap[gap, H_BEGIN] + delay
        window[W_END] = stream.scripts.gap[gap, H_END] + delay
        window[W_KIND], window[W_GAP] = IN_GAP, gap + 1
        return
    dates = of_operation(stream, following) if following >= 0 else UNSET
    window[W_WORD] = 0
    if dates[1] == 0:
        last_window(stream, cue, delay)
        return
    window[W_KIND], window[W_BEGIN] = WAITING, record[following, O_START] + delay
    window[W_END] = first_date(stream, dates)
    if record[following, O_PACE] != ISSUING:
        window[W_STEP] = 0
    elif is_moving(stream, following):
        window[W_END] = LATEST
    else:
        pass_operation(stream, following)


@jit
def is_moving(stream: Stream, issue: int) -> bool:
    """Whether the main thread waits there for an operation whose dates are being found."""
    record = stream.trace.operation
    before = record[issue, O_A]
    if before < 0:
        return False
    slot = stream.scripts.cue[record[issue, O_CUE], U_SLOT]
    first, last = stream.slot[slot, S_OPERATION], stream.slot[slot, S_UNTIL]
    return first >= 0 and first <= record[before, O_B] <= last


@jit
def resume_windows(stream: Stream, issue: int) -> None:
    """The operation that the main thread waits for there has its dates now."""
    window = stream.window
    if window[W_STEP] < 0 and stream.trace.operation[window[W_BEFORE], O_AFTER] == issue and window[W_END] == LATEST:
        window[W_END] = end_of(stream, issue)
        pass_operation(stream, issue)


@jit
def last_window(stream: Stream, cue: int, delay: int) -> None:
    """The main thread waits for words of which nothing is known yet, or has nothing to do."""
    window, scripts = stream.window, stream.scripts
    script = stream.progress.script[stream.trace.operation[window[W_BEFORE], O_PE]]
    window[W_END], window[W_KIND] = LATEST, IDLE
    if cue + 1 < scripts.script[script + 1, C_CUE]:
        window[W_BEGIN], window[W_KIND] = scripts.cue[cue + 1, U_START] + delay, WAITING
    else:
        window[W_BEGIN] = scripts.core[script, at.READY] + delay


@jit
def next_wait(stream: Stream, operation: int) -> None:
    """After the groups of a step of the main thread's operation: the wait for the next step, if there is one."""
    window, step, record = stream.window, stream.trace.step, stream.trace.operation
    dates, place, pause = of_operation(stream, operation), window[W_STEP] + 1, stream.state.costs.stream_pause
    if place == dates[1]:
        window[W_BEGIN] = window[W_END]
        pass_operation(stream, operation)
        return
    word = np.int64(step[dates[0] + place, FIRST])
    window[W_BEGIN] = next_ready(stream, dates, place, np.int64(record[operation, O_PACE]), pause)
    window[W_END] = word + step[dates[0] + place, LAG] + dates[2]
    window[W_KIND], window[W_WORD], window[W_STEP] = WAITING, word, place
