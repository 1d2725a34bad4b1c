"""Pictures of a report: the data on the artists, their labels and units."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import matplotlib as mpl
import numpy as np
import pytest
from matplotlib import pyplot as plt
from matplotlib.quiver import Quiver

from wse_sim.engine.machine import Machine
from wse_sim.hardware import EAST, NORTH, RAMP, SOUTH, WEST, State, f32, toy
from wse_sim.program.builder import Builder
from wse_sim.report.pictures import COLORS, MAP, draw_links, draw_sections, draw_state, draw_utilisation
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
    assert _bar_label(ax) == "busiest link leaving the PE, % of the cycles"


def test_no_hot_link_is_lost_on_a_huge_grid() -> None:
    report = broadcast(2, 900, n=2)
    shown = draw_links(report).images[0]
    assert shown.get_array().shape == (300, 1)
    assert shown.get_array().min() == pytest.approx(100 * 2 / report.cycles)
    assert tuple(shown.get_extent()) == (-0.5, 2.5, 899.5, -0.5)
    assert draw_links(report).get_xlim() == (-0.5, 1.5)
    assert _bar_label(draw_links(report)) == "busiest link in each 3 x 3 PEs, % of the cycles"


def test_a_single_pe_has_no_links() -> None:
    ax = draw_links(broadcast(1, 1))
    assert "no wavelet left its PE" in ax.get_title()
    assert ax.get_xlim() == (-0.5, 0.5)


def test_reports_in_tiles_are_drawn_over_the_same_grid(report: Report) -> None:
    tiled = report.tiled(2)
    assert tuple(draw_utilisation(tiled).images[0].get_extent()) == (-0.5, 3.5, 3.5, -0.5)
    assert draw_utilisation(tiled).get_ylim() == (2.5, -0.5), "the last row of tiles is cut"
    assert _bar_label(draw_links(tiled)) == "links of each 2 x 2 PEs, busiest side, mean % of the cycles"


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
    assert set(COLORS) == set(State)
    assert len(set(COLORS.values())) == len(State)


def _draw_moves(report: Report, ax: Any) -> Any:
    return draw_state(report, State.MOVE, ax=ax)


@pytest.mark.parametrize("draw", [draw_utilisation, draw_links, draw_sections, _draw_moves])
def test_given_axes_are_used(report: Report, draw: Any) -> None:
    figure, (left, right) = plt.subplots(1, 2)
    assert draw(report, ax=right) is right
    assert not left.images
    assert plt.get_fignums() == [figure.number]


@pytest.mark.parametrize("size", [(1, 1), (1, 40), (64, 2), (33, 33)])
@pytest.mark.parametrize("draw", [draw_utilisation, draw_links, draw_sections])
def test_pictures_of_any_shape_fit_their_figure(size: tuple[int, int], draw: Any) -> None:
    """Nothing is cut off: all that is drawn lies within the figure."""
    figure = draw(broadcast(*size)).figure
    figure.canvas.draw()
    box, whole = figure.get_tightbbox(), figure.get_size_inches()
    assert box.x0 > -0.05
    assert box.y0 > -0.05
    assert box.x1 < whole[0] + 0.05
    assert box.y1 < whole[1] + 0.05
