"""The machines: every number has an origin, changes are checked, published totals come out."""

from __future__ import annotations

import dataclasses
import os
import pickle
import re
import subprocess
import sys
from typing import Any

import pytest

from wse_sim.errors import UsageError
from wse_sim.hardware.checks import numbers
from wse_sim.hardware.frozen import FrozenMap
from wse_sim.hardware.geometry import Grid
from wse_sim.hardware.origin import Origin
from wse_sim.hardware.presets import PRESETS, WSE1, WSE2, WSE3, WSE3_SIMULATOR, by_name, toy
from wse_sim.hardware.wafer import Wafer

WAFERS = [WSE1, WSE2, WSE3, WSE3_SIMULATOR]
FIELDS = [f.name for f in numbers(Wafer)]
each_wafer = pytest.mark.parametrize("wafer", WAFERS, ids=lambda w: w.name)

# -- origins --------------------------------------------------------------------------------------


@each_wafer
def test_every_number_has_an_origin_with_a_source(wafer: Wafer) -> None:
    assert set(wafer.origins) == set(FIELDS)
    for name, origin in wafer.origins.items():
        assert origin.kind in ("published", "measured", "inferred", "assumed"), name
        assert len(origin.source) > 5, name


@each_wafer
def test_guesses_are_listed(wafer: Wafer) -> None:
    listed = wafer.assumed()
    assert {"registers", "router_buffer"} <= set(listed)
    assert all(wafer.origins[name].kind == "assumed" for name in listed)
    assert "hop_cycles" not in listed


def test_a_number_found_on_another_machine_is_no_better_than_inferred() -> None:
    assert WSE3.origins["loop_edge_cycles"].kind == "measured"
    assert str(WSE2.origins["loop_edge_cycles"]).startswith("inferred: as on WSE-3: FABRICA")
    assert str(WSE1.origins["hop_cycles"]).startswith("inferred: as on WSE-2: HC34")
    assert str(WSE3.origins["scalar_memory_cycles"]).startswith("inferred: as on WSE-2: SDK white paper")


def test_an_origin_has_a_known_kind() -> None:
    with pytest.raises(UsageError, match="origin kind 'rumour': expected one of published, measured, inferred"):
        Origin("rumour", "a friend")  # type: ignore[arg-type]


def test_a_number_without_origin_is_refused() -> None:
    origins = {name: o for name, o in WSE2.origins.items() if name != "hop_cycles"}
    with pytest.raises(UsageError, match="hop_cycles of WSE-2 has no origin"):
        dataclasses.replace(WSE2, origins=origins)


# -- published totals -----------------------------------------------------------------------------


@pytest.mark.parametrize(("elements", "issue", "last"), [(8, 8, 11), (16, 10, 13), (64, 22, 25)])
def test_an_operation_takes_what_was_measured(elements: int, issue: int, last: int) -> None:
    """FABRICA, f16 with two sources and three descriptor loads on the WSE-3 simulator."""
    wafer = WSE3_SIMULATOR
    ports = 2 * 2 * elements // wafer.read_bytes_per_cycle
    total = 3 * wafer.dsr_load_cycles + wafer.op_start_cycles + ports
    assert total == issue
    assert total + wafer.completion_cycles == last


@pytest.mark.parametrize(("wafer", "stage"), [(WSE2, 6), (WSE3, 12)], ids=["WSE-2", "WSE-3"])
def test_a_stage_of_a_pipelined_chain(wafer: Wafer, stage: int) -> None:
    """HPDC24: 2 * 2 + 2 cycles on WSE-2; MeshGEMV on WSE-3 silicon: 12, P = 80 with groups of 10, 20 and 40."""
    assert wafer.ramp_out_cycles + wafer.hop_cycles + wafer.ramp_in_cycles == stage


def test_sizes() -> None:
    assert (len(WSE1.grid), len(WSE2.grid), len(WSE3.grid)) == (357_000, 745_500, 883_350)
    assert WSE3.grid == Grid(755, 1170)
    for wafer in WAFERS:
        assert wafer.banks * wafer.bank_bytes == wafer.sram_bytes == 49_152
    assert WSE3.user_sram_bytes == 44_976
    assert WSE3.user_colors == tuple(range(21))
    assert WSE2.seconds(850_000_000) == 1.0


