"""Routers: each cycle every router moves at most one wavelet to each of its outputs."""

from __future__ import annotations

import numpy as np

from wse_sim.engine.bits import lowest_bit
from wse_sim.engine.cycle.fifo import has_room, latency_of, peek, pop, push, visible
from wse_sim.engine.cycle.filter import count_passed, passes
from wse_sim.engine.cycle.wake import announce, wake_core, wake_router
from wse_sim.engine.jit import inlined, jit
from wse_sim.engine.layout import F_GIVER, F_NEXT, F_OUTPUTS, F_PORT, F_RING, FILTERED, RAMP_INPUT
from wse_sim.engine.state import GROUP, Fabric, Wakes
from wse_sim.engine.table import prefetch

RAMP = 4
LINKS = 4
AHEAD = 8  # visits between asking for memory and using it
_ONE, _ALL, _BYTE = np.uint64(1), np.uint64(0xFFFFFFFFFFFFFFFF), np.uint64(0xFF)
_PORTS = np.uint64(0xFFFFFFFFFF)  # the bytes of a booking that name buffers


@jit
def route(fabric: Fabric, wakes: Wakes, now: int, first_group: int, last_group: int) -> None:
    """One cycle of the routers of some groups of PEs: a few ahead, what a visit needs is asked for."""
    first = first_group * GROUP
    last = list_booked(wakes, now & wakes.router_last, first_group, last_group)
    for place in range(first, last + AHEAD):
        if place < last:
            pe = wakes.visited[place]
            take_note(fabric, wakes, pe, now)
        middle = place - AHEAD // 2
        if first <= middle < last:
            prefetch_targets(fabric, wakes.visited[middle])
        if place - AHEAD >= first:
            visit(fabric, wakes, wakes.visited[place - AHEAD], now)


@jit
def list_booked(wakes: Wakes, plane: int, first_group: int, last_group: int) -> int:
    """Lists the PEs whose routers are visited; returns the end of the list."""
    place = first_group * GROUP
    for group in range(first_group, last_group):
        if wakes.router_group[plane, group]:
            wakes.router_group[plane, group] = 0
            for pe in range(group * GROUP, group * GROUP + GROUP):
                if wakes.router[plane, pe]:
                    wakes.visited[place] = pe
                    place += 1
    return place


@inlined
def prefetch_targets(fabric: Fabric, pe: int) -> None:
    """The FIFOs behind the first waiting buffer."""
    bits = fabric.waiting[pe, 0]
    if bits:
        fifo = fabric.at[fabric.first[pe] + lowest_bit(bits)]
        outputs = fabric.pool[fifo + F_OUTPUTS]
        for port in range(LINKS + 1):
            if outputs >> port & 1:
                target = fabric.pool[fifo + F_NEXT + port]
                prefetch(fabric.pool, target)
                prefetch(fabric.pool, target + F_RING)


@inlined
def take_note(fabric: Fabric, wakes: Wakes, pe: int, now: int) -> None:
    """Buffers in which words arrive now hold one to be moved."""
    plane = now & wakes.router_last
    arrivals = wakes.router[plane, pe] & _PORTS
    wakes.router[plane, pe] = 0
    while arrivals:
        number = arrivals & _BYTE
        arrivals >>= np.uint64(8)
        if number:
            bit = np.int64(number) - 1
            fabric.waiting[pe, bit >> 6] |= _ONE << np.uint64(bit & 63)
            fifo = fabric.at[fabric.first[pe] + bit]
            prefetch(fabric.pool, fifo)
            prefetch(fabric.pool, fifo + F_NEXT)
            prefetch(fabric.pool, fifo + F_RING)


@inlined
def next_waiting(fabric: Fabric, pe: int, local: int, until: int) -> int:
    """The first buffer from `local` on that holds a visible word; `until` or more if there is none before."""
    while local < until:
        bits = fabric.waiting[pe, local >> 6] & (_ALL << np.uint64(local & 63))
        if bits:
            return (local & ~63) + lowest_bit(bits)
        local = (local | 63) + 1
    return local


@inlined
def visit(fabric: Fabric, wakes: Wakes, pe: int, now: int) -> None:
    """Moves what can move, asking the buffers round-robin from the one after the last first-served."""
    first = fabric.first[pe]
    count = fabric.first[pe + 1] - first
    turn = fabric.turn[pe]
    used = 0
    served = -1
    again = False
    for way in range(2):
        local, until = (turn, count) if way == 0 else (np.int64(0), turn)
        while True:
            local = next_waiting(fabric, pe, local, until)
            if local >= until:
                break
            fifo = fabric.at[first + local]
            outputs = fabric.pool[fifo + F_OUTPUTS]
            if outputs != 0:
                filtered = outputs & FILTERED
                if filtered:
                    outputs = passes(fabric, fifo, outputs)
                from_ramp = fabric.pool[fifo + F_PORT] == RAMP
                needs = outputs | RAMP_INPUT if from_ramp else outputs
                if used & needs:
                    again = True
                elif all_have_room(fabric, fifo, outputs, now):
                    used |= needs
                    served = local if served < 0 else served
                    move(fabric, wakes, pe, fifo, outputs, from_ramp, now)
                    if filtered:
                        count_passed(fabric, fifo)
                    if visible(fabric, fifo, now + 1):
                        again = True
                    else:
                        fabric.waiting[pe, local >> 6] &= ~(_ONE << np.uint64(local & 63))
            local += 1
    if served >= 0:
        fabric.turn[pe] = served + 1 if served + 1 < count else 0
    if again:
        wake_router(wakes, pe, now + 1)


@inlined
def all_have_room(fabric: Fabric, fifo: int, outputs: int, now: int) -> bool:
    for port in range(LINKS + 1):
        if outputs >> port & 1 and not has_room(fabric, fabric.pool[fifo + F_NEXT + port], now):
            return False
    return True


@inlined
def move(fabric: Fabric, wakes: Wakes, pe: int, fifo: int, outputs: int, from_ramp: bool, now: int) -> None:
    """Takes the oldest wavelet of a buffer and puts it behind every output of its route."""
    word = peek(fabric, fifo)
    for port in range(LINKS):
        if outputs >> port & 1:
            target = fabric.pool[fifo + F_NEXT + port]
            push(fabric, target, word, now)
            announce(fabric, wakes, target, now + latency_of(fabric, target))
    if outputs >> RAMP & 1:
        target = fabric.pool[fifo + F_NEXT + RAMP]
        push(fabric, target, word, now)
        wake_core(wakes, pe, now, now + latency_of(fabric, target))
    if pop(fabric, fifo, now):
        if from_ramp:
            wake_core(wakes, pe, now, now + 1)
        else:
            wake_router(wakes, fabric.pool[fifo + F_GIVER], now + 1)
