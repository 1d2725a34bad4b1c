"""`Recording`: what happened in each cycle of a window, as a frozen value."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

from wse_sim.errors import UsageError
from wse_sim.hardware.geometry import Region
from wse_sim.hardware.wafer import Wafer
from wse_sim.report.grids import Counts
from wse_sim.report.parts import Part
from wse_sim.report.trace import animation, chrome, paths, storage, tables, timeline, wse_viz
from wse_sim.report.trace.code import CodeLine
from wse_sim.report.trace.events import Slices, Spans, Stays

if TYPE_CHECKING:
    import pandas as pd

By = Literal["state", "wavelet", "background"]


@dataclass(frozen=True, eq=False, kw_only=True)
class Recording(Part):
    """What the PEs of a region did in cycles `first` to `end` - 1 of a machine, and where wavelets were.

    name           of the program
    width, height  of the program's grid
    full           the recording ended because there was no room for more events
    colors         names
    code           instructions that slices and spans name
    role           (rows, columns) of the region: PEs of a role have the same queues
    queues         (roles, colours, 2) number of the input queue and of the output queue of each colour; -1: none
    """

    name: str
    width: int
    height: int
    region: Region
    first: int
    end: int
    full: bool
    colors: tuple[str, ...]
    code: tuple[CodeLine, ...]
    stays: Stays
    slices: Slices
    spans: Spans
    wafer: Wafer
    role: Counts
    queues: Counts

    @property
    def cycles(self) -> int:
        """Length of the window."""
        return self.end - self.first

    def window(self, asked: tuple[int, int] | None) -> tuple[int, int]:
        """A first cycle and the one after the last, of those recorded; None: all. Raises UsageError for others."""
        first, last = asked or (self.first, self.end)
        if not self.first <= first < last <= self.end:
            raise UsageError(
                f"window {(first, last)}: expected cycles of the recording, from {self.first} to {self.end}"
            )
        return first, last

    def xy(self, pe: int) -> tuple[int, int]:
        """Column and row of a PE number."""
        return pe % self.width, pe // self.width

    def input_queue(self, pe: int, color: int) -> int:
        """Number of the input queue of a colour on a PE; -1: none."""
        return self._queue(pe, color, 0)

    def output_queue(self, pe: int, color: int) -> int:
        """Number of the output queue of a colour on a PE; -1: none."""
        return self._queue(pe, color, 1)

    def _queue(self, pe: int, color: int, way: int) -> int:
        x, y = self.xy(pe)
        return int(self.queues[self.role[self.region.ys.index(y), self.region.xs.index(x)], color, way])

    # -- pictures: functions of `wse_sim.report.trace` --------------------------------------------

    draw_timeline = timeline.draw_timeline
    draw_paths = paths.draw_paths
    animate = animation.animate

    # -- other forms ------------------------------------------------------------------------------

    def to_chrome(self, path: str | Path) -> Path:
        """Writes the recording in the Chrome trace event format, for ui.perfetto.dev or chrome://tracing.

        A microsecond is a cycle. Compressed if the name ends in .gz.
        """
        return _written(chrome.write_chrome, self, path)

    def to_wse_viz(self, path: str | Path) -> Path:
        """Writes the recording as a text log for the viewer wse-viz."""
        return _written(wse_viz.write_wse_viz, self, path)

    def save(self, path: str | Path) -> Path:
        """Writes the recording to a file that `load` reads."""
        return _written(storage.write_recording, self, path)

    @staticmethod
    def load(path: str | Path) -> Recording:
        """The recording that `save` wrote. Raises UsageError for anything else."""
        return storage.read_recording(Path(path))

    def to_frame(self, by: By = "state") -> pd.DataFrame:
        """A tidy table.

        state       a row per stretch of cycles that count as one state on a PE; cycles in none are IDLE
        wavelet     a row per stay of a wavelet in a queue; rows of one wavelet, copies included, have one number
        background  a row per operation in a background slot
        """
        return tables.to_frame(self, by)

    # -- in words ---------------------------------------------------------------------------------

    def describe(self) -> str:
        """What was recorded, in a few words."""
        text = (
            f"{self.name} on {self.wafer.name}: cycles {self.first} to {self.end} of PEs {self.region!r}; "
            f"{len(self.stays)} stays of wavelets in queues, {len(self.slices)} slices, "
            f"{len(self.spans)} background operations"
        )
        return f"{text}; ended early, as there was no room for more events" if self.full else text

    def __repr__(self) -> str:
        return f"<Recording of {self.describe()}>"


def _written(write: Callable[[Recording, Path], None], recording: Recording, path: str | Path) -> Path:
    write(recording, Path(path))
    return Path(path)
