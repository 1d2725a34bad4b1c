"""An open simulator of a wafer-scale engine."""

from pathlib import Path as _Path

# In a source checkout `kernels/` and `mapping/` lie beside this folder; they import as wse_sim.kernels and
# wse_sim.mapping there as well as installed.
_root = _Path(__file__).resolve().parent.parent
if (_root / "pyproject.toml").is_file() and (_root / "mapping").is_dir():
    __path__.append(str(_root))

from wse_sim.errors import CheckpointError, FitError, ProgramError, RunError, UsageError, WseError  # noqa: E402
from wse_sim.hardware import (  # noqa: E402
    EAST,
    NORTH,
    RAMP,
    SOUTH,
    WEST,
    WSE1,
    WSE2,
    WSE3,
    DType,
    Region,
    Route,
    State,
    Wafer,
    by_name,
    f16,
    f32,
    i16,
    i32,
    toy,
    u16,
    u32,
)

__version__ = "0.1.0"

__all__ = [
    "EAST", "NORTH", "RAMP", "SOUTH", "WEST", "WSE1", "WSE2", "WSE3", "CheckpointError", "DType", "FitError",
    "ProgramError", "Region", "Route", "RunError", "State", "UsageError", "Wafer", "WseError", "by_name", "f16", "f32",
    "i16", "i32", "toy", "u16", "u32",
]  # fmt: skip
