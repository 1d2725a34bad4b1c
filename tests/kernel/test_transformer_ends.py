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
from wse_sim.kernels.transformer import draw, embedding, likeliest, logits
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


def chooser(width: int, height: int, vocabulary: int, wafer: str = "WSE-2", most: int = 0) -> tuple[Machine, Blocks]:
    """A machine that finds the largest of the logits that the host writes, or `count` of them."""
    grid = SmallGrid(width, height)
    table = make_table(grid.build, "words", f32, vocabulary, 1, grid.region)
    values = logits.make_logits(grid.build, table, room=likeliest.room(table.rows.size))
    search = likeliest.make_search(grid.build, table.rows.size, grid.region, most=most)
    count = grid.build.argument("count", "int") if most else None
    likeliest.emit(grid.pe, grid.line(Axis.X), values, table, search, count)
    return grid.machine(wafer), table.rows


def choose(machine: Machine, blocks: Blocks, values: np.ndarray, **arguments: int) -> int:
    tiles = vector_tiles(values.astype(np.float32), blocks, Axis.X)
    room = machine.program.buffer("logits").length - blocks.size
    machine.write("logits", np.pad(tiles, [(0, 0), (0, 0), (0, room)], constant_values=np.inf))
    machine.launch(arguments, max_cycles=100_000)
    token = machine.read("token")
    assert (token == token[0, 0, 0]).all(), "every PE holds the same token"
    return int(token[0, 0, 0])


@FEW
@given(sides, st.integers(1, 60), wafers, st.data())
def test_the_likeliest_is_numpys_with_ties_and_negative_logits(side, vocabulary, wafer, data) -> None:
    machine, blocks = chooser(*side, vocabulary, wafer)
    kinds = st.sampled_from([-9.0, -2.5, -2.4, -1e-30])
    for _ in range(4):
        values = data.draw(st.lists(kinds, min_size=vocabulary, max_size=vocabulary))
        assert choose(machine, blocks, np.array(values)) == int(np.argmax(values))


@pytest.mark.parametrize("side", [(1, 1), (3, 2), (6, 5)])
def test_it_finds_each_place_and_the_smallest_difference(side) -> None:
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
@given(sides, st.integers(1, 60), wafers, st.data())
def test_the_likeliest_in_order_and_logits_as_they_were(side, vocabulary, wafer, data) -> None:
    most = data.draw(st.integers(1, min(vocabulary, 8)))
    machine, blocks = chooser(*side, vocabulary, wafer, most)
    kinds = st.sampled_from([-9.0, -2.5, 0.0, 1e-30, 4.0])
    for _ in range(3):
        values = np.array(data.draw(st.lists(kinds, min_size=vocabulary, max_size=vocabulary)), np.float32)
        count = data.draw(st.integers(1, most))
        choose(machine, blocks, values, count=count)
        expected = np.lexsort((np.arange(vocabulary), -values))[:count]
        for row, column in np.ndindex(side[1], side[0]):
            assert machine.read("likeliest.tokens")[row, column, :count].tolist() == expected.tolist()
            assert machine.read("likeliest.values")[row, column, :count].tolist() == values[expected].tolist()
        assert blocks.join(machine.read("logits")[0, :, : blocks.size]).tolist() == values.tolist()


@pytest.mark.parametrize("wafer", sorted(WAFERS))
def test_time_does_not_depend_on_logits_tokens_or_random_numbers(wafer) -> None:
    random, vocabulary = np.random.default_rng(5), 83
    machine, blocks = chooser(4, 3, vocabulary, wafer, most=6)
    ends = np.concatenate([np.eye(vocabulary)[[0, 20, 82]], random.standard_normal((6, vocabulary)), np.zeros((1, 83))])
    for values in ends:
        choose(machine, blocks, values, count=6)
    assert len(set(machine.launches)) == 1
    grid = SmallGrid(4, 3)
    token, position = (grid.build.argument(name, "int") for name in ("token", "position"))
    tables = [make_table(grid.build, name, f16, vocabulary, 11, grid.region) for name in ("words", "places")]
    hidden = grid.vector("hidden", tables[0].features, Axis.Y)
    embedding.emit(grid.pe, grid.line(Axis.X), hidden, *tables, token, position)
    machine = grid.machine(wafer)
    for t in range(0, vocabulary, 7):
        machine.launch({"token": t, "position": 17}, max_cycles=20_000)
    assert len(set(machine.launches)) == 1


