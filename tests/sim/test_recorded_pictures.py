"""Pictures of a recording: what is drawn is what was recorded."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path
from random import Random

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.collections import LineCollection
from PIL import Image
from strategies import random_case

from wse_sim.engine.machine import Machine
from wse_sim.errors import UsageError
from wse_sim.hardware import EAST, RAMP, WEST, State, f32, toy
from wse_sim.hardware.geometry import Grid
from wse_sim.program.builder import Builder
from wse_sim.report.pictures.style import STATE_COLORS, series_color
from wse_sim.report.trace import Recording, Trace, animate, draw_paths, draw_timeline
from wse_sim.report.trace.animation import positions
from wse_sim.report.trace.timeline import states_by_time


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    before = mpl.get_backend()
    plt.switch_backend("Agg")
    yield
    plt.close("all")
    plt.switch_backend(before)


def one_wavelet(width: int = 5) -> Recording:
    """A wavelet from the first PE of a row to the last."""
    build = Builder(width, 1, name="one wavelet")
    red, grid, x = build.color("red"), build.grid, build.buffer("x", f32, 1, init=3.0)
    build.route(red, grid[0, 0], RAMP >> EAST)
    build.route(red, grid[1:-1, 0], WEST >> EAST)
    build.route(red, grid[-1, 0], WEST >> RAMP)
    build.main(grid[0, 0]).mov(red, x)
    build.main(grid[-1, 0]).mov(x, red)
    machine = Machine(build.finish(), toy(width, 1), trace=Trace())
    machine.launch()
    return machine.recording()


@pytest.fixture(scope="module")
def recording() -> Recording:
    return one_wavelet()


def random_recording(seed: int, grid: tuple[int, int] | None = None) -> Recording:
    case = random_case(Random(seed), phases=6, grid=grid)
    machine = Machine(case.program, case.wafer, trace=Trace())
    for arguments in case.launches:
        machine.launch(arguments)
    return machine.recording()


def by_cycle(recording: Recording) -> np.ndarray:
    """Codes of states, a row per PE of the grid, a column per cycle."""
    found = np.zeros((recording.width * recording.height, recording.end), np.int64)
    s = recording.slices
    for pe, state, start, end in zip(s.pe, s.state, s.start, s.end, strict=True):
        found[pe, start:end] = state
    return found


# -- timeline -----------------------------------------------------------------------------------------


def test_a_timeline_has_a_cell_for_each_pe_and_cycle(recording: Recording) -> None:
    ax = draw_timeline(recording)
    (image,) = ax.images
    assert np.array_equal(image.get_array(), by_cycle(recording))
    assert tuple(image.get_extent()) == (-0.5, recording.end - 0.5, 4.5, -0.5)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("cycle", "PE (x, y)")
    assert [label.get_text() for label in ax.get_yticklabels()] == [f"({x}, 0)" for x in range(5)]
    legend = ax.get_legend()
    assert legend is not None
    met = {State(code).name for code in np.unique(by_cycle(recording)).tolist()}
    assert {text.get_text() for text in legend.get_texts()} == met
    assert ax.get_title().startswith("What 5 PEs did, cycle by cycle\none wavelet on toy, cycles 0 to ")


def test_a_timeline_can_be_zoomed() -> None:
    recording = random_recording(7, (4, 3))
    region = Grid(4, 3)[1:3, 1:]
    window = (30, min(90, recording.end))
    (image,) = draw_timeline(recording, window=window, region=region).images
    pes = [y * 4 + x for x, y in region]
    assert np.array_equal(image.get_array(), by_cycle(recording)[pes, window[0] : window[1]])
    with pytest.raises(UsageError, match=r"window \(90, 30\): expected cycles of the recording, from 0 to "):
        draw_timeline(recording, window=(90, 30))
    with pytest.raises(UsageError, match=r"expected PEs that were recorded, of \[0:4, 0:3\]"):
        draw_timeline(recording, region=Grid(9, 9))


def test_more_cycles_than_pixels_show_the_commonest_state(monkeypatch: pytest.MonkeyPatch) -> None:
    for seed in range(12):
        recording = random_recording(seed)
        exact = by_cycle(recording)
        pes = np.arange(len(exact))
        for rows, columns in ((400, 37), (2, 11), (1, 5)):
            monkeypatch.setattr("wse_sim.report.trace.timeline.ROWS", rows)
            monkeypatch.setattr("wse_sim.report.trace.timeline.COLUMNS", columns)
            shown = states_by_time(recording, pes, 3, recording.end)
            per_row, per_column = -(-len(pes) // rows), -(-(recording.end - 3) // columns)
            for row, column in np.ndindex(shown.shape):
                cell = exact[row * per_row : (row + 1) * per_row, 3:]
                cell = cell[:, column * per_column : (column + 1) * per_column]
                assert shown[row, column] == np.bincount(cell.ravel(), minlength=len(State)).argmax()
        title = draw_timeline(recording).get_title()
        assert "the commonest state of each" in title


def test_a_long_timeline_of_many_pes_stays_small() -> None:
    recording = random_recording(3, (24, 20))
    (image,) = draw_timeline(recording).images
    assert image.get_array().shape[0] <= 400
    assert image.get_array().shape[1] <= 1600


# -- paths --------------------------------------------------------------------------------------------


def test_a_hop_is_a_slanted_line(recording: Recording) -> None:
    ax = draw_paths(recording)
    hops = ax.collections[0]
    assert isinstance(hops, LineCollection)
    segments = [segment.tolist() for segment in hops.get_segments()]
    start = segments[0][0][0]
    assert segments == [[[start + i, i], [start + i + 1, i + 1]] for i in range(4)], "a cycle a hop"
    (taken,) = (line for line in ax.lines if line.get_marker() == "o")
    assert taken.get_ydata() == [4]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("cycle", "PE, x (east)")
    assert ax.get_title().startswith("Wavelets along row y = 0")
    legend = ax.get_legend()
    assert legend is not None
    assert legend.get_texts()[0].get_text() == "red: 1 taken here"


def test_paths_can_be_zoomed(recording: Recording, monkeypatch: pytest.MonkeyPatch) -> None:
    whole = draw_paths(recording).collections[0].get_segments()
    first = int(whole[1][0][0])  # when the second hop begins
    ax = draw_paths(recording, window=(first, first + 2))
    assert ax.get_xlim() == (first - 0.5, first + 2)
    hops = [tuple(segment[0]) for segment in ax.collections[0].get_segments()]
    assert (first, 1) in hops
    assert len(hops) < len(whole)
    with pytest.raises(UsageError, match=r"window \(5, 2\): expected cycles of the recording, from 0 to "):
        draw_paths(recording, window=(5, 2))
    assert "left out" not in draw_paths(recording).get_title()
    monkeypatch.setattr("wse_sim.report.trace.paths.MOST", 3)
    stays = len(recording.stays)
    assert f"the first 3 of {stays} stays in queues" in draw_paths(recording).get_title()


def test_paths_along_a_column() -> None:
    recording = random_recording(11, (3, 4))
    ax = draw_paths(recording, column=1)
    assert ax.get_ylabel() == "PE, y (south)"
    s = recording.stays
    hops = ((s.pe % 3 == 1) & (s.port < 4)).sum()
    assert sum(len(c.get_segments()) for c in ax.collections[::2]) == hops


# -- moving pictures ----------------------------------------------------------------------------------


def test_a_wavelet_moves_from_pe_to_pe(recording: Recording) -> None:
    s = recording.stays
    seen = []
    for cycle in range(recording.end):
        places, colors = positions(recording, cycle)
        assert len(places) == len(colors) <= 1
        inside = (s.entered <= cycle) & (cycle < s.left)
        assert len(places) == inside.sum()
        seen += places[:, 0].tolist()
    assert seen == sorted(seen), "never back"
    assert (seen[0], seen[-1]) == (0, 4)
    assert {0.5, 1.5, 2.5, 3.5} <= set(np.round(seen, 2).tolist()), "half way between two PEs"


def test_frames_show_states_and_wavelets(recording: Recording, tmp_path: Path) -> None:
    movie = animate(recording)
    assert movie.cycles == range(recording.end)
    frames = list(movie.frames())
    assert len(frames) == recording.end
    assert len({frame.tobytes() for frame in frames}) > 5
    assert all(frame.shape == frames[0].shape and frame.dtype == np.uint8 for frame in frames)
    with Image.open(movie.save(tmp_path / "run.gif")) as gif:
        assert gif.n_frames > 5
        assert gif.info["loop"] == 0
        pixels = np.unique(np.asarray(gif.convert("RGB")).reshape(-1, 3), axis=0).astype(int)
    for color in (STATE_COLORS[State.IDLE], STATE_COLORS[State.OVERHEAD], series_color(0)):
        wanted = np.array([int(color[i : i + 2], 16) for i in (1, 3, 5)])
        assert np.abs(pixels - wanted).max(axis=1).min() <= 8, f"{color} is lost"
    html = animate(recording, window=(0, 3))._repr_html_()
    assert html.startswith('<img alt="moving picture" src="data:image/gif;base64,R0lGODlh')
    assert movie.ax.get_title() == f"cycle {recording.end - 1}\none wavelet on toy"


def test_frames_of_a_window(recording: Recording) -> None:
    assert animate(recording, window=(2, 12), step=3).cycles == range(2, 12, 3)
    with pytest.raises(UsageError, match=r"window \(0, 9999\): expected cycles of the recording"):
        animate(recording, window=(0, 9999))


def test_what_cannot_be_moved(recording: Recording, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(UsageError, match="65 x 1 PEs are too many to tell apart: expected at most 64 a side"):
        animate(one_wavelet(65))
    with pytest.raises(UsageError, match=r"run\.avi: expected a name that ends in \.gif or \.mp4"):
        animate(recording).save(tmp_path / "run.avi")
    monkeypatch.setattr(shutil, "which", lambda _: None)
    with pytest.raises(UsageError, match=r"run\.mp4: MP4 needs ffmpeg, which is not installed"):
        animate(recording).save(tmp_path / "run.mp4")


@pytest.mark.skipif(shutil.which("ffmpeg") is None, reason="ffmpeg is not installed")
def test_mp4_where_there_is_ffmpeg(recording: Recording, tmp_path: Path) -> None:
    assert animate(recording).save(tmp_path / "run.mp4").stat().st_size > 1000


# -- all ----------------------------------------------------------------------------------------------


def test_given_axes_are_used_and_methods_are_the_functions(recording: Recording) -> None:
    _, (left, right) = plt.subplots(1, 2)
    for draw in (draw_timeline, draw_paths):
        assert draw(recording, ax=left) is left
    assert animate(recording, ax=right).ax is right
    shown = plt.get_fignums()
    animate(recording)
    assert plt.get_fignums() == shown, "a movie's own figure is not shown a second time"
    assert recording.draw_timeline().get_title() == draw_timeline(recording).get_title()
    assert recording.draw_paths(row=0).get_title() == draw_paths(recording).get_title()
    assert recording.animate().cycles == animate(recording).cycles


@pytest.mark.parametrize("size", [(1, 1), (1, 20), (20, 2), (9, 9)])
def test_pictures_of_any_shape_fit_their_figure(size: tuple[int, int]) -> None:
    recording = random_recording(5, size)
    for ax in (draw_timeline(recording), draw_paths(recording), animate(recording, window=(0, 2)).ax):
        figure = ax.figure
        figure.draw_without_rendering()
        box, whole = figure.get_tightbbox(), figure.get_size_inches()
        assert box.x0 > -0.05
        assert box.y0 > -0.05
        assert box.x1 < whole[0] + 0.05
        assert box.y1 < whole[1] + 0.05
