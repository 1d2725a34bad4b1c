"""Routers: each cycle every router moves at most one wavelet to each of its outputs."""

from __future__ import annotations

from wse_sim.engine.cycle.fifo import has_room, latency_of, peek, pop, push, visible
from wse_sim.engine.cycle.wake import wake_core, wake_router
from wse_sim.engine.jit import inlined, jit
from wse_sim.engine.layout import F_GIVER, F_NEXT, F_OUTPUTS, F_OWNER, F_PORT, RAMP_INPUT
from wse_sim.engine.state import GROUP, PLANES, Fabric, Wakes

RAMP = 4
LINKS = 4


@jit
def route(fabric: Fabric, wakes: Wakes, now: int, first_group: int, last_group: int) -> None:
    """One cycle of the routers of some groups of PEs."""
    plane = now & (PLANES - 1)
    for group in range(first_group, last_group):
        if wakes.router_group[plane, group]:
            wakes.router_group[plane, group] = 0
            for pe in range(group * GROUP, group * GROUP + GROUP):
                if wakes.router[plane, pe]:
                    wakes.router[plane, pe] = 0
                    visit(fabric, wakes, pe, now)


@inlined
def visit(fabric: Fabric, wakes: Wakes, pe: int, now: int) -> None:
    """Moves what can move, asking the buffers round-robin from the one after the last first-served."""
    first = fabric.first[pe]
    count = fabric.first[pe + 1] - first
    local = fabric.turn[pe]
    used = 0
    served = -1
    again = False
    for _ in range(count):
        fifo = fabric.at[first + local]
        outputs = fabric.pool[fifo + F_OUTPUTS]
        if outputs != 0 and visible(fabric, fifo, now):
            from_ramp = fabric.pool[fifo + F_PORT] == RAMP
            needs = outputs | RAMP_INPUT if from_ramp else outputs
            if used & needs:
                again = True
            elif all_have_room(fabric, fifo, outputs, now):
                used |= needs
                served = local if served < 0 else served
                move(fabric, wakes, pe, fifo, outputs, from_ramp, now)
                again |= visible(fabric, fifo, now + 1)
        local = local + 1 if local + 1 < count else 0
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
            wake_router(wakes, fabric.pool[target + F_OWNER], now + latency_of(fabric, target))
    if outputs >> RAMP & 1:
        target = fabric.pool[fifo + F_NEXT + RAMP]
        push(fabric, target, word, now)
        wake_core(wakes, pe, now, now + latency_of(fabric, target))
    if pop(fabric, fifo, now):
        if from_ramp:
            wake_core(wakes, pe, now, now + 1)
        else:
            wake_router(wakes, fabric.pool[fifo + F_GIVER], now + 1)
