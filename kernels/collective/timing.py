"""How long the steps of a collective take, from the fields of a Wafer; the rules are those of SEMANTICS.md."""

from __future__ import annotations

from dataclasses import dataclass

from wse_sim.hardware import DType, Wafer
from wse_sim.hardware.operations import VECTOR_OPERATIONS


@dataclass(frozen=True)
class Timing:
    """Prices on one machine, in cycles; what hops from die to die take more is left out."""

    wafer: Wafer

    def issue(self, loads: int) -> int:
        """From the start of a synchronous operation to its first element, `loads` descriptors on."""
        return loads * self.wafer.dsr_load_cycles + self.wafer.op_start_cycles

    def asynchronous(self, loads: int) -> int:
        """From the start of an asynchronous operation to the next instruction, or to its first element."""
        return loads * self.wafer.dsr_load_cycles + self.wafer.async_issue_cycles

    def stage(self, hops: int = 1) -> int:
        """From a wavelet's sending by one core to its use by another, `hops` links away."""
        return self.wafer.ramp_out_cycles + hops * self.wafer.hop_cycles + self.wafer.ramp_in_cycles

    def pauses(self, words: int) -> int:
        """Cycles that a stream operation pauses before the last of so many wavelets."""
        every = self.wafer.stream_pause_wavelets
        return max(0, words - 1) // every if every else 0

    def wavelet(self, operation: str, to: DType, source: DType, carry: DType) -> int:
        """Cycles of one wavelet's elements in a stream operation on `source` elements."""
        lanes, cycles = self.wafer.rate(VECTOR_OPERATIONS[operation], to, source)
        return cycles * -(-carry.per_wavelet // lanes)


def wavelets(elements: int, carry: DType) -> int:
    """Wavelets that hold so many elements."""
    return -(-elements // carry.per_wavelet)
