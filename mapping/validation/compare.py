"""Simulates or composes what fits in the time given, and sums up the errors by source."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from statistics import fmean
from time import monotonic

from wse_sim.engine.machine import Machine
from wse_sim.errors import WseError
from wse_sim.hardware import WSE2, WSE3
from wse_sim.kernels.published import mesh_gemm, two_phase
from wse_sim.mapping.validation.cases import Case, Skipped, cases_of
from wse_sim.mapping.validation.composed import Fidelity
from wse_sim.mapping.validation.rows import Row


@dataclass(frozen=True)
class Compared:
    """A published figure beside the simulator's; `error` is relative to the published one.

    used      numbers that this figure sized: what agrees is then a fit
    fidelity  exact: a launch was simulated whole; sampled: composed of launches on fewer PEs
    """

    source: str
    configuration: str
    measured: float
    simulated: float
    used: tuple[str, ...] = ()
    fidelity: Fidelity = "exact"

    @property
    def error(self) -> float:
        return self.simulated / self.measured - 1

    @property
    def in_sample(self) -> bool:
        return bool(self.used)


@dataclass(frozen=True)
class Summary:
    """A source's errors, None if no row of it was simulated.

    composed  rows whose launch was not simulated whole
    unseen    rows that sized no number, and their errors
    """

    mean_abs_error: float | None
    max_abs_error: float | None
    rows: int
    composed: int
    skipped: int
    unseen_rows: int
    unseen_mean_abs_error: float | None
    unseen_max_abs_error: float | None


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
        unseen = [abs(row.error) for row in self.rows if row.source == source and not row.in_sample]
        skipped = sum(row.source == source for row in self.skipped)
        composed = sum(row.source == source and row.fidelity == "sampled" for row in self.rows)
        return Summary(*_both(errors), len(errors), composed, skipped, len(unseen), *_both(unseen))


def _both(errors: Sequence[float]) -> tuple[float | None, float | None]:
    """Mean and largest."""
    return (fmean(errors), max(errors)) if errors else (None, None)


def compare(
    rows: Iterable[Row], *, max_seconds: float, fidelity: Fidelity = "sampled",
    progress: Callable[[Compared], None] | None = None, clock: Callable[[], float] = monotonic,
) -> Validation:  # fmt: skip
    """Sources share `max_seconds`, their cheapest rows first; what does not fit is skipped.

    Rows are chosen by their estimated times, and fewer where the computer is slower than those. The engines are
    compiled before, which is not counted.

    fidelity  sampled: kernels on large squares are composed of launches on smaller ones, where their steps are alike;
              exact: every launch is simulated whole
    """
    found = [_at(fidelity, case) for case in _once([case for row in rows for case in cases_of(row)])]
    if any(isinstance(case, Case) for case in found):
        _compile()
    results: dict[int, Compared | Skipped] = {}
    begun, spent = clock(), 0.0
    for i in _cheapest_first(found):
        case = found[i]
        if isinstance(case, Skipped):
            results[i] = case
            continue
        spent = max(spent, clock() - begun)
        if spent + case.seconds > max_seconds:
            results[i] = Skipped(case.source, case.configuration, _cost(case, max_seconds))
            continue
        spent += case.seconds
        done = results[i] = _run(case)
        if progress is not None and isinstance(done, Compared):
            progress(done)
    ordered = [results[i] for i in range(len(found))]
    return Validation(
        tuple(result for result in ordered if isinstance(result, Compared)),
        tuple(result for result in ordered if isinstance(result, Skipped)),
    )


def _at(fidelity: Fidelity, case: Case | Skipped) -> Case | Skipped:
    """The case as it is simulated at a fidelity."""
    if isinstance(case, Skipped) or fidelity == "exact" or case.steps is None or not case.steps.too_many:
        return case
    return replace(case, seconds=case.steps.composed_seconds, simulate=case.steps.composed, fidelity="sampled")


def _once(found: Sequence[Case | Skipped]) -> list[Case | Skipped]:
    """Each measurement once: what is derived from one that another row gives is left out."""
    given: dict[tuple[str, str], str] = {}
    for case in sorted((case for case in found if isinstance(case, Case) and case.same), key=lambda case: case.derived):
        given.setdefault((case.source, case.same), case.configuration)
    return [_again(case, given.get((case.source, case.same), "")) if isinstance(case, Case) else case for case in found]


def _again(case: Case, first: str) -> Case | Skipped:
    if not case.derived or case.configuration == first:
        return case
    return Skipped(case.source, case.configuration, f"the same measurement as {first.split(',')[0]}")


def _compile() -> None:
    """Runs both engines once on what the published kernels use."""
    Machine(mesh_gemm.make(mesh_gemm.Tiles(2, 1, 1, 1)), WSE3).launch(mesh_gemm.ARGUMENTS)
    Machine(two_phase.make(4, 256, 2), WSE2).launch()


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
        simulated = float(case.simulate())
    except WseError as error:
        return Skipped(case.source, case.configuration, f"it does not run: {error}")
    return Compared(case.source, case.configuration, case.measured, simulated, case.used, case.fidelity)
