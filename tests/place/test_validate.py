"""`wse-sim validate`: the files it knows, what it says, and how far the machine is from published figures."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from typer.testing import CliRunner

from wse_sim.errors import UsageError
from wse_sim.mapping.cli import app
from wse_sim.mapping.validation.cases import Case, cases_of
from wse_sim.mapping.validation.compare import compare
from wse_sim.mapping.validation.rows import FIGURE, MESH_GEMM, MESH_GEMV, RELAY, Row, read_rows, shipped_rows

SHIPPED = shipped_rows()

# -- accuracy: bounds that only tighten -----------------------------------------------------------------------

BOUNDS = {  # source: rows, mean, maximum
    "MeshGEMV": (40, 0.02, 0.045),
    "MeshGEMM": (12, 0.03, 0.06),
    "FYN": (5, 0.006, 0.01),
    "SUMMA": (5, 0.03, 0.045),
    "FABSIM": (24, 0.012, 0.06),
    "relay": (20, 0.09, 0.17),
}


@pytest.mark.parametrize("source", BOUNDS)
def test_published_figures_are_met(source: str) -> None:
    rows, mean, most = BOUNDS[source]
    chosen = [row for row in SHIPPED if row.source == source and (source != "MeshGEMM" or row.cells["P"] == "16")]
    chosen = chosen[:: 4 if source in ("MeshGEMM", "MeshGEMV") else 1]
    found = compare(chosen, max_seconds=20).sources[source]
    assert found.rows >= rows
    assert found.mean_abs_error is not None
    assert found.max_abs_error is not None
    assert found.mean_abs_error <= mean
    assert found.max_abs_error <= most


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
        ("P,Mt,Nt,groups,cycles\n16,1,1\n", "mine.csv: a row without groups, cycles"),
    ],
)
def test_other_files_are_refused(tmp_path: Path, text: str, message: str) -> None:
    path = tmp_path / "mine.csv"
    path.write_text(text, "utf-8")
    with pytest.raises(UsageError, match=re.escape(message)):
        read_rows(path)


@pytest.mark.parametrize(
    ("column", "value"), [("P", "x"), ("Mt", "0"), ("groups", "1.5"), ("cycles", "-3"), ("cycles", "nan")]
)
def test_cells_that_are_no_sizes_are_refused(column: str, value: str) -> None:
    cells = {"P": "16", "Mt": "1", "Nt": "1", "groups": "4", "cycles": "240"} | {column: value}
    with pytest.raises(UsageError, match=f"{column} is '{value}'"):
        list(cases_of(Row(MESH_GEMV, cells)))


def test_what_a_model_row_is_compared_with() -> None:
    """FYN gives most measurements only as a model's distance from them."""
    cells = {
        "id": "FYN-006", "workload": "model", "hardware": "analytic", "dtype": "f32", "grid_x": "512", "grid_y": "1",
        "size": "P=512 B=4096 step=8", "metric": "model cycles", "value": "8542", "unit": "cycles (-6.3% vs raw)",
    }  # fmt: skip
    (case,) = cases_of(Row(FIGURE, cells))
    assert isinstance(case, Case)
    assert case.measured == 9116


# -- the command ----------------------------------------------------------------------------------------------


def test_json_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("P,Mt,Kt,Nt,cycles\n4,1,1,1,500\n2,1,1,1,100\n600,8,8,8,400000\n", "utf-8")
    done = CliRunner().invoke(app, ["validate", "--data", str(path), "--max-seconds", "30", "--json"])
    assert done.exit_code == 0, done.output
    found = json.loads(done.stdout)
    assert set(found) == {"rows", "skipped", "sources"}
    (row,) = found["rows"]
    assert set(row) == {"source", "configuration", "measured", "simulated", "error"}
    assert row["error"] == pytest.approx(row["simulated"] / 500 - 1)
    assert [(s["configuration"], s["reason"].split(":")[0]) for s in found["skipped"]] == [
        ("P=2 Mt=1 Kt=1 Nt=1", "a ring of 2 PEs"), ("P=600 Mt=8 Kt=8 Nt=8", "cost"),
    ]  # fmt: skip
    assert found["sources"] == {
        "MeshGEMM": {"mean_abs_error": abs(row["error"]), "max_abs_error": abs(row["error"]), "rows": 1, "skipped": 2}
    }


def test_text_of_a_file(tmp_path: Path) -> None:
    path = tmp_path / "mine.csv"
    path.write_text("P,Mt,Nt,groups,cycles\n16,1,1,4,237.96\n8,1,1,9,100\n", "utf-8")
    done = CliRunner().invoke(app, ["validate", "--data", str(path)])
    assert done.exit_code == 0, done.output
    for text in ("P=16 Mt=1 Nt=1 groups=4", "238", "9 groups of 8 PEs", "errors by source"):
        assert text in done.stdout


@pytest.mark.parametrize("seconds", ["0", "-1", "nan"])
def test_no_time_is_refused(seconds: str) -> None:
    done = CliRunner().invoke(app, ["validate", f"--max-seconds={seconds}"])
    assert isinstance(done.exception, UsageError)
    assert "--max-seconds is" in str(done.exception)
