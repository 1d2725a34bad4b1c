"""Cycles of single instructions, from the fields of a Wafer: what the closed forms of the kernels add up."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

from wse_sim.hardware import DType, Wafer, f32
from wse_sim.hardware.operations import SCALAR_OPERATIONS, VECTOR_OPERATIONS


@dataclass(frozen=True)
class Price:
    """Prices on one machine. Bank conflicts and pending writes are left out unless asked for.

    Operand types are those of views in SRAM; None stands for a register, or for a number, which is of the other's type.
    """

    wafer: Wafer

    def vector(
        self,
        name: str,
        n: int,
        to: DType | None,
        a: DType | None,
        b: DType | None = None,
        *,
        in_place: bool = False,
        clash: bool = False,
    ) -> int:
        """A synchronous operation on `n` elements.

        in_place  the destination is the view of a source, and needs no descriptor of its own
        clash     every group finds two of its operands in the same banks
        """
        loads = sum(x is not None for x in (to, a, b)) - in_place
        start = loads * self.wafer.dsr_load_cycles + self.wafer.op_start_cycles
        return start + self.elements(name, n, to, a, b, clash=clash)

    def map(self, name: str, steps: int, n: int, to: DType, a: DType) -> int:
        """A map of `steps` steps, each of `n` elements, over a view of scalars."""
        start = 3 * self.wafer.dsr_load_cycles + self.wafer.map_start_cycles
        return start + steps * self.wafer.step_cycles(self.elements(name, n, to, a))

    def elements(
        self,
        name: str,
        n: int,
        to: DType | None,
        a: DType | None,
        b: DType | None = None,
        *,
        clash: bool = False,
    ) -> int:
        """The elements alone: groups at the rate of the operation, or of the SRAM ports if slower."""
        operation, wafer = VECTOR_OPERATIONS[name], self.wafer
        lanes, cycles = wafer.rate(operation, to or f32, a or to or f32)
        reads = _bytes(a) + _bytes(b) + (_bytes(to) if operation.into else 0)

        groups = -(-n // lanes)
        read = -(-n * reads // wafer.read_bytes_per_cycle)
        written = -(-n * _bytes(to) // wafer.write_bytes_per_cycle)
        return max(groups * cycles, read, written) + groups * clash * wafer.bank_conflict_cycles

    def scalar(self, names: str) -> int:
        """Scalar instructions by name, separated by spaces: "load imul iadd"."""
        return _scalar(self.wafer, names)

    def loop(self, count: int) -> int:
        """What a loop costs besides its body."""
        wafer = self.wafer
        if count == 0:
            return wafer.loop_start_cycles + wafer.branch_taken_cycles
        return wafer.loop_start_cycles + (count - 1) * wafer.loop_edge_cycles + wafer.branch_not_taken_cycles


@lru_cache(maxsize=4096)
def _scalar(wafer: Wafer, names: str) -> int:
    return sum(int(getattr(wafer, SCALAR_OPERATIONS[name].cost)) for name in names.split())


def _bytes(dtype: DType | None) -> int:
    return 0 if dtype is None else dtype.bytes
