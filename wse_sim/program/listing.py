"""A program as text, for eyes, for golden tests and for its hash."""

from __future__ import annotations

from collections.abc import Iterator

from wse_sim.program.instruction import Control, Mark
from wse_sim.program.program import Placed, Program

_OPENS = {Mark.LOOP, Mark.WHEN}
_CLOSES = {Mark.END_LOOP, Mark.END_WHEN}


def listing(program: Program) -> str:
    """Buffers, routes and the code of each task, instructions grouped by the region that runs them."""
    lines = [f"program {program.name}  {program.width} x {program.height} PEs", ""]
    lines += [f"argument {r!r} = {name}" for name, r in program.arguments.items()]
    for buffer in program.buffers:
        lines.append(f"buffer {buffer!r} at {buffer.address} on {buffer.region!r}")
    for paint in program.routes:
        lines.append(f"route {paint.color!r} {paint.region!r}: {paint.route}")
    for task in program.tasks:
        lines += ["", *_task_header(program, task.name), *_code(program, [p for p in program.placed if p.task is task])]
    return "\n".join(lines) + "\n"


def _task_header(program: Program, name: str) -> Iterator[str]:
    task = next(t for t in program.tasks if t.name == name)
    text = f"task {task!r}"
    text += f" on wavelet {task.trigger!r}" if task.trigger else ""
    text += f" starts {program.entries[task]!r}" if task in program.entries else ""
    text += f" blocked {program.blocked[task]!r}" if task in program.blocked else ""
    yield text


def _code(program: Program, placed: list[Placed]) -> Iterator[str]:
    region, section, depth = None, None, 1
    for item in placed:
        if item.region is not region or item.section != section:
            region, section = item.region, item.section
            yield f"  {region!r}  ; {program.sections[section]}"
        mark = item.instruction.mark if isinstance(item.instruction, Control) else None
        if mark in _CLOSES:
            depth -= 1
        outdent = 1 if mark is Mark.OTHERWISE else 0
        yield "  " * (depth + 1 - outdent) + repr(item.instruction)
        if mark in _OPENS:
            depth += 1
