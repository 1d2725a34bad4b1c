"""What the cells of a row of figures mean, whatever their wording: machine, element type, cycles."""

from __future__ import annotations

import re

from wse_sim.errors import UsageError
from wse_sim.hardware import WSE1, WSE2, WSE3, DType, Wafer, f16, f32, i16, i32
from wse_sim.hardware.presets import WSE3_SIMULATOR
from wse_sim.mapping.validation.rows import Row, number, positive

# -- machine and element type -------------------------------------------------------------------------

_SIMULATED = re.compile(r"simulat|simfab|\bsim\b|\bSDK\b", re.IGNORECASE)
_MACHINE = re.compile(r"(?:WSE|CS)[-_ ]?([123])", re.IGNORECASE)
_WAFERS = {"1": WSE1, "2": WSE2, "3": WSE3}
_TYPES = {
    "f16": f16, "fp16": f16, "float16": f16, "half": f16, "f32": f32, "fp32": f32, "float32": f32, "float": f32,
    "single": f32, "i16": i16, "int16": i16, "i32": i32, "int32": i32,
}  # fmt: skip


def is_simulated(hardware: str) -> bool:
    """Whether the vendor's simulator stands for the machine."""
    return bool(_SIMULATED.search(hardware)) and "silicon" not in hardware.lower()


def wafer_of(hardware: str) -> Wafer | None:
    """The machine that a row names, None if it names none."""
    found = _MACHINE.search(hardware)
    if found is None:
        return None
    return WSE3_SIMULATOR if found[1] == "3" and is_simulated(hardware) else _WAFERS[found[1]]


def dtype_of(text: str) -> DType | None:
    """The element type, None if none is named. Raises UsageError for one that is not simulated."""
    name = text.strip().lower()
    if name in ("", "-", "any"):
        return None
    if name not in _TYPES:
        raise UsageError(f"dtype is {text.strip()[:40]!r}: expected one of {', '.join(_TYPES)}")
    return _TYPES[name]


# -- cycles -------------------------------------------------------------------------------------------

_SECONDS = {"s": 1.0, "ms": 1e-3, "us": 1e-6, "µs": 1e-6, "μs": 1e-6, "ns": 1e-9}
_CLOCK = re.compile(r"([0-9.]+) *(MHz|GHz)", re.IGNORECASE)
_VALUE = re.compile(
    r"""\s* (?:about|~|≈|approx\.?)?
        \s* ([0-9][0-9,_]*\.?[0-9]*(?:[eE][-+]?[0-9]+)?)
        (?:\s*-\s*[0-9.,]+)? \s*$""",
    re.VERBOSE,
)


def is_time(row: Row) -> bool:
    """Whether the row's value is cycles, or a time."""
    unit = row.cells["unit"].strip().lower()
    return re.match(r"cycles?\b(?! ?/)", unit) is not None or _unit(row) is not None


def cycles_of(row: Row) -> float:
    """The value in cycles; of a range the first end. Times are by the clock that a cell names, or the preset's."""
    value, unit = value_of(row), _unit(row)
    return value if unit is None else positive(value * _SECONDS[unit] * _clock(row), "value")


def _clock(row: Row) -> float:
    """In hertz."""
    named = _CLOCK.search(row.cells["hardware"]) or _CLOCK.search(row.cells["metric"])
    if named is not None:
        return number(named[1], "clock") * (1e6 if named[2].lower() == "mhz" else 1e9)
    wafer = wafer_of(row.cells["hardware"])
    if wafer is None:
        raise UsageError(f"unit is {row.cells['unit'].strip()!r} and no clock is named: expected cycles, or a machine")
    return wafer.clock_hz


def value_of(row: Row) -> float:
    """The row's number; of a range the first end."""
    found = _VALUE.match(row.cells["value"])
    text = re.sub(r"(?<=[0-9])[,_](?=[0-9]{3})", "", found[1]) if found else row.cells["value"]
    return number(text, "value")


def _unit(row: Row) -> str | None:
    found = re.match(r"\s*([a-zµμ]+)\b", row.cells["unit"])
    return found[1] if found and found[1] in _SECONDS else None
