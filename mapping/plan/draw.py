"""A mapping as a picture: which rectangle of the wafer holds what, and what flows between them."""

from __future__ import annotations

from html import escape
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np

from wse_sim.hardware import Region
from wse_sim.report.pictures.heat import map_axes
from wse_sim.report.pictures.style import SERIES, legend_beside, name_axes, set_title

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from wse_sim.mapping.plan.mapping import Mapping, Part, Place

_KINDS = {
    "layers": SERIES[0], "embedding": SERIES[1], "head": SERIES[5], "embedding and head": SERIES[3],
    "embedding and layers": SERIES[4], "layers and head": SERIES[6], "whole model": SERIES[2],
}  # fmt: skip
_NAMED = 64  # places up to which each has its name written in it
_FLOWS = 16  # replicas up to which flows are drawn
_LANE = "_lane"  # what matplotlib leaves out of legends
_EMPTY = 8  # times as many PEs as are in use: then only those are shown


def draw_mapping(mapping: Mapping, *, ax: Axes | None = None) -> Axes:
    """Places as rectangles on the wafer, darker from layer to layer; arrows for the way of the hidden state.

    The dashed arrow takes a new token back to the embedding, the dotted one keys and values of prompts to the place
    that decodes. Dotted lines lie between shards, dark ones round copies of the model. Crosses are dead PEs; where
    there are some, thin lines are the lanes that go round them. Of a wafer that is mostly empty only the part in use
    is shown.
    """
    wafer, shown = mapping.wafer, _window(mapping)
    ax = map_axes(shown.width, shown.height) if ax is None else ax
    for place in mapping.places:
        _draw_place(ax, mapping, place)
    if mapping.replicas > 1:
        _draw_copies(ax, mapping)
    if mapping.replicas <= _FLOWS:
        for index in range(mapping.replicas):
            _draw_flows(ax, mapping.parts(index))
            _draw_caches(ax, mapping, index)
    if mapping.dead:
        _draw_lanes(ax, mapping)
        xs, ys = zip(*sorted(mapping.dead), strict=True)
        ax.plot(xs, ys, "x", color="black", markersize=4, linestyle="", label=f"{len(mapping.dead)} dead PEs")
    ax.set_xlim(shown.xs.start - 0.5, shown.xs.stop - 0.5)
    ax.set_ylim(shown.ys.stop - 0.5, shown.ys.start - 0.5)
    ax.set_aspect("equal")
    name_axes(ax, shown.width, shown.height)
    c = mapping.config
    area = f"{mapping.area:,} of {wafer.width * wafer.height:,} PEs {_regions(mapping)}"
    set_title(ax, f"{c.name}, {mapping.phase}, {mapping.strategy}", f"{wafer.name}: {area}")
    _legend(ax, mapping)
    return ax


def regions_of(mapping: Mapping) -> dict[str, Region]:
    """See `Mapping.regions`."""
    several = mapping.replicas > 1
    return {p.holds() + (f", replica {p.replica + 1}" if several else ""): p.region for p in mapping.places}


def describe_html(mapping: Mapping) -> str:
    """A short paragraph for a notebook."""
    head, room, *regions = mapping.describe().splitlines()
    shown = "<br>".join(escape(line.strip()) for line in regions[:4])
    more = f"<br>and {len(regions) - 4} more" if len(regions) > 4 else ""
    return (
        f"<b>{escape(head)}</b><br>{escape(room)}<br>{shown}{more} "
        "<small>(<code>.draw()</code> draws it, <code>.describe()</code> lists all)</small>"
    )


def _regions(mapping: Mapping) -> str:
    """How many there are, as copies, parts and shards."""
    parts = mapping.parts(0)
    shards = {part.places[0].shards for part in parts}
    dealt = "shards" if len(shards) == 1 else "shards at most"
    numbers = [(mapping.replicas, "copies"), (len(parts), "parts"), (max(shards), dealt)]
    several = [f"{number} {what}" for number, what in numbers if number > 1]
    product = f": {' of '.join(several)}" if len(several) > 1 else ""
    return f"in {len(mapping.places)} region{'s' * (len(mapping.places) > 1)}{product}"


