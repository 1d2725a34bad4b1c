"""`wse-sim bench`: what the engines do per second of one core."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import partial

import numpy as np
from rich.console import Console
from rich.table import Table

from wse_sim.engine.machine import Machine
from wse_sim.errors import UsageError
from wse_sim.hardware import WSE2, Wafer, f16, f32, toy
from wse_sim.hardware.states import State
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective.broadcast import make_broadcast
from wse_sim.kernels.collective.line import make_line
from wse_sim.mapping.generation.schedule import Launch
from wse_sim.mapping.model import preset
from wse_sim.mapping.region.decode import OWN_TOKEN, Decoder
from wse_sim.mapping.region.layout import Layout
from wse_sim.program.builder import Builder
from wse_sim.program.memory import each
from wse_sim.program.program import Program

REPEATS = 3  # the fastest counts: other work on the machine only slows
SIDES = (32, 128, 512)
WORDS = {32: 1024, 128: 512, 512: 128}  # of a broadcast or chain
BLOCK = 32  # features in and out of a PE's GEMV tile
IDLE_NAME = "idle wafer"
WAFER = (750, 994)
WAFER_WORDS = 256
ENGINES = ("cycle", "stream", "timing")  # timing: the stream engine without numbers
STREAMS = ENGINES[1:]
SMALL, LARGE = "cerebras-gpt-111m", "cerebras-gpt-13b"
LAYER_SIDES, LARGE_SIDE = (32, 98), 234
TOKENS = 256
POSITION = 5  # of the token whose layer is decoded
IDLE_WORDS = 1000


@dataclass(frozen=True)
class Ready:
    """A program, its wafer and the launch's arguments."""

    program: Program
    wafer: Wafer
    arguments: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class Measurement:
    """One benchmark; rates are per CPU-second of one core.

    hops  a wavelet that a router hands to one of its outputs: a link or the ramp
    bytes_per_node  of the stream engine, for an operation or a message at a FIFO, words left out; 0: cycle engine
    """

    name: str
    engine: str
    grid: tuple[int, int]
    cycles: int
    cpu_seconds: float
    active_pe_cycles_per_cpu_s: float
    pe_cycles_per_cpu_s: float
    hops_per_cpu_s: float
    bytes_per_node: float


def broadcast(side: int) -> Program:
    """Each row's first PE sends to all others."""
    build = Builder(side, side, name="broadcast")
    make_broadcast(build, build.grid, Axis.X).emit(build.main(), build.buffer("x", f32, WORDS[side]))
    return build.finish()


def chain(side: int) -> Program:
    """Each row is summed by two chains that meet in the middle."""
    build = Builder(side, side, name="chain reduce")
    line = make_line(build, build.grid, Axis.X, groups=())
    line.reduce(build.main(), build.buffer("x", f32, WORDS[side]))
    return build.finish()


def gemv(side: int) -> Program:
    """A tile of multiply-adds on each PE, then an all-reduce along y."""
    build = Builder(side, side, name="GEMV")
    x, w = build.buffer("x", f32, BLOCK), build.buffer("w", f32, BLOCK * BLOCK)
    y = build.buffer("y", f32, BLOCK, bank_offset=8)
    line, pe = make_line(build, build.grid, Axis.Y), build.main()
    pe.mac(y, w[:BLOCK].stepping(BLOCK), each(x))
    line.all_reduce(pe, y)
    return build.finish()


def wafer_broadcast() -> Program:
    """Each row of a full wafer gets the vector of its first PE."""
    build = Builder(*WAFER, name="wafer broadcast")
    make_broadcast(build, build.grid, Axis.X).emit(build.main(), build.buffer("x", f32, WAFER_WORDS))
    return build.finish()


def wafer_all_reduce() -> Program:
    """All PEs of a full wafer get the sum: along the rows, along the column of their roots, and back."""
    build = Builder(*WAFER, name="wafer all-reduce")
    x, pe = build.buffer("x", f32, WAFER_WORDS), build.main()
    rows = make_line(build, build.grid, Axis.X, groups=(), name="rows")
    column = build.grid[rows.root, :]
    roots = make_line(build, column, Axis.Y, groups=(), name="roots")
    rows.reduce(pe, x)
    roots.all_reduce(pe.on(column), x)
    rows.broadcast(pe, x)
    return build.finish()


def decode_layer(model: str, side: int) -> Ready:
    """One layer of a GPT, of few tokens, takes a token in f16, sums in f16, and its head does nothing."""
    config = replace(preset(model), vocab_size=TOKENS)
    layout = Layout(config=config, wafer=WSE2, width=side, height=side, dtype=f16, accumulate=f16, layers=range(1))
    program = replace(Decoder(layout).program, name=f"layer of {model}")
    return Ready(program, WSE2, Launch(OWN_TOKEN, POSITION, False).arguments(layout, None))


