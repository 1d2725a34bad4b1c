"""Laws that the counts of any run obey: nothing is lost, nothing is made."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from wse_sim.report.report import Report


def broken_laws(report: Report) -> tuple[str, ...]:
    """What does not add up, in words."""
    return (*_cycles(report), *_wavelets(report))


def _cycles(report: Report) -> Iterator[str]:
    sums = report.states.sum(axis=-1)
    for row, column in np.argwhere(sums != report.cell_cycles)[:1].tolist():
        place = (column * report.tile, row * report.tile)
        yield f"states of PE {place} sum to {sums[row, column]}, not to {report.cell_cycles[row, column]} cycles"
    if not np.array_equal(report.sections.cycles.sum(axis=0), report.states.sum(axis=(0, 1))):
        yield "PE-cycles of the sections differ from those of the PEs"
    if report.sections.operations.sum() != report.work.operations.sum():
        yield "arithmetic operations of the sections differ from those of the PEs"


def _wavelets(report: Report) -> Iterator[str]:
    links = report.links
    lost = links.injections + links.hosted + links.copies - links.deliveries - links.held - links.dropped
    for color in np.flatnonzero(lost)[:1].tolist():
        yield f"{lost[color]} wavelets of colour {links.colors[color]} are neither delivered nor held"
    for name, grid, totals in (
        ("hops", links.wavelets, links.hops),
        ("injections", links.injected, links.injections),
        ("deliveries", links.delivered, links.deliveries),
    ):
        if grid.sum() != totals.sum():
            yield f"{name} of the PEs, {grid.sum()}, differ from those of the colours, {totals.sum()}"
    if not np.array_equal(links.color_steps.sum(axis=1), links.hops):
        yield "steps of the colours to the four sides do not sum to their hops"
    if links.color_blocked.sum() != links.blocked.sum():
        yield f"cycles held up differ: {links.color_blocked.sum()} by colour, {links.blocked.sum()} by link"
