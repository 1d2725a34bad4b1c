"""Options that several commands take, as text."""

from __future__ import annotations

from wse_sim.errors import UsageError
from wse_sim.hardware import f16, f32

DTYPES = {"f32": f32, "f16": f16}


def grid_of(text: str) -> tuple[int, int]:
    """PEs along x and y."""
    parts = text.lower().split("x")
    if len(parts) != 2 or not all(p.isascii() and p.isdigit() and int(p) > 0 for p in parts):
        raise UsageError(f"--grid {text}: expected WIDTHxHEIGHT in PEs, as 16x16")
    return int(parts[0]), int(parts[1])
