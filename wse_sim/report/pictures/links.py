"""Traffic of the links on the wafer: arrows where there is room, else a heat map; wavelets, or backpressure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wse_sim.hardware.geometry import Direction
from wse_sim.report.explain import amount, percent, wavelets_text
from wse_sim.report.pictures.heat import NO_REGIONS, Regions, heat_map, map_axes, outline
from wse_sim.report.pictures.style import MAP, add_color_bar, name_axes, set_title, subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from wse_sim.report.grids import Counts, Shares
    from wse_sim.report.report import Report

ARROWS = 16  # PEs a side up to which links are drawn one by one
NUMBERS = 8  # PEs a side up to which each arrow says its wavelets
PIXELS = 400  # cells a side that a heat map of maxima shows apart
_BODY = 0.25  # half the side of a PE's square
_ASIDE = 0.11  # of the two directions between a pair of PEs


def draw_links(
    report: Report,
    *,
    ax: Axes | None = None,
    most: float | None = None,
    direction: Direction | None = None,
    blocked: bool = False,
    regions: Regions = NO_REGIONS,
) -> Axes:
    """Traffic of the links: an arrow per link, on large grids the PE's busiest one, or the one in a direction.

    Wavelets are in % of what a link can carry; backpressure in cycles, in % of the run, added over colours.

    most       upper end of the colours in %; default: the largest value
    direction  only links that leave a PE to this side
    blocked    backpressure instead of wavelets: cycles in which a wavelet at the link's end could not go on
    regions    rectangles to outline, by name
    """
    counts = report.links.blocked if blocked else report.links.wavelets
    if direction is not None:
        counts = np.where(np.arange(4) == direction, counts, 0)
    title = _blocked_title(report, counts) if blocked else _wavelets_title(report, direction)
    unit = "backpressure, % of the cycles" if blocked else "wavelets, % of the cycles"
    if report.tile == 1 and max(report.width, report.height) <= ARROWS:
        return outline(_arrows(report, counts, title, unit, ax, most), regions)
    shares = 100 * (counts / np.maximum(report.cell_cycles, 1)[..., None]).max(axis=-1)
    cell = report.tile * _reduction(shares)
    which = "busiest link" if direction is None else f"link to the {direction.name}"
    label = f"{which} leaving the PE: {unit}"
    if report.tile > 1:
        side = "busiest side" if direction is None else direction.name
        label = f"links of each {report.tile} x {report.tile} PEs, {side}: mean {unit}"
    elif cell > 1:
        label = f"{which} in each {cell} x {cell} PEs: {unit}"
    return outline(heat_map(report, _maxima(shares), title, label, ax, most, cell), regions)


def _wavelets_title(report: Report, direction: Direction | None) -> str:
    head = "Traffic of the links" if direction is None else f"Traffic of the links to the {direction.name}"
    found = [link for link in report.busiest_links(64) if direction in (None, link.direction)]
    if not found:
        return f"{head}: no wavelet left its PE" if direction is None else head
    x, y, way, wavelets, share, _ = found[0]
    return f"{head}\nbusiest: PE ({x}, {y}) {way}, {wavelets_text(wavelets)}, {percent(share)} of the cycles"


def _blocked_title(report: Report, counts: Counts) -> str:
    head = "Backpressure: wavelets that could not go on"
    if not counts.any():
        return f"{head}, nowhere"
    row, column, way = np.unravel_index(int(counts.argmax()), counts.shape)
    place = report.box_of(int(row * counts.shape[1] + column))
    return f"{head}\nmost behind {place} {Direction(int(way))}: {amount(float(counts.max()))} cycles, colours added up"


def _reduction(grid: Shares) -> int:
    return int(-(-max(grid.shape) // PIXELS))


def _maxima(grid: Shares) -> Shares:
    """Largest values of squares of cells, so that no hot link is lost between the pixels."""
    step = _reduction(grid)
    rows = np.maximum.reduceat(grid, np.arange(0, grid.shape[0], step), axis=0)
    found: Shares = np.maximum.reduceat(rows, np.arange(0, grid.shape[1], step), axis=1)
    return found


# -- arrows -----------------------------------------------------------------------------------------------


def _arrows(report: Report, counts: Counts, title: str, unit: str, ax: Axes | None, most: float | None) -> Axes:
    """PEs as squares, every link that has something to show as an arrow between two of them."""
    ax = map_axes(report.width, report.height) if ax is None else ax
    y, x, to = np.nonzero(counts)
    dx, dy = np.array([d.dx for d in Direction])[to], np.array([d.dy for d in Direction])[to]
    shares = 100 * counts[y, x, to] / max(report.cycles, 1)
    start_x, start_y = x + _BODY * dx - _ASIDE * dy, y + _BODY * dy + _ASIDE * dx
    length = 1 - 2 * _BODY
    arrows = ax.quiver(
        start_x, start_y, length * dx, length * dy, shares, cmap=MAP, clim=(0, most or max([*shares, 0.0]) or 1.0),
        angles="xy", scale_units="xy", scale=1, units="xy", width=0.07, headlength=3, headaxislength=3,
        minshaft=1, minlength=0, zorder=2,
    )  # fmt: skip
    _squares(report, ax)
    if max(report.width, report.height) <= NUMBERS:
        title = title.replace("links\n", "links, with wavelets as numbers\n")
        for i in range(len(x)):
            middle = (start_x[i] + length * dx[i] / 2, start_y[i] + length * dy[i] / 2)
            _number(ax, middle, (float(dx[i]), float(dy[i])), amount(float(counts[y[i], x[i], to[i]])))
    ax.set_xlim(-0.5, report.width - 0.5)
    ax.set_ylim(report.height - 0.5, -0.5)
    ax.set_aspect("equal")
    set_title(ax, title, subject(report))
    name_axes(ax, report.width, report.height)
    if len(x):
        add_color_bar(ax, arrows, unit)
    return ax


def _squares(report: Report, ax: Axes) -> None:
    from matplotlib.collections import PatchCollection
    from matplotlib.patches import Rectangle

    corners = [(x - _BODY, y - _BODY) for y in range(report.height) for x in range(report.width)]
    squares = [Rectangle(corner, 2 * _BODY, 2 * _BODY) for corner in corners]
    ax.add_collection(PatchCollection(squares, facecolor="0.93", edgecolor="0.6", linewidth=0.6, zorder=1))


def _number(ax: Axes, middle: tuple[float, float], along: tuple[float, float], text: str) -> None:
    """Beside the arrow, on the side away from the one that comes back."""
    dx, dy = along
    x, y = middle[0] - 0.09 * dy, middle[1] + 0.09 * dx
    align = {-1.0: "left", 1.0: "right", 0.0: "center"}[dy]
    upright = {-1.0: "bottom", 1.0: "top", 0.0: "center"}[dx]
    ax.text(x, y, text, ha=align, va=upright, fontsize=7)
