"""What `wse-sim run` is asked: options as given, and the model, the prompt and the layout that they name."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from wse_sim.errors import CheckpointError, UsageError
from wse_sim.hardware import by_name
from wse_sim.mapping.commands.options import DTYPES, grid_of
from wse_sim.mapping.generation.sampling import Sampling
from wse_sim.mapping.model import Checkpoint, load_checkpoint, load_shipped, random_checkpoint
from wse_sim.mapping.region.cycles import stage_cycles
from wse_sim.mapping.region.fit import comfortable, fit, fitting
from wse_sim.mapping.region.layout import Layout
from wse_sim.mapping.region.prefill_cycles import prefill_cycles
from wse_sim.report.trace import Trace

DEFAULT_PROMPT = "Alice was beginning to"
FIDELITIES = ("exact", "sampled")
PREFILLS = ("auto", "on", "off")


@dataclass(frozen=True, kw_only=True)
class Request:
    """The options of the command, as given."""

    checkpoint: Path | None
    model: str | None
    seed: int
    prompt: Sequence[str]
    ids: Sequence[str]
    random_prompt: Sequence[int]
    tokens: int
    stop: str | None
    temperature: float
    top_k: int | None
    top_p: float | None
    wafer: str
    grid: str | None
    context: int | None
    dtype: str
    accumulate: str
    prefill: str
    fidelity: str
    values: bool
    engine: str
    threads: int | None
    every_position: bool
    trace: str | None
    out: Path | None
    json: bool

    def __post_init__(self) -> None:
        from wse_sim.engine.machine import ENGINES  # not for those who ask for an estimate only

        for option, given, known in (
            ("dtype", self.dtype, tuple(DTYPES)),
            ("accumulate", self.accumulate, tuple(DTYPES)),
            ("prefill", self.prefill, PREFILLS),
            ("fidelity", self.fidelity, FIDELITIES),
            ("engine", self.engine, ENGINES),
        ):
            if given not in known:
                raise UsageError(f"--{option} {given}: expected {', '.join(known[:-1])} or {known[-1]}")
        if self.checkpoint is not None and self.model is not None:
            raise UsageError("--checkpoint and --model are both given: expected one of them")
        prompts = [name for name in ("prompt", "ids", "random_prompt") if getattr(self, name)]
        if len(prompts) > 1:
            names = " and ".join(f"--{name.replace('_', '-')}" for name in prompts)
            raise UsageError(f"{names} are both given: expected one of them")
        if self.values and self.fidelity == "exact":
            raise UsageError("--values belongs to --fidelity sampled: an exact run computes all numbers anyway")
        for option, share in (("--top-k", self.top_k), ("--top-p", self.top_p)):
            if share is not None and self.temperature == 0:
                raise UsageError(f"{option} belongs to draws: expected a --temperature above 0 beside it")
        if self.stop not in (None, "none") and self.fidelity == "sampled" and not self.values:
            raise UsageError("--stop needs tokens, and --fidelity sampled computes none: expected --values beside it")
        if self.trace is not None and (self.out is None or self.fidelity == "sampled"):
            raise UsageError("--trace belongs to an exact run with --out: expected a folder to write the recording to")


def model_of(request: Request) -> Checkpoint:
    """The checkpoint, the preset with random weights, or the model that ships."""
    if request.model is not None:
        return random_checkpoint(request.model, request.seed)
    return load_shipped() if request.checkpoint is None else load_checkpoint(request.checkpoint)


def prompts_of(request: Request, checkpoint: Checkpoint) -> list[list[int]]:
    """Token ids of each prompt."""
    if request.ids:
        return [_ids(each, "--ids") for each in request.ids]
    if request.random_prompt or (request.model is not None and not request.prompt):
        random, vocabulary = np.random.default_rng(request.seed), checkpoint.config.vocab_size
        return [random.integers(vocabulary, size=count).tolist() for count in request.random_prompt or [1]]
    if request.model is not None:
        raise UsageError(
            f"--prompt: {checkpoint.config.name} has random weights and no tokenizer: expected token ids; try --ids "
            "5,17,9 or --random-prompt 16"
        )
    if checkpoint.text is None:
        raise CheckpointError(
            f"{checkpoint.folder or checkpoint.config.name} has no tokenizer: expected tokenizer.json, or vocab.json "
            "and merges.txt; add one, or give token ids with --ids 5,17,9"
        )
    return [checkpoint.text.encode(text) for text in request.prompt or [DEFAULT_PROMPT]]


def trace_of(request: Request) -> Trace | None:
    """The cycles to record, in the run's order."""
    if request.trace is None:
        return None
    first, _, last = request.trace.partition(":")
    if not (first.isascii() and first.isdigit() and last.isascii() and last.isdigit()):
        raise UsageError(f"--trace {request.trace}: expected the first cycle and the one after the last, as 0:2000")
    return Trace(window=(int(first), int(last)))


