"""The roofline of a run: arithmetic against what memory gives, with the three faces of the memory wall."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np

from wse_sim.hardware import VECTOR_OPERATIONS, f16, f32
from wse_sim.report.breakdown import breakdown, kernel_of
from wse_sim.report.explain import amount, percent
from wse_sim.report.pictures.style import SERIES, legend_beside, new_axes, series_color, set_title, subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from wse_sim.report.report import Report

_USED, _SRAM, _HOST = SERIES[3], SERIES[0], SERIES[5]
_MARKERS = "ovX^P<D>"
MOST = len(_MARKERS)  # kernels that are named, those with most cycles


def draw_roofline(report: Report, *, ax: Axes | None = None) -> Axes:
    """Arithmetic operations per cycle and PE against operations per byte, both on logarithmic axes.

    One roof is what the SRAM ports give (bytes read and written by vector operations), one what the host link gives
    (bytes streamed in during the launches, or else copied between them, shared by all PEs); the flat ones are the
    multiply-adds. A square is the run, once against each kind of byte; dots are its kernels against SRAM bytes, each
    over the cycles spent in it, hollow ones against the bytes that they took from host streams. The bar says how much
    of SRAM is in use.
    """
    ax = new_axes(8.0, 5.0) if ax is None else ax
    kernels = [line for line in breakdown(report, kernel_of) if line.operations and line.sram_bytes]
    kernels.sort(key=lambda line: -line.cycles)
    wall = report.memory_wall()
    sram, host = _intensity(report, wall.sram_bytes), _intensity(report, wall.streamed_bytes or wall.host_bytes)
    speed = int(report.work.operations.sum()) / max(report.cycles * report.pes, 1)
    speeds = [line.operations / (line.cycles * report.pes) for line in kernels]
    points = [line.operations / line.sram_bytes for line in kernels]
    streamed = [line.operations / line.streamed_bytes for line in kernels[:MOST] if line.streamed_bytes]
    spread = [p for p in (sram, host, *points, *streamed) if p] or [1.0]
    spread += [_peaks(report)[-1][1] / bandwidth for bandwidth in _bandwidths(report)]  # where roofs turn flat
    span = np.array([min(spread) / 8, 8 * max(spread)])
    _roofs(ax, report, span)
    for value, color, what in ((sram, _SRAM, "SRAM"), (host, _HOST, "host link")):
        if value and speed:
            look: dict[str, Any] = {"color": color, "markeredgecolor": "black", "markersize": 9}
            ax.plot(value, speed, "s", label=f"the run, {what} bytes", **look)
    for i, line in enumerate(kernels[:MOST]):
        name = f"{line.name}: {percent(line.cycles / report.cycles)} of the cycles"
        ax.plot(points[i], speeds[i], _MARKERS[i], color=series_color(i), markersize=6, label=name)
        if kernels[i].streamed_bytes:
            look = {"color": series_color(i), "markerfacecolor": "none", "markersize": 8}
            name = f"{line.name}, host stream bytes"
            ax.plot(line.operations / line.streamed_bytes, speeds[i], _MARKERS[i], label=name, **look)
    if kernels[MOST:]:
        ax.plot(points[MOST:], speeds[MOST:], ".", color="0.5", label="other kernels")
    ax.set_xscale("log")
    ax.set_yscale("log")
    ax.set_xlim(span[0], span[1])
    low = min([s for s in (speed, *speeds) if s] + [_peaks(report)[0][1]])
    ax.set_ylim(low / 4, 3 * _peaks(report)[-1][1])
    ax.set_xlabel("arithmetic operations per byte")
    ax.set_ylabel("operations per cycle and PE")
    ax.grid(which="major", color="0.9")
    ax.set_axisbelow(True)
    _capacity(ax, report)
    set_title(ax, "Roofline: what the memory wall leaves of the arithmetic", subject(report))
    legend_beside(ax)
    return ax


def _intensity(report: Report, nbytes: int) -> float:
    """Operations per byte; 0 without either."""
    return int(report.work.operations.sum()) / nbytes if nbytes else 0.0


def _peaks(report: Report) -> list[tuple[str, float]]:
    """Operations per cycle of multiply-adds by type, the slowest first."""
    mac = VECTOR_OPERATIONS["mac"]
    found = []
    for dtype in (f32, f16):
        lanes, cycles = report.wafer.rate(mac, dtype, dtype)
        found.append((dtype.name, mac.operations * lanes / cycles))
    return sorted(found, key=lambda peak: peak[1])


def _bandwidths(report: Report) -> tuple[int, float]:
    """Bytes per cycle and PE: of the SRAM ports, and of the host link's channels that serve them."""
    wafer = report.wafer
    ports = wafer.read_bytes_per_cycle + wafer.write_bytes_per_cycle
    return ports, report.memory_wall().link_bytes_per_cycle / report.pes


def _roofs(ax: Axes, report: Report, span: np.ndarray) -> None:
    peaks = _peaks(report)
    ports, link = _bandwidths(report)
    xs = np.geomspace(span[0], span[1], 200)
    for bandwidth, color, style, what in (
        (ports, _SRAM, "-", f"SRAM ports, {ports} bytes per cycle"),
        (link, _HOST, "--", f"host link, {link:.3g} bytes per cycle and PE"),
    ):
        ax.plot(xs, np.minimum(bandwidth * xs, peaks[-1][1]), style, color=color, linewidth=2, label=what)
    for name, peak in peaks:
        ax.axhline(peak, color="black", linewidth=0.8, linestyle=":")
        ax.text(span[1], peak, f"{name} multiply-adds ", ha="right", va="bottom", fontsize=8, clip_on=True)


def _capacity(ax: Axes, report: Report) -> None:
    """A small bar: how much of the fullest PE's SRAM is in use."""
    wall = report.memory_wall()
    box = ax.inset_axes((0.62, 0.1, 0.34, 0.05))
    box.barh([0], [wall.limit_bytes], color="white", edgecolor="black")
    box.barh([0], [wall.peak_bytes], color=_USED)
    box.set_xlim(0, wall.limit_bytes)
    box.set_yticks([])
    box.set_xticks([0, wall.limit_bytes], ["0", amount(wall.limit_bytes)], fontsize=7)
    box.set_title(f"capacity: {amount(wall.peak_bytes)} bytes in use", fontsize=8)
