"""The keys and values of all tokens so far on a rectangle: features in blocks on x, tokens in turn on y.

Token t lies on row t % rows in slot t // rows, so that the rows fill evenly and nothing ever moves.
keys    (size, slots) on each PE, feature-major: a feature's keys side by side, as scores need them
values  (slots, size) on each PE, token-major: a token's values side by side, as the weighted sum needs them
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wse_sim.hardware import DType, Region, Wafer, f32, i32
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.blocks import Array, Blocks, spread, turn_tiles
from wse_sim.kernels.price import Price
from wse_sim.kernels.views import Operand, whole
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer
from wse_sim.program.register import Register


@dataclass(frozen=True, eq=False)
class KVCache:
    """One layer's cache.

    keys, values  [features.size * slots]
    rows          PEs that tokens are dealt to, along y
    slots         tokens that a PE has room for
    """

    keys: Buffer
    values: Buffer
    features: Blocks
    rows: int
    slots: int

    def key_tiles(self, keys: Array) -> Array:
        """Keys (tokens, features) as what each PE holds, (height, width, length), for `keys`."""
        tiles = self.value_tiles(keys)
        turned = tiles.reshape(*tiles.shape[:2], self.slots, self.features.size).swapaxes(2, 3)
        return turned.reshape(tiles.shape)

    def value_tiles(self, values: Array) -> Array:
        """Values (tokens, features) as what each PE holds, (height, width, length), for `values`."""
        return turn_tiles(values, self.rows, self.slots, self.features)


@dataclass(frozen=True, eq=False)
class Tokens:
    """Where the newest token lies, and how many tokens a PE holds with it: registers that serve every layer.

    mine   1 on the row of the newest token, else 0
    slot   slot of the newest token, on its row
    count  tokens on this row
    """

    mine: Register
    slot: Register
    count: Register


def make_cache(
    build: Builder, name: str, dtype: DType, features: int, context: int, region: Region, *, shards: int = 1
) -> KVCache:
    """Room for `context` tokens on a rectangle."""
    blocks, slots = Blocks(features, region.width, shards), -(-context // region.height)
    return KVCache(
        keys=build.buffer(f"{name}.keys", dtype, blocks.size * slots, on=region),
        values=build.buffer(f"{name}.values", dtype, blocks.size * slots, on=region, bank_offset=8),
        features=blocks,
        rows=region.height,
        slots=slots,
    )


def rows_of(build: Builder, region: Region) -> Buffer:
    """i32[1] on each PE: its row within the rectangle."""
    return build.constant("row", i32, spread(np.arange(region.height), Axis.Y), on=region)


def locate(pe: Code, position: Register, own_row: Buffer, rows: int) -> Tokens:
    """Where the token at `position` lies: one division per step, none where `rows` is a power of two."""
    position = pe.use(position)
    if rows & (rows - 1):
        slot = position // rows
        row = position - slot * rows
    else:
        slot = pe.scalar("ishr", position, rows.bit_length() - 1)
        row = position & (rows - 1)
    own = pe.load(own_row)
    return Tokens(mine=own.equals(row), slot=slot, count=(own <= row) + slot)


def cost_of_locating(wafer: Wafer, rows: int) -> int:
    """Cycles of `locate`."""
    division = "idiv imul isub" if rows & (rows - 1) else "ishr iand"
    return Price(wafer).scalar(f"{division} load ieq ile iadd")


def cost(wafer: Wafer, size: int, *, dtype: DType = f32, cache: DType | None = None) -> int:
    """Cycles of `emit` for blocks of `size` features, on the row of the newest token."""
    price, kept = Price(wafer), cache or dtype
    return wafer.branch_not_taken_cycles + 2 * price.vector("mov", size, kept, dtype) + price.scalar("imul")


def emit(pe: Code, k: Operand, v: Operand, cache: KVCache, tokens: Tokens) -> None:
    """Appends a key and a value (size,), split on x and the same on all rows; rounds to the cache's type."""
    size = cache.features.size
    with pe.builder.section("append"), pe.when(tokens.mine):
        pe.mov(cache.keys.at(tokens.slot, size, stride=cache.slots), whole(k))
        pe.mov(cache.values.at(pe.use(tokens.slot) * size, size), whole(v))
