"""A report as JSON, and back."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import fields, is_dataclass
from enum import IntEnum
from functools import cache
from typing import TYPE_CHECKING, Any, get_args, get_origin, get_type_hints

import numpy as np

from wse_sim.errors import UsageError
from wse_sim.hardware.frozen import FrozenMap
from wse_sim.hardware.states import State

if TYPE_CHECKING:
    from wse_sim.report.report import Report

FORMAT = "wse_sim report 1"
CELLS = 4096  # of a grid; 64 x 64 PEs are written one by one


def to_json(report: Report, cells: int) -> str:
    """The report, in tiles if its grids have more than `cells` cells, and a summary for readers."""
    written = report.tiled_to(cells)
    document = {
        "format": FORMAT,
        "grids": _grids(written),
        "state_names": [state.name for state in State],
        "summary": _summary(report),
        **plain(written),
    }
    lines = (f"{json.dumps(key)}: {json.dumps(value, ensure_ascii=False)}" for key, value in document.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"


def _grids(report: Report) -> str:
    size = f"{report.states.shape[1]} x {report.states.shape[0]} cells"
    if report.tile == 1:
        return f"{size}, one per PE"
    return f"{size}: each holds the sum over {report.tile} x {report.tile} PEs, of sram.peak the largest value"


def _summary(report: Report) -> dict[str, Any]:
    """Derived figures; `from_json` works them out again."""
    return {
        "seconds": report.seconds,
        "utilisation": report.utilisation,
        "pe_cycles": {state.name: cycles for state, cycles in report.totals.items() if cycles},
        "explain": report.explain().splitlines(),
        "energy_joules": report.energy.joules,
        "energy_note": report.energy.note,
        "assumed": list(report.assumed),
        "overrides": dict(report.overrides),
    }


def from_json(text: str) -> Report:
    """The report that `to_json` wrote. Raises UsageError for anything else."""
    from wse_sim.report.report import Report

    try:
        document = json.loads(text)
    except json.JSONDecodeError as error:
        raise UsageError(f"no report: the text is not JSON ({error}); expected what Report.to_json wrote") from None
    found = document.get("format") if isinstance(document, dict) else None
    if found != FORMAT:
        raise UsageError(f"no report: the format is {found!r}, expected {FORMAT!r}; write it again with to_json")
    names = [state.name for state in State]
    if document.get("state_names") != names:
        raise UsageError(f"a report with states {document.get('state_names')}: expected {names}")
    with whole("report"):
        report: Report = value_of(Report, {name: document[name] for name in _types(Report)})
    return report


@contextmanager
def whole(what: str) -> Iterator[None]:
    """UsageError if what is read inside lacks something, or holds values of another shape."""
    try:
        yield
    except KeyError as error:
        raise UsageError(f"no whole {what}: {error} is missing; expected what was written; write it again") from None
    except (AttributeError, TypeError, ValueError) as error:
        raise UsageError(f"no whole {what}: {error}; expected what was written; write it again") from None


# -- values to JSON and back ------------------------------------------------------------------------------


def plain(value: Any) -> Any:
    """A value of dataclasses, arrays, mappings, tuples and numbers as JSON has them."""
    if isinstance(value, np.ndarray):
        return {"shape": list(value.shape), "values": value.ravel().tolist()}
    if is_dataclass(value):
        return {f.name: plain(getattr(value, f.name)) for f in fields(value)}
    if isinstance(value, Mapping):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, tuple):
        return [plain(item) for item in value]
    return int(value) if isinstance(value, IntEnum) else value


@cache
def _types(kind: type) -> dict[str, Any]:
    """Type of each field of a dataclass or a NamedTuple."""
    return get_type_hints(kind)


def value_of(kind: Any, plain: Any) -> Any:
    """A value of a type from what `plain` made of it."""
    origin, arguments = get_origin(kind), get_args(kind)
    if origin is np.ndarray:
        return np.array(plain["values"], np.int64).reshape(plain["shape"])
    if origin is Mapping:
        return FrozenMap({key: value_of(arguments[1], item) for key, item in plain.items()})
    if origin is tuple:
        kinds = [arguments[0]] * len(plain) if arguments[-1] is Ellipsis else arguments
        return tuple(value_of(k, item) for k, item in zip(kinds, plain, strict=True))
    if isinstance(kind, type) and is_dataclass(kind):
        make: Any = kind
        return make(**{name: value_of(k, plain[name]) for name, k in _types(make).items()})
    if isinstance(kind, type) and issubclass(kind, tuple):
        return kind(*(value_of(k, item) for k, item in zip(_types(kind).values(), plain, strict=True)))
    return kind(plain) if isinstance(kind, type) and issubclass(kind, IntEnum) else plain
