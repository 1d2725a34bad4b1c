"""Wavelets in space and time: where along a line of PEs each one is in each cycle."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wse_sim.hardware.geometry import Direction
from wse_sim.report.explain import amount
from wse_sim.report.grids import Counts
from wse_sim.report.pictures.style import new_axes, open_frame, series_color, set_title
from wse_sim.report.trace.events import QUEUE, STILL_THERE
from wse_sim.report.trace.wavelets import parents

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from wse_sim.report.trace.recording import Recording

MOST = 20_000  # stays that are drawn
_FEW = 500  # stays of a colour up to which lines and dots are thick


def draw_paths(
    recording: Recording,
    *,
    row: int | None = None,
    column: int | None = None,
    window: tuple[int, int] | None = None,
    ax: Axes | None = None,
) -> Axes:
    """The ways of wavelets along one row of PEs (the first recorded), or one column: cycles across, PEs down.

    A slanted line is a hop, a level one a wait; thin where the word is under way, thick where it might have gone on. A
    dot is a core taking the wavelet. Lines have the colour's colour.

    window  first cycle, and the one after the last, to zoom in on; default: all that was recorded
    """
    first, last = recording.window(window)
    along_x = column is None
    fixed = (min(recording.region.ys) if row is None else row) if along_x else column
    stays = recording.stays
    x, y = stays.pe % recording.width, stays.pe // recording.width
    left = np.where(stays.left == STILL_THERE, recording.end, stays.left)
    seen = (stays.entered < last) & (left >= first)
    found = np.flatnonzero(((y if along_x else x) == fixed) & seen)
    chosen = found[:MOST]
    place = x if along_x else y
    ax = new_axes(9.0, 4.2) if ax is None else ax
    _lines(ax, recording, chosen, place, last)
    pes = recording.region.xs if along_x else recording.region.ys
    ax.set_xlim(first - 0.5, last)
    ax.set_ylim(max(pes) + 0.6, min(pes) - 0.6)
    ax.set_xlabel("cycle")
    ax.set_ylabel("PE, x (east)" if along_x else "PE, y (south)")
    if len(pes) <= 16:
        ax.set_yticks(list(pes))
    line = f"row y = {fixed}" if along_x else f"column x = {fixed}"
    cut = f"; the first {amount(MOST)} of {amount(len(found))} stays in queues" if len(found) > MOST else ""
    set_title(ax, f"Wavelets along {line}, cycle by cycle{cut}", f"{recording.name} on {recording.wafer.name}")
    open_frame(ax)
    return ax


def _lines(ax: Axes, recording: Recording, chosen: Counts, place: Counts, last: int) -> None:
    """Hops and waits as lines, what cores take as dots, a legend entry for each colour."""
    from matplotlib.collections import LineCollection

    stays, parent = recording.stays, parents(recording)
    left = np.where(stays.left == STILL_THERE, recording.end, stays.left)
    for color in np.unique(stays.color[chosen]).tolist():
        own = chosen[stays.color[chosen] == color]
        paint = series_color(color)
        hop = own[(stays.port[own] < Direction.RAMP) & (parent[own] >= 0)]
        start = np.stack([stays.entered[hop], place[parent[hop]]], axis=1)
        end = np.stack([stays.visible[hop], place[hop]], axis=1)
        wait = own[left[own] > stays.visible[own]]
        level = np.stack([stays.visible[wait], place[wait]], axis=1), np.stack([left[wait], place[wait]], axis=1)
        thin, thick = (1.2, 3.0) if len(own) <= _FEW else (0.4, 0.8)
        ax.add_collection(LineCollection(np.stack([start, end], axis=1).tolist(), colors=paint, linewidths=thin))
        ax.add_collection(LineCollection(np.stack(level, axis=1).tolist(), colors=paint, linewidths=thick, alpha=0.5))
        taken = own[(stays.port[own] == QUEUE) & (stays.left[own] != STILL_THERE) & (stays.left[own] < last)]
        ax.plot(stays.left[taken], place[taken], "o", color=paint, markersize=3 * thin)
        ax.plot([], [], "-", color=paint, label=f"{recording.colors[color]}: {amount(len(taken))} taken here")
    if len(chosen):
        ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8, title="colour")
