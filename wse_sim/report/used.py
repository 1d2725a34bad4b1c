"""What a program uses: which of a wafer's numbers it leans on, and which room its buffers take."""

from __future__ import annotations

from collections.abc import Iterator

from wse_sim.hardware.checks import numbers
from wse_sim.hardware.geometry import Direction
from wse_sim.hardware.wafer import Wafer
from wse_sim.program.fabric import Color
from wse_sim.program.instruction import Control, Instruction, Mark, Reroute, Scalar, TaskChange, Vector
from wse_sim.program.memory import Each, View
from wse_sim.program.program import Program
from wse_sim.report.parts import BufferUse

_GRID = ("width", "height", "clock_hz")
_PORTS = ("read_port_bytes", "read_bytes_per_cycle", "write_bytes_per_cycle")
_BANKS = ("bank_interleave_bytes", "read_conflict_modulo", "bank_conflict_cycles", "pending_write_cycles")
_BRANCH = ("branch_taken_cycles", "branch_not_taken_cycles")
_LOOP = ("loop_start_cycles", "loop_edge_cycles")


def fields_used(program: Program, wafer: Wafer, *, host: bool) -> tuple[str, ...]:
    """Fields of the wafer on which cycles, seconds, sizes or energy of the program depend, in the wafer's order.

    host  whether the host copied anything
    Goes by the instructions the program holds, whether or not a PE ever came to them.
    """
    found = set(_GRID) | {f.name for f in numbers(wafer) if f.metadata["group"] == "energy"}
    found.update(_fabric(program))
    if any(wafer.dies(program.width, program.height)):
        found.update(("die_columns", "die_rows", "die_crossing_cycles"))
    if program.placed:
        found.add("task_switch_cycles")
    if program.registers:
        found.add("registers")
    if program.buffers:
        found.update(("sram_bytes", "sram_reserve_bytes"))
    if host:
        found.update(("host_bytes_per_second", "host_channels"))
    if program.streams:
        found.update(("host_bytes_per_second", "io_channels", "io_edges"))
    if program.filters:
        found.add("filters")
    for placed in program.placed:
        found.update(_instruction(placed.instruction))
    return tuple(f.name for f in numbers(wafer) if f.name in found)


def _fabric(program: Program) -> Iterator[str]:
    changed = (p.instruction.route for p in program.placed if isinstance(p.instruction, Reroute))
    for route in (*(paint.route for paint in program.routes), *changed):
        if route.input is Direction.RAMP:
            yield from ("ramp_out_cycles", "output_queue_depths", "stream_pause_wavelets")
        else:
            yield from ("hop_cycles", "router_buffer")
        if Direction.RAMP in route.outputs:
            yield from ("ramp_in_cycles", "input_queue_depths", "stream_pause_wavelets")


def _instruction(instruction: Instruction) -> Iterator[str]:
    match instruction:
        case Vector():
            yield from _vector(instruction)
        case Scalar():
            yield instruction.operation.cost
        case Control(mark=Mark.LOOP | Mark.END_LOOP):
            yield from (*_LOOP, *_BRANCH)
        case Control():
            yield from _BRANCH
        case TaskChange():
            yield "task_control_cycles"
        case Reroute():
            yield "reroute_cycles"


def _vector(op: Vector) -> Iterator[str]:
    yield op.operation.cost or "rates"
    if op.operation.cost and _width(op) == 2:
        yield "half_function_percent"
    mapped = isinstance(op.b, Each)
    yield from ("map_start_cycles", "map_step_cycles", "map_gap_cycles") if mapped else ("op_start_cycles",)
    operands = [op.b.view if isinstance(op.b, Each) else op.b, op.a, op.to]
    if any(isinstance(x, View | Color) for x in operands):
        yield "dsr_load_cycles"
    if op.slot is not None:
        yield from ("async_issue_cycles", "completion_cycles", "microthreads")
    elif any(isinstance(x, View) for x in operands) and not any(isinstance(x, Color) for x in operands):
        yield from (*_PORTS, *_BANKS)


def narrow_operations(program: Program) -> tuple[str, ...]:
    """Vector operations whose results are 16 bits wide wherever the program uses them."""
    widths: dict[str, set[int]] = {}
    for placed in program.placed:
        if isinstance(placed.instruction, Vector):
            widths.setdefault(placed.instruction.operation.name, set()).add(_width(placed.instruction))
    return tuple(sorted(name for name, found in widths.items() if found == {2}))


def _width(op: Vector) -> int:
    """Bytes of an element of the result."""
    if isinstance(op.to, View):
        return op.to.dtype.bytes
    return op.carry.bytes if isinstance(op.to, Color) else 4


def buffers_used(program: Program) -> tuple[BufferUse, ...]:
    """Every buffer, and which others had its bytes before or after it."""
    found = []
    for one in program.buffers:
        sharing = (
            b.name for b in program.buffers
            if b is not one and b.address < one.end and one.address < b.end and b.region.intersects(one.region)
        )  # fmt: skip
        found.append(BufferUse(
            name=one.name, dtype=one.dtype.name, nbytes=one.nbytes, address=one.address, pes=len(one.region),
            columns=_bounds(one.region.xs), rows=_bounds(one.region.ys), shares_with=tuple(sharing),
        ))  # fmt: skip
    return tuple(found)


def _bounds(span: range) -> tuple[int, int, int]:
    return span.start, span.stop, span.step
