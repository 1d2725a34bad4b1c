"""The command `wse-sim`."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated, Any

import typer

from wse_sim import __version__
from wse_sim.errors import WseError

app = typer.Typer(
    add_completion=False,
    no_args_is_help=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Runs GPT kernels on a simulated wafer-scale engine, and says where every cycle went.",
)

INTERRUPTED = 130  # exit status after Ctrl-C; typer turns the key into this status, too
REFUSED: Any = typer.BadParameter.__bases__[0]  # all that typer refuses, a class of the click that it brings along

Json = Annotated[bool, typer.Option("--json", help="Print one JSON object instead of text.")]


def _print_version(wanted: bool) -> None:
    if wanted:
        typer.echo(f"wse-sim {__version__}")
        raise typer.Exit


@app.callback()
def options(
    version: Annotated[
        bool, typer.Option("--version", callback=_print_version, is_eager=True, help="Print the version and stop.")
    ] = False,
) -> None:
    """Options before the command."""


@app.command()
def run(
    checkpoint: Annotated[
        Path | None, typer.Option(help="Folder in Hugging Face format. Default: the small GPT that ships with wse_sim.")
    ] = None,
    model: Annotated[
        str | None, typer.Option(help="cerebras-gpt-111m ... cerebras-gpt-13b, gpt2 ... gpt2-xl, with random weights.")
    ] = None,
    seed: Annotated[int, typer.Option(help="Of random weights, random prompts and draws.", min=0)] = 0,
    prompt: Annotated[
        list[str] | None, typer.Option(help="Text to go on from; given again, another sequence of one batch.")
    ] = None,
    ids: Annotated[
        list[str] | None, typer.Option(help="Token ids to go on from, as 5,17,9; needs no tokenizer.")
    ] = None,
    random_prompt: Annotated[
        list[int] | None, typer.Option(help="Go on from so many random token ids. Default with --model: 1.", min=1)
    ] = None,
    tokens: Annotated[int, typer.Option(help="New tokens.", min=0)] = 24,
    stop: Annotated[
        str | None, typer.Option(help="Token ids that end the text, or none. Default: what the checkpoint says.")
    ] = None,
    temperature: Annotated[float, typer.Option(help="Draw tokens at this temperature. 0: the likeliest.", min=0)] = 0.0,
    top_k: Annotated[
        int | None, typer.Option(help="Candidates of a draw, found and drawn from on the wafer. Default: 50.", min=1)
    ] = None,
    top_p: Annotated[
        float | None, typer.Option(help="Draw from the likeliest candidates that reach this share. Default: 1, all.")
    ] = None,
    wafer: Annotated[str, typer.Option(help="wse1, wse2 or wse3.")] = "wse2",
    grid: Annotated[str | None, typer.Option(help="Rectangle of PEs, as 16x16. Default: chosen to fit.")] = None,
    context: Annotated[
        int | None, typer.Option(help="Tokens that the KV cache has room for. Default: all the model can.", min=1)
    ] = None,
    dtype: Annotated[str, typer.Option(help="Type of weights, cache and activations: f32 or f16.")] = "f32",
    accumulate: Annotated[str, typer.Option(help="Type in which products are added up: f32, or f16 with f16.")] = "f32",
    prefill: Annotated[
        str, typer.Option(help="The prompt at once: on, off, or auto, where that fits and takes fewer cycles.")
    ] = "auto",
    fidelity: Annotated[
        str, typer.Option(help="exact: every layer is simulated. sampled: like layers are composed from one.")
    ] = "exact",
    values: Annotated[
        bool, typer.Option("--values", help="With sampled: compute the numbers, too, outside the simulated fabric.")
    ] = False,
    engine: Annotated[
        str, typer.Option(help="auto, cycle or stream: what simulates; results do not depend on it.")
    ] = "auto",
    threads: Annotated[
        int | None,
        typer.Option(help="Threads; results do not depend on them. Default: all cores on 4,096 PEs or more.", min=1),
    ] = None,
    every_position: Annotated[
        bool, typer.Option("--every-position", help="Compute and compare logits at each prompt position, too.")
    ] = False,
    trace: Annotated[
        str | None, typer.Option(help="Record these cycles, as 0:2000, for `wse-sim report`, Perfetto and wse-viz.")
    ] = None,
    out: Annotated[Path | None, typer.Option(help="Folder for report.json, logits.npy and pictures.")] = None,
    json: Json = False,
) -> None:
    """Generates text with a GPT whose every number is computed by simulated PEs."""
    from wse_sim.mapping.commands.request import Request
    from wse_sim.mapping.commands.run import run_command

    run_command(
        Request(
            checkpoint=checkpoint,
            model=model,
            seed=seed,
            prompt=prompt or (),
            ids=ids or (),
            random_prompt=random_prompt or (),
            tokens=tokens,
            stop=stop,
            temperature=temperature,
            top_k=top_k,
            top_p=top_p,
            wafer=wafer,
            grid=grid,
            context=context,
            dtype=dtype,
            accumulate=accumulate,
            prefill=prefill,
            fidelity=fidelity,
            values=values,
            engine=engine,
            threads=threads,
            every_position=every_position,
            trace=trace,
            out=out,
            json=json,
        )
    )


@app.command()
def report(
    run: Annotated[Path, typer.Argument(help="Folder that `wse-sim run --out` wrote, or a report.json.")],
    html: Annotated[Path | None, typer.Option(help="Write one HTML file that needs no network.")] = None,
) -> None:
    """Prints the results of a run again, or makes a page of them to look at in a browser."""
    from wse_sim.mapping.commands.report import report_command

    report_command(run=run, html=html)


@app.command()
def show(wafer: Annotated[str, typer.Argument(help="wse1, wse2 or wse3.")]) -> None:
    """Prints a machine: every number with its unit and where it comes from."""
    from wse_sim.hardware import by_name

    typer.echo(by_name(wafer).describe())


@app.command()
def bench(
    quick: Annotated[bool, typer.Option("--quick", help="Small grids only.")] = False,
    engine: Annotated[
        str | None, typer.Option(help="cycle, stream, or timing: stream without numbers. Default: all, side by side.")
    ] = None,
    json: Json = False,
) -> None:
    """Measures the engines: active PE-cycles and wavelet-hops per CPU-second, and what an idle PE costs."""
    from wse_sim.mapping.commands.bench import bench_command

    bench_command(quick=quick, engine=engine, as_json=json)


SECONDS = 120.0
"""What `validate` takes at most unless told otherwise."""


@app.command()
def validate(
    data: Annotated[
        Path | None, typer.Option(help="CSV file of figures to compare with. Default: the published ones that ship.")
    ] = None,
    max_seconds: Annotated[
        float,
        typer.Option(help="About how long it may take, compiling aside; rows that do not fit are listed as skipped.")
    ] = SECONDS,
    fidelity: Annotated[
        str,
        typer.Option(help="sampled: GEMMs on large grids are composed of launches on fewer PEs; exact: all run whole.")
    ] = "sampled",
    json: Json = False,
    markdown: Annotated[bool, typer.Option("--markdown", help="Print the errors by source, as Markdown.")] = False,
) -> None:
    """Compares simulated cycles with published ones: every figure, its error, and the errors by source."""
    from wse_sim.mapping.commands.validate import validate_command

    validate_command(data=data, max_seconds=max_seconds, fidelity=fidelity, as_json=json, as_markdown=markdown)


Model = Annotated[
    str, typer.Option(help="cerebras-gpt-111m ... 13b, gpt2 ... gpt2-xl, a checkpoint's folder, or alice, which ships.")
]
WaferName = Annotated[str, typer.Option("--wafer", help="wse1, wse2 or wse3.")]
Grid = Annotated[
    str | None,
    typer.Option("--grid", help="PEs to use at most, in the wafer's north-west corner, as 200x200. Default: all."),
]
Type = Annotated[str, typer.Option("--dtype", help="Type of weights, cache and activations: f32 or f16.")]
Sums = Annotated[str, typer.Option("--accumulate", help="Type in which products are added up: f32, or f16 with f16.")]
Context = Annotated[
    int | None,
    typer.Option("--context", help="Tokens that the KV cache has room for. Default: all the model can.", min=1),
]
Prompt = Annotated[
    int | None, typer.Option("--prompt", help="Tokens of a prompt at once. Default: the context.", min=1)
]
PhaseName = Annotated[str, typer.Option("--phase", help="decode or prefill.")]
Dead = Annotated[
    str | None,
    typer.Option(
        "--dead", help="PEs that do not work, as '3,7 20,5', or how many random ones of the grid, or a share, as 0.01%."
    ),
]
Seed = Annotated[int, typer.Option("--seed", help="Of random dead PEs, and of annealing.", min=0)]
PlacementName = Annotated[
    str, typer.Option("--placement", help="row-major, serpentine, hilbert, treemap, annealed or solved.")
]
WeightsText = Annotated[
    str | None,
    typer.Option(
        "--weights", help="What annealed and solved placements make small, as latency=1,period=0,traffic=0.1,busiest=1."
    ),
]


@app.command(name="map")
def map_model(
    model: Model,
    strategy: Annotated[str, typer.Option(help="Name of a strategy; an unknown one lists them.")] = "layer-sequential",
    wafer: WaferName = "wse2",
    grid: Grid = None,
    dtype: Type = "f16",
    accumulate: Sums = "f32",
    context: Context = None,
    phase: PhaseName = "decode",
    prompt: Prompt = None,
    stages: Annotated[int, typer.Option(help="Regions of a pipeline. 0: the strategy's choice.", min=0)] = 0,
    shards: Annotated[int, typer.Option(help="Tensor-parallel parts of a layer. 0: the strategy's choice.", min=0)] = 0,
    sequences: Annotated[int, typer.Option(help="In flight in each replica. 0: the strategy's choice.", min=0)] = 0,
    replicas: Annotated[int, typer.Option(help="Copies of the model at most. 0: as many as find room.", min=0)] = 0,
    dead: Dead = None,
    seed: Seed = 0,
    placement: PlacementName = "serpentine",
    weights: WeightsText = None,
    out: Annotated[Path | None, typer.Option(help="File for the mapping, as JSON.")] = None,
    picture: Annotated[Path | None, typer.Option(help="File for a picture of it, as PNG.")] = None,
    json: Json = False,
) -> None:
    """Lays a model over a wafer: which region holds what, whether it fits, how fast it should be."""
    from wse_sim.mapping.commands.map import map_command
    from wse_sim.mapping.commands.problem import Asked

    asked = Asked(
        model=model, wafer=wafer, grid=grid, dtype=dtype, accumulate=accumulate, context=context, phase=phase,
        dead=dead, seed=seed, prompt=prompt, stages=stages, shards=shards, sequences=sequences, replicas=replicas,
        placement=placement, weights=weights,
    )  # fmt: skip
    map_command(asked, name=strategy, out=out, picture=picture, as_json=json)


@app.command()
def compare(
    model: Model,
    strategies: Annotated[str, typer.Option(help="Names separated by commas, or all.")] = "all",
    wafer: WaferName = "wse2",
    grid: Grid = None,
    fidelity: Annotated[
        str,
        typer.Option(help="estimate: closed forms. sampled: each distinct region simulated once. exact: all of them."),
    ] = "estimate",
    dtype: Type = "f16",
    accumulate: Sums = "f32",
    context: Context = None,
    phase: PhaseName = "decode",
    prompt: Prompt = None,
    position: Annotated[int | None, typer.Option(help="Of the token. Default: the last of the context.", min=0)] = None,
    dead: Dead = None,
    seed: Seed = 0,
    placement: PlacementName = "serpentine",
    weights: WeightsText = None,
    workers: Annotated[
        int, typer.Option(help="Processes that simulate. Default: one for each core, as far as memory reaches.", min=0)
    ] = 0,
    json: Json = False,
) -> None:
    """Lays a model over a wafer by each strategy and puts the results side by side."""
    from wse_sim.mapping.commands.compare import compare_command
    from wse_sim.mapping.commands.problem import Asked

    asked = Asked(
        model=model, wafer=wafer, grid=grid, dtype=dtype, accumulate=accumulate, context=context, phase=phase,
        dead=dead, seed=seed, prompt=prompt, placement=placement, weights=weights,
    )  # fmt: skip
    compare_command(
        asked, strategies=strategies, fidelity=fidelity, position=position, workers=workers, as_json=json
    )


@app.command()
def search(
    model: Model,
    wafer: WaferName = "wse2",
    goal: Annotated[str, typer.Option(help="latency, throughput or energy: what the first is best in.")] = "throughput",
    strategies: Annotated[str, typer.Option(help="Names separated by commas, or all.")] = "all",
    placement: Annotated[
        str, typer.Option(help="Names separated by commas, or all: but for solved, which takes long.")
    ] = "all",
    grid: Grid = None,
    dtype: Type = "f16",
    accumulate: Sums = "f32",
    context: Context = None,
    phase: PhaseName = "decode",
    prompt: Prompt = None,
    dead: Dead = None,
    seed: Seed = 0,
    weights: WeightsText = None,
    max_cycles: Annotated[float | None, typer.Option(help="Cycles between two tokens of a sequence, at most.")] = None,
    min_tokens_per_s: Annotated[float | None, typer.Option(help="Tokens/s of all sequences, at least.")] = None,
    max_joules: Annotated[float | None, typer.Option(help="Joules per token, at most.")] = None,
    max_pes: Annotated[int | None, typer.Option(help="PEs in use, at most.", min=1)] = None,
    fidelity: Annotated[str, typer.Option(help="Of the finalists: estimate, sampled or exact.")] = "sampled",
    finalists: Annotated[int, typer.Option(help="Mappings that are simulated.", min=1)] = 6,
    out: Annotated[Path | None, typer.Option(help="Results file, JSON lines; a search goes on from it.")] = None,
    workers: Annotated[int, typer.Option(help="Processes. 0: one for each core.", min=0)] = 0,
    scheduler: Annotated[
        str | None, typer.Option(help="Address of a Dask cluster to work on instead, as tcp://host:8786.")
    ] = None,
    json: Json = False,
) -> None:
    """Looks for the mappings that no other beats: by estimate among many, the finalists simulated."""
    from wse_sim.mapping.commands.problem import Asked
    from wse_sim.mapping.commands.search import search_command
    from wse_sim.mapping.search.search import Limits

    asked = Asked(
        model=model, wafer=wafer, grid=grid, dtype=dtype, accumulate=accumulate, context=context, phase=phase,
        dead=dead, seed=seed, prompt=prompt, weights=weights,
    )  # fmt: skip
    limits = Limits(
        max_cycles_per_token=max_cycles, min_tokens_per_s=min_tokens_per_s, max_joules_per_token=max_joules,
        max_pes=max_pes,
    )  # fmt: skip
    search_command(
        asked, goal=goal, strategies=strategies, placements=placement, limits=limits, fidelity=fidelity,
        finalists=finalists, out=out, workers=workers, scheduler=scheduler, as_json=json,
    )  # fmt: skip


def main() -> None:
    """Runs the command; an error the user can mend is one line and exit status 2."""
    status = 0
    try:
        status = app(prog_name="wse-sim", standalone_mode=False) or 0
    except WseError as error:
        _fail(str(error))
    except OSError as error:
        _fail(f"{error.filename or 'standard output'}: {error.strerror or error}")
    except REFUSED as error:
        _refuse(error)
    except KeyboardInterrupt:
        status = INTERRUPTED
    if status == INTERRUPTED:
        typer.echo("wse-sim: interrupted", err=True)
    sys.exit(status)


def _refuse(error: Any) -> None:
    """What is wrong with the options, as typer says it; without any, the help that it shows then."""
    message = error.format_message()
    if message.startswith("Usage:"):
        typer.echo(message, err=True)
        sys.exit(2)
    command = error.ctx.command_path if error.ctx is not None else "wse-sim"
    _fail(f"{message.strip().rstrip('.')}; try {command} --help")


def _fail(message: str) -> None:
    typer.echo(f"wse-sim: {message}", err=True)
    sys.exit(2)
