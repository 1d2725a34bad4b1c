"""What is to be looked at again after a change."""

from __future__ import annotations

import numpy as np

from wse_sim.engine.jit import jit
from wse_sim.engine.stream.tables import (
    DATES_DUE,
    G_PLACES,
    G_SOURCE,
    G_TREE,
    LOWEST,
    LOWEST_PORTS,
    MEETINGS_DUE,
    MESSAGE_DUE,
    OPERATION_DUE,
    P_DUE,
    PORTS_DUE,
    Stream,
)


@jit
def operation_due(stream: Stream, operation: int) -> None:
    if operation >= 0:
        stream.trace.due[operation] |= OPERATION_DUE
        stream.counter[LOWEST] = min(stream.counter[LOWEST], operation)


@jit
def place_of(stream: Stream, message: int, node: int) -> int:
    record = stream.trace.message
    return np.int64(record[message, G_PLACES]) + node - stream.trees.first[record[message, G_TREE]]


@jit
def place_due(stream: Stream, message: int, node: int) -> None:
    """A message's dates at a router buffer may change; no message or no node: nothing."""
    if message >= 0 and node >= 0:
        stream.trace.place[place_of(stream, message, node), P_DUE] |= DATES_DUE
        source = stream.trace.message[message, G_SOURCE]
        stream.trace.due[source] |= MESSAGE_DUE
        stream.counter[LOWEST] = min(stream.counter[LOWEST], source)


@jit
def ports_due(stream: Stream, message: int, node: int) -> None:
    """The message may now meet others at the outputs of a router."""
    stream.trace.place[place_of(stream, message, node), P_DUE] |= MEETINGS_DUE
    source = stream.trace.message[message, G_SOURCE]
    stream.trace.due[source] |= PORTS_DUE
    stream.counter[LOWEST_PORTS] = min(stream.counter[LOWEST_PORTS], source)
