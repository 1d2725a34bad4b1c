"""SUMMA: C = A B on a square of PEs, tiles broadcast along rows and columns (csl-examples, gemm-collectives_2d).

a, b, c  tiles (t, t) of f32 on each PE, column by column
steps    side of them: the PEs of column `step` send their a along x, those of row `step` their b along y
inner    as published, a loop over the columns of a around one over the columns of c, one multiply-add of a column each;
         code compiled for the WSE-3 keeps the descriptors in memory and loads two for each of them
tasks    the end of the first broadcast activates the multiplication, that of the second unblocks it
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import Region, Route, Wafer, f32, i32
from wse_sim.hardware.geometry import RAMP, Outputs
from wse_sim.hardware.origin import Stated, inferred
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.banks import clashes
from wse_sim.kernels.collective.timing import Timing
from wse_sim.kernels.price import Price
from wse_sim.kernels.published.compiled import ADVANCE, DESCRIPTOR, advance, instructions, load_descriptors
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.fabric import Color
from wse_sim.program.instruction import Completion, activate, unblock
from wse_sim.program.memory import Buffer
from wse_sim.program.program import Program
from wse_sim.program.register import Register

Array = NDArray[Any]
ARGUMENTS = {"step": 0, "a_at": 0, "b_at": 0}
BESIDE = (
    Stated("HAND_OVER", 30, "rounds of a loop, about 300 cycles, in each of SUMMA's steps", inferred(
        "SUMMA-014, a tile of 4 on a CS-2",
        "what the library does between two steps besides its broadcasts is not published; FABSIM-058, on the vendor's "
        "WSE-3 simulator, is met to 0.1 % with it")),
    Stated("descriptors_in_memory", 2, "descriptors of the inner loop that come from memory on the WSE-3", inferred(
        "FABSIM-058 and MIMD-028", "18 and 23 % short without; a switch of the kernel, which the two rows chose")),
)  # fmt: skip
"""What is simulated besides the published loops."""
HAND_OVER, IN_MEMORY = (number.value for number in BESIDE)


def tiles(matrix: Array, side: int) -> Array:
    """A matrix (side t, side t) as a tile on each PE, (side, side, t t), column by column."""
    t = len(matrix) // side
    return matrix.reshape(side, t, side, t).transpose(0, 2, 3, 1).reshape(side, side, -1)


def matrix(parts: Array) -> Array:
    """The reverse of `tiles`."""
    side = len(parts)
    t = round(parts.shape[-1] ** 0.5)
    return parts.reshape(side, side, t, t).transpose(0, 3, 1, 2).reshape(side * t, side * t)


def reference(a: Array, b: Array) -> Array:
    """C in f32, every product added and rounded in the order of the machine."""
    total = np.zeros((len(a), b.shape[1]), np.float32)
    left, right = a.astype(np.float64), b.astype(np.float64)
    for k in range(len(b)):
        total = (total + left[:, k, None] * right[k]).astype(np.float32)
    return total


def cost(wafer: Wafer, side: int, t: int, *, descriptors_in_memory: bool = False) -> int:
    """Cycles of a launch.

    A step's broadcasts wait for the routes of its column and row, which each PE rewrites one after the other. PEs ahead
    of these go on with the next step meanwhile, as far as tiles fit in the queues on the way.
    """
    price, words = Price(wafer), t * t
    task, control = wafer.task_switch_cycles, wafer.task_control_cycles
    turn, clock = task + price.scalar("ilt"), price.scalar("clock store")
    begin, end = task + clock + control, turn + wafer.branch_taken_cycles + clock
    step = turn + wafer.branch_not_taken_cycles + wafer.branch_taken_cycles
    loads = IN_MEMORY * DESCRIPTOR * descriptors_in_memory
    step += task + control + _multiply_cycles(wafer, t, loads) + price.scalar("iadd") + control
    if side == 1:
        return begin + step + 2 * control + end
    step += price.loop(HAND_OVER) + HAND_OVER * wafer.scalar_int_cycles
    asked = price.scalar("load ieq mov") + Timing(wafer).asynchronous(2) + wafer.branch_taken_cycles
    step += asked + wafer.branch_not_taken_cycles  # of the PE that sends along one axis
    step += asked + price.scalar("iadd ieq") + wafer.branch_taken_cycles  # and receives along the other
    step += 2 * (words + Timing(wafer).pauses(words))
    ahead = min(1, (wafer.input_queue_depths[0] + wafer.ramp_in_cycles) / words)
    reroutes = side * (2 - ahead) + 2 * ahead
    return begin + side * step + round(reroutes * wafer.reroute_cycles) + end


def _multiply_cycles(wafer: Wafer, t: int, loads: int) -> int:
    """A step's multiply-adds, whose columns meet in some banks; the places of a take turns."""
    price, column = Price(wafer), t * f32.bytes
    meets = sum(clashes(wafer, 8 + column * to, column * k, t, f32, f32) for k in range(t) for to in range(t))
    moved = ADVANCE * wafer.scalar_int_cycles
    inner = price.vector("mac", t, f32, f32) + price.scalar("imul iadd iadd load") + moved
    inner += loads * wafer.scalar_int_cycles
    outer = price.scalar("mov") + moved + price.loop(t)
    return price.scalar("mov") + price.loop(t) + t * (outer + t * inner) + meets * wafer.bank_conflict_cycles


