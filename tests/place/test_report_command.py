"""`wse-sim report` and `wse-sim run --trace`: results looked at again."""

from __future__ import annotations

from pathlib import Path

import pytest
from place.test_command import call

from wse_sim.report.report import Report
from wse_sim.report.trace import Recording


@pytest.fixture(scope="module")
def results(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of results with a recording."""
    folder = tmp_path_factory.mktemp("results")
    with pytest.MonkeyPatch.context() as patch:
        asked = ("run", "--tokens", "1", "--prompt", "A", "--grid", "9x9", "--trace", "100:900", "--out", str(folder))
        assert call(patch, *asked) == 0
    return folder


def test_a_trace_is_written_in_every_format(results: Path) -> None:
    recording = Recording.load(results / "trace.npz")
    assert (recording.first, recording.end) == (100, 900)
    assert len(recording.region) == 81
    assert (results / "trace.json.gz").stat().st_size > 1000
    assert (results / "trace.log").read_text("ascii").startswith("@100 dimX=9, dimY=9\n")


def test_the_report_is_printed_again(results: Path, monkeypatch, capsys) -> None:
    report = Report.from_json(results / "report.json")
    for name in (results, results / "report.json"):
        assert call(monkeypatch, "report", str(name)) == 0
        assert capsys.readouterr().out == report.describe()


def test_the_report_becomes_a_page(results: Path, monkeypatch, capsys, tmp_path) -> None:
    pytest.importorskip("plotly", reason="the extra `html` is not installed")
    page = tmp_path / "new" / "out.html"
    assert call(monkeypatch, "report", str(results), "--html", str(page)) == 0
    text = page.read_text("utf-8")
    assert len(text) < 5e6
    assert "cycles 100 to 900" in text, "the timeline"
    assert "open it in a browser" in capsys.readouterr().err
    assert call(monkeypatch, "report", str(results), "--html", str(tmp_path)) == 2
    assert "it is a folder; expected the name of a file" in capsys.readouterr().err


def test_wrong_requests_are_one_line(monkeypatch, capsys, tmp_path) -> None:
    for arguments, expected in (
        (("report", str(tmp_path)), "no report.json there; expected a folder that `wse-sim run --out` wrote"),
        (("run", "--trace", "0:100"), "--trace belongs to an exact run with --out"),
        (("run", "--trace", "soon", "--out", str(tmp_path)), "--trace soon: expected the first cycle and the"),
        (("run", "--trace", "9:3", "--out", str(tmp_path)), "trace window (9, 3): expected a first cycle"),
    ):
        assert call(monkeypatch, *arguments) == 2
        error = capsys.readouterr().err
        assert expected in error
        assert error.count("\n") == 1
