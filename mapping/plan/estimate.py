"""What a mapping costs by closed forms: no program is built, nothing is simulated."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache

from wse_sim.hardware import VECTOR_OPERATIONS
from wse_sim.mapping.model.operations import Step
from wse_sim.mapping.plan.between import send_cycles, take_cycles
from wse_sim.mapping.plan.graph import model_graph, totals
from wse_sim.mapping.plan.mapping import Mapping
from wse_sim.mapping.plan.ring import distinct_rings
from wse_sim.mapping.plan.share import step_of
from wse_sim.mapping.region.cycles import StageCycles, stage_cycles
from wse_sim.mapping.region.layout import Layout


@dataclass(frozen=True)
class Turn:
    """A part's work on one token, in cycles.

    work  its kernels
    take  hearing what came in
    send  until the next part has it, on the way included
    """

    work: StageCycles
    take: int = 0
    send: int = 0

    @property
    def busy(self) -> int:
        """Cycles in which it can do nothing else."""
        return self.work.total + self.take + self.send


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """One decode step of a mapping.

    cycles_per_token  between two tokens of a sequence
    period            between two tokens of a replica, whichever sequences they belong to
    turns             of each part of a replica
    flops             of one token
    """

    mapping: Mapping
    position: int
    cycles_per_token: int
    period: int
    turns: tuple[Turn, ...]
    flops: int

    @property
    def tokens_per_s(self) -> float:
        """Of all sequences and replicas, at the wafer's nominal clock."""
        return self.mapping.replicas * self.mapping.sequences * self.mapping.wafer.clock_hz / self.cycles_per_token

    @property
    def utilisation(self) -> float:
        """Floating-point operations done, of those that the PEs in use could do as multiply-adds of the dtype."""
        lanes, cycles = mac_rate(self.mapping)
        peak = 2 * lanes / cycles * self.mapping.area * self.mapping.wafer.clock_hz
        return self.flops * self.tokens_per_s / peak

    @property
    def waiting(self) -> float:
        """Share of the parts' time in which they have nothing to do: bubbles of the pipeline."""
        parts = [sum(p.area for p in part.places) for part in self.mapping.parts(0)]
        busy = sum(area * turn.busy for area, turn in zip(parts, self.turns, strict=True))
        return 1 - busy * self.mapping.sequences / (sum(parts) * self.cycles_per_token)


def estimate(mapping: Mapping, *, position: int | None = None) -> Estimate:
    """A decode step for the token at `position`; by default the last one that the context has room for."""
    at = mapping.context - 1 if position is None else position
    turns = turns_of(mapping, at)
    latency, slowest = sum(turn.busy for turn in turns), max(turn.busy for turn in turns)
    between = max(latency, mapping.sequences * slowest)
    return Estimate(
        mapping=mapping,
        position=at,
        cycles_per_token=between,
        period=-(-between // mapping.sequences),
        turns=turns,
        flops=_flops(step_of(mapping, past=at)),
    )


def turns_of(mapping: Mapping, position: int) -> tuple[Turn, ...]:
    """The turns of the parts of a replica; of ways round dead PEs, in which replicas differ, the longest counts."""
    parts = mapping.parts(0)
    if len(parts) == 1:
        return (Turn(work_cycles(mapping.layout(parts[0]), position, spare=False)),)
    layouts = [mapping.layout(part) for part in parts]
    links = zip(*distinct_rings(mapping), strict=True)
    return tuple(
        Turn(
            work=work_cycles(layout, position, spare=True),
            take=take_cycles(layout),
            send=max(send_cycles(layout, laid) for laid in own),
        )
        for layout, own in zip(layouts, links, strict=True)
    )


def work_cycles(layout: Layout, position: int, *, spare: bool) -> StageCycles:
    """Layers are alike, so the cycles depend on their number only."""
    return _remembered(replace(layout, layers=range(len(layout.held)), sequences=1), position, spare)


@lru_cache(maxsize=4096)
def _remembered(layout: Layout, position: int, spare: bool) -> StageCycles:
    return stage_cycles(layout, position, spare=spare)


def mac_rate(mapping: Mapping) -> tuple[int, int]:
    """(elements, cycles) of a group of multiply-adds in the mapping's types."""
    return mapping.wafer.rate(VECTOR_OPERATIONS["mac"], mapping.accumulate, mapping.dtype)


@lru_cache(maxsize=256)
def _flops(step: Step) -> int:
    return totals(model_graph(step))["flops"]
