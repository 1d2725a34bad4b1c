"""What a mapping costs by closed forms: no program is built, nothing is simulated."""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from itertools import pairwise

from wse_sim.hardware import VECTOR_OPERATIONS, Wafer
from wse_sim.kernels.collective.redeal import gap_between
from wse_sim.kernels.matrix import feed
from wse_sim.mapping.model.operations import Step
from wse_sim.mapping.plan.between import cache_cycles, send_cycles, take_cycles, tile_cycles
from wse_sim.mapping.plan.graph import model_graph, totals
from wse_sim.mapping.plan.mapping import Mapping, Part
from wse_sim.mapping.plan.ring import distinct_rings
from wse_sim.mapping.plan.share import TOKEN_BYTES, step_of
from wse_sim.mapping.region.arrivals import words_of_a_step
from wse_sim.mapping.region.batch_cycles import batch_cycles
from wse_sim.mapping.region.cycles import StageCycles, stage_cycles
from wse_sim.mapping.region.layout import Layout
from wse_sim.mapping.region.prefill import panel_width
from wse_sim.mapping.region.prefill_cycles import PrefillCycles, prefill_cycles
from wse_sim.mapping.region.receiving import receiving_cycles


@dataclass(frozen=True)
class Turn:
    """A part's work on one token, or on a prompt, in cycles.

    work  its kernels
    take  hearing what came in; of streamed weights, having them sent
    send  until the next part has it, on the way included
    """

    work: StageCycles | PrefillCycles
    take: int = 0
    send: int = 0

    @property
    def busy(self) -> int:
        """Cycles in which it can do nothing else."""
        return self.work.total + self.take + self.send