def _kind(place: Place) -> str:
    held = (("embedding", place.embedding), ("layers", bool(place.layers)), ("head", place.head))
    parts = [name for name, has in held if has]
    return "whole model" if len(parts) == len(held) else " and ".join(parts)


def _draw_place(ax: Axes, mapping: Mapping, place: Place) -> None:
    from matplotlib.patches import Rectangle
    from matplotlib.patheffects import withStroke

    done = (place.layers.stop if place.layers else 0) / max(mapping.config.n_layer, 1)
    alpha = 0.25 + 0.5 * done if place.layers else 0.75
    corner = (place.x - 0.5, place.y - 0.5)
    ax.add_patch(
        Rectangle(
            corner, place.width, place.height, facecolor=_KINDS[_kind(place)], alpha=alpha, edgecolor="none",
            hatch="//" if place.streamed else None, label="_place", gid=place.holds(),
        )
    )  # fmt: skip
    ax.add_patch(
        Rectangle(
            corner, place.width, place.height, fill=False, edgecolor="white", linewidth=1.0,
            linestyle=":" if place.shards > 1 else "-",
        )
    )  # fmt: skip
    text = place.holds().replace(", ", "\n")
    size = 8 if len(mapping.places) <= 16 else 6
    filled = _filled(ax, mapping, place, text, size)
    if len(mapping.places) <= _NAMED and filled <= 1:
        down = 0.25 if _has_flows(mapping) and filled <= 0.5 else 0.5  # above the arrows, which meet in the middle
        ax.text(
            place.x + place.width / 2 - 0.5, place.y + place.height * down - 0.5, text, ha="center", va="center",
            fontsize=size, clip_on=True, zorder=4, path_effects=[withStroke(linewidth=2.5, foreground="white")],
        )  # fmt: skip


def _has_flows(mapping: Mapping) -> bool:
    return mapping.replicas <= _FLOWS and (len(mapping.parts(0)) > 1 or bool(mapping.replica(0, prompts=True)))


def _filled(ax: Axes, mapping: Mapping, place: Place, text: str, size: int) -> float:
    """Part of a place's height that letters of so many points take; more than 1 if they have no room.

    Both sizes are taken from their usual shapes.
    """
    figure = ax.get_figure(root=True)
    assert figure is not None
    room = ax.get_window_extent()
    shown = _window(mapping)
    points = 72 / figure.dpi * min(room.width / shown.width, room.height / shown.height)  # of a PE
    lines = text.splitlines()
    wide, high = 0.65 * size * max(map(len, lines)), 1.3 * size * len(lines)
    return high / (points * place.height) if wide <= points * place.width else 2.0


