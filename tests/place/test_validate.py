"""`wse-sim validate`: the files it knows, what it says, and how far the machine is from published figures."""

from __future__ import annotations

import csv
import io
import json
import re
from contextlib import ExitStack
from dataclasses import replace
from itertools import count
from math import isfinite
from pathlib import Path
from tempfile import TemporaryDirectory
from unittest.mock import patch

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from typer.testing import CliRunner

from wse_sim.engine.machine import Machine
from wse_sim.errors import UsageError
from wse_sim.hardware import WSE2, WSE3, f16
from wse_sim.mapping.cli import SECONDS, app
from wse_sim.mapping.commands.validate import TITLES, markdown
from wse_sim.mapping.model import preset
from wse_sim.mapping.region.cycles import stage_cycles
from wse_sim.mapping.region.decode import Decoder
from wse_sim.mapping.region.layout import Layout
from wse_sim.mapping.validation.cases import Case, Skipped, cases_of
from wse_sim.mapping.validation.compare import compare
from wse_sim.mapping.validation.composed import FIDELITIES
from wse_sim.mapping.validation.grammar import parse_sizes
from wse_sim.mapping.validation.harness import BESIDE
from wse_sim.mapping.validation.machine import cycles_of
from wse_sim.mapping.validation.rows import COLUMNS, FIGURE, MESH_GEMM, MESH_GEMV, RELAY, Row, read_rows, shipped_rows
from wse_sim.mapping.validation.used import FIGURES, TABLES, used_by
from wse_sim.report.breakdown import breakdown, phase_of

SHIPPED = shipped_rows()

# -- accuracy: bounds that only tighten -----------------------------------------------------------------------

BOUNDS = {  # source: rows that are run, and of all of them and of those that sized no number: how many, mean, maximum
    "MeshGEMV": (slice(None, None, 2), (94, 0.0082, 0.045), (52, 0.003, 0.01)),
    "MeshGEMM": (slice(None, None, 7), (77, 0.022, 0.09), (74, 0.021, 0.09)),
    "FYN": (slice(None), (5, 0.005, 0.01), (5, 0.005, 0.01)),
    "SUMMA": (slice(None), (32, 0.029, 0.08), (24, 0.034, 0.08)),
    "FABSIL": (slice(None), (18, 0.028, 0.09), (8, 0.023, 0.06)),
    "FABSIL (simulator)": (slice(None), (5, 0.0, 0.0), (0, 0, 0)),
    "FABSIM": (slice(None), (44, 0.022, 0.112), (28, 0.028, 0.112)),
    "MIMD": (slice(None), (17, 0.053, 0.212), (10, 0.037, 0.094)),
    "relay": (slice(None), (26, 0.08, 0.161), (26, 0.08, 0.161)),
}


@pytest.mark.parametrize("source", BOUNDS)
def test_published_figures_are_met(source: str) -> None:
    chosen, met, unseen = BOUNDS[source]
    rows = [row for row in SHIPPED if row.source == source][chosen]
    found = compare(rows, max_seconds=1000).sources[source]
    every = (found.rows, found.mean_abs_error, found.max_abs_error)
    others = (found.unseen_rows, found.unseen_mean_abs_error or 0, found.unseen_max_abs_error or 0)
    for (number, mean, most), bounds in ((every, met), (others, unseen)):
        assert number == bounds[0]
        assert mean is not None
        assert most is not None
        assert mean <= bounds[1]
        assert most <= bounds[2]


def test_every_source_has_bounds() -> None:
    assert set(BOUNDS) == {row.source for row in SHIPPED}


def gemm(side: int, tile: tuple[int, int, int]) -> Case:
    sizes = zip(("Mt", "Kt", "Nt"), map(str, tile), strict=True)
    (case,) = cases_of(Row(MESH_GEMM, {"P": str(side), **dict(sizes), "cycles": "1"}))
    assert isinstance(case, Case)
    return case


def composed(case: Case) -> float:
    assert case.steps is not None
    return case.steps.composed()


@given(side=st.integers(36, 46), tile=st.tuples(*[st.integers(1, 3)] * 3))
@settings(max_examples=8, deadline=None)
def test_composed_cycles_are_those_of_the_whole_square(side: int, tile: tuple[int, int, int]) -> None:
    case = gemm(side, tile)
    assert composed(case) == case.simulate()


