"""Heat maps over the wafer: a number for each PE, with regions drawn over it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from wse_sim.hardware.geometry import Region
from wse_sim.hardware.states import State
from wse_sim.report.explain import amount, percent
from wse_sim.report.pictures.style import FLAT, MAP, add_color_bar, name_axes, new_axes, set_title, subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from wse_sim.report.grids import Shares
    from wse_sim.report.report import Report

OUTLINED = 32  # PEs a side up to which a heat map has lines between them
Regions = Mapping[str, Region]
NO_REGIONS: Regions = MappingProxyType({})


def draw_utilisation(
    report: Report, *, ax: Axes | None = None, most: float = 100.0, regions: Regions = NO_REGIONS
) -> Axes:
    """Part of its cycles in which each PE was busy, in %.

    most     upper end of the colours in %
    regions  rectangles to outline, by name
    """
    title = f"How busy each PE was: {percent(report.utilisation)} of all PE-cycles"
    ax = heat_map(report, 100 * report.busy, title, "busy, % of the cycles", ax, most)
    return outline(ax, regions)


def draw_state(
    report: Report, *states: State, ax: Axes | None = None, most: float | None = None, regions: Regions = NO_REGIONS
) -> Axes:
    """Part of its cycles that each PE spent in some states, in %.

    most     upper end of the colours in %; default: the largest value
    regions  rectangles to outline, by name
    """
    names = ", ".join(state.name for state in states)
    title = f"{names} on each PE: {percent(report.share(*states))} of all PE-cycles"
    if len(states) == 1:
        title += f"\n({states[0].meaning})"
    ax = heat_map(report, 100 * report.shares(*states), title, f"{names}, % of the cycles", ax, most)
    return outline(ax, regions)


def draw_memory(report: Report, *, ax: Axes | None = None, regions: Regions = NO_REGIONS) -> Axes:
    """Bytes of SRAM that the buffers of each PE take, up to the room there is; of a tile, of its fullest PE."""
    wall = report.memory_wall()
    title = f"SRAM in use: {amount(wall.peak_bytes)} of {amount(wall.limit_bytes)} bytes on {wall.peak_pe}"
    grid = report.sram.peak / 1024
    ax = heat_map(report, grid, title, "SRAM in use, KiB", ax, report.sram.limit / 1024)
    return outline(ax, regions)


def heat_map(
    report: Report, grid: Shares, title: str, label: str, ax: Axes | None, most: float | None, cell: int | None = None
) -> Axes:
    """A picture of the grid, `cell` PEs a side in each of its cells; the last ones may reach beyond the wafer."""
    ax = map_axes(report.width, report.height) if ax is None else ax
    top, side = most or float(grid.max()) or 1.0, cell or report.tile
    extent = (-0.5, grid.shape[1] * side - 0.5, grid.shape[0] * side - 0.5, -0.5)
    aspect = _aspect(report.width, report.height)
    image = ax.imshow(grid, cmap=MAP, vmin=0, vmax=top, extent=extent, aspect=aspect, origin="upper")
    ax.set_xlim(-0.5, report.width - 0.5)
    ax.set_ylim(report.height - 0.5, -0.5)
    _separate(report, ax, grid)
    set_title(ax, title, subject(report))
    name_axes(ax, report.width, report.height)
    add_color_bar(ax, image, label)
    return ax


def map_axes(width: int, height: int) -> Axes:
    """New axes in the shape of a grid: at most 7 inches, a PE at most an inch unless there are few."""
    longest = max(width, height)
    scale = min(max(1.0, 2.5 / longest), 7.0 / longest)
    below = 2.4 if height < FLAT * width else 1.4  # inches for title, labels, colour bar
    return new_axes(max(4.5, scale * width) + 1.2, max(1.0, scale * height) + below)


def outline(ax: Axes, regions: Regions) -> Axes:
    """Draws rectangles with their names over a map."""
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import withStroke

    halo: Any = [withStroke(linewidth=4, foreground="black")]
    for name, region in regions.items():
        left, right, top, bottom = min(region.xs), max(region.xs), min(region.ys), max(region.ys)
        size = (right - left + 1, bottom - top + 1)
        box = Rectangle((left - 0.5, top - 0.5), *size, fill=False, edgecolor="white", linewidth=2, label=name)
        box.set_path_effects(halo)
        ax.add_patch(box)
        middle = ((left + right) / 2, (top + bottom) / 2)
        ax.text(*middle, name, color="white", ha="center", va="center", path_effects=halo, clip_on=True)
    return ax


def _separate(report: Report, ax: Axes, grid: Shares) -> None:
    """White lines between cells, where there is room for them."""
    if report.tile == 1 and max(grid.shape) <= OUTLINED:
        line: dict[str, Any] = {"colors": "white", "linewidth": 0.8}
        ax.vlines(np.arange(report.width - 1) + 0.5, -0.5, report.height - 0.5, **line)
        ax.hlines(np.arange(report.height - 1) + 0.5, -0.5, report.width - 0.5, **line)


def _aspect(width: int, height: int) -> Literal["equal", "auto"]:
    """Square PEs, unless the grid is so narrow that they would be too small to see."""
    long, short = max(width, height), min(width, height)
    return "equal" if long <= 6 * short else "auto"
