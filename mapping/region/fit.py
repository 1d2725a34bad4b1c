"""Does a layout fit the SRAM, and by how much; asked before anything is built."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from functools import lru_cache

from wse_sim.errors import FitError
from wse_sim.hardware import Wafer, f32, i32
from wse_sim.mapping.region.layout import Layout
from wse_sim.mapping.region.prefill import Prefill
from wse_sim.mapping.region.prefill_work import WIDTHS
from wse_sim.mapping.region.resident import Resident
from wse_sim.mapping.region.rounds import make_position, make_rounds, make_taken
from wse_sim.mapping.region.stage import Stage
from wse_sim.program.builder import Builder

LARGEST = 4  # buffers that a message names
COMFORT = 0.5  # of the SRAM: what a grid chosen for the user fills at most
SMALLEST = 12  # PEs a side of a grid chosen for the user


@dataclass(frozen=True)
class Fit:
    """SRAM of a PE.

    needed   bytes from the start of the data area to the end of the last buffer
    limit    bytes there are, code and runtime left out
    buffers  bytes by what they hold, largest first
    """

    needed: int
    limit: int
    buffers: tuple[tuple[str, int], ...]

    @property
    def fits(self) -> bool:
        return self.needed <= self.limit


def fit(layout: Layout, *, mapped: bool = False) -> Fit:
    """Places the buffers of a layout, and nothing else; `mapped` as in `place`."""
    build = Builder(layout.width, layout.height)
    place(build, layout, mapped=mapped)
    sizes: dict[str, int] = {}
    for buffer in build.buffers:
        kind = _kind(buffer.name)
        sizes[kind] = sizes.get(kind, 0) + buffer.nbytes
    ordered = sorted(sizes.items(), key=lambda item: -item[1])
    needed = max(buffer.end for buffer in build.buffers)
    return Fit(needed, layout.wafer.user_sram_bytes, tuple(ordered))


def place(build: Builder, layout: Layout, *, width: int | None = None, mapped: bool = False) -> None:
    """The buffers that a `Decoder` makes; `width` of panels as in `Prefill`.

    mapped  with those that the programs of mappings keep beside
    """
    stage = Stage(build, layout, build.grid) if layout.prompt else None
    if stage is None:
        Resident(build, layout, build.grid)
    if mapped:
        _beside(build, layout)
    if stage is not None:
        Prefill(build, stage, width=width)


def _beside(build: Builder, layout: Layout) -> None:
    """What a mapping's program keeps of its sequences, and where hand-overs arrive."""
    everywhere, sequences = build.grid, layout.sequences
    if layout.prompt:
        make_taken(build, everywhere, sequences)
    elif layout.embedding:
        make_rounds(build, everywhere, layout.batch if layout.streamed else sequences, together=layout.streamed)
    else:
        make_position(build, everywhere, sequences)
    for name in ("count", "rounds", "own", "passed"):  # of hand-overs, at most
        build.buffer(f"handover.{name}", i32, 1, on=everywhere)
    if not layout.whole:
        build.buffer("handover.arrival", layout.dtype, layout.hidden.size, on=everywhere)


def _kind(name: str) -> str:
    """Buffers of all layers together: `h.3.mlp.c_fc.weight` counts as `mlp.c_fc.weight`."""
    parts = name.split(".")
    return ".".join(parts[2:]) if parts[0] == "h" else name


def bytes_needed(layout: Layout, *, narrow: bool = False) -> int:
    """SRAM of the fullest PE of a mapping: layers are alike, so three tell of all; with the widest panels of prefill
    that fit.

    narrow  with the narrowest
    """
    needed = 0
    widths: tuple[int | None, ...] = (WIDTHS[-1:] if narrow else WIDTHS) if layout.prompt else (None,)
    for width in widths:
        needed = bytes_with_panels(layout, width)
        if needed <= layout.wafer.user_sram_bytes:
            break
    return needed


def bytes_with_panels(layout: Layout, width: int | None) -> int:
    """The same with panels of a width; None: of the one that the layout takes, or none."""
    count = len(layout.held)
    if count <= 3:
        return _few(replace(layout, layers=range(count)), width)
    two, three = (_few(replace(layout, layers=range(n)), width) for n in (2, 3))
    return three + (count - 3) * (three - two)


