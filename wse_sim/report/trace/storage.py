"""A recording as a file, and back: its columns as compressed numpy arrays, all else as JSON."""

from __future__ import annotations

import json
import zipfile
import zlib
from dataclasses import fields
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from wse_sim.errors import UsageError
from wse_sim.hardware.geometry import Region
from wse_sim.hardware.wafer import Wafer
from wse_sim.report.storage import plain, value_of, whole
from wse_sim.report.trace.code import CodeLine
from wse_sim.report.trace.events import Slices, Spans, Stays

if TYPE_CHECKING:
    from wse_sim.report.trace.recording import Recording

FORMAT = "wse_sim recording 1"
_TABLES: dict[str, Any] = {"stays": Stays, "slices": Slices, "spans": Spans}
_ARRAYS = ("role", "queues")
_NUMBERS = ("name", "width", "height", "first", "end", "full")


def write_recording(recording: Recording, path: Path) -> None:
    """Writes the file, under exactly this name."""
    header = {
        "format": FORMAT,
        **{name: getattr(recording, name) for name in _NUMBERS},
        "region": [[r.start, r.stop, r.step] for r in (recording.region.xs, recording.region.ys)],
        "colors": list(recording.colors),
        "code": plain(recording.code),
        "wafer": plain(recording.wafer),
    }
    arrays = {name: getattr(recording, name) for name in _ARRAYS}
    for name, kind in _TABLES.items():
        arrays |= {f"{name}.{f.name}": getattr(getattr(recording, name), f.name) for f in fields(kind)}
    with path.open("wb") as out:
        np.savez_compressed(out, header=np.array(json.dumps(header)), **arrays)


def read_recording(path: Path) -> Recording:
    """The recording that `write_recording` wrote. Raises UsageError for anything else."""
    from wse_sim.report.trace.recording import Recording

    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        header = json.loads(str(arrays["header"])) if "header" in arrays else {}
    except (TypeError, ValueError, zipfile.BadZipFile, zlib.error, EOFError):
        raise UsageError(f"{path} is no recording: expected a file that Recording.save wrote") from None
    found = header.get("format") if isinstance(header, dict) else None
    if found != FORMAT:
        raise UsageError(f"{path} is no recording: its format is {found!r}, expected {FORMAT!r}")
    with whole(f"recording in {path}"):
        tables = {
            name: kind(**{f.name: arrays[f"{name}.{f.name}"] for f in fields(kind)}) for name, kind in _TABLES.items()
        }
        return Recording(
            **{name: header[name] for name in _NUMBERS},
            region=Region(*(range(*part) for part in header["region"])),
            colors=tuple(header["colors"]),
            code=value_of(tuple[CodeLine, ...], header["code"]),
            wafer=value_of(Wafer, header["wafer"]),
            **{name: arrays[name] for name in _ARRAYS},
            **tables,
        )
