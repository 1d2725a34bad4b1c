"""A generation in sampled fidelity: few layers simulated, numbers computed outside the fabric if at all."""

from __future__ import annotations

from collections.abc import Iterator, Sequence, Set
from dataclasses import dataclass, replace

import numpy as np

from wse_sim.engine.machine import Machine
from wse_sim.mapping.batch import BatchDecoder
from wse_sim.mapping.batch_session import BatchGeneration, check_batch, step_of
from wse_sim.mapping.decode import Decoder
from wse_sim.mapping.layout import Layout
from wse_sim.mapping.model.reference import Weights
from wse_sim.mapping.resident import Resident
from wse_sim.mapping.rounded import RoundedGPT
from wse_sim.mapping.sampled import Step, sampled
from wse_sim.mapping.sampling import Sampling
from wse_sim.mapping.session import NO_STOP, Floats, Generation, OnStep, with_candidates
from wse_sim.mapping.turns import Progress, Turn, turns
from wse_sim.program.builder import Builder
from wse_sim.program.program import Program
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
    layout = with_candidates(layout, sampling)
    check_batch(layout, prompts, new_tokens)
    found = []
    for number, prompt in enumerate(prompts):
        if tensors is None:
            empty = np.zeros((0, layout.config.vocab_size), np.float32)
            found.append(_Values((), (), empty, stopped=False))
        else:
            model, one = RoundedGPT(layout, tensors), Progress(prompt, new_tokens)
            found.append(_compute(model, one, sampling, number, stop, every_position))
    targets = [new_tokens if tensors is None else len(values.token_ids) for values in found]
    progress = [Progress(prompt, target) for prompt, target in zip(prompts, targets, strict=True)]
    plan = list(_plan(progress, every_position=every_position))
    steps = list(_steps(layout, plan, sampling))
    report = sampled(
        lambda count: _program(replace(layout, layers=range(count))), layout.config.n_layer, layout.wafer, steps,
        engine=engine, threads=threads, progress=on_step,
    )  # fmt: skip
    for step, cycles in zip(plan, report.launches, strict=True):
        for turn in step:
            progress[turn.sequence].cycles.append(cycles)
    generations = tuple(
        Generation(
            prompt_ids=tuple(one.prompt),
            token_ids=values.token_ids,
            cycles=tuple(one.cycles),
            positions=values.positions,
            logits=values.logits,
            stopped=values.stopped,
        )
        for one, values in zip(progress, found, strict=True)
    )
    return BatchGeneration(generations, report.launches), replace(report, sram=_whole_sram(layout, report.sram))


def _program(layout: Layout) -> Program:
    return (Decoder(layout) if layout.batch == 1 else BatchDecoder(layout)).program


def _plan(progress: list[Progress], *, every_position: bool) -> Iterator[tuple[Turn, ...]]:
    """All steps, whatever is chosen."""
    for step in turns(progress, every_position=every_position):
        yield step
        for turn in step:
            progress[turn.sequence].fed += 1


def _steps(layout: Layout, plan: list[tuple[Turn, ...]], sampling: Sampling | None) -> Iterator[Step]:
    if layout.batch > 1:
        crowd = BatchDecoder(replace(layout, layers=range(1))).crowd
        yield from (step_of(crowd, step, sampling).run for step in plan)
        return
    for (turn,) in plan:
        given: dict[str, float] = {"token": turn.token, "position": turn.position, "sample": int(turn.wanted)}
        yield _launch(given if sampling is None else given | sampling.arguments(turn.position))


def _launch(arguments: dict[str, float]) -> Step:
    def run(machine: Machine) -> int:
        return machine.launch(arguments)

    return run


def _compute(
    model: RoundedGPT, one: Progress, sampling: Sampling | None, sequence: int, stop: Set[int], every_position: bool
) -> _Values:
    """A sequence by the wafer's arithmetic outside the fabric."""
    positions: list[int] = []
    logits: list[Floats] = []
    for (turn,) in turns([one], every_position=every_position):
        model.step(turn.token if turn.token >= 0 else one.chosen[-1])
        one.fed += 1
        if turn.wanted:
            positions.append(turn.position)
            logits.append(model.logits().astype(np.float32))
            one.take(model.token(sampling, sequence=sequence), stop)
    return _Values(tuple(one.chosen), tuple(positions), np.array(logits, np.float32), one.stopped)


def _whole_sram(layout: Layout, simulated: Sram) -> Sram:
    """With the buffers of all layers."""
    build = Builder(layout.width, layout.height)
    Resident(build, layout, build.grid)
    program = build.finish()
    return replace(simulated, peak=program.sram_sizes[program.role_map], buffers=buffers_used(program))
