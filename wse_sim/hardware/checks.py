"""What a `Wafer` accepts: known fields, values of the right kind and size."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import Field, fields
from typing import TYPE_CHECKING, Any, TypeGuard

from wse_sim.errors import UsageError

if TYPE_CHECKING:
    from wse_sim.hardware.wafer import Rate, Wafer


def numbers(wafer: Wafer | type[Wafer]) -> tuple[Field[Any], ...]:
    """The fields that hold the machine's numbers: all but `name` and `origins`."""
    return tuple(f for f in fields(wafer) if f.name not in ("name", "origins"))


def closest(name: str, known: Iterable[str]) -> str:
    """` Did you mean 'x'?`, or nothing."""
    found = difflib.get_close_matches(name, list(known), n=1, cutoff=0.5)
    return f" Did you mean {found[0]!r}?" if found else ""


def known(overrides: Iterable[str]) -> None:
    """Refuses field names that a wafer does not have."""
    from wse_sim.hardware.wafer import Wafer

    names = ["name", *(f.name for f in numbers(Wafer))]
    for name in overrides:
        if name not in names:
            raise UsageError(
                f"a wafer has no field {name!r}.{closest(name, names)} Known fields: {', '.join(names)}"
            )


def merged_rates(rates: Mapping[str, Rate], changes: object) -> dict[str, Rate]:
    """The rates with some of them changed. Raises UsageError on an unknown mnemonic."""
    if not isinstance(changes, Mapping):
        raise UsageError(f"rates is {changes!r}: expected a mapping from mnemonic to (elements, cycles)")
    for name in changes:
        if name not in rates:
            raise UsageError(
                f"rates has no mnemonic {name!r}.{closest(str(name), rates)} Known mnemonics: {', '.join(rates)}"
            )
    return {**rates, **changes}


def fits(wafer: Wafer, width: int, height: int) -> None:
    """Refuses a crop that is no part of the wafer."""
    for name, got, limit in (("width", width, wafer.width), ("height", height, wafer.height)):
        if not _is_int(got) or not 1 <= got <= limit:
            raise UsageError(f"crop of {wafer.name}: {name} is {got!r}, expected a whole number from 1 to {limit}")


def check(wafer: Wafer) -> None:
    """Refuses values of a wrong kind or size, and numbers without an origin."""
    if not isinstance(wafer.name, str) or not wafer.name:
        raise UsageError(f"name is {wafer.name!r}: expected a text")
    for f in numbers(wafer):
        _check_value(f.name, getattr(wafer, f.name), f.metadata["minimum"])
        if f.name not in wafer.origins:
            raise UsageError(f"{f.name} of {wafer.name} has no origin: add one to `origins`")
    if wafer.sram_reserve_bytes > wafer.sram_bytes:
        raise UsageError(
            f"sram_reserve_bytes is {wafer.sram_reserve_bytes}: expected at most sram_bytes, {wafer.sram_bytes}"
        )
    for color in wafer.reserved_colors:
        if color >= wafer.colors:
            raise UsageError(f"reserved_colors holds {color}: expected colours below colors, {wafer.colors}")
    edges = set(wafer.io_edges)
    if not edges or len(edges) != len(wafer.io_edges) or not edges <= set(range(4)) or wafer.io_channels % len(edges):
        raise UsageError(
            f"io_edges is {wafer.io_edges!r} with io_channels {wafer.io_channels}: expected different ones of EAST, "
            "NORTH, WEST and SOUTH, and a number of channels that they share evenly"
        )


_TUPLES = (
    "reserved_colors", "input_queue_depths", "output_queue_depths", "die_columns", "die_rows", "io_edges",
)  # fmt: skip


def _check_value(name: str, value: object, minimum: int) -> None:
    if isinstance(value, Mapping):
        for mnemonic, rate in value.items():
            _check_tuple(f"rates[{mnemonic!r}]", rate, 1, length=2)
    elif name in _TUPLES:
        _check_tuple(name, value, minimum)
    elif not _is_int(value) or value < minimum:
        raise UsageError(f"{name} is {value!r}: expected a whole number, {minimum} or more")


def _check_tuple(name: str, value: object, minimum: int, length: int | None = None) -> None:
    items = value if isinstance(value, tuple) else (None,)
    if length not in (None, len(items)) or not all(_is_int(v) and v >= minimum for v in items):
        count = f"{length} " if length else ""
        raise UsageError(f"{name} is {value!r}: expected a tuple of {count}whole numbers, {minimum} or more")


def _is_int(value: object) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool)
