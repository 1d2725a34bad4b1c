"""Broadcast, shift, gather and scatter: right values from any position, again and again, and clear refusals."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from wse_sim import WSE2, ProgramError, f16, f32, i32, toy
from wse_sim.engine.machine import Machine
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective import gather, scatter, shift
from wse_sim.kernels.collective.broadcast import make_broadcast
from wse_sim.kernels.collective.gather import make_gather
from wse_sim.kernels.collective.scatter import make_scatter
from wse_sim.kernels.collective.shift import make_shift
from wse_sim.program.builder import Builder

Array = NDArray[Any]
each_axis = pytest.mark.parametrize("axis", list(Axis), ids=lambda a: a.name)
TIGHT = toy(64, 64).with_(router_buffer=1, input_queue_depths=(1,) * 8, output_queue_depths=(1,) * 6)


def numbered(axis: Axis, length: int, lines: int, n: int) -> Array:
    """Different whole numbers everywhere, (height, width, n)."""
    width, height = axis.size(length, lines)
    return np.arange(height * width * n).reshape(height, width, n)


def along(axis: Axis, values: Array) -> Array:
    """(height, width, n) as (length, lines, n)."""
    return np.moveaxis(values, axis.dimension, 0)


# -- axes ---------------------------------------------------------------------------------------------


def test_axes_point_the_right_way() -> None:
    region = Builder(5, 3).grid
    assert (Axis.X.forward.dx, Axis.X.forward.dy) == (1, 0)
    assert (Axis.Y.forward.dx, Axis.Y.forward.dy) == (0, 1)
    for axis in Axis:
        assert axis.backward is axis.forward.opposite
        assert axis.across.across is axis
        assert axis.size(axis.length(region), axis.across.length(region)) == (5, 3)
    assert Axis.X.part(region, 1) == region[1, :]
    assert Axis.Y.part(region, slice(1, None)) == region[:, 1:]


# -- broadcast ----------------------------------------------------------------------------------------


@each_axis
@pytest.mark.parametrize("length", [1, 2, 3, 9])
def test_broadcast_from_any_position(axis: Axis, length: int) -> None:
    for root in range(length):
        build = Builder(*axis.size(length, 2))
        x = build.buffer("x", i32, 3)
        build.main().integer(0)
        make_broadcast(build, build.grid, axis, root=root - length).emit(build.main(), x)
        machine = Machine(build.finish(), toy(9, 9))
        values = numbered(axis, length, 2, 3)
        machine.write("x", values)
        machine.launch(max_cycles=10_000)
        expected = np.broadcast_to(along(axis, values)[root], (length, 2, 3))
        assert np.array_equal(along(axis, machine.read("x")), expected)


# -- shift --------------------------------------------------------------------------------------------


@each_axis
@pytest.mark.parametrize("forward", [True, False])
@pytest.mark.parametrize("length", [2, 3, 6, 7])
def test_a_ring_brings_everything_home(axis: Axis, forward: bool, length: int) -> None:
    for steps in (1, length - 1, length):
        build = Builder(*axis.size(length, 2))
        x, to = build.buffer("x", i32, 20), build.buffer("to", i32, 20)
        ring = make_shift(build, build.grid, axis, forward=forward, ring=True)
        pe = build.main()
        with pe.loop(steps):
            ring.emit(pe, x, to)
            pe.mov(x, to)
        machine = Machine(build.finish(), TIGHT)
        values = numbered(axis, length, 2, 20)
        machine.write("x", values)
        machine.launch(max_cycles=100_000)
        expected = np.roll(along(axis, values), steps if forward else -steps, axis=0)
        assert np.array_equal(along(axis, machine.read("x")), expected)


@each_axis
def test_an_open_shift_leaves_the_first_alone(axis: Axis) -> None:
    build = Builder(*axis.size(5, 2))
    x, to = build.buffer("x", f32, 3), build.buffer("to", f32, 3, init=-1.0)
    make_shift(build, build.grid, axis).emit(build.main(), x, to)
    machine = Machine(build.finish(), toy(9, 9))
    values = numbered(axis, 5, 2, 3).astype(np.float32)
    machine.write("x", values)
    machine.launch(max_cycles=10_000)
    found = along(axis, machine.read("to"))
    assert np.array_equal(found[1:], along(axis, values)[:-1])
    assert (found[0] == -1).all()


def test_shifts_both_ways_at_once_use_their_own_colours_and_slots() -> None:
    build = Builder(8, 1)
    x, left, right = (build.buffer(name, f32, 12) for name in ("x", "left", "right"))
    forth = make_shift(build, build.grid, Axis.X, ring=True, name="forth")
    back = make_shift(build, build.grid, Axis.X, ring=True, forward=False, name="back")
    forth.emit(build.main(), x, left)
    back.emit(build.main(), x, right, slot=1)
    machine = Machine(build.finish(), toy(8, 1))
    values = numbered(Axis.X, 8, 1, 12).astype(np.float32)
    machine.write("x", values)
    machine.launch(max_cycles=10_000)
    assert np.array_equal(machine.read("left"), np.roll(values, 1, axis=1))
    assert np.array_equal(machine.read("right"), np.roll(values, -1, axis=1))


def test_a_shift_needs_two_buffers() -> None:
    build = Builder(4, 1)
    x = build.buffer("x", f32, 8)
    made = make_shift(build, build.grid, Axis.X)
    with pytest.raises(ProgramError, match=r"a shift from .* expected two buffers; copy it there first"):
        made.emit(build.main(), x[:4], x[4:])


# -- gather and scatter -------------------------------------------------------------------------------


@each_axis
@pytest.mark.parametrize("length", [1, 2, 3, 8])
def test_what_is_gathered_and_scattered_again_is_the_same(axis: Axis, length: int) -> None:
    for root in range(length):
        build = Builder(*axis.size(length, 2))
        x, back = build.buffer("x", i32, 3), build.buffer("back", i32, 3)
        all_of_it = build.buffer("all", i32, 3 * length, on=axis.part(build.grid, root))
        pe = build.main()
        pe.integer(0)
        make_gather(build, build.grid, axis, root=root).emit(pe, x, all_of_it)
        make_scatter(build, build.grid, axis, root=root).emit(pe, all_of_it, back)
        machine = Machine(build.finish(), TIGHT)
        values = numbered(axis, length, 2, 3)
        machine.write("x", values)
        machine.launch(max_cycles=10_000)
        lines = along(axis, values).swapaxes(0, 1).reshape(2, -1)
        assert np.array_equal(along(axis, machine.read("all"))[0], lines)
        assert np.array_equal(machine.read("back"), values)


@pytest.mark.parametrize("what", ["gather", "scatter"])
def test_halves_must_fill_wavelets(what: str) -> None:
    build = Builder(4, 1)
    x, whole = build.buffer("x", f16, 3), build.buffer("whole", f16, 12)
    message = f"a {what} of .* expected a fixed length that fills whole wavelets"
    if what == "gather":
        made = make_gather(build, build.grid, Axis.X)
        with pytest.raises(ProgramError, match=message):
            made.emit(build.main(), x, whole)
    else:
        scattered = make_scatter(build, build.grid, Axis.X)
        with pytest.raises(ProgramError, match=message):
            scattered.emit(build.main(), whole, x)


def test_all_parts_must_fit_together() -> None:
    build = Builder(4, 1)
    x, whole = build.buffer("x", f32, 3), build.buffer("whole", f32, 9)
    with pytest.raises(ProgramError, match=r"on 4 PEs and whole.*: expected 4 x 3 elements of f32 in a row"):
        make_gather(build, build.grid, Axis.X).emit(build.main(), x, whole)


@pytest.mark.parametrize("make", [make_broadcast, make_gather, make_scatter])
def test_a_root_outside_the_line_is_refused(make: Callable[..., object]) -> None:
    build = Builder(4, 2)
    with pytest.raises(ProgramError, match="position 4 on a line of 4 PEs; expected -4 to 3"):
        make(build, build.grid, Axis.X, root=4)


# -- cycles -------------------------------------------------------------------------------------------


def test_costs_grow_with_words_and_length() -> None:
    for length in (2, 10, 100):
        for n in (2, 20, 200):
            assert gather.cost(WSE2, length, n) >= n * (length - 1)
            assert scatter.cost(WSE2, length, n) >= n * (length - 1)
            assert shift.cost(WSE2, length, n, ring=True) >= n + length
    assert shift.cost(WSE2, 1, 9) == 0
