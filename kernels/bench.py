"""A program of one kernel in the making, for examples."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import DType, Wafer, f32
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.blocks import Blocks, vector_tiles
from wse_sim.kernels.collective.line import Line, make_line
from wse_sim.kernels.contract import Example, Expected, Shape
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer

Floats = NDArray[np.floating[Any]]


@dataclass
class Bench:
    """A program in the making, with what goes in and what must come out."""

    wafer: Wafer
    dtype: DType
    shape: Shape
    seed: int
    inputs: dict[str, NDArray[Any]] = field(default_factory=dict)
    outputs: dict[str, Expected] = field(default_factory=dict)
    arguments: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.build = Builder(self.shape["width"], self.shape["height"])
        self.random = np.random.default_rng(self.seed)
        self.region = self.build.grid

    @property
    def pe(self) -> Code:
        """Code of the whole rectangle."""
        return self.build.main()

    def line(self, axis: Axis, words: int = 1) -> Line:
        """Lines along an axis of the rectangle, planned for vectors of some length."""
        return make_line(self.build, self.region, axis, name=axis.value, wafer=self.wafer, words=words)

    def values(self, *shape: int, spread: float = 1.0) -> Floats:
        """Random numbers of the example's type."""
        return (self.random.standard_normal(shape) * spread).astype(self.dtype.numpy)

    def vector(self, name: str, values: Floats | None, blocks: Blocks, axis: Axis) -> Buffer:
        """A buffer for a vector split along `axis`, and its values unless it is an output."""
        if values is not None:
            self.inputs[name] = self.everywhere(vector_tiles(values, blocks, axis))
        return self.build.buffer(name, self.dtype, blocks.size, on=self.region)

    @property
    def sums(self) -> DType:
        """The type in which products are added up: f32 if the shape says `single`."""
        return f32 if self.shape["single"] else self.dtype

    def expect(self, name: str, values: NDArray[Any], blocks: Blocks, axis: Axis) -> None:
        """That a buffer ends up with a vector split along `axis`, bit for bit, its pads 0."""
        self.outputs[name] = Expected(vector_tiles(values, blocks, axis))

    def done(self, cost: int, bound: int) -> Example:
        """The finished example."""
        cycles = self.wafer.task_switch_cycles + cost
        return Example(self.build.finish(), self.inputs, self.outputs, cycles, bound, self.arguments)

    def everywhere(self, tiles: NDArray[Any]) -> NDArray[Any]:
        """Tiles of one row or column, (height, width, length), repeated on all PEs."""
        return np.broadcast_to(tiles, (self.region.height, self.region.width, tiles.shape[2]))
