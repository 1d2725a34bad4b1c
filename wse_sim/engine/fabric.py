"""Routers and queues of every PE as arrays: who feeds whom."""

from __future__ import annotations

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.state import PLANES, Code, Fabric
from wse_sim.errors import FitError
from wse_sim.hardware import Direction, Wafer
from wse_sim.program.program import Program, Role

_LINKS = (Direction.EAST, Direction.NORTH, Direction.WEST, Direction.SOUTH)
LONG_AGO = 1 << 30


def build_fabric(program: Program, wafer: Wafer, code: Code, role: np.ndarray, start: int) -> Fabric:
    """Lays out the router buffers and the input queues of all PEs, sorted by PE."""
    routers = (code.fifo >= 0).reshape(len(code.fifo), -1).sum(axis=1)[role]
    queues = (code.input >= 0).sum(axis=1)[role]
    first = _starts(routers, 0)
    queue = _starts(queues, int(first[-1]))
    forms = [_Forms(program, wafer, code, kind) for kind in program.roles]
    size, color = np.zeros(int(queue[-1]), np.int64), np.zeros(int(queue[-1]), np.uint8)
    pes_of = [np.flatnonzero(role == kind.index) for kind in program.roles]
    for form, pes in zip(forms, pes_of, strict=True):
        for local, color_id, _, mask, *_ in form.buffers:
            size[first[pes] + local], color[first[pes] + local] = mask + 1 + at.F_RING, color_id
        for local, color_id, mask, *_ in form.queues:
            size[queue[pes] + local], color[queue[pes] + local] = mask + 1 + at.F_RING, color_id
    places = _starts(size, 0)
    fabric = Fabric(
        first=first,
        queue=queue,
        at=places[:-1],
        pool=np.zeros(int(places[-1]), np.int64),
        color=color,
        fifos=len(color),
        turn=np.zeros(len(role), np.int64),
    )
    fabric.pool[fabric.at + at.F_HEAD] = np.int64(start - LONG_AGO) << np.int64(32)
    for form, pes in zip(forms, pes_of, strict=True):
        _fill(program, code, role, fabric, form, pes)
    return fabric


class _Forms:
    """What the FIFOs of a role are like.

    buffers  (local index, colour, port, ring mask, shape word, outputs at the start)
    queues   (local index, colour, ring mask, shape word)
    """

    def __init__(self, program: Program, wafer: Wafer, code: Code, kind: Role) -> None:
        starting = {c.id: routes[0] for c, routes in program.routes_of(kind).items()}
        sends = {c.id: q for c, q in program.output_queues(kind).items()}
        self.buffers, self.queues = [], []
        for color, port in np.argwhere(code.fifo[kind.index] >= 0).tolist():
            ramp = port == Direction.RAMP
            latency = wafer.ramp_out_cycles if ramp else wafer.hop_cycles
            depth = wafer.output_queue_depths[sends[color]] if ramp else wafer.router_buffer
            outputs = starting[color].mask if starting[color].input == port else 0
            mask, shape = _shape(depth + latency, latency)
            self.buffers.append((int(code.fifo[kind.index, color, port]), color, port, mask, shape, outputs))
        for color in np.flatnonzero(code.input[kind.index] >= 0).tolist():
            number = int(code.input[kind.index, color])
            latency = wafer.ramp_in_cycles
            mask, shape = _shape(wafer.input_queue_depths[number] + latency, latency)
            self.queues.append((number, color, mask, shape))


def _shape(capacity: int, latency: int) -> tuple[int, int]:
    """Ring mask and the word F_SHAPE."""
    if latency >= PLANES or capacity >= 1 << 16:
        raise FitError(
            f"a FIFO of {capacity} words with a latency of {latency} cycles: the engine expects fewer than {1 << 16} "
            f"words and {PLANES} cycles; give the wafer shorter latencies or shallower queues"
        )
    mask = (1 << (capacity - 1).bit_length()) - 1
    return mask, mask | capacity << 16 | latency << 32


def _fill(program: Program, code: Code, role: np.ndarray, fabric: Fabric, form: _Forms, pes: np.ndarray) -> None:
    """Writes the constant words of the records of a role's FIFOs."""
    pool = fabric.pool
    for local, color, port, _, shape, outputs in form.buffers:
        record = fabric.at[fabric.first[pes] + local]
        pool[record + at.F_SHAPE], pool[record + at.F_OUTPUTS] = shape, outputs
        pool[record + at.F_PORT], pool[record + at.F_OWNER] = port, pes
        pool[record + at.F_GIVER] = _neighbours(program, pes, Direction(port))
        for output, record_behind in _behind(program, code, role, fabric, pes, color).items():
            pool[record + at.F_NEXT + output] = record_behind
    for local, _, _, shape in form.queues:
        record = fabric.at[fabric.queue[pes] + local]
        pool[record + at.F_SHAPE] = shape
        pool[record + at.F_OWNER] = pool[record + at.F_GIVER] = pes


def _starts(counts: np.ndarray, start: int) -> np.ndarray:
    return np.concatenate([[start], start + np.cumsum(counts)]).astype(np.int64)


def _neighbours(program: Program, pes: np.ndarray, direction: Direction) -> np.ndarray:
    """PE behind a port, itself behind the ramp; -1 off the grid."""
    x, y = pes % program.width + direction.dx, pes // program.width + direction.dy
    inside = (x >= 0) & (x < program.width) & (y >= 0) & (y < program.height)
    return np.where(inside, y * program.width + x, -1)


def _behind(program: Program, code: Code, role: np.ndarray, fabric: Fabric, pes: np.ndarray,
            color: int) -> dict[Direction, np.ndarray]:
    """Record behind each output port for a colour, per PE; -1 where there is none."""
    found = {}
    for link in _LINKS:
        neighbour = _neighbours(program, pes, link)
        there = np.maximum(neighbour, 0)
        local = code.fifo[role[there], color, link.opposite]
        found[link] = _records(fabric, fabric.first[there] + local, (neighbour >= 0) & (local >= 0))
    local = code.input[role[pes], color]
    found[Direction.RAMP] = _records(fabric, fabric.queue[pes] + local, local >= 0)
    return found


def _records(fabric: Fabric, index: np.ndarray, exists: np.ndarray) -> np.ndarray:
    return np.where(exists, fabric.at[np.where(exists, index, 0)], -1)