@pytest.mark.parametrize(
    "side", [64, pytest.param(144, marks=pytest.mark.slow), pytest.param(209, marks=pytest.mark.slow)]
)
def test_composed_cycles_hold_the_edges_of_dies(side: int) -> None:
    """One die's edge, two and three: columns 60, 123 and 187 of a WSE-3, and row 167."""
    case = gemm(side, (1, 1, 1))
    assert composed(case) == case.simulate()


@pytest.mark.parametrize(("tile", "side"), [(1, 48), (3, 24), (4, 40)])
def test_composed_cycles_of_summa_are_close(tile: int, side: int) -> None:
    """Its broadcasts take a little longer on larger squares, until they are as far apart as the steps."""
    (case,) = cases_of(figure(
        workload="SUMMA GEMM", hardware="CS-2 silicon", size=f"tile {tile}x{tile}x{tile}", value="1",
        grid_x=str(side), grid_y=str(side),
    ))  # fmt: skip
    assert isinstance(case, Case)
    assert composed(case) == pytest.approx(case.simulate(), rel=0.003)


def test_squares_with_dies_are_composed_only_if_their_edges_are_known() -> None:
    sizes = {"size": "tile 4x4x4", "value": "1", "grid_x": "60", "grid_y": "60"}
    (silicon,) = cases_of(figure(workload="SUMMA GEMM", hardware="CS-3 silicon", **sizes))
    (simulator,) = cases_of(figure(workload="SUMMA GEMM", **sizes))
    assert isinstance(silicon, Case)
    assert isinstance(simulator, Case)
    assert silicon.steps is None
    assert simulator.steps is not None


def test_exact_simulates_every_launch_whole() -> None:
    rows = [Row(MESH_GEMM, {"P": p, "Mt": "1", "Kt": "1", "Nt": "1", "cycles": "9"}) for p in ("16", "80")]
    sampled, exact = (compare(rows, max_seconds=100, fidelity=fidelity) for fidelity in FIDELITIES[::-1])
    assert [row.fidelity for row in sampled.rows] == ["exact", "sampled"]
    assert [row.fidelity for row in exact.rows] == ["exact", "exact"]
    assert [row.simulated for row in sampled.rows] == [row.simulated for row in exact.rows]
    assert (sampled.sources["MeshGEMM"].composed, exact.sources["MeshGEMM"].composed) == (1, 0)


def test_hops_are_timed_by_clocks_that_a_signal_from_the_west_has_set() -> None:
    """128 hops cross two edges of dies: nothing is seen of them eastwards, twice their cost westwards."""
    rows = [figure(workload=f"hop latency {to}", hardware="CS-3 silicon", size="hops 1..128", metric="cycles per hop",
                   value="2") for to in ("east", "west", "east/north/south")]  # fmt: skip
    east, west, three = compare(rows, max_seconds=100).rows
    assert east.simulated == three.simulated == 2
    assert west.simulated == pytest.approx(2 + 4 * WSE3.die_crossing_cycles / 127)


def test_rows_that_sized_a_number_are_known_by_what_they_say() -> None:
    """Whatever their id, and only if nothing in them was changed."""
    (row,) = (row for row in SHIPPED if row.kind == FIGURE and row.cells["id"] == "FABSIM-082")
    renamed, changed = (Row(FIGURE, row.cells | new) for new in ({"id": "MINE-1"}, {"size": "n=500"}))
    assert used_by(row) == used_by(renamed) != ()
    assert used_by(changed) == ()
    tables = [row for row in SHIPPED if row.kind != FIGURE]
    share = sum(bool(used_by(row)) for row in tables) / len(tables)
    assert 0.1 < share < 0.2


def test_numbers_that_rows_sized_exist_and_say_so() -> None:
    """Each named number is a machine's, or stated with an origin."""
    stated = {number.name for numbers in BESIDE.values() for number in numbers}
    names = [names for uses in TABLES.values() for names, _ in uses] + list(FIGURES.values())
    for name in {part.strip().split(" (")[0] for names in names for part in names.split(",")}:
        assert name in WSE3.origins or name in stated


