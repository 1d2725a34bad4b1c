"""Kernels of published structure: their numbers, and the rules of their rings."""

from __future__ import annotations

import numpy as np
import pytest

from wse_sim import WSE2, WSE3, Wafer, f16, toy
from wse_sim.engine.machine import Machine
from wse_sim.errors import ProgramError
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective.ring import flows, ring_order, ring_places
from wse_sim.kernels.matrix import gemv
from wse_sim.kernels.published import mesh_gemm, mesh_gemv, relay, ring_shift, summa, transfer, two_phase


@pytest.mark.parametrize("length", range(2, 40))
def test_the_ring_keeps_messages_apart(length: int) -> None:
    order, places = ring_order(length), ring_places(length)
    assert sorted(order) == list(range(length))
    assert [order[place] for place in places] == list(range(length))
    used: dict[int, list[int]] = {}
    for sender, receiver, color in flows(length):
        assert abs(sender - receiver) <= 2
        for at in range(min(sender, receiver), max(sender, receiver) + 1):
            used.setdefault(at, []).append(color)
    assert all(len(set(colors)) == len(colors) for colors in used.values())


@pytest.mark.parametrize(
    ("side", "m", "k", "n"),
    [(2, 2, 3, 4), (3, 1, 1, 1), (4, 2, 3, 1), (5, 1, 2, 4), (6, 3, 1, 2), (7, 2, 2, 2), (8, 8, 3, 5)],
)
@pytest.mark.parametrize("wafer", [WSE2, WSE3], ids=["WSE-2", "WSE-3"])
def test_mesh_gemm_multiplies(wafer: Wafer, side: int, m: int, k: int, n: int) -> None:
    t = mesh_gemm.Tiles(side, m, k, n)
    random = np.random.default_rng(7)
    a = random.standard_normal((side * m, side * k)).astype(np.float16)
    b = random.standard_normal((side * k, side * n)).astype(np.float16)
    machine = Machine(mesh_gemm.make(t), wafer)
    for name, tiles in (("a", mesh_gemm.a_tiles(a, t)), ("b", mesh_gemm.b_tiles(b, t))):
        machine.write(name, np.concatenate([tiles, np.zeros_like(tiles)], axis=-1))
    machine.launch({"step": 0, "wanted": 0})
    tiles = machine.read("c").reshape(side, side, n, m)  # columns first
    found = tiles.transpose(0, 3, 1, 2).reshape(side * m, side * n)
    np.testing.assert_array_equal(found, mesh_gemm.reference(a, b, t))
    exact = a.astype(float) @ b.astype(float)
    assert np.abs(found - exact).max() <= 2e-3 * side * k * np.abs(exact).max()


@pytest.mark.parametrize(("side", "t"), [(1, 3), (2, 5), (3, 2), (5, 4)])
def test_summa_multiplies(side: int, t: int) -> None:
    random = np.random.default_rng(side)
    a, b = (random.standard_normal((side * t, side * t)).astype(np.float32) for _ in "ab")
    machine = Machine(summa.make(side, t), toy(side, side))
    for name, matrix in (("a", a), ("b", b)):
        tiles = summa.tiles(matrix, side)
        machine.write(name, np.concatenate([tiles, np.zeros_like(tiles)], axis=-1))
    machine.launch({"step": 0, "a_at": 0, "b_at": 0})
    np.testing.assert_array_equal(summa.matrix(machine.read("c")), summa.reference(a, b))


@pytest.mark.parametrize(("side", "m", "n", "groups"), [(16, 2, 3, 4), (24, 8, 8, 8), (9, 1, 5, 2)])
def test_mesh_gemv_multiplies(side: int, m: int, n: int, groups: int) -> None:
    random = np.random.default_rng(1)
    x = random.standard_normal(side * m).astype(np.float16)
    w = random.standard_normal((side * m, n)).astype(np.float16)
    machine = Machine(mesh_gemv.make(side, m, n, groups), WSE3)
    machine.write("x", x.reshape(side, 1, m))
    machine.write("w", w.reshape(side, 1, m * n))
    cycles = machine.launch()
    expected = gemv.reference(mesh_gemv.tree(side, groups), x, w, dtype=f16)
    np.testing.assert_array_equal(machine.read("y"), np.broadcast_to(expected, (side, 1, n)))
    assert cycles == pytest.approx(mesh_gemv.cost(WSE3, side, m, n, groups), rel=0.15)


