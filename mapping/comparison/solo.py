"""One part of a mapping alone on a machine, to find out how long it takes for a token."""

from __future__ import annotations

from dataclasses import replace
from functools import lru_cache

from wse_sim.mapping.generation.sampled import sampled
from wse_sim.mapping.region.layout import Layout
from wse_sim.mapping.region.stage import Stage
from wse_sim.program.builder import Builder
from wse_sim.program.program import Program
from wse_sim.report.report import Report


def solo_program(layout: Layout, *, spare: bool) -> Program:
    """A token's work on a part: launch argument `position`. `spare` as in `Stage`."""
    build = Builder(layout.width, layout.height, name=f"{layout.config.name} part")
    argument = build.argument("position", "int")
    stage = Stage(build, layout, build.grid, spare=spare)
    pe = build.main()
    position = pe.use(argument)
    with build.section("start"):
        here = stage.here(pe, position)
    if layout.embedding:
        stage.embed(pe, pe.integer(0), position)
    stage.blocks(pe, here)
    if layout.head:
        stage.choose(pe, here.hidden)
    return build.finish()


@lru_cache(maxsize=64)
def solo_report(layout: Layout, position: int, *, spare: bool) -> Report:
    """A token's work, of like layers a few simulated and the rest composed."""

    def make(count: int) -> Program:
        return solo_program(replace(layout, layers=range(count)), spare=spare)

    return sampled(make, len(layout.held), layout.wafer, [lambda machine: machine.launch({"position": position})])
