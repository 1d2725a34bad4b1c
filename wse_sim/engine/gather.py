"""A machine's counters -> its report."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numba
import numpy as np

import wse_sim
from wse_sim.engine import layout as at
from wse_sim.engine.arithmetic import INTEGER
from wse_sim.engine.filters import filters_of, withheld
from wse_sim.engine.host import link_cycles, words_sent
from wse_sim.engine.state import Fabric
from wse_sim.hardware import VECTOR_OPERATIONS
from wse_sim.hardware.dtypes import WAVELET_BYTES
from wse_sim.hardware.geometry import Direction
from wse_sim.hardware.states import State as Doing
from wse_sim.program.instruction import Reroute
from wse_sim.program.program import Program
from wse_sim.report.grids import Counts
from wse_sim.report.parts import UNKNOWN, Links, Provenance, Sections, Sram, Work
from wse_sim.report.report import Report
from wse_sim.report.used import buffers_used, fields_used, narrow_operations

if TYPE_CHECKING:
    from wse_sim.engine.machine import Machine

LOW = np.int64(0xFFFFFFFF)  # counters of a FIFO are kept modulo 2^32
_NEVER = np.iinfo(np.int64).max


def gather_report(machine: Machine) -> Report:
    """What the machine did since it was made: a copy of its counters, summed up.

    After a run that was broken off, the report ends with the cycle to which the foremost core has counted.
    """
    program, wafer = machine.program, machine.wafer
    end = max(machine.now, int(machine.state.cores.state[:, at.SINCE].max()))
    return Report(
        name=program.name,
        width=program.width,
        height=program.height,
        cycles=end - machine.start_cycle,
        launches=tuple(machine.launches),
        states=_states(machine, end),
        sections=_sections(machine, end),
        links=_links(machine),
        sram=_sram(machine),
        work=_work(machine),
        wafer=wafer,
        provenance=Provenance(
            program_hash=program.hash,
            engine=machine.shares.engine,
            parts=machine.shares.describe(),
            version=wse_sim.__version__,
            libraries={"numpy": np.__version__, "numba": numba.__version__},
            threads=machine.threads,
            seed=None,
            used=fields_used(program, wafer, host=machine.host_bytes_in + machine.host_bytes_out > 0),
        ),
    )


# -- states and sections ----------------------------------------------------------------------------------


def _uncounted(machine: Machine, end: int) -> tuple[Counts, Counts]:
    """PEs with cycles up to `end` that are not counted yet, and how many; none after a launch that came to rest."""
    waited = end - machine.state.cores.state[:, at.SINCE]
    pes = np.flatnonzero(waited > 0)
    return pes, waited[pes]


def _states(machine: Machine, end: int) -> Counts:
    """(height, width, states)"""
    states = machine.state.tally.state.copy()
    pes, waited = _uncounted(machine, end)
    states[pes, machine.state.cores.state[pes, at.LABEL]] += waited
    return states.reshape(machine.program.height, machine.program.width, len(Doing))


def _sections(machine: Machine, end: int) -> Sections:
    tally, core = machine.state.tally, machine.state.cores.state
    cycles = tally.section.sum(axis=0)
    pes, waited = _uncounted(machine, end)
    np.add.at(cycles, (core[pes, at.WITHIN], core[pes, at.LABEL]), waited)
    first, last = tally.span[:, :, 0].min(axis=0), tally.span[:, :, 1].max(axis=0)
    met = first < _NEVER
    rows, done = machine.state.code.row, tally.instruction.sum(axis=0)
    section = rows[:, at.SECTION]
    return Sections(
        names=machine.program.sections,
        cycles=cycles,
        operations=_sums(section, done[:, 0] * rows[:, at.FLOPS], len(cycles)),
        wavelets=_sums(section, done[:, 1], len(cycles)),
        sram_bytes=_sums(section, done[:, 0] * (rows[:, at.READS] + rows[:, at.WRITES]), len(cycles)),
        streamed_bytes=_sums(section, done[:, 0] * _streamed(rows), len(cycles)),
        first=np.where(met, first - machine.start_cycle, UNKNOWN),
        last=np.where(met, np.maximum(last, first) - machine.start_cycle, UNKNOWN),
        boxes=_section_boxes(machine.program),
    )


def _streamed(rows: Counts) -> Counts:
    """Bytes per element that each instruction takes from host streams."""
    return np.where(rows[:, at.LACK] == int(Doing.WEIGHT_WAIT), rows[:, at.BITS] // 8, 0)


def _section_boxes(program: Program) -> Counts:
    """(sections, 4) left, top, right, bottom PE of the regions with instructions of each section."""
    boxes = np.full((len(program.sections), 4), UNKNOWN, np.int64)
    for section, region in dict.fromkeys((p.section, p.region) for p in program.placed):
        xs, ys = region.xs, region.ys
        low = [min(xs[0], xs[-1]), min(ys[0], ys[-1])]
        high = [max(xs[0], xs[-1]), max(ys[0], ys[-1])]
        if boxes[section, 0] != UNKNOWN:
            low = np.minimum(low, boxes[section, :2]).tolist()
            high = np.maximum(high, boxes[section, 2:]).tolist()
        boxes[section] = [*low, *high]
    return boxes


# -- fabric -----------------------------------------------------------------------------------------------


def _links(machine: Machine) -> Links:
    fabric = machine.state.fabric
    taken, given = fabric.pool[fabric.at + at.F_HEAD] & LOW, fabric.pool[fabric.at + at.F_TAIL]
    return traffic(machine, taken, given, fabric.pool[fabric.at + at.F_BLOCKED])


def traffic(machine: Machine, taken: Counts, given: Counts, waited: Counts) -> Links:
    """Each FIFO's words taken and given, and cycles blocked, summed over links, PEs and colours."""
    program, fabric = machine.program, machine.state.fabric
    grid = (program.height, program.width)
    pes, colors = program.width * program.height, len(program.colors)
    held = (given - taken) & LOW
    owner = fabric.pool[fabric.at + at.F_OWNER]
    routers = int(fabric.queue[0])
    port = fabric.pool[fabric.at[:routers] + at.F_PORT]
    giver = fabric.pool[fabric.at[:routers] + at.F_GIVER]
    entry = np.isin(fabric.at[:routers], machine.state.host.port[:, at.P_FIFO])
    ramp = np.flatnonzero(port == Direction.RAMP)
    link = np.flatnonzero((port != Direction.RAMP) & (giver >= 0) & ~entry)
    queue = np.arange(routers, fabric.fifos)
    leaving = 4 * giver[link] + (port[link] + 2) % 4
    blocked = waited[link]
    arrived = np.concatenate([link, queue])
    way = 4 * fabric.color[link].astype(np.int64) + leaving % 4
    return Links(
        wavelets=_sums(leaving, taken[link], 4 * pes).reshape(*grid, 4),
        blocked=_sums(leaving, blocked, 4 * pes).reshape(*grid, 4),
        injected=_sums(owner[ramp], taken[ramp], pes).reshape(grid),
        delivered=_sums(owner[queue], taken[queue], pes).reshape(grid),
        colors=tuple(color.name for color in program.colors),
        injections=_sums(fabric.color[ramp], taken[ramp], colors),
        hops=_sums(fabric.color[link], taken[link], colors),
        hosted=_sums(fabric.color[:routers][entry], taken[:routers][entry], colors),
        copies=_copies(program, fabric, taken, given, entry),
        dropped=_dropped(fabric, colors),
        deliveries=_sums(fabric.color[queue], taken[queue], colors),
        held=_sums(fabric.color[arrived], held[arrived], colors),
        color_steps=_sums(way, taken[link], 4 * colors).reshape(colors, 4),
        color_blocked=_sums(way, blocked, 4 * colors).reshape(colors, 4),
    )