def test_a_measurement_counts_once() -> None:
    """The model's row beside a measured one tells the same measurement again."""
    rows = [row for row in SHIPPED if row.source == "FYN"]
    found = compare(rows, max_seconds=100)
    assert [row.reason for row in found.skipped] == ["the same measurement as FYN-001"]
    assert len(compare(rows[1:], max_seconds=100).rows) == 5


# -- what the README says -------------------------------------------------------------------------------------


README = Path(__file__).parents[2] / "README.md"


def _table() -> str:
    return README.read_text("utf-8").split("<!-- validate -->\n")[1].split("<!-- end of validate -->")[0]


@pytest.mark.slow
def test_the_accuracy_table_is_what_the_command_prints() -> None:
    """With the command's own time, on a computer whose clock stands still: rows are then chosen by estimates alone."""
    assert markdown(compare(SHIPPED, max_seconds=SECONDS, clock=lambda: 0.0)) == _table()


@pytest.mark.parametrize("source", BOUNDS)
def test_the_readme_is_not_better_than_the_bounds(source: str) -> None:
    """What CI runs of a source is a part of the table's rows, so the table's largest errors are at least as large."""
    (line,) = (line for line in _table().splitlines() if line.startswith(f"| {TITLES[source]} |"))
    rows, _, mean, largest, unseen, unseen_mean, unseen_largest, _ = (part.strip() for part in line.split("|")[2:-1])
    _, met, others = BOUNDS[source]
    for number, (typical, most), bounds in (
        (rows, (mean, largest), met), (unseen, (unseen_mean, unseen_largest), others),
    ):  # fmt: skip
        assert int(number) >= bounds[0]
        if bounds[0]:
            assert float(most.removesuffix(" %")) >= 100 * bounds[2] - 0.5
            assert float(typical.removesuffix(" %")) >= 100 * bounds[1] - 0.6


def test_decode_beside_a_published_system_is_what_the_closed_forms_give() -> None:
    text = README.read_text("utf-8")
    for name, wide in (("6.7b", "4,096"), ("13b", "5,120")):
        config = replace(preset(f"cerebras-gpt-{name}"), n_positions=4096)
        layout = Layout(config=config, wafer=WSE2, width=420, height=420, dtype=f16, accumulate=f16)
        cycles = f"{stage_cycles(layout, 4095).of_a_layer:,}"
        assert f"GPT {name.upper()}, {wide} wide, {config.n_layer} layers | 420 x 420 | {cycles} |" in text


@pytest.mark.slow
def test_decode_beside_a_published_system_is_what_simulation_gives() -> None:
    config = replace(preset("cerebras-gpt-6.7b"), n_positions=4096)
    layout = Layout(config=config, wafer=WSE2, width=420, height=420, dtype=f16, accumulate=f16, layers=range(2))
    machine = Machine(Decoder(layout).program, WSE2, values=False)
    machine.launch({"token": 0, "position": 4095, "sample": 0})
    cycles = {line.name: f"{line.cycles:,.0f}" for line in breakdown(machine.report(), phase_of)}
    assert f"takes {cycles['layer 1']}, or {cycles['layer 0']} if it is the first" in README.read_text("utf-8")


# -- files ----------------------------------------------------------------------------------------------------


def test_the_shipped_rows_are_of_every_kind() -> None:
    kinds = [row.kind for row in SHIPPED]
    assert {kind: kinds.count(kind) for kind in (MESH_GEMM, MESH_GEMV, RELAY)} == {
        MESH_GEMM: 539, MESH_GEMV: 188, RELAY: 26,
    }  # fmt: skip
    assert kinds.count(FIGURE) > 150
    assert all(cases for cases in (list(cases_of(row)) for row in SHIPPED))


