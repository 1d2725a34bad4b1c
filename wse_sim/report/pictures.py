"""Pictures of a report, for matplotlib: heat maps over the wafer, bars of sections.

Axes that are given should be of a figure with layout="constrained", which makes room for labels and colour bars.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from wse_sim.hardware.geometry import Direction
from wse_sim.hardware.states import GROUPS, State
from wse_sim.report.explain import amount, percent, wavelets_text

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from wse_sim.report.grids import Shares
    from wse_sim.report.report import Report

MAP = "cividis"  # read alike with every kind of colour vision
ARROWS = 16  # PEs a side up to which links are drawn one by one
NUMBERS = 8  # PEs a side up to which each arrow says its wavelets
OUTLINED = 32  # PEs a side up to which a heat map has lines between them
PIXELS = 400  # cells a side that a heat map of maxima shows apart

COLORS: dict[State, str] = {
    State.MAC: "#08306b", State.ARITH: "#2171b5", State.MATH: "#4292c6", State.REDUCE: "#6baed6",
    State.MOVE: "#9ecae1", State.SCALAR: "#c6dbef",
    State.PORT_STALL: "#7f2704", State.BANK_STALL: "#d94801", State.PENDING_WRITE: "#fdae6b",
    State.INPUT_WAIT: "#f0e442", State.OUTPUT_BLOCKED: "#b8a800",
    State.SLOT_WAIT: "#3f007d", State.OVERHEAD: "#807dba", State.TASK_SWITCH: "#bcbddc",
    State.WEIGHT_WAIT: "#cc79a7", State.IDLE: "#e5e5e5",
}  # fmt: skip
"""One hue per group of states."""

_HATCHES = {"memory": "xxx", "fabric": "///", "weights": "...", "issue": "", "busy": "", "idle": ""}


# -- heat maps ----------------------------------------------------------------------------------------------


def draw_utilisation(report: Report, *, ax: Axes | None = None, most: float = 100.0) -> Axes:
    """Part of its cycles in which each PE was busy, in %.

    most  upper end of the colours in %
    """
    title = f"How busy each PE was: {percent(report.utilisation)} of all PE-cycles"
    return _heat_map(report, 100 * report.busy, title, "busy, % of the cycles", ax, most)


def draw_state(report: Report, state: State, *, ax: Axes | None = None, most: float | None = None) -> Axes:
    """Part of its cycles that each PE spent in a state, in %.

    most  upper end of the colours in %; default: the largest value
    """
    title = f"{state.name} on each PE: {percent(report.share(state))} of all PE-cycles\n({state.meaning})"
    return _heat_map(report, 100 * report.shares(state), title, f"{state.name}, % of the cycles", ax, most)


def draw_links(report: Report, *, ax: Axes | None = None, most: float | None = None) -> Axes:
    """Traffic of the links, in % of what they can carry: an arrow per link, on large grids the PE's busiest one.

    most  upper end of the colours in %; default: the largest value
    """
    title = _links_title(report)
    if report.tile == 1 and max(report.width, report.height) <= ARROWS:
        return _arrows(report, title, ax, most)
    shares = 100 * (report.links.wavelets / np.maximum(report.cell_cycles, 1)[..., None]).max(axis=-1)
    cell, label = report.tile * _reduction(shares), "busiest link leaving the PE, % of the cycles"
    if report.tile > 1:
        label = f"links of each {report.tile} x {report.tile} PEs, busiest side, mean % of the cycles"
    elif cell > 1:
        label = f"busiest link in each {cell} x {cell} PEs, % of the cycles"
    return _heat_map(report, _maxima(shares), title, label, ax, most, cell)


def _links_title(report: Report) -> str:
    busiest = report.busiest_links(1)
    if not busiest:
        return "Traffic of the links: no wavelet left its PE"
    x, y, direction, wavelets, share, _ = busiest[0]
    return (
        f"Traffic of the links\nbusiest: PE ({x}, {y}) {direction}, {wavelets_text(wavelets)}, {percent(share)} of "
        "the cycles"
    )


def _reduction(grid: Shares) -> int:
    return int(-(-max(grid.shape) // PIXELS))


def _maxima(grid: Shares) -> Shares:
    """Largest values of squares of cells, so that no hot link is lost between the pixels."""
    step = _reduction(grid)
    rows = np.maximum.reduceat(grid, np.arange(0, grid.shape[0], step), axis=0)
    found: Shares = np.maximum.reduceat(rows, np.arange(0, grid.shape[1], step), axis=1)
    return found


def _heat_map(
    report: Report, grid: Shares, title: str, label: str, ax: Axes | None, most: float | None, cell: int | None = None
) -> Axes:
    """A picture of the grid, `cell` PEs a side in each of its cells; the last ones may reach beyond the wafer."""
    ax = _axes(report) if ax is None else ax
    top, side = most or float(grid.max()) or 1.0, cell or report.tile
    extent = (-0.5, grid.shape[1] * side - 0.5, grid.shape[0] * side - 0.5, -0.5)
    image = ax.imshow(grid, cmap=MAP, vmin=0, vmax=top, extent=extent, aspect=_aspect(report), origin="upper")
    ax.set_xlim(-0.5, report.width - 0.5)
    ax.set_ylim(report.height - 0.5, -0.5)
    _outline(report, ax, grid)
    _finish(report, ax, title)
    _color_bar(ax, image, label)
    return ax


def _outline(report: Report, ax: Axes, grid: Shares) -> None:
    """White lines between cells, where there is room for them."""
    if report.tile == 1 and max(grid.shape) <= OUTLINED:
        line: dict[str, Any] = {"colors": "white", "linewidth": 0.8}
        ax.vlines(np.arange(report.width - 1) + 0.5, -0.5, report.height - 0.5, **line)
        ax.hlines(np.arange(report.height - 1) + 0.5, -0.5, report.width - 0.5, **line)


def _aspect(report: Report) -> Literal["equal", "auto"]:
    """Square PEs, unless the grid is so narrow that they would be too small to see."""
    long, short = max(report.width, report.height), min(report.width, report.height)
    return "equal" if long <= 6 * short else "auto"


# -- arrows -------------------------------------------------------------------------------------------------

_BODY = 0.25  # half the side of a PE's square
_ASIDE = 0.11  # of the two directions between a pair of PEs


def _arrows(report: Report, title: str, ax: Axes | None, most: float | None) -> Axes:
    """PEs as squares, every link that carried wavelets as an arrow between two of them."""
    ax = _axes(report) if ax is None else ax
    wavelets = report.links.wavelets
    y, x, to = np.nonzero(wavelets)
    dx, dy = np.array([d.dx for d in Direction])[to], np.array([d.dy for d in Direction])[to]
    shares = 100 * wavelets[y, x, to] / max(report.cycles, 1)
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
            _number(ax, middle, (float(dx[i]), float(dy[i])), amount(float(wavelets[y[i], x[i], to[i]])))
    ax.set_xlim(-0.5, report.width - 0.5)
    ax.set_ylim(report.height - 0.5, -0.5)
    ax.set_aspect("equal")
    _finish(report, ax, title)
    if len(x):
        _color_bar(ax, arrows, "wavelets, % of the cycles")
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


# -- sections -----------------------------------------------------------------------------------------------


def draw_sections(report: Report, *, ax: Axes | None = None) -> Axes:
    """PE-cycles of each section as a bar, its parts the states; sections in the program's order."""
    from matplotlib.ticker import EngFormatter

    sums = report.sections.cycles.sum(axis=1)
    rows = np.flatnonzero(sums)
    ax = _new_axes(8.0, 1.6 + 0.4 * max(len(rows), 3)) if ax is None else ax
    for state in (state for members in GROUPS.values() for state in members):
        _bars(report, ax, rows, state)
    for place, row in enumerate(rows):
        share = percent(sums[row] / max(report.cycles * report.pes, 1))
        ax.text(sums[row], place, f" {share}", va="center", fontsize=9)
    ax.set_yticks(range(len(rows)), [_section_name(report, int(i)) for i in rows])
    ax.set_ylim(max(len(rows), 1) - 0.4, -0.6)
    ax.set_xlim(0, 1.12 * max([*sums.tolist(), 1]))
    ax.xaxis.set_major_formatter(EngFormatter(sep=" "))
    ax.set_xlabel("PE-cycles (% of all PE-cycles beside each bar)")
    ax.set_title(f"What PEs did in each section of the program\n{_subject(report)}", fontsize=10)
    ax.spines[["top", "right"]].set_visible(False)
    if len(rows):
        ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8)
    return ax


