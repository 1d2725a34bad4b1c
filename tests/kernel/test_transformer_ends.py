"""The two ends of a decode step: from a token to the hidden vector, and from the hidden vector to a token."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st
from kernel.small_grid import WAFERS, SmallGrid

from wse_sim import f16, f32
from wse_sim.engine.machine import Machine
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.blocks import Blocks, vector_tiles
from wse_sim.kernels.transformer import argmax, embedding, logits
from wse_sim.kernels.transformer.table import make_table

FEW = settings(
    max_examples=30, deadline=None, derandomize=True, database=None, suppress_health_check=list(HealthCheck)
)
sides = st.tuples(st.integers(1, 6), st.integers(1, 5))
types = st.sampled_from([(f32, f32), (f32, f16), (f16, f16)])  # of the hidden vector, of the tables
wafers = st.sampled_from(sorted(WAFERS))


@FEW
@given(sides, st.integers(1, 23), st.integers(1, 9), st.integers(1, 17), types)
@example((3, 2), 12, 8, 5, (f32, f32))  # blocks of 4 rows, side by side without a gap
def test_every_token_and_position_is_found(side, vocabulary, context, features, dtypes) -> None:
    grid, (hidden_type, table_type) = SmallGrid(*side), dtypes
    random = np.random.default_rng(vocabulary)
    words = random.standard_normal((vocabulary, features)).astype(table_type.numpy)
    places = random.standard_normal((context, features)).astype(table_type.numpy)
    token, position = (grid.build.argument(name, "int") for name in ("token", "position"))
    tokens = make_table(grid.build, "words", table_type, vocabulary, features, grid.region)
    positions = make_table(grid.build, "places", table_type, context, features, grid.region)
    hidden = grid.vector("hidden", tokens.features, Axis.Y, dtype=hidden_type)
    embedding.emit(grid.pe, grid.line(Axis.X), hidden, tokens, positions, token, position)
    grid.inputs |= {tokens.data: tokens.tiles(words), positions.data: positions.tiles(places)}
    machine = grid.machine()
    for i in range(max(vocabulary, context)):
        t, p = i % vocabulary, -i % context
        machine.launch({"token": t, "position": p}, max_cycles=20_000)
        wide = words[t].astype(np.float64) + places[p].astype(np.float64)
        wanted = vector_tiles(wide.astype(hidden_type.numpy), tokens.features, Axis.Y)
        found = machine.read("hidden")
        np.testing.assert_array_equal(found, np.broadcast_to(wanted, found.shape))


def chooser(width: int, height: int, vocabulary: int, wafer: str = "WSE-2") -> tuple[Machine, Blocks]:
    """A machine that picks the largest of the logits that the host writes."""
    grid = SmallGrid(width, height)
    table = make_table(grid.build, "words", f32, vocabulary, 1, grid.region)
    values = logits.make_logits(grid.build, table)
    token = argmax.make_token(grid.build, grid.region)
    scratch = argmax.make_scratch(grid.build, grid.region)
    argmax.emit(grid.pe, grid.line(Axis.X), grid.line(Axis.Y), values, table, token, scratch)
    return grid.machine(wafer), table.rows


def choose(machine: Machine, blocks: Blocks, values: np.ndarray) -> int:
    machine.write("logits", vector_tiles(values.astype(np.float32), blocks, Axis.X))
    machine.launch({}, max_cycles=50_000)
    token = machine.read("token")
    assert (token == token[0, 0, 0]).all(), "every PE holds the same token"
    return int(token[0, 0, 0])


@FEW
@given(sides, st.integers(1, 60), wafers, st.data())
def test_argmax_is_numpys_with_ties_and_negative_logits(side, vocabulary, wafer, data) -> None:
    machine, blocks = chooser(*side, vocabulary, wafer)
    kinds = st.sampled_from([-9.0, -2.5, -2.4, -1e-30])
    for _ in range(4):
        values = data.draw(st.lists(kinds, min_size=vocabulary, max_size=vocabulary))
        assert choose(machine, blocks, np.array(values)) == int(np.argmax(values))


@pytest.mark.parametrize("side", [(1, 1), (3, 2), (6, 5)])
def test_argmax_finds_each_place_and_the_smallest_difference(side) -> None:
    vocabulary = 37
    machine, blocks = chooser(*side, vocabulary)
    for place in range(vocabulary):
        values = np.full(vocabulary, -3.0, np.float32)
        values[place] = np.nextafter(np.float32(-3), np.float32(0))
        assert choose(machine, blocks, values) == place
        values[place + 1 :] = values[place]
        assert choose(machine, blocks, values) == place
        values[:] = 0.0
        values[place] = np.float32(1e-45)
        assert choose(machine, blocks, values) == place
    assert choose(machine, blocks, np.full(vocabulary, -np.inf)) == 0


@FEW
@given(sides, st.integers(1, 40), st.integers(1, 20), st.sampled_from([f32, f16]), wafers)
def test_hidden_vector_to_token(side, vocabulary, features, dtype, wafer) -> None:
    """Logits and argmax one after the other; all logits negative, so that the zeros of pads would win."""
    grid, random = SmallGrid(*side), np.random.default_rng(features)
    words = -np.abs(random.standard_normal((vocabulary, features)) + 0.1).astype(dtype.numpy)
    x = np.abs(random.standard_normal(features) + 0.1).astype(dtype.numpy)
    table = make_table(grid.build, "words", dtype, vocabulary, features, grid.region)
    hidden = grid.vector("hidden", table.features, Axis.Y, x, dtype=dtype)
    values = logits.make_logits(grid.build, table)
    token = argmax.make_token(grid.build, grid.region)
    scratch = argmax.make_scratch(grid.build, grid.region)
    line_x, line_y = grid.line(Axis.X), grid.line(Axis.Y)
    logits.emit(grid.pe, line_y, hidden, table, values)
    argmax.emit(grid.pe, line_x, line_y, values, table, token, scratch)
    grid.inputs[table.data] = table.tiles(words)
    machine = grid.run(wafer)
    found = table.rows.join(machine.read("logits")[line_y.root])
    np.testing.assert_allclose(found, words.astype(np.float64) @ x.astype(np.float64), rtol=1e-5)
    assert (machine.read("token") == int(np.argmax(found))).all()
