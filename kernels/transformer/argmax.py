"""Greedy choice: the token of the largest logit, the lowest of equals, made known to every PE.

logits  [size] on the PEs of the root row of `along_y`, tokens split on x; the first `table.count` count
token   i32[1] on every PE
method  the largest of the row by an all-reduce; where a PE holds it, the first index is found by halving; the
        lowest by a second all-reduce; then a broadcast along y
exact   no arithmetic on values: the result is that of numpy.argmax on the same logits, unless one is NaN
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.hardware import Region, Wafer, f32, i32
from wse_sim.kernels.collective import all_reduce, broadcast
from wse_sim.kernels.collective.line import Line
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.price import Price
from wse_sim.kernels.transformer import softmax
from wse_sim.kernels.transformer.table import Table
from wse_sim.kernels.transformer.views import part
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer, View
from wse_sim.program.register import Register

Floats = NDArray[np.floating[Any]]
NO_TOKEN = 2**31 - 1


def reference(logits: Floats) -> int:
    """Index of the largest of (vocabulary,), the lowest of equals."""
    return int(np.argmax(logits))


def cost(wafer: Wafer, along_x: Tree, along_y: Tree, size: int) -> int:
    """Cycles for `size` tokens on a PE, with the trees of the two lines."""
    price = Price(wafer)
    highest = price.scalar("load store load") + softmax.cost_of_top(wafer, size)
    choose = price.scalar("feq mov") + wafer.branch_not_taken_cycles + _cost_of_halving(price, size)
    choose += price.scalar("load iadd store")
    together = all_reduce.cost(wafer, along_x, 1, operation="max")
    together += all_reduce.cost(wafer, along_x, 1, operation="min", dtype=i32)
    spread = broadcast.cost(wafer, along_y.length, along_y.root, 1, dtype=i32)
    return highest + choose + together + spread


def make_scratch(build: Builder, region: Region) -> Buffer:
    """f32[1], free again after the kernel."""
    return build.buffer("argmax.highest", f32, 1, on=region)


def make_token(build: Builder, region: Region) -> Buffer:
    """i32[1]: the chosen token."""
    return build.buffer("token", i32, 1, on=region)


def emit(
    pe: Code, along_x: Line, along_y: Line, logits: Buffer, table: Table, token: Buffer, scratch: Buffer
) -> None:
    """token = argmax(logits) on every PE; `table` is the one of the logits."""
    with pe.builder.section("argmax"):
        row = pe.on(along_y.axis.part(pe.region, along_y.root))
        with row.scope():
            own = softmax.top(row, _valid(row, logits, table))
            row.store(scratch, own)
            along_x.all_reduce(row, scratch[:], operation="max")
            _store_candidate(row, logits, table, token, own.equals(row.load(scratch)), own)
        along_x.all_reduce(row, token[:], operation="min")
        along_y.broadcast(pe, token[:])


def _valid(pe: Code, logits: Buffer, table: Table) -> View:
    return logits.view(0, pe.load(table.count))


def _store_candidate(
    pe: Code, logits: Buffer, table: Table, token: Buffer, here: Register, top: Register
) -> None:
    """token = the first index of `top` where it is on this PE, a number above all tokens elsewhere."""
    with pe.when(here):
        index = _first_equal(pe, logits, pe.load(table.count), top)
        pe.store(token, index + pe.load(table.start))
        pe.otherwise()
        pe.store(token, NO_TOKEN)


def _first_equal(pe: Code, logits: Buffer, count: Register, top: Register) -> Register:
    """First index of `top`, the largest of `count` logits: goes right where the left half lacks it."""
    low = pe.integer(0)
    for half in _halves(logits.length):
        with pe.scope():
            left = (count - low).minimum(half)
            missing = softmax.top(pe, part(logits, low, left)) < top
            low += missing * half
    return low


def _halves(size: int) -> list[int]:
    """Half of `size`, half of that, and so on to 1, each rounded up."""
    found = []
    while size > 1:
        size = -(-size // 2)
        found.append(size)
    return found


def _cost_of_halving(price: Price, size: int) -> int:
    steps = [softmax.cost_of_top(price.wafer, half) for half in _halves(size)]
    return price.scalar("mov") + sum(steps) + len(steps) * price.scalar("isub imin flt imul iadd")
