"""The one decorator of jitted code, and where its compiled form is kept."""

from __future__ import annotations

import hashlib
import os
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

import numba

COMPILED = (
    "engine/arithmetic.py", "engine/bits.py", "engine/faults.py", "engine/half.py", "engine/jit.py", "engine/layout.py",
    "engine/state.py", "engine/table.py", "engine/tape.py", "hardware/dtypes.py", "hardware/operations.py",
    "hardware/states.py", "program/instruction.py",
)  # fmt: skip
"""Sources outside engine/cycle and engine/stream that compiled code contains; a test compares them with imports."""

_F = TypeVar("_F", bound=Callable[..., Any])


def _cache_folder(*packages: str) -> Path:
    """A folder named by everything that compiled code of these packages of the engine depends on.

    Numba does not notice a change in a callee of another file, so the name holds the hash of all sources that are
    compiled or frozen into compiled code as constants, and numba's version.
    """
    if "NUMBA_CACHE_DIR" in os.environ:
        return Path(os.environ["NUMBA_CACHE_DIR"])
    digest = hashlib.sha256(numba.__version__.encode())
    home = Path(__file__).resolve().parent.parent
    compiled = [source for package in packages for source in (home / "engine" / package).glob("*.py")]
    for source in sorted([*compiled, *(home / name for name in COMPILED)]):
        digest.update(source.read_bytes())
    caches = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    folder = caches / "wse_sim" / digest.hexdigest()[:16]
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError:
        folder = Path(tempfile.gettempdir()) / f"wse_sim-{digest.hexdigest()[:16]}"
    return folder


CACHE = _cache_folder("cycle")
STREAM = "wse_sim.engine.stream"  # calls functions of the cycle engine, which knows nothing of it
STREAM_CACHE = _cache_folder("cycle", "stream")
if "NUMBA_THREADING_LAYER" not in os.environ:
    numba.config.THREADING_LAYER = "workqueue"  # starts a parallel loop in 0.1 ms; OpenMP takes 2 on a busy machine


def is_cached(*, parallel: bool = False) -> bool:
    """Whether the loop over cycles, compiled last of all, is on disk."""
    name = "_run_cycles_on_threads" if parallel else "_run_cycles"
    return any(CACHE.rglob(f"clock.{name}-*.nbi"))


def jit(function: _F) -> _F:
    """Compiled without the reference counts of arrays.

    The engine allocates nothing inside compiled code. Without counts a helper that takes arrays costs nothing
    (measured: 1.2 ns a call against 42 ns), so phases can be written as small functions.
    """
    return compiled(function, _nrt=False)


def inlined(function: _F) -> _F:
    """`jit` for the short functions of the innermost loops: no call is left of them."""
    return compiled(function, _nrt=False, forceinline=True)


def compiled(function: _F, **options: bool) -> _F:
    """Compiled when first called, or loaded from the folder of its engine."""
    numba.config.CACHE_DIR = str(STREAM_CACHE if function.__module__.startswith(STREAM) else CACHE)
    decorate = numba.njit(cache=True, error_model="numpy", nogil=True, **options)
    return decorate(function)  # type: ignore[no-any-return]
