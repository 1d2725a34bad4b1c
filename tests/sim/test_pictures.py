"""Pictures of a report: the data on the artists, their labels and units."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import combinations
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.quiver import Quiver

from wse_sim.engine.machine import Machine
from wse_sim.errors import UsageError
from wse_sim.hardware import EAST, NORTH, RAMP, SOUTH, WEST, WSE2, State, f16, f32, i32, toy
from wse_sim.hardware.states import GROUPS
from wse_sim.program.builder import Builder
from wse_sim.report.pictures import (
    draw_comparison,
    draw_links,
    draw_memory,
    draw_roofline,
    draw_sections,
    draw_sram,
    draw_state,
    draw_traffic,
    draw_utilisation,
)
from wse_sim.report.pictures.style import GROUP_COLORS, MAP, SERIES, STATE_COLORS
from wse_sim.report.report import Report


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    """No windows, and no figures left over."""
    before = mpl.get_backend()
    plt.switch_backend("Agg")
    yield
    plt.close("all")
    plt.switch_backend(before)


def broadcast(width: int, height: int, n: int = 12) -> Report:
    """The first PE of each row sends east, then the last PE of each column sends one element north."""
    build = Builder(width, height, name="broadcast")
    red, blue, grid = build.color("red"), build.color("blue"), build.grid
    x = build.buffer("x", f32, n, init=1.0)
    build.main().integer(0)
    if width > 1:
        build.route(red, grid[0, :], RAMP >> EAST)
        build.route(red, grid[1:-1, :], WEST >> (RAMP | EAST))
        build.route(red, grid[-1, :], WEST >> RAMP)
        with build.section("east"):
            build.main(grid[0, :]).mov(red, x)
            build.main(grid[1:, :]).mov(x, red)
    if height > 1:
        build.route(blue, grid[:, -1], RAMP >> NORTH)
        build.route(blue, grid[:, 1:-1], SOUTH >> (RAMP | NORTH))
        build.route(blue, grid[:, 0], SOUTH >> RAMP)
        with build.section("north"):
            build.main(grid[:, -1]).mov(blue, x[:1])
            build.main(grid[:, :-1]).mov(x[:1], blue)
    machine = Machine(build.finish(), toy(width, height))
    machine.launch()
    return machine.report()


@pytest.fixture(scope="module")
def report() -> Report:
    return broadcast(4, 3)


def _bar_label(ax: Any) -> str:
    """Label of the colour bar that belongs to the axes."""
    (mappable,) = [*ax.images, *(c for c in ax.collections if isinstance(c, Quiver))]
    bar = mappable.colorbar.ax
    return str(bar.get_ylabel() or bar.get_xlabel())


def test_utilisation_is_a_heat_map_in_percent(report: Report) -> None:
    ax = draw_utilisation(report)
    (image,) = ax.images
    assert np.allclose(image.get_array(), 100 * report.busy)
    assert image.get_clim() == (0, 100)
    assert image.get_cmap().name == MAP
    assert tuple(image.get_extent()) == (-0.5, 3.5, 2.5, -0.5)
    assert ax.get_ylim() == (2.5, -0.5), "y grows south"
    assert _bar_label(ax) == "busy, % of the cycles"
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("PE, x (east)", "PE, y (south)")
    assert ax.get_title().startswith(f"How busy each PE was: {100 * report.utilisation:.0f} % of all PE-cycles\n")
    assert "broadcast on toy, 4 x 3 PEs" in ax.get_title()


def test_the_upper_end_can_be_set(report: Report) -> None:
    (image,) = draw_utilisation(report, most=20.0).images
    assert image.get_clim() == (0, 20)
    assert image.colorbar is not None
    assert image.colorbar.extend == "max", "values above the end"
    assert draw_state(report, State.MOVE, most=50.0).images[0].get_clim() == (0, 50)


def test_a_state_is_a_heat_map_up_to_its_largest_share(report: Report) -> None:
    ax = draw_state(report, State.INPUT_WAIT)
    (image,) = ax.images
    expected = 100 * report.states[..., State.INPUT_WAIT] / report.cycles
    assert np.allclose(image.get_array(), expected)
    assert image.get_clim()[1] == pytest.approx(expected.max())
    assert _bar_label(ax) == "INPUT_WAIT, % of the cycles"
    assert State.INPUT_WAIT.meaning in ax.get_title()
    assert draw_state(report, State.WEIGHT_WAIT).images[0].get_clim() == (0, 1), "nothing of it is no error"


def test_links_of_a_small_grid_are_arrows(report: Report) -> None:
    ax = draw_links(report)
    (arrows,) = (c for c in ax.collections if isinstance(c, Quiver))
    east, north = 3 * 3, 2 * 4
    assert len(arrows.get_array()) == east + north
    assert sorted(arrows.get_array()) == pytest.approx(
        sorted([100 * 12 / report.cycles] * east + [100 * 1 / report.cycles] * north)
    )
    ways = list(zip(np.sign(arrows.U).tolist(), np.sign(arrows.V).tolist(), strict=True))
    assert (ways.count((1, 0)), ways.count((0, -1))) == (east, north), "north is up: y grows south"
    assert {text.get_text() for text in ax.texts} == {"12", "1"}
    assert ax.get_ylim() == (2.5, -0.5)
    assert _bar_label(ax) == "wavelets, % of the cycles"
    assert "busiest: PE (0, 0) EAST, 12 wavelets" in ax.get_title()


def test_opposite_arrows_lie_apart() -> None:
    build = Builder(2, 1)
    east, west, grid, x = build.color("east"), build.color("west"), build.grid, build.buffer("x", f32, 3)
    for color, here, there, way in ((east, grid[0, :], grid[1, :], EAST), (west, grid[1, :], grid[0, :], WEST)):
        build.route(color, here, RAMP >> way)
        build.route(color, there, way.opposite >> RAMP)
        build.main(here).mov(color, x)
        build.main(there).mov(x, color)
    machine = Machine(build.finish(), toy(2, 1))
    machine.launch()
    ax = draw_links(machine.report())
    (arrows,) = (c for c in ax.collections if isinstance(c, Quiver))
    assert abs(arrows.Y[0] - arrows.Y[1]) > 0.2
    assert abs(ax.texts[0].get_position()[1] - ax.texts[1].get_position()[1]) > 0.3


def test_links_of_a_large_grid_are_a_heat_map_of_the_busiest() -> None:
    report = broadcast(20, 3)
    ax = draw_links(report)
    expected = 100 * report.links.wavelets.max(axis=-1) / report.cycles
    assert np.allclose(ax.images[0].get_array(), expected)
    assert _bar_label(ax) == "busiest link leaving the PE: wavelets, % of the cycles"


def test_no_hot_link_is_lost_on_a_huge_grid() -> None:
    report = broadcast(2, 900, n=2)
    shown = draw_links(report).images[0]
    assert shown.get_array().shape == (300, 1)
    assert shown.get_array().min() == pytest.approx(100 * 2 / report.cycles)
    assert tuple(shown.get_extent()) == (-0.5, 2.5, 899.5, -0.5)
    assert draw_links(report).get_xlim() == (-0.5, 1.5)
    assert _bar_label(draw_links(report)) == "busiest link in each 3 x 3 PEs: wavelets, % of the cycles"


def test_a_single_pe_has_no_links() -> None:
    ax = draw_links(broadcast(1, 1))
    assert "no wavelet left its PE" in ax.get_title()
    assert ax.get_xlim() == (-0.5, 0.5)


def test_reports_in_tiles_are_drawn_over_the_same_grid(report: Report) -> None:
    tiled = report.tiled(2)
    assert tuple(draw_utilisation(tiled).images[0].get_extent()) == (-0.5, 3.5, 3.5, -0.5)
    assert draw_utilisation(tiled).get_ylim() == (2.5, -0.5), "the last row of tiles is cut"
    assert _bar_label(draw_links(tiled)) == "links of each 2 x 2 PEs, busiest side: mean wavelets, % of the cycles"


def test_sections_are_bars_of_states(report: Report) -> None:
    ax = draw_sections(report)
    names = [label.get_text() for label in ax.get_yticklabels()]
    assert names == ["program (outside sections)", "east", "north"]
    widths = {c.get_label(): [bar.get_width() for bar in c] for c in ax.containers}
    sections = report.sections.cycles
    assert widths["MOVE"] == sections[:, State.MOVE].tolist()
    assert widths["IDLE (afterwards)"] == sections[:, State.IDLE].tolist()
    assert [sum(parts) for parts in zip(*widths.values(), strict=True)] == sections.sum(axis=1).tolist()
    ends = [max(bar.get_x() + bar.get_width() for c in ax.containers for bar in [c[i]]) for i in range(3)]
    assert ends == sections.sum(axis=1).tolist(), "parts lie end to end"
    assert ax.get_xlabel().startswith("PE-cycles")
    assert ax.get_ylim()[0] > ax.get_ylim()[1], "in the program's order from the top"
    shares = [float(text.get_text().split()[0]) for text in ax.texts]
    assert sum(shares) == pytest.approx(100, abs=2)


def test_every_state_has_a_color_of_its_own() -> None:
    assert set(STATE_COLORS) == set(State)
    assert len(set(STATE_COLORS.values())) == len(State)
    assert set(GROUP_COLORS) == set(GROUPS)
    assert len(set(SERIES)) == len(SERIES)


SIGHT = {
    "all colours": np.eye(3),
    "no red": [[0.152286, 1.052583, -0.204868], [0.114503, 0.786281, 0.099216], [-0.003882, -0.048116, 1.051998]],
    "no green": [[0.367322, 0.860646, -0.227968], [0.280085, 0.672501, 0.047413], [-0.011820, 0.042940, 0.968881]],
    "no blue": [[1.255528, -0.076749, -0.178779], [-0.078411, 0.930809, 0.147602], [0.004733, 0.691367, 0.303900]],
    "grey": np.tile([0.2126729, 0.7151522, 0.0721750], (3, 1)),
}
"""What is seen of linear RGB; the three lacks by Machado, Oliveira and Fernandes, 2009, at full severity."""


def _seen(color: str, sight: Any) -> np.ndarray:
    """CIELAB, whose distances are about those that are perceived."""
    rgb = np.array(mpl.colors.to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    to_xyz = [[0.4124564, 0.3575761, 0.1804375], [0.2126729, 0.7151522, 0.072175], [0.0193339, 0.119192, 0.9503041]]
    x, y, z = np.cbrt(to_xyz @ np.clip(np.array(sight) @ linear, 0, 1) / [0.95047, 1.0, 1.08883])
    return np.array([116 * y - 16, 500 * (x - y), 200 * (y - z)])


@pytest.mark.parametrize("sight", SIGHT)
def test_colors_are_told_apart_in_every_kind_of_vision(sight: str) -> None:
    """A distance of 2.3 is just noticeable side by side; these are for cells with others between them."""
    palettes = {"states": (list(STATE_COLORS.values()), 18, 4), "series": (list(SERIES), 15, 0)}
    for name, (colors, apart, in_grey) in palettes.items():
        for a, b in combinations(colors, 2):
            distance = np.linalg.norm(_seen(a, SIGHT[sight]) - _seen(b, SIGHT[sight]))
            assert distance > (in_grey if sight == "grey" else apart), f"{name}: {a} and {b}, {distance:.1f} apart"


def _draw_moves(report: Report, ax: Any = None) -> Any:
    return draw_state(report, State.MOVE, ax=ax)


ALL = [
    draw_utilisation, draw_links, draw_sections, draw_memory, draw_traffic, draw_roofline, draw_sram, _draw_moves,
]  # fmt: skip


@pytest.mark.parametrize("draw", ALL)
def test_given_axes_are_used(report: Report, draw: Any) -> None:
    figure, (left, right) = plt.subplots(1, 2)
    assert draw(report, ax=right) is right
    assert not left.images
    assert plt.get_fignums() == [figure.number]


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (64, 2), (33, 33)])
@pytest.mark.parametrize("draw", ALL)
def test_pictures_of_any_shape_fit_their_figure(size: tuple[int, int], draw: Any) -> None:
    """Nothing is cut off: all that is drawn lies within the figure."""
    figure = draw(broadcast(*size)).figure
    figure.canvas.draw()
    box, whole = figure.get_tightbbox(), figure.get_size_inches()
    assert box.x0 > -0.05
    assert box.y0 > -0.05
    assert box.x1 < whole[0] + 0.05
    assert box.y1 < whole[1] + 0.05


# -- regions, backpressure, traffic by colour ---------------------------------------------------------


def congested() -> Report:
    """Two senders share the link from PE (1, 0) to PE (2, 0), and the receiver of one is slow."""
    build = Builder(3, 2, name="congested")
    red, blue, grid = build.color("red"), build.color("blue"), build.grid
    x = build.buffer("x", f32, 60)
    build.route(red, grid[0, 0], RAMP >> EAST)
    build.route(red, grid[1, 0], WEST >> EAST)
    build.route(red, grid[2, 0], WEST >> RAMP)
    build.route(blue, grid[1, 0], RAMP >> EAST)
    build.route(blue, grid[2, 0], WEST >> SOUTH)
    build.route(blue, grid[2, 1], NORTH >> RAMP)
    build.main(grid[0, 0]).mov(red, x)
    build.main(grid[1, 0]).mov(blue, x)
    build.main(grid[2, 0]).mov(x, red)
    build.main(grid[2, 1]).mov(x, blue)
    machine = Machine(build.finish(), toy(3, 2))
    machine.launch()
    return machine.report()


def test_backpressure_is_an_arrow_with_its_cycles() -> None:
    report = congested()
    ax = draw_links(report, blocked=True)
    (arrows,) = (c for c in ax.collections if isinstance(c, Quiver))
    expected = report.links.blocked
    assert sorted(arrows.get_array()) == pytest.approx(sorted(100 * expected[expected > 0] / report.cycles))
    assert _bar_label(ax) == "backpressure, % of the cycles"
    assert "most behind PE (0, 0) EAST" in ax.get_title()
    assert "nowhere" in draw_links(broadcast(2, 1), blocked=True).get_title()


def test_links_in_one_direction() -> None:
    report = congested()
    ax = draw_links(report, direction=SOUTH)
    (arrows,) = (c for c in ax.collections if isinstance(c, Quiver))
    assert len(arrows.get_array()) == np.count_nonzero(report.links.wavelets[..., SOUTH]) == 1
    assert ax.get_title().startswith("Traffic of the links to the SOUTH")


def test_traffic_by_colour_and_direction() -> None:
    report = congested()
    ax = draw_traffic(report)
    widths = {c.get_label(): [bar.get_width() for bar in c] for c in ax.containers}
    assert widths == {"to the EAST": [120, 60], "to the SOUTH": [0, 60]}
    assert [label.get_text() for label in ax.get_yticklabels()] == ["red", "blue"]
    red, blue = (text.get_text() for text in ax.texts)
    assert red == f"  held up for EAST {report.links.color_blocked[0, EAST]} cycles"
    assert blue == "  never held up"
    assert report.links.color_blocked.sum() == report.links.blocked.sum() > 0
    assert ax.get_xlabel().startswith("wavelets over links")


def test_no_traffic_is_no_scale_of_parts() -> None:
    ax = draw_traffic(broadcast(1, 1))
    assert ax.get_title().startswith("Traffic by colour and direction, and its backpressure: no wavelet left its PE\n")
    assert all(float(tick).is_integer() for tick in ax.get_xticks()), "wavelets are whole"


def test_regions_are_drawn_over_a_map(report: Report) -> None:
    from matplotlib.patches import Rectangle

    machine_grid = Builder(4, 3).grid
    regions = {"left": machine_grid[:2, :], "corner": machine_grid[3, 0]}
    for draw in (draw_utilisation, draw_links, draw_memory):
        ax = draw(report, regions=regions)
        boxes = {p.get_label(): p.get_bbox().bounds for p in ax.patches if isinstance(p, Rectangle)}
        assert boxes == {"left": (-0.5, -0.5, 2, 3), "corner": (2.5, -0.5, 1, 1)}
        assert {"left", "corner"} <= {text.get_text() for text in ax.texts}


# -- memory -------------------------------------------------------------------------------------------


def several_buffers() -> Report:
    """A mac of two types over buffers of which two share their room."""
    build = Builder(2, 1, name="buffers")
    grid = build.grid
    build.buffer("early", f32, 10, on=grid[0, 0])
    build.buffer("late", i32, 20, on=grid[1, 0])
    w, y = build.buffer("w", f16, 64), build.buffer("y", f16, 64)
    with build.section("layer 0"), build.section("mac"):
        build.main().mac(y, w, 2.0)
    with build.section("layer 1"), build.section("mac"):
        build.main().mac(y, w, 3.0)
        build.main().add(y, w, y)
    machine = Machine(build.finish(), WSE2.crop(2, 1))
    machine.write("w", np.ones(64, np.float16))
    machine.launch()
    machine.read("y")
    return machine.report()


def test_memory_is_a_map_in_kib() -> None:
    report = several_buffers()
    (image,) = draw_memory(report).images
    assert np.allclose(image.get_array(), report.sram.peak / 1024)
    assert image.get_clim() == (0, report.sram.limit / 1024)
    assert _bar_label(draw_memory(report)) == "SRAM in use, KiB"


def test_buffers_lie_at_their_addresses() -> None:
    report = several_buffers()
    ax = draw_sram(report)
    bars = {round(bar.get_y() + bar.get_height() / 2): bar for c in ax.containers for bar in c}
    names = [label.get_text() for label in ax.get_yticklabels()]
    for row, name in enumerate(names):
        buffer = next(b for b in report.sram.buffers if b.name == name)
        assert (bars[row].get_x(), bars[row].get_width()) == (buffer.address, buffer.nbytes)
    assert set(names) == {"early", "late", "w", "y"}
    texts = {text.get_text() for text in ax.texts}
    assert {" 40 on 1 PEs", " 80 on 1 PEs", " 128"} <= texts
    assert f"the line is the limit, {report.sram.limit:,}" in ax.get_xlabel()
    assert ax.lines[0].get_xdata()[0] == report.sram.limit
    assert "1 smaller buffers left out" in draw_sram(report, most=3).get_title()


def test_the_roofline_has_the_three_walls() -> None:
    report = several_buffers()
    ax, wall = draw_roofline(report), report.memory_wall()
    drawn = {line.get_label(): line for line in ax.lines}
    ports = report.wafer.read_bytes_per_cycle + report.wafer.write_bytes_per_cycle
    x, y = drawn[f"SRAM ports, {ports} bytes per cycle"].get_data()
    assert np.allclose(y, np.minimum(ports * x, 8)), "up to four f16 multiply-adds a cycle"
    x, y = next(line for label, line in drawn.items() if label.startswith("host link, ")).get_data()
    assert y[0] == pytest.approx(x[0] * report.wafer.host_bytes_per_second / report.wafer.clock_hz / report.pes)
    operations = int(report.work.operations.sum())
    speed = operations / (report.cycles * report.pes)
    for label, nbytes in (("the run, SRAM bytes", wall.sram_bytes), ("the run, host link bytes", wall.host_bytes)):
        assert drawn[label].get_data() == (pytest.approx([operations / nbytes]), pytest.approx([speed]))
    (kernel,) = (line for label, line in drawn.items() if label.startswith("mac: "))
    assert kernel.get_xdata() == pytest.approx([operations / report.sections.sram_bytes.sum()])
    (capacity,) = ax.child_axes
    assert [bar.get_width() for c in capacity.containers for bar in c] == [wall.limit_bytes, wall.peak_bytes]
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("arithmetic operations per byte", "operations per cycle and PE")
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


def test_both_roofs_are_in_the_picture_however_many_pes_share_the_link() -> None:
    ax = draw_roofline(replace(broadcast(33, 33, n=1), wafer=WSE2))
    left, right = ax.get_xlim()
    for label in ("SRAM ports, ", "host link, "):
        x, y = next(line for line in ax.lines if str(line.get_label()).startswith(label)).get_data()
        assert (x[0], x[-1]) == (pytest.approx(left), pytest.approx(right))
        assert y[0] < y[-2] == y[-1], "its slope, and where it turns flat"


# -- sums over sections, and several reports ----------------------------------------------------------


def test_bars_of_phases_and_kernels() -> None:
    report = several_buffers()
    for by, names in (("phase", ["layer 0", "layer 1"]), ("kernel", ["mac"])):
        ax = draw_sections(report, by=by)
        shown = [label.get_text() for label in ax.get_yticklabels()]
        assert shown == ["program (outside sections)", *names]
        total = sum(bar.get_width() for c in ax.containers for bar in c)
        assert total == report.cycles * report.pes
        assert ax.get_title().startswith(f"What PEs did in each {by}")
    with pytest.raises(UsageError, match="by 'layer': expected section, kernel, phase"):
        draw_sections(report, by="layer")  # type: ignore[arg-type]
    assert "2 shorter ones left out" in draw_sections(report, most=1).get_title()


def test_runs_side_by_side(report: Report) -> None:
    other = several_buffers()
    ax = draw_comparison({"one": report, "other": other})
    assert [label.get_text() for label in ax.get_yticklabels()] == ["one", "other"]
    for row, r in enumerate((report, other)):
        assert sum(c[row].get_width() for c in ax.containers) == pytest.approx(r.cycles)
        assert ax.texts[row].get_text().startswith(f"{r.cycles} cycles, ")
    busy = next(c for c in ax.containers if c.get_label() == "busy")
    assert busy[0].get_width() == pytest.approx(report.utilisation * report.cycles)
    assert ax.get_xlabel().startswith("cycles of the run")
    assert "shortest: " in ax.get_title()
    with pytest.raises(UsageError, match="no reports to compare"):
        draw_comparison({})


def test_reports_have_pictures_as_methods(report: Report) -> None:
    assert report.draw_utilisation().get_title() == draw_utilisation(report).get_title()
    assert report.draw_state(State.MOVE, State.INPUT_WAIT).get_title().startswith("MOVE, INPUT_WAIT on each PE")
    for name in ("memory", "links", "traffic", "sections", "sram", "roofline"):
        assert getattr(report, f"draw_{name}")().get_title()
