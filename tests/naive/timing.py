"""How long elements in memory take: a list of states, one for each cycle."""

from __future__ import annotations

from math import ceil

from naive.work import Place, Work

from wse_sim.hardware import State, Wafer


def element_states(work: Work, wafer: Wafer, step: int) -> list[State]:
    """The states of the cycles that all elements take; what the ports add comes last."""
    groups = [_group_states(work, wafer, first, step) for first in range(0, work.n, work.lanes)]
    ports = [State.PORT_STALL] * max(0, _port_cycles(work, wafer) - len(groups) * work.cycles)
    return [state for group in groups for state in group] + ports


def _group_states(work: Work, wafer: Wafer, first: int, step: int) -> list[State]:
    """The states of the cycles of the group that begins with element `first`, without waits for a port."""
    own = [work.vector.operation.state] * work.cycles
    banks = [State.BANK_STALL] * (_clashes(work, wafer, first, step) * wafer.bank_conflict_cycles)
    writes = [State.PENDING_WRITE] * (wafer.pending_write_cycles if _pending(work, first, step) else 0)
    return own + banks + writes


def read_operands(work: Work) -> list[Place]:
    """Operands that every group reads from memory; `b` of a map is a scalar."""
    found = [place for place in (work.a, work.b) if place is not None]
    if work.to is not None and work.vector.operation.into:
        found.append(work.to)
    return found


def _port_cycles(work: Work, wafer: Wafer) -> int:
    """Cycles that the bytes of all elements take through the ports."""
    read = sum(place.buffer.dtype.bytes for place in read_operands(work))
    written = work.to.buffer.dtype.bytes if work.to is not None else 0
    reads = ceil(work.n * read / wafer.read_bytes_per_cycle)
    writes = ceil(work.n * written / wafer.write_bytes_per_cycle)
    return max(reads, writes)


def _clashes(work: Work, wafer: Wafer, first: int, step: int) -> int:
    """Pairs of operands whose words lie in the same banks."""
    operands = read_operands(work)
    pairs = [(p, q) for i, p in enumerate(operands) for q in operands[i + 1 :]]
    return sum(_clash(work, wafer, p, q, first, step) for p, q in pairs)


def _clash(work: Work, wafer: Wafer, p: Place, q: Place, first: int, step: int) -> bool:
    port = wafer.read_port_bytes
    start_p, start_q = p.address(first, step), q.address(first, step)
    bytes_p, bytes_q = work.lanes * p.buffer.dtype.bytes, work.lanes * q.buffer.dtype.bytes
    if bytes_p > port or bytes_q > port:
        return (start_p - start_q) % port != 0
    return bool(_banks(wafer, start_p, bytes_p) & _banks(wafer, start_q, bytes_q))


def _banks(wafer: Wafer, start: int, count: int) -> set[int]:
    addresses = range(start, start + count)
    return {address // wafer.bank_interleave_bytes % wafer.read_conflict_modulo for address in addresses}


def _pending(work: Work, first: int, step: int) -> bool:
    """True if an operand begins among the bytes that the group before has written."""
    if first == 0 or work.to is None:
        return False
    group_before = range(first - work.lanes, first)
    written = [work.to.address(i, step) for i in group_before]
    low, high = min(written), max(written) + work.to.buffer.dtype.bytes
    return any(low <= place.address(first, step) < high for place in read_operands(work))
