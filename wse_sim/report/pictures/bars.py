"""Where cycles went, as bars: of sections, of kernels, of phases (the layers of a model)."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Literal

import numpy as np

from wse_sim.errors import UsageError
from wse_sim.hardware.states import GROUPS, State
from wse_sim.report.breakdown import kernel_of, phase_of
from wse_sim.report.explain import percent
from wse_sim.report.pictures.style import (
    HATCHES,
    STATE_COLORS,
    count_axis,
    legend_beside,
    new_axes,
    open_frame,
    set_title,
    subject,
)

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from wse_sim.report.grids import Counts
    from wse_sim.report.report import Report

By = Literal["section", "kernel", "phase"]
MOST = 24  # bars; of more the longest are drawn
_NAMED: dict[str, Callable[[str], str]] = {"section": str, "kernel": kernel_of, "phase": phase_of}


def draw_sections(report: Report, *, by: By = "section", ax: Axes | None = None, most: int = MOST) -> Axes:
    """Cycles of each section as a bar, its parts the states; in the program's order.

    by    section, or the sums over its first part (phase: a layer of a model) or over the rest of its path (kernel)
    most  bars; if there are more names, the longest bars are drawn
    """
    names, cycles = _sums(report, by)
    names, cycles, left_out = _longest(names, cycles, most)
    ax = new_axes(8.0, 1.6 + 0.4 * max(len(names), 3)) if ax is None else ax
    order = [state for members in GROUPS.values() for state in members]
    for i, state in enumerate(order):
        _part(ax, cycles, state, order[:i])
    sums = cycles.sum(axis=1)
    for place, total in enumerate(sums.tolist()):
        share = percent(total / max(report.cycles * report.pes, 1))
        ax.text(total, place, f" {share}", va="center", fontsize=9)
    ax.set_yticks(range(len(names)), names)
    ax.set_ylim(max(len(names), 1) - 0.4, -0.6)
    count_axis(ax, 1.12 * max([*sums.tolist(), 1]))
    ax.set_xlabel("PE-cycles (% of all PE-cycles beside each bar)")
    shorter = f"; {left_out} shorter ones left out" if left_out else ""
    set_title(ax, f"What PEs did in each {by} of the program{shorter}", subject(report))
    open_frame(ax)
    if len(names):
        legend_beside(ax)
    return ax


def _sums(report: Report, by: str) -> tuple[list[str], Counts]:
    """Names, and the cycles of each in each state; those without a cycle left out."""
    if by not in _NAMED:
        raise UsageError(f"by {by!r}: expected {', '.join(_NAMED)}")
    sections = report.sections
    names = [_NAMED[by](name) for name in sections.names]
    if len(set(names)) > 1:  # instructions of no section belong to the first, which is named as the whole
        names = [f"{name} (outside sections)" if name == sections.names[0] else name for name in names]
    rows = list(dict.fromkeys(names))
    cycles = np.zeros((len(rows), len(State)), np.int64)
    np.add.at(cycles, [rows.index(name) for name in names], sections.cycles)
    met = np.flatnonzero(cycles.sum(axis=1))
    return [rows[i] for i in met], cycles[met]


def _longest(names: list[str], cycles: Counts, most: int) -> tuple[list[str], Counts, int]:
    """The longest bars, in their order, and how many are left out."""
    kept = np.sort(np.argsort(-cycles.sum(axis=1), kind="stable")[:most])
    return [names[i] for i in kept], cycles[kept], len(names) - len(kept)


def _part(ax: Axes, cycles: Counts, state: State, before: list[State]) -> None:
    """The state's part of each bar, after those of the states before it."""
    widths = cycles[:, state]
    label = "IDLE (afterwards)" if state is State.IDLE else state.name
    if widths.any():
        ax.barh(
            np.arange(len(widths)), widths, left=cycles[:, before].sum(axis=1), label=label,
            color=STATE_COLORS[state], edgecolor="white", linewidth=0.4, hatch=HATCHES[state.group],
        )  # fmt: skip