def _section_name(report: Report, section: int) -> str:
    """Instructions of no section belong to the first, which is named as the whole."""
    name = report.sections.names[section]
    return f"{name} (outside sections)" if section == 0 and len(report.sections.names) > 1 else name


def _bars(report: Report, ax: Axes, rows: Any, state: State) -> None:
    """The state's part of each bar, after those of the states before it."""
    order = [s for members in GROUPS.values() for s in members]
    before = order[: order.index(state)]
    widths = report.sections.cycles[rows, state]
    label = "IDLE (afterwards)" if state is State.IDLE else state.name
    if widths.any():
        ax.barh(
            np.arange(len(rows)), widths, left=report.sections.cycles[rows][:, before].sum(axis=1), label=label,
            color=COLORS[state], edgecolor="white", linewidth=0.4, hatch=_HATCHES[state.group],
        )  # fmt: skip


_FLAT = 0.4  # height over width below which a picture is a strip

# -- axes ---------------------------------------------------------------------------------------------------


def _axes(report: Report) -> Axes:
    """New axes in the shape of the grid: at most 7 inches, a PE at most an inch unless there are few."""
    longest = max(report.width, report.height)
    scale = min(max(1.0, 2.5 / longest), 7.0 / longest)
    below = 2.4 if report.height < _FLAT * report.width else 1.4  # inches for title, labels, colour bar
    return _new_axes(max(4.5, scale * report.width) + 1.2, max(1.0, scale * report.height) + below)


