"""A recording as a moving picture: PEs change their state, wavelets move."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wse_sim.errors import UsageError
from wse_sim.hardware.geometry import Direction
from wse_sim.hardware.states import GROUPS, State
from wse_sim.report.grids import Counts, Shares
from wse_sim.report.pictures.style import STATE_COLORS, name_axes, new_axes, series_color, set_title
from wse_sim.report.trace.events import QUEUE, STILL_THERE
from wse_sim.report.trace.movie import Movie

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from wse_sim.report.trace.recording import Recording

FRAMES = 150  # most, if the step is not given
SIDE = 64  # PEs a side that can be told apart
_PAINT = [STATE_COLORS[state] for state in State]
_BODY = 0.3  # half the side of a PE's square
_ASIDE = 0.12  # of the two directions between a pair of PEs


def animate(
    recording: Recording,
    *,
    window: tuple[int, int] | None = None,
    step: int | None = None,
    frames_per_second: int = 10,
    ax: Axes | None = None,
) -> Movie:
    """PEs coloured by what they do, wavelets as dots on their way from router to router and in queues.

    window  first cycle, and the one after the last; default: all that was recorded
    step    cycles from frame to frame; default: so many that there are no more than 150 frames
    """
    first, last = recording.window(window)
    if max(recording.region.width, recording.region.height) > SIDE:
        raise UsageError(
            f"{recording.region.width} x {recording.region.height} PEs are too many to tell apart: expected at most "
            f"{SIDE} a side; record a smaller region"
        )
    cycles = range(first, last, step or -(-(last - first) // FRAMES))
    stage = _Stage(recording, ax, cycles)
    stage.show(cycles[0])
    if ax is None:
        _forget(stage.ax)
    return Movie(stage.ax, cycles, frames_per_second, stage)


def _forget(ax: Axes) -> None:
    """A notebook would show the figure beside the movie."""
    from matplotlib import pyplot as plt

    figure = ax.get_figure(root=True)
    assert figure is not None
    plt.close(figure)


class _Stage:
    """The artists, and where they are in each cycle."""

    def __init__(self, recording: Recording, ax: Axes | None, cycles: range) -> None:
        self.recording = recording
        self.pes = np.array([y * recording.width + x for x, y in recording.region])
        width, height = recording.region.width, recording.region.height
        scale = min(1.0, 7.0 / max(width, height))
        self.ax = new_axes(max(3.5, scale * width) + 2.2, max(1.4, scale * height) + 1.2) if ax is None else ax
        self._draw_pes()
        self.dots = self.ax.scatter([], [], s=28 if max(width, height) <= 16 else 8, zorder=3, edgecolors="black")
        self.dots.set_linewidth(0.4)
        self._finish(cycles)
        self.states = _states(recording, self.pes, cycles)
        self.cycles = cycles
        self.moving: tuple[Any, ...] = (self.squares, self.dots, self.ax.title)

    def _draw_pes(self) -> None:
        from matplotlib.collections import PatchCollection
        from matplotlib.patches import Rectangle

        corners = [(x - _BODY, y - _BODY) for x, y in self.recording.region]
        squares = [Rectangle(corner, 2 * _BODY, 2 * _BODY) for corner in corners]
        self.squares = PatchCollection(squares, edgecolor="0.5", linewidth=0.6, zorder=1)
        self.ax.add_collection(self.squares)

    def _finish(self, cycles: range) -> None:
        region, recording = self.recording.region, self.recording
        self.ax.set_xlim(min(region.xs) - 0.7, max(region.xs) + 0.7)
        self.ax.set_ylim(max(region.ys) + 0.7, min(region.ys) - 0.7)
        self.ax.set_aspect("equal")
        name_axes(self.ax, region.width, region.height)
        _legend(self.ax, recording, cycles)

    def show(self, cycle: int) -> None:
        """Sets the artists as they are in a cycle."""
        states = self.states[:, self.cycles.index(cycle)]
        self.squares.set_facecolor([_PAINT[code] for code in states.tolist()])
        places, colors = positions(self.recording, cycle)
        self.dots.set_offsets(places)
        self.dots.set_facecolor([series_color(color) for color in colors.tolist()])
        recording = self.recording
        set_title(self.ax, f"cycle {cycle}", f"{recording.name} on {recording.wafer.name}")


def _states(recording: Recording, pes: Counts, cycles: range) -> Counts:
    """Codes of the states, (PEs, cycles)."""
    place = np.full(recording.width * recording.height, -1, np.int64)
    place[pes] = np.arange(len(pes))
    found = np.zeros((len(pes), len(cycles)), np.int64)
    slices = recording.slices
    start = -(-(slices.start - cycles.start) // cycles.step)  # first frame at or after it
    end = -(-(slices.end - cycles.start) // cycles.step)
    for pe, state, low, high in zip(
        place[slices.pe].tolist(), slices.state.tolist(), start.tolist(), end.tolist(), strict=True
    ):
        found[pe, max(low, 0) : max(high, 0)] = state
    return found


def positions(recording: Recording, cycle: int) -> tuple[Shares, Counts]:
    """Where the wavelets are in a cycle, (n, 2) x and y, and their colours, (n,).

    Under way from router to router they lie between the two PEs, waiting there at the receiving PE's edge; words in
    output queues lie in the upper part of their PE, in input queues in the lower part.
    """
    stays = recording.stays
    left = np.where(stays.left == STILL_THERE, recording.end, stays.left)
    here = np.flatnonzero((stays.entered <= cycle) & (cycle < left))
    x, y = (stays.pe[here] % recording.width).astype(float), (stays.pe[here] // recording.width).astype(float)
    port = stays.port[here]
    dx = np.array([d.dx for d in Direction] + [0])[port]
    dy = np.array([d.dy for d in Direction] + [0])[port]
    latency = np.maximum(stays.visible[here] - stays.entered[here], 1)
    way = np.clip((cycle - stays.entered[here] + 0.5) / latency, 0, 1)  # 0: at the giver, 1: here
    reach = (1 - way) * (1 - 2 * _BODY) + _BODY
    x += dx * reach + dy * _ASIDE
    y += dy * reach - dx * _ASIDE
    y += np.where(port == Direction.RAMP, -0.15, np.where(port == QUEUE, 0.15, 0.0))
    return np.stack([x, y], axis=1), stays.color[here]


def _legend(ax: Axes, recording: Recording, cycles: range) -> None:
    """States and colours that occur in the frames."""
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    slices, stays = recording.slices, recording.stays
    met = set(slices.state[(slices.end > cycles.start) & (slices.start < cycles.stop)].tolist()) | {State.IDLE}
    handles: list[Any] = [
        Patch(facecolor=STATE_COLORS[s], edgecolor="0.5", label=s.name) for g in GROUPS.values() for s in g if s in met
    ]
    for color in np.unique(stays.color).tolist():
        look: dict[str, Any] = {"marker": "o", "linestyle": "", "markeredgecolor": "black", "markersize": 5}
        handles.append(Line2D([], [], color=series_color(color), label=recording.colors[color], **look))
    ax.legend(handles=handles, loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8)
