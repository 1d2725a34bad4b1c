"""A prompt taken at once, found out from its regions simulated alone, or from all of a mapping."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from wse_sim.hardware.states import GROUPS
from wse_sim.mapping.comparison.found import Found, waiting_for, wavelets_of_kept
from wse_sim.mapping.comparison.simulated import beyond, busiest_of, by_layers, found_in
from wse_sim.mapping.generation.sampled import sampled
from wse_sim.mapping.generation.schedule import Launch
from wse_sim.mapping.plan.checks import layouts
from wse_sim.mapping.plan.estimate import estimate, workers
from wse_sim.mapping.plan.mapping import Mapping
from wse_sim.mapping.prompts.serve import Serving
from wse_sim.mapping.region.decode import OWN_TOKEN, Decoder
from wse_sim.mapping.region.fit import bytes_needed
from wse_sim.mapping.region.layout import Layout
from wse_sim.mapping.region.prefill import Prefill, panel_width
from wse_sim.mapping.region.stage import Stage
from wse_sim.program.builder import Builder
from wse_sim.program.program import Program
from wse_sim.report.energy import JOULES_PER_FEMTOJOULE
from wse_sim.report.report import Report

TIMES = 1, 3  # that the prompts of all sequences are taken in the two launches whose difference is measured


def by_parts(mapping: Mapping, position: int) -> Found:
    """Each distinct region simulated alone; hand-overs by their closed forms. Of streamed weights as for decode."""
    if mapping.places[0].streamed:
        return by_layers(mapping, lambda few: by_simulation(few, position))
    tokens, guess = position + 1, estimate(mapping, position=position)
    parts = workers(mapping)
    laid = [mapping.layout(part) for part in parts]
    alone = [replace(layout, layers=range(len(layout.held)), sequences=1) for layout in laid]
    reports = [
        solo_prompt(layout, tokens, last=layout is alone[-1], spare=mapping.spare) for layout in alone
    ]
    more = [report.cycles - turn.work.total for report, turn in zip(reports, guess.turns, strict=True)]
    slowest = max(turn.busy + extra for turn, extra in zip(guess.turns, more, strict=True))
    cycles = max(guess.latency + sum(more), mapping.sequences * slowest)
    area, prompts = mapping.area // mapping.replicas, mapping.sequences
    counts = {
        name: sum(report.share(*states) * report.cycles * report.pes for report in reports) * prompts
        for name, states in GROUPS.items()
    }
    counts[waiting_for(mapping)] += area * cycles - sum(counts.values())
    sent = [int(report.links.wavelets.sum()) for report in reports]
    moving = sum(sum(report.energy.femtojoules.values()) - report.energy.femtojoules["static"] for report in reports)
    static = mapping.wafer.energy_static_fj * area * cycles / prompts
    return Found(
        cycles=cycles,
        stalls={name: count / (area * cycles) for name, count in counts.items()},
        wavelets=(sum(sent) + wavelets_of_kept(mapping, tokens)) / tokens,
        busiest=max(busiest_of(report) for report in reports) * prompts / cycles,
        joules=JOULES_PER_FEMTOJOULE * (moving + static) / tokens,
        sram_peak_bytes=max(map(bytes_needed, layouts(mapping))),
    )


def by_simulation(mapping: Mapping, position: int) -> Found:
    """All regions on one machine, a prompt on each replica, hand-overs too; weights are 0.

    Of pipelines and streamed weights, the difference of two launches that take the prompts of all sequences more and
    less often: one is behind the other then, and the pipeline neither fills nor empties.
    """
    tokens, serving = position + 1, Serving(mapping, None)
    prompts = [[0] * tokens] * serving.slots
    if len(workers(mapping)) == 1 and not mapping.places[0].streamed:
        serving.launch(prompts, [0] * mapping.replicas)
        return found_in(serving.report(), mapping, steps=1, tokens=tokens * serving.slots)

    def launch(times: int) -> Report:
        serving.take(prompts, times=times)
        return serving.report()

    steps = TIMES[1] - TIMES[0]
    return found_in(beyond(launch, *TIMES), mapping, steps=steps, tokens=steps * tokens * serving.slots)


@lru_cache(maxsize=64)
def solo_prompt(layout: Layout, tokens: int, *, last: bool = True, spare: bool = False) -> Report:
    """A prompt on a region, of like layers a few simulated and the rest composed; `spare` as in `Stage`."""
    width = panel_width(layout)
    if layout.whole and not spare:
        arguments = Launch(OWN_TOKEN, tokens - 1, True, prompt_tokens=tokens).arguments(layout, None)
        return sampled(
            lambda count: Decoder(replace(layout, layers=range(count)), panel_width=width).program,
            len(layout.held),
            layout.wafer,
            [lambda machine: machine.launch(arguments)],
        )
    return sampled(
        lambda count: _part_program(replace(layout, layers=range(count)), width, last=last),
        len(layout.held),
        layout.wafer,
        [lambda machine: machine.launch({"count": tokens})],
    )


def _part_program(layout: Layout, width: int, *, last: bool) -> Program:
    """A prompt's work on a part of a pipeline: launch argument `count`, its tokens."""
    build = Builder(layout.width, layout.height, name=f"{layout.config.name} part")
    argument = build.argument("count", "int")
    stage = Stage(build, layout, build.grid, spare=True)
    prefill, pe = Prefill(build, stage, width=width), build.main()
    count = pe.use(argument)
    position = count - 1
    with build.section("start"):
        here = stage.here(pe, position)
    prefill.emit(pe, count, here.tokens.count)
    if last:
        prefill.take(pe, position, here.tokens.slot)
    if layout.head:
        stage.choose(pe, here.hidden)
    return build.finish()
