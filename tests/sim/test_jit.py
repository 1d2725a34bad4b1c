"""The folder of compiled code is named by everything that compiled code depends on."""

from __future__ import annotations

import ast
from pathlib import Path

import wse_sim.engine.jit as jit_module

PACKAGE = Path(jit_module.__file__).resolve().parent.parent
DATA_ONLY = {"errors.py", "hardware/__init__.py"}  # nothing of them is compiled


def imported(source: Path) -> set[str]:
    """Modules of the package that a source imports, as paths from the package."""
    found = set()
    for node in ast.walk(ast.parse(source.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module and node.module.startswith("wse_sim"):
            names = [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        for name in names:
            path = PACKAGE.joinpath(*name.split(".")[1:]).with_suffix(".py")
            if path.is_file() and path != PACKAGE:
                found.add(str(path.relative_to(PACKAGE)))
    return found


def test_every_source_that_compiled_code_imports_is_in_the_hash() -> None:
    cycle = {str(p.relative_to(PACKAGE)) for p in (PACKAGE / "engine" / "cycle").glob("*.py")}
    hashed = cycle | set(jit_module.COMPILED)
    jitted = [PACKAGE / name for name in hashed if name.startswith("engine")]
    needed = set().union(*(imported(source) for source in jitted))
    lowering_only = {"engine/lower.py"}  # faults.py names it for types
    assert needed - hashed - DATA_ONLY - lowering_only == set()
    assert all((PACKAGE / name).is_file() for name in hashed)
