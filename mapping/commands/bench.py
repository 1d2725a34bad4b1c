"""`wse-sim bench`: what the engine does per second of one core."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass

from rich.console import Console
from rich.table import Table

from wse_sim.engine.machine import Machine
from wse_sim.hardware import f32, toy
from wse_sim.hardware.states import State
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective.broadcast import make_broadcast
from wse_sim.kernels.collective.line import make_line
from wse_sim.program.builder import Builder
from wse_sim.program.memory import each
from wse_sim.program.program import Program

REPEATS = 3  # the fastest counts: other work on the machine only slows
SIDES = (32, 128, 512)
WORDS = {32: 1024, 128: 512, 512: 128}  # of a broadcast or chain
BLOCK = 32  # features in and out of a PE's GEMV tile
IDLE_NAME = "idle wafer"
IDLE_GRID = (750, 994)
IDLE_WORDS = 1000


@dataclass(frozen=True)
class Measurement:
    """One benchmark; rates are per CPU-second of one core.

    hops  a wavelet that a router hands to one of its outputs: a link or the ramp
    """

    name: str
    engine: str
    grid: tuple[int, int]
    cycles: int
    cpu_seconds: float
    active_pe_cycles_per_cpu_s: float
    pe_cycles_per_cpu_s: float
    hops_per_cpu_s: float


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


def idle() -> Program:
    """Two PEs talk, all others of a wafer have nothing to do."""
    build = Builder(*IDLE_GRID, name=IDLE_NAME)
    pair = build.grid[:2, 0]
    make_broadcast(build, pair, Axis.X).emit(build.main(pair), build.buffer("x", f32, IDLE_WORDS, on=pair))
    return build.finish()


def measure(program: Program) -> Measurement:
    """The fastest of a few runs, building left out."""
    wafer = toy(program.width, program.height)
    best, cycles, active, hops = float("inf"), 0, 0, 0
    for _ in range(REPEATS):
        machine = Machine(program, wafer)
        started = time.process_time()
        cycles = machine.launch()
        best = min(best, time.process_time() - started)
        report = machine.report()
        active = int(report.states.sum() - report.states[..., State.IDLE].sum())
        hops = int(report.links.wavelets.sum() + report.links.delivered.sum())
    pes = program.width * program.height
    return Measurement(
        name=program.name,
        engine="cycle",
        grid=(program.width, program.height),
        cycles=cycles,
        cpu_seconds=best,
        active_pe_cycles_per_cpu_s=active / best,
        pe_cycles_per_cpu_s=cycles * pes / best,
        hops_per_cpu_s=hops / best,
    )


def benchmarks(*, quick: bool) -> list[Callable[[], Program]]:
    """Programs to measure; the quick ones leave out the largest grids."""
    sides = SIDES[:2] if quick else SIDES
    found: list[Callable[[], Program]] = []
    for make in (broadcast, chain, gemv):
        found += [_at(make, side) for side in sides]
    return found if quick else [*found, idle]


def _at(make: Callable[[int], Program], side: int) -> Callable[[], Program]:
    return lambda: make(side)


def bench_command(*, quick: bool, as_json: bool) -> None:
    """Measures and prints."""
    Machine(chain(SIDES[0]), toy(SIDES[0], SIDES[0])).launch()  # compiles, or loads what is compiled
    found = [measure(make()) for make in benchmarks(quick=quick)]
    if as_json:
        _print_json(found)
    else:
        _print_table(found)


def _print_json(found: list[Measurement]) -> None:
    sys.stdout.write(json.dumps({"benchmarks": [asdict(m) for m in found]}) + "\n")


def _print_table(found: list[Measurement]) -> None:
    title = "per CPU-second of one core: active PE-cycles, all PE-cycles, hops; ns per idle PE-cycle"
    table = Table(title=title, box=None)
    columns = ("benchmark", "grid", "cycles", "CPU s", "active", "PE-cycles", "hops", "ns/idle")
    for column in columns:
        table.add_column(column, justify="left" if column == "benchmark" else "right", no_wrap=True)
    for m in found:
        rates = (m.active_pe_cycles_per_cpu_s, m.pe_cycles_per_cpu_s, m.hops_per_cpu_s)
        table.add_row(
            m.name,
            f"{m.grid[0]}x{m.grid[1]}",
            f"{m.cycles:,}",
            f"{m.cpu_seconds:.3f}",
            *(f"{rate / 1e6:,.1f} M" for rate in rates),
            f"{1e9 / m.pe_cycles_per_cpu_s:.3f}" if m.name == IDLE_NAME else "",
        )
    Console().print(table)
