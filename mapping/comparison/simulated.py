"""A decode step of a mapping from parts simulated alone, or from all of it simulated."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from wse_sim.errors import UsageError
from wse_sim.hardware.states import GROUPS
from wse_sim.mapping.comparison.found import Found, waiting_for, wavelets_handed
from wse_sim.mapping.comparison.solo import solo_report
from wse_sim.mapping.pipeline.flight import Flight
from wse_sim.mapping.plan.checks import layouts, ring_layouts
from wse_sim.mapping.plan.estimate import estimate
from wse_sim.mapping.plan.mapping import Mapping
from wse_sim.mapping.region.fit import bytes_needed
from wse_sim.report.energy import JOULES_PER_FEMTOJOULE
from wse_sim.report.report import Report

FEW = 2, 4  # layers of the two runs that stand for one of more
MOST_STEPS = 4  # of the longer of two launches
STEPS = 2  # by which it is longer, at most


def by_parts(mapping: Mapping, position: int) -> Found:
    """Each distinct part simulated alone, the ring composed from them; hand-overs by their closed form.

    Of streamed weights two runs with fewer layers, composed to one with all.
    """
    if mapping.places[0].streamed:
        return by_layers(mapping, lambda few: by_simulation(few, position))
    whole = estimate(mapping, position=position)
    parts = [
        solo_report(replace(layout, layers=range(len(layout.held)), sequences=1), position, spare=mapping.spare)
        for layout in ring_layouts(mapping)
    ]
    busy = [report.cycles + turn.take + turn.send for report, turn in zip(parts, whole.turns, strict=True)]
    cycles = max(sum(busy), mapping.sequences * max(busy))
    area = mapping.area // mapping.replicas
    counts = {
        name: sum(report.share(*states) * report.cycles * report.pes for report in parts) * mapping.sequences
        for name, states in GROUPS.items()
    }
    counts[waiting_for(mapping)] += area * cycles - sum(counts.values())
    static = mapping.wafer.energy_static_fj * area * cycles / mapping.sequences
    moving = sum(sum(report.energy.femtojoules.values()) - report.energy.femtojoules["static"] for report in parts)
    return Found(
        cycles=cycles,
        stalls={name: count / (area * cycles) for name, count in counts.items()},
        wavelets=sum(int(report.links.wavelets.sum()) for report in parts) + wavelets_handed(mapping),
        busiest=max(busiest_of(report) for report in parts) * mapping.sequences / cycles,
        joules=JOULES_PER_FEMTOJOULE * (moving + static),
        sram_peak_bytes=max(map(bytes_needed, layouts(mapping))),
    )


def by_layers(mapping: Mapping, simulate: Callable[[Mapping], Found]) -> Found:
    """What layers add is alike, so what two runs of few layers differ in is added for the others; exact for few."""
    layers = mapping.config.n_layer
    if layers <= FEW[1]:
        return simulate(mapping)
    few, more = (simulate(_with_layers(mapping, n)) for n in FEW)
    steps = (layers - FEW[1]) / (FEW[1] - FEW[0])

    def grown(one: float, other: float) -> float:
        return other + steps * (other - one)

    cycles = round(grown(few.cycles, more.cycles))
    shares = {name: grown(few.stalls[name] * few.cycles, more.stalls[name] * more.cycles) for name in GROUPS}
    return Found(
        cycles=cycles,
        stalls={name: max(share / cycles, 0.0) for name, share in shares.items()},
        wavelets=grown(few.wavelets, more.wavelets),
        busiest=more.busiest,
        joules=grown(few.joules, more.joules),
        sram_peak_bytes=max(map(bytes_needed, layouts(mapping))),
    )


def _with_layers(mapping: Mapping, count: int) -> Mapping:
    places = tuple(replace(place, layers=range(count)) for place in mapping.places)
    return replace(mapping, config=replace(mapping.config, n_layer=count), places=places)


def by_simulation(mapping: Mapping, position: int) -> Found:
    """All regions on one machine; weights are 0, for time depends on no value.

    The difference of two launches from one position on, the longer of which ends with the token at `position`: the
    filling and emptying of a ring is in both.
    """
    more = min(MOST_STEPS, position + 1)
    few = more - min(STEPS, position)
    if few == more:
        raise UsageError(
            f"a step at position {position} simulated: expected position 1 or later, in a context of 2 or more, for a "
            "step is what a launch takes more than one that ends before it; or take the estimate"
        )
    flight = Flight(mapping, None)

    def launch(rounds: int) -> Report:
        flight.go_to(position + 1 - more)
        flight.run(rounds)
        return flight.report()

    steps = more - few
    return found_in(
        beyond(launch, few, more), mapping, steps=steps, tokens=steps * mapping.sequences * mapping.replicas
    )


def beyond(launch: Callable[[int], Report], few: int, more: int) -> Report:
    """What a launch of `more` steps does more than one of `few`, which begins alike and ends earlier.

    launch  of so many steps; gives the report of all launches so far
    """
    first = launch(few)
    second = launch(more) - first
    return replace(
        second,
        cycles=second.cycles - first.cycles,
        states=second.states - first.states,
        links=second.links.minus(first.links),
        sram=second.sram.minus(first.sram),
        work=second.work.minus(first.work),
    )


def found_in(report: Report, mapping: Mapping, *, steps: int, tokens: int) -> Found:
    """Of a report of so many steps, of all sequences and replicas, which together have so many tokens."""
    used = np.zeros((report.height, report.width), np.bool_)
    for place in mapping.places:
        used |= place.region.mask(report.width, report.height)
    inside = report.states[used].sum(axis=0)
    outside = report.cycles * int((~used).sum()) * mapping.wafer.energy_static_fj
    return Found(
        cycles=report.cycles // steps,
        stalls={name: float(inside[list(states)].sum() / inside.sum()) for name, states in GROUPS.items()},
        wavelets=int(report.links.wavelets.sum()) / tokens,
        busiest=busiest_of(report) / report.cycles,
        joules=(report.energy.joules - JOULES_PER_FEMTOJOULE * outside) / tokens,
        sram_peak_bytes=int(report.sram.peak.max()),
    )


def busiest_of(report: Report) -> int:
    return max((link.wavelets for link in report.busiest_links(1)), default=0)
