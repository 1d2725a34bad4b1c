"""What a program becomes before it runs: rows, the roles' ways through them, FIFO numbers."""

from __future__ import annotations

import numpy as np
import pytest

from wse_sim import EAST, NORTH, RAMP, SOUTH, WEST, f32, toy
from wse_sim.engine.fabric import number_ports
from wse_sim.engine.lower import lower, new_state
from wse_sim.engine.machine import Machine
from wse_sim.errors import FitError, RunError
from wse_sim.hardware import Direction
from wse_sim.program import Builder
from wse_sim.program.program import Program


def halves(*, differ: bool) -> Program:
    """The same code written for the left and the right half, or with a bound that differs."""
    build = Builder(4, 2)
    x = build.buffer("x", f32, 8)
    for i, half in enumerate((build.grid[:2, :], build.grid[2:, :])):
        pe = build.main(half)
        with pe.loop(3):
            pe.add(x, x, 1.0)
        pe.mul(x[: 8 - i * differ], x[: 8 - i * differ], 2.0)
    return build.finish()


def test_roles_that_run_the_same_share_their_sequence() -> None:
    shared, apart = (lower(halves(differ=differ), toy(4, 2)).code for differ in (False, True))
    assert len(shared.entry) == len(apart.entry) == 2
    assert shared.entry[0] == shared.entry[1]
    assert len(shared.row) == 4 + 1
    assert apart.entry[0] != apart.entry[1]
    assert len(apart.row) == 5 + 1
    assert shared.sequence.tolist() == [0, 1, 2, 3, 4]
    for differ in (False, True):
        program = halves(differ=differ)
        machine = Machine(program, toy(4, 2))
        machine.launch()
        found = machine.read("x")
        assert (found[:, :2] == 6.0).all()
        assert found[0, 3].tolist() == [6.0] * 7 + [3.0 if differ else 6.0]


def test_a_fault_in_alike_code_names_its_own_buffer() -> None:
    build = Builder(2, 1)
    for i in range(2):
        pe = build.main(build.grid[i, 0])
        mine = build.buffer(f"mine{i}", f32, 4, on=build.grid[i, 0])
        with pe.scope():
            pe.mov(mine.at(pe.integer(4 * i)), 1.0)
    with pytest.raises(RunError, match=r"PE \(1, 0\).*mine1\[0\+i0"):
        Machine(build.finish(), toy(2, 1)).launch()


def test_ports_are_numbered_by_color_then_port() -> None:
    build = Builder(3, 1)
    one, two = build.color("one"), build.color("two")
    build.route(two, build.grid[0, 0], RAMP >> EAST)
    build.route(two, build.grid[1:, 0], WEST >> RAMP)
    build.route(one, build.grid[0, 0], RAMP >> EAST)
    build.route(one, build.grid[1, 0], WEST >> RAMP)
    build.route(one, build.grid[2, 0], WEST >> RAMP)
    build.main(build.grid[1, 0]).reroute(one, RAMP >> EAST)
    program = build.finish()
    ports = number_ports(program)
    left, middle, right = (program.role_map[0, x] for x in range(3))
    assert np.argwhere(ports.fifo[left] >= 0).tolist() == [[one.id, Direction.RAMP], [two.id, Direction.RAMP]]
    assert ports.fifo[middle, one.id].tolist() == [-1, -1, 0, -1, 1]
    assert ports.fifo[middle, two.id].tolist() == [-1, -1, 2, -1, -1]
    assert ports.queue[:, [one.id, two.id]].tolist() == [[-1, -1], [0, 1], [0, 1]]
    to_ramp, to_east = 1 << Direction.RAMP, 1 << Direction.EAST
    assert ports.outputs[middle, one.id].tolist() == [0, 0, to_ramp, 0, 0]  # RAMP becomes the input later
    assert ports.outputs[left, two.id, Direction.RAMP] == to_east
    assert ports.outputs[right, two.id, Direction.WEST] == to_ramp


def test_more_buffers_on_a_router_than_a_byte_counts() -> None:
    build = Builder(1, 1)
    pe = build.main()
    for i in range(64):
        color = build.color(f"c{i}")
        build.route(color, build.grid, WEST >> EAST)
        for route in (NORTH >> EAST, SOUTH >> EAST, EAST >> WEST):
            pe.reroute(color, route)
    wafer = toy(1, 1).with_(colors=64)
    with pytest.raises(FitError, match="256 router buffers on a PE: the engine expects 255 or fewer"):
        new_state(lower(build.finish(), wafer), strips=1, start=0)
