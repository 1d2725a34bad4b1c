"""Tiles handed over between regions: each feature of each token where it belongs, and the cycles of the closed form."""

from __future__ import annotations

import numpy as np
import pytest

from wse_sim import WSE2, WSE3, Region, Wafer, f16, f32, i32
from wse_sim.engine.machine import Machine
from wse_sim.errors import ProgramError
from wse_sim.hardware import DType
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.blocks import Blocks, turn_tiles
from wse_sim.kernels.collective.lanes import lanes
from wse_sim.kernels.collective.line import make_line
from wse_sim.kernels.collective.tiles import CHUNK, cost, cut_of, make_tiles, reference
from wse_sim.program.builder import Builder

HEIGHT = 5


def handed(
    wafer: Wafer, widths: tuple[int, int], at: tuple[int, int], features: int, tokens: int, dtype: DType
) -> tuple[np.ndarray, np.ndarray, int, int]:
    """(tiles on the target, those of the reference, cycles, the closed form's)."""
    rows = -(-tokens // HEIGHT)
    given, taken = Blocks(features, widths[0]), Blocks(features, widths[1])
    source = Region(range(widths[0]), range(HEIGHT))
    target = Region(range(at[0], at[0] + widths[1]), range(at[1], at[1] + HEIGHT))
    build = Builder(max(widths[0], target.xs.stop), max(HEIGHT, target.ys.stop))
    laid, cut = lanes(source, target, HEIGHT), cut_of(given, taken, rows)
    colors = [build.color(f"lane {i}") for i in range(len(laid.bundles))]
    lines = [make_line(build, r, Axis.X, wafer=wafer, name=name) for r, name in ((source, "a"), (target, "b"))]
    x = build.buffer("x", dtype, rows * given.size, on=source)
    y = build.buffer("y", dtype, rows * taken.size, on=target)
    chunks = [build.buffer(f"chunk {i}", dtype, CHUNK, on=region) for i, region in enumerate((source, target))]
    held = np.array([[len(range(row, tokens, HEIGHT))] for row in range(HEIGHT)], np.int32)
    counts = [build.constant("rows", i32, held, on=region) for region in (source, target)]
    tiles = make_tiles(build, source, target, cut, laid=laid, colors=colors)
    pe = build.main(source)
    tiles.give(pe, lines[0], x, chunks[0], pe.load(counts[0]))
    pe = build.main(target)
    tiles.take(pe, lines[1], y, chunks[1], pe.load(counts[1]))
    machine = Machine(build.finish(), wafer)
    values = np.random.default_rng(features).standard_normal((tokens, features)).astype(dtype.numpy)
    machine.write(x, turn_tiles(values, HEIGHT, rows, given))
    cycles = machine.launch()
    assert not machine.report().broken_laws()
    trees = lines[0].tree, lines[1].tree
    return machine.read(y), turn_tiles(values, HEIGHT, rows, taken), cycles, cost(
        wafer, cut, laid.hops, trees, rows, dtype=dtype
    ).take




@pytest.mark.parametrize("wafer", [WSE2, WSE3])
@pytest.mark.parametrize("dtype", [f32, f16])
@pytest.mark.parametrize(
    ("widths", "at", "features", "tokens"),
    [
        ((6, 6), (6, 0), 24, 20),
        ((6, 9), (8, 0), 50, 13),  # other blocks, a gap
        ((9, 5), (0, 5), 33, 8),  # below
        ((4, 7), (3, 6), 30, 3),  # below, further east, rows without a token
        ((8, 6), (8, 2), 700, 40),  # more than goes over at a time
        ((1, 3), (1, 0), 7, 5),
    ],
)
def test_every_feature_of_every_token_arrives(wafer, dtype, widths, at, features, tokens) -> None:
    found, wanted, cycles, guess = handed(wafer, widths, at, features, tokens, dtype)
    np.testing.assert_array_equal(found, wanted)
    assert abs(guess / cycles - 1) < 0.25  # 0.1 but for blocks so large that a column goes over at a time


def test_the_reference_deals_anew() -> None:
    given, taken = Blocks(10, 4), Blocks(10, 3)
    dealt = reference(given.deal(np.arange(20.0).reshape(2, 10)), given, taken)
    np.testing.assert_array_equal(dealt, taken.deal(np.arange(20.0).reshape(2, 10)))


def test_what_is_refused() -> None:
    with pytest.raises(ProgramError, match="tiles in blocks of 600 features: expected 512 or fewer"):
        cut_of(Blocks(1200, 2), Blocks(1200, 3), 4)
