"""Tidy tables of a report, for pandas."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import TYPE_CHECKING, Any

import numpy as np

from wse_sim.errors import UsageError
from wse_sim.hardware.checks import closest
from wse_sim.hardware.geometry import Direction
from wse_sim.hardware.states import GROUPS, State
from wse_sim.report.breakdown import breakdown, kernel_of, phase_of
from wse_sim.report.grids import pes_of_cells
from wse_sim.report.parts import UNKNOWN

if TYPE_CHECKING:
    import pandas as pd

    from wse_sim.report.report import Report

_STATES = tuple(State)


def to_frame(report: Report, by: str) -> pd.DataFrame:
    """See `Report.to_frame`."""
    import pandas as pd

    if by not in _TABLES:
        raise UsageError(f"no table by {by!r}.{closest(by, _TABLES)} Known: {', '.join(_TABLES)}")
    return pd.DataFrame(_TABLES[by](report))


def _states(report: Report) -> dict[str, Any]:
    return {
        "state": [s.name for s in State],
        "group": [s.group for s in State],
        "pe_cycles": [report.totals[s] for s in State],
        "share": [report.share(s) for s in State],
        "cycles_per_pe": [report.totals[s] / report.pes for s in State],
    }


def _sections(report: Report) -> dict[str, Any]:
    """Rows of states that occurred; `first` and `last` are missing where not known."""
    sections = report.sections
    section, state = np.nonzero(sections.cycles)
    cycles = sections.cycles[section, state]
    return {
        "section": [sections.names[i] for i in section],
        "state": [_STATES[i].name for i in state],
        "group": [_STATES[i].group for i in state],
        "pe_cycles": cycles,
        "share": cycles / max(report.cycles * report.pes, 1),
        "first": _known(sections.first[section]),
        "last": _known(sections.last[section]),
    }


def _lines(report: Report, name_of: Callable[[str], str]) -> dict[str, Any]:
    lines = breakdown(report, name_of)
    return {
        "name": [line.name for line in lines],
        "cycles": [line.cycles for line in lines],
        "share": [line.cycles / max(report.cycles, 1) for line in lines],
        **{group: [line.groups[group] for line in lines] for group in GROUPS},
        "wavelets": [line.wavelets for line in lines],
        "operations": [line.operations for line in lines],
        "sram_bytes": [line.sram_bytes for line in lines],
        "streamed_bytes": [line.streamed_bytes for line in lines],
    }


def _known(cycles: np.ndarray) -> Any:
    import pandas as pd

    values = pd.array(cycles, dtype="Int64")
    values[cycles == UNKNOWN] = pd.NA
    return values


def _pes(report: Report) -> dict[str, Any]:
    y, x = (i.ravel() * report.tile for i in np.indices(report.states.shape[:2]))
    return {
        "x": x,
        "y": y,
        "pes": pes_of_cells(report.width, report.height, report.tile).ravel(),
        **{s.name.lower(): report.states[..., s].ravel() for s in State},
        "elements": report.work.elements.ravel(),
        "operations": report.work.operations.ravel(),
        "sram_read_bytes": report.sram.read.ravel(),
        "sram_written_bytes": report.sram.written.ravel(),
        "sram_peak_bytes": report.sram.peak.ravel(),
        "injected": report.links.injected.ravel(),
        "delivered": report.links.delivered.ravel(),
    }


def _links(report: Report) -> dict[str, Any]:
    """Rows of links that carried a wavelet; of a tile all links that leave its PEs to one side are one row."""
    wavelets = report.links.wavelets
    y, x, to = np.nonzero(wavelets)
    cell_cycles = report.cell_cycles[y, x]
    return {
        "x": x * report.tile,
        "y": y * report.tile,
        "to": np.array([d.name for d in Direction])[to],
        "wavelets": wavelets[y, x, to],
        "share": wavelets[y, x, to] / np.maximum(cell_cycles, 1),
        "blocked": report.links.blocked[y, x, to],
    }


def _colors(report: Report) -> dict[str, Any]:
    links = report.links
    return {
        "color": list(links.colors),
        "injected": links.injections,
        "hosted": links.hosted,
        "hops": links.hops,
        "copies": links.copies,
        "delivered": links.deliveries,
        "held": links.held,
        "dropped": links.dropped,
    }


def _operations(report: Report) -> dict[str, Any]:
    counts = report.work.by_operation
    return {"operation": list(counts), "elements": list(counts.values())}


def _buffers(report: Report) -> dict[str, Any]:
    buffers = report.sram.buffers
    return {
        "buffer": [b.name for b in buffers],
        "dtype": [b.dtype for b in buffers],
        "bytes": [b.nbytes for b in buffers],
        "address": [b.address for b in buffers],
        "pes": [b.pes for b in buffers],
        "shares_with": [", ".join(b.shares_with) for b in buffers],
    }


_TABLES: dict[str, Callable[[Report], dict[str, Any]]] = {
    "state": _states,
    "section": _sections,
    "phase": partial(_lines, name_of=phase_of),
    "kernel": partial(_lines, name_of=kernel_of),
    "pe": _pes,
    "link": _links,
    "color": _colors,
    "operation": _operations,
    "buffer": _buffers,
}
