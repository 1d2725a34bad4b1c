"""A small grid to run a piece of a decode step on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim import WSE3, DType, Wafer, f32, toy
from wse_sim.engine.machine import Machine
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.blocks import Blocks, vector_tiles
from wse_sim.kernels.collective.line import Line, make_line
from wse_sim.program.builder import Builder
from wse_sim.program.memory import Buffer

Array = NDArray[Any]
WAFERS: Mapping[str, Wafer] = {"WSE-2": toy(8, 8), "WSE-3": WSE3.crop(8, 8)}


class SmallGrid:
    """A builder with the things that every piece needs: buffers with values, lines, code for all PEs.

    The rectangle lies somewhere inside the program's, so that nobody takes places for absolute.
    """

    def __init__(self, width: int, height: int) -> None:
        self.build = Builder(width + 2, height + 3)
        self.region = self.build.grid[1 : width + 1, 2 : height + 2]
        self._task = self.build.task("step", start=self.region)
        self.inputs: dict[Buffer, Array] = {}

    @property
    def pe(self) -> Any:
        return self.build.on(self.region, self._task)

    def line(self, axis: Axis) -> Line:
        return make_line(self.build, self.region, axis, name=axis.value)

    def vector(
        self, name: str, blocks: Blocks, axis: Axis, values: Array | None = None, dtype: DType = f32
    ) -> Buffer:
        """A buffer for a vector split along an axis, filled from the host or zero."""
        made = self.build.buffer(name, dtype, blocks.size, on=self.region)
        if values is not None:
            self.inputs[made] = vector_tiles(values, blocks, axis)
        return made

    def machine(self, wafer: str = "WSE-2") -> Machine:
        """The program loaded, its inputs written."""
        made = Machine(self.build.finish(), WAFERS[wafer])
        for buffer, values in self.inputs.items():
            made.write(buffer, values)
        return made

    def run(self, wafer: str = "WSE-2", **arguments: float) -> Machine:
        """The program loaded and launched once."""
        made = self.machine(wafer)
        made.launch(arguments, max_cycles=200_000)
        return made


def error(found: Array, wanted: Array) -> float:
    """Largest error, relative to the largest magnitude wanted."""
    wide = np.asarray(wanted, np.float64)
    return float(np.abs(found.astype(np.float64) - wide).max() / np.abs(wide).max())


def read_vector(tiles: Array, blocks: Blocks, axis: Axis) -> Array:
    """The vector (total,) out of what PEs hold, (height, width, size): those of the first row or column."""
    return blocks.join(tiles.take(0, axis=1 - axis.dimension))