def stop_of(request: Request, checkpoint: Checkpoint) -> frozenset[int]:
    """Tokens that end the text: those asked for, or else the checkpoint's own."""
    if request.stop is None:
        return checkpoint.stop
    if request.stop == "none":
        return frozenset()
    ids, vocabulary = frozenset(_ids(request.stop, "--stop")), checkpoint.config.vocab_size
    outside = [token for token in ids if not 0 <= token < vocabulary]
    if outside or not ids:
        found = f"{outside[0]:,}" if outside else repr(request.stop)
        raise UsageError(f"--stop {found}: expected token ids from 0 to {vocabulary - 1:,}, or none")
    return ids


def _ids(text: str, option: str) -> list[int]:
    try:
        return [int(part) for part in text.split(",")] if text.strip() else []
    except ValueError:
        raise UsageError(f"{option} {text!r}: expected token ids separated by commas, as 5,17,9") from None


def sampling_of(request: Request) -> Sampling | None:
    """None where the temperature is 0."""
    if request.temperature == 0:
        return None
    return Sampling(
        temperature=request.temperature,
        top_k=Sampling.top_k if request.top_k is None else request.top_k,
        top_p=Sampling.top_p if request.top_p is None else request.top_p,
        seed=request.seed,
    )


def layout_of(request: Request, checkpoint: Checkpoint, batch: int) -> Layout:
    """For `batch` sequences, on the grid that was asked for, or on one that the model fills to no more than half."""
    sampling = sampling_of(request)
    layout = Layout(
        config=checkpoint.config,
        wafer=by_name(request.wafer),
        width=1,
        height=1,
        dtype=DTYPES[request.dtype],
        accumulate=DTYPES[request.accumulate],
        context=request.context or 0,
        batch=batch,
        candidates=0 if sampling is None else sampling.top_k,
    )
    if request.grid is None:
        return comfortable(layout)
    width, height = grid_of(request.grid)
    return fitting(replace(layout, width=width, height=height))


def with_prefill(request: Request, layout: Layout, prompts: Sequence[Sequence[int]]) -> Layout:
    """The layout for a prompt at once, if that is asked for; left to itself, if it fits and takes fewer cycles."""
    ids = prompts[0]
    if request.prefill == "off" or (request.prefill == "auto" and (layout.batch > 1 or layout.tight or len(ids) < 2)):
        return layout
    if layout.batch > 1:
        raise UsageError(
            f"--prefill on for a batch of {layout.batch} prompts: expected one prompt; a batch takes its prompts token "
            "by token, try --prefill auto"
        )
    at_once = replace(layout, prompt=len(ids), tight=False)
    if request.prefill == "on":
        return comfortable(at_once) if request.grid is None else at_once
    if not fit(at_once).fits:
        return layout
    first, last = (stage_cycles(layout, position) for position in (0, len(ids) - 1))
    one_by_one = len(ids) * (first.total + last.total) // 2 - (len(ids) - 1) * first.head
    return at_once if prefill_cycles(at_once, len(ids)).total < one_by_one else layout
