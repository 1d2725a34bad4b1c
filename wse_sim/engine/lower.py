"""Program + wafer -> the arrays that compiled code runs on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from wse_sim.engine import layout as at
from wse_sim.engine.arithmetic import Memory
from wse_sim.engine.fabric import Ports, build_fabric, number_ports
from wse_sim.engine.host import build_host
from wse_sim.engine.rows import end_of_task, row_of
from wse_sim.engine.state import GROUP, PLANES, Code, Cores, Costs, State, Tally, Wakes
from wse_sim.hardware import Direction, Wafer
from wse_sim.hardware.states import State as Doing
from wse_sim.program.instruction import Mark, views
from wse_sim.program.program import Placed, Program
from wse_sim.report.breakdown import phase_of

ALIGNMENT = 16


@dataclass(frozen=True, eq=False)
class Lowered:
    """A program made ready for a wafer.

    placed  instruction of each row of `code.row`; the first of those that are alike but for their region
    ports   FIFOs of each role
    used    bytes of SRAM pool of each PE, (pes,) int64
    """

    program: Program
    wafer: Wafer
    code: Code
    placed: tuple[Placed, ...]
    ports: Ports
    used: np.ndarray


def lower(program: Program, wafer: Wafer) -> Lowered:
    """Encodes instructions once, and each role's way through them."""
    rows = _rows(program, wafer)
    sequence, jump, entry = _sequences(program, rows)
    ports = number_ports(program)
    argument = np.array([t.argument.index if t.argument is not None else -1 for t in program.tasks], np.int64)
    trigger = np.full((len(program.roles), len(program.tasks)), -1, np.int64)
    for task in program.tasks:
        if task.trigger is not None:
            trigger[:, task.id] = ports.queue[:, task.trigger.id]
    code = Code(
        row=np.array([*rows.rows, end_of_task()], np.int64),
        sequence=sequence,
        jump=jump,
        entry=entry,
        trigger=trigger,
        tasks=len(program.tasks),
        argument=argument,
        input=ports.queue,
        output=np.ascontiguousarray(ports.fifo[:, :, Direction.RAMP]),
        fifo=ports.fifo,
    )
    used = -(-program.sram_sizes // ALIGNMENT) * ALIGNMENT
    return Lowered(program, wafer, code, rows.placed, ports, used[program.role_map.ravel()])


class _Rows(NamedTuple):
    """Distinct instructions.

    rows    one for those that do the same, written at the same place
    placed  the first instruction of each row
    of      row of each instruction of the program, (instructions,) int64
    """

    rows: list[tuple[int, ...]]
    placed: tuple[Placed, ...]
    of: np.ndarray


def _rows(program: Program, wafer: Wafer) -> _Rows:
    """Stations of a collective that do the same in different regions share their rows."""
    known: dict[tuple[object, ...], int] = {}
    rows: list[tuple[int, ...]] = []
    placed: list[Placed] = []
    of = np.empty(len(program.placed), np.int64)
    host = frozenset(stream.color for stream in program.streams)
    for i, each in enumerate(program.placed):
        row = tuple(row_of(each, wafer, host))
        key = (row, each.task, each.where, *(view.buffer for view in views(each.instruction)))
        of[i] = known.setdefault(key, len(rows))
        if of[i] == len(rows):
            rows.append(row)
            placed.append(each)
    return _Rows(rows, tuple(placed), of)


def _sequences(program: Program, rows: _Rows) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Rows in the order each role's tasks run them, where branches jump to, and where each task begins.

    Roles that run the same share it.
    """
    region_of = program.regions_of_each(program.placed)
    task_of = np.array([p.task.id for p in program.placed], np.int64)
    marks = np.array([_mark(p) for p in rows.placed], np.int64)
    pieces: list[np.ndarray] = []
    jumps: list[np.ndarray] = []
    entry = np.full((len(program.roles), len(program.tasks)), -1, np.int64)
    known: dict[bytes, int] = {}
    length = 0
    for role, inside in enumerate(program.inside):
        covered = np.flatnonzero(inside[region_of])
        tasks = task_of[covered]
        for task in np.unique(tasks).tolist():
            found = rows.of[covered[tasks == task]]
            key = found.tobytes()
            if key not in known:
                known[key] = length
                pieces.append(np.append(found, len(rows.rows)))
                jumps.append(_jumps(marks[found], length))
                length += len(found) + 1
            entry[role, task] = known[key]
    empty = [np.zeros(0, np.int64)]
    return (
        np.concatenate(pieces or empty).astype(np.int64),
        np.concatenate(jumps or empty).astype(np.int64),
        entry,
    )


_MARKS = list(Mark)


def _mark(placed: Placed) -> int:
    mark = getattr(placed.instruction, "mark", None)
    return -1 if mark is None else _MARKS.index(mark)


def _jumps(marks: np.ndarray, start: int) -> np.ndarray:
    """Where each loop end goes back to, and where each loop or branch goes on to."""
    jump = np.full(len(marks) + 1, -1, np.int64)
    open_marks: list[int] = []
    for i in np.flatnonzero(marks >= 0).tolist():
        mark = _MARKS[marks[i]]
        if mark in (Mark.LOOP, Mark.WHEN):
            open_marks.append(i)
        elif mark is Mark.END_LOOP:
            begin = open_marks.pop()
            jump[begin], jump[i] = start + i + 1, start + begin + 1
        elif mark is Mark.OTHERWISE:
            jump[open_marks.pop()] = start + i + 1
            open_marks.append(i)
        else:
            jump[open_marks.pop()] = start + i
    return jump


# -- state ------------------------------------------------------------------------------------------------


def new_state(lowered: Lowered, *, strips: int, start: int, phases: tuple[str, ...] = ()) -> State:
    """A machine at rest at cycle `start`, its SRAM zero but for initial values; `phases` are measured."""
    program, wafer = lowered.program, lowered.wafer
    pes = program.width * program.height
    role = program.role_map.ravel().astype(np.int64)
    fabric = build_fabric(program, wafer, lowered.code, lowered.ports.outputs, role, start)
    return State(
        fabric=fabric,
        cores=_cores(program, role, pes, start),
        code=lowered.code,
        wakes=_wakes(pes, start, _longest_latency(wafer)),
        tally=_tally(program, pes, strips, len(lowered.code.row), fabric.fifos, phases),
        memory=_memory(lowered.used),
        costs=_costs(wafer),
        host=build_host(program, wafer, fabric, lowered.ports, role),
    )


def _cores(program: Program, role: np.ndarray, pes: int, start: int) -> Cores:
    state = np.zeros((pes, at.CORE), np.int64)
    state[:, at.READY] = state[:, at.SINCE] = state[:, at.OCCUPIED] = state[:, at.FINISH] = start
    state[:, at.ISSUED] = start - 1
    state[:, at.LABEL] = int(Doing.IDLE)
    for task, region in program.blocked.items():
        blocked = region.mask(program.width, program.height).ravel()
        state[blocked, at.BLOCKED] |= 1 << task.id
    ints = np.zeros((pes, max(1, program.registers)), np.int32)
    thread = np.zeros((pes * (1 + program.slots), at.THREAD), np.int64)
    floats = ints.view(np.float32)
    return Cores(state=state, thread=thread, ints=ints, floats=floats, role=role, threads=1 + program.slots)


def _longest_latency(wafer: Wafer) -> int:
    return max(wafer.hop_cycles + wafer.die_crossing_cycles, wafer.ramp_out_cycles)


def _wakes(pes: int, start: int, latency: int) -> Wakes:
    groups, planes = -(-pes // GROUP), 1 << latency.bit_length()
    router = np.zeros((planes, groups * GROUP), np.uint64)
    return Wakes(
        router=router,
        router_byte=router.view(np.uint8).reshape(planes, -1, 8),
        router_group=np.zeros((planes, groups), np.uint8),
        router_last=planes - 1,
        core=np.zeros((PLANES, groups * GROUP), np.uint8),
        core_group=np.zeros((PLANES, groups), np.uint8),
        any=np.zeros(PLANES, np.uint8),
        visited=np.zeros(groups * GROUP, np.int32),
        horizon=np.zeros(1, np.int64),
        aged=np.full(1, start, np.int64),
    )


def _tally(program: Program, pes: int, strips: int, rows: int, fifos: int, phases: tuple[str, ...]) -> Tally:
    sections = len(program.sections)
    number = {phase: 1 + i for i, phase in enumerate(phases)}
    span = np.zeros((strips, sections, 2), np.int64)
    span[:, :, 0] = np.iinfo(np.int64).max
    return Tally(
        state=np.zeros((pes, len(Doing)), np.int64),
        section=np.zeros((strips, sections, len(Doing)), np.int64),
        span=span,
        work=np.zeros((pes, 4), np.int64),
        instruction=np.zeros((strips, rows, 2), np.int64),
        strips=strips,
        fault=np.zeros((strips, 5), np.int64),
        measured=np.array([number.get(phase_of(name), 0) for name in program.sections], np.uint8),
        passed=np.zeros((len(phases), pes, len(Doing) + 4), np.int64),
        passed_words=np.zeros((len(phases), fifos, 2), np.int64),
    )


def _memory(used: np.ndarray) -> Memory:
    pool = np.zeros(max(int(used.sum()), ALIGNMENT), np.uint8)
    base = np.concatenate([[0], np.cumsum(used)[:-1]]).astype(np.int64)
    return Memory(
        f32=pool.view(np.float32),
        i32=pool.view(np.int32),
        u32=pool.view(np.uint32),
        i16=pool.view(np.int16),
        u16=pool.view(np.uint16),
        base=base,
    )


def _costs(wafer: Wafer) -> Costs:
    return Costs(
        task_switch=wafer.task_switch_cycles,
        completion=wafer.completion_cycles,
        ramp_out=wafer.ramp_out_cycles,
        ramp_in=wafer.ramp_in_cycles,
        bank_conflict=wafer.bank_conflict_cycles,
        pending_write=wafer.pending_write_cycles,
        read_port=wafer.read_port_bytes,
        read_rate=wafer.read_bytes_per_cycle,
        write_rate=wafer.write_bytes_per_cycle,
        stream_pause=wafer.stream_pause_wavelets,
        interleave=wafer.bank_interleave_bytes,
        bank_modulo=wafer.read_conflict_modulo,
    )
