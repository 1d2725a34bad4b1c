"""Tidy tables of a recording, for pandas."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np

from wse_sim.errors import UsageError
from wse_sim.hardware.checks import closest
from wse_sim.hardware.states import State
from wse_sim.report.grids import Counts
from wse_sim.report.trace.events import PORTS
from wse_sim.report.trace.wavelets import wavelet_of

if TYPE_CHECKING:
    import pandas as pd

    from wse_sim.report.trace.recording import Recording

_STATES = np.array([state.name for state in State], object)


def to_frame(recording: Recording, by: str) -> pd.DataFrame:
    """See `Recording.to_frame`."""
    import pandas as pd

    if by not in _TABLES:
        raise UsageError(f"no table by {by!r}.{closest(by, _TABLES)} Known: {', '.join(_TABLES)}")
    return pd.DataFrame(_TABLES[by](recording))


def _states(recording: Recording) -> dict[str, Any]:
    slices = recording.slices
    return {
        **_place(recording, slices.pe),
        "state": _STATES[slices.state],
        "start": slices.start,
        "end": slices.end,
        **_instruction(recording, slices.instruction),
    }


def _background(recording: Recording) -> dict[str, Any]:
    spans = recording.spans
    return {
        **_place(recording, spans.pe),
        "slot": spans.slot,
        "start": spans.start,
        "end": _known(spans.end),
        **_instruction(recording, spans.instruction),
    }


def _wavelets(recording: Recording) -> dict[str, Any]:
    stays = recording.stays
    return {
        "wavelet": wavelet_of(recording),
        **_place(recording, stays.pe),
        "color": _names(recording.colors)[stays.color],
        "queue": _names(PORTS)[stays.port],
        "entered": stays.entered,
        "visible": stays.visible,
        "left": _known(stays.left),
        "word": stays.word,
    }


def _place(recording: Recording, pe: Counts) -> dict[str, Any]:
    return {"x": pe % recording.width, "y": pe // recording.width}


def _instruction(recording: Recording, index: Counts) -> dict[str, Any]:
    sections = _names([line.section for line in recording.code])
    return {"section": sections[index], "instruction": _names([line.text for line in recording.code])[index]}


def _names(names: Any) -> Any:
    """An array to index, of at least one element."""
    return np.array([*names, ""], object)


def _known(cycles: Counts) -> Any:
    import pandas as pd

    values = pd.array(cycles, dtype="Int64")
    values[cycles < 0] = pd.NA
    return values


_TABLES: dict[str, Callable[[Recording], dict[str, Any]]] = {
    "state": _states,
    "wavelet": _wavelets,
    "background": _background,
}