def idle() -> Program:
    """Two PEs talk, all others of a wafer have nothing to do."""
    build = Builder(*WAFER, name=IDLE_NAME)
    pair = build.grid[:2, 0]
    make_broadcast(build, pair, Axis.X).emit(build.main(pair), build.buffer("x", f32, IDLE_WORDS, on=pair))
    return build.finish()


@dataclass(frozen=True)
class Benchmark:
    """A program and the engines that it is measured on."""

    make: Callable[[], Program | Ready]
    engines: tuple[str, ...] = ENGINES


def benchmarks(*, quick: bool) -> list[Benchmark]:
    """What is measured; the quick ones leave out the largest grids, and a busy full wafer is for the stream engine."""
    sides = SIDES[:2] if quick else SIDES
    found = [Benchmark(partial(make, side)) for make in (broadcast, chain, gemv) for side in sides]
    found += [Benchmark(partial(decode_layer, SMALL, side)) for side in (LAYER_SIDES[:1] if quick else LAYER_SIDES)]
    if not quick:
        found += [Benchmark(make, STREAMS) for make in (wafer_broadcast, wafer_all_reduce)]
        found.append(Benchmark(partial(decode_layer, LARGE, LARGE_SIDE)))
        found.append(Benchmark(idle, ENGINES[:2]))
    return found


def measure(made: Program | Ready, engine: str) -> Measurement:
    """The fastest of a few runs, building left out. SRAM is full of zeros, written beforehand."""
    ready = made if isinstance(made, Ready) else Ready(made, toy(made.width, made.height))
    program = ready.program
    best, cycles, active, hops, nbytes = float("inf"), 0, 0, 0, 0.0
    for _ in range(REPEATS):
        machine = Machine(program, ready.wafer, engine=engine.replace("timing", "stream"), values=engine != "timing")
        for buffer in program.buffers:
            if buffer not in program.initial:
                machine.write(buffer, np.zeros(1, buffer.dtype.numpy))
        started = time.process_time()
        cycles = machine.launch(ready.arguments)
        best = min(best, time.process_time() - started)
        nbytes = machine.stream_bytes_per_node
        report = machine.report()
        active = int(report.states.sum() - report.states[..., State.IDLE].sum())
        hops = int(report.links.wavelets.sum() + report.links.delivered.sum())
        del machine, report
    pes = program.width * program.height
    return Measurement(
        name=program.name,
        engine=engine,
        grid=(program.width, program.height),
        cycles=cycles,
        cpu_seconds=best,
        active_pe_cycles_per_cpu_s=active / best,
        pe_cycles_per_cpu_s=cycles * pes / best,
        hops_per_cpu_s=hops / best,
        bytes_per_node=nbytes,
    )


def bench_command(*, quick: bool, engine: str | None, as_json: bool) -> None:
    """Measures and prints."""
    if engine is not None and engine not in ENGINES:
        raise UsageError(f"--engine {engine}: expected {', '.join(ENGINES[:-1])} or {ENGINES[-1]}")
    engines = ENGINES if engine is None else (engine,)
    for name in engines:  # compiles, or loads what is compiled
        Machine(chain(SIDES[0]), toy(SIDES[0], SIDES[0]), engine=name.replace("timing", "stream")).launch()
    found: list[Measurement] = []
    for benchmark in benchmarks(quick=quick):
        chosen = [name for name in benchmark.engines if name in engines]
        if chosen:
            program = benchmark.make()
            found += [measure(program, name) for name in chosen]
    if as_json:
        sys.stdout.write(json.dumps({"benchmarks": [asdict(m) for m in found]}) + "\n")
    else:
        _print_table(found)


def _print_table(found: list[Measurement]) -> None:
    title = "per CPU-second of one core: active PE-cycles, hops; ns per idle PE-cycle"
    table = Table(title=title, box=None)
    columns = ("benchmark", "grid", "cycles", "engine", "CPU s", "active", "hops", "ns/idle", "B/node")
    for column in columns:
        table.add_column(column, justify="left" if column in ("benchmark", "engine") else "right", no_wrap=True)
    shown = ""
    for m in found:
        rates = (m.active_pe_cycles_per_cpu_s, m.hops_per_cpu_s)
        again = shown == f"{m.name} {m.grid}"
        shown = f"{m.name} {m.grid}"
        table.add_row(
            "" if again else m.name,
            "" if again else f"{m.grid[0]}x{m.grid[1]}",
            "" if again else f"{m.cycles:,}",
            m.engine,
            f"{m.cpu_seconds:.3f}",
            *(f"{rate / 1e6:,.1f} M" for rate in rates),
            f"{1e9 / m.pe_cycles_per_cpu_s:.3f}" if m.name == IDLE_NAME else "",
            f"{m.bytes_per_node:.0f}" if m.bytes_per_node else "",
        )
    Console().print(table)
