"""Rules about tasks and structured control: does all code run, and does it nest?"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np

from wse_sim.errors import ProgramError
from wse_sim.program.fabric import Color
from wse_sim.program.facts import Facts, at, pe_text, problem
from wse_sim.program.instruction import Control, Mark, Task
from wse_sim.program.program import Placed, Role

MOST_TASKS = 62


def tasks_are_few(facts: Facts) -> None:
    """A program has no more tasks than a PE has bits for."""
    count = len(facts.program.tasks)
    if count > MOST_TASKS:
        first = facts.program.tasks[MOST_TASKS]
        raise problem(
            ProgramError,
            f"program {facts.program.name!r} has {count} tasks",
            f"task {first!r}, made at {first.where}, is one too many",
            expected=f"at most {MOST_TASKS}",
            advice="let parts of the grid, or phases, share a task",
        )


def named_tasks_have_code(facts: Facts) -> None:
    """A task that a PE activates or unblocks has code there."""
    for role in facts.program.roles:
        deeds = facts.by_role[role.index]
        for task, placed in {**deeds.frees, **deeds.starts}.items():
            if task not in deeds.code:
                elsewhere = facts.everywhere.code.get(task)
                has = f"only where {at(elsewhere)} runs" if elsewhere else "nowhere"
                raise problem(
                    ProgramError,
                    f"`{placed.instruction!r}` names task {task!r}, which has no code on {facts.pes(role)}",
                    f"{at(placed)}; it has code {has}",
                    expected="code of the task on every PE that starts it",
                    advice=f"write it with builder.on(region, {task.name}), or narrow the region that starts it",
                )


def code_is_started(facts: Facts) -> None:
    """A task with code is launched, activated or started by wavelets somewhere."""
    for task, placed in facts.everywhere.code.items():
        if task.trigger is None and task not in facts.program.entries and task not in facts.everywhere.starts:
            raise problem(
                ProgramError,
                f"task {task!r} has code, but nothing ever activates it",
                f"made at {task.where}, code {at(placed)}",
                expected="a start, an activate, a completion or a colour that starts it",
                advice=f"make it with start=True, or write pe.activate({task.name})",
            )


def wavelets_have_one_reader(facts: Facts) -> None:
    """Wavelets of a colour start one task, or are received by operations, but not both on one PE."""
    for role in facts.program.roles:
        deeds = facts.by_role[role.index]
        started: dict[Color, Task] = {}
        for task, placed in deeds.code.items():
            if task.trigger is None:
                continue
            other = started.setdefault(task.trigger, task)
            if other is not task:
                raise _two_readers(facts, role, task.trigger, f"tasks {other!r} and {task!r}", at(placed))
            if task.trigger in deeds.receives:
                reader = deeds.receives[task.trigger]
                readers = f"task {task!r} and `{reader.instruction!r}`"
                raise _two_readers(facts, role, task.trigger, readers, at(reader))


def _two_readers(facts: Facts, role: Role, color: Color, readers: str, where: str) -> ProgramError:
    return problem(
        ProgramError,
        f"colour {color!r} has two readers on {facts.pes(role)}, {readers}",
        where,
        expected="one task, or operations only",
        advice="use a second colour, or read all of it in the operations of a task that is activated",
    )


def control_nests(facts: Facts) -> None:
    """Loops and branches of a task nest and end on every PE."""
    program = facts.program
    marks = [i for i, p in enumerate(program.placed) if isinstance(p.instruction, Control)]
    index = {region: i for i, region in enumerate(program.regions)}
    regions = np.array([index[program.placed[i].region] for i in marks], np.int64)
    tasks = np.array([program.placed[i].task.id for i in marks], np.int64)
    seen = set()
    for role in program.roles:
        inside = np.zeros(len(program.regions), np.bool_)
        inside[list(program.regions_of(role))] = True
        here = inside[regions]
        for task in np.unique(tasks[here]).tolist():
            key = (task, frozenset(regions[here & (tasks == task)].tolist()))
            if key not in seen:
                seen.add(key)
                found = np.flatnonzero(here & (tasks == task)).tolist()
                _nest(role, [program.placed[marks[i]] for i in found])


def _nest(role: Role, code: list[Placed]) -> None:
    """Walks the loops and branches of one task on one PE."""
    opened: list[tuple[Placed, Mark]] = []
    for placed in code:
        control = placed.instruction
        assert isinstance(control, Control)
        if control.mark in (Mark.LOOP, Mark.WHEN):
            opened.append((placed, control.mark))
            continue
        last, mark = opened.pop() if opened else (None, None)
        if mark not in _CLOSED_BY[control.mark] or not _same_register(control, last):
            raise _crossed(role, placed, last)
        if control.mark is Mark.OTHERWISE and last is not None:
            opened.append((last, Mark.OTHERWISE))
    if opened:
        placed = opened[-1][0]
        raise problem(
            ProgramError,
            f"`{placed.instruction!r}` has no end on {pe_text(role.example)}",
            at(placed),
            expected="an end on the same PEs",
            advice="write loops and branches with `with`",
        )


_CLOSED_BY: dict[Mark, tuple[Mark, ...]] = {
    Mark.END_LOOP: (Mark.LOOP,),
    Mark.OTHERWISE: (Mark.WHEN,),
    Mark.END_WHEN: (Mark.WHEN, Mark.OTHERWISE),
}


def _same_register(end: Control, begin: Placed | None) -> bool:
    """True unless a loop ends with another counter than it began with."""
    if end.mark is not Mark.END_LOOP or begin is None or not isinstance(begin.instruction, Control):
        return True
    return end.register is begin.instruction.register


def _crossed(role: Role, placed: Placed, last: Placed | None) -> ProgramError:
    inside = f"inside `{last.instruction!r}` of {last.where}" if last else "outside all loops and branches"
    return problem(
        ProgramError,
        f"`{placed.instruction!r}` {inside} on {pe_text(role.example)}",
        at(placed),
        expected="loops and branches that nest on every PE",
        advice="write them with `with`, and `otherwise` on no more PEs than its `when`",
    )


RULES: tuple[Callable[[Facts], None], ...] = (
    tasks_are_few,
    named_tasks_have_code,
    code_is_started,
    wavelets_have_one_reader,
    control_nests,
)
