"""What a PE does in a cycle: exactly one of these, so that they add up to the run."""

from __future__ import annotations

from enum import IntEnum


class State(IntEnum):
    """A state of a PE, with what it means and what shortens it."""

    meaning: str
    cure: str

    def __new__(cls, code: int, meaning: str, cure: str) -> State:
        member = int.__new__(cls, code)
        member._value_ = code
        member.meaning = meaning
        member.cure = cure
        return member

    IDLE = 0, "no task is ready to run", "give the PE more work, or use fewer PEs"
    MOVE = 1, "elements are copied or converted", "let an arithmetic operation read the stream itself"
    ARITH = 2, "elementwise arithmetic without a multiply-add", "fuse a multiply and an add into mac"
    MAC = 3, "fused multiply-adds", "this is the useful work of matrix products; f16 does more of it per cycle"
    REDUCE = 4, "elements are reduced into a scalar register, one after the other", (
        "reduce vectors, and the last few elements only"
    )
    MATH = 5, "exp, tanh, erf, roots and reciprocals, element by element", (
        "spread the elements over more PEs, or use a cheaper form"
    )
    SCALAR = 6, "scalar instructions", "move the work into vector operations"
    PORT_STALL = 7, "operands need more bytes per cycle than the SRAM ports give", (
        "keep one operand in a register or on a stream"
    )
    BANK_STALL = 8, "two operands lie in the same SRAM banks", (
        "start one buffer at another bank: Builder.buffer(bank_offset=8)"
    )
    PENDING_WRITE = 9, "an operand lies in a bank whose last write is still pending", (
        "read what was just written a little later"
    )
    INPUT_WAIT = 10, "the input queue has no wavelet to work on", (
        "look upstream: the sender is late, or the path is shared"
    )
    OUTPUT_BLOCKED = 11, "the output queue is full", "look downstream: the receiver is late, or the path is shared"
    SLOT_WAIT = 12, "the background slot named by an operation is still busy", "use another slot, or issue later"
    OVERHEAD = 13, "descriptor loads, starts of operations, steps of maps and loops, branches", (
        "use longer vectors and fewer operations"
    )
    TASK_SWITCH = 14, "a task is picked and its first instruction fetched", "do more in each task"
    WEIGHT_WAIT = 15, "streamed weights have not arrived from outside the wafer", (
        "keep weights resident, or reuse each one more often"
    )

    @property
    def group(self) -> str:
        """Name of the one group in `GROUPS` that holds the state."""
        return next(name for name, members in GROUPS.items() if self in members)


BUSY = (State.MOVE, State.ARITH, State.MAC, State.REDUCE, State.MATH, State.SCALAR)
MEMORY = (State.PORT_STALL, State.BANK_STALL, State.PENDING_WRITE)
FABRIC = (State.INPUT_WAIT, State.OUTPUT_BLOCKED)
ISSUE = (State.SLOT_WAIT, State.OVERHEAD, State.TASK_SWITCH)
WEIGHTS = (State.WEIGHT_WAIT,)
IDLE = (State.IDLE,)

GROUPS: dict[str, tuple[State, ...]] = {
    "busy": BUSY,
    "memory": MEMORY,
    "fabric": FABRIC,
    "issue": ISSUE,
    "weights": WEIGHTS,
    "idle": IDLE,
}
"""Every state in exactly one group."""