def test_columns_are_recognised_by_name_in_any_order(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("cycles,groups,note,P,Nt,Mt\n240,4,first,16,1,2\n", "utf-8")
    (row,) = read_rows(path)
    assert (row.kind, row.configuration) == (MESH_GEMV, "P=16 Mt=2 Nt=1 groups=4")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("a,b\n1,2\n", "mine.csv has the columns a,b: expected those of one kind"),
        ("", "mine.csv has the columns none"),
        ("P,Mt,Nt,groups,cycles,cycles\n8,1,1,2,240,999\n", "mine.csv has more than one column cycles"),
        ("P,Mt,Kt,Nt,groups,cycles\n4,1,1,1,2,240\n", "mine.csv has the columns of MeshGEMM and of MeshGEMV"),
        ("P,Mt,Nt,groups,cycles\n8,1,1,2," + "1" * 200_000, "mine.csv, line 2: field larger than field limit"),
        ('P,Mt,Nt,groups,cycles\n"8,1,1,2,240\n', "mine.csv, line 2: unexpected end of data"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(UsageError, match=re.escape(message)):
        read_rows(path)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("P", "x"), ("P", "756"), ("P", "9" * 5000), ("Mt", "0"), ("Mt", "10000001"), ("Nt", "８"), ("groups", "1.5"),
        ("cycles", "-3"), ("cycles", "nan"), ("cycles", "1_240"), ("cycles", "0"), ("cycles", "1e999"),
    ],
)  # fmt: skip
def test_cells_that_are_no_sizes_are_skipped(column: str, value: str) -> None:
    cells = {"P": "16", "Mt": "1", "Nt": "1", "groups": "4", "cycles": "240"} | {column: value}
    (found,) = cases_of(Row(MESH_GEMV, cells, line=7))
    assert isinstance(found, Skipped)
    assert found.reason.startswith(f"line 7: {column} is '{value[:40]}")
    assert len(found.reason) < 120


