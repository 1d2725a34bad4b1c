"""`Report`: what one machine did, as a frozen value."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np

from wse_sim.errors import UsageError
from wse_sim.hardware.dtypes import WAVELET_BYTES
from wse_sim.hardware.geometry import Direction
from wse_sim.hardware.states import BUSY, MEMORY, State
from wse_sim.hardware.wafer import Wafer
from wse_sim.report import bottleneck, describe, explain, frame, laws, pictures, storage, wall
from wse_sim.report.energy import Energy, estimate_energy
from wse_sim.report.grids import Box, Counts, Shares, box_of_cell, pes_of_cells, seal, tile_sums
from wse_sim.report.parts import Links, Part, Provenance, Sections, Sram, Work

if TYPE_CHECKING:
    import pandas as pd

    from wse_sim.report.trace.recording import Recording

By = Literal["state", "section", "phase", "kernel", "pe", "link", "color", "operation", "buffer"]
_KEPT = 64  # busiest links that a report in tiles remembers


class Link(NamedTuple):
    """A directed link and its traffic.

    x, y      PE it leaves
    share     wavelets per cycle; a link carries at most one
    blocked   cycles in which a wavelet at its end could not go on, added over colours
    """

    x: int
    y: int
    direction: Direction
    wavelets: int
    share: float
    blocked: int


@dataclass(frozen=True, eq=False, kw_only=True)
class Report(Part):
    """What a machine did from its start, or between two reports of it: `later - earlier`.

    name      of the program
    cycles    length; every PE's states sum to it
    launches  cycles of each launch
    states    (height, width, states) cycles of each PE in each `State`, indexed by its code
    tile      1: grids have a cell per PE; n: a cell per n x n PEs, sums (of `sram.peak`: the largest)
    kept      busiest links, remembered where the grids are tiles
    """

    name: str
    width: int
    height: int
    cycles: int
    launches: tuple[int, ...]
    states: Counts
    sections: Sections
    links: Links
    sram: Sram
    work: Work
    wafer: Wafer
    provenance: Provenance
    tile: int = 1
    kept: tuple[Link, ...] = ()

    # -- arithmetic -------------------------------------------------------------------------------

    def __sub__(self, earlier: Report) -> Report:
        """What happened after `earlier`, a report of the same machine. Raises UsageError if it is not one."""
        if not isinstance(earlier, Report):
            return NotImplemented
        self._require_later_than(earlier)
        return replace(
            self,
            cycles=self.cycles - earlier.cycles,
            launches=self.launches[len(earlier.launches) :],
            states=self.states - earlier.states,
            sections=self.sections.minus(earlier.sections, earlier.cycles),
            links=self.links.minus(earlier.links),
            sram=self.sram.minus(earlier.sram),
            work=self.work.minus(earlier.work),
        )

    def _require_later_than(self, earlier: Report) -> None:
        wrong = ""
        if self.tile != 1 or earlier.tile != 1:
            wrong = "their grids are sums over tiles"
        elif (self.name, self.provenance.program_hash) != (earlier.name, earlier.provenance.program_hash):
            wrong = f"they are of two programs, {self.name!r} and {earlier.name!r}"
        elif self.wafer != earlier.wafer:
            wrong = f"they are of two wafers, {self.wafer!r} and {earlier.wafer!r}"
        elif self.launches[: len(earlier.launches)] != earlier.launches or self.cycles < earlier.cycles:
            wrong = f"the first does not go on from the second: launches {self.launches} and {earlier.launches}"
        if wrong:
            raise UsageError(
                f"reports of {self.name!r} cannot be subtracted: {wrong}; expected two reports of one machine, "
                "the later one first"
            )

    def tiled(self, tile: int) -> Report:
        """The report with grids of sums over tile x tile PEs, for storing and drawing large wafers."""
        if tile < 1 or (self.tile != 1 and tile != self.tile):
            raise UsageError(f"tile is {tile}: expected 1 or more, on a report whose grids have a cell per PE")
        if tile == self.tile:
            return self
        return replace(
            self,
            states=tile_sums(self.states, tile),
            links=self.links.tiled(tile),
            sram=self.sram.tiled(tile),
            work=self.work.tiled(tile),
            tile=tile,
            kept=self.busiest_links(_KEPT),
        )

    def tiled_to(self, cells: int) -> Report:
        """The report with the smallest tiles with which its grids have at most so many cells; itself if in tiles."""
        if cells < 1:
            raise UsageError(f"cells is {cells}: expected 1 or more")
        tile = self.tile
        while self.tile == 1 and -(-self.width // tile) * -(-self.height // tile) > cells:
            tile += 1
        return self.tiled(tile)

    # -- derived ----------------------------------------------------------------------------------

    @property
    def pes(self) -> int:
        """Number of PEs."""
        return self.width * self.height

    @cached_property
    def cell_cycles(self) -> Counts:
        """PE-cycles of each cell of the grids: the run's cycles, times the PEs of a tile."""
        return seal(self.cycles * pes_of_cells(self.width, self.height, self.tile))

    @property
    def seconds(self) -> float:
        """Length at the wafer's clock."""
        return self.wafer.seconds(self.cycles)

    @cached_property
    def totals(self) -> Mapping[State, int]:
        """PE-cycles in each state."""
        sums = self.states.sum(axis=(0, 1)).tolist()
        return {state: sums[state] for state in State}

    def share(self, *states: State) -> float:
        """Part of all PE-cycles in some states."""
        return sum(self.totals[state] for state in states) / max(self.cycles * self.pes, 1)

    def shares(self, *states: State) -> Shares:
        """Part of each PE's cycles in some states, (height, width)."""
        inside = self.states[..., list(states)].sum(axis=-1)
        shares: Shares = inside / np.maximum(self.cell_cycles, 1)
        return shares

    @property
    def utilisation(self) -> float:
        """Part of all PE-cycles in which elements or scalars were worked on."""
        return self.share(*BUSY)

    @property
    def busy(self) -> Shares:
        """Utilisation of each PE, (height, width)."""
        return self.shares(*BUSY)

    @property
    def memory_stalls(self) -> Mapping[State, int]:
        """PE-cycles lost at the SRAM's ports and banks."""
        return {state: self.totals[state] for state in MEMORY}

    def box_of(self, cell: int) -> Box:
        """PEs of a cell of the grids, counted in row-major order: one PE, or a tile."""
        row, column = divmod(cell, self.states.shape[1])
        return box_of_cell(row, column, self.width, self.height, self.tile)

    def busiest_links(self, k: int = 10) -> tuple[Link, ...]:
        """Links with most wavelets, the first in row-major order among equals; fewer if fewer carried any."""
        if self.tile != 1:
            return self.kept[:k]
        flat = self.links.wavelets.ravel()
        k = min(k, int(np.count_nonzero(flat)))
        if k < 1:
            return ()
        least = int(np.partition(flat, -k)[-k])
        above = np.flatnonzero(flat > least)
        chosen = np.concatenate([above, np.flatnonzero(flat == least)[: k - len(above)]])
        return tuple(self._link(int(i)) for i in chosen[np.lexsort((chosen, -flat[chosen]))])

    def _link(self, index: int) -> Link:
        pe, direction = divmod(index, 4)
        wavelets = int(self.links.wavelets.flat[index])
        return Link(
            x=pe % self.width,
            y=pe // self.width,
            direction=Direction(direction),
            wavelets=wavelets,
            share=wavelets / max(self.cycles, 1),
            blocked=int(self.links.blocked.flat[index]),
        )

    @property
    def host_cycles(self) -> tuple[int, int]:
        """Cycles that the copies in and out take on the host link, the channels' limit included."""
        per_second = min(
            self.wafer.host_bytes_per_second, self.wafer.host_channels * WAVELET_BYTES * self.wafer.clock_hz
        )
        inward, outward = (-(-n * self.wafer.clock_hz // per_second) for n in
                           (self.work.host_bytes_in, self.work.host_bytes_out))  # fmt: skip
        return inward, outward

    @property
    def link_share(self) -> float:
        """Part of the cycles in which the host link sent words of host streams, as far as its rate goes."""
        return self.work.stream_cycles / max(self.cycles, 1)

    @cached_property
    def energy(self) -> Energy:
        """Estimated energy by class of event."""
        return estimate_energy(self)

    @property
    def assumed(self) -> tuple[str, ...]:
        """Numbers of the wafer that are guesses and that this result leans on."""
        guesses = set(self.wafer.assumed())
        return tuple(name for name in self.provenance.used if name in guesses)

    @property
    def overrides(self) -> Mapping[str, str]:
        """Numbers of the wafer that the user set, and what they were before."""
        found = {}
        for name in self.wafer.overridden():
            value = "changed" if name == "rates" else str(getattr(self.wafer, name))
            found[name] = f"{value}, {self.wafer.origins[name].note}"
        return found

    # -- what it means ----------------------------------------------------------------------------

    def bottleneck(self) -> bottleneck.Bottleneck:
        """What bounded the run, and where."""
        return bottleneck.find_bottleneck(self)

    def explain(self) -> str:
        """Three sentences: what bounded the run and where, the nearest limit, what to try."""
        return explain.explain(self)

    def memory_wall(self) -> wall.MemoryWall:
        """The three faces of the memory wall: ports and banks, capacity, weights from outside."""
        return wall.memory_wall(self)

    def broken_laws(self) -> tuple[str, ...]:
        """Laws of conservation that the counts break; anything but () is a fault of the simulator."""
        return laws.broken_laws(self)

    # -- pictures: functions of `wse_sim.report.pictures` -----------------------------------------

    draw_utilisation = pictures.draw_utilisation
    draw_state = pictures.draw_state
    draw_memory = pictures.draw_memory
    draw_links = pictures.draw_links
    draw_traffic = pictures.draw_traffic
    draw_sections = pictures.draw_sections
    draw_sram = pictures.draw_sram
    draw_roofline = pictures.draw_roofline

    # -- other forms ------------------------------------------------------------------------------

    def to_frame(self, by: By = "state") -> pd.DataFrame:
        """A tidy table.

        state      a row per state: PE-cycles, share of all, cycles per PE (the default: what took the time)
        section    a row per section and state that occurred, with the section's first and last cycle
        phase      a row per outermost section: cycles on an average PE, PE-cycles by group of states, traffic, work
        kernel     the same per section inside, those of one name in all phases together
        pe         a row per PE (or tile): a column per state, work, SRAM and ramp traffic
        link       a row per directed link that carried a wavelet
        color, operation, buffer   a row each
        """
        return frame.to_frame(self, by)

    def to_json(self, path: str | Path | None = None, *, cells: int = storage.CELLS) -> str:
        """The report as JSON text, also written to `path`.

        cells  most cells of a grid; a larger wafer is written as tiles, sums over n x n PEs, and `grids` says so
        """
        text = storage.to_json(self, cells)
        if path is not None:
            Path(path).write_text(text, "utf-8")
        return text

    def to_html(self, path: str | Path, *, recording: Recording | None = None) -> Path:
        """Writes one HTML file that needs no network: the wafer to hover over, bars, tables, provenance.

        recording  of the same run, for a timeline
        Raises UsageError if plotly is not installed, the extra `html`.
        """
        from wse_sim.report.webpage import write_html

        return write_html(self, Path(path), recording)

    @staticmethod
    def from_json(source: str | Path) -> Report:
        """A report from JSON text, or from the file at a `Path`."""
        return storage.from_json(source.read_text("utf-8") if isinstance(source, Path) else source)

    def describe(self) -> str:
        """A summary as text."""
        return describe.describe(self)

    def __repr__(self) -> str:
        return f"<Report of {self.name!r}: {self.width} x {self.height} PEs, {self.cycles} cycles>"

    def _repr_html_(self) -> str:
        return describe.describe_html(self)

