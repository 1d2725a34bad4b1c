"""Tables of rows, as token and position embeddings: blocks of rows on x, blocks of features on y.

PE (x, y) holds rows from x * rows.size on of features from y * features.size on, feature-major: element (row,
feature) is at feature * pitch + row; those past the end are 0. Each feature begins at the first bank, so that
the logits' map over features reads side by side and meets its destination's banks as seldom as can be: with
rows one after the other it would take up to twice the cycles on WSE-3. To read one row costs the same.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from wse_sim.hardware import DType, Region
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.blocks import Array, Blocks, counts_of, starts_of
from wse_sim.program.builder import ALIGNMENT, Builder
from wse_sim.program.memory import Buffer


@dataclass(frozen=True, eq=False)
class Table:
    """A table in the SRAM of a rectangle of PEs.

    data     [features.size * pitch] of the table's type
    start    i32[1]: first row of the PE
    count    i32[1]: rows of the PE that exist
    """

    data: Buffer
    start: Buffer
    count: Buffer
    rows: Blocks
    features: Blocks

    @property
    def pitch(self) -> int:
        """Elements from one feature of a row to the next."""
        return self.data.length // self.features.size

    def tiles(self, matrix: Array) -> Array:
        """A matrix (rows, features) as what each PE holds, (height, width, length), to write into `data`."""
        dealt = self.features.deal(self.rows.deal(matrix, 0), 2)  # (width, row, height, feature)
        tiles = dealt.transpose(2, 0, 3, 1)  # (height, width, feature, row)
        padded = np.pad(tiles, [(0, 0), (0, 0), (0, 0), (0, self.pitch - self.rows.size)])
        return padded.reshape(self.features.parts, self.rows.parts, self.data.length)


def make_table(build: Builder, name: str, dtype: DType, rows: int, features: int, region: Region) -> Table:
    """Room for a (rows, features) table on a rectangle, with its constants."""
    on_x, on_y = Blocks(rows, region.width), Blocks(features, region.height)
    period = ALIGNMENT // dtype.bytes
    pitch = -(-on_x.size // period) * period
    return Table(
        data=build.buffer(name, dtype, on_y.size * pitch, on=region),
        start=starts_of(build, f"{name}.start", on_x, Axis.X, region),
        count=counts_of(build, f"{name}.count", on_x, Axis.X, region),
        rows=on_x,
        features=on_y,
    )
