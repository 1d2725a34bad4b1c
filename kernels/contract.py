"""What every kernel promises, in a form that tests can walk.

A kernel's module holds what it computes, `reference`, `cost` and `emit`; its `Kernel` record says which shapes it
allows and makes a program of any of them, with inputs, expected outputs and cost. Each family of kernels (sub-folder)
has a module `examples` that lists its records in a tuple `KERNELS`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from importlib import import_module
from typing import Any

from numpy.typing import NDArray

from wse_sim.hardware import DType, Region, Wafer, f32
from wse_sim.program.program import Program

FAMILIES = ("collective", "matrix", "published", "transformer", "prefill", "batch")

Array = NDArray[Any]
Shape = Mapping[str, int]
"""Sizes by name, as `Kernel.sizes` names them."""


@dataclass(frozen=True, eq=False)
class Expected:
    """What a buffer must hold in the end.

    values     broadcastable to (height, width, length) of `region`
    region     where they count; None: wherever the buffer is
    tolerance  largest error, relative to the largest magnitude in `values`; 0: equal bit for bit
    """

    values: Array
    region: Region | None = None
    tolerance: float = 0.0


@dataclass(frozen=True, eq=False)
class Example:
    """A kernel put to work on one shape.

    inputs     (height, width, length) of each buffer that the host writes, by name
    outputs    expected, by name of the buffer
    cost       cycles of one launch by the kernel's closed form
    bound      cycles below which physics forbids to end: words over a link, hops to the farthest PE
    arguments  values of the program's registers
    streams    values of each host stream, by name: (entries, n)
    """

    program: Program
    inputs: Mapping[str, Array]
    outputs: Mapping[str, Expected]
    cost: int
    bound: int = 0
    arguments: Mapping[str, float] = field(default_factory=dict)
    streams: Mapping[str, Array] = field(default_factory=dict)


def _every_shape(_shape: Shape) -> bool:
    return True


@dataclass(frozen=True)
class Kernel:
    """A kernel and the shapes it allows.

    example  makes the program and its data for a wafer, an element type and sizes, from a seed
    sizes    lowest and highest legal value of each size that tests may draw, ends included
    dtypes   element types it works on
    legal    whether sizes, each in its range, go together
    margin   cycles by which `cost` may miss besides 15 %
    """

    name: str
    example: Callable[[Wafer, DType, Shape, int], Example]
    sizes: Mapping[str, tuple[int, int]]
    dtypes: tuple[DType, ...] = (f32,)
    legal: Callable[[Shape], bool] = _every_shape
    margin: int = 16


def all_kernels() -> tuple[Kernel, ...]:
    """Every kernel of every family; imported late, because the families import this module."""
    found: list[Kernel] = []
    for family in FAMILIES:
        found.extend(import_module(f"wse_sim.kernels.{family}.examples").KERNELS)
    return tuple(found)
