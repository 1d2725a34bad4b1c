"""The host's side of host streams: entry ports dealt to the link's channels, and the words of a launch."""

from __future__ import annotations

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.fabric import Ports
from wse_sim.engine.state import Fabric, Host
from wse_sim.errors import UsageError
from wse_sim.hardware import Wafer
from wse_sim.hardware.link import channel_rate, edges_of
from wse_sim.program.host import HostStream, packed
from wse_sim.program.program import Program

NO_WORDS = np.zeros(1, np.uint32)


def build_host(program: Program, wafer: Wafer, fabric: Fabric, ports: Ports, role: np.ndarray) -> Host:
    """The entries of all streams, those of a channel together, at rest."""
    gain, price = channel_rate(wafer)
    edges = edges_of(wafer, program.width, program.height)
    entries = sorted(
        (int(stream.side), edges.channel(x, y, stream.side), number, y * program.width + x)
        for number, stream in enumerate(program.streams)
        for x, y in stream.region
    )
    port = np.zeros((len(entries), at.PORT), np.int64)
    channels: dict[tuple[int, int], list[int]] = {}
    for i, (side, channel, number, pe) in enumerate(entries):
        local = ports.fifo[role[pe], program.streams[number].color.id, side]
        port[i, at.P_FIFO], port[i, at.P_STREAM] = fabric.at[fabric.first[pe] + local], number
        channels.setdefault((side, channel), []).append(i)
    fabric.pool[port[:, at.P_FIFO] + at.F_GIVER] = fabric.pool[port[:, at.P_FIFO] + at.F_OWNER]
    channel_table = np.zeros((len(channels), at.CHANNEL), np.int64)
    for i, members in enumerate(channels.values()):
        channel_table[i, at.C_FIRST], channel_table[i, at.C_COUNT] = members[0], len(members)
    return Host(
        port=port, channel=channel_table, words=NO_WORDS, channels=len(channels), gain=gain, price=price,
        full=-(-(gain + price) // gain),
    )  # fmt: skip


def begin_launch(host: Host, begin: int, given: dict[int, tuple[np.ndarray, int]]) -> np.ndarray:
    """Sets up all ports for a launch; returns the words.

    given  words (entries or 1, n) of a stream, by its number, and how many times they are sent
    """
    host.port[:, at.P_BEFORE] += host.port[:, at.P_SENT]
    host.port[:, at.P_FIRST : at.P_SENT + 1] = 0
    parts, room = [NO_WORDS], len(NO_WORDS)
    for number, (words, times) in given.items():
        mine = np.flatnonzero(host.port[:, at.P_STREAM] == number)
        mine = mine[np.argsort(host.port[mine, at.P_FIFO])]  # records lie in the order of their PEs
        count = words.shape[1]
        host.port[mine, at.P_FIRST] = room + (np.arange(len(mine)) * count if len(words) > 1 else 0)
        host.port[mine, at.P_LENGTH], host.port[mine, at.P_LEFT] = count, count * times
        parts.append(words.ravel())
        room += words.size
    for channel in host.channel:
        channel[at.C_LEFT] = host.port[channel[at.C_FIRST] :][: channel[at.C_COUNT], at.P_LEFT].sum()
    host.channel[:, [at.C_TURN, at.C_CREDIT]] = 0
    host.channel[:, at.C_SINCE] = begin - 1
    return np.concatenate(parts)


def words_for(stream: HostStream, values: np.ndarray, times: int) -> np.ndarray:
    """Values that the host hands in as wavelets, (ports, words), or (1, words) if the same for all."""
    given, ports = np.asarray(values), len(stream.region)
    if given.dtype.kind not in "fiu" or given.dtype.itemsize not in (2, 4):
        raise UsageError(
            f"host stream {stream.name!r} is given {given.dtype}: expected numbers of 16 or 32 bits, as float32 or "
            "float16; convert them first"
        )
    if given.ndim != 2 or given.shape[0] not in (1, ports):
        raise UsageError(
            f"host stream {stream.name!r} is given values of shape {given.shape}: expected ({ports}, n), a row for "
            f"each PE of {stream.region!r}, or (1, n) for the same to all"
        )
    if isinstance(times, bool) or not isinstance(times, int | np.integer) or times < 0:
        raise UsageError(
            f"host stream {stream.name!r} is to be sent {times!r} times: expected a whole number, 0 or more"
        )
    return packed(given)


def words_sent(host: Host) -> np.ndarray:
    """Words that each entry has sent in all launches."""
    sent: np.ndarray = host.port[:, at.P_BEFORE] + host.port[:, at.P_SENT]
    return sent


def link_cycles(host: Host) -> int:
    """Cycles that the link takes at least for what it has sent: its busiest channel, or its busiest entry."""
    by_channel = -(-host.channel[:, at.C_SENT] * host.price // host.gain)
    return int(max(by_channel.max(initial=0), words_sent(host).max(initial=0)))