@pytest.mark.parametrize("step", [1, 2, 4, 16])
@pytest.mark.parametrize("n", [1, 40])
def test_two_phases_reduce(step: int, n: int) -> None:
    machine = Machine(two_phase.make(16, n, step), WSE2)
    cycles = machine.launch()
    assert (machine.read("x")[0, 0] == 16).all()
    assert cycles == pytest.approx(two_phase.cost(WSE2, 16, n, step), rel=0.1)
    with pytest.raises(ProgramError, match="groups of 3 on a line of 16"):
        two_phase.make(16, n, 3)


@pytest.mark.parametrize("wafer", [WSE2, WSE3], ids=["WSE-2", "WSE-3"])
def test_messages_arrive(wafer: Wafer) -> None:
    values = np.arange(20, dtype=np.float32)
    for program in (relay.make(3, 20), relay.make(3, 20, tasks=False), transfer.make(2, 20)):
        machine = Machine(program, wafer)
        first = 1 if program.name.startswith("transfer") else 0
        sent = np.zeros((1, 4, 20), np.float32)
        sent[0, first] = values
        machine.write("x", sent)
        machine.launch()
        np.testing.assert_array_equal(machine.read("x")[0, -1], values)


@pytest.mark.parametrize("shifts", [0, 1, 5])
def test_ring_shifts_move_on(shifts: int) -> None:
    machine = Machine(ring_shift.make(8, 3, shifts), WSE3)
    values = np.arange(8 * 6, dtype=np.float16).reshape(1, 8, 6)
    machine.write("x", values)
    machine.launch({"left": 0})
    found, held = machine.read("x")[0], machine.read("places")[0, :, 0]
    order, places = ring_order(8), ring_places(8)
    for at in range(8):
        begun = order[(places[at] - shifts) % 8]
        np.testing.assert_array_equal(found[at, held[at] : held[at] + 3], values[0, begun, :3])
@pytest.mark.parametrize("wafer", [WSE2, WSE3], ids=["WSE-2", "WSE-3"])
@pytest.mark.parametrize("tiles", [(3, 1, 1, 1), (6, 8, 8, 8), (5, 32, 2, 1), (4, 3, 5, 7)])
def test_mesh_gemm_takes_what_the_closed_form_says(wafer: Wafer, tiles: tuple[int, int, int, int]) -> None:
    t = mesh_gemm.Tiles(*tiles)
    cycles = Machine(mesh_gemm.make(t), wafer).launch({"step": 0, "wanted": 0})
    assert cycles == pytest.approx(mesh_gemm.cost(wafer, t), rel=0.04)


@pytest.mark.parametrize("wafer", [WSE2, WSE3], ids=["WSE-2", "WSE-3"])
@pytest.mark.parametrize(("side", "t"), [(1, 5), (2, 1), (5, 3), (8, 2), (4, 8)])
def test_summa_takes_what_the_closed_form_says(wafer: Wafer, side: int, t: int) -> None:
    cycles = Machine(summa.make(side, t), wafer).launch({"step": 0, "a_at": 0, "b_at": 0})
    assert cycles == pytest.approx(summa.cost(wafer, side, t), rel=0.05)


@pytest.mark.parametrize("wafer", [WSE2, WSE3], ids=["WSE-2", "WSE-3"])
@pytest.mark.parametrize(("length", "n", "shifts"), [(2, 5, 1), (9, 64, 3), (20, 1, 5)])
def test_ring_shifts_take_what_the_closed_form_says(wafer: Wafer, length: int, n: int, shifts: int) -> None:
    cycles = Machine(ring_shift.make(length, n, shifts), wafer).launch({"left": 0})
    assert cycles == pytest.approx(ring_shift.cost(wafer, n, shifts), rel=0.08)


def test_clocks_that_a_signal_sets_hide_edges_of_dies_on_its_way_and_double_them_against_it() -> None:
    """West to east nothing is seen of a crossing, east to west twice of it; rows of dies are longer than 128 PEs."""
    excess = {}
    for axis in Axis:
        for back in (False, True):
            machine = Machine(transfer.make(64, 8, axis=axis, back=back), WSE3)
            machine.launch()
            found = transfer.latency(WSE3, machine.read("times").reshape(-1, transfer.EVENTS), back=back)
            machine = Machine(transfer.make(32, 8, axis=axis, back=back), WSE3)
            machine.launch()
            near = transfer.latency(WSE3, machine.read("times").reshape(-1, transfer.EVENTS), back=back)
            excess[axis, back] = found - near - 32 * WSE3.hop_cycles
    crossing = WSE3.die_crossing_cycles
    assert excess == {(Axis.X, False): 0, (Axis.X, True): 2 * crossing, (Axis.Y, False): 0, (Axis.Y, True): 0}