def make(side: int, t: int, *, descriptors_in_memory: bool = False) -> Program:
    """The program; `a` and `b` are twice as long, to hold what arrives; `times` is each PE's clock before and after."""
    build = Builder(side, side, name=f"SUMMA {side} {t}")
    size = t * t
    a, b = (build.buffer(name, f32, 2 * size) for name in "ab")
    c = build.buffer("c", f32, size, bank_offset=8, init=0.0)
    times = build.buffer("times", i32, 2)
    main, step_task, multiply = build.task("main", start=True), build.task("step"), build.task("multiply", blocked=True)
    step, a_at, b_at = (build.argument(name, "int") for name in ("step", "a_at", "b_at"))
    pe = build.on(build.grid, main)
    pe.store(times[0], pe.clock())
    pe.activate(step_task)
    pe = build.on(build.grid, step_task)
    count = pe.use(step)
    with pe.when(count < side):
        if side > 1:
            _hand_over(pe)
            for slot, (axis, buffer, place) in enumerate(((Axis.X, a, a_at), (Axis.Y, b, b_at))):
                own = build.constant(f"place {axis.value}", i32, _places(side, axis))
                after = activate(multiply) if axis is Axis.X else unblock(multiply)
                color = build.color(f"tiles along {axis.value}")
                for region, onward in _thirds(build.grid, axis):
                    build.route(color, region, _first_route(axis, onward))
                    code = pe.on(region)
                    with code.scope():
                        here = code.load(own)
                        _broadcast(code, color, axis, onward, buffer, place, (here, count), size, slot, after)
        else:
            pe.activate(multiply)
            pe.unblock(multiply)
        pe.otherwise()
        pe.store(times[1], pe.clock())
    pe = build.on(build.grid, multiply)
    pe.block(multiply)
    loads = IN_MEMORY if descriptors_in_memory else 0
    _multiply(pe, (a, b, c), (pe.use(a_at), pe.use(b_at)), t, loads)
    count = pe.use(step)
    count += 1
    pe.activate(step_task)
    return build.finish()


def _hand_over(pe: Code) -> None:
    """What the library does in a step besides its broadcasts: it tears down the colours and waits for it."""
    with pe.loop(HAND_OVER):
        instructions(pe, 1)


def _places(side: int, axis: Axis) -> Array:
    positions = np.arange(side)
    return positions[None, :] if axis is Axis.X else positions[:, None]


def _thirds(grid: Region, axis: Axis) -> list[tuple[Region, tuple[bool, bool]]]:
    """The first line of PEs across the axis, the last one and those between: whether others lie behind and ahead."""
    parts = [(slice(0, 1), (False, True)), (slice(1, -1), (True, True)), (slice(-1, None), (True, False))]
    return [(axis.part(grid, positions), onward) for positions, onward in parts if axis.part(grid, positions)]


def _first_route(axis: Axis, onward: tuple[bool, bool]) -> Route:
    """The route of the first step, in which the first PE of a line sends."""
    behind, ahead = onward
    return axis.backward >> Outputs([RAMP, *[axis.forward] * ahead]) if behind else RAMP >> axis.forward


def _broadcast(
    code: Code, color: Color, axis: Axis, onward: tuple[bool, bool], buffer: Buffer, place: Register,
    at: tuple[Register, Register], size: int, slot: int, after: Completion,
) -> None:  # fmt: skip
    """Sends the tile if this is the step's PE, else receives it: from behind before its own turn, then from ahead."""
    here, step = at
    behind, ahead = onward
    backward, forward = [axis.backward] * behind, [axis.forward] * ahead
    with code.when(here.equals(step)):
        code.reroute(color, RAMP >> Outputs([*backward, *forward]))
        code.set(code.use(place), 0)
        code.mov(color, buffer[:size], slot=slot, then=after)
        code.otherwise()
        if ahead:
            with code.when((here + 1).equals(step)):
                code.reroute(color, axis.forward >> Outputs([RAMP, *backward]))
        code.set(code.use(place), size)
        code.mov(buffer[size:], color, slot=slot, then=after)


def _multiply(
    pe: Code, buffers: tuple[Buffer, Buffer, Buffer], places: tuple[Register, Register], t: int, loads: int
) -> None:
    """c += a b on the tiles of this step."""
    (a, b, c), (a_at, b_at) = buffers, places
    column = pe.integer(a_at)
    with pe.loop(t) as k:
        to = pe.integer(0)
        with pe.loop(t) as j:
            scalar = pe.load(b.at(b_at + (j * t + k)))
            load_descriptors(pe, loads)
            pe.mac(c.at(to, t), a.at(column, t), scalar)
            advance(pe, to, t)
        advance(pe, column, t)
