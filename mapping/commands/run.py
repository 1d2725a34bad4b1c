"""`wse-sim run`: a model and a prompt in; text, cycles and where they went out."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator, Set
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from rich.console import Console

from wse_sim.engine.jit import is_cached
from wse_sim.errors import UsageError
from wse_sim.mapping.commands.outcome import Outcome, as_json, print_outcome, write_outcome
from wse_sim.mapping.commands.request import (
    Request,
    layout_of,
    model_of,
    prompts_of,
    sampling_of,
    stop_of,
    trace_of,
    with_prefill,
)
from wse_sim.mapping.generation.batch_session import BatchGeneration, BatchSession, check_batch, generate_batch
from wse_sim.mapping.generation.sampled_session import generate_sampled
from wse_sim.mapping.generation.schedule import schedule, takes_at_once
from wse_sim.mapping.generation.session import Generation, OnStep, Session, generate
from wse_sim.mapping.model import Checkpoint
from wse_sim.mapping.model import logits as reference_logits
from wse_sim.mapping.region.fit import require_fit
from wse_sim.mapping.region.layout import Layout
from wse_sim.report.report import Report
from wse_sim.report.trace import Recording

MANY = 64 * 64  # PEs from which on threads pay


def run_command(request: Request) -> None:
    """Runs, prints, writes."""
    console = Console(stderr=True)
    if request.out is not None:
        _require_writable(request.out)
    outcome = run(request, console)
    if request.out is not None:
        write_outcome(outcome, request.out)
    if request.json:
        sys.stdout.write(json.dumps(as_json(outcome)) + "\n")
    else:
        print_outcome(outcome, Console())
        if request.out is not None:
            console.print(f"\nreport.json, logits.npy and pictures are in {request.out}", markup=False, highlight=False)


def run(request: Request, console: Console) -> Outcome:
    """Loads, maps, simulates and compares."""
    checkpoint = model_of(request)
    prompts, stop = prompts_of(request, checkpoint), stop_of(request, checkpoint)
    layout = layout_of(request, checkpoint, len(prompts))
    check_batch(layout, prompts, request.tokens)
    layout = with_prefill(request, layout, prompts)
    require_fit(layout)
    threads = _threads(request, layout)
    if not is_cached(parallel=threads > 1):
        console.print("compiling the engine: about a minute, once", style="dim")
    steps = max(len(schedule(
        ids, request.tokens, at_once=takes_at_once(layout, ids), every_position=request.every_position
    )) for ids in prompts)  # fmt: skip
    with _progress(console, steps) as on_step:
        generation, report, recording = _generate(request, checkpoint, layout, prompts, stop, threads, on_step)
    errors = [_max_abs_error(checkpoint, one) for one in generation.sequences]
    return Outcome(
        layout=layout,
        generation=generation,
        report=report,
        texts=tuple(_text(checkpoint, one) for one in generation.sequences),
        max_abs_error=max((error for error in errors if error is not None), default=None),
        seed=request.seed if request.model is not None else None,
        sampling=sampling_of(request),
        recording=recording,
    )


def _generate(
    request: Request, checkpoint: Checkpoint, layout: Layout, prompts: list[list[int]], stop: Set[int], threads: int,
    on_step: OnStep | None,
) -> tuple[BatchGeneration, Report, Recording | None]:  # fmt: skip
    sampling, every_position = sampling_of(request), request.every_position
    if request.fidelity == "sampled":
        composed, report = generate_sampled(
            layout, prompts, request.tokens, tensors=checkpoint.tensors if request.values else None,
            sampling=sampling, stop=stop, every_position=every_position, engine=request.engine, threads=threads,
            on_step=on_step,
        )  # fmt: skip
        return composed, report, None
    trace, engine, tensors = trace_of(request), request.engine, checkpoint.tensors
    if len(prompts) > 1:
        many = BatchSession(layout, tensors, sampling=sampling, engine=engine, threads=threads, trace=trace)
        batch = generate_batch(
            many, prompts, request.tokens, stop=stop, every_position=every_position, on_step=on_step
        )
        return batch, many.report(), None if trace is None else many.machine.recording()
    session = Session(layout, tensors, sampling=sampling, engine=engine, threads=threads, trace=trace)
    one = generate(
        session, prompts[0], request.tokens, stop=stop, every_position=every_position, on_step=on_step
    )
    return BatchGeneration((one,), one.cycles), session.report(), None if trace is None else session.recording()


def _text(checkpoint: Checkpoint, one: Generation) -> str | None:
    """The prompt and what was generated; None without a tokenizer."""
    return None if checkpoint.text is None else checkpoint.text.decode([*one.prompt_ids, *one.token_ids])


def _threads(request: Request, layout: Layout) -> int:
    if request.threads is not None:
        return request.threads
    return (os.cpu_count() or 1) if layout.width * layout.height >= MANY else 1


@contextmanager
def _progress(console: Console, steps: int) -> Iterator[OnStep | None]:
    """A bar on a terminal, nothing elsewhere."""
    if not console.is_terminal:
        yield None
        return
    from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True) as bar:
        task = bar.add_task("tokens", total=steps)
        yield lambda done, cycles: bar.update(task, completed=done, description=f"tokens ({cycles:,} cycles)")


def _max_abs_error(checkpoint: Checkpoint, generation: Generation) -> float | None:
    """Largest difference between a logit and that of numpy in float32; None if there are no logits."""
    if not generation.positions:
        return None
    fed = [*generation.prompt_ids, *generation.token_ids][: generation.positions[-1] + 1]
    with np.errstate(over="ignore", invalid="ignore"):  # f32 is not what is asked about
        expected = reference_logits(checkpoint.config, checkpoint.tensors, fed)[list(generation.positions)]
    return float(np.abs(generation.logits - expected).max())


def _require_writable(folder: Path) -> None:
    """Finds out before the run, not after it."""
    if folder.exists() and not folder.is_dir():
        raise UsageError(f"--out {folder}: it is a file; expected a folder, or a name that is free")
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UsageError(
            f"--out {folder}: cannot be made ({error.strerror}); expected a folder, or the name of one where folders "
            "can be made"
        ) from error
    if not os.access(folder, os.W_OK):
        raise UsageError(f"--out {folder}: cannot write there; expected a folder that can be written")
