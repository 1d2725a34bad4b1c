"""Draws the pictures of the README into this folder: python notebooks/pictures/draw.py"""

from __future__ import annotations

import shutil
import subprocess
import tempfile
from pathlib import Path

import matplotlib as mpl
import numpy as np

mpl.use("Agg")

from matplotlib import pyplot as plt
from matplotlib.axes import Axes

from wse_sim import WSE2, f16, f32
from wse_sim.engine.machine import Machine
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective.line import make_line
from wse_sim.mapping.comparison.compare import row_of_strategy
from wse_sim.mapping.comparison.draw import draw_rows
from wse_sim.mapping.comparison.row import Row
from wse_sim.mapping.generation.session import Session, generate
from wse_sim.mapping.model import load_shipped, preset
from wse_sim.mapping.model.weights import random_weights
from wse_sim.mapping.pipeline.flight import Flight
from wse_sim.mapping.plan.mapping import Mapping, Place
from wse_sim.mapping.region.layout import Layout
from wse_sim.mapping.strategies import STRATEGIES, strategy
from wse_sim.mapping.strategies.strategy import Problem
from wse_sim.program import Builder
from wse_sim.report.report import Report
from wse_sim.report.trace import Recording, Trace

FOLDER = Path(__file__).parent


def save(ax: Axes, name: str) -> None:
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.savefig(FOLDER / name, dpi=90, bbox_inches="tight")
    plt.close(figure)


def flight() -> tuple[Mapping, Report, Recording]:
    """A token for each of five sequences that follow one another through Cerebras-GPT 111M, a region for each layer.

    Every number is computed on 62,080 simulated PEs. Recorded is every eighth PE of the middle row of each region.
    """
    config = preset("cerebras-gpt-111m")
    problem = Problem(config=config, wafer=WSE2, dtype=f16, accumulate=f16, context=256, stages=11, sequences=5)
    mapping = strategy("pipeline").plan(problem)
    right, height = max(r.xs.stop for r in mapping.regions.values()), mapping.places[0].height
    trace = Trace(region=mapping.grid[:right:8, height // 2 : 2 * height : height], events=1 << 22)
    machine = Flight(mapping, random_weights(config, seed=0), start=128, trace=trace)
    machine.run(1)
    return mapping, machine.report(), machine.recording()


def draw_flight(mapping: Mapping, report: Report, recording: Recording) -> Axes:
    """Where on the wafer PEs were busy, what they did when, and in which kernels."""
    layout = [["wafer", "wafer"], ["time", "kernels"]]
    ratios = {"height_ratios": [1, 1.4], "width_ratios": [1.5, 1]}
    _, axes = plt.subplot_mosaic(layout, figsize=(11, 9), layout="constrained", **ratios)
    busiest = 100 * float(np.quantile(report.busy, 0.999))
    report.draw_utilisation(ax=axes["wafer"], most=busiest, regions=mapping.regions)
    time = recording.draw_timeline(ax=axes["time"])
    time.set_title("Five tokens on their way: what every eighth PE of the middle rows did", fontsize=10)
    time.set_ylabel("")
    time.locator_params(axis="x", nbins=6)
    time.set_yticks(*_rows(mapping, recording), fontsize=8)
    legend = time.get_legend()
    assert legend is not None
    legend.remove()  # the other one has the same colours
    kernels = report.draw_sections(by="kernel", ax=axes["kernels"], most=14)
    kernels.set_title("What all PEs did, by kernel", fontsize=10)
    return axes["wafer"]


def _rows(mapping: Mapping, recording: Recording) -> tuple[list[float], list[str]]:
    """Where a timeline of the recording has each region, and what it holds."""
    pes = list(recording.region)
    found = {name: [i for i, pe in enumerate(pes) if pe in region] for name, region in mapping.regions.items()}
    return [sum(rows) / len(rows) for rows in found.values()], list(found)


def decode() -> tuple[Report, Recording]:
    """Four tokens of the GPT that ships, the first 2500 cycles recorded."""
    checkpoint = load_shipped()
    layout = Layout(config=checkpoint.config, wafer=WSE2, width=12, height=12)
    session = Session(layout, checkpoint.tensors, trace=Trace(window=(0, 2500)))
    generate(session, checkpoint.text.encode("The Queen"), 3)
    return session.report(), session.recording()


def reduction(length: int, words: int) -> Recording:
    """A reduction by the generated tree along a row."""
    wafer = WSE2.crop(length, 1)
    build = Builder(length, 1, name="reduction")
    line = make_line(build, build.grid, Axis.X, algorithm="generated", wafer=wafer, words=words)
    line.reduce(build.main(), build.buffer("x", f32, words))
    machine = Machine(build.finish(), wafer, trace=Trace())
    machine.launch()
    return machine.recording()


def all_reduce(width: int, height: int, words: int) -> Recording:
    """A sum over a rectangle, left on all its PEs: along rows, then along columns."""
    wafer = WSE2.crop(width, height)
    build = Builder(width, height, name="all-reduce")
    x, pe = build.buffer("x", f32, words), build.main()
    for axis in Axis:
        make_line(build, build.grid, axis, wafer=wafer, words=words, name=axis.value).all_reduce(pe, x)
    machine = Machine(build.finish(), wafer, trace=Trace())
    machine.launch()
    return machine.recording()


def pipeline() -> Mapping:
    """Cerebras-GPT 111M in five stages of two layers, clockwise."""
    config, side = preset("cerebras-gpt-111m"), 240
    corners = [(0, 0), (250, 0), (500, 0), (500, 250), (250, 250)]
    places = [
        Place(x=x, y=y, width=side, height=side, layers=range(2 * i, 2 * i + 2), embedding=i == 0, head=i == 4)
        for i, (x, y) in enumerate(corners)
    ]
    return Mapping(
        config=config, wafer=WSE2.crop(750, 500), strategy="five stages", places=tuple(places), dtype=f16,
        accumulate=f16, context=256,
    )  # fmt: skip


def strategies() -> list[Row]:
    """Cerebras-GPT 111M by each strategy."""
    problem = Problem(config=preset("cerebras-gpt-111m"), wafer=WSE2, dtype=f16)
    return [row_of_strategy(name, problem) for name in STRATEGIES]


def photograph(report: Report, recording: Recording) -> None:
    """The HTML report in a browser, where there is one."""
    browser = shutil.which("chromium")
    if browser is None:
        return
    with tempfile.TemporaryDirectory() as folder:
        page = report.to_html(Path(folder) / "report.html", recording=recording)
        command = [
            browser, "--headless=new", "--no-sandbox", "--hide-scrollbars", "--window-size=1240,1010",
            "--virtual-time-budget=20000", f"--screenshot={FOLDER / 'page.png'}", page.as_uri(),
        ]  # fmt: skip
        subprocess.run(command, check=True, capture_output=True)


def draw_gallery() -> None:
    """Pictures of small runs."""
    report, recording = decode()
    save(report.draw_sections(by="kernel"), "kernels.png")
    save(report.draw_roofline(), "roofline.png")
    save(report.draw_traffic(), "traffic.png")
    save(recording.draw_timeline(window=(0, 1500)), "timeline.png")
    save(reduction(24, 6).draw_paths(), "paths.png")
    square = all_reduce(8, 5, 4)
    square.animate(window=(18, square.end), step=2, frames_per_second=10).save(FOLDER / "all_reduce.gif")
    save(pipeline().draw(), "mapping.png")
    save(draw_rows(strategies()), "strategies.png")
    photograph(report, recording)


def main() -> None:
    save(draw_flight(*flight()), "run.png")
    draw_gallery()


if __name__ == "__main__":
    main()