def _sums(index: Counts, counts: Counts, length: int) -> Counts:
    """Sum of the counts of each index, exact up to 2^53."""
    return np.bincount(index, counts, length).astype(np.int64)


def _dropped(fabric: Fabric, colors: int) -> Counts:
    """(colours,) wavelets that a filter withheld where the route led nowhere else."""
    index = filters_of(fabric)
    outputs = fabric.pool[fabric.at[index] + at.F_OUTPUTS]
    ends = index[outputs == at.FILTERED | 1 << Direction.RAMP]
    return _sums(fabric.color[ends], withheld(fabric, ends), colors)


def _copies(program: Program, fabric: Fabric, taken: Counts, given: Counts, entry: np.ndarray) -> Counts:
    """(colours,) wavelets made by routes with more than one output.

    From the routes and what the routers took, independent of what arrived; of a colour that the program reroutes,
    whose routes of the past are not known, from what arrived.
    entry  (router buffers,) bool: those that the host fills
    """
    colors, routers = len(program.colors), int(fabric.queue[0])
    outputs = fabric.pool[fabric.at[:routers] + at.F_OUTPUTS] & ~at.FILTERED
    more = np.maximum(np.bitwise_count(outputs).astype(np.int64) - 1, 0)
    made = more * taken[:routers]
    filters = filters_of(fabric)
    made[filters] -= withheld(fabric, filters) * (more[filters] > 0)
    copies = _sums(fabric.color[:routers], made, colors)
    arrived = np.ones(fabric.fifos, np.bool_)
    arrived[:routers] = (fabric.pool[fabric.at[:routers] + at.F_PORT] != Direction.RAMP) & ~entry
    surplus = _sums(fabric.color[arrived], given[arrived], colors)
    surplus -= _sums(fabric.color[:routers], taken[:routers], colors)
    rerouted = [p.instruction.color.id for p in program.placed if isinstance(p.instruction, Reroute)]
    surplus += _dropped(fabric, colors)
    copies[rerouted] = surplus[rerouted]
    return copies