def test_rows_of_other_lengths_are_skipped(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text('P,Mt,Nt,groups,cycles\n8,1,1\n\n8,1,1,2,1,240\n8,1,1,2,"240"\n', "utf-8")
    short, long, good = (found for row in read_rows(path) for found in cases_of(row))
    assert isinstance(short, Skipped)
    assert short.reason == "line 2: no groups, cycles: expected all columns of the header"
    assert isinstance(long, Skipped)
    assert long.reason.startswith("line 4: 6 cells: expected 5")
    assert isinstance(good, Case)


SIZED = st.from_regex(
    r"(n=|N in |P=4 B=|S=|tile )?[0-9.,_-]{0,6}( hops?|x[0-9]{1,2}|; B in [0-9,]{1,4})?", fullmatch=True
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=12) | SIZED


@given(row=st.sampled_from([row for row in SHIPPED if row.kind == FIGURE]), data=st.data())
@settings(max_examples=200, deadline=None)
def test_any_text_in_a_figure_gives_a_result_or_a_reason(row: Row, data: st.DataObject) -> None:
    """Through a file and back; only the runs of programs are stubbed, as what is tried are the cells."""
    changed = data.draw(st.dictionaries(st.sampled_from(COLUMNS[FIGURE]), TEXT, min_size=1, max_size=3))
    text = io.StringIO(newline="")
    csv.writer(text).writerows([COLUMNS[FIGURE], [(row.cells | changed)[name] for name in COLUMNS[FIGURE]]])
    clock = count(100)
    stubs = (
        "figures.first_to_last", "figures._latency_of", "figures.relayed", "cases.relayed", "cases.spread",
        "cases.longest", "cases.launched", "kernels.spread", "compare._compile",
    )  # fmt: skip
    with ExitStack() as stack:
        path = Path(stack.enter_context(TemporaryDirectory())) / "mine.csv"
        path.write_bytes(text.getvalue().encode())
        for stub in stubs:
            stack.enter_context(patch(f"wse_sim.mapping.validation.{stub}", side_effect=lambda *_: next(clock)))
        found = compare(read_rows(path), max_seconds=100)
    assert found.rows or found.skipped
    assert all(isfinite(row.error) for row in found.rows)
    assert all(row.reason for row in found.skipped)


def figure(**cells: str) -> Row:
    named = dict.fromkeys((*COLUMNS[FIGURE], "where"), "")
    return Row(FIGURE, named | {"id": "NEW-1", "hardware": "WSE-3 simulator SDK 2.10", "unit": "cycles"} | cells)


def test_what_a_model_row_is_compared_with() -> None:
    """FYN gives most measurements only as a model's distance from them."""
    (case,) = cases_of(figure(
        id="FYN-006", hardware="analytic", size="P=512 B=4096 step=8", metric="model cycles", value="8542",
        unit="cycles (-6.3% vs raw)",
    ))  # fmt: skip
    assert isinstance(case, Case)
    assert case.measured == 9116


@pytest.mark.parametrize(
    ("workload", "sizes", "grid"),
    [
        ("RMSNorm", ("32x64", "32x128"), ("4", "8")),
        ("LayerNorm", ("16x64", "32x64"), ("4", "4")),
        ("Softmax, scalar exp", ("8x24", "8x48"), ("4", "3")),
        ("Softmax, @map exp", ("8x24", "8x48"), ("4", "3")),
        ("SiLU gate", ("8x24", "16x24"), ("4", "3")),
        ("Attention core (QK^T, softmax, PV)", ("8x16", "16x16"), ("4", "4")),
        ("MeshGEMV", ("[1,64]x[64,32], K-tree group 4", "[1,128]x[128,32], K-tree group 4"), ("8", "8")),
        ("Aligned matmul", ("12x8 * 8x4", "12x16 * 16x4"), ("4", "4")),
        ("QKV projection fan-out", ("batch 2, N=16, F=32 x2, group 2", "batch 2, N=16, F=32 x3, group 2"), ("4", "4")),
        ("Projection+residual+RMS", ("8x8", "8x16"), ("4", "4")),
        ("GEMM collectives_2d (SUMMA)", ("tile 6x6x6 (18^3)", "tile 8x8x8 (24^3)"), ("3", "3")),
        ("RMSNorm one PE", ("n=33", "n=66"), ("1", "1")),
        ("Attention scalar variant", ("S=8 d=4", "S=8 d=8"), ("2", "2")),
        ("Parallel dot", ("5 per PE", "10 per PE"), ("7", "1")),
    ],
)
def test_other_sizes_of_published_kernels_run(workload: str, sizes: tuple[str, str], grid: tuple[str, str]) -> None:
    rows = [figure(workload=workload, size=s, grid_x=grid[0], grid_y=grid[1], value="700-701") for s in sizes]
    small, large = compare(rows, max_seconds=100).rows
    assert small.measured == 700
    assert 100 < small.simulated < large.simulated < 3 * small.simulated


@pytest.mark.parametrize(
    ("cells", "reason"),
    [
        ({"workload": "RMSNorm", "size": "30x64", "grid_x": "4", "grid_y": "8", "value": "9"}, "30 over 4 PEs"),
        ({"workload": "MeshGEMM two-hop", "size": "8^3", "grid_x": "4", "grid_y": "2", "value": "9"}, "4 x 2 PEs"),
        ({"workload": "SiLU one PE", "size": "n=4", "value": "unknown"}, "value is 'unknown': expected a number"),
        ({"workload": "SiLU one PE", "size": "n=90000", "value": "9"}, "it does not run: SRAM overflows"),
        ({"workload": "FFT 3D", "size": "32^3", "value": "9"}, "the published program is not written here"),
        ({"workload": "route turn", "metric": "extra cycles per turn", "value": "about 20"}, "no cost of turns"),
        ({"workload": "decode LLaMA3-8B", "unit": "tokens/s", "value": "2699"}, "whole models"),
        ({"workload": "something", "unit": "GB/s", "value": "1"}, "its unit is no cycles"),
        ({"workload": "DSD copy", "metric": "throughput", "dtype": "f64", "value": "1"}, "dtype is 'f64'"),
        ({"workload": "hop latency", "metric": "latency", "value": "1.2.3"}, "value is '1.2.3'"),
        (
            {"workload": "point-to-point latency", "metric": "latency", "size": "755 hops", "value": "9"},
            "755 hops east: expected 1 to 753",
        ),
        ({"workload": "@add16 memory-memory", "metric": "cycles", "size": "lots", "value": "9"}, "gives no elements"),
        ({"workload": "Attention one PE", "size": "S=0 d=4", "value": "9"}, "S is '0'"),
        ({"workload": "RMSNorm", "size": "32x64", "grid_x": "1171", "grid_y": "1", "value": "9"}, "at most 755"),
        ({"workload": "relay chain fit", "size": "N in 9; B in 1,,3", "value": "T = 1*N*B + 1*N + 1"}, "B is ''"),
        ({"workload": "relay chain fit", "size": "N in 9; B in 3", "value": "T = 1..5*N*B + 1*N + 1"}, "'1..5'"),
        ({"workload": "relay chain fit", "size": "N in 99999; B in 3", "value": "T = 1*N*B + 1*N + 1"}, "99999 hops"),
        (
            {"workload": "relay chain fit", "size": f"N in {'1,' * 33}; B in 3", "value": "T = 1*N*B + 1*N + 1"},
            "33 values",
        ),
        (
            {"id": "FYN-9", "size": "P=4 B=4 step=2", "metric": "model cycles", "value": "7", "unit": "(-100% vs raw)"},
            "is 0.0",
        ),
        (
            {"id": "FYN-9", "size": "P=4 B=4 step=2", "metric": "model cycles", "value": "7", "unit": "9.9.9% vs raw"},
            "9.9.9",
        ),
        ({"workload": "something", "value": "1"}, "no kernel here reproduces this figure"),
        ({"id": "FYN-9", "size": "P=10 B=4 step=3", "metric": "cycles", "value": "1"}, "groups of 3 on a line of 10"),
    ],
)
def test_figures_that_cannot_be_run_say_why(cells: dict[str, str], reason: str) -> None:
    (found,) = compare([figure(**cells)], max_seconds=100).skipped
    assert reason in found.reason


@pytest.mark.parametrize(
    "row",
    [
        Row(MESH_GEMV, {"P": p, "Mt": m, "Nt": n, "groups": g, "cycles": "100"})
        for p, m, n, g in (("1", "1", "1", "1"), ("2", "9", "1", "2"), ("17", "3", "5", "4"), ("23", "1", "7", "23"))
    ] + [
        Row(MESH_GEMM, {"P": p, "Mt": m, "Kt": k, "Nt": n, "cycles": "100"})
        for p, m, k, n in (("2", "1", "2", "3"), ("3.0", "5", "1", "1"), ("7", "1", "3", "9"))
    ] + [
        Row(RELAY, {"P": p, "L": shifts, "Mt": m, "Nt": n, "cycles": "100"})
        for p, shifts, m, n in (("2", "3", "1", "1"), ("9", "1", "3", "3"))
    ],
    ids=lambda row: row.configuration,
)  # fmt: skip
def test_odd_sizes_run(row: Row) -> None:
    (found,) = compare([row], max_seconds=100).rows
    assert found.simulated > 0


# -- figures in other words -----------------------------------------------------------------------------------


def test_other_configurations_of_published_kernels_run() -> None:
    """Other sizes, grids, algorithms, machines, units and wordings than those that ship: each of them is simulated."""
    rows = read_rows(Path(__file__).with_name("other_figures.csv"))
    found = compare(rows, max_seconds=1000)
    assert [(row.configuration, row.reason) for row in found.skipped] == []
    assert len(found.rows) >= len(rows) > 70
    assert all(row.simulated > 0 for row in found.rows)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ({"workload": "Two-Phase reduce 1D", "size": "P=64 B=100 step=8", "hardware": "WSE-2 simulator SDK 0.6"},
         {"workload": "two phase reduction", "size": "100 wavelets, group size 8, 64 PEs", "hardware": "WSE2 simfab"}),
        ({"workload": "SUMMA GEMM (gemm-collectives_2d)", "size": "tile 4x4x4; M=K=N=12", "hardware": "CS-2 silicon"},
         {"workload": "gemm collectives_2d", "size": "M=K=N=12, tile=4", "hardware": "WSE-2 (CS-2 silicon, 850 MHz)"}),
        ({"workload": "MeshGEMV", "size": "[1,64]x[64,32], K-tree group 3"},
         {"workload": "Mesh-GEMV", "size": "Nt=8; Mt=16; groups=3"}),
        ({"workload": "MeshGEMM two-hop", "size": "12x8 * 8x16"},
         {"workload": "aligned GEMM", "size": "M=12 N=16 K=8"}),
        ({"workload": "RMSNorm", "size": "16x64 (generated: 7)"},
         {"workload": "Distributed RMS norm", "size": "16 x 64"}),
        ({"workload": "SiLU one PE", "size": "n=40"}, {"workload": "SiLU, one PE", "size": "40 elements"}),
        ({"workload": "point-to-point latency, westward", "size": "9 hops", "metric": "latency"},
         {"workload": "Point to point, west", "size": "8 words, 9 hops", "metric": "cycles"}),
    ],
)  # fmt: skip
def test_wording_makes_no_difference(one: dict[str, str], other: dict[str, str]) -> None:
    square = {} if "one PE" in one["workload"] or "latency" in one["workload"] else {"grid_x": "4", "grid_y": "4"}
    square = {"grid_x": "3", "grid_y": "3"} if "SUMMA" in one["workload"] else square
    square = {} if "phase" in one["workload"].lower() else square
    rows = [figure(**{"metric": "cycles", "value": "900", **square, **cells}) for cells in (one, other)]
    first, second = compare(rows, max_seconds=100).rows
    assert first.simulated == second.simulated


