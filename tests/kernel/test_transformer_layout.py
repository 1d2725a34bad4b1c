"""Who holds what: blocks, tables, head slots and caches, against loops over single elements."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from kernel.small_grid import read_vector

from wse_sim import ProgramError, f16, f32
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.blocks import Blocks, counts_of, vector_tiles
from wse_sim.kernels.transformer.heads import head_slots
from wse_sim.kernels.transformer.kv_cache import make_cache
from wse_sim.kernels.transformer.table import make_table
from wse_sim.program.builder import Builder

parts, sizes = st.integers(1, 7), st.integers(1, 40)


@given(sizes, parts)
def test_blocks_hold_each_element_once_in_order(total: int, n: int) -> None:
    blocks = Blocks(total, n)
    held = [list(range(s, s + c)) for s, c in zip(blocks.starts, blocks.counts, strict=True)]
    assert [i for block in held for i in block] == list(range(total))
    assert max(map(len, held)) == blocks.size == -(-total // n)


@given(sizes, parts, st.integers(0, 1))
def test_dealing_pads_with_zeros_and_joining_undoes_it(total: int, n: int, dimension: int) -> None:
    blocks = Blocks(total, n)
    values = np.moveaxis(np.arange(1, 3 * total + 1).reshape(3, total), 1, dimension)
    dealt = blocks.deal(values, dimension)
    assert dealt.shape[dimension : dimension + 2] == (n, blocks.size)
    assert np.count_nonzero(dealt) == 3 * total
    assert np.array_equal(blocks.join(dealt, dimension + 1), values)


@pytest.mark.parametrize("axis", Axis)
def test_a_vector_comes_back_from_its_tiles(axis: Axis) -> None:
    width, height = axis.size(3, 2)
    blocks, values = Blocks(7, 3), np.arange(7.0)
    tiles = np.broadcast_to(vector_tiles(values, blocks, axis), (height, width, blocks.size))
    assert np.array_equal(read_vector(tiles, blocks, axis), values)
    assert (tiles[0, 0, 0], tiles[-1, -1, 0]) == (0, 6)


@given(st.integers(1, 6), st.integers(1, 9), parts)
def test_head_slots_cover_each_feature_with_its_head(heads: int, size: int, n: int) -> None:
    blocks = Blocks(heads * size, n)
    of = head_slots(blocks, heads)
    owner = {}
    for part in range(n):
        for slot in range(of.count[part]):
            assert of.length[part, slot] > 0
            for i in range(of.low[part, slot], of.low[part, slot] + of.length[part, slot]):
                feature = int(blocks.starts[part]) + i
                assert i < blocks.counts[part]
                assert feature not in owner
                owner[feature] = int(of.first[part]) + slot
        assert not of.length[part, of.count[part] :].any()
    assert owner == {f: f // size for f in range(heads * size)}
    assert of.slots == max(1, int(of.count.max()))


@given(st.integers(1, 5), st.integers(1, 5), sizes, st.integers(1, 12), st.sampled_from([f16, f32]))
def test_table_tiles_hold_each_element_where_it_is_said_to_be(w, h, rows, features, dtype) -> None:
    build = Builder(w, h)
    table = make_table(build, "table", dtype, rows, features, build.grid)
    matrix = np.arange(1, rows * features + 1).reshape(rows, features)
    tiles = table.tiles(matrix)
    assert table.pitch * dtype.bytes % 16 == 0
    assert np.count_nonzero(tiles) == rows * features
    for row in range(rows):
        for feature in range(features):
            x, local_row = divmod(row, table.rows.size)
            y, local_feature = divmod(feature, table.features.size)
            assert tiles[y, x, local_feature * table.pitch + local_row] == matrix[row, feature]


@given(st.integers(1, 5), st.integers(1, 5), sizes, st.integers(1, 12), st.data())
def test_cache_tiles_hold_each_token_where_it_is_said_to_be(w, h, context, features, data) -> None:
    build = Builder(w, h)
    cache = make_cache(build, "cache", f32, features, context, build.grid)
    tokens = data.draw(st.integers(0, context))
    matrix = np.arange(1, tokens * features + 1).reshape(tokens, features)
    keys, values = cache.key_tiles(matrix), cache.value_tiles(matrix)
    assert keys.shape == values.shape == (h, w, cache.keys.length)
    assert np.count_nonzero(keys) == np.count_nonzero(values) == tokens * features
    for token in range(tokens):
        for feature in range(features):
            slot, y = divmod(token, h)
            x, local = divmod(feature, cache.features.size)
            at_key, at_value = local * cache.slots + slot, slot * cache.features.size + local
            assert keys[y, x, at_key] == values[y, x, at_value] == matrix[token, feature]


def test_what_does_not_fit_is_refused_in_words() -> None:
    build = Builder(3, 2)
    with pytest.raises(ProgramError, match="expected 3 blocks, one per PE"):
        counts_of(build, "count", Blocks(5, 2), Axis.X, build.grid)
    with pytest.raises(ProgramError, match=r"shape \(4,\).*expected 5 at 0"):
        Blocks(5, 2).deal(np.zeros(4))
    with pytest.raises(ProgramError, match="expected 1 or more"):
        Blocks(0, 2)
    with pytest.raises(ProgramError, match="10 features in 3 heads"):
        head_slots(Blocks(10, 2), 3)
