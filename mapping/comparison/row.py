"""What a comparison says of one mapping, whatever way it was found out."""

from __future__ import annotations

from collections.abc import Mapping as Table
from dataclasses import asdict, dataclass, field
from typing import Any, Literal, get_args

from wse_sim.errors import UsageError

Fidelity = Literal["estimate", "sampled", "exact"]
FIDELITIES: tuple[Fidelity, ...] = get_args(Fidelity)


def fidelity_of(name: str) -> Fidelity:
    """The fidelity of that name; UsageError lists the known ones."""
    for known in FIDELITIES:
        if name == known:
            return known
    raise UsageError(f"fidelity {name!r}: expected one of {', '.join(FIDELITIES)}")


@dataclass(frozen=True, kw_only=True)
class Row:
    """One mapping.

    why_not             what keeps it from being; nothing where it is feasible
    step_tokens         1 in decode; in prefill those of the prompt
    step_cycles         between two steps of a sequence
    hand_over_cycles    until a prompt's keys and values are where they are decoded from; None if they are made there
    cycles_per_token    between two tokens of a sequence
    tokens_per_s        of all sequences and replicas, at the wafer's nominal clock
    utilisation         floating-point operations done, of those that the PEs in use could do
    wavelets_per_token  hops over links
    busiest_link_share  cycles in which the busiest link carries a wavelet
    sram_peak_bytes     on the fullest PE
    stalls              share of the PE-cycles of the regions in use, by group of states; in an estimate only what
                        regions wait for each other, or for weights
    joules_per_token    estimated from events, with what the PEs in use draw all the time
    estimate_error      of the closed form's cycles, against these; None for an estimate
    """

    strategy: str
    model: str
    wafer: str
    phase: str
    fidelity: Fidelity
    feasible: bool
    why_not: str = ""
    replicas: int | None = None
    parts: int | None = None
    sequences: int | None = None
    pes: int | None = None
    position: int | None = None
    step_tokens: int | None = None
    step_cycles: int | None = None
    hand_over_cycles: int | None = None
    cycles_per_token: int | None = None
    tokens_per_s: float | None = None
    utilisation: float | None = None
    wavelets_per_token: float | None = None
    busiest_link_share: float | None = None
    sram_peak_bytes: int | None = None
    stalls: Table[str, float] = field(default_factory=dict)
    joules_per_token: float | None = None
    estimate_error: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Plain values, for JSON."""
        return asdict(self) | {"stalls": dict(self.stalls)}
