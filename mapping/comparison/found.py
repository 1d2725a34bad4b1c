"""What is found out about a step of a mapping, whatever way; and the way of closed forms.

`simulated` and `simulated_prompt` find it out from parts simulated alone, or from all of it.
"""

from __future__ import annotations

from collections.abc import Mapping as Table
from dataclasses import dataclass

from wse_sim.hardware import f32
from wse_sim.kernels.collective.redeal import gap_between
from wse_sim.mapping.plan.between import wavelets_between, wavelets_of_cache, wavelets_of_tiles
from wse_sim.mapping.plan.checks import layouts, ring_layouts
from wse_sim.mapping.plan.estimate import Estimate, estimate, mac_rate, workers
from wse_sim.mapping.plan.mapping import Mapping
from wse_sim.mapping.plan.ring import ring_lanes
from wse_sim.mapping.region.fit import bytes_needed
from wse_sim.mapping.region.prefill_traffic import prompt_traffic
from wse_sim.mapping.region.traffic import streamed_traffic, traffic_of
from wse_sim.report.energy import JOULES_PER_FEMTOJOULE, READ_BYTES


@dataclass(frozen=True)
class Found:
    """Of a step: one token of each sequence, or a prompt.

    cycles           between two steps of a sequence
    stalls           shares of PE-cycles by group of states, as far as they are known
    wavelets         hops, per token
    busiest          share of cycles in which the busiest link carries a wavelet
    joules           per token
    sram_peak_bytes  on the fullest PE
    """

    cycles: int
    stalls: Table[str, float]
    wavelets: float
    busiest: float
    joules: float
    sram_peak_bytes: int


def by_estimate(mapping: Mapping, position: int) -> Found:
    """Closed forms only."""
    found, streamed = estimate(mapping, position=position), mapping.places[0].streamed
    parts = [mapping.layout(part) for part in workers(mapping)]
    spare = mapping.spare
    if mapping.phase == "prefill":
        sent = [prompt_traffic(x, found.tokens, spare=spare, last=x is parts[-1]) for x in parts]
        handed = wavelets_of_kept(mapping, found.tokens)
    else:
        sent = [traffic_of(layout, position, spare=spare) for layout in parts]
        handed = wavelets_handed(mapping)
    along_x, along_y = (mapping.sequences * max(getattr(t, name) for t in sent) for name in ("along_x", "along_y"))
    wavelets: float = sum(traffic.wavelets for traffic in sent) + handed
    if streamed:
        weights = streamed_traffic(parts[0], mapping.places[0].region)
        along_x += weights.along_x
        wavelets += weights.wavelets / mapping.sequences
    return Found(
        cycles=found.cycles,
        stalls={waiting_for(mapping): max(found.waiting, 0.0)},
        wavelets=wavelets / found.tokens,
        busiest=max(along_x, along_y) / found.cycles,
        joules=joules_of(found),
        sram_peak_bytes=max(map(bytes_needed, layouts(mapping))),
    )


def waiting_for(mapping: Mapping) -> str:
    """The group of states of PEs that have nothing to do: in a ring they listen to the region before, and where a
    prompt is taken those that are to go on with it do.
    """
    if mapping.places[0].streamed:
        return "weights"
    handed = len(mapping.parts(0)) > 1 or (mapping.phase == "prefill" and mapping.replica(0, prompts=True))
    return "fabric" if handed else "idle"


def wavelets_handed(mapping: Mapping) -> int:
    """Hops of a token's hand-overs."""
    ring = ring_layouts(mapping)
    pairs = zip(ring, [*ring[1:], *ring[:1]], ring_lanes(mapping, 0), strict=False)
    return sum(wavelets_between(*pair) for pair in pairs)


def wavelets_of_kept(mapping: Mapping, tokens: int) -> int:
    """Hops of a prompt's keys and values on the way to where they are decoded from; in a pipeline of its tiles."""
    taking, [decoding, *_] = mapping.prompt_part(0), mapping.parts(0)
    if taking is None:
        ring = [mapping.layout(part) for part in mapping.parts(0)]
        pairs = [*zip(ring, [*ring[1:], ring[0]], ring_lanes(mapping, 0), strict=True)]
        return sum(wavelets_of_tiles(*pair, tokens) for pair in pairs[:-1]) + wavelets_between(*pairs[-1])
    if not taking.places[0].prompts:
        return 0
    gap = gap_between(taking.region, decoding.region)
    return wavelets_of_cache(mapping.layout(taking), mapping.layout(decoding), gap, tokens)


def joules_of(found: Estimate) -> float:
    """Per token: arithmetic, the SRAM it reads and writes, and what the PEs draw while they are on."""
    mapping, wafer = found.mapping, found.mapping.wafer
    lanes, cycles = mac_rate(mapping)
    macs = found.flops / 2 / found.tokens
    number, total = mapping.dtype.bytes, mapping.accumulate.bytes
    each = wafer.energy_f32_op_fj if mapping.accumulate is f32 else wafer.energy_f16_op_fj
    reads = (number + total) / READ_BYTES * wafer.energy_sram_read_fj
    writes = total / READ_BYTES * wafer.energy_sram_write_fj
    issue = cycles / lanes * wafer.energy_control_fj
    area = mapping.area // mapping.replicas
    static = area * found.cycles / found.tokens / mapping.sequences * wafer.energy_static_fj
    return JOULES_PER_FEMTOJOULE * (macs * (each + reads + writes + issue) + static)
