"""The shape of the code: one way of imports, real package names, small files, a complete wheel."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import tomllib
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[1]
ROOMS = {"wse_sim": ROOT / "wse_sim", "wse_sim.kernels": ROOT / "kernels", "wse_sim.mapping": ROOT / "mapping"}
LINES = 500  # budget of a file; a longer one is two ideas


def _modules() -> list[Path]:
    return [path for room in ROOMS.values() for path in sorted(room.rglob("*.py"))]


def _name(path: Path) -> str:
    """The file as users see it: kernels/a.py is wse_sim/kernels/a.py."""
    inside = path.relative_to(ROOT)
    return str(inside if inside.parts[0] == "wse_sim" else Path("wse_sim") / inside)


def _installed(tmp_path: Path) -> Path:
    """A folder to put on the path that holds the package as an installation would."""
    for module in _modules():
        target = tmp_path / _name(module)
        target.parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(module, target)
    return tmp_path


_LINT = """
import sys
from importlinter.cli import lint_imports
sys.exit(lint_imports(config_filename=sys.argv[1], no_cache=True))
"""


def test_imports_run_one_way(tmp_path: Path) -> None:
    pytest.importorskip("importlinter")
    done = subprocess.run(
        [sys.executable, "-c", _LINT, str(ROOT / "pyproject.toml")],
        cwd=_installed(tmp_path), env={"PYTHONPATH": str(tmp_path)}, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr


def test_nobody_uses_the_plain_names_of_kernels_and_mapping() -> None:
    """Both names belong to others: a second copy of a module, or another package, would come in."""
    plain = re.compile(r'^[\s"]*(from|import)\s+(kernels|mapping)\b(?!\s*=)', re.MULTILINE)
    folders = [*ROOMS.values(), ROOT / "tests", ROOT / "notebooks"]
    files = [p for f in folders for p in [*f.rglob("*.py"), *f.rglob("*.ipynb")]]
    assert [_name(p) for p in files if plain.search(p.read_text("utf-8"))] == []


def test_kernels_and_mapping_stay_without_init() -> None:
    """With an __init__.py they would be importable, and hide others' packages, from the checkout."""
    assert [name for name in ("kernels", "mapping") if (ROOT / name / "__init__.py").exists()] == []


def test_files_stay_small() -> None:
    lengths = {_name(p): len(p.read_text("utf-8").splitlines()) for p in _modules()}
    assert {name: n for name, n in lengths.items() if n > LINES} == {}


def test_every_folder_of_modules_is_packaged() -> None:
    listed = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["tool"]["setuptools"]["packages"]
    folders = {".".join(Path(_name(p)).parts[:-1]) for p in _modules()}
    assert sorted(listed) == sorted(folders)


@pytest.mark.slow
def test_the_wheel_holds_the_package_and_nothing_else(tmp_path: Path) -> None:
    pytest.importorskip("setuptools", minversion="77")
    source = tmp_path / "source"
    source.mkdir()
    for name in ("pyproject.toml", "README.md"):
        shutil.copyfile(ROOT / name, source / name)
    for name in ("wse_sim", "kernels", "mapping", "tests"):
        shutil.copytree(ROOT / name, source / name, ignore=shutil.ignore_patterns("__pycache__"))
    subprocess.run(
        [sys.executable, "-c", f"from setuptools import build_meta as b; b.build_wheel({str(tmp_path)!r})"],
        cwd=source, check=True, capture_output=True,
    )  # fmt: skip
    (wheel,) = tmp_path.glob("*.whl")
    held = {name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name}
    folders = ("mapping/model/shipped", "mapping/validation/data")
    shipped = {f"wse_sim/{p.relative_to(ROOT)}" for folder in folders for p in (ROOT / folder).iterdir()}
    page = {f"wse_sim/report/webpage/page.{ending}" for ending in ("html", "css", "js")}
    assert held == {_name(p) for p in _modules()} | shipped | page | {"wse_sim/py.typed"}