def _new_axes(width: float, height: float) -> Axes:
    from matplotlib import pyplot as plt

    _, ax = plt.subplots(figsize=(width, height), layout="constrained")
    return ax


def _finish(report: Report, ax: Axes, title: str) -> None:
    from matplotlib.ticker import MaxNLocator

    ax.set_title(f"{title}\n{_subject(report)}", fontsize=10)
    ax.set_xlabel("PE, x (east)")
    ax.set_ylabel("PE, y (south)")
    for axis, length in ((ax.xaxis, report.width), (ax.yaxis, report.height)):
        axis.set_major_locator(MaxNLocator(nbins=min(8, length), integer=True, min_n_ticks=1))


def _subject(report: Report) -> str:
    return f"{report.name} on {report.wafer.name}, {report.width} x {report.height} PEs, {amount(report.cycles)} cycles"


def _color_bar(ax: Axes, drawn: Any, label: str) -> None:
    """Beside the picture and as high; below a flat one; pointed if some values lie above its end."""
    figure = ax.get_figure()
    assert figure is not None
    beyond = drawn.get_array().max() > drawn.get_clim()[1]
    options: dict[str, Any] = {"label": label, "extend": "max" if beyond else "neither"}
    left, right, bottom, top = *ax.get_xlim(), *ax.get_ylim()
    if abs(top - bottom) < _FLAT * abs(right - left):
        figure.colorbar(drawn, ax=ax, location="bottom", aspect=40, **options)
    elif figure.figure.get_layout_engine() is None:  # nothing would make room for a bar beside given axes
        figure.colorbar(drawn, ax=ax, fraction=0.046, pad=0.04, **options)
    else:
        figure.colorbar(drawn, cax=ax.inset_axes((1.03, 0, 0.04, 1)), **options)
