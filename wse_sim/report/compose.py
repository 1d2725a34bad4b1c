"""A report of a longer run, composed from two of shorter ones."""

from __future__ import annotations

from dataclasses import fields, replace
from itertools import groupby
from typing import TypeVar

import numpy as np

from wse_sim.report.breakdown import phase_of
from wse_sim.report.grids import Counts
from wse_sim.report.parts import UNKNOWN, Part, Sections, Work
from wse_sim.report.report import Report

P = TypeVar("P", bound=Part)


def extended(long: Report, short: Report, phases: tuple[str, ...]) -> Report:
    """What `long` would be with more phases like the first of `phases`, which it has and `short` has not.

    phases  the one to repeat, and the names of those that follow it in place
    Counts of each PE, link and section grow by what the phase took, for each repetition; times of sections move on.
    """
    times = len(phases) - 1
    launches = tuple(a + times * (a - b) for a, b in zip(long.launches, short.launches, strict=True))
    return replace(
        long,
        cycles=sum(launches),
        launches=launches,
        states=_grown(long.states, short.states, times),
        sections=_sections(long, short, launches, phases),
        links=_counts(long.links, short.links, times),
        sram=_counts(long.sram, short.sram, times, keep=("peak",)),
        work=_work(long.work, short.work, times),
    )


def _grown(long: Counts, short: Counts, times: int) -> Counts:
    return long + times * (long - short)


def _counts(long: P, short: P, times: int, keep: tuple[str, ...] = ()) -> P:
    """A part whose arrays have grown."""
    arrays = {
        f.name: _grown(getattr(long, f.name), getattr(short, f.name), times)
        for f in fields(long)
        if f.name not in keep and isinstance(getattr(long, f.name), np.ndarray)
    }
    return replace(long, **arrays)


def _work(long: Work, short: Work, times: int) -> Work:
    before = short.by_operation
    by_operation = {name: n + times * (n - before.get(name, 0)) for name, n in long.by_operation.items()}
    return replace(
        _counts(long, short, times),
        by_operation=by_operation,
        streamed_bytes=long.streamed_bytes + times * (long.streamed_bytes - short.streamed_bytes),
        stream_cycles=long.stream_cycles + times * (long.stream_cycles - short.stream_cycles),
    )


def _sections(long: Report, short: Report, launches: tuple[int, ...], phases: tuple[str, ...]) -> Sections:
    sections = long.sections
    repeated = {i for i, name in enumerate(sections.names) if phase_of(name) == phases[0]}
    places = []  # of each section: that in `long`, and how many of the new phases are before it
    for run in _runs(len(sections.names), repeated):
        times = range(len(phases)) if run[0] in repeated else [(run[0] > max(repeated)) * (len(phases) - 1)]
        places += [(i, count) for count in times for i in run]
    index, moved = np.array(places).T
    names = [sections.names[i] for i in index]
    for place, (i, count) in enumerate(places):
        if i in repeated:
            names[place] = names[place].replace(phases[0], phases[count], 1)

    def later(cycles: Counts) -> Counts:
        begun_before_it = (moved == 0) & (cycles[index] > cycles[list(repeated)].max())  # and goes on after the phase
        added = np.where(begun_before_it, len(phases) - 1, moved)
        return _later(cycles[index], added, np.array(long.launches), np.array(short.launches), np.array(launches))

    return Sections(
        names=tuple(names),
        cycles=sections.cycles[index],
        operations=sections.operations[index],
        wavelets=sections.wavelets[index],
        sram_bytes=sections.sram_bytes[index],
        streamed_bytes=sections.streamed_bytes[index],
        first=later(sections.first),
        last=later(sections.last),
        boxes=sections.boxes[index],
    )


def _runs(length: int, chosen: set[int]) -> list[list[int]]:
    """Numbers below a length, cut where chosen ones begin or end."""
    return [list(run) for _, run in groupby(range(length), chosen.__contains__)]


def _later(cycles: Counts, added: Counts, long: Counts, short: Counts, launches: Counts) -> Counts:
    """Cycles of the longer run, moved on by the phases `added` before them in their own launch and by launches before.

    long, short, launches  lengths of the launches of the two runs, and of the composed one
    """
    launch = np.searchsorted(np.cumsum(long), cycles, side="left").clip(0, len(long) - 1)
    begin, begins = (np.cumsum(lengths) - lengths for lengths in (long, launches))
    moved = cycles - begin[launch] + begins[launch] + added * (long - short)[launch]
    return np.where(cycles == UNKNOWN, UNKNOWN, moved)
