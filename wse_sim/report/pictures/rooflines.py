"""Several runs under the roofs of one wafer: what bounds each of them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from wse_sim.errors import UsageError
from wse_sim.hardware import VECTOR_OPERATIONS, f16, f32
from wse_sim.report.pictures.style import SERIES, legend_beside, new_axes, series_color, set_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from wse_sim.report.report import Report

_SRAM, _HOST = SERIES[0], SERIES[5]
_MARKERS = "ovX^P<D>"


def draw_rooflines(reports: Mapping[str, Report], *, ax: Axes | None = None) -> Axes:
    """Arithmetic operations per cycle of all PEs together against operations per byte, a marker per run.

    Filled ones are against SRAM bytes; hollow ones against the bytes that host streams sent, of runs that have any.
    The roofs are those of the run with most PEs, its SRAM ports and its multiply-adds, and what channels of the host
    link give to the run that gets most.
    """
    if not reports:
        raise UsageError("no reports to draw: expected one or more, by name")
    ax = new_axes(8.0, 5.0) if ax is None else ax
    largest = max(reports.values(), key=lambda report: report.pes)
    walls = {name: report.memory_wall() for name, report in reports.items()}
    xs, ys = [], []
    for i, (name, report) in enumerate(reports.items()):
        wall, speed = walls[name], int(report.work.operations.sum()) / max(report.cycles, 1)
        look: dict[str, Any] = {"marker": _MARKERS[i % len(_MARKERS)], "color": series_color(i), "linestyle": "none"}
        ax.plot(wall.operations_per_byte, speed, markersize=8, label=f"{name}, SRAM bytes", **look)
        xs.append(wall.operations_per_byte)
        ys.append(speed)
        if wall.streamed_bytes:
            label = f"{name}, streamed bytes"
            where = wall.operations_per_streamed_byte
            ax.plot(where, speed, markersize=10, markerfacecolor="none", label=label, **look)
            xs.append(where)
    span = np.array([min(x for x in [*xs, 1.0] if x) / 8, 8 * max([*xs, 4.0])])
    link = max((wall.link_bytes_per_cycle for wall in walls.values() if wall.streamed_bytes), default=None)
    _roofs(ax, largest, span, link or walls[next(iter(walls))].link_bytes_per_cycle)
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(span[0], span[1])
    ax.set_ylim(min(y for y in [*ys, 1.0] if y) / 4, 3 * _peaks(largest)[-1][1])
    ax.set_xlabel("arithmetic operations per byte")
    ax.set_ylabel("operations per cycle, all PEs")
    ax.grid(which="major", color="0.9")
    ax.set_axisbelow(True)
    set_title(ax, "Roofline by run: SRAM, and what the host link gives", largest.wafer.name)
    legend_beside(ax)
    return ax


def _peaks(report: Report) -> list[tuple[str, float]]:
    """Operations per cycle of all PEs' multiply-adds by type, the slowest first."""
    mac, found = VECTOR_OPERATIONS["mac"], []
    for dtype in (f32, f16):
        lanes, cycles = report.wafer.rate(mac, dtype, dtype)
        found.append((dtype.name, report.pes * mac.operations * lanes / cycles))
    return sorted(found, key=lambda peak: peak[1])


def _roofs(ax: Axes, report: Report, span: np.ndarray, link: float) -> None:
    wafer, peaks, xs = report.wafer, _peaks(report), np.geomspace(span[0], span[1], 200)
    ports = report.pes * (wafer.read_bytes_per_cycle + wafer.write_bytes_per_cycle)
    for bandwidth, color, style, what in (
        (ports, _SRAM, "-", f"SRAM ports of {report.pes:,} PEs, {ports:,} bytes per cycle"),
        (link, _HOST, "--", f"host link, {link:.4g} bytes per cycle"),
    ):
        ax.plot(xs, np.minimum(bandwidth * xs, peaks[-1][1]), style, color=color, linewidth=2, label=what)
    for name, peak in peaks:
        ax.axhline(peak, color="black", linewidth=0.8, linestyle=":")
        ax.text(span[1], peak, f"{name} multiply-adds ", ha="right", va="bottom", fontsize=8, clip_on=True)
