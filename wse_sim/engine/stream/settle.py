"""Dates that agree with each other everywhere: sweeps forth along the words' way and back along that of room."""

from __future__ import annotations

import numpy as np

from wse_sim.engine.jit import jit
from wse_sim.engine.stream.dates import date_operation, date_place, leaving, started_before
from wse_sim.engine.stream.router import arbitrate, find_meetings
from wse_sim.engine.stream.slots import date_in_slot
from wse_sim.engine.stream.tables import (
    DATES_DUE,
    FINE,
    G_PLACES,
    G_TREE,
    IN_SLOT,
    LOWEST,
    LOWEST_PORTS,
    MEETINGS_DUE,
    MESSAGE_DUE,
    O_OUT,
    O_PE,
    OPERATION_DUE,
    OPERATIONS,
    P_DUE,
    PORTS_DUE,
    UNSETTLED,
    Stream,
)

SWEEPS = 400  # of one call, before the engine gives up
PASSES = 100  # over one message's tree
NOTHING = np.int64(1 << 40)


@jit
def settle(stream: Stream) -> None:
    """Dates all that is due, and all that follows from it; `failed` says if that did not work."""
    for _ in range(SWEEPS):
        if stream.failed[0] != FINE or stream.counter[LOWEST] == NOTHING:
            return
        lowest, end = stream.counter[LOWEST], stream.counter[OPERATIONS]
        stream.counter[LOWEST] = NOTHING
        for operation in range(lowest, end):
            if stream.trace.due[operation] & (OPERATION_DUE | MESSAGE_DUE):
                look_at_operation(stream, operation)
                look_at_message(stream, operation)
        again = stream.counter[LOWEST]
        stream.counter[LOWEST] = NOTHING
        for back in range(end - again):
            operation = end - 1 - back
            if stream.trace.due[operation] & (OPERATION_DUE | MESSAGE_DUE):
                look_at_message(stream, operation)
                look_at_operation(stream, operation)
        if stream.failed[0] != FINE:
            stream.counter[LOWEST] = min(lowest, again)  # what was left out when the trace was full is due still
        elif stream.counter[LOWEST] == NOTHING:
            look_at_ports(stream)
    stream.failed[0] = UNSETTLED


@jit
def look_at_operation(stream: Stream, operation: int) -> None:
    """Dates the operation, and then those of the PE's slots that have to make way for it."""
    due = stream.trace.due[operation]
    if due & OPERATION_DUE:
        stream.trace.due[operation] &= ~OPERATION_DUE
        if due & IN_SLOT:
            date_in_slot(stream, operation)
        elif date_operation(stream, operation) and stream.progress.slotted[stream.trace.operation[operation, O_PE]]:
            look_at_slots(stream, np.int64(stream.trace.operation[operation, O_PE]))


@jit
def look_at_slots(stream: Stream, pe: int) -> None:
    """Dates the latest operations of a PE's slots, and what they send, so that a chain of PEs settles in one sweep."""
    slots = stream.state.cores.threads - 1
    for place in range(pe * slots, pe * slots + slots):
        operation, issue = started_before(stream, np.int64(stream.progress.issue[place]))
        while operation >= 0 and stream.trace.due[operation] & OPERATION_DUE:
            stream.trace.due[operation] &= ~OPERATION_DUE
            date_in_slot(stream, operation)
            look_at_message(stream, operation)
            operation, issue = started_before(stream, issue)


@jit
def look_at_message(stream: Stream, operation: int) -> None:
    """The message that the operation sends, at all routers of its tree: forth and back until nothing is due."""
    for _ in range(PASSES):
        for forth in (True, False):
            if stream.failed[0] != FINE or not stream.trace.due[operation] & MESSAGE_DUE:
                return
            stream.trace.due[operation] &= ~MESSAGE_DUE
            date_message(stream, np.int64(stream.trace.operation[operation, O_OUT]), forth)
    stream.failed[0] = UNSETTLED


@jit
def date_message(stream: Stream, message: int, forth: bool) -> None:
    """Dates a message anew where it is due."""
    tree = stream.trace.message[message, G_TREE]
    first, end = np.int64(stream.trees.first[tree]), np.int64(stream.trees.first[tree + 1])
    places = stream.trace.message[message, G_PLACES] - first
    for k in range(end - first):
        node = first + k if forth else end - 1 - k
        if stream.trace.place[places + node, P_DUE] & DATES_DUE:
            stream.trace.place[places + node, P_DUE] &= ~DATES_DUE
            if stream.progress.contended[stream.trees.pe[node]]:
                arbitrate(stream, message, node)
            else:
                date_place(stream, message, node)


@jit
def look_at_ports(stream: Stream) -> None:
    """Finds messages that meet at routers where they have not been arbitrated together; they are then due."""
    lowest = stream.counter[LOWEST_PORTS]
    stream.counter[LOWEST_PORTS] = NOTHING
    for operation in range(lowest, stream.counter[OPERATIONS]):
        if not stream.trace.due[operation] & PORTS_DUE:
            continue
        stream.trace.due[operation] &= ~PORTS_DUE
        message = np.int64(stream.trace.operation[operation, O_OUT])
        tree = stream.trace.message[message, G_TREE]
        first, places = stream.trees.first[tree], stream.trace.message[message, G_PLACES]
        for k in range(stream.trees.first[tree + 1] - first):
            if stream.trace.place[places + k, P_DUE] & MEETINGS_DUE:
                stream.trace.place[places + k, P_DUE] &= ~MEETINGS_DUE
                if leaving(stream, message, first + k)[1] > 0:
                    find_meetings(stream, message, np.int64(first + k))
