"""What the page knows of each PE, or tile of PEs: every quantity that its map can show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import numpy as np

from wse_sim.hardware.geometry import Direction
from wse_sim.hardware.states import GROUPS, State
from wse_sim.report.pictures.style import GROUP_COLORS

if TYPE_CHECKING:
    from wse_sim.report.grids import Counts
    from wse_sim.report.report import Report

_LINKS = (Direction.EAST, Direction.NORTH, Direction.WEST, Direction.SOUTH)
_SHARE = "% of the cycles"


def wafer_data(report: Report) -> dict[str, Any]:
    """Shapes, the quantities with their values row after row, and who has which buffer."""
    return {
        "width": report.width,
        "height": report.height,
        "tile": report.tile,
        "cell_cycles": report.cell_cycles.ravel().tolist(),
        "quantities": [
            {"name": name, "unit": unit, "group": group, "share": unit == _SHARE, "values": values.ravel().tolist()}
            for name, unit, group, values in _quantities(report)
        ],
        "buffers": [
            {"name": b.name, "type": b.dtype, "bytes": b.nbytes, "columns": list(b.columns), "rows": list(b.rows)}
            for b in sorted(report.sram.buffers, key=lambda b: -b.nbytes)
        ],
        "group_colors": GROUP_COLORS,
    }


def _quantities(report: Report) -> Iterator[tuple[str, str, str, Counts]]:
    """(name, unit, group, values); values that are the same zero everywhere are left out."""
    states = report.states
    yield "busy", _SHARE, "groups", states[..., list(GROUPS["busy"])].sum(axis=-1)
    for group, members in GROUPS.items():
        if group != "busy" and states[..., list(members)].any():
            yield group, _SHARE, "groups", states[..., list(members)].sum(axis=-1)
    for state in State:
        if states[..., state].any():
            yield state.name, _SHARE, "states", states[..., state]
    links = report.links
    for direction in _LINKS:
        if links.wavelets[..., direction].any():
            yield f"link to the {direction.name}", "wavelets", "links", links.wavelets[..., direction]
    for direction in _LINKS:
        if links.blocked[..., direction].any():
            yield f"held up behind the link to the {direction.name}", "cycles", "links", links.blocked[..., direction]
    yield "sent by the core", "wavelets", "links", links.injected
    yield "taken by the core", "wavelets", "links", links.delivered
    yield "SRAM in use", "bytes", "memory", report.sram.peak
    yield "SRAM read", "bytes", "memory", report.sram.read
    yield "SRAM written", "bytes", "memory", report.sram.written
    yield "arithmetic", "operations", "work", np.asarray(report.work.operations)
