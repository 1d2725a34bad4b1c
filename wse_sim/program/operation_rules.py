"""Rules about one instruction: can the machine do it, with these operands?"""

from __future__ import annotations

from collections.abc import Callable, Iterator

from wse_sim.errors import ProgramError
from wse_sim.hardware.dtypes import DType, f32, i32
from wse_sim.hardware.operations import VectorCode
from wse_sim.program.fabric import Color
from wse_sim.program.facts import Facts, at, problem
from wse_sim.program.instruction import Scalar, Vector, views
from wse_sim.program.memory import Each, View
from wse_sim.program.program import Placed
from wse_sim.program.register import Register


def _refuse(placed: Placed, what: str, *, expected: str, advice: str) -> ProgramError:
    where = f"`{placed.instruction!r}` {at(placed)}"
    return problem(ProgramError, what, where, expected=expected, advice=advice)


# -- streams and maps -----------------------------------------------------------------------------------


def one_input_stream(facts: Facts) -> None:
    """An operation reads one stream at most."""
    for placed, op in facts.vectors:
        if isinstance(op.a, Color) and isinstance(op.b, Color):
            raise _refuse(
                placed, f"two input streams, {op.a!r} and {op.b!r}",
                expected="one at most", advice="move one of them to memory first",
            )  # fmt: skip


def streams_are_not_destinations_that_are_read(facts: Facts) -> None:
    """An operation that reads its destination does not send to a stream."""
    for placed, op in facts.vectors:
        if op.operation.into and isinstance(op.to, Color):
            raise _refuse(
                placed, f"{op.operation.name} reads its destination, but {op.to!r} is a stream",
                expected="a view as destination", advice="compute in memory, then mov to the colour",
            )  # fmt: skip


def maps_have_no_streams(facts: Facts) -> None:
    """A map works in memory, on the main thread."""
    for placed, op in facts.vectors:
        if not isinstance(op.b, Each):
            continue
        stream = next((x for x in (op.to, op.a) if isinstance(x, Color)), None)
        if stream is not None:
            raise _refuse(
                placed, f"a map with the stream {stream!r}",
                expected="views in memory", advice="mov the stream to or from a buffer",
            )  # fmt: skip
        if op.slot is not None:
            raise _refuse(
                placed, f"a map in background slot {op.slot}",
                expected="maps on the main thread", advice="leave out slot and then",
            )  # fmt: skip


def only_maps_step(facts: Facts) -> None:
    """Views step in maps only, and the view of `each` neither steps nor advances."""
    for placed in facts.program.placed:
        op = placed.instruction
        each = op.b.view if isinstance(op, Vector) and isinstance(op.b, Each) else None
        if each is not None and (each.step or each.advance):
            raise _refuse(
                placed, f"{each!r} of each(...) steps or advances",
                expected="a plain view", advice="give it a stride, and move its register yourself",
            )  # fmt: skip
        if each is None:
            for view in views(op):
                if view.step:
                    raise _refuse(
                        placed, f"{view!r} steps, but this is no map",
                        expected="stepping(...) in a map", advice="use each(...) as b, or .at(..., advance=True)",
                    )  # fmt: skip


# -- types ----------------------------------------------------------------------------------------------


def reductions_end_in_registers(facts: Facts) -> None:
    """A reduction has a register as destination, and no other operation has."""
    for placed, op in facts.vectors:
        name = op.operation.name
        if op.operation.reduces and not isinstance(op.to, Register):
            raise _refuse(
                placed, f"{name} gives one number, but {op.to!r} is no register",
                expected="a register as destination", advice="make one with pe.real() or pe.integer(), store it later",
            )  # fmt: skip
        if isinstance(op.to, Register) and not op.operation.reduces:
            raise _refuse(
                placed, f"{name} gives elements, but {op.to!r} is a register",
                expected="a view or a colour as destination", advice="reduce with sum, dot, max_of or min_of",
            )  # fmt: skip


def floats_and_integers_do_not_mix(facts: Facts) -> None:
    """Operands are all floats or all integers, but for mov, which converts."""
    for placed, op in facts.vectors:
        if op.operation.code is VectorCode.MOV:
            continue
        typed = list(_typed(op))
        kinds = {dtype.is_float for _, dtype in typed}
        if len(kinds) > 1:
            shown = ", ".join(f"{name} {dtype.name}" for name, dtype in typed)
            raise _refuse(
                placed, f"{op.operation.name} mixes floats and integers ({shown})",
                expected="one of the two", advice="convert with mov first, or give carry=",
            )  # fmt: skip


