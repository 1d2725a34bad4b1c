"""Tables of rows, as token and position embeddings: blocks of rows on x, blocks of features on y.

PE (x, y) holds rows x * rows.size ... of features y * features.size ..., row-major: element (row, feature) at
row * features.size + feature. Rows and features past the end are 0.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wse_sim.hardware import DType, Region
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.transformer.blocks import Array, Blocks, counts_of, starts_of
from wse_sim.program.builder import Builder
from wse_sim.program.memory import Buffer


@dataclass(frozen=True, eq=False)
class Table:
    """A table in the SRAM of a rectangle of PEs.

    data     [rows.size * features.size] of the table's type
    start    i32[1]: first row of the PE
    count    i32[1]: rows of the PE that exist
    """

    data: Buffer
    start: Buffer
    count: Buffer
    rows: Blocks
    features: Blocks

    def tiles(self, matrix: Array) -> Array:
        """A matrix (rows, features) as what each PE holds, (height, width, length), to write into `data`."""
        dealt = self.features.deal(self.rows.deal(matrix, 0), 2)  # (width, row, height, feature)
        tiles = np.moveaxis(dealt, 2, 0)  # (height, width, row, feature)
        return tiles.reshape(self.features.parts, self.rows.parts, self.data.length)


def make_table(build: Builder, name: str, dtype: DType, rows: int, features: int, region: Region) -> Table:
    """Room for a (rows, features) table on a rectangle, with its constants."""
    on_x, on_y = Blocks(rows, region.width), Blocks(features, region.height)
    return Table(
        data=build.buffer(name, dtype, on_x.size * on_y.size, on=region),
        start=starts_of(build, f"{name}.start", on_x, Axis.X, region),
        count=counts_of(build, f"{name}.count", on_x, Axis.X, region),
        rows=on_x,
        features=on_y,
    )
