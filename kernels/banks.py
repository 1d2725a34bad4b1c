"""Where operands meet in the banks of the SRAM."""

from __future__ import annotations

from wse_sim.hardware import DType, Wafer
from wse_sim.hardware.operations import VECTOR_OPERATIONS
from wse_sim.program.builder import ALIGNMENT

BANKS = ALIGNMENT  # bytes after which the banks repeat


def clashes(wafer: Wafer, first: int, second: int, n: int, to: DType, source: DType) -> int:
    """Groups of n multiply-adds whose destination and source, at two byte addresses, lie in the same banks."""
    lanes, _ = wafer.rate(VECTOR_OPERATIONS["mac"], to, source)
    width, other = lanes * to.bytes, lanes * source.bytes
    return sum(_clash(wafer, first + g * width, width, second + g * other, other) for g in range(-(-n // lanes)))


def _clash(wafer: Wafer, first: int, width: int, second: int, second_width: int) -> bool:
    """Whether operands at two addresses, so many bytes wide, meet in a bank."""
    port = wafer.read_port_bytes
    if max(width, second_width) > port:
        return (second - first) % port != 0
    return not _banks(wafer, first, width).isdisjoint(_banks(wafer, second, second_width))


def _banks(wafer: Wafer, address: int, width: int) -> set[int]:
    """Banks of some bytes, as far as reads tell them apart."""
    first, last = (byte // wafer.bank_interleave_bytes for byte in (address, address + width - 1))
    return {bank % wafer.read_conflict_modulo for bank in range(first, last + 1)}
