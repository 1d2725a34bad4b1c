"""Simulates what fits in the time given, and sums up the errors by source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import fmean
from time import monotonic

from wse_sim.errors import WseError
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
        names = dict.fromkeys([*(row.source for row in self.rows), *(row.source for row in self.skipped)])
        return {name: self._summary(name) for name in names}

    def _summary(self, source: str) -> Summary:
        errors = [abs(row.error) for row in self.rows if row.source == source]
        skipped = sum(row.source == source for row in self.skipped)
        return Summary(fmean(errors) if errors else None, max(errors, default=None), len(errors), skipped)


def compare(
    rows: Iterable[Row], *, max_seconds: float, progress: Callable[[Compared], None] | None = None,
    clock: Callable[[], float] = monotonic,
) -> Validation:  # fmt: skip
    """Sources share `max_seconds`, their cheapest rows first; what does not fit is skipped.

    Rows are chosen by their estimated times, and fewer where the computer is slower than those; the first row, with
    which the engine may have to be compiled, is not counted.
    """
    found = [case for row in rows for case in cases_of(row)]
    results: dict[int, Compared | Skipped] = {}
    spent = 0.0
    begun: float | None = None
    for i in _cheapest_first(found):
        case = found[i]
        if isinstance(case, Skipped):
            results[i] = case
            continue
        spent = max(spent, 0.0 if begun is None else clock() - begun)
        if spent + case.seconds > max_seconds:
            results[i] = Skipped(case.source, case.configuration, _cost(case, max_seconds))
            continue
        spent += case.seconds
        done = results[i] = _run(case)
        begun = clock() if begun is None else begun
        if progress is not None and isinstance(done, Compared):
            progress(done)
    ordered = [results[i] for i in range(len(found))]
    return Validation(
        tuple(result for result in ordered if isinstance(result, Compared)),
        tuple(result for result in ordered if isinstance(result, Skipped)),
    )


def _cost(case: Case, max_seconds: float) -> str:
    if case.seconds > max_seconds:
        return f"cost: it would take about {case.seconds:.3g} s, more than the {max_seconds:g} s of --max-seconds"
    return (
        f"cost: the {max_seconds:g} s of --max-seconds were used up by cheaper rows; "
        f"it would take about {case.seconds:.3g} s"
    )


def _cheapest_first(found: Sequence[Case | Skipped]) -> list[int]:
    """Indices in the order of the time that a source has used up after each of its cases."""
    used: dict[str, float] = {}
    after: dict[int, float] = {}
    for i in sorted(range(len(found)), key=lambda i: _seconds(found[i])):
        case = found[i]
        after[i] = used[case.source] = used.get(case.source, 0.0) + _seconds(case)
    return sorted(after, key=lambda i: after[i])


def _seconds(case: Case | Skipped) -> float:
    return case.seconds if isinstance(case, Case) else 0.0


def _run(case: Case) -> Compared | Skipped:
    """The comparison, or why the configuration cannot be run at all."""
    try:
        return Compared(case.source, case.configuration, case.measured, float(case.simulate()))
    except WseError as error:
        return Skipped(case.source, case.configuration, f"it does not run: {error}")
