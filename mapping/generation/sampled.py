"""Sampled fidelity: of layers that are alike, few are simulated; the rest of a run is composed from them.

Timing depends on no value, so weights are not needed. A program of two layers or more is run, and the last two of them
are measured on the way: each PE's counters from where it enters a layer to where it leaves it. Later layers go like
these, if

* each section, and each PE, did the same in both, in as many cycles of each state, waits left out;
* one of them took every PE the same cycles, so that the next was entered as it was, only later, and as many words were
  on their way to each queue at its end as at its beginning. It is the one to compose from.

Else the program is run with one layer more, until none is left to compose.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace

import numpy as np

from wse_sim.engine.machine import Machine
from wse_sim.hardware import Wafer
from wse_sim.hardware.states import FABRIC, IDLE, WEIGHTS, State
from wse_sim.program.program import Program
from wse_sim.report.breakdown import kernel_of, phase_of
from wse_sim.report.compose import extended
from wse_sim.report.report import Report

Make = Callable[[int], Program]
Step = Callable[[Machine], int]
"""Launches once, and gives the cycles."""
WAITS = (*FABRIC, *WEIGHTS, *IDLE, State.SLOT_WAIT)
"""States that depend on when others come, and so on what a layer begins after."""


def sampled(
    make: Make, layers: int, wafer: Wafer, steps: Sequence[Step], *, engine: str = "auto", threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> Report:
    """Of steps of a program that `make` makes of a number of layers, for `layers` of them.

    Its sections call them `layer 0`, `layer 1` and so on. SRAM is that of the layers simulated; the provenance says
    what was composed. `progress` gets the steps done of a run, and the cycles of the last.
    """
    def run(count: int, measured: tuple[str, ...] = ()) -> Machine | None:
        """None if none of the measured layers can be the one to compose from."""
        machine = Machine(make(count), wafer, engine=engine, threads=threads, values=False, phases=measured)
        for done, step in enumerate(steps, 1):
            cycles = step(machine)
            if progress is not None:
                progress(done, cycles)
            if measured and not any(map(machine.is_even, measured)):
                return None
        return machine

    for count in range(2, layers):
        last = f"layer {count - 2}", f"layer {count - 1}"
        machine = run(count, last)
        found = None if machine is None else _composed(machine, last, count, layers)
        if found is not None:
            return found
        del machine  # before there is another
    whole = run(layers)
    assert whole is not None
    return _stated(whole.report(), "all layers simulated")


def _composed(machine: Machine, last: tuple[str, str], count: int, layers: int) -> Report | None:
    """Of a run of `count` layers whose last two are measured; None if later ones may go in another way."""
    long = machine.report()
    if not (_same_sections(long, *last) and _same_work(machine, *last)):
        return None
    more = f"layer {count}" if count + 1 == layers else f"layers {count}-{layers - 1}"
    for layer in reversed(last):
        short = machine.report_without_phase(layer)
        if short is None:
            continue
        found = extended(long, short, tuple(f"layer {i}" for i in range(count - 1, layers)))
        if not found.broken_laws():
            return _stated(found, f"{more} composed from {layer}")
    return None


def _same_work(machine: Machine, one: str, other: str) -> bool:
    """Whether each PE did the same in two measured phases, and as fast but for waits."""
    before, here = (np.delete(machine.phase_counts(phase), WAITS, axis=1) for phase in (one, other))
    return np.array_equal(before, here)


def _stated(report: Report, composed: str) -> Report:
    return replace(report, provenance=replace(report.provenance, fidelity="sampled", composed=composed))


def _same_sections(report: Report, one: str, other: str) -> bool:
    """Whether the sections of two phases took the same, waits left out."""
    sections = report.sections
    counts = np.column_stack([np.delete(sections.cycles, WAITS, axis=1), sections.operations, sections.wavelets])
    found: dict[str, dict[str, list[int]]] = {one: {}, other: {}}
    for name, count in zip(sections.names, counts.tolist(), strict=True):
        if phase_of(name) in found:
            found[phase_of(name)][kernel_of(name)] = count
    return found[one] == found[other]