@pytest.mark.parametrize(
    ("value", "unit", "hardware", "cycles"),
    [
        ("1,320", "cycles", "WSE-2", 1320), ("13276-13279", "cycles", "WSE-2", 13276), ("about 830", "cycles", "", 830),
        ("34.5", "us", "WSE-2 (CS-2 silicon, 850 MHz)", 29325), ("0.0012", "ms", "WSE-2 (repo constant 1.1 GHz)", 1320),
        ("1.2e3", "cycles (-5.8% vs raw)", "", 1200), ("2", "us", "CS-3 silicon", 2200),
    ],
)  # fmt: skip
def test_values_in_cycles(value: str, unit: str, hardware: str, cycles: float) -> None:
    assert cycles_of(figure(value=value, unit=unit, hardware=hardware)) == pytest.approx(cycles)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("P=512 B=4096 step=2", {"p": 512, "b": 4096, "step": 2}), ("step 4; 1K words on 16 PEs",
                                                                    {"step": 4, "word": 1024, "pe": 16}),
        ("M=K=N=46", {"m": 46, "k": 46, "n": 46}), ("n = 1,024", {"n": 1024}), ("batch 3, F=512 x2",
                                                                               {"batch": 3, "f": 512, "times": 2}),
        ("2048", {"bare": 2048}), ("128 per PE", {"per pe": 128}), ("(generated: 1513)", {}), ("n=1.5", {}),
    ],
)  # fmt: skip
def test_named_sizes(text: str, named: dict[str, int]) -> None:
    assert parse_sizes(figure(size=text)).named == named


