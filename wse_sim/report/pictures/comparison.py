"""Several runs side by side."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

import numpy as np

from wse_sim.errors import UsageError
from wse_sim.hardware.states import GROUPS
from wse_sim.report.describe import energy_text, time_text
from wse_sim.report.explain import amount, percent
from wse_sim.report.pictures.style import (
    GROUP_COLORS,
    HATCHES,
    count_axis,
    legend_beside,
    new_axes,
    open_frame,
    set_title,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from wse_sim.report.report import Report


def draw_comparison(reports: Mapping[str, Report], *, ax: Axes | None = None) -> Axes:
    """Length of each run as a bar: what an average PE did, by group of states; with what it took beside it."""
    if not reports:
        raise UsageError("no reports to compare: expected one or more, by name")
    ax = new_axes(9.0, 1.6 + 0.65 * max(len(reports), 2)) if ax is None else ax
    rows = np.arange(len(reports))
    left = np.zeros(len(reports))
    for group, states in GROUPS.items():
        cycles = np.array([r.share(*states) * r.cycles for r in reports.values()])
        if cycles.any():
            ax.barh(
                rows, cycles, left=left, height=0.6, label=group, color=GROUP_COLORS[group], edgecolor="white",
                linewidth=0.4, hatch=HATCHES[group],
            )  # fmt: skip
        left += cycles
    longest = max(r.cycles for r in reports.values())
    for row, report in enumerate(reports.values()):
        ax.text(report.cycles + 0.01 * longest, row, _facts(report), va="center", fontsize=8)
    ax.set_yticks(rows, list(reports))
    ax.set_ylim(len(reports) - 0.5, -0.5)
    count_axis(ax, 1.4 * longest)
    ax.set_xlabel("cycles of the run (parts: what an average PE did)")
    shortest = min(reports, key=lambda name: reports[name].cycles)
    set_title(ax, "Runs side by side", f"shortest: {shortest}, {amount(reports[shortest].cycles)} cycles")
    open_frame(ax)
    legend_beside(ax)
    return ax


def _facts(report: Report) -> str:
    busiest = max((link.share for link in report.busiest_links(1)), default=0.0)
    return (
        f"{amount(report.cycles)} cycles, {time_text(report.seconds)}\n{percent(report.utilisation)} busy, "
        f"busiest link {percent(busiest)}, {energy_text(report.energy.joules)}"
    )
