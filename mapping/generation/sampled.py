"""Sampled fidelity: of layers that are alike, few are simulated; the rest of a run is composed from them.

Timing depends on no value, so weights are not needed. A program of k + 1 layers is run. Its last layer stands for all
later ones, if it and the one before took the same cycles in every state of every section, a constant time apart: then
each PE enters the next layer as it entered this one, only later. Else more layers are simulated.

What one layer takes is measured on the way: each PE's counters from where it enters the layer to where it leaves it.
That is one between two others if it took every PE the same cycles and its wavelets balance, so that none of the next
layer's were missed or counted in. Else the same program with k layers is run as well, and the difference taken.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from wse_sim.engine.machine import Machine
from wse_sim.hardware import Wafer
from wse_sim.program.program import Program
from wse_sim.report.breakdown import kernel_of, phase_of
from wse_sim.report.compose import extended
from wse_sim.report.report import Report

Make = Callable[[int], Program]
Step = Callable[[Machine], int]
"""Launches once, and gives the cycles."""


def sampled(
    make: Make, layers: int, wafer: Wafer, steps: Sequence[Step], *, engine: str = "auto", threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Of steps of a program that `make` makes of a number of layers, for `layers` of them.

    Its sections call them `layer 0`, `layer 1` and so on. SRAM is that of the layers simulated; the provenance says
    what was composed. `progress` gets the steps done, and the cycles of the last.
    """
    done = 0

    def run(count: int) -> tuple[Report, Report | None]:
        """The report, and the same without its last layer, if that could be measured."""
        nonlocal done
        last = f"layer {count - 1}" if 1 < count < layers else None
        machine = Machine(make(count), wafer, engine=engine, threads=threads, values=False, phase=last)
        for step in steps:
            cycles = step(machine)
            done += 1
            if progress is not None:
                progress(done, cycles)
        return machine.report(), None if last is None else machine.report_without_phase()

    long, short = run(min(2, layers))
    for count in range(2, layers):
        if _steady(long, count - 1):
            found = _composed(long, short, count, layers) or _composed(long, run(count - 1)[0], count, layers)
            if found is not None:
                return found
        long, short = run(count + 1)
    return _stated(long, "all layers simulated")


def _composed(long: Report, short: Report | None, count: int, layers: int) -> Report | None:
    """Of a run of `count` layers, and one of a layer less; None if it breaks a law."""
    if short is None:
        return None
    found = extended(long, short, tuple(f"layer {i}" for i in range(count - 1, layers)))
    if found.broken_laws():
        return None
    more = f"layer {count}" if count + 1 == layers else f"layers {count}-{layers - 1}"
    return _stated(found, f"{more} composed from layer {count - 1}")


def _stated(report: Report, composed: str) -> Report:
    return replace(report, provenance=replace(report.provenance, fidelity="sampled", composed=composed))


def _steady(report: Report, last: int) -> bool:
    """Whether a layer went as the one before it, in each kind of launch."""
    before, here = (_sections_of(report, layer) for layer in (last - 1, last))
    kinds = {_is_prefill(report, i) for i in here}
    return bool(kinds) and all(
        _alike(report, *([i for i in found if _is_prefill(report, i) == kind] for found in (before, here)))
        for kind in kinds
    )


def _is_prefill(report: Report, section: int) -> bool:
    return phase_of(kernel_of(report.sections.names[section])) == "prefill"


def _alike(report: Report, before: list[int], here: list[int]) -> bool:
    """Whether sections took the same a constant time apart: all but the first, which may begin in another way."""
    sections = report.sections
    if len(before) != len(here) or len(here) < 2:
        return False
    pairs = list(zip(before, here, strict=True))[1:]
    before, here = (list(indices) for indices in zip(*pairs, strict=True))
    names = [[kernel_of(sections.names[i]) for i in found] for found in (before, here)]
    counts = (sections.cycles, sections.operations, sections.wavelets)
    apart = [np.unique(at[here] - at[before]) for at in (sections.first, sections.last)]
    return (
        names[0] == names[1]
        and all(np.array_equal(count[here], count[before]) for count in counts)
        and all(len(cycles) == 1 for cycles in apart)
    )


def _sections_of(report: Report, layer: int) -> list[int]:
    """Indices of the sections that a layer came to, the one it began with first."""
    sections = report.sections
    there = (sections.cycles.sum(axis=1) > 0).tolist()
    found = [i for i, name in enumerate(sections.names) if phase_of(name) == f"layer {layer}" and there[i]]
    return sorted(found, key=lambda i: int(sections.first[i]))
