"""Some lines of PEs for a collective to be tried on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import DType, Wafer
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.contract import Example, Expected, Shape
from wse_sim.program.builder import Builder

Array = NDArray[Any]
AXES = tuple(Axis)


@dataclass
class Lines:
    """Some lines of PEs and random values for them."""

    wafer: Wafer
    dtype: DType
    shape: Shape
    seed: int

    def __post_init__(self) -> None:
        self.axis = AXES[self.shape["axis"]]
        self.length = self.shape["length"]
        self.build = Builder(*self.axis.size(self.length, self.shape["lines"]))
        self.region = self.build.grid
        self.root = self.shape.get("root", 0) % self.length
        self.random = np.random.default_rng(self.seed)

    def values(self, n: int) -> Array:
        """(length, lines, n)"""
        return random_values(self.dtype, (self.length, self.shape["lines"], n), self.random)

    def placed(self, values: Array) -> Array:
        """(length, lines, n) as the host sees it, (height, width, n)."""
        return np.moveaxis(values, 0, self.axis.dimension)

    def at_root(self, values: Array, root: int) -> Expected:
        """(lines, n) that only the root of each line has."""
        return Expected(self.placed(values[None]), self.axis.part(self.region, root))

    def example(self, inputs: dict[str, Array], outputs: dict[str, Expected], cost: int, bound: int) -> Example:
        placed = {name: self.placed(values) for name, values in inputs.items()}
        return Example(self.build.finish(), placed, outputs, self.wafer.task_switch_cycles + cost, bound)


def random_values(dtype: DType, size: tuple[int, ...], seed: int | np.random.Generator) -> Array:
    random = np.random.default_rng(seed)
    if dtype.is_float:
        return random.standard_normal(size).astype(dtype.numpy)
    return random.integers(-(2**31), 2**31, size).astype(dtype.numpy)