# -- memory and work --------------------------------------------------------------------------------------


def _sram(machine: Machine) -> Sram:
    program = machine.program
    grid = (program.height, program.width)
    work = machine.state.tally.work
    return Sram(
        read=work[:, 2].reshape(grid).copy(),
        written=work[:, 3].reshape(grid).copy(),
        peak=program.sram_sizes[program.role_map],
        limit=machine.wafer.user_sram_bytes,
        buffers=buffers_used(program),
    )


def _work(machine: Machine) -> Work:
    program, tally = machine.program, machine.state.tally
    grid = (program.height, program.width)
    return Work(
        by_operation=by_operation(machine, np.ones(len(machine.state.code.row), np.bool_)),
        narrow=narrow_operations(program),
        elements=tally.work[:, 0].reshape(grid).copy(),
        operations=tally.work[:, 1].reshape(grid).copy(),
        host_bytes_in=machine.host_bytes_in,
        host_bytes_out=machine.host_bytes_out,
        streamed_bytes=WAVELET_BYTES * int(words_sent(machine.state.host).sum()),
        stream_cycles=link_cycles(machine.state.host),
    )


def by_operation(machine: Machine, of: Counts) -> dict[str, int]:
    """Elements of each vector operation that some of the rows did."""
    rows, done = machine.state.code.row, machine.state.tally.instruction.sum(axis=0)
    operation = rows[:, at.OP] & (INTEGER - 1)
    vector = np.isin(rows[:, at.KIND], (at.VECTOR, at.MAP)) & of
    elements = _sums(operation[vector], done[vector, 0], len(VECTOR_OPERATIONS)).tolist()
    return {name: elements[op.code] for name, op in VECTOR_OPERATIONS.items() if elements[op.code]}
