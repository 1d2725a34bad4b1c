"""The three faces of the memory wall, apart: SRAM ports and banks, capacity, weights from outside the wafer."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wse_sim.hardware.frozen import FrozenMap
from wse_sim.hardware.states import MEMORY, WEIGHTS, State
from wse_sim.report.grids import Box

if TYPE_CHECKING:
    from wse_sim.report.report import Report


HOST_BOUND = 0.9  # part of the cycles in use from which on the link counts as what bounds a run


@dataclass(frozen=True)
class MemoryWall:
    """How near a run came to each limit of memory.

    stalls                PE-cycles lost to each cause at ports and banks
    stall_share           part of all PE-cycles
    sram_bytes            read and written
    operations_per_byte   of SRAM traffic
    port_pe               PE that reads most; of a report in tiles, that tile
    port_bytes_per_cycle  that it reads on average
    port_limit            that its ports can give
    peak_pe, peak_bytes   PE whose buffers take most, and what they take
    limit_bytes           room for buffers on a PE
    weight_wait           PE-cycles spent waiting for streamed weights
    host_bytes            copied in and out
    host_cycles           that the copies take on the host link, which launches do not include
    streamed_bytes        sent by host streams during launches
    link_share            part of the cycles that the link takes for them at least
    operations_per_streamed_byte  arithmetic done for each of them; 0 if there are none
    link_bytes_per_cycle  that the channels of these PEs give if words are dealt so; without any words, the link
    """

    stalls: Mapping[State, int]
    stall_share: float
    sram_bytes: int
    operations_per_byte: float
    port_pe: Box
    port_bytes_per_cycle: float
    port_limit: int
    peak_pe: Box
    peak_bytes: int
    limit_bytes: int
    weight_wait: int
    weight_share: float
    host_bytes: int
    host_cycles: int
    streamed_bytes: int
    link_share: float
    operations_per_streamed_byte: float
    link_bytes_per_cycle: float

    @property
    def host_bound(self) -> bool:
        """Whether the host link set the pace: in use nearly all the time."""
        return self.link_share >= HOST_BOUND

    @property
    def left_bytes(self) -> int:
        """Room left on the fullest PE."""
        return self.limit_bytes - self.peak_bytes

    def describe(self) -> str:
        """One line per face."""
        stalls = ", ".join(f"{state.name} {cycles}" for state, cycles in self.stalls.items())
        return "\n".join([
            f"ports     {100 * self.stall_share:.1f} % of PE-cycles lost ({stalls}); {self.port_pe} reads "
            f"{self.port_bytes_per_cycle:.1f} of {self.port_limit} bytes per cycle; "
            f"{self.operations_per_byte:.2f} operations per byte of SRAM traffic",
            f"capacity  {self.peak_bytes} of {self.limit_bytes} bytes in use on {self.peak_pe}, "
            f"{self.left_bytes} left",
            f"weights   {100 * self.weight_share:.1f} % of PE-cycles waiting for streamed weights; "
            f"{self.streamed_bytes} bytes streamed, for which channels of the host link need "
            f"{100 * self.link_share:.1f} % of the cycles at {self.link_bytes_per_cycle:.4g} bytes per cycle, "
            f"{self.operations_per_streamed_byte:.2f} operations per byte; {self.host_bytes} bytes copied between "
            f"launches, {self.host_cycles} cycles",
        ]) + "\n"  # fmt: skip


def memory_wall(report: Report) -> MemoryWall:
    """Read from the counts of a report."""
    per_cycle = report.sram.read / np.maximum(report.cell_cycles, 1)
    reader, fullest = int(np.argmax(per_cycle)), int(np.argmax(report.sram.peak))
    traffic = int(report.sram.read.sum() + report.sram.written.sum())
    return MemoryWall(
        stalls=FrozenMap(report.memory_stalls),
        stall_share=report.share(*MEMORY),
        sram_bytes=traffic,
        operations_per_byte=int(report.work.operations.sum()) / max(traffic, 1),
        port_pe=report.box_of(reader),
        port_bytes_per_cycle=float(per_cycle.flat[reader]),
        port_limit=report.wafer.read_bytes_per_cycle,
        peak_pe=report.box_of(fullest),
        peak_bytes=int(report.sram.peak.flat[fullest]),
        limit_bytes=report.sram.limit,
        weight_wait=sum(report.totals[state] for state in WEIGHTS),
        weight_share=report.share(*WEIGHTS),
        host_bytes=report.work.host_bytes_in + report.work.host_bytes_out,
        host_cycles=sum(report.host_cycles),
        streamed_bytes=report.work.streamed_bytes,
        link_share=report.link_share,
        operations_per_streamed_byte=int(report.work.operations.sum()) / max(report.work.streamed_bytes, 1)
        if report.work.streamed_bytes else 0.0,
        link_bytes_per_cycle=report.work.streamed_bytes / report.work.stream_cycles if report.work.streamed_bytes
        else report.wafer.host_bytes_per_second / report.wafer.clock_hz,
    )
