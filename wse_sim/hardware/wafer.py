"""`Wafer`: the machine as frozen data, every number with its origin."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from functools import cached_property, lru_cache
from typing import Any

from wse_sim.hardware import checks
from wse_sim.hardware.describe import describe, describe_html
from wse_sim.hardware.dtypes import DType
from wse_sim.hardware.frozen import FrozenMap
from wse_sim.hardware.geometry import Grid, Region
from wse_sim.hardware.operations import OTHER, VectorOperation, mnemonic
from wse_sim.hardware.origin import Origin, override

Rate = tuple[int, int]
"""(elements per group, cycles per group)."""


def _info(group: str, unit: str, meaning: str, minimum: int = 0) -> dict[str, Any]:
    return {"group": group, "unit": unit, "meaning": meaning, "minimum": minimum}


@dataclass(frozen=True, kw_only=True, repr=False)
class Wafer:
    """A wafer-scale engine. Times are whole cycles, sizes whole bytes, energies whole femtojoules per event.

    `origins` holds where each field's number comes from; `with_` makes a changed copy; `describe` prints all.
    """

    # fmt: off
    name: str = field(metadata=_info("grid", "", "name of the machine"))
    width: int = field(metadata=_info("grid", "PEs", "usable columns", 1))
    height: int = field(metadata=_info("grid", "PEs", "usable rows", 1))
    clock_hz: int = field(metadata=_info("grid", "Hz", "clock; cycles do not depend on it", 1))

    sram_bytes: int = field(metadata=_info("memory", "bytes", "SRAM of a PE", 1))
    sram_reserve_bytes: int = field(metadata=_info("memory", "bytes", "SRAM that code and runtime take"))
    banks: int = field(metadata=_info("memory", "banks", "single-ported SRAM banks of a PE", 1))
    bank_bytes: int = field(metadata=_info("memory", "bytes", "size of a bank", 1))
    bank_interleave_bytes: int = field(metadata=_info(
        "memory", "bytes", "words of this size lie in consecutive banks: bank = address // this % banks", 1))
    read_conflict_modulo: int = field(metadata=_info(
        "memory", "banks", "two reads of a cycle conflict where they touch banks equal modulo this", 1))
    read_port_bytes: int = field(metadata=_info("memory", "bytes", "width of each of the two SRAM read ports", 1))
    read_bytes_per_cycle: int = field(metadata=_info("memory", "bytes/cycle", "sustained SRAM reads, all ports", 1))
    write_bytes_per_cycle: int = field(metadata=_info("memory", "bytes/cycle", "sustained SRAM writes", 1))
    bank_conflict_cycles: int = field(metadata=_info(
        "memory", "cycles", "added by a bank conflict to a group of elements"))
    pending_write_cycles: int = field(metadata=_info(
        "memory", "cycles", "added to a group of elements that reads a bank with a pending write"))

    colors: int = field(metadata=_info("fabric", "colours", "routable colours of a router", 1))
    reserved_colors: tuple[int, ...] = field(metadata=_info("fabric", "colours", "colours that the host link takes"))
    input_queue_depths: tuple[int, ...] = field(metadata=_info("fabric", "wavelets", "depth of each input queue", 1))
    output_queue_depths: tuple[int, ...] = field(metadata=_info("fabric", "wavelets", "depth of each output queue", 1))
    router_buffer: int = field(metadata=_info("fabric", "wavelets", "router buffer of one colour and input port", 1))
    hop_cycles: int = field(metadata=_info("fabric", "cycles", "router -> visible to the next router", 1))
    die_columns: tuple[int, ...] = field(metadata=_info(
        "fabric", "columns", "first column of each die but the first", 1))
    die_rows: tuple[int, ...] = field(metadata=_info("fabric", "rows", "first row of each die but the first", 1))
    die_crossing_cycles: int = field(metadata=_info("fabric", "cycles", "added to a hop from die to die"))
    ramp_out_cycles: int = field(metadata=_info("fabric", "cycles", "element executed -> visible to its own router", 1))
    ramp_in_cycles: int = field(metadata=_info("fabric", "cycles", "router -> datapath, where it may execute", 1))
    stream_pause_wavelets: int = field(metadata=_info(
        "fabric", "wavelets", "a stream operation pauses for a cycle after each so many; 0: never"))

    filters: int = field(metadata=_info("fabric", "filters", "colours of which a PE may take a part of the wavelets"))

    microthreads: int = field(metadata=_info("issue", "slots", "background slots", 1))
    registers: int = field(metadata=_info("issue", "registers", "32-bit registers; spilling is not modelled", 1))
    dsr_load_cycles: int = field(metadata=_info("issue", "cycles", "load of one operand's descriptor"))
    op_start_cycles: int = field(metadata=_info(
        "issue", "cycles", "idle between the last descriptor load and the first element group"))
    async_issue_cycles: int = field(metadata=_info("issue", "cycles", "issue of an operation to a background slot"))
    map_start_cycles: int = field(metadata=_info(
        "issue", "cycles", "idle between the last descriptor load and the first step of a map"))
    map_step_cycles: int = field(metadata=_info("issue", "cycles", "least cycles of a step of a map"))
    map_gap_cycles: int = field(metadata=_info(
        "issue", "cycles", "least cycles of a step of a map besides those of its elements"))
    loop_start_cycles: int = field(metadata=_info("issue", "cycles", "entry of a counted loop"))
    loop_edge_cycles: int = field(metadata=_info("issue", "cycles", "back edge of a counted loop"))
    branch_taken_cycles: int = field(metadata=_info("issue", "cycles", "branch that jumps"))
    branch_not_taken_cycles: int = field(metadata=_info("issue", "cycles", "branch that falls through"))
    task_switch_cycles: int = field(metadata=_info("issue", "cycles", "task picked -> its first instruction issues"))
    completion_cycles: int = field(metadata=_info("issue", "cycles", "last element -> completion action visible"))
    task_control_cycles: int = field(metadata=_info("issue", "cycles", "activate, block or unblock"))
    reroute_cycles: int = field(metadata=_info("issue", "cycles", "rewrite of a route at run time"))

    scalar_int_cycles: int = field(metadata=_info("scalar code", "cycles", "integer operation, move"))
    scalar_float_cycles: int = field(metadata=_info("scalar code", "cycles", "float add, multiply, compare, convert"))
    scalar_memory_cycles: int = field(metadata=_info("scalar code", "cycles", "load or store of one element"))
    scalar_divide_cycles: int = field(metadata=_info("scalar code", "cycles", "division, remainder, reciprocal"))
    scalar_sqrt_cycles: int = field(metadata=_info("scalar code", "cycles", "square root, and its reciprocal"))
    scalar_exp_cycles: int = field(metadata=_info("scalar code", "cycles", "exponential"))
    scalar_tanh_cycles: int = field(metadata=_info("scalar code", "cycles", "hyperbolic tangent"))
    scalar_erf_cycles: int = field(metadata=_info("scalar code", "cycles", "error function"))
    half_function_percent: int = field(metadata=_info(
        "scalar code", "%", "cycles of a vector operation's function on f16, of those on f32", 1))
    clock_cycles: int = field(metadata=_info("scalar code", "cycles", "read of the cycle counter"))

    rates: Mapping[str, Rate] = field(metadata=_info(
        "vector rates", "elements, cycles", "SIMD group of each vector instruction, before port limits"))

    host_bytes_per_second: int = field(metadata=_info("host", "bytes/s", "host link, each way", 1))
    host_channels: int = field(metadata=_info(
        "host", "channels", "channels of copies between launches, one wavelet per cycle each", 1))
    io_channels: int = field(metadata=_info(
        "host", "channels", "I/O channels of host streams, each with an equal share of the link and of an edge", 1))
    io_edges: tuple[int, ...] = field(metadata=_info(
        "host", "ports", "edges at which the I/O channels enter, the same number at each"))

    energy_f16_op_fj: int = field(metadata=_info("energy", "fJ", "element of f16 or 16-bit arithmetic"))
    energy_f32_op_fj: int = field(metadata=_info("energy", "fJ", "element of f32 or 32-bit arithmetic"))
    energy_sram_read_fj: int = field(metadata=_info("energy", "fJ", "64-bit SRAM read"))
    energy_sram_write_fj: int = field(metadata=_info("energy", "fJ", "64-bit SRAM write"))
    energy_hop_fj: int = field(metadata=_info("energy", "fJ", "wavelet over a link, router and wire"))
    energy_ramp_fj: int = field(metadata=_info("energy", "fJ", "wavelet over a ramp"))
    energy_control_fj: int = field(metadata=_info("energy", "fJ", "issue and control, per busy cycle of a PE"))
    energy_static_fj: int = field(metadata=_info("energy", "fJ", "idle machine, per PE and cycle"))
    # fmt: on

    origins: Mapping[str, Origin]

    def __post_init__(self) -> None:
        object.__setattr__(self, "rates", FrozenMap(self.rates))
        object.__setattr__(self, "origins", FrozenMap(self.origins))
        checks.check(self)

    # -- changes ----------------------------------------------------------------------------------

    def with_(self, **overrides: object) -> Wafer:
        """A copy with some fields changed, their origin `override`.

        `rates` takes only the mnemonics to change. Raises UsageError that names an unknown field or a bad value.
        """
        checks.known(overrides)
        changes: dict[str, Any] = dict(overrides)
        before = {name: getattr(self, name) for name in changes if name != "name"}
        if "rates" in changes:
            changes["rates"] = checks.merged_rates(self.rates, changes["rates"])
            before["rates"] = {name: rate for name, rate in self.rates.items() if rate != changes["rates"][name]}
        marks = {name: override(f"was {value}") for name, value in before.items()}
        return replace(self, **changes, origins={**self.origins, **marks})

    def crop(self, width: int, height: int) -> Wafer:
        """A wafer as large as a corner of this one, for shorter runs: its rim has all of the host link's channels.

        Raises UsageError if larger than the wafer.
        """
        checks.fits(self, width, height)
        marks = {
            n: override(f"a corner of the {self.width} x {self.height} {self.name}") for n in ("width", "height")
        }
        return replace(self, width=width, height=height, origins={**self.origins, **marks})

    # -- questions --------------------------------------------------------------------------------

    @property
    def grid(self) -> Region:
        """All PEs."""
        return Grid(self.width, self.height)

    def holds(self, width: int, height: int) -> bool:
        """Whether a rectangle has room, upright or lying on its side: only names tell the axes apart."""
        return sorted((width, height)) <= sorted((self.width, self.height)) and max(width, height) <= max(
            self.width, self.height
        )

    def lies(self, width: int, height: int) -> bool:
        """Whether a rectangle has no room upright, so that its columns lie along the wafer's rows."""
        return width > self.width or height > self.height

    def dies(self, width: int, height: int) -> tuple[tuple[int, ...], tuple[int, ...]]:
        """First columns and first rows of dies that begin within a rectangle, as it counts its own."""
        edges = (self.die_columns, self.die_rows)
        columns, rows = reversed(edges) if self.lies(width, height) else edges
        return tuple(e for e in columns if e < width), tuple(e for e in rows if e < height)

    @property
    def user_sram_bytes(self) -> int:
        """SRAM of a PE left for buffers."""
        return self.sram_bytes - self.sram_reserve_bytes

    @property
    def user_colors(self) -> tuple[int, ...]:
        """Colours that programs may use."""
        return tuple(c for c in range(self.colors) if c not in self.reserved_colors)

    def __hash__(self) -> int:
        return self._hash

    @cached_property
    def _hash(self) -> int:
        """Of the integers alone, once: closed forms ask for it again and again, and other processes find the same."""
        values = (getattr(self, each.name) for each in fields(self))
        return hash(tuple(value for value in values if isinstance(value, int)))

    def seconds(self, cycles: int) -> float:
        """Cycles over the preset clock."""
        return cycles / self.clock_hz

    def rate(self, operation: VectorOperation, destination: DType, source: DType) -> Rate:
        """(elements, cycles) of one SIMD group; the SRAM ports may slow it further.

        source  type of the first source operand
        Raises ProgramError if the operation does not work on such elements.
        """
        return _rate(self, operation, destination, source)

    def step_cycles(self, elements: int) -> int:
        """Cycles of a step of a map whose elements take so many."""
        return max(elements + self.map_gap_cycles, self.map_step_cycles)

    # -- origins ----------------------------------------------------------------------------------

    def assumed(self) -> tuple[str, ...]:
        """Fields whose numbers are guesses."""
        return tuple(n for n, origin in self.origins.items() if origin.kind == "assumed")

    def overridden(self) -> tuple[str, ...]:
        """Fields that `with_` or `crop` changed."""
        return tuple(n for n, origin in self.origins.items() if origin.kind == "override")

    def describe(self) -> str:
        """Every number with its unit and the mark of its origin, as text."""
        return describe(self)

    def __repr__(self) -> str:
        changed = ", ".join(f"{name}={getattr(self, name)!r}" for name in self.overridden() if name != "rates")
        return f"<{self.name} {self.width} x {self.height} PEs{'; ' if changed else ''}{changed}>"

    def _repr_html_(self) -> str:
        return describe_html(self)


@lru_cache(maxsize=4096)
def _rate(wafer: Wafer, operation: VectorOperation, destination: DType, source: DType) -> Rate:
    """`Wafer.rate`, remembered: closed forms ask again and again."""
    operation.require(destination)
    operation.require(source)
    if operation.cost is not None:
        share = wafer.half_function_percent if destination.bytes == 2 else 100
        return 1, max(1, wafer.step_cycles(-(-getattr(wafer, operation.cost) * share // 100)))
    return wafer.rates.get(mnemonic(operation, destination, source), wafer.rates[OTHER])
