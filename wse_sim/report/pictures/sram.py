"""The SRAM of a PE by buffer: who has which addresses."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wse_sim.report.explain import amount
from wse_sim.report.pictures.style import legend_beside, new_axes, open_frame, series_color, set_title, subject

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from wse_sim.report.report import Report

MOST = 32  # buffers; of more the largest are drawn


def draw_sram(report: Report, *, ax: Axes | None = None, most: int = MOST) -> Axes:
    """A bar for each buffer at its addresses, in their order, up to the room that there is.

    A buffer has the same addresses on every PE that has it. Bars one above the other share addresses: they are on other
    PEs, or there at other times.

    most  bars; of more buffers the largest are drawn
    """
    sram = report.sram
    largest = sorted(sram.buffers, key=lambda b: -b.nbytes)[:most]
    buffers = sorted(largest, key=lambda b: (b.address, -b.nbytes, b.name))
    ax = new_axes(9.0, 1.8 + 0.19 * max(len(buffers), 6)) if ax is None else ax
    dtypes = sorted({b.dtype for b in buffers})
    for i, dtype in enumerate(dtypes):
        rows = [row for row, b in enumerate(buffers) if b.dtype == dtype]
        ax.barh(
            rows, [buffers[row].nbytes for row in rows], left=[buffers[row].address for row in rows], height=0.8,
            color=series_color(i), label=dtype,
        )  # fmt: skip
    for row, buffer in enumerate(buffers):
        pes = "" if buffer.pes == report.pes else f" on {amount(buffer.pes)} PEs"
        ax.text(buffer.address + buffer.nbytes, row, f" {amount(buffer.nbytes)}{pes}", va="center", fontsize=7)
    ax.axvline(sram.limit, color="black", linewidth=1.5)
    ax.set_xlim(0, 1.02 * sram.limit)
    ax.set_ylim(max(len(buffers), 1) - 0.4, -0.6)
    ax.xaxis.set_major_formatter("{x:,.0f}")
    ax.set_yticks(range(len(buffers)), [b.name for b in buffers], fontsize=7)
    ax.set_xlabel(f"address in the data area of a PE, bytes; the line is the limit, {amount(sram.limit)}")
    wall = report.memory_wall()
    title = f"SRAM by buffer: at most {amount(wall.peak_bytes)} of {amount(wall.limit_bytes)} bytes, on {wall.peak_pe}"
    left_out = len(sram.buffers) - len(buffers)
    set_title(ax, title + (f"; {left_out} smaller buffers left out" if left_out else ""), subject(report))
    open_frame(ax)
    if dtypes:
        legend_beside(ax, title="type")
    return ax
