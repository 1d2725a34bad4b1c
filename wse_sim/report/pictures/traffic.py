"""Traffic by colour and direction, with backpressure."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wse_sim.hardware.geometry import Direction
from wse_sim.report.explain import amount
from wse_sim.report.pictures.style import SERIES, count_axis, legend_beside, new_axes, open_frame, set_title, subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from wse_sim.report.report import Report

_LINKS = (Direction.EAST, Direction.NORTH, Direction.WEST, Direction.SOUTH)


def draw_traffic(report: Report, *, ax: Axes | None = None) -> Axes:
    """Steps of each colour's wavelets over links, by direction; beside each bar the cycles that they were held up."""
    steps, held_up = report.links.color_steps, report.links.color_blocked
    used = np.flatnonzero(steps.sum(axis=1))
    ax = new_axes(8.0, 1.6 + 0.4 * max(len(used), 3)) if ax is None else ax
    left = np.zeros(len(used), np.int64)
    for direction in _LINKS:
        part = steps[used, direction]
        if part.any():
            ax.barh(
                range(len(used)), part, left=left, label=f"to the {direction.name}", color=SERIES[direction],
                edgecolor="white", linewidth=0.4,
            )  # fmt: skip
        left += part
    for row, color in enumerate(used.tolist()):
        ax.text(left[row], row, _held_up(held_up[color]), va="center", fontsize=8)
    ax.set_yticks(range(len(used)), [report.links.colors[i] for i in used])
    ax.set_ylim(max(len(used), 1) - 0.4, -0.6)
    count_axis(ax, 1.35 * max([*left.tolist(), 1]))
    ax.set_xlabel("wavelets over links, each counted at every link")
    ax.set_ylabel("colour")
    title = "Traffic by colour and direction, and its backpressure"
    set_title(ax, title if len(used) else f"{title}: no wavelet left its PE", subject(report))
    open_frame(ax)
    if len(used):
        legend_beside(ax)
    return ax


def _held_up(cycles: np.ndarray) -> str:
    """Cycles that wavelets waited at the ends of links, by direction."""
    parts = [f"{direction.name} {amount(float(cycles[direction]))}" for direction in _LINKS if cycles[direction]]
    return f"  held up for {', '.join(parts)} cycles" if parts else "  never held up"