def _window(mapping: Mapping) -> Region:
    """All PEs; or the rectangle of the places and a rim, where that is a small part of them."""
    xs = [x for place in mapping.places for x in (place.x, place.x + place.width)]
    ys = [y for place in mapping.places for y in (place.y, place.y + place.height)]
    grid, rim = mapping.grid, max(2, (max(xs) - min(xs)) // 10, (max(ys) - min(ys)) // 10)
    low_x, high_x = max(0, min(xs) - rim), min(grid.width, max(xs) + rim)
    low_y, high_y = max(0, min(ys) - rim), min(grid.height, max(ys) + rim)
    box = Region(range(low_x, high_x), range(low_y, high_y))
    return box if len(box) * _EMPTY <= len(grid) else grid


def _draw_lanes(ax: Axes, mapping: Mapping) -> None:
    """The ways of the hand-overs."""
    from wse_sim.mapping.plan.ring import ring_lanes

    if mapping.replicas <= _FLOWS:
        for replica in range(mapping.replicas):
            for laid in ring_lanes(mapping, replica):
                for lane in laid.lanes:
                    xs, ys = zip(*lane.corners, strict=True)
                    ax.plot(xs, ys, "-", color="0.35", linewidth=0.6, label=_LANE)


def _draw_copies(ax: Axes, mapping: Mapping) -> None:
    """Lines round the places of each copy: between neighbouring cells of the places' edges that differ in theirs."""
    from matplotlib.collections import LineCollection

    places = mapping.places
    xs = sorted({edge for place in places for edge in (place.x, place.x + place.width)})
    ys = sorted({edge for place in places for edge in (place.y, place.y + place.height)})
    copy = np.zeros((len(ys) + 1, len(xs) + 1), int)  # 0: nobody's, as a rim all round
    for place in places:
        rows = slice(ys.index(place.y) + 1, ys.index(place.y + place.height) + 1)
        copy[rows, xs.index(place.x) + 1 : xs.index(place.x + place.width) + 1] = place.replica + 1
    beside, below = np.argwhere(copy[:, 1:] != copy[:, :-1]), np.argwhere(copy[1:] != copy[:-1])
    ends = [(x, y - 1, x, y) for y, x in beside] + [(x - 1, y, x, y) for y, x in below]
    lines = [[(xs[a] - 0.5, ys[b] - 0.5), (xs[c] - 0.5, ys[d] - 0.5)] for a, b, c, d in ends]
    ax.add_collection(LineCollection(lines, colors="black", linewidths=1.0, label="_copies"))


def _draw_caches(ax: Axes, mapping: Mapping, replica: int) -> None:
    """From the place that takes prompts alone to the one that decodes."""
    taking = mapping.prompt_part(replica)
    if taking is not None and taking.places[0].prompts:
        arrow = {"arrowstyle": "-|>", "color": "black", "shrinkA": 6, "shrinkB": 6, "linewidth": 1.2, "linestyle": ":"}
        way = {**arrow, "connectionstyle": "arc3,rad=0.12"}
        ax.annotate("", _middle(mapping.parts(replica)[0]), _middle(taking), arrowprops=way)


def _draw_flows(ax: Axes, parts: tuple[Part, ...]) -> None:
    """From part to part, and from the last back to the first."""
    arrow: dict[str, Any] = {"arrowstyle": "-|>", "color": "black", "shrinkA": 6, "shrinkB": 6, "linewidth": 1.2}
    for before, after in pairwise(parts):
        ax.annotate("", _middle(after), _middle(before), arrowprops={**arrow, "connectionstyle": "arc3,rad=0.12"})
    if len(parts) > 1:
        back = {**arrow, "linestyle": "--", "connectionstyle": "arc3,rad=0.25"}
        ax.annotate("", _middle(parts[0]), _middle(parts[-1]), arrowprops=back)


def _middle(part: Part) -> tuple[float, float]:
    region = part.region
    return (region.xs[0] + region.xs[-1]) / 2, (region.ys[0] + region.ys[-1]) / 2


def _legend(ax: Axes, mapping: Mapping) -> None:
    from matplotlib.lines import Line2D
    from matplotlib.patches import Patch

    met = {_kind(place) for place in mapping.places}
    handles: list[Any] = [Patch(color=color, alpha=0.75, label=kind) for kind, color in _KINDS.items() if kind in met]
    if any(place.streamed for place in mapping.places):
        handles.append(Patch(facecolor="white", edgecolor="black", hatch="//", label="weights streamed"))
    if mapping.replicas <= _FLOWS and len(mapping.parts(0)) > 1:
        handles.append(Line2D([], [], color="black", label="hidden state"))
        handles.append(Line2D([], [], color="black", linestyle="--", label="next token"))
    if mapping.replicas <= _FLOWS and mapping.replica(0, prompts=True):
        handles.append(Line2D([], [], color="black", linestyle=":", label="keys and values"))
    if any(place.shards > 1 for place in mapping.places):
        handles.append(Patch(facecolor="0.8", edgecolor="black", linestyle=":", label="shards"))
    if mapping.replicas > 1:
        handles.append(Patch(facecolor="white", edgecolor="black", label="copies of the model"))
    if any(line.get_label() == _LANE for line in ax.lines):
        handles.append(Line2D([], [], color="0.35", linewidth=0.6, label="lanes of hand-overs"))
    handles += [line for line in ax.lines if not str(line.get_label()).startswith("_")]
    legend_beside(ax, handles=handles)
