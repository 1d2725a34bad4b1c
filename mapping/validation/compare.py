"""Simulates what fits in the time given, and sums up the errors by source."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from statistics import fmean

from wse_sim.errors import FitError, ProgramError, RunError
from wse_sim.mapping.validation.cases import Case, Skipped, cases_of
from wse_sim.mapping.validation.rows import Row


@dataclass(frozen=True)
class Compared:
    """A published figure beside the simulator's; `error` is relative to the published one."""

    source: str
    configuration: str
    measured: float
    simulated: float

    @property
    def error(self) -> float:
        return self.simulated / self.measured - 1


@dataclass(frozen=True)
class Summary:
    """A source's errors, None if no row of it was simulated."""

    mean_abs_error: float | None
    max_abs_error: float | None
    rows: int
    skipped: int


@dataclass(frozen=True)
class Validation:
    """All rows, in their order."""

    rows: tuple[Compared, ...]
    skipped: tuple[Skipped, ...]

    @property
    def sources(self) -> dict[str, Summary]:
        """Errors by source, in the order in which sources come."""
        names = dict.fromkeys(found.source for found in (*self.rows, *self.skipped))
        return {name: self._summary(name) for name in names}

    def _summary(self, source: str) -> Summary:
        errors = [abs(row.error) for row in self.rows if row.source == source]
        skipped = sum(row.source == source for row in self.skipped)
        return Summary(fmean(errors) if errors else None, max(errors, default=None), len(errors), skipped)


def compare(
    rows: Iterable[Row], *, max_seconds: float, progress: Callable[[Compared], None] | None = None
) -> Validation:
    """Rows that take least come first, until their estimated times fill `max_seconds`; the others are skipped.

    The choice depends on the rows alone, not on how fast the computer is.
    """
    found = [case for row in rows for case in cases_of(row)]
    cases = sorted((i for i, case in enumerate(found) if isinstance(case, Case)), key=lambda i: _seconds(found[i]))
    results: dict[int, Compared | Skipped] = {i: case for i, case in enumerate(found) if isinstance(case, Skipped)}
    spent = 0.0
    for i in cases:
        case = found[i]
        if isinstance(case, Skipped):
            continue
        spent += case.seconds
        if spent > max_seconds:
            reason = f"cost: it takes about {case.seconds:.0f} s, and --max-seconds is {max_seconds:g}"
            results[i] = Skipped(case.source, case.configuration, reason)
            continue
        results[i] = _run(case)
        done = results[i]
        if progress is not None and isinstance(done, Compared):
            progress(done)
    ordered = [results[i] for i in range(len(found))]
    return Validation(
        tuple(result for result in ordered if isinstance(result, Compared)),
        tuple(result for result in ordered if isinstance(result, Skipped)),
    )


def _seconds(case: Case | Skipped) -> float:
    return case.seconds if isinstance(case, Case) else 0.0


def _run(case: Case) -> Compared | Skipped:
    """The comparison, or why the configuration cannot be run at all."""
    try:
        return Compared(case.source, case.configuration, case.measured, float(case.simulate()))
    except (FitError, ProgramError, RunError) as error:
        return Skipped(case.source, case.configuration, f"it does not run: {error}")
