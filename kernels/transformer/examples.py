"""The kernels of this folder put to work on shapes that tests draw, with inputs from a seed."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import DType, Wafer, f32
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective.line import Line, make_line
from wse_sim.kernels.contract import Example, Expected, Shape
from wse_sim.kernels.transformer.blocks import Blocks, vector_tiles
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer

Floats = NDArray[np.floating[Any]]
EPSILON = 1e-5
SCALE = 0.75


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

    def line(self, axis: Axis) -> Line:
        """A line along an axis of the rectangle."""
        return make_line(self.build, self.region, axis)

    def values(self, *shape: int, spread: float = 1.0) -> Floats:
        """Random numbers of the example's type."""
        return (self.random.standard_normal(shape) * spread).astype(self.dtype.numpy)

    def vector(self, name: str, values: Floats | None, blocks: Blocks, axis: Axis) -> Buffer:
        """A buffer for a vector split along `axis`, and its values unless it is an output."""
        if values is not None:
            self.inputs[name] = self._everywhere(vector_tiles(values, blocks, axis))
        return self.build.buffer(name, self.dtype, blocks.size, on=self.region)

    def expect(self, name: str, values: NDArray[Any], blocks: Blocks, axis: Axis, tolerance: float) -> None:
        """That a buffer ends up with a vector split along `axis`, its pads 0."""
        self.outputs[name] = Expected(vector_tiles(values, blocks, axis), tolerance=tolerance)

    def tolerance(self, single: float, half: float = 1e-3) -> float:
        """The error allowed to results in f32, or in f16."""
        return single if self.dtype is f32 else half

    def done(self, cost: int, bound: int) -> Example:
        """The finished example."""
        return Example(self.build.finish(), self.inputs, self.outputs, cost, bound, self.arguments)

    def _everywhere(self, tiles: NDArray[Any]) -> NDArray[Any]:
        return np.broadcast_to(tiles, (self.region.height, self.region.width, tiles.shape[2]))
