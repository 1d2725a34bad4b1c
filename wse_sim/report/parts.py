"""The parts of a report: sections, links, SRAM, work, provenance. Frozen values; their arrays cannot be written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace

import numpy as np

from wse_sim.hardware.frozen import FrozenMap
from wse_sim.report.grids import Counts, seal, tile_peaks, tile_sums

UNKNOWN = -1


@dataclass(frozen=True, eq=False)
class Part:
    """A value whose arrays are sealed and whose mappings are frozen when it is made."""

    def __post_init__(self) -> None:
        for f in fields(self):
            value = getattr(self, f.name)
            if isinstance(value, np.ndarray):
                object.__setattr__(self, f.name, seal(value))
            elif isinstance(value, Mapping):
                object.__setattr__(self, f.name, FrozenMap(value))

    def __eq__(self, other: object) -> bool:
        if type(self) is not type(other):
            return NotImplemented
        return all(_same(getattr(self, f.name), getattr(other, f.name)) for f in fields(self))

    __hash__ = None  # type: ignore[assignment]


def _same(one: object, other: object) -> bool:
    if isinstance(one, np.ndarray) and isinstance(other, np.ndarray):
        return np.array_equal(one, other)
    return one == other


@dataclass(frozen=True, eq=False, kw_only=True)
class Sections(Part):
    """Named parts of a program. A PE is in the section of the last instruction its main thread started.

    cycles      (sections, states) PE-cycles; idling after a section counts as idling in it
    operations  (sections,) arithmetic operations of its vector instructions
    wavelets    (sections,) sent by its instructions, copies that routers make not counted
    sram_bytes  (sections,) read and written by its vector instructions, the elements that step a map not counted
    streamed_bytes  (sections,) that its instructions took from host streams, on all PEs together
    first       (sections,) first cycle of any PE's main thread in it; -1: not there, or not known
    last        (sections,) last such cycle, exclusive; -1: not there
    boxes       (sections, 4) left, top, right, bottom PE of those with code in it; -1: no code
    """

    names: tuple[str, ...]
    cycles: Counts
    operations: Counts
    wavelets: Counts
    sram_bytes: Counts
    streamed_bytes: Counts
    first: Counts
    last: Counts
    boxes: Counts

    def minus(self, earlier: Sections, before: int) -> Sections:
        """What came after `earlier`, which ended at cycle `before`.

        A section that had run before has no known first cycle, as only its first time ever was noted.
        """
        ran = self.last > before
        known = ran & (self.first >= before)
        return Sections(
            names=self.names,
            cycles=self.cycles - earlier.cycles,
            operations=self.operations - earlier.operations,
            wavelets=self.wavelets - earlier.wavelets,
            sram_bytes=self.sram_bytes - earlier.sram_bytes,
            streamed_bytes=self.streamed_bytes - earlier.streamed_bytes,
            first=np.where(known, self.first - before, UNKNOWN),
            last=np.where(ran, self.last - before, UNKNOWN),
            boxes=self.boxes,
        )


@dataclass(frozen=True, eq=False, kw_only=True)
class Links(Part):
    """Traffic of the fabric, in wavelets.

    wavelets   (height, width, 4) leaving each PE to the EAST, NORTH, WEST and SOUTH
    blocked    (height, width, 4) cycles in which a wavelet had arrived there and could not go on, added over colours
    injected   (height, width) from each core into its router
    delivered  (height, width) taken by each core
    colors     names
    injections, hosted, hops, copies, deliveries, held, dropped
               (colors,) wavelets from cores; from host streams; steps over links; made by routes with several outputs;
               taken by cores; on the way at the end; withheld by filters where their route ends. Nothing is lost:
               injections + hosted + copies = deliveries + held + dropped
    color_steps    (colors, 4) steps over links to the EAST, NORTH, WEST and SOUTH, hops by direction
    color_blocked  (colors, 4) cycles in which wavelets were held up behind these links
    """

    wavelets: Counts
    blocked: Counts
    injected: Counts
    delivered: Counts
    colors: tuple[str, ...]
    injections: Counts
    hosted: Counts
    hops: Counts
    copies: Counts
    deliveries: Counts
    held: Counts
    dropped: Counts
    color_steps: Counts
    color_blocked: Counts

    def minus(self, earlier: Links) -> Links:
        """What came after `earlier`; `held` is the change in wavelets on the way."""
        names = [f.name for f in fields(self) if f.name != "colors"]
        return Links(colors=self.colors, **{n: getattr(self, n) - getattr(earlier, n) for n in names})

    def tiled(self, tile: int) -> Links:
        return replace(
            self,
            wavelets=tile_sums(self.wavelets, tile),
            blocked=tile_sums(self.blocked, tile),
            injected=tile_sums(self.injected, tile),
            delivered=tile_sums(self.delivered, tile),
        )


@dataclass(frozen=True)
class BufferUse:
    """Room that a buffer takes.

    nbytes       per PE
    address      from the start of the data area
    pes          PEs that have it
    columns      in which it is, as start, stop and step of a range
    rows         likewise
    shares_with  buffers in the same bytes of some PE, at other times
    """

    name: str
    dtype: str
    nbytes: int
    address: int
    pes: int
    columns: tuple[int, int, int]
    rows: tuple[int, int, int]
    shares_with: tuple[str, ...]


@dataclass(frozen=True, eq=False, kw_only=True)
class Sram(Part):
    """Memory of the PEs, in bytes.

    read, written  (height, width) by vector operations; scalar loads and stores are not counted
    peak           (height, width) up to the end of the last buffer, released ones included
    limit          room for buffers on a PE
    """

    read: Counts
    written: Counts
    peak: Counts
    limit: int
    buffers: tuple[BufferUse, ...]

    def minus(self, earlier: Sram) -> Sram:
        return Sram(
            read=self.read - earlier.read, written=self.written - earlier.written,
            peak=self.peak, limit=self.limit, buffers=self.buffers,
        )  # fmt: skip

    def tiled(self, tile: int) -> Sram:
        return Sram(
            read=tile_sums(self.read, tile), written=tile_sums(self.written, tile),
            peak=tile_peaks(self.peak, tile), limit=self.limit, buffers=self.buffers,
        )  # fmt: skip


@dataclass(frozen=True, eq=False, kw_only=True)
class Work(Part):
    """What the vector operations computed; scalar instructions are not counted.

    by_operation  elements of each operation that occurred
    narrow        operations that the program applies to 16-bit elements only
    elements      (height, width)
    operations    (height, width) arithmetic operations: 2 for an element of mac or dot, 0 for one of mov
    host_bytes_in, host_bytes_out  copied between launches
    streamed_bytes  that host streams sent during launches
    stream_cycles   that the link takes for them at least: its busiest channel, or its busiest entry
    """

    by_operation: Mapping[str, int]
    narrow: tuple[str, ...]
    elements: Counts
    operations: Counts
    host_bytes_in: int
    host_bytes_out: int
    streamed_bytes: int
    stream_cycles: int

    def minus(self, earlier: Work) -> Work:
        counts = {name: n - earlier.by_operation.get(name, 0) for name, n in self.by_operation.items()}
        return Work(
            by_operation={name: n for name, n in counts.items() if n}, narrow=self.narrow,
            elements=self.elements - earlier.elements, operations=self.operations - earlier.operations,
            host_bytes_in=self.host_bytes_in - earlier.host_bytes_in,
            host_bytes_out=self.host_bytes_out - earlier.host_bytes_out,
            streamed_bytes=self.streamed_bytes - earlier.streamed_bytes,
            stream_cycles=self.stream_cycles - earlier.stream_cycles,
        )  # fmt: skip

    def tiled(self, tile: int) -> Work:
        return Work(
            by_operation=self.by_operation, narrow=self.narrow,
            elements=tile_sums(self.elements, tile), operations=tile_sums(self.operations, tile),
            host_bytes_in=self.host_bytes_in, host_bytes_out=self.host_bytes_out,
            streamed_bytes=self.streamed_bytes, stream_cycles=self.stream_cycles,
        )  # fmt: skip


@dataclass(frozen=True, eq=False, kw_only=True)
class Provenance(Part):
    """How a result was made; the wafer's own numbers and their origins are in the report's `wafer`.

    engine     that ran the program: `stream`, `cycle`, or both with a plus
    parts      how many PEs each engine ran, and why some were left to the cycle engine
    version    of wse_sim
    libraries  versions of the libraries that computed
    seed       None: nothing was random
    used       fields of the wafer that the program's cycles, sizes and energy depend on
    fidelity   exact: all of it was simulated; sampled: some of it, and `composed` says what was composed from what
    """

    program_hash: str
    engine: str
    parts: tuple[str, ...]
    version: str
    libraries: Mapping[str, str]
    threads: int
    seed: int | None
    used: tuple[str, ...]
    fidelity: str = "exact"
    composed: str = ""