def naive_draw(values: list[float], temperature: float, top_p: float, random: float) -> int:
    """In float64: a softmax, the shortest head of it with `top_p`, and the place of `random` in what is kept."""
    shares = np.exp((np.array(values) - values[0]) / temperature)
    shares /= shares.sum()
    kept = [share for i, share in enumerate(shares) if shares[:i].sum() < top_p]
    return int(np.searchsorted(np.cumsum(kept) / sum(kept), random, side="right"))


def drawer(count: int) -> Machine:
    grid = SmallGrid(2, 1)
    search = likeliest.make_search(grid.build, 1, grid.region, most=count)
    draw.emit(grid.pe, search, draw.make_draw(grid.build), draw.make_scratch(grid.build, count, grid.region))
    return grid.machine()


@FEW
@given(st.lists(st.floats(-8, 8, width=16), min_size=1, max_size=12), st.floats(0.1, 3), st.floats(0.01, 1), st.data())
def test_a_draw_is_that_of_exact_arithmetic_but_at_borders(values, temperature, top_p, data) -> None:
    ordered = sorted(values, reverse=True)
    machine = drawer(len(ordered))
    machine.write("likeliest.values", np.array(ordered, np.float32))
    machine.write("likeliest.tokens", np.arange(len(ordered), dtype=np.int32))
    for random in data.draw(st.lists(st.floats(0, 0.999), min_size=1, max_size=4)):
        how = {"sharpen": 1 / temperature, "top_p": top_p, "random": random}
        machine.launch({"count": len(ordered), **how}, max_cycles=50_000)
        found = int(machine.read("token")[0, 0, 0])
        assert found == draw.reference(np.array(ordered, np.float32), **how)
        near = {naive_draw(ordered, temperature, p, r) for p in (top_p - 1e-6, top_p + 1e-6)
                for r in (max(0, random - 1e-5), random + 1e-5)}  # fmt: skip
        assert found in near or naive_draw(ordered, temperature, top_p, random) == found


def test_draws_have_the_frequencies_of_the_softmax() -> None:
    """Chi-squared with 4 degrees of freedom: above 23.5 once in 10,000."""
    values, draws = np.array([2.0, 1.5, 1.4, 0.0, -1.0], np.float32), 2000
    machine, random = drawer(5), np.random.Generator(np.random.Philox(7))
    machine.write("likeliest.values", values)
    machine.write("likeliest.tokens", np.arange(5, dtype=np.int32))
    counts = np.zeros(5)
    for number in random.random(draws):
        machine.launch({"count": 5, "sharpen": 1 / 0.8, "top_p": 1.0, "random": number}, max_cycles=5_000)
        counts[machine.read("token")[0, 0, 0]] += 1
    expected = np.exp(values.astype(float) / 0.8)
    expected *= draws / expected.sum()
    assert ((counts - expected) ** 2 / expected).sum() < 23.5


@FEW
@given(sides, st.integers(1, 40), st.integers(1, 20), st.sampled_from([f32, f16]), wafers)
def test_hidden_vector_to_token(side, vocabulary, features, dtype, wafer) -> None:
    """Logits and the likeliest one after the other; all logits negative, so that the zeros of pads would win."""
    grid, random = SmallGrid(*side), np.random.default_rng(features)
    words = -np.abs(random.standard_normal((vocabulary, features)) + 0.1).astype(dtype.numpy)
    x = np.abs(random.standard_normal(features) + 0.1).astype(dtype.numpy)
    table = make_table(grid.build, "words", dtype, vocabulary, features, grid.region)
    hidden = grid.vector("hidden", table.features, Axis.Y, x, dtype=dtype)
    values = logits.make_logits(grid.build, table, room=likeliest.room(table.rows.size))
    search = likeliest.make_search(grid.build, table.rows.size, grid.region)
    line_x, line_y = grid.line(Axis.X), grid.line(Axis.Y)
    logits.emit(grid.pe, line_y, hidden, table, values)
    likeliest.emit(grid.pe.on(grid.region[:, line_y.root]), line_x, values, table, search)
    grid.inputs[table.data] = table.tiles(words)
    machine = grid.run(wafer)
    found = table.rows.join(machine.read("logits")[line_y.root, :, : table.rows.size])
    np.testing.assert_allclose(found, words.astype(np.float64) @ x.astype(np.float64), rtol=1e-5)
    assert (machine.read("token")[line_y.root] == int(np.argmax(found))).all()
