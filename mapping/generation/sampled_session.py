"""A generation in sampled fidelity: few layers simulated, numbers computed outside the fabric if at all."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from wse_sim.engine.machine import Machine
from wse_sim.mapping.generation.batch_session import BatchGeneration, check_batch, step_of
from wse_sim.mapping.generation.rounded import RoundedGPT
from wse_sim.mapping.generation.sampled import Make, Step, sampled
from wse_sim.mapping.generation.sampling import Sampling
from wse_sim.mapping.generation.schedule import Launch, schedule, takes_at_once
from wse_sim.mapping.generation.session import (
    NO_STOP,
    Floats,
    Generation,
    OnStep,
    finite,
    require_resident,
    with_candidates,
)
from wse_sim.mapping.generation.turns import Progress, turns
from wse_sim.mapping.model.reference import Weights
from wse_sim.mapping.region.batch import BatchDecoder
from wse_sim.mapping.region.decode import HEAD, OWN_TOKEN, Decoder
from wse_sim.mapping.region.fit import place
from wse_sim.mapping.region.layout import Layout
from wse_sim.mapping.region.prefill import panel_width
from wse_sim.program.builder import Builder
from wse_sim.report.parts import Sram
from wse_sim.report.report import Report
from wse_sim.report.used import buffers_used


@dataclass(frozen=True, eq=False)
class _Values:
    """Tokens chosen, and logits with their positions."""

    token_ids: tuple[int, ...]
    positions: tuple[int, ...]
    logits: Floats
    stopped: bool


def generate_sampled(
    layout: Layout,
    prompts: Sequence[Sequence[int]],
    new_tokens: int,
    *,
    tensors: Weights | None = None,
    sampling: Sampling | None = None,
    stop: Set[int] = NO_STOP,
    every_position: bool = False,
    engine: str = "auto",
    threads: int = 1,
    on_step: OnStep | None = None,
) -> tuple[BatchGeneration, Report]:
    """What `generate` (or `generate_batch`, for a layout with a batch) takes, composed from a few of the layers.

    tensors  weights, to compute the numbers by the wafer's arithmetic outside the fabric; None: no token is known, and
             none stops the generation
    """
    require_resident(layout)
    layout = with_candidates(layout, sampling)
    prompts = check_batch(layout, prompts, new_tokens)
    found = []
    for number, prompt in enumerate(prompts):
        if tensors is None:
            empty = np.zeros((0, layout.config.vocab_size), np.float32)
            found.append(_Values((), (), empty, stopped=False))
        else:
            launches = _launches(layout, prompt, new_tokens, every_position=every_position)
            found.append(_compute(RoundedGPT(layout, tensors), prompt, launches, sampling, number, stop))
    targets = [new_tokens if tensors is None else len(values.token_ids) for values in found]
    run = (_alone if layout.batch == 1 else _together)(layout, prompts, targets, sampling, every_position)
    report = sampled(
        run.make, layout.config.n_layer, layout.wafer, run.steps, engine=engine, threads=threads, progress=on_step
    )
    generations = tuple(
        Generation(
            prompt_ids=tuple(prompt),
            token_ids=values.token_ids,
            cycles=tuple(c for c, who in zip(report.launches, run.who, strict=True) if number in who),
            positions=values.positions,
            logits=values.logits,
            stopped=values.stopped,
            at_once=takes_at_once(layout, prompt),
            looked_back=takes_at_once(layout, prompt) if every_position else 0,
        )
        for number, (prompt, values) in enumerate(zip(prompts, found, strict=True))
    )
    return BatchGeneration(generations, report.launches), replace(report, sram=_whole_sram(layout, report.sram))


# -- what to simulate -------------------------------------------------------------------------------------


@dataclass(frozen=True)
class _Run:
    """Steps of a program that is made of a number of layers, and the sequences that take part in each."""

    make: Make
    steps: Sequence[Step]
    who: Sequence[frozenset[int]]


def _alone(
    layout: Layout, prompts: Sequence[Sequence[int]], targets: list[int], sampling: Sampling | None,
    every_position: bool,
) -> _Run:  # fmt: skip
    launches = _launches(layout, prompts[0], targets[0], every_position=every_position)
    width = panel_width(layout) if layout.prompt else None
    return _Run(
        make=lambda count: Decoder(replace(layout, layers=range(count)), panel_width=width).program,
        steps=[_step(launch.arguments(layout, sampling)) for launch in launches],
        who=[frozenset({0})] * len(launches),
    )


def _together(
    layout: Layout, prompts: Sequence[Sequence[int]], targets: list[int], sampling: Sampling | None,
    every_position: bool,
) -> _Run:  # fmt: skip
    crowd = BatchDecoder(replace(layout, layers=range(1))).crowd
    progress = [Progress(prompt, target) for prompt, target in zip(prompts, targets, strict=True)]
    steps, who = [], []
    for step in turns(progress, every_position=every_position):
        steps.append(step_of(crowd, step, sampling).run)
        who.append(frozenset(turn.sequence for turn in step))
        for turn in step:
            progress[turn.sequence].fed += 1
    return _Run(lambda count: BatchDecoder(replace(layout, layers=range(count))).program, steps, who)


def _launches(
    layout: Layout, prompt: Sequence[int], new_tokens: int, *, every_position: bool
) -> tuple[Launch, ...]:
    at_once = takes_at_once(layout, prompt)
    return schedule(prompt, new_tokens, at_once=at_once, every_position=every_position)


def _step(arguments: dict[str, float]) -> Step:
    def run(machine: Machine) -> int:
        return machine.launch(arguments)

    return run


# -- what to compute --------------------------------------------------------------------------------------


def _compute(
    model: RoundedGPT, prompt: Sequence[int], launches: tuple[Launch, ...], sampling: Sampling | None, sequence: int,
    stop: Set[int],
) -> _Values:  # fmt: skip
    """A sequence by the wafer's arithmetic outside the fabric."""
    chosen: list[int] = []
    positions: list[int] = []
    logits: list[Floats] = []
    rows: list[NDArray[Any]] = []
    for launch in launches:
        if launch.prompt_tokens == HEAD:
            model.hidden = rows[launch.position]
        elif launch.prompt_tokens:
            rows = list(model.prefill(prompt[: launch.prompt_tokens]))
        else:
            model.step(chosen[-1] if launch.token == OWN_TOKEN else launch.token)
        if launch.sample:
            positions.append(launch.position)
            logits.append(finite(model.logits().astype(np.float32), model.layout, positions[-1]))
        if launch.chooses:
            chosen.append(model.token(sampling, sequence=sequence))
        if chosen and chosen[-1] in stop:
            break
    stopped = bool(chosen) and chosen[-1] in stop
    return _Values(tuple(chosen), tuple(positions), np.array(logits, np.float32), stopped)


def _whole_sram(layout: Layout, simulated: Sram) -> Sram:
    """With the buffers of all layers."""
    build = Builder(layout.width, layout.height)
    place(build, layout)
    program = build.finish()
    return replace(simulated, peak=program.sram_sizes[program.role_map], buffers=buffers_used(program))
