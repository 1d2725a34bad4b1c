"""Rules about size: does the program fit the wafer?"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from itertools import pairwise

import numpy as np

from wse_sim.errors import FitError
from wse_sim.program.fabric import Color
from wse_sim.program.facts import Facts, at, pe_text, problem
from wse_sim.program.instruction import operands
from wse_sim.program.memory import View
from wse_sim.program.program import Placed, Role
from wse_sim.program.register import Register

SHOWN = 5  # buffers or colours that a message names


def the_grid_fits(facts: Facts) -> None:
    """A program's rectangle of PEs is no larger than the wafer, upright or lying on its side."""
    program, wafer = facts.program, facts.wafer
    if not wafer.holds(program.width, program.height):
        raise problem(
            FitError,
            f"program {program.name!r} is larger than the wafer",
            f"{program.width} x {program.height} PEs",
            expected=f"at most {wafer.width} x {wafer.height} on {wafer.name}",
            advice="make the builder's grid smaller or take a larger wafer",
        )


def the_buffers_fit(facts: Facts) -> None:
    """The buffers of a PE end within the SRAM that code and runtime leave."""
    program, limit = facts.program, facts.wafer.user_sram_bytes
    sizes = program.sram_sizes
    over = np.flatnonzero(sizes > limit).tolist()
    if not over:
        return
    worst = program.roles[max(over, key=lambda role: sizes[role])]
    size = program.sram_bytes(worst)
    others = sum(program.roles[role].count for role in over) - 1
    pes = pe_text(worst.example) + (f" and {others} more" if others else "")
    raise problem(
        FitError,
        f"SRAM overflows by {size - limit} bytes on {pes}",
        f"where buffers end at byte {size}",
        expected=f"at most {limit} bytes on {facts.wafer.name}",
        advice=f"largest are {_largest(facts, worst)}; release some, use f16, or spread them over more PEs",
    )


def _largest(facts: Facts, role: Role) -> str:
    """The buffers that take most room on a role, and the room between buffers."""
    program = facts.program
    held = [b for b in program.buffers if b.nbytes and program.covers(role, b.region)]
    held.sort(key=lambda b: -b.nbytes)
    names = [f"{b.name} {b.nbytes}" for b in held[:SHOWN]]
    if len(held) > SHOWN:
        names.append(f"{len(held) - SHOWN} others {sum(b.nbytes for b in held[SHOWN:])}")
    end, gaps = 0, 0
    for buffer in sorted(held, key=lambda b: b.address):
        gaps += max(0, buffer.address - end)
        end = max(end, buffer.end)
    return ", ".join(names) + (f", gaps {gaps}" if gaps else "")


def buffers_do_not_overlap(facts: Facts) -> None:
    """Buffers that are not released lie apart from each other on every PE."""
    program = facts.program
    held = sorted((b for b in program.buffers if b.nbytes and b not in program.released), key=lambda b: b.address)
    table = program.inside[:, program.regions_of_each(held)]
    examples = np.unique(table, axis=0, return_index=True)[1].tolist() if held else []
    for index in examples:
        here = [b for b, inside in zip(held, table[index], strict=True) if inside]
        for low, high in pairwise(here):
            assert low.end <= high.address, f"{low!r} and {high!r} overlap on {pe_text(program.roles[index].example)}"


def the_colors_suffice(facts: Facts) -> None:
    """A program routes no more colours than the wafer leaves to users."""
    used = {paint.color for paint in facts.program.routes}
    for role_routes in facts.routes:
        used.update(route.color for route in role_routes)
    limit = len(facts.wafer.user_colors)
    if len(used) > limit:
        raise problem(
            FitError,
            f"program {facts.program.name!r} routes {len(used)} colours",
            f"which are {_names(used)}",
            expected=f"at most {limit} on {facts.wafer.name}",
            advice="share a colour between parts of the grid, or between phases that do not meet",
        )


def the_queues_suffice(facts: Facts) -> None:
    """A PE receives and sends no more colours than it has queues."""
    sides = (
        ("receives", "input", facts.program.input_queues, facts.wafer.input_queue_depths),
        ("sends", "output", facts.program.output_queues, facts.wafer.output_queue_depths),
    )
    for verb, side, queues, depths in sides:
        for role in facts.program.roles:
            colors = queues(role)
            if len(colors) > len(depths):
                raise problem(
                    FitError,
                    f"{facts.pes(role)} {verb} {len(colors)} colours",
                    f"which are {_names(colors)}",
                    expected=f"at most {len(depths)}, the {side} queues of {facts.wafer.name}",
                    advice="let phases that do not meet share a colour, or spread the work over more PEs",
                )


def _names(colors: Iterable[Color]) -> str:
    ordered = sorted(colors, key=lambda c: c.id)
    more = f" and {len(ordered) - 2 * SHOWN} more" if len(ordered) > 2 * SHOWN else ""
    return ", ".join(c.name for c in ordered[: 2 * SHOWN]) + more


def the_slots_suffice(facts: Facts) -> None:
    """An asynchronous operation names a background slot that the wafer has."""
    limit = facts.wafer.microthreads
    for placed, op in facts.vectors:
        if op.slot is not None and not 0 <= op.slot < limit:
            raise problem(
                FitError,
                f"slot {op.slot} of `{op!r}` does not exist",
                at(placed),
                expected=f"a slot from 0 to {limit - 1} on {facts.wafer.name}",
                advice="reuse a slot: an operation waits until its slot is free",
            )


def the_registers_suffice(facts: Facts) -> None:
    """No PE holds more registers at once than the wafer has."""
    limit = facts.wafer.registers
    if facts.program.registers > limit:
        first = next((p for p in facts.program.placed if _highest(p) >= limit), None)
        raise problem(
            FitError,
            f"program {facts.program.name!r} holds {facts.program.registers} registers at once",
            f"one too many {at(first)}" if first else "arguments included",
            expected=f"at most {limit} on {facts.wafer.name}",
            advice="free some with `with pe.scope():`, or keep values in a buffer",
        )


def _highest(placed: Placed) -> int:
    """Highest register that an instruction names."""
    named: list[object] = []
    for operand in operands(placed.instruction):
        named += [operand.where, operand.length] if isinstance(operand, View) else [operand]
    return max((r.index for r in named if isinstance(r, Register)), default=-1)


RULES: tuple[Callable[[Facts], None], ...] = (
    the_grid_fits,
    the_buffers_fit,
    buffers_do_not_overlap,
    the_colors_suffice,
    the_queues_suffice,
    the_slots_suffice,
    the_registers_suffice,
)
