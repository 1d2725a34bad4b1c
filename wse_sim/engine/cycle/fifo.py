"""Bounded queues between routers and cores.

Compiled code knows a FIFO by the place of its record in the pool. Two-phase by time stamps: a word pushed in cycle t is
visible from t + latency on; a word taken in cycle t makes room from t + 1 on. So it does not matter who is visited
first within a cycle. Each word of a record has one writer: the taker owns F_HEAD and F_BLOCKED, the giver owns F_TAIL
and the ring.
"""

from __future__ import annotations

from wse_sim.engine.jit import inlined, jit
from wse_sim.engine.layout import F_BLOCKED, F_HEAD, F_RING, F_SHAPE, F_TAIL
from wse_sim.engine.state import Fabric

LOW = 0xFFFFFFFF  # counters and stamps are kept modulo 2^32
OLD = 0x40000000  # cycles after which an age needs no exact value


@inlined
def latency_of(fabric: Fabric, fifo: int) -> int:
    return fabric.pool[fifo + F_SHAPE] >> 32


@inlined
def visible(fabric: Fabric, fifo: int, now: int) -> bool:
    """Whether the oldest word has arrived by cycle `now`."""
    head = fabric.pool[fifo + F_HEAD] & LOW
    if head == fabric.pool[fifo + F_TAIL]:
        return False
    form = fabric.pool[fifo + F_SHAPE]
    age = (now - (fabric.pool[fifo + F_RING + (head & form & 0xFFFF)] >> 32)) & LOW
    return form >> 32 <= age


@inlined
def has_room(fabric: Fabric, fifo: int, now: int) -> bool:
    """Whether a word can be pushed: room as it was at the start of the cycle."""
    taken = fabric.pool[fifo + F_HEAD]
    held = (fabric.pool[fifo + F_TAIL] - taken) & LOW
    if (taken >> 32) & LOW == now & LOW:
        held += 1
    return held < (fabric.pool[fifo + F_SHAPE] >> 16) & 0xFFFF


@inlined
def push(fabric: Fabric, fifo: int, word: int, now: int) -> None:
    tail = fabric.pool[fifo + F_TAIL]
    fabric.pool[fifo + F_RING + (tail & fabric.pool[fifo + F_SHAPE] & 0xFFFF)] = (now & LOW) << 32 | word
    fabric.pool[fifo + F_TAIL] = (tail + 1) & LOW


@inlined
def peek(fabric: Fabric, fifo: int) -> int:
    """The oldest word."""
    slot = fabric.pool[fifo + F_HEAD] & fabric.pool[fifo + F_SHAPE] & 0xFFFF
    return fabric.pool[fifo + F_RING + slot] & LOW


@inlined
def pop(fabric: Fabric, fifo: int, now: int) -> bool:
    """Drops the oldest word; True when the FIFO was full, so that its giver may be waiting for room."""
    taken = fabric.pool[fifo + F_HEAD]
    form = fabric.pool[fifo + F_SHAPE]
    head = taken & LOW
    held = (fabric.pool[fifo + F_TAIL] - head) & LOW
    age = (now - (fabric.pool[fifo + F_RING + (head & form & 0xFFFF)] >> 32)) & LOW
    since_last = (now - (taken >> 32)) & LOW
    fabric.pool[fifo + F_BLOCKED] += min(age - (form >> 32), since_last - 1)
    fabric.pool[fifo + F_HEAD] = (now & LOW) << 32 | ((head + 1) & LOW)
    return held >= (form >> 16) & 0xFFFF


@inlined
def is_empty(fabric: Fabric, fifo: int) -> bool:
    return fabric.pool[fifo + F_HEAD] & LOW == fabric.pool[fifo + F_TAIL]


@jit
def age_stamps(fabric: Fabric, now: int) -> None:
    """Keeps every stamp's age below 2^31, whatever the length of the run; needed at least every 2^30 cycles."""
    oldest = ((now - OLD) & LOW) << 32
    for index in range(fabric.fifos):
        fifo = fabric.at[index]
        if (now - (fabric.pool[fifo + F_HEAD] >> 32)) & LOW > OLD:
            fabric.pool[fifo + F_HEAD] = oldest | (fabric.pool[fifo + F_HEAD] & LOW)
        ring = fifo + F_RING
        for slot in range(ring, ring + (fabric.pool[fifo + F_SHAPE] & 0xFFFF) + 1):
            if (now - (fabric.pool[slot] >> 32)) & LOW > OLD:
                fabric.pool[slot] = oldest | (fabric.pool[slot] & LOW)
