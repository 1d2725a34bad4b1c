"""A program as text, for eyes, for golden tests and for its hash."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from wse_sim.program.instruction import Control, Mark, Task
from wse_sim.program.program import Placed, Program

_OPENS = {Mark.LOOP, Mark.WHEN}
_CLOSES = {Mark.END_LOOP, Mark.END_WHEN}
_COMMENT = 72  # column of the source places


def listing(program: Program, *, source: bool = False) -> str:
    """Arguments, buffers, routes and the code of each task, instructions grouped by the region that runs them.

    source  adds file:line to each route and instruction
    """
    count = len(program.roles)
    lines = [f"program {program.name}: {program.width} x {program.height} PEs in {count} role{'s' * (count != 1)}"]
    for title, part in (
        ("arguments", _arguments(program)),
        ("buffers: address, name, type, bytes, PEs", _buffers(program)),
        ("routes: colour, PEs, input >> outputs", _routes(program, source)),
        ("host streams: name, colour, PEs, side", _streams(program, source)),
        ("filters: colour, PEs, wavelets taken", _filters(program, source)),
    ):
        if part:
            lines += ["", title, *part]
    by_task: dict[Task, list[Placed]] = {}
    for placed in program.placed:
        by_task.setdefault(placed.task, []).append(placed)
    for task in program.tasks:
        lines += ["", _task(program, task), *_code(program, by_task.get(task, []), source)]
    return "\n".join(line.rstrip() for line in lines) + "\n"


def _arguments(program: Program) -> list[str]:
    return _table([(repr(register), name) for name, register in program.arguments.items()], "<<")


def _buffers(program: Program) -> list[str]:
    rows = [
        (
            str(b.address), b.name, f"{b.dtype.name}[{b.length}]", str(b.nbytes), repr(b.region),
            ("initial values" if b in program.initial else "") + (" released" if b in program.released else ""),
        )
        for b in program.buffers
    ]  # fmt: skip
    return _table(rows, "><<><<")


def _routes(program: Program, source: bool) -> list[str]:
    """Routes in the order of painting; a colour is named where it changes."""
    rows, last = [], None
    for paint in program.routes:
        name = paint.color.name if paint.color is not last else ""
        rows.append((name, repr(paint.region), repr(paint.route)))
        last = paint.color
    lines = _table(rows, "<<<")
    return [_with_source(line, p.where if source else "") for line, p in zip(lines, program.routes, strict=True)]


def _streams(program: Program, source: bool) -> list[str]:
    rows = [(s.name, s.color.name, repr(s.region), f"from the {s.side}") for s in program.streams]
    lines = _table(rows, "<<<<")
    return [_with_source(line, s.where if source else "") for line, s in zip(lines, program.streams, strict=True)]


def _filters(program: Program, source: bool) -> list[str]:
    rows = []
    for made in program.filters:
        low, high = int(made.first.min()), int(made.first.max())
        first = f"from {low}" if low == high else f"from {low}..{high} by PE"
        rows.append((made.color.name, repr(made.region), f"{made.keep} of {made.of}, {first}"))
    lines = _table(rows, "<<<")
    return [_with_source(line, f.where if source else "") for line, f in zip(lines, program.filters, strict=True)]


def _task(program: Program, task: Task) -> str:
    text = f"task {task.id} {task!r}"
    text += f", each wavelet of {task.trigger!r} in {task.argument!r}" if task.trigger else ""
    text += f", starts on {program.entries[task]!r}" if task in program.entries else ""
    return text + (f", blocked on {program.blocked[task]!r}" if task in program.blocked else "")


def _code(program: Program, code: list[Placed], source: bool) -> Iterator[str]:
    region, section, depth = None, 0, 0
    for item in code:
        if item.region is not region or item.section != section:
            region, section = item.region, item.section
            yield f"  {region!r}" + (f"  ; {program.sections[section]}" if section else "")
        mark = item.instruction.mark if isinstance(item.instruction, Control) else None
        depth -= mark in _CLOSES
        indent = max(0, depth - (mark is Mark.OTHERWISE))
        yield _with_source("  " * (indent + 2) + repr(item.instruction), item.where if source else "")
        depth += mark in _OPENS


def _table(rows: Sequence[tuple[str, ...]], align: str) -> list[str]:
    """Rows with columns of one width, `<` left or `>` right."""
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    return [
        "  " + "  ".join(f"{cell:{side}{width}}" for cell, side, width in zip(row, align, widths, strict=True))
        for row in rows
    ]


def _with_source(line: str, where: str) -> str:
    return f"{line:{_COMMENT}}  ; {where}" if where else line
