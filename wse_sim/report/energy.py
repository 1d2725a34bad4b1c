"""Energy of a run, estimated: events times what each is thought to cost."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from wse_sim.hardware.frozen import FrozenMap
from wse_sim.hardware.operations import VECTOR_OPERATIONS
from wse_sim.hardware.states import BUSY
from wse_sim.hardware.wafer import Wafer

if TYPE_CHECKING:
    from wse_sim.report.report import Report

NOTE = "an estimate: no energy per event is published for these machines"
JOULES_PER_FEMTOJOULE = 1e-15
READ_BYTES = 8  # of the 64-bit access that the wafer's SRAM energies are given for


@dataclass(frozen=True)
class Energy:
    """Estimated energy, by class of event.

    events       how many
    femtojoules  what they cost together
    seconds      length of the run
    """

    events: Mapping[str, float]
    femtojoules: Mapping[str, float]
    seconds: float
    note: str = NOTE

    @property
    def joules(self) -> float:
        return sum(self.femtojoules.values()) * JOULES_PER_FEMTOJOULE

    @property
    def watts(self) -> float:
        """Average power; 0 for a run of no cycles."""
        return self.joules / self.seconds if self.seconds else 0.0

    def share(self, name: str) -> float:
        """Part of the total that a class of events takes."""
        return self.femtojoules[name] / (sum(self.femtojoules.values()) or 1.0)


def estimate_energy(report: Report, wafer: Wafer | None = None) -> Energy:
    """Energy of a run's events on its own wafer, or with the energies of another.

    An element of arithmetic costs the 16-bit price if the program uses its operation on 16-bit results only, else the
    32-bit price. Busy cycles pay for issue and control; every PE pays in every cycle for being on.
    """
    on = report.wafer if wafer is None else wafer
    wide, narrow = _arithmetic(report)
    ramps = int(report.links.injected.sum() + report.links.delivered.sum())
    busy = sum(int(report.states[..., state].sum()) for state in BUSY)
    priced: dict[str, tuple[float, int]] = {
        "16-bit arithmetic": (narrow, on.energy_f16_op_fj),
        "32-bit arithmetic": (wide, on.energy_f32_op_fj),
        "SRAM reads": (int(report.sram.read.sum()) / READ_BYTES, on.energy_sram_read_fj),
        "SRAM writes": (int(report.sram.written.sum()) / READ_BYTES, on.energy_sram_write_fj),
        "hops": (int(report.links.hops.sum()), on.energy_hop_fj),
        "ramps": (ramps, on.energy_ramp_fj),
        "control": (busy, on.energy_control_fj),
        "static": (report.cycles * report.width * report.height, on.energy_static_fj),
    }
    return Energy(
        events=FrozenMap({name: count for name, (count, _) in priced.items()}),
        femtojoules=FrozenMap({name: count * price for name, (count, price) in priced.items()}),
        seconds=report.seconds,
    )


def _arithmetic(report: Report) -> tuple[int, int]:
    """Elements of arithmetic: 32-bit, 16-bit."""
    work = report.work
    counted = {name: n for name, n in work.by_operation.items() if VECTOR_OPERATIONS[name].operations}
    narrow = sum(n for name, n in counted.items() if name in work.narrow)
    return sum(counted.values()) - narrow, narrow
