"""A recording as a timeline: PEs down, cycles across, coloured by what each cycle counts as."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from wse_sim.errors import UsageError
from wse_sim.hardware.geometry import Region
from wse_sim.hardware.states import GROUPS, State
from wse_sim.report.explain import amount
from wse_sim.report.grids import Counts
from wse_sim.report.pictures.style import STATE_COLORS, new_axes, set_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from wse_sim.report.trace.recording import Recording

COLUMNS, ROWS = 1600, 400  # of a picture; more cycles or PEs share them, and the commonest state is shown
NAMED = 24  # PEs up to which each has its name


def draw_timeline(
    recording: Recording,
    *,
    window: tuple[int, int] | None = None,
    region: Region | None = None,
    ax: Axes | None = None,
) -> Axes:
    """What each PE did in each cycle; PEs row after row.

    window  first cycle, and the one after the last, to zoom in on; default: all that was recorded
    region  PEs to draw; default: all that were recorded
    """
    first, last = recording.window(window)
    pes = _pes(recording, region)
    shown = states_by_time(recording, pes, first, last)
    rows = len(shown)
    ax = new_axes(9.0, 2.2 + min(0.22 * rows, 5.0)) if ax is None else ax
    _paint(ax, shown, (first - 0.5, last - 0.5, len(pes) - 0.5, -0.5))
    ax.set_xlabel("cycle")
    ax.xaxis.set_major_formatter("{x:,.0f}")
    _name_rows(ax, recording, pes)
    about = f"{recording.name} on {recording.wafer.name}, cycles {amount(first)} to {amount(last)}"
    cell = _cell(len(pes), last - first)
    set_title(ax, f"What {'the PE' if len(pes) == 1 else f'{amount(len(pes))} PEs'} did, cycle by cycle{cell}", about)
    return ax


def states_by_time(recording: Recording, pes: Counts, first: int, last: int) -> Counts:
    """Codes of states: a row per PE, or per few, a column per cycle, or per few; the commonest of each."""
    per_row, per_column = -(-len(pes) // ROWS), -(-(last - first) // COLUMNS)
    rows, columns = -(-len(pes) // per_row), -(-(last - first) // per_column)
    slices = recording.slices
    place = np.full(recording.width * recording.height, -1, np.int64)
    place[pes] = np.arange(len(pes))
    chosen = (place[slices.pe] >= 0) & (slices.end > first) & (slices.start < last)
    row = place[slices.pe[chosen]] // per_row
    edges = np.minimum(first + per_column * np.arange(columns + 1), last)
    index = row * len(State) + slices.state[chosen]
    covered = _covered(
        index, rows * len(State), np.clip(slices.start[chosen], first, last), np.clip(slices.end[chosen], first, last),
        edges, per_column,
    ).reshape(rows, len(State), columns)  # fmt: skip
    pes_of_row = np.minimum(per_row, len(pes) - per_row * np.arange(rows))
    covered[:, State.IDLE] = pes_of_row[:, None] * np.diff(edges) - covered.sum(axis=1)
    found: Counts = covered.argmax(axis=1)
    return found


def _covered(index: Counts, count: int, start: Counts, end: Counts, edges: Counts, step: int) -> Counts:
    """Cycles of stretches between edges that lie `step` apart, summed by index: (count, edges - 1).

    A stretch is a rate that begins to be 1 at its start and ends to be so at its end; what it has covered at an edge is
    the sum over its changes of rate times the time since.
    """
    columns = len(edges) - 1
    at = np.concatenate([start, end])
    change = np.repeat([1.0, -1.0], len(start))
    cell = np.concatenate([index, index]) * (columns + 1) + np.minimum((at - edges[0]) // step, columns)
    size = count * (columns + 1)
    rate = np.bincount(cell, change, size).reshape(count, columns + 1).cumsum(axis=1)
    since = np.bincount(cell, change * (at - edges[0]), size).reshape(count, columns + 1).cumsum(axis=1)
    before = np.zeros((count, columns + 1))
    before[:, 1:] = rate[:, :-1] * (edges[1:] - edges[0]) - since[:, :-1]
    found: Counts = np.rint(np.diff(before, axis=1)).astype(np.int64)
    return found


def _paint(ax: Axes, shown: Counts, extent: tuple[float, float, float, float]) -> None:
    from matplotlib.colors import BoundaryNorm, ListedColormap
    from matplotlib.patches import Patch

    colors = ListedColormap([STATE_COLORS[state] for state in State])
    norm = BoundaryNorm(np.arange(len(State) + 1) - 0.5, len(State))
    ax.imshow(shown, cmap=colors, norm=norm, extent=extent, aspect="auto", interpolation="nearest", origin="upper")
    met = set(np.unique(shown).tolist())
    patches = [Patch(color=STATE_COLORS[s], label=s.name) for group in GROUPS.values() for s in group if s in met]
    ax.legend(handles=patches, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8)


def _name_rows(ax: Axes, recording: Recording, pes: Counts) -> None:
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    def name(position: float, _: int | None = None) -> str:
        index = round(position)
        return str(recording.xy(int(pes[index]))) if abs(position - index) < 0.01 and 0 <= index < len(pes) else ""

    if len(pes) <= NAMED:
        ax.set_yticks(range(len(pes)), [name(i) for i in range(len(pes))], fontsize=8)
    else:
        ax.yaxis.set_major_locator(MaxNLocator(nbins=12, integer=True))
        ax.yaxis.set_major_formatter(FuncFormatter(name))
    ax.set_ylabel("PE (x, y)")


def _cell(pes: int, cycles: int) -> str:
    per_row, per_column = -(-pes // ROWS), -(-cycles // COLUMNS)
    parts = [f"{per_row} PEs"] * (per_row > 1) + [f"{per_column} cycles"] * (per_column > 1)
    return f"; the commonest state of each {' x '.join(parts)}" if parts else ""


def _pes(recording: Recording, region: Region | None) -> Counts:
    chosen = recording.region if region is None else region
    if not chosen or not recording.region.contains(chosen):
        raise UsageError(f"region {chosen!r}: expected PEs that were recorded, of {recording.region!r}")
    ys, xs = np.array(chosen.ys), np.array(chosen.xs)
    found: Counts = (ys[:, None] * recording.width + xs).ravel()
    return found
