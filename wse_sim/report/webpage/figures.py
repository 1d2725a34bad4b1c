"""The page's figures, for plotly."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any

import numpy as np

from wse_sim.hardware.states import GROUPS, State
from wse_sim.report.breakdown import Line, breakdown, kernel_of, phase_of
from wse_sim.report.pictures.style import GROUP_COLORS, STATE_COLORS
from wse_sim.report.trace.timeline import states_by_time

if TYPE_CHECKING:
    from wse_sim.report.report import Report
    from wse_sim.report.trace.recording import Recording

_MAP = "Cividis"
_MOST = 30  # bars
_PATTERNS = {"memory": "x", "fabric": "/", "weights": "."}  # for those who see no colours
_LAYOUT: dict[str, Any] = {
    "template": "plotly_white", "margin": {"l": 60, "r": 20, "t": 40, "b": 50}, "font": {"size": 12},
}  # fmt: skip


def figures(report: Report, recording: Recording | None) -> dict[str, Any]:
    """Figures by the id of the element that they go into, as plain data."""
    found = {
        "wafer": _wafer(report),
        "kernels": _bars("Where cycles went, by kernel", breakdown(report, kernel_of)),
        "phases": _bars("Where cycles went, by phase", breakdown(report, phase_of)),
        "launches": _launches(report),
    }
    if recording is not None and len(recording.slices):
        found["timeline"] = _timeline(recording)
    return {name: json.loads(figure.to_json()) for name, figure in found.items()}


def _wafer(report: Report) -> Any:
    """The map, of the first quantity; the page's script puts the others in."""
    from plotly import graph_objects as go

    middle = (report.tile - 1) / 2
    rows, columns = report.states.shape[:2]
    heat = go.Heatmap(
        z=100 * report.busy,
        x=report.tile * np.arange(columns) + middle,
        y=report.tile * np.arange(rows) + middle,
        colorscale=_MAP,
        hoverinfo="x+y",
        colorbar={"title": {"text": "busy, % of the cycles", "side": "right"}},
    )
    figure = go.Figure(heat, layout=_LAYOUT)
    constrain = "domain"
    figure.update_xaxes(title="PE, x (east)", constrain=constrain, showgrid=False, zeroline=False)
    figure.update_yaxes(
        title="PE, y (south)", autorange="reversed", constrain=constrain, showgrid=False, zeroline=False,
        **({"scaleanchor": "x"} if max(report.width, report.height) <= 6 * min(report.width, report.height) else {}),
    )  # fmt: skip
    return figure.update_layout(height=640)


def _bars(title: str, lines: tuple[Line, ...]) -> Any:
    """Stacked bars of cycles on an average PE, by group of states."""
    from plotly import graph_objects as go

    longest = sorted(sorted(range(len(lines)), key=lambda i: -lines[i].cycles)[:_MOST])
    shown = [lines[i] for i in longest]
    figure = go.Figure(layout=_LAYOUT)
    for group in GROUPS:
        cycles = [line.cycles * line.share(group) for line in shown]
        if any(cycles):
            pattern = {"shape": _PATTERNS.get(group, ""), "fgcolor": "white"}
            figure.add_bar(
                y=[line.name for line in shown], x=cycles, name=group, orientation="h",
                marker={"color": GROUP_COLORS[group], "pattern": pattern},
                hovertemplate=f"%{{y}}<br>{group}: %{{x:,.0f}} cycles<extra></extra>",
            )  # fmt: skip
    left_out = f" ({len(lines) - len(shown)} shorter ones left out)" if len(lines) > len(shown) else ""
    figure.update_layout(title=title + left_out, barmode="stack", height=120 + 26 * len(shown))
    figure.update_layout(legend_traceorder="normal")
    figure.update_xaxes(title="cycles, on an average PE")
    figure.update_yaxes(autorange="reversed", automargin=True)
    return figure


def _launches(report: Report) -> Any:
    from plotly import graph_objects as go

    figure = go.Figure(layout=_LAYOUT)
    numbers = list(range(1, len(report.launches) + 1))
    figure.add_bar(x=numbers, y=list(report.launches), marker_color=GROUP_COLORS["busy"])
    figure.update_traces(hovertemplate="launch %{x}: %{y:,} cycles<extra></extra>")
    figure.update_layout(title="Cycles of each launch", height=300)
    figure.update_xaxes(title="launch")
    figure.update_yaxes(title="cycles")
    return figure


def _timeline(recording: Recording) -> Any:
    """States of PEs over time; a colour for each state, named by the page's script."""
    from plotly import graph_objects as go

    ys, xs = np.array(recording.region.ys), np.array(recording.region.xs)
    pes = (ys[:, None] * recording.width + xs).ravel()
    shown = states_by_time(recording, pes, recording.first, recording.end)
    rows, columns = shown.shape
    per_column = -(-recording.cycles // columns) if columns else 1
    names = [str(recording.xy(int(pe))) for pe in pes[:: -(-len(pes) // rows)]]
    steps = np.arange(len(State) + 1) / len(State)
    scale = [[float(at), STATE_COLORS[s]] for s in State for at in (steps[s], steps[s + 1])]
    heat = go.Heatmap(
        z=shown.astype(np.uint8), x=recording.first + per_column * np.arange(columns), colorscale=scale, zmin=-0.5,
        zmax=len(State) - 0.5, hoverinfo="none",
        colorbar={"tickvals": list(range(len(State))), "ticktext": [s.name for s in State]},
    )  # fmt: skip
    figure = go.Figure(heat, layout=_LAYOUT)
    per_row = -(-len(pes) // rows)
    title = "What each PE did, cycle by cycle"
    if per_row * per_column > 1:
        title += f": the commonest state in each {per_row} PEs x {per_column} cycles"
    figure.update_layout(title=title, height=min(700, 180 + 14 * rows))
    figure.update_xaxes(title="cycle", showgrid=False)
    ticks = np.unique(np.linspace(0, rows - 1, min(rows, 16)).astype(int)).tolist()
    figure.update_yaxes(
        title="PE (x, y)", autorange="reversed", showgrid=False, tickvals=ticks, ticktext=[names[i] for i in ticks]
    )
    figure.update_layout(meta={"rows": names})
    return figure
