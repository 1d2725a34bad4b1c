"""A generation in sampled fidelity: few layers simulated, numbers computed outside the fabric if at all."""

from __future__ import annotations

from collections.abc import Sequence, Set
from dataclasses import dataclass, replace

import numpy as np

from wse_sim.mapping.decode import OWN_TOKEN, Decoder
from wse_sim.mapping.layout import Layout
from wse_sim.mapping.model.reference import Weights
from wse_sim.mapping.resident import Resident
from wse_sim.mapping.rounded import RoundedGPT
from wse_sim.mapping.sampled import sampled
from wse_sim.mapping.sampling import Sampling
from wse_sim.mapping.session import (
    NO_STOP,
    Floats,
    Generation,
    OnStep,
    arguments,
    check_length,
    steps_of,
    with_candidates,
)
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


def generate_sampled(
    layout: Layout,
    prompt_ids: Sequence[int],
    new_tokens: int,
    *,
    tensors: Weights | None = None,
    sampling: Sampling | None = None,
    stop: Set[int] = NO_STOP,
    every_position: bool = False,
    engine: str = "auto",
    threads: int = 1,
    on_step: OnStep | None = None,
) -> tuple[Generation, Report]:
    """What `generate` takes on a new session, composed from a few of the layers.

    tensors  weights, to compute the numbers by the wafer's arithmetic outside the fabric; None: no token is known, and
             none stops the generation
    """
    layout = with_candidates(layout, sampling)
    check_length(layout, prompt_ids, new_tokens)
    values = _Values((), (), np.zeros((0, layout.config.vocab_size), np.float32))
    if tensors is not None:
        values = _compute(layout, tensors, prompt_ids, new_tokens, sampling, stop, every_position)
        new_tokens = len(values.token_ids)
    tokens = [*prompt_ids, *[OWN_TOKEN] * (steps_of(prompt_ids, new_tokens) - len(prompt_ids))]
    launches = [
        arguments(token, position, sample=every_position or position >= len(prompt_ids) - 1, sampling=sampling)
        for position, token in enumerate(tokens)
    ]
    report = sampled(
        lambda count: Decoder(replace(layout, layers=range(count))).program,
        layout.config.n_layer, layout.wafer, launches, engine=engine, threads=threads, progress=on_step,
    )  # fmt: skip
    generation = Generation(
        prompt_ids=tuple(prompt_ids),
        token_ids=values.token_ids,
        cycles=report.launches,
        positions=values.positions,
        logits=values.logits,
        stopped=bool(values.token_ids) and values.token_ids[-1] in stop,
    )
    return generation, replace(report, sram=_whole_sram(layout, report.sram))


def _compute(
    layout: Layout,
    tensors: Weights,
    prompt_ids: Sequence[int],
    new_tokens: int,
    sampling: Sampling | None,
    stop: Set[int],
    every_position: bool,
) -> _Values:
    model = RoundedGPT(layout, tensors)
    chosen: list[int] = []
    positions: list[int] = []
    logits: list[Floats] = []
    for i in range(steps_of(prompt_ids, new_tokens)):
        model.step(prompt_ids[i] if i < len(prompt_ids) else chosen[-1])
        if every_position or i >= len(prompt_ids) - 1:
            positions.append(i)
            logits.append(model.logits().astype(np.float32))
        if i >= len(prompt_ids) - 1 and len(chosen) < new_tokens:
            chosen.append(model.token(sampling))
        if chosen and chosen[-1] in stop:
            break
    return _Values(tuple(chosen), tuple(positions), np.array(logits, np.float32))


def _whole_sram(layout: Layout, simulated: Sram) -> Sram:
    """With the buffers of all layers."""
    build = Builder(layout.width, layout.height)
    Resident(build, layout, build.grid)
    program = build.finish()
    return replace(simulated, peak=program.sram_sizes[program.role_map], buffers=buffers_used(program))
