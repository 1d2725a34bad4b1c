"""A prompt taken at once, found out from its region simulated alone, or from all of a mapping."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

import numpy as np

from wse_sim.hardware.states import GROUPS
from wse_sim.mapping.comparison.found import Found, wavelets_of_kept
from wse_sim.mapping.comparison.simulated import busiest_of
from wse_sim.mapping.generation.sampled import sampled
from wse_sim.mapping.generation.schedule import Launch
from wse_sim.mapping.plan.checks import layouts
from wse_sim.mapping.plan.estimate import hand_over_cycles
from wse_sim.mapping.plan.mapping import Mapping
from wse_sim.mapping.prompts.serve import Serving
from wse_sim.mapping.region.decode import OWN_TOKEN, Decoder
from wse_sim.mapping.region.fit import bytes_needed
from wse_sim.mapping.region.layout import Layout
from wse_sim.mapping.region.prefill import panel_width
from wse_sim.report.energy import JOULES_PER_FEMTOJOULE
from wse_sim.report.report import Report


def by_part(mapping: Mapping, position: int) -> Found:
    """The region for prompts simulated alone; the hand-over by its closed form."""
    tokens, taking = position + 1, mapping.prompt_part(0)
    assert taking is not None
    report = solo_prompt(mapping.layout(taking), tokens)
    cycles = report.cycles + hand_over_cycles(mapping, tokens)
    area = mapping.area // mapping.replicas
    counts = {name: report.share(*states) * report.cycles * report.pes for name, states in GROUPS.items()}
    counts["idle"] += area * cycles - sum(counts.values())
    energy = report.energy.femtojoules
    static = mapping.wafer.energy_static_fj * area * cycles
    return Found(
        cycles=cycles,
        stalls={name: count / (area * cycles) for name, count in counts.items()},
        wavelets=(int(report.links.wavelets.sum()) + wavelets_of_kept(mapping, tokens)) / tokens,
        busiest=busiest_of(report) / cycles,
        joules=JOULES_PER_FEMTOJOULE * (sum(energy.values()) - energy["static"] + static) / tokens,
        sram_peak_bytes=max(map(bytes_needed, layouts(mapping))),
    )


def by_simulation(mapping: Mapping, position: int) -> Found:
    """All regions on one machine, a prompt on each replica, hand-overs too; weights are 0."""
    tokens = position + 1
    serving = Serving(mapping, None)
    cycles = serving.launch([[0] * tokens] * mapping.replicas, [0] * mapping.replicas)
    report = serving.report()
    used = np.zeros((report.height, report.width), np.bool_)
    for place in mapping.places:
        used |= place.region.mask(report.width, report.height)
    inside = report.states[used].sum(axis=0)
    outside = report.cycles * int((~used).sum()) * mapping.wafer.energy_static_fj
    return Found(
        cycles=cycles,
        stalls={name: float(inside[list(states)].sum() / inside.sum()) for name, states in GROUPS.items()},
        wavelets=int(report.links.wavelets.sum()) / (tokens * mapping.replicas),
        busiest=busiest_of(report) / cycles,
        joules=(report.energy.joules - JOULES_PER_FEMTOJOULE * outside) / (tokens * mapping.replicas),
        sram_peak_bytes=int(report.sram.peak.max()),
    )


@lru_cache(maxsize=64)
def solo_prompt(layout: Layout, tokens: int) -> Report:
    """A prompt on a region, of like layers a few simulated and the rest composed."""
    width = panel_width(layout)
    arguments = Launch(OWN_TOKEN, tokens - 1, True, prompt_tokens=tokens).arguments(layout, None)
    return sampled(
        lambda count: Decoder(replace(layout, layers=range(count)), panel_width=width).program,
        len(layout.held),
        layout.wafer,
        [lambda machine: machine.launch(arguments)],
    )

