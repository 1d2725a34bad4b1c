"""Mappings: what they refuse, what they say, and that saving loses nothing."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from wse_sim import WSE2, WSE3, f16, f32, toy
from wse_sim.errors import FitError, UsageError
from wse_sim.mapping.model import GPTConfig, preset
from wse_sim.mapping.plan.mapping import Mapping, Place
from wse_sim.mapping.plan.saved import from_dict, load, save, to_dict
from wse_sim.mapping.strategies import STRATEGIES, Problem, strategy

CONFIG = GPTConfig(name="four", n_layer=4, n_embd=8, n_head=2, n_positions=16, vocab_size=30)


def two_stages(**changes: object) -> Mapping:
    """Layers 0-1 and the embedding west, layers 2-3 and the head east."""
    west = Place(x=0, y=0, width=4, height=5, layers=range(2), embedding=True)
    east = Place(x=4, y=0, width=3, height=5, layers=range(2, 4), head=True)
    return replace(
        Mapping(config=CONFIG, wafer=toy(9, 9), strategy="by hand", places=(west, east)), **changes
    )


def test_parts_and_words() -> None:
    mapping = two_stages(sequences=2)
    assert mapping.context == 16
    assert mapping.area == 35
    assert mapping.layout(mapping.parts(0)[1]).hidden.size == 2
    text = mapping.describe()
    assert "four: decode in f32 on toy, by hand, 2 sequences in flight" in text
    assert "(0, 0) 4 x 5: embedding, layers 0-1" in text
    assert "(4, 0) 3 x 5: layers 2-3, head" in text


@pytest.mark.parametrize(
    ("places", "error", "message"),
    [
        ((), UsageError, "without places"),
        (({"width": 10},), FitError, r"toy, which has 9x9 usable PEs: expected it inside"),
        (({}, {"x": 3}), FitError, r"\[0:4, 0:5\] meets .*\[3:7, 0:5\]: expected them disjoint"),
        (({}, {"x": 4, "embedding": False, "head": False}), UsageError, r"\[4:8, 0:5\] holds nothing: expected a part"),
        (({"layers": range(5)},), UsageError, "expected some of 4 layers"),
        (({"layers": range(3)},), UsageError, r"layer 3 of replica 0 is held by shards \[\]"),
        (({}, {"x": 4, "embedding": False}), UsageError, "the head of replica 0 is held by shards"),
        (({"shards": 2},), UsageError, r"the embedding of replica 0 is held by shards \[0\] of \[2\]"),
    ],
)
def test_what_is_refused(places: tuple[dict[str, object], ...], error: type, message: str) -> None:
    base = Place(x=0, y=0, width=4, height=5, layers=range(4), embedding=True, head=True)
    made = tuple(replace(base, **({"layers": range(0)} if i else {}), **change) for i, change in enumerate(places))
    with pytest.raises(error, match=message):
        Mapping(config=CONFIG, wafer=toy(9, 9), strategy="by hand", places=made)


def test_dead_pes_may_not_be_used() -> None:
    with pytest.raises(FitError, match=r"PE \(5, 2\) is dead and in .* of layers 2-3, head"):
        two_stages(dead=frozenset({(5, 2)}))
    assert "1 dead PEs" in two_stages(dead=frozenset({(8, 8)})).describe()


@given(
    wafer=st.sampled_from([WSE2, WSE3, toy(9, 9), WSE3.with_(clock_hz=1, rates={"fmacs": (1, 3)}, name="mine")]),
    dtype=st.sampled_from([f16, f32]),
    sequences=st.integers(1, 5),
    dead=st.frozensets(st.tuples(st.just(8), st.integers(0, 8)), max_size=3),
)
def test_json_loses_nothing(wafer, dtype, sequences, dead) -> None:
    mapping = two_stages(wafer=wafer, dtype=dtype, sequences=sequences, dead=dead)
    again = from_dict(json.loads(json.dumps(to_dict(mapping))))
    assert replace(again, wafer=wafer) == mapping
    assert again.wafer.with_(name="x").describe() is not None
    for name in ("width", "clock_hz", "rates", "reserved_colors", "name"):
        assert getattr(again.wafer, name) == getattr(wafer, name)


def test_files(tmp_path: Path) -> None:
    path = tmp_path / "mapping.json"
    save(two_stages(), path)
    assert to_dict(load(path)) == to_dict(two_stages())
    path.write_text("{}")
    with pytest.raises(UsageError, match=r"mapping.json is no mapping: .*wse-sim map"):
        load(path)
    path.write_text("not json")
    with pytest.raises(UsageError, match="is no mapping"):
        load(path)
    path.write_text(json.dumps(to_dict(two_stages()) | {"dtype": "f64"}))
    with pytest.raises(UsageError, match="'f64' is missing or unknown"):
        load(path)
    path.write_text(json.dumps(to_dict(two_stages()) | {"places": [{"x": 0, "y": 0, "layers": [0, 4], "colour": 1}]}))
    with pytest.raises(UsageError, match="colour"):
        load(path)


def test_every_strategy_gives_a_whole_mapping() -> None:
    for made in STRATEGIES.values():
        mapping = made.plan(Problem(config=preset("cerebras-gpt-111m"), wafer=WSE2, dtype=f16))
        assert mapping.strategy == made.name
        assert all((made.meaning, made.memory, made.compute, made.communication))


def test_unknown_strategy_and_size() -> None:
    with pytest.raises(UsageError, match="unknown strategy 'magic': expected one of layer-sequential"):
        strategy("magic")
    with pytest.raises(UsageError, match="width 900 on WSE-2: expected 1 to 750"):
        Problem(config=CONFIG, wafer=WSE2, width=900)
