"""The picture of a mapping, and its paragraph for notebooks."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from itertools import pairwise

import matplotlib as mpl
import pytest
from matplotlib import pyplot as plt
from matplotlib.patches import Rectangle
from matplotlib.text import Annotation

from wse_sim.hardware import WSE2
from wse_sim.mapping.model import GPTConfig, load_shipped
from wse_sim.mapping.plan.draw import draw_mapping, regions_of
from wse_sim.mapping.plan.mapping import Mapping, Place
from wse_sim.mapping.plan.ring import ring_lanes


@pytest.fixture(autouse=True)
def _quiet() -> Iterator[None]:
    before = mpl.get_backend()
    plt.switch_backend("Agg")
    yield
    plt.close("all")
    plt.switch_backend(before)


def four_layers() -> GPTConfig:
    return replace(load_shipped().config, n_layer=4)


def pipeline() -> Mapping:
    """The embedding, two stages of two shards each, the head."""
    places = [Place(x=0, y=0, width=20, height=20, embedding=True)]
    places += [
        Place(x=30 * shard, y=30 + 40 * stage, width=30, height=30, layers=range(2 * stage, 2 * stage + 2), shard=shard,
              shards=2)
        for stage in range(2) for shard in range(2)
    ]  # fmt: skip
    places.append(Place(x=70, y=0, width=20, height=20, head=True))
    wafer = WSE2.crop(100, 110)
    return Mapping(
        config=four_layers(), wafer=wafer, strategy="layer-pipelined", places=tuple(places), dead=frozenset({(95, 5)})
    )


def boxes(ax: plt.Axes) -> dict[str, tuple[float, ...]]:
    return {p.get_gid(): p.get_bbox().bounds for p in ax.patches if isinstance(p, Rectangle) and p.get_gid()}


def test_places_lie_where_they_are() -> None:
    mapping = pipeline()
    ax = draw_mapping(mapping)
    assert boxes(ax) == {p.holds(): (p.x - 0.5, p.y - 0.5, p.width, p.height) for p in mapping.places}
    assert ax.get_xlim() == (-0.5, 99.5)
    assert ax.get_ylim() == (109.5, -0.5)
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("PE, x (east)", "PE, y (south)")
    title, below = ax.get_title().split("\n")
    assert title == "alice, decode, layer-pipelined"
    assert below == "WSE-2: 4,400 of 11,000 PEs in 6 regions: 4 parts of 2 shards at most"
    texts = {text.get_text() for text in ax.texts}
    assert {"embedding", "layers 0-1\nshard 1 of 2", "head"} <= texts
    heights = {text.get_text(): text.get_position()[1] for text in ax.texts}
    assert heights["head"] == 0.25 * 20 - 0.5, "above the arrows, which end in the middle"


def test_arrows_follow_the_hidden_state_and_the_token() -> None:
    ax = draw_mapping(pipeline())
    arrows = [t for t in ax.texts if isinstance(t, Annotation)]
    middles = [(9.5, 9.5), (29.5, 44.5), (29.5, 84.5), (79.5, 9.5)]
    ways = [(tuple(a.xyann), tuple(a.xy)) for a in arrows]
    assert ways == [*pairwise(middles), (middles[-1], middles[0])]
    assert [a.arrow_patch.get_linestyle() for a in arrows if a.arrow_patch] == ["solid", "solid", "solid", "--"]
    legend = ax.get_legend()
    assert legend is not None
    names = {text.get_text() for text in legend.get_texts()}
    flows = {"hidden state", "next token", "lanes of hand-overs"}
    assert names == {"embedding", "head", "layers", "shards", "1 dead PEs"} | flows
    *ways, crosses = ax.lines
    assert len(ways) == sum(len(laid.lanes) for laid in ring_lanes(pipeline(), 0)) > 20
    assert (crosses.get_xdata()[0], crosses.get_ydata()[0]) == (95, 5)


def test_one_region_has_no_flows_and_replicas_have_their_own() -> None:
    config = four_layers()
    whole = Place(x=0, y=0, width=10, height=10, layers=range(4), embedding=True, head=True)
    one = Mapping(config=config, wafer=WSE2.crop(30, 12), strategy="layer-sequential", places=(whole,))
    assert not [t for t in one.draw().texts if isinstance(t, Annotation)]
    two = replace(one, places=(whole, replace(whole, x=15, replica=1, streamed=True)))
    holds = "embedding, layers 0-3, head"
    assert list(regions_of(two)) == [f"{holds}, replica 1", f"{holds}, weights streamed, replica 2"]
    assert two.regions == regions_of(two)
    legend = two.draw().get_legend()
    assert legend is not None
    names = {text.get_text() for text in legend.get_texts()}
    assert names == {"whole model", "weights streamed", "copies of the model"}
    (name,) = one.draw().texts
    assert name.get_position()[1] == 0.5 * 10 - 0.5, "in the middle, where there are no arrows"


def test_copies_are_outlined_and_shards_within_them_dotted() -> None:
    whole = Place(x=0, y=0, width=5, height=10, layers=range(4), embedding=True, head=True, shards=2)
    places = [replace(whole, x=5 * n, shard=n % 2, replica=n // 2) for n in range(4)]
    mapping = Mapping(
        config=four_layers(), wafer=WSE2.crop(24, 12), strategy="hybrid", places=tuple(places)
    )
    ax = mapping.draw()
    (lines,) = ax.collections
    found = {tuple(map(tuple, line)) for line in lines.get_segments()}
    sides = {((x - 0.5, -0.5), (x - 0.5, 9.5)) for x in (0, 10, 20)}
    ends = {((x - 0.5, y - 0.5), (x + 4.5, y - 0.5)) for x in (0, 5, 10, 15) for y in (0, 10)}
    assert found == sides | ends, "round both copies; no line between shards"
    edges = [p.get_linestyle() for p in ax.patches if isinstance(p, Rectangle) and not p.get_fill()]
    assert edges == [":"] * 4
    assert ax.get_title().endswith("200 of 288 PEs in 4 regions: 2 copies of 2 shards")


def test_keys_and_values_of_prompts_have_an_arrow() -> None:
    whole = Place(x=0, y=0, width=10, height=10, layers=range(4), embedding=True, head=True)
    places = (whole, replace(whole, x=12, prompts=True))
    mapping = Mapping(
        config=four_layers(), wafer=WSE2.crop(24, 12), strategy="prefill-decode", places=places, prompt=8
    )
    ax = mapping.draw()
    (arrow,) = (text for text in ax.texts if isinstance(text, Annotation))
    assert (tuple(arrow.xyann), tuple(arrow.xy)) == ((16.5, 4.5), (4.5, 4.5))
    legend = ax.get_legend()
    assert legend is not None
    assert {text.get_text() for text in legend.get_texts()} == {"whole model", "keys and values"}


def test_names_that_have_no_room_are_left_out() -> None:
    whole = Place(x=0, y=0, width=10, height=10, layers=range(4), embedding=True, head=True)
    corner = Mapping(config=four_layers(), wafer=WSE2, strategy="layer-sequential", places=(whole,))
    assert corner.draw().texts, "a small mapping is shown without the empty wafer round it"
    assert corner.draw().get_xlim() == (-0.5, 11.5)
    far = replace(corner, places=(whole, replace(whole, x=700, y=900, replica=1)))
    assert not far.draw().texts


def test_given_axes_are_used() -> None:
    _, ax = plt.subplots()
    assert pipeline().draw(ax=ax) is ax


def test_a_paragraph_for_notebooks() -> None:
    html = pipeline()._repr_html_()
    assert html.startswith("<b>alice: decode in f32 on WSE-2, layer-pipelined</b><br>4,400 of 11,000 PEs in 6 regions")
    assert html.count("<br>") == 6
    assert "and 2 more" in html
    assert len(html) < 1000