def test_energy_meets_its_anchors() -> None:
    """HC34: 30 mW at 1.1 GHz, all busy. JACQ: 679 pJ per cell of its stencil, above idle."""
    w = WSE2
    peak = (4 * w.energy_f16_op_fj + 2 * w.energy_sram_read_fj + w.energy_sram_write_fj + w.energy_control_fj
            + 3 * w.energy_hop_fj + w.energy_ramp_fj)  # fmt: skip
    assert peak * 1.1e9 * 1e-15 == pytest.approx(0.030, rel=0.03)
    read, write = w.energy_sram_read_fj / 2, w.energy_sram_write_fj / 2  # of 32 bits
    cell = (43 * w.energy_f32_op_fj + 69 * read + 43 * write + 43 * w.energy_control_fj + 16 * w.energy_hop_fj
            + 20 * w.energy_ramp_fj)  # fmt: skip
    assert cell == pytest.approx(679_000, rel=0.03)


# -- changes --------------------------------------------------------------------------------------


def test_with_changes_a_copy_and_marks_it() -> None:
    faster = WSE3.with_(hop_cycles=1, input_queue_depths=(4,) * 8, rates={"fmacs": (2, 1)})
    assert (faster.hop_cycles, WSE3.hop_cycles) == (1, 2)
    assert (faster.rates["fmacs"], faster.rates["fmach"], WSE3.rates["fmacs"]) == ((2, 1), (8, 1), (1, 2))
    assert set(faster.overridden()) == {"hop_cycles", "input_queue_depths", "rates"}
    assert str(faster.origins["hop_cycles"]) == "override: set by the user (was 2)"
    assert str(faster.origins["rates"]) == "override: set by the user (was {'fmacs': (1, 2)})"
    assert "hop_cycles=1" in repr(faster)
    assert WSE3.overridden() == ()