def test_sizes_of_matrices_and_ranges() -> None:
    found = parse_sizes(figure(size="tile 4x4x4 of 64x128; hops 1..32; N in 1,2,4", grid_x="8", grid_y="2"))
    assert (found.tile, found.matrix) == ((4, 4, 4), (64, 128))
    assert (found.ranges, found.lists) == ({"hop": (1, 32)}, {"n": (1, 2, 4)})
    assert found.named == {"width": 8, "height": 2}
    assert parse_sizes(figure(size="[1,16K] x [16K,8]")).product == ((1, 16384), (16384, 8))
    assert parse_sizes(figure(size="8^3")).matrix == (8, 8, 8)
    assert parse_sizes(figure(size="hops > 32")).ranges == {"hop": (32, None)}


# -- time -----------------------------------------------------------------------------------------------------


def test_a_slow_computer_runs_fewer_rows() -> None:
    """The clock stands still, or a minute passes with every row; what comes before the first is not counted."""
    rows = [Row(RELAY, {"P": "4", "L": str(n), "Mt": "1", "Nt": "1", "cycles": "100"}) for n in range(1, 6)]
    for pace, expected in ((0.0, 5), (60.0, 1)):
        times = count(0, pace)
        found = compare(rows, max_seconds=100, clock=lambda times=times: next(times))  # type: ignore[misc]
        assert len(found.rows) == expected
        assert all(row.reason.startswith("cost") for row in found.skipped)


def test_rows_left_out_for_their_cost_say_what_used_the_time_up() -> None:
    rows = [Row(RELAY, {"P": "4", "L": n, "Mt": "1", "Nt": "1", "cycles": "9"}) for n in ("9", "10", "9000000")]
    times = count(0, 60.0)
    _, last, large = compare(rows, max_seconds=50, clock=lambda: next(times)).skipped
    assert last.reason == "cost: the 50 s of --max-seconds were used up by cheaper rows; it would take about 0.0156 s"
    assert large.reason == "cost: it would take about 365 s, more than the 50 s of --max-seconds"


