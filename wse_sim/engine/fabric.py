"""Routers and queues of every PE as arrays: who feeds whom."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.filters import filtered, install
from wse_sim.engine.state import PLANES, Code, Fabric
from wse_sim.errors import FitError
from wse_sim.hardware import Direction, Wafer
from wse_sim.hardware.geometry import Route
from wse_sim.program.instruction import Reroute
from wse_sim.program.program import Program

LONG_AGO = 1 << 30
MOST_BUFFERS = 255  # of a router: a byte says in which a word arrives
QUEUE = len(Direction)  # stands for the input queue where FIFOs are counted by port


class Ports(NamedTuple):
    """The FIFOs that a program gives each role, numbered as the engines visit them; -1: none.

    fifo     (roles, colours, 5) int64: router buffer of a colour and input port
    queue    (roles, colours) int64: input queue
    outputs  (roles, colours, 5) int64: mask of the outputs at the start, 0 for a port that is not yet the input
    """

    fifo: np.ndarray
    queue: np.ndarray
    outputs: np.ndarray


def number_ports(program: Program) -> Ports:
    """Every port that any route of a colour names has a FIFO; they are numbered by colour, then port."""
    roles, colors = len(program.roles), max(len(program.colors), 1)
    named = np.zeros((roles, colors, len(Direction)), np.bool_)
    read = np.zeros((roles, colors), np.bool_)
    outputs = np.zeros((roles, colors, len(Direction)), np.int64)
    changes = [p for p in program.placed if isinstance(p.instruction, Reroute)]
    painted = program.inside[:, program.regions_of_each(program.routes)]
    changed = program.inside[:, program.regions_of_each(changes)]
    for i, paint in enumerate(program.routes):
        _name(named, read, painted[:, i], paint.color.id, paint.route)
        outputs[painted[:, i], paint.color.id, paint.route.input] = paint.route.mask
    for i, placed in enumerate(changes):
        if isinstance(placed.instruction, Reroute):
            _name(named, read, changed[:, i], placed.instruction.color.id, placed.instruction.route)
    return Ports(numbered(named.reshape(roles, -1)).reshape(named.shape), numbered(read), outputs)


def _name(named: np.ndarray, read: np.ndarray, where: np.ndarray, color: int, route: Route) -> None:
    named[where, color, route.input] = True
    if Direction.RAMP in route.outputs:
        read[where, color] = True


def numbered(exists: np.ndarray) -> np.ndarray:
    """Counts what exists along each row, from 0."""
    return np.where(exists, np.cumsum(exists, axis=1) - 1, -1)


def build_fabric(program: Program, wafer: Wafer, code: Code, outputs: np.ndarray, role: np.ndarray,
                 start: int) -> Fabric:
    """Lays out the router buffers and the input queues of all PEs, sorted by PE.

    outputs  as in `Ports`
    """
    local = np.concatenate([code.fifo, code.input[:, :, None]], axis=2)  # (roles, colours, ports and queue)
    shape = Shapes(_shapes(wafer, local), _crossing(wafer), _crosses(wafer, program.width, program.height), role)
    buffers = (local[:, :, :QUEUE] >= 0).sum(axis=(1, 2))
    if buffers.max(initial=0) > MOST_BUFFERS:
        raise FitError(
            f"{buffers.max()} router buffers on a PE: the engine expects {MOST_BUFFERS} or fewer; use fewer colours or "
            "fewer input ports of a colour"
        )
    first = _starts(buffers[role], 0)
    queue = _starts((local[:, :, QUEUE] >= 0).sum(axis=1)[role], int(first[-1]))
    size, color = np.zeros(int(queue[-1]), np.int64), np.zeros(int(queue[-1]), np.uint8)
    used = np.argwhere((local >= 0).any(axis=0)).tolist()
    for color_id, port in used:
        pes, index = _fifos_of(local[:, color_id, port], role, queue if port == QUEUE else first)
        size[index] = (shape.of(pes, color_id, port) & 0xFFFF) + 1 + at.F_RING
        color[index] = color_id
    filters = filtered(program, code.fifo, role, first)
    size[filters.fifo] += at.FILTER
    places = _starts(size, 0)
    fabric = Fabric(
        first=first,
        queue=queue,
        at=places[:-1],
        pool=np.zeros(int(places[-1]), np.int64),
        color=color,
        fifos=len(color),
        turn=np.zeros(len(role), np.int64),
        waiting=np.zeros((len(role), -(-int(np.diff(first).max(initial=1)) // 64)), np.uint64),
    )
    fabric.pool[fabric.at + at.F_HEAD] = np.int64(start - LONG_AGO) << np.int64(32)
    for color_id in sorted({color_id for color_id, _ in used}):
        _fill(fabric, program, color_id, local[:, color_id], shape, outputs[:, color_id])
    install(fabric, filters)
    return fabric


class Shapes(NamedTuple):
    """Words F_SHAPE of all FIFOs.

    usual     (roles, colours, ports and queue)
    crossing  of a link that comes from another die
    crosses   (ports and queue, PEs) whether a port's link does
    role      (PEs,)
    """

    usual: np.ndarray
    crossing: int
    crosses: np.ndarray
    role: np.ndarray

    def of(self, pes: np.ndarray, color: int, port: int) -> np.ndarray:
        """(PEs,) of a colour and port, on some PEs."""
        return np.where(self.crosses[port, pes], self.crossing, self.usual[self.role[pes], color, port])


def _crossing(wafer: Wafer) -> int:
    latency = wafer.hop_cycles + wafer.die_crossing_cycles
    return _shape(wafer.router_buffer + latency, latency)


def _crosses(wafer: Wafer, width: int, height: int) -> np.ndarray:
    """Ports whose links come from another die, (ports and queue, PEs)."""
    found = np.zeros((QUEUE + 1, height, width), np.bool_)
    columns, rows = (np.array(edges, np.int64) for edges in wafer.dies(width, height))
    found[Direction.WEST, :, columns] = found[Direction.EAST, :, columns - 1] = True
    found[Direction.NORTH, rows, :] = found[Direction.SOUTH, rows - 1, :] = True
    return found.reshape(QUEUE + 1, -1)


def _shapes(wafer: Wafer, local: np.ndarray) -> np.ndarray:
    """Word F_SHAPE of each role's FIFOs, (roles, colours, ports and queue)."""
    shape = np.empty(local.shape, np.int64)
    shape[:] = _shape(wafer.router_buffer + wafer.hop_cycles, wafer.hop_cycles)
    sends = numbered(local[:, :, Direction.RAMP] >= 0)
    for port, number, depths, latency in (
        (Direction.RAMP, sends, wafer.output_queue_depths, wafer.ramp_out_cycles),
        (QUEUE, local[:, :, QUEUE], wafer.input_queue_depths, wafer.ramp_in_cycles),
    ):
        shapes = np.array([_shape(depth + latency, latency) for depth in depths], np.int64)
        shape[:, :, port] = shapes[number]
    return shape


