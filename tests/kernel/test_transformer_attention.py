"""Attention while the cache grows: each new token against a loop over heads in float64."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from kernel.small_grid import WAFERS, SmallGrid, error, read_vector

from wse_sim import DType, f16, f32
from wse_sim.engine.machine import Machine
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.blocks import Blocks, vector_tiles
from wse_sim.kernels.transformer import attention, kv_cache, mix
from wse_sim.kernels.transformer.heads import head_slots, make_heads


@dataclass(frozen=True)
class Case:
    width: int
    height: int
    heads: int
    head_size: int
    context: int
    dtype: DType = f32
    cache: DType = f32
    sums: DType = f32
    scale: float = 0.5
    wafer: str = "WSE-2"


def naive(q: np.ndarray, k: np.ndarray, v: np.ndarray, heads: int, scale: float) -> np.ndarray:
    """Head after head, token after token."""
    size = len(q) // heads
    out = np.zeros(len(q))
    for head in range(heads):
        own = slice(head * size, (head + 1) * size)
        scores = [float(np.dot(q[own], key[own])) * scale for key in k.astype(np.float64)]
        weights = [np.exp(s - max(scores)) for s in scores]
        out[own] = sum(w * value[own] for w, value in zip(weights, v.astype(np.float64), strict=True))
        out[own] /= sum(weights)
    return out


def program(case: Case) -> SmallGrid:
    grid = SmallGrid(case.width, case.height)
    build, blocks = grid.build, Blocks(case.heads * case.head_size, case.width)
    position = build.argument("position", "int")
    cache = kv_cache.make_cache(build, "cache", case.cache, blocks.total, case.context, grid.region)
    heads = make_heads(build, blocks.total, case.heads, grid.region)
    scratch = mix.make_scratch(build, heads.of, cache.slots, grid.region, cache=case.cache, sums=case.sums)
    q, k, v, out = (grid.vector(n, blocks, Axis.X, dtype=case.dtype) for n in ("q", "k", "v", "out"))
    line_x, line_y, pe = grid.line(Axis.X), grid.line(Axis.Y), grid.pe
    tokens = kv_cache.locate(pe, position, kv_cache.rows_of(build, grid.region), cache.rows)
    attention.emit(pe, line_x, line_y, q, k, v, out, cache, heads, tokens, scratch, scale=case.scale)
    return grid


def step(machine: Machine, case: Case, q: np.ndarray, k: np.ndarray, v: np.ndarray, position: int) -> int:
    blocks = Blocks(len(q), case.width)
    for name, values in (("q", q), ("k", k), ("v", v)):
        machine.write(name, vector_tiles(values, blocks, Axis.X))
    return machine.launch({"position": position}, max_cycles=200_000)


def check(case: Case, positions: int, tolerance: float) -> list[int]:
    """Decodes from an empty cache on; returns the cycles of each step."""
    blocks = Blocks(case.heads * case.head_size, case.width)
    random = np.random.default_rng(case.width + 10 * case.height)
    q, k, v = random.standard_normal((3, positions, blocks.total)).astype(case.dtype.numpy)
    grid = program(case)
    machine, trees = grid.machine(case.wafer), [grid.line(axis).tree for axis in Axis]
    heads = head_slots(blocks, case.heads)
    kept_k, kept_v = k.astype(case.cache.numpy), v.astype(case.cache.numpy)
    cycles = []
    for t in range(positions):
        cycles.append(step(machine, case, q[t], k[t], v[t], t))
        out = machine.read("out")
        scaled = (q[t].astype(np.float64) * case.scale).astype(case.dtype.numpy)  # as the machine rounds it
        wanted = naive(scaled, kept_k[: t + 1], kept_v[: t + 1], case.heads, 1.0)
        assert error(read_vector(out, blocks, Axis.X), wanted) < tolerance, f"position {t} of {case}"
        assert np.array_equal(out, np.broadcast_to(out[:1], out.shape)), "all rows hold the same"
        rounded = attention.reference(
            *trees, heads, q[t], kept_k[: t + 1], kept_v[: t + 1], scale=case.scale, dtype=case.dtype, sums=case.sums
        )
        np.testing.assert_array_equal(read_vector(out, blocks, Axis.X), rounded)
    return cycles


CASES = st.builds(
    Case, st.integers(1, 6), st.integers(1, 5), st.integers(1, 5), st.integers(1, 9), st.just(11),
    wafer=st.sampled_from(sorted(WAFERS)),
)  # fmt: skip
FEW = settings(
    max_examples=25, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)


@FEW
@given(CASES)
@example(Case(1, 1, 1, 1, 11))
@example(Case(6, 5, 3, 5, 11))  # 15 features in blocks of 3: heads straddle blocks
@example(Case(4, 3, 3, 6, 11))  # blocks of 5: a block touches two heads, the last one is short
@example(Case(2, 4, 5, 3, 11))  # blocks of 8: three heads, the middle one whole
@example(Case(6, 2, 1, 3, 11))  # half of the columns hold no feature
def test_each_step_equals_a_loop_over_heads(case: Case) -> None:
    check(case, 11, 1e-5)


@pytest.mark.parametrize("wafer", WAFERS)
def test_half_precision_is_close_and_closer_with_sums_in_f32(wafer: str) -> None:
    check(Case(4, 3, 3, 6, 9, dtype=f16, cache=f16, sums=f16, wafer=wafer), 9, 6e-3)
    check(Case(4, 3, 3, 6, 9, dtype=f16, cache=f16, wafer=wafer), 9, 1e-3)
    check(Case(4, 3, 3, 6, 9, dtype=f32, cache=f16, wafer=wafer), 9, 5e-4)


def test_without_a_scale_and_with_scores_far_apart() -> None:
    check(Case(3, 2, 2, 4, 6, scale=1.0), 6, 1e-5)
    check(Case(3, 2, 2, 4, 6, scale=100.0), 6, 1e-4)


@pytest.mark.parametrize("wafer", WAFERS)
def test_cycles_follow_the_cost_as_the_cache_grows(wafer: str) -> None:
    case = Case(3, 2, 4, 6, 24, wafer=wafer)
    cycles = check(case, 24, 1e-5)
    grid = SmallGrid(case.width, case.height)
    trees = [grid.line(axis).tree for axis in Axis]
    slots = head_slots(Blocks(24, case.width), case.heads)
    for position, found in enumerate(cycles):
        cost = attention.cost(WAFERS[wafer], *trees, slots, position // case.height + 1)
        cost += kv_cache.cost_of_locating(WAFERS[wafer], case.height) + WAFERS[wafer].task_switch_cycles
        assert abs(found - cost) <= 0.1 * cost + 8, f"position {position}: {found} cycles, cost {cost}"
    assert cycles[::2] == sorted(cycles[::2])


def test_a_filled_cache_may_come_from_the_host() -> None:
    case = Case(3, 2, 2, 5, 9)
    q, k, v = np.random.default_rng(5).standard_normal((3, 9, 10)).astype(np.float32)
    grid = program(case)
    machine = grid.machine()
    cache = kv_cache.make_cache(SmallGrid(3, 2).build, "layout", f32, 10, 9, grid.region)
    machine.write("cache.keys", cache.key_tiles(k[:8]))
    machine.write("cache.values", cache.value_tiles(v[:8]))
    step(machine, case, q[8], k[8], v[8], 8)
    found = read_vector(machine.read("out"), Blocks(10, 3), Axis.X)
    assert error(found, naive(q[8], k, v, 2, case.scale)) < 1e-5
    assert np.array_equal(machine.read("cache.keys"), cache.key_tiles(k))
    assert np.array_equal(machine.read("cache.values"), cache.value_tiles(v))