def operations_allow_their_types(facts: Facts) -> None:
    """An operation works on elements of a type that it allows."""
    for placed, op in facts.vectors:
        for name, dtype in _typed(op):
            if not op.operation.allows(dtype):
                kind = "floats" if op.operation.floats else "integers"
                raise _refuse(
                    placed, f"{op.operation.name} on {name}, which holds {dtype.name}",
                    expected=kind, advice="convert with mov first",
                )  # fmt: skip


def numbers_suit_the_types(facts: Facts) -> None:
    """A number with a fraction is no operand of integers."""
    for placed, op in facts.vectors:
        constant = next((x for x in (op.a, op.b) if isinstance(x, float)), None)
        if constant is not None and not all(dtype.is_float for _, dtype in _typed(op)):
            raise _refuse(
                placed, f"the float {constant!r} among integers",
                expected="a whole number, written as int", advice="use a whole number, or floats throughout",
            )  # fmt: skip


def _typed(op: Vector) -> Iterator[tuple[str, DType]]:
    """Operands that have a type, with names: views and registers; streams, and numbers, by what is carried."""
    second = op.b.view if isinstance(op.b, Each) else op.b
    for name, operand in (("to", op.to), ("a", op.a), ("b", second)):
        if isinstance(operand, View):
            yield name, operand.dtype
        elif isinstance(operand, Register):
            yield name, i32 if operand.kind == "int" else f32
        elif isinstance(operand, Color):
            yield name, op.carry
    if any(isinstance(x, int | float) for x in (op.a, op.b)):
        yield "carry", op.carry


# -- lengths and bounds -----------------------------------------------------------------------------------


def views_are_long_enough(facts: Facts) -> None:
    """A view has as many elements as the operation takes."""
    for placed, op in facts.vectors:
        for view in (op.to, op.a, op.b):
            if not isinstance(view, View) or isinstance(op.length, Register) or isinstance(view.length, Register):
                continue
            if view.length < op.length:
                raise _refuse(
                    placed, f"{op.length} elements of {view!r}, which has {view.length}",
                    expected=f"a view of {op.length} or more", advice="lengthen the view or lower n",
                )  # fmt: skip


def views_stay_in_their_buffers(facts: Facts) -> None:
    """Every element lies inside the buffer, whatever n and the steps of a map, as far as they are fixed."""
    for placed in facts.program.placed:
        op = placed.instruction
        if isinstance(op, Vector):
            steps = op.b.view.length if isinstance(op.b, Each) else 1
            if isinstance(op.length, int) and isinstance(steps, int):
                for view in (op.to, op.a, op.b):
                    if isinstance(view, View):
                        _stays_inside(placed, view, op.length, steps)
        elif isinstance(op, Scalar) and op.view is not None:
            _stays_inside(placed, op.view, 1, 1)


def _stays_inside(placed: Placed, view: View, length: int, steps: int) -> None:
    if view.where is not None or not length or not steps:
        return
    low, high = view.extent(length)
    moved = (steps - 1) * view.step
    low, high = low + min(0, moved), high + max(0, moved)
    if low < 0 or high >= view.buffer.length:
        by = f" in {steps} steps of {view.step}" if view.step else ""
        raise _refuse(
            placed, f"{view!r} reaches elements {low}..{high}{by}",
            expected=f"elements 0..{view.buffer.length - 1} of {view.buffer!r}",
            advice="shorten the view, step less, or enlarge the buffer",
        )  # fmt: skip


def buffers_cover_their_users(facts: Facts) -> None:
    """A buffer is there on every PE that uses it."""
    known: dict[tuple[int, int], bool] = {}
    for placed in facts.program.placed:
        for view in views(placed.instruction):
            buffer = view.buffer
            key = (id(buffer), id(placed.region))
            if key not in known:
                known[key] = buffer.region.contains(placed.region)
            if not known[key]:
                raise _refuse(
                    placed, f"buffer {buffer!r} lies on {buffer.region!r} only",
                    expected=f"a buffer on all of {placed.region!r}",
                    advice="narrow the code with pe.on(region), or allocate the buffer there too",
                )  # fmt: skip


RULES: tuple[Callable[[Facts], None], ...] = (
    one_input_stream,
    reductions_end_in_registers,
    streams_are_not_destinations_that_are_read,
    maps_have_no_streams,
    only_maps_step,
    floats_and_integers_do_not_mix,
    operations_allow_their_types,
    numbers_suit_the_types,
    views_are_long_enough,
    views_stay_in_their_buffers,
    buffers_cover_their_users,
)