@lru_cache(maxsize=4096)
def _few(layout: Layout, width: int | None) -> int:
    build = Builder(layout.width, layout.height)
    place(build, layout, width=width, mapped=True)
    return max(buffer.end for buffer in build.buffers)


def fits(layout: Layout) -> bool:
    """Whether the buffers end within the SRAM."""
    return bytes_needed(layout) <= layout.wafer.user_sram_bytes


def require_fit(layout: Layout) -> None:
    """FitError with what is missing, what takes the room, and what would fit."""
    _require_room(layout)
    found = fit(layout)
    if found.fits:
        return
    largest = ", ".join(f"{name} {size:,}" for name, size in found.buffers[:LARGEST])
    raise FitError(
        f"{_what(layout)} on {layout.width}x{layout.height} PEs needs {found.needed:,} "
        f"bytes a PE, {found.needed - found.limit:,} more than the {found.limit:,} there are; most of it: {largest}; "
        f"{_advice(layout)}"
    )


def _require_room(layout: Layout) -> None:
    """Refuses at once what is larger than all SRAM of the wafer together, however it is dealt."""
    needed, room = layout.config.parameters.total * layout.dtype.bytes, _room(layout.wafer)
    if needed > room:
        raise FitError(
            f"{_what(layout)} has {needed:,} bytes of weights, but all of {layout.wafer.name} holds {room:,}; "
            f"try {_tries(layout, weights=True)}"
        )


def _room(wafer: Wafer) -> int:
    return wafer.width * wafer.height * wafer.user_sram_bytes


def _what(layout: Layout) -> str:
    together = layout.sequences * layout.batch
    many = f", {together} sequences" if together > 1 else ""
    prompt = f", prompts of {layout.prompt:,} tokens at once" if layout.prompt else ""
    return f"{layout.config.name} in {layout.dtype.name}, {layout.context:,} tokens of context{many}{prompt},"


def _advice(layout: Layout) -> str:
    side, wafer = smallest_side(layout, 1.0), layout.wafer
    if side is not None:
        return f"a grid of {side}x{side} would fit"
    whole = fitting(replace(layout, width=wafer.width, height=wafer.height))
    if fit(whole).fits:
        return f"a grid of {whole.width}x{whole.height} would fit"
    return f"all of {wafer.name} is too small: try {_tries(layout)}"


def _tries(layout: Layout, *, weights: bool = False) -> str:
    """What takes less room; `weights` if only what makes these smaller helps."""
    lighter = {
        "--dtype f16": layout.dtype is f32,
        "fewer sequences": not weights and layout.sequences * layout.batch > 1,
        "prompts that are shorter or taken token by token": not weights and layout.prompt > 0,
        "a shorter --context": not weights,
    }
    return ", ".join([*(name for name, helps in lighter.items() if helps), "or a smaller model"]).removeprefix("or ")


def comfortable(layout: Layout) -> Layout:
    """The layout on a square that it fills to no more than half, else on the smallest that it fits, else on all PEs."""
    wafer, side = layout.wafer, None
    room = layout.config.parameters.total * layout.dtype.bytes <= _room(layout.wafer)
    if room:
        side = smallest_side(layout, COMFORT, low=SMALLEST) or smallest_side(layout, 1.0)
    if side is None:
        return fitting(replace(layout, width=wafer.width, height=wafer.height)) if room else layout
    return replace(layout, width=side, height=side)


def fitting(layout: Layout) -> Layout:
    """The first that fits: as it is, lying on its side, tight, both; the layout as it is if none does."""
    for candidate in _denser(layout):
        if fit(candidate).fits:
            return candidate
    return layout


def _denser(layout: Layout) -> Iterator[Layout]:
    turned = replace(layout, width=layout.height, height=layout.width)
    upright_and_turned = (layout,) if layout.width == layout.height else (layout, turned)
    yield from upright_and_turned
    if not layout.prompt:
        yield from (replace(each, tight=True) for each in upright_and_turned if each.spare)


def smallest_side(layout: Layout, share: float, *, low: int = 1) -> int | None:
    """Side of the smallest square, from `low` on, that fits in a share of the SRAM, by bisection; None: none."""
    high = min(layout.wafer.width, layout.wafer.height)

    def fits(side: int) -> bool:
        found = fit(replace(layout, width=side, height=side))
        return found.needed <= share * found.limit

    if high < low or not fits(high):
        return None
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if fits(middle) else (middle + 1, high)
    return low
