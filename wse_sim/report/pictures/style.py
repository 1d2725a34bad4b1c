"""Colours that every kind of colour vision tells apart, and what all pictures have in common."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from wse_sim.hardware.states import State
from wse_sim.report.explain import amount

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from wse_sim.report.report import Report

MAP = "cividis"  # read alike with every kind of colour vision
FLAT = 0.4  # height over width below which a picture is a strip

STATE_COLORS: dict[State, str] = {
    State.MAC: "#042f5b", State.ARITH: "#306daf", State.MATH: "#7a9dfc", State.REDUCE: "#565d80",
    State.MOVE: "#b2c9fe", State.SCALAR: "#8792bc",
    State.PORT_STALL: "#7e411a", State.BANK_STALL: "#cc6c5b", State.PENDING_WRITE: "#f5ad76",
    State.INPUT_WAIT: "#f2da02", State.OUTPUT_BLOCKED: "#807f07",
    State.SLOT_WAIT: "#25162a", State.OVERHEAD: "#4b1f8a", State.TASK_SWITCH: "#5c3f4c",
    State.WEIGHT_WAIT: "#51c2a1", State.IDLE: "#e5e5e5",
}  # fmt: skip
"""A range of hues per group of states; searched for so that any two lie far apart in every kind of colour vision."""

GROUP_COLORS = {
    "busy": STATE_COLORS[State.ARITH], "memory": STATE_COLORS[State.BANK_STALL],
    "fabric": STATE_COLORS[State.INPUT_WAIT], "issue": STATE_COLORS[State.OVERHEAD],
    "weights": STATE_COLORS[State.WEIGHT_WAIT], "idle": STATE_COLORS[State.IDLE],
}  # fmt: skip

HATCHES = {"memory": "xxx", "fabric": "///", "weights": "...", "issue": "", "busy": "", "idle": ""}
"""Of each group of states, for those who see no colours."""

SERIES = ("#0072b2", "#e69f00", "#009e73", "#cc79a7", "#56b4e9", "#d55e00", "#f0e442", "#000000")
"""Okabe and Ito's colours, for things that have no colour of their own."""


def series_color(index: int) -> str:
    """The colour of the index-th of several things."""
    return SERIES[index % len(SERIES)]


def new_axes(width: float, height: float) -> Axes:
    """Axes of a new figure of so many inches."""
    from matplotlib import pyplot as plt

    _, ax = plt.subplots(figsize=(width, height), layout="constrained")
    return ax


def subject(report: Report) -> str:
    """What a picture is of, for its title."""
    return f"{report.name} on {report.wafer.name}, {report.width} x {report.height} PEs, {amount(report.cycles)} cycles"


def set_title(ax: Axes, title: str, of: str) -> None:
    """What is seen, and of what run."""
    ax.set_title(f"{title}\n{of}", fontsize=10)


def open_frame(ax: Axes) -> None:
    """Leaves out the lines above and to the right."""
    ax.spines[["top", "right"]].set_visible(False)


def count_axis(ax: Axes, most: float) -> None:
    """Counts across, from 0 to some room beyond the largest, in whole numbers with k, M and G."""
    from matplotlib.ticker import EngFormatter, MaxNLocator

    ax.set_xlim(0, max(most, 1))
    ax.xaxis.set_major_locator(MaxNLocator(nbins=5, integer=True))
    ax.xaxis.set_major_formatter(EngFormatter(sep=" "))


def legend_beside(ax: Axes, **options: Any) -> None:
    """A legend to the right of the axes."""
    ax.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), frameon=False, fontsize=8, **options)


def name_axes(ax: Axes, width: int, height: int) -> None:
    """The axes of a map: PEs, numbered in whole numbers."""
    from matplotlib.ticker import MaxNLocator

    ax.set_xlabel("PE, x (east)")
    ax.set_ylabel("PE, y (south)")
    for axis, length in ((ax.xaxis, width), (ax.yaxis, height)):
        axis.set_major_locator(MaxNLocator(nbins=min(8, length), integer=True, min_n_ticks=1))


def add_color_bar(ax: Axes, drawn: Any, label: str) -> None:
    """Beside the picture and as high; below a flat one; pointed if some values lie above its end."""
    figure = ax.get_figure()
    assert figure is not None
    beyond = drawn.get_array().max() > drawn.get_clim()[1]
    options: dict[str, Any] = {"label": label, "extend": "max" if beyond else "neither"}
    left, right, bottom, top = *ax.get_xlim(), *ax.get_ylim()
    if abs(top - bottom) < FLAT * abs(right - left):
        figure.colorbar(drawn, ax=ax, location="bottom", aspect=40, **options)
    elif figure.figure.get_layout_engine() is None:  # nothing would make room for a bar beside given axes
        figure.colorbar(drawn, ax=ax, fraction=0.046, pad=0.04, **options)
    else:
        figure.colorbar(drawn, cax=ax.inset_axes((1.03, 0, 0.04, 1)), **options)