# -- the command ----------------------------------------------------------------------------------------------


def test_json_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("P,Mt,Kt,Nt,cycles\n4,1,1,1,500\n1,1,1,1,100\n600,8,8,8,400000\n", "utf-8")
    options = ["--max-seconds", "30", "--fidelity", "exact", "--json"]
    done = CliRunner().invoke(app, ["validate", "--data", str(path), *options])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert set(found) == {"rows", "skipped", "sources"}
    (row,) = found["rows"]
    assert set(row) == {"source", "configuration", "measured", "simulated", "error", "used_for", "fidelity"}
    assert row["error"] == pytest.approx(row["simulated"] / 500 - 1)
    assert [(s["configuration"], s["reason"].split(":")[0]) for s in found["skipped"]] == [
        ("P=1 Mt=1 Kt=1 Nt=1", "a ring of 1 PEs"), ("P=600 Mt=8 Kt=8 Nt=8", "cost"),
    ]  # fmt: skip
    error = abs(row["error"])
    unseen = {"unseen_rows": 0, "unseen_mean_abs_error": None, "unseen_max_abs_error": None}
    assert row["used_for"]
    assert found["sources"] == {
        "MeshGEMM": {"mean_abs_error": error, "max_abs_error": error, "rows": 1, "composed": 0, "skipped": 2, **unseen}
    }


def test_text_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("P,Mt,Nt,groups,cycles\n16,1,1,4,237.96\n8,1,1,9,100\n", "utf-8")
    done = CliRunner().invoke(app, ["validate", "--data", str(path)])
    assert done.exit_code == 0, done.output
    for text in ("P=16 Mt=1 Nt=1 groups=4", "238", "9 groups of 8 PEs", "errors by source", "MESH_GEMV_LOOP = 86"):
        assert text in done.stdout


def test_text_is_printed_as_it_is(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    cells = {"id": "NEW-1", "workload": "[red]x[/red] [/b] :smile:", "unit": "cycles", "value": "7"}
    path.write_text(
        f"{','.join(COLUMNS[FIGURE])}\n{','.join(cells.get(name, '') for name in COLUMNS[FIGURE])}\n", "utf-8"
    )
    done = CliRunner().invoke(app, ["validate", "--data", str(path)])
    assert done.exit_code == 0, done.output
    assert "[red]x[/red]" in done.stdout
    assert ":smile:" in done.stdout


def test_what_is_added_to_kernels_is_printed(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    rest = "," * (len(COLUMNS[FIGURE]) - 1)
    path.write_text(f"{','.join(COLUMNS[FIGURE])}\nSUMMA-1{rest}\nMIMD-1{rest}\n", "utf-8")
    done = CliRunner().invoke(app, ["validate", "--data", str(path)])
    printed = " ".join(done.stdout.split())
    assert "SUMMA, MIMD: HAND_OVER = 30: rounds of a loop, about 300 cycles, in each of SUMMA's steps" in printed
    assert "MIMD: descriptors_in_memory = 2" in printed
    assert "MIMD: SCALE = 1" in printed
    assert "TWO_CLOCKS" not in printed


def test_rows_that_were_composed_are_marked(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("P,Mt,Kt,Nt,cycles\n720,1,1,1,114748\n", "utf-8")
    done = CliRunner().invoke(app, ["validate", "--data", str(path)])
    assert done.exit_code == 0, done.output
    assert re.search(r"% +\*?~", done.stdout)
    assert "~: composed of launches on fewer PEs" in " ".join(done.stdout.split())


def test_other_fidelities_are_refused() -> None:
    done = CliRunner().invoke(app, ["validate", "--fidelity", "estimate"])
    assert isinstance(done.exception, UsageError)
    assert str(done.exception) == "--fidelity is 'estimate': expected exact or sampled"


@pytest.mark.parametrize("seconds", ["0", "-1", "nan"])
def test_no_time_is_refused(seconds: str) -> None:
    done = CliRunner().invoke(app, ["validate", f"--max-seconds={seconds}"])
    assert isinstance(done.exception, UsageError)
    assert "--max-seconds is" in str(done.exception)
