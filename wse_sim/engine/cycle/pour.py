"""The host's link: each cycle its channels put words into the routers at the edge, before the routers act."""

from __future__ import annotations

from wse_sim.engine.cycle.fifo import has_room, latency_of, push
from wse_sim.engine.cycle.wake import announce
from wse_sim.engine.jit import inlined, jit
from wse_sim.engine.layout import (
    C_COUNT,
    C_CREDIT,
    C_FIRST,
    C_LEFT,
    C_SENT,
    C_SINCE,
    C_TURN,
    P_FIFO,
    P_FIRST,
    P_LEFT,
    P_LENGTH,
    P_SENT,
)
from wse_sim.engine.state import PLANES, State


@inlined
def pour(state: State, now: int) -> None:
    """One cycle of all channels that have words left."""
    for channel in range(state.host.channels):
        if state.host.channel[channel, C_LEFT] > 0:
            pour_channel(state, channel, now)


@jit
def pour_channel(state: State, channel: int, now: int) -> None:
    """Sends words while the channel's credit lasts, its ports asked round-robin."""
    host, fabric = state.host, state.fabric
    elapsed = min(now - host.channel[channel, C_SINCE], host.full)
    credit = min(host.channel[channel, C_CREDIT] + host.gain * elapsed, host.gain + host.price)
    count, place = host.channel[channel, C_COUNT], host.channel[channel, C_TURN]
    turn = place
    for _ in range(count):
        if credit < host.price:
            break
        port = host.channel[channel, C_FIRST] + place
        place = place + 1 if place + 1 < count else 0
        fifo = host.port[port, P_FIFO]
        if host.port[port, P_LEFT] > 0 and has_room(fabric, fifo, now):
            sent = host.port[port, P_SENT]
            push(fabric, fifo, host.words[host.port[port, P_FIRST] + sent % host.port[port, P_LENGTH]], now)
            announce(fabric, state.wakes, fifo, now + latency_of(fabric, fifo))
            host.port[port, P_SENT] = sent + 1
            host.port[port, P_LEFT] -= 1
            host.channel[channel, C_LEFT] -= 1
            host.channel[channel, C_SENT] += 1
            credit -= host.price
            turn = place
    host.channel[channel, C_TURN] = turn
    host.channel[channel, C_CREDIT] = credit
    host.channel[channel, C_SINCE] = now
    book_channel(state, channel, now)


@jit
def book_channel(state: State, channel: int, now: int) -> None:
    """Books the cycle in which the credit is enough for the next word; a full port is booked by what it gives on."""
    host = state.host
    first = host.channel[channel, C_FIRST]
    for port in range(first, first + host.channel[channel, C_COUNT]):
        if host.port[port, P_LEFT] > 0 and has_room(state.fabric, host.port[port, P_FIFO], now + 1):
            missing = host.price - host.channel[channel, C_CREDIT]
            wait = max((missing + host.gain - 1) // host.gain, 1)
            state.wakes.any[(now + min(wait, PLANES - 1)) & (PLANES - 1)] = 1
            return
