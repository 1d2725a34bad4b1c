"""Loops over the rows of the matrices that a PE holds, row after row in its SRAM."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from wse_sim.kernels.price import Price
from wse_sim.program.code import Code
from wse_sim.program.register import Register

Count = int | Register


def times(pe: Code, rows: Count, columns: int) -> Count:
    """rows * columns, at run time if need be."""
    return rows * columns if isinstance(rows, int) else pe.use(rows) * columns


def blocks_of(pe: Code, count: Register, size: int) -> Register:
    """How many blocks of `size` hold `count`, the last one in part."""
    return pe.use(count) if size == 1 else (pe.use(count) + (size - 1)) // size


def cost_of_blocks(price: Price, size: int) -> int:
    """Cycles of `blocks_of`."""
    return 0 if size == 1 else price.scalar("iadd idiv")


@contextmanager
def each_row(pe: Code, rows: Count, *places: tuple[int | Register, int]) -> Iterator[tuple[Register, ...]]:
    """Repeats what is emitted inside for each row.

    places  of each matrix: its first element, and the elements from row to row
    Yields a register for each place: where its row begins.
    """
    with pe.scope():
        at = tuple(pe.integer(first) for first, _ in places)
        with pe.loop(rows):
            yield at
            for place, (_, pitch) in zip(at, places, strict=True):
                place += pitch  # noqa: PLW2901


def cost_of_rows(price: Price, rows: int, row: int, *, places: int = 1) -> int:
    """Cycles of a loop over rows that take `row` each, with so many places."""
    return price.scalar("mov " * places) + price.loop(rows) + rows * (row + price.scalar("iadd " * places))
