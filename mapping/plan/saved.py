"""Mappings as JSON: what `wse-sim map --out` writes, and Python reads again."""

from __future__ import annotations

import json
from dataclasses import asdict, fields
from pathlib import Path
from typing import Any

from wse_sim.errors import UsageError
from wse_sim.hardware import DTYPES, WSE2, Wafer
from wse_sim.hardware.checks import numbers
from wse_sim.hardware.presets import PRESETS
from wse_sim.mapping.model import GPTConfig
from wse_sim.mapping.plan.mapping import Mapping, Place

FORMAT = "wse-sim mapping 1"
_DTYPES = {dtype.name: dtype for dtype in DTYPES}


def save(mapping: Mapping, path: Path) -> None:
    """Writes a mapping; `load` reads an equal one, whose wafer calls what was cropped set by the user."""
    path.write_text(json.dumps(to_dict(mapping), indent=1) + "\n", "utf-8")


def load(path: Path) -> Mapping:
    """Raises UsageError that names the file and what is wrong with it."""
    try:
        given = json.loads(path.read_text("utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError) as error:
        raise UsageError(f"{path} is no mapping: {error}; expected what `wse-sim map --out` writes") from None
    return from_dict(given, str(path))


def to_dict(mapping: Mapping) -> dict[str, Any]:
    """Plain lists, texts and numbers."""
    return {
        "format": FORMAT,
        "model": asdict(mapping.config),
        "wafer": wafer_to_dict(mapping.wafer),
        "phase": mapping.phase,
        "strategy": mapping.strategy,
        "dtype": mapping.dtype.name,
        "accumulate": mapping.accumulate.name,
        "context": mapping.context,
        "sequences": mapping.sequences,
        "prompt": mapping.prompt,
        "tight": mapping.tight,
        "turned": mapping.turned,
        "placement": mapping.placement,
        "dead": [list(pe) for pe in sorted(mapping.dead)],
        "places": [_place_to_dict(place) for place in mapping.places],
    }


def from_dict(given: Any, source: str = "mapping") -> Mapping:
    """The mapping that `to_dict` made `given` of."""
    if not isinstance(given, dict) or given.get("format") != FORMAT:
        raise UsageError(f"{source} is no mapping: expected an object with format {FORMAT!r}; make it with wse-sim map")
    try:
        return Mapping(
            config=GPTConfig(**given["model"]),
            wafer=wafer_from_dict(given["wafer"]),
            phase=given["phase"],
            strategy=given["strategy"],
            dtype=_DTYPES[given["dtype"]],
            accumulate=_DTYPES[given["accumulate"]],
            context=given["context"],
            sequences=given["sequences"],
            prompt=given["prompt"],
            tight=given["tight"],
            turned=given["turned"],
            placement=given["placement"],
            dead=frozenset((x, y) for x, y in given["dead"]),
            places=tuple(_place_from_dict(place) for place in given["places"]),
        )
    except KeyError as error:
        raise UsageError(f"{source}: {error} is missing or unknown; make it anew with wse-sim map") from None
    except (TypeError, ValueError) as error:
        raise UsageError(f"{source} is no mapping: {error}; make it anew with wse-sim map") from None


def _place_to_dict(place: Place) -> dict[str, Any]:
    plain = {f.name: getattr(place, f.name) for f in fields(place)}
    return plain | {"layers": [place.layers.start, place.layers.stop]}


def _place_from_dict(given: dict[str, Any]) -> Place:
    return Place(**(given | {"layers": range(*given["layers"])}))


# -- wafers -------------------------------------------------------------------------------------------


def wafer_to_dict(wafer: Wafer) -> dict[str, Any]:
    """The name, and every number in which it differs from the preset of that name, or else from WSE-2."""
    base = _base(wafer.name)
    names = [f.name for f in numbers(wafer) if getattr(wafer, f.name) != getattr(base, f.name)]
    changed = {name: getattr(wafer, name) for name in names}
    if "rates" in changed:
        changed["rates"] = {name: rate for name, rate in wafer.rates.items() if rate != base.rates[name]}
    return {"name": wafer.name, **changed}


def wafer_from_dict(given: dict[str, Any]) -> Wafer:
    """The wafer that `wafer_to_dict` made `given` of; its origins call the differences overrides."""
    changes: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in given.items()}
    if "rates" in changes:
        changes["rates"] = {name: tuple(rate) for name, rate in changes["rates"].items()}
    base = _base(changes["name"])
    return base if changes == {"name": base.name} else base.with_(**changes)


def _base(name: str) -> Wafer:
    return next((wafer for wafer in PRESETS.values() if wafer.name == name), WSE2)
