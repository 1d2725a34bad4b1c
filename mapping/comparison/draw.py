"""Mappings side by side as a picture: how fast one sequence goes, and all together."""

from __future__ import annotations

from collections.abc import Sequence
from textwrap import shorten
from typing import TYPE_CHECKING

from wse_sim.errors import UsageError
from wse_sim.mapping.comparison.row import Row
from wse_sim.report.pictures.style import SERIES, legend_beside, new_axes, open_frame, set_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

REASON = 60  # letters of why a mapping cannot be


def draw_rows(rows: Sequence[Row], *, ax: Axes | None = None) -> Axes:
    """A line for each mapping from the tokens per second of one sequence to those of all, on a logarithmic axis.

    Beside it PEs, joules and the estimate's error where there is one; or why the mapping cannot be.
    """
    if not rows:
        raise UsageError("no rows to draw: expected one or more, as row_of_strategy gives")
    ax = new_axes(8.5, 1.4 + 0.5 * max(len(rows), 3)) if ax is None else ax
    found = [(place, row, *_speeds(row)) for place, row in enumerate(rows) if row.feasible]
    places = [place for place, *_ in found]
    each, together = [alone for *_, alone, _ in found], [speed for *_, speed in found]
    ax.hlines(places, each, together, color="0.6", linewidth=2, zorder=1)
    ax.plot(each, places, "o", color=SERIES[0], markerfacecolor="white", markersize=10, label="one sequence")
    ax.plot(together, places, "s", color=SERIES[1], label="all sequences")
    ax.set_xscale("log")
    if found:
        ax.set_xlim(min(each) / 1.6, max(together) * 30)
    for place, row, _, speed in found:
        ax.annotate(_facts(row), (speed, place), xytext=(8, 0), textcoords="offset points", va="center", fontsize=8)
    for place, row in enumerate(rows):
        if not row.feasible:
            text = shorten(row.why_not, REASON, placeholder=" ...")
            ax.text(0.01, place, text, transform=ax.get_yaxis_transform(), va="center", fontsize=8, color="0.35")
    ax.set_yticks(range(len(rows)), [row.strategy for row in rows])
    ax.set_ylim(len(rows) - 0.5, -0.5)
    ax.set_xlabel("tokens per second")
    first = rows[0]
    set_title(ax, f"{first.model} on {first.wafer}, {first.phase}", f"by {_WAYS[first.fidelity]}")
    open_frame(ax)
    if found:
        legend_beside(ax)
    return ax


_WAYS = {"estimate": "closed forms", "sampled": "parts simulated alone", "exact": "simulation"}


def _speeds(row: Row) -> tuple[float, float]:
    """Tokens per second of one sequence, and of all."""
    assert row.tokens_per_s is not None
    assert row.replicas is not None
    assert row.sequences is not None
    return row.tokens_per_s / (row.replicas * row.sequences), row.tokens_per_s


def _facts(row: Row) -> str:
    text = f"{row.pes:,} PEs, {1e3 * (row.joules_per_token or 0):.3g} mJ/token"
    return text if row.estimate_error is None else f"{text}, estimate {row.estimate_error:+.1%}"
