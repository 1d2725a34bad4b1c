"""What the README shows runs: its Python as one session, and every option of its commands exists."""

from __future__ import annotations

import re
import shlex
from importlib import import_module
from pathlib import Path

import matplotlib.pyplot as plt
import pytest
import typer

from wse_sim.mapping.cli import app

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text("utf-8")
PYTHON = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
COMMANDS = sorted({
    *re.findall(r"^wse-sim .*$", TEXT, re.MULTILINE),
    *(" ".join(found.split()) for found in re.findall(r"`(wse-sim [^`]+)`", TEXT)),
})  # fmt: skip


def test_the_python_of_the_readme_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys) -> None:
    """Block after block, as a reader would type them into one session."""
    monkeypatch.chdir(tmp_path)
    plt.switch_backend("Agg")
    session: dict[str, object] = {}
    for number, block in enumerate(PYTHON):
        exec(compile(block, f"README.md, block {number}", "exec"), session)
    out = capsys.readouterr().out
    assert " cycles\n" in out
    assert {path.name for path in tmp_path.iterdir()} == {"trace.json", "trace.log", "run.gif"}
    plt.close("all")


@pytest.mark.parametrize("line", COMMANDS)
def test_the_options_of_the_readme_exist(line: str) -> None:
    commands = typer.main.get_command(app).commands  # type: ignore[attr-defined]
    name, *words = shlex.split(line)[1:]
    known = {"--help", *(option for parameter in commands[name].params for option in parameter.opts)}
    assert {word for word in words if word.startswith("--")} <= known


def test_the_files_and_modules_that_the_readme_names_exist() -> None:
    files = {*re.findall(r"(?<![\w./])((?:wse_sim|kernels|mapping|tests|notebooks)/[\w/.]+\w)", TEXT)}
    assert [name for name in sorted(files) if not (ROOT / name).exists()] == []
    modules = {*re.findall(r"(?<![\w.])wse_sim(?:\.\w+)+", TEXT)}
    assert len(modules) > 10
    for module in modules:
        import_module(module)