@dataclass(frozen=True, kw_only=True)
class Estimate:
    """A step of a mapping: a token by decode, or in phase prefill a prompt at once.

    position  of the token, or of the prompt's last one
    tokens    of a step
    cycles    between two steps of a sequence; in phase prefill until keys and values are where decode has them
    turns     of each part of a replica
    link      cycles that the host link takes a step for streamed weights
    latency   cycles of a prompt alone, in phase prefill
    flops     of a step
    """

    mapping: Mapping
    position: int
    tokens: int
    cycles: int
    turns: tuple[Turn, ...]
    flops: int
    link: int = 0
    latency: int = 0

    @property
    def cycles_per_token(self) -> int:
        """Between two tokens of a sequence."""
        return -(-self.cycles // self.tokens)

    @property
    def period(self) -> int:
        """Cycles between two steps of a replica, whichever sequences they belong to."""
        return -(-self.cycles // self.mapping.sequences)

    @property
    def tokens_per_s(self) -> float:
        """Of all sequences and replicas, at the wafer's nominal clock, or what the host link can bring and fetch."""
        steps = self.mapping.replicas * self.mapping.sequences * self.mapping.wafer.clock_hz / self.cycles
        return min(steps * self.tokens, tokens_over_host(self.mapping.wafer))

    @property
    def utilisation(self) -> float:
        """Floating-point operations done, of those that the PEs in use could do as multiply-adds of the dtype."""
        lanes, cycles = mac_rate(self.mapping)
        peak = 2 * lanes / cycles * self.mapping.area * self.mapping.wafer.clock_hz
        return self.flops / self.tokens * self.tokens_per_s / peak

    @property
    def waiting(self) -> float:
        """Share of the PEs' time with nothing to do: bubbles, late weights, and regions of the other phase."""
        parts = [sum(p.area for p in part.places) for part in workers(self.mapping)]
        busy = sum(area * turn.busy for area, turn in zip(parts, self.turns, strict=True))
        turns = turns_in_a_step(self.mapping)
        return 1 - busy * turns / (self.mapping.area / self.mapping.replicas * self.cycles)


def tokens_over_host(wafer: Wafer) -> float:
    """Tokens a second that the host link brings, and fetches at the same time."""
    return wafer.host_bytes_per_second / TOKEN_BYTES


def workers(mapping: Mapping) -> tuple[Part, ...]:
    """The parts of a replica that work in the mapping's phase."""
    taking = mapping.prompt_part(0) if mapping.phase == "prefill" else None
    return (taking,) if taking else mapping.parts(0)


def estimate(mapping: Mapping, *, position: int | None = None) -> Estimate:
    """A step whose last token is at `position`; by default the last that the context, or the prompt, has room for.

    Of streamed weights the link's time or the PEs', whichever is longer; the PEs' holds what receiving takes of it.
    """
    room = mapping.prompt if mapping.phase == "prefill" else mapping.context
    at = room - 1 if position is None else position
    return (_prompt if mapping.phase == "prefill" else _token)(mapping, at)


def _token(mapping: Mapping, position: int) -> Estimate:
    turns = turns_of(mapping, position)
    latency, slowest = sum(turn.busy for turn in turns), max(turn.busy for turn in turns)
    link = link_cycles(mapping)
    cycles = max(latency, turns_in_a_step(mapping) * slowest, link)
    flops = _flops(step_of(mapping, past=position))
    return Estimate(mapping=mapping, position=position, tokens=1, cycles=cycles, turns=turns, flops=flops, link=link)


def _prompt(mapping: Mapping, position: int) -> Estimate:
    """A pipeline takes as many prompts at once as it has sequences; parts that hand over keep step."""
    tokens, flops = position + 1, _flops(step_of(mapping, past=0, tokens=position + 1))
    if len(workers(mapping)) > 1:
        return _prompts(mapping, tokens, flops)
    if mapping.places[0].streamed:
        return _streamed_prompts(mapping, tokens, flops)
    work = prompt_cycles(mapping.layout(workers(mapping)[0]), tokens, spare=mapping.spare)
    turn = Turn(work, send=hand_over_cycles(mapping, tokens))
    return Estimate(
        mapping=mapping, position=position, tokens=tokens, cycles=turn.busy, turns=(turn,), flops=flops,
        latency=turn.busy,
    )  # fmt: skip


def _streamed_prompts(mapping: Mapping, tokens: int, flops: int) -> Estimate:
    """Prompts that share a pass of the weights; one alone waits for its first layer."""
    layout, link = mapping.layout(mapping.parts(0)[0]), link_cycles(mapping)
    receiving = _posting(layout) + words_of_a_step(layout)  # PEs hardly ever wait for each other
    work = prompt_cycles(layout, tokens, spare=True)
    alone, turn = Turn(work, receiving), Turn(work.of(mapping.sequences), receiving)
    return Estimate(
        mapping=mapping, position=tokens - 1, tokens=tokens, cycles=max(turn.busy, link), turns=(turn,), flops=flops,
        link=link, latency=max(alone.busy, link) + link // max(work.layers, 1),
    )  # fmt: skip


def _prompts(mapping: Mapping, tokens: int, flops: int) -> Estimate:
    parts = [mapping.layout(part) for part in mapping.parts(0)]
    links = [*zip(*distinct_rings(mapping), strict=True)]
    over = [
        max((tile_cycles(a, b, laid, tokens) for laid in own), key=lambda cost: cost.take)
        for (a, b), own in zip(pairwise(parts), links, strict=False)
    ]
    back, heard = max(send_cycles(parts[-1], laid) for laid in links[-1]), take_cycles(parts[0])
    gives, takes = [*(cost.give for cost in over), back], [heard, *(cost.take for cost in over)]
    works = [
        prompt_cycles(layout, tokens, spare=True, last=layout is parts[-1]) for layout in parts
    ]
    turns = tuple(Turn(work, take, send) for work, take, send in zip(works, takes, gives, strict=True))
    latency, slowest = sum(work.total for work in works) + sum(takes) + back, max(turn.busy for turn in turns)
    return Estimate(
        mapping=mapping, position=tokens - 1, tokens=tokens, cycles=max(latency, mapping.sequences * slowest),
        turns=turns, flops=flops, latency=latency,
    )  # fmt: skip


def hand_over_cycles(mapping: Mapping, tokens: int) -> int:
    """Until keys and values of a prompt are where they are decoded from; 0 if they are made there."""
    taking, [decoding, *_] = mapping.prompt_part(0), mapping.parts(0)
    if taking is None or not taking.places[0].prompts:
        return 0
    gap = gap_between(taking.region, decoding.region)
    return cache_cycles(mapping.layout(taking), mapping.layout(decoding), gap, tokens)


def prompt_cycles(
    layout: Layout, tokens: int, *, spare: bool = False, last: bool = True, width: int | None = None
) -> PrefillCycles:
    """Cycles of a prompt on a region, as `prefill_cycles`; layers are alike, so one tells of all."""
    alike = replace(layout, layers=range(len(layout.held)))
    one = replace(layout, layers=range(1), sequences=1)
    return replace(_of_one_layer(one, tokens, width or _width(alike), spare, last), layers=len(layout.held))


_width = lru_cache(maxsize=4096)(panel_width)


@lru_cache(maxsize=4096)
def _of_one_layer(layout: Layout, tokens: int, width: int, spare: bool, last: bool) -> PrefillCycles:
    return prefill_cycles(layout, tokens, width=width, spare=spare, last=last)


def turns_in_a_step(mapping: Mapping) -> int:
    """Turns of each part until every sequence has a token: sequences of streamed weights share one."""
    return 1 if mapping.places[0].streamed else mapping.sequences


def link_cycles(mapping: Mapping) -> int:
    """Cycles that the host link takes for the weights of a step; 0 where they stay."""
    if not mapping.places[0].streamed:
        return 0
    [part] = mapping.parts(0)
    layout = mapping.layout(part)
    return feed.cycles(layout.wafer, part.region, words_of_a_step(layout))


def _posting(layout: Layout) -> int:
    """Cycles in which PEs have the weights of a step sent."""
    return len(layout.held) * feed.cost_of_posting(layout.wafer)


def turns_of(mapping: Mapping, position: int) -> tuple[Turn, ...]:
    """The turns of the parts of a replica; of ways round dead PEs, in which replicas differ, the longest counts."""
    parts = mapping.parts(0)
    if len(parts) == 1:
        layout = mapping.layout(parts[0])
        work = work_cycles(layout, position, spare=mapping.spare)
        receiving = _posting(layout) + receiving_cycles(layout, position, work.total) if layout.streamed else 0
        return (Turn(work, receiving),)
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


def block_cycles(layout: Layout, position: int, *, several: bool, last: bool = True) -> int:
    """A part's work on a step, or on a prompt, and where there are several parts what hearing of a token's hidden state
    takes: of that after a prompt the first part does; `last` as in `prompt_cycles`.
    """
    if not several:
        return work_cycles(layout, position, spare=False).total
    if layout.prompt:
        work = prompt_cycles(layout, min(position + 1, layout.prompt), spare=True, last=last).total
        return work + (take_cycles(layout) if layout.embedding else 0)
    return work_cycles(layout, position, spare=True).total + take_cycles(layout)


def work_cycles(layout: Layout, position: int, *, spare: bool) -> StageCycles:
    """Layers are alike, so the cycles depend on their number only."""
    return _remembered(replace(layout, layers=range(len(layout.held)), sequences=1), position, spare)


@lru_cache(maxsize=4096)
def _remembered(layout: Layout, position: int, spare: bool) -> StageCycles:
    return (stage_cycles if layout.batch == 1 else batch_cycles)(layout, position, spare=spare)


def mac_rate(mapping: Mapping) -> tuple[int, int]:
    """(elements, cycles) of a group of multiply-adds in the mapping's types."""
    return mapping.wafer.rate(VECTOR_OPERATIONS["mac"], mapping.accumulate, mapping.dtype)


@lru_cache(maxsize=256)
def _flops(step: Step) -> int:
    return totals(model_graph(step))["flops"]