def test_a_new_name_is_no_override() -> None:
    assert WSE3.with_(name="mine").overridden() == ()
    assert WSE3.with_(name="mine").name == "mine"


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        ({"hop_cycle": 1}, r"a wafer has no field 'hop_cycle'\. Did you mean 'hop_cycles'\? Known fields: name, "),
        ({"origins": {}}, r"a wafer has no field 'origins'"),
        ({"zzz": 1}, r"a wafer has no field 'zzz'\. Known fields: "),
        ({"hop_cycles": 0}, r"^hop_cycles is 0: expected a whole number, 1 or more$"),
        ({"hop_cycles": 1.5}, r"^hop_cycles is 1\.5: expected a whole number, 1 or more$"),
        ({"hop_cycles": True}, r"^hop_cycles is True: expected"),
        ({"loop_edge_cycles": -1}, r"^loop_edge_cycles is -1: expected a whole number, 0 or more$"),
        ({"input_queue_depths": [4]}, r"^input_queue_depths is \[4\]: expected a tuple of whole numbers, 1 or more$"),
        ({"output_queue_depths": (4, 0)}, r"^output_queue_depths is \(4, 0\): expected a tuple of whole numbers"),
        ({"reserved_colors": (24,)}, r"^reserved_colors holds 24: expected colours below colors, 24$"),
        ({"sram_reserve_bytes": 50_000}, r"^sram_reserve_bytes is 50000: expected at most sram_bytes, 49152$"),
        ({"rates": {"fmac": (1, 1)}}, r"^rates has no mnemonic 'fmac'\. Did you mean 'fmac.'\? Known mnemonics: "),
        ({"rates": {"fmach": (8,)}}, r"^rates\['fmach'\] is \(8,\): expected a tuple of 2 whole numbers, 1 or more$"),
        ({"rates": 3}, r"^rates is 3: expected a mapping from mnemonic to \(elements, cycles\)$"),
        ({"name": ""}, r"^name is '': expected a text$"),
    ],
)
def test_a_wrong_change_says_what_was_expected(overrides: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        WSE3.with_(**overrides)


def test_an_unknown_field_lists_all_known_ones() -> None:
    with pytest.raises(UsageError) as caught:
        WSE3.with_(speed=2)
    assert all(re.search(rf"\b{name}\b", str(caught.value)) for name in FIELDS)


def test_crop() -> None:
    corner = WSE3.crop(width=96, height=64)
    assert (corner.width, corner.height, corner.name) == (96, 64, "WSE-3")
    assert corner.overridden() == ("width", "height")
    assert corner.origins["width"].note == "a corner of the 755 x 1170 WSE-3"
    assert corner.hop_cycles == WSE3.hop_cycles


@pytest.mark.parametrize(
    ("size", "message"),
    [
        ((756, 4), r"^crop of WSE-3: width is 756, expected a whole number from 1 to 755$"),
        ((4, 0), r"^crop of WSE-3: height is 0, expected a whole number from 1 to 1170$"),
        ((4, 2.0), r"^crop of WSE-3: height is 2\.0, expected"),
    ],
)
def test_a_crop_stays_on_the_wafer(size: tuple[Any, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        WSE3.crop(*size)


def test_wafers_are_frozen_values() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        WSE3.hop_cycles = 1  # type: ignore[misc]
    with pytest.raises(TypeError):
        WSE3.rates["fmacs"] = (2, 1)  # type: ignore[index]
    again = pickle.loads(pickle.dumps(WSE3))
    assert again == WSE3
    assert hash(again) == hash(WSE3)
    assert WSE3.with_(hop_cycles=3) != WSE3


def test_a_frozen_map_hashes_as_its_equals_do_in_other_processes_too() -> None:
    """Texts have another hash in each process, so none may come along."""
    made = FrozenMap({"fmacs": (1, 2)})
    assert hash(made) == hash(FrozenMap({"fmacs": (1, 2)}))
    check = f"import pickle; x = pickle.loads({pickle.dumps(made)!r}); assert hash(x) == hash(type(x)(dict(x)))"
    for seed in "12":
        subprocess.run([sys.executable, "-c", check], env={**os.environ, "PYTHONHASHSEED": seed}, check=True)


# -- presets and text -----------------------------------------------------------------------------


def test_by_name() -> None:
    assert all(by_name(name) is wafer for name, wafer in PRESETS.items())
    assert by_name("WSE-2") is WSE2
    with pytest.raises(UsageError, match=r"^no wafer is called 'wsee3'\. Did you mean 'wse3'\? Known: wse1, wse2, "):
        by_name("wsee3")


def test_toy_is_a_small_wse2() -> None:
    small = toy(4, 3)
    assert (small.name, small.width, small.height) == ("toy", 4, 3)
    assert {n for n in FIELDS if getattr(small, n) != getattr(WSE2, n)} == {"width", "height"}


@each_wafer
def test_describe_shows_every_number_with_unit_mark_and_source(wafer: Wafer) -> None:
    values, sources = wafer.describe().split("\norigins\n")
    for f in numbers(wafer):
        mark, unit = wafer.origins[f.name].mark, re.escape(f.metadata["unit"])
        if f.name != "rates":
            assert re.search(rf"^  {f.name} +\S.* {unit} +{mark}  \S", values, re.MULTILINE), f.name
        assert f"  {f.name} " in sources
        assert str(wafer.origins[f.name]) in sources
    assert all(re.search(rf"\b{name}\b", values) for name in wafer.rates)


def test_describe_marks_what_was_changed() -> None:
    text = WSE2.with_(hop_cycles=3).describe()
    assert re.search(r"^  hop_cycles +3 cycles +O  ", text, re.MULTILINE)


def test_html_is_one_short_line() -> None:
    html = WSE3._repr_html_()
    assert html.startswith("<b>WSE-3</b>: 755 x 1170 PEs, 1.1 GHz, 48 KiB SRAM per PE")
    assert len(html) < 300


def test_a_rectangle_may_lie_on_its_side() -> None:
    assert WSE2.holds(994, 750)
    assert WSE2.holds(750, 994)
    assert WSE2.holds(1, 994)
    assert not WSE2.holds(751, 751)
    assert not WSE2.holds(995, 1)


def test_dies_as_a_rectangle_on_its_side_counts_them() -> None:
    wafer = dataclasses.replace(toy(8, 20), die_columns=(3, 7), die_rows=(5, 9, 18))
    assert wafer.dies(8, 12) == ((3, 7), (5, 9))
    assert wafer.dies(7, 5) == ((3,), ())
    assert wafer.dies(12, 8) == ((5, 9), (3, 7))
