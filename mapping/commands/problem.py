"""What `wse-sim map`, `compare` and `search` are asked: the model, the machine and its options."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path

import numpy as np

from wse_sim.errors import UsageError
from wse_sim.hardware import by_name
from wse_sim.mapping.commands.options import DTYPES, grid_of
from wse_sim.mapping.model import GPTConfig, load_checkpoint, load_shipped, preset
from wse_sim.mapping.placement import LATENCY, Weights
from wse_sim.mapping.plan.mapping import Pe
from wse_sim.mapping.strategies import Problem

SHIPPED = "alice"


@dataclass(frozen=True, kw_only=True)
class Asked:
    """The options as given.

    model    a preset, a folder with a checkpoint, or the small model that ships
    prompt   tokens of a prompt at once; None: the context
    grid     PEs to use at most, as 200x200; None: the wafer
    dead     PEs as x,y separated by spaces, or how many of the grid, drawn at random, or which share of it, as 0.01%
    weights  of an objective, as latency=1,traffic=0.1; None: latency
    """

    model: str
    wafer: str
    grid: str | None
    dtype: str
    accumulate: str
    context: int | None
    phase: str
    dead: str | None
    seed: int
    prompt: int | None = None
    stages: int = 0
    shards: int = 0
    sequences: int = 0
    replicas: int = 0
    placement: str = "serpentine"
    weights: str | None = None


def problem_of(asked: Asked) -> Problem:
    """Raises UsageError that names the option and what it takes."""
    for option, given in (("dtype", asked.dtype), ("accumulate", asked.accumulate)):
        if given not in DTYPES:
            raise UsageError(f"--{option} {given}: expected {' or '.join(DTYPES)}")
    config, wafer = config_of(asked.model), by_name(asked.wafer)
    width, height = grid_of(asked.grid) if asked.grid else (0, 0)
    return Problem(
        config=config,
        wafer=wafer,
        phase=asked.phase,  # type: ignore[arg-type]
        dtype=DTYPES[asked.dtype],
        accumulate=DTYPES[asked.accumulate],
        width=width,
        height=height,
        context=asked.context or 0,
        prompt=asked.prompt or 0,
        dead=dead_of(asked.dead, asked.seed, width or wafer.width, height or wafer.height),
        stages=asked.stages,
        shards=asked.shards,
        sequences=asked.sequences,
        replicas=asked.replicas,
        placement=asked.placement,
        weights=weights_of(asked.weights),
        seed=asked.seed,
    )


def config_of(model: str) -> GPTConfig:
    """Sizes of a preset, of a checkpoint in a folder, or of the small model that ships."""
    if model.lower() == SHIPPED:
        return load_shipped().config
    folder = Path(model)
    if folder.is_dir():
        return load_checkpoint(folder).config
    try:
        return preset(model)
    except UsageError as error:
        raise UsageError(f"{error}, {SHIPPED}, or the folder of a checkpoint") from None


def dead_of(text: str | None, seed: int, width: int, height: int) -> frozenset[Pe]:
    """PEs that do not work: given one by one, or so many of a grid drawn from a seed."""
    if text is None:
        return frozenset()
    try:
        if text.endswith("%"):
            return random_dead(round(float(text[:-1]) / 100 * width * height), seed, width, height)
        if "," not in text:
            return random_dead(int(text), seed, width, height)
        found = [pe.split(",") for pe in text.split()]
        return frozenset((int(x), int(y)) for x, y in found)
    except (ValueError, OverflowError):
        raise UsageError(
            f"--dead {text!r}: expected PEs as '3,7 20,5', how many random ones, or a share as 0.01%"
        ) from None


def weights_of(text: str | None) -> Weights:
    """An objective's weights by name; those not named are 0."""
    if text is None:
        return LATENCY
    names = [f.name for f in fields(Weights)]
    known = f"expected some of {', '.join(names)}, each once, as latency=1,traffic=0.1"
    given: dict[str, float] = {}
    for part in text.split(","):
        name, _, value = (word.strip() for word in part.partition("="))
        if name not in names or name in given:
            raise UsageError(f"--weights {text!r}: {name!r} is {'named twice' if name in given else 'none'}; {known}")
        try:
            given[name] = float(value)
        except ValueError:
            raise UsageError(f"--weights {text!r}: {value!r} of {name} is no number; {known}") from None
    return Weights(**(dict.fromkeys(names, 0.0) | given))


def random_dead(count: int, seed: int, width: int, height: int) -> frozenset[Pe]:
    """Distinct PEs of a grid, each as likely as any other."""
    if not 0 <= count <= width * height:
        raise UsageError(f"{count} dead PEs on {width}x{height}: expected 0 to {width * height}")
    drawn = np.random.default_rng(seed).choice(width * height, count, replace=False)
    return frozenset((int(pe) % width, int(pe) // width) for pe in drawn)