def _shape(capacity: int, latency: int) -> int:
    if latency >= PLANES or capacity >= 1 << 16:
        raise FitError(
            f"a FIFO of {capacity} words with a latency of {latency} cycles: the engine expects fewer than {1 << 16} "
            f"words and {PLANES} cycles; give the wafer shorter latencies or shallower queues"
        )
    mask = (1 << (capacity - 1).bit_length()) - 1
    return mask | capacity << 16 | latency << 32


def _fill(fabric: Fabric, program: Program, color: int, local: np.ndarray, shape: Shapes,
          outputs: np.ndarray) -> None:
    """Writes the constant words of all FIFOs of a colour; tables are by role and port."""
    pool, grid, role = fabric.pool, (program.height, program.width), shape.role
    records = np.full((QUEUE + 1, len(role)), -1, np.int64)  # of every PE, by port
    for port in range(QUEUE + 1):
        pes, index = _fifos_of(local[:, port], role, fabric.queue if port == QUEUE else fabric.first)
        records[port, pes] = fabric.at[index]
    own = np.arange(len(role))
    for port in range(QUEUE + 1):
        pes = np.flatnonzero(records[port] >= 0)
        record = records[port, pes]
        pool[record + at.F_SHAPE], pool[record + at.F_OWNER] = shape.of(pes, color, port), pes
        if port == QUEUE:
            pool[record + at.F_GIVER] = pes
            continue
        pool[record + at.F_PORT], pool[record + at.F_OUTPUTS] = port, outputs[role[pes], port]
        pool[record + at.F_NUMBER] = 1 + local[role[pes], port]
        pool[record + at.F_GIVER] = _beyond(own.reshape(grid), Direction(port)).ravel()[pes]
        for output in Direction:
            behind = QUEUE if output is Direction.RAMP else output.opposite
            pool[record + at.F_NEXT + output] = _beyond(records[behind].reshape(grid), output).ravel()[pes]


def _fifos_of(local: np.ndarray, role: np.ndarray, first: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """PEs that have a FIFO, and its index, from its number by role and where each PE's FIFOs begin."""
    pes = np.flatnonzero((local >= 0)[role])
    return pes, first[pes] + local[role[pes]]


def _starts(counts: np.ndarray, start: int) -> np.ndarray:
    return np.concatenate([[start], start + np.cumsum(counts)]).astype(np.int64)


def _beyond(values: np.ndarray, direction: Direction) -> np.ndarray:
    """What the neighbour behind a port has, (height, width); -1 off the grid, its own behind the ramp."""
    height, width = values.shape
    dx, dy = direction.dx, direction.dy
    found = np.full(values.shape, -1, np.int64)
    here = found[max(0, -dy) : height - max(0, dy), max(0, -dx) : width - max(0, dx)]
    here[:] = values[max(0, dy) : height + min(0, dy), max(0, dx) : width + min(0, dx)]
    return found
