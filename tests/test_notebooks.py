"""The notebooks: each is paired with its text, ends in a check, and runs from top to bottom."""

from __future__ import annotations

import ast
import importlib.util
import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

FOLDER = Path(__file__).resolve().parents[1] / "notebooks"
TEXTS = sorted(FOLDER.glob("*.py"))
MOST_BYTES = 600_000


def cells(path: Path) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads(path.read_text("utf-8"))["cells"]
    return found


def names(paths: list[Path]) -> list[str]:
    return [path.stem for path in paths]


def test_every_notebook_has_its_text() -> None:
    assert names(TEXTS) == names(sorted(FOLDER.glob("*.ipynb")))
    assert len(TEXTS) >= 10


@pytest.mark.parametrize("text", TEXTS, ids=names(TEXTS))
def test_text_and_notebook_are_the_same(text: Path) -> None:
    """Cell by cell; `jupytext --sync` makes them so."""
    jupytext = pytest.importorskip("jupytext", reason="the extra `notebooks` is not installed")
    of_text = [(cell.cell_type, cell.source) for cell in jupytext.read(text).cells]
    shown = [(cell["cell_type"], "".join(cell["source"])) for cell in cells(text.with_suffix(".ipynb"))]
    assert shown == of_text


@pytest.mark.parametrize("text", TEXTS, ids=names(TEXTS))
def test_a_notebook_installs_first_shows_pictures_and_ends_in_a_check(text: Path) -> None:
    notebook = text.with_suffix(".ipynb")
    code = [cell for cell in cells(notebook) if cell["cell_type"] == "code"]
    assert "pip" in "".join(code[0]["source"])
    assert cells(notebook)[0]["source"][0].startswith("# "), "a title"
    last = ast.parse("".join(code[-1]["source"]))
    assert any(isinstance(node, ast.Assert) for node in ast.walk(last))
    kinds = {kind for cell in code for output in cell["outputs"] for kind in output.get("data", {})}
    assert "image/png" in kinds, "a reader on a web page sees pictures"
    assert not [output for cell in code for output in cell["outputs"] if output["output_type"] == "error"]
    assert notebook.stat().st_size < MOST_BYTES


@pytest.mark.parametrize("text", TEXTS, ids=names(TEXTS))
def test_the_first_cell_installs_where_the_package_is_missing(
    text: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = next(cell for cell in cells(text.with_suffix(".ipynb")) if cell["cell_type"] == "code")
    asked: list[list[str]] = []
    monkeypatch.setattr(subprocess, "run", lambda command, **_: asked.append(command))

    def run(folder: Path) -> None:
        monkeypatch.chdir(folder)
        exec(compile("".join(first["source"]), text.name, "exec"), {})

    run(FOLDER)
    assert asked == [], "it is there"
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    run(FOLDER)
    run(tmp_path)
    install = [sys.executable, "-m", "pip", "install", "-q"]
    assert asked == [[*install, str(FOLDER.parent)], [*install, "wse-sim"]], "the checkout, or the released package"


@pytest.mark.notebooks
@pytest.mark.parametrize("text", TEXTS, ids=names(TEXTS))
@pytest.mark.filterwarnings("ignore")
def test_a_notebook_runs(text: Path) -> None:
    jupytext = pytest.importorskip("jupytext", reason="the extra `notebooks` is not installed")
    client = pytest.importorskip("nbclient", reason="the extra `notebooks` is not installed")
    pytest.importorskip("ipykernel", reason="the extra `notebooks` is not installed")
    notebook = jupytext.read(text)
    where = {"metadata": {"path": str(FOLDER)}}
    client.NotebookClient(notebook, timeout=600, kernel_name=kernel(), resources=where).execute()


@pytest.mark.notebooks
def test_the_pictures_of_the_readme_are_drawn(tmp_path: Path) -> None:
    """In a copy of their folder: every picture that the README shows comes out of the script."""
    copy = tmp_path / "pictures"
    copy.mkdir()
    shutil.copy(FOLDER / "pictures" / "draw.py", copy)
    root = str(FOLDER.parent)
    subprocess.run([sys.executable, str(copy / "draw.py")], check=True, env={**os.environ, "PYTHONPATH": root})
    shown = set(re.findall(r"notebooks/pictures/([\w.]+)", (FOLDER.parent / "README.md").read_text("utf-8")))
    without_browser = {"page.png"} if shutil.which("chromium") is None else set()
    assert shown - {"draw.py"} - without_browser <= {path.name for path in copy.iterdir()}


def kernel() -> str:
    """One that runs this very Python; a name for each process of pytest, for they all install it."""
    from ipykernel.kernelspec import install

    name = "wse-sim-tests" + os.environ.get("PYTEST_XDIST_WORKER", "")
    install(user=False, kernel_name=name, prefix=sys.prefix)
    return name
