"""A wafer as text and as a short HTML line."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

from wse_sim.hardware.checks import numbers
from wse_sim.hardware.origin import KINDS

if TYPE_CHECKING:
    from wse_sim.hardware.wafer import Wafer


def describe(wafer: Wafer) -> str:
    """Fields by group: value, unit, mark of origin, meaning; then the source of each number."""
    return "\n".join([*_heading(wafer), *_values(wafer), "", "origins", *_origins(wafer)]) + "\n"


def describe_html(wafer: Wafer) -> str:
    """One line for a notebook."""
    counts = Counter(origin.kind for origin in wafer.origins.values())
    kinds = ", ".join(f"{counts[kind]} {kind}" for kind in KINDS if counts[kind])
    return (
        f"<b>{escape(wafer.name)}</b>: {wafer.width} x {wafer.height} PEs, {wafer.clock_hz / 1e9:g} GHz, "
        f"{wafer.sram_bytes // 1024} KiB SRAM per PE, {wafer.hop_cycles} cycle{'s' * (wafer.hop_cycles != 1)} per hop "
        f"<small>({kinds} numbers; <code>.describe()</code> lists them)</small>"
    )


def _heading(wafer: Wafer) -> Iterator[str]:
    yield f"{wafer.name}  {wafer.width} x {wafer.height} PEs"
    yield "marks: " + "  ".join(f"{kind[0].upper()} {kind}" for kind in KINDS)


def _values(wafer: Wafer) -> Iterator[str]:
    group = ""
    for f in numbers(wafer):
        if f.metadata["group"] != group:
            group = f.metadata["group"]
            yield f"\n{group}"
        mark = wafer.origins[f.name].mark
        if f.name == "rates":
            yield from _rates(wafer, mark)
        else:
            value = _text(getattr(wafer, f.name))
            yield f"  {f.name:24} {value:>15} {f.metadata['unit']:11} {mark}  {f.metadata['meaning']}"


def _rates(wafer: Wafer, mark: str) -> Iterator[str]:
    by_rate: dict[tuple[int, int], list[str]] = {}
    for name, rate in wafer.rates.items():
        by_rate.setdefault(rate, []).append(name)
    for (lanes, cycles), names in sorted(by_rate.items(), reverse=True):
        elements, every = "element" + "s" * (lanes > 1), "cycle" if cycles == 1 else f"{cycles} cycles"
        yield f"  {lanes} {elements} per {every}  {mark}  {' '.join(names)}"


def _origins(wafer: Wafer) -> Iterator[str]:
    for f in numbers(wafer):
        yield f"  {f.name:24} {wafer.origins[f.name]}"


def _text(value: object) -> str:
    if isinstance(value, int):
        return f"{value:_}".replace("_", " ")
    if isinstance(value, tuple):
        return " ".join(map(str, value)) or "none"
    return str(value)
