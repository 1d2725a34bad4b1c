"""`search`: candidates by estimate, finalists by simulation, and of those the ones that nothing beats in all."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from wse_sim.errors import FitError, UsageError
from wse_sim.mapping.comparison.row import FIDELITIES, Fidelity
from wse_sim.mapping.search.candidates import Candidate, first, second
from wse_sim.mapping.search.results import Results
from wse_sim.mapping.search.workers import each
from wse_sim.mapping.strategies import Problem

if TYPE_CHECKING:
    import pandas as pd

Goal = Literal["latency", "throughput", "energy"]
MEASURES: dict[str, tuple[str, int]] = {
    "latency": ("cycles_per_token", 1),
    "throughput": ("tokens_per_s", -1),
    "energy": ("joules_per_token", 1),
}
"""Column of each goal, and 1 if less of it is better."""
SIMULATED = 6  # finalists, unless told otherwise
Progress = Callable[[str, int, int], None]


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a mapping must keep to; None: anything."""

    max_cycles_per_token: float | None = None
    min_tokens_per_s: float | None = None
    max_joules_per_token: float | None = None
    max_pes: int | None = None

    def met(self, row: dict[str, Any]) -> bool:
        """Whether a feasible row does."""
        return (
            (self.max_cycles_per_token is None or row["cycles_per_token"] <= self.max_cycles_per_token)
            and (self.min_tokens_per_s is None or row["tokens_per_s"] >= self.min_tokens_per_s)
            and (self.max_joules_per_token is None or row["joules_per_token"] <= self.max_joules_per_token)
            and (self.max_pes is None or row["pes"] <= self.max_pes)
        )


def search(
    problem: Problem,
    *,
    goal: Goal = "throughput",
    limits: Limits | None = None,
    strategies: Sequence[str] | None = None,
    placements: Sequence[str] | None = None,
    measures: Sequence[Goal] = ("latency", "throughput", "energy"),
    finalists: int = SIMULATED,
    fidelity: Fidelity = "sampled",
    out: Path | None = None,
    workers: int = 0,
    scheduler: str | None = None,
    progress: Progress | None = None,
) -> pd.DataFrame:
    """The Pareto set, the best by `goal` first: a row for each mapping, with what to ask of which strategy to get it.

    strategies, placements  names to choose from; None: all, but for the solver
    measures                what a mapping must not be worse in to be kept
    finalists               how many are simulated: the best by goal of the estimates' Pareto set
    fidelity                of the finalists
    out                     results file; a search that was interrupted goes on from it
    workers, scheduler      see `each`
    progress                told (what is done, how many of it are done, how many there are)
    Raises FitError if nothing keeps to the limits.
    """
    if goal not in get_args(Goal) or not measures or not set(measures) <= set(get_args(Goal)):
        raise UsageError(f"goal {goal!r} and measures {measures!r}: expected some of {', '.join(get_args(Goal))}")
    if fidelity not in FIDELITIES:
        raise UsageError(f"fidelity {fidelity!r}: expected one of {', '.join(FIDELITIES)}")
    if finalists < 1:
        raise UsageError(f"{finalists} finalists: expected 1 or more")
    results = Results(problem, out)
    run = partial(_run, problem, results, workers=workers, scheduler=scheduler, progress=progress)
    tried = first(problem, strategies)
    run(tried, "estimate")
    more = second(problem, [(c, results.rows["estimate", c.key]) for c in tried], placements)
    run(more, "estimate")
    guessed = [(c, results.rows["estimate", c.key]) for c in (*tried, *more)]
    chosen = pareto(_kept(guessed, limits), measures, goal)[:finalists]
    if not chosen:
        raise FitError(_why_nothing(guessed, limits))
    if fidelity != "estimate":
        run([c for c, _ in chosen], fidelity)
        chosen = pareto(_kept([(c, results.rows[fidelity, c.key]) for c, _ in chosen], limits), measures, goal)
        if not chosen:
            raise FitError("no finalist keeps to the limits when simulated: expected wider limits, or more finalists")
    return _frame(chosen)


def pareto(
    found: Sequence[tuple[Candidate, dict[str, Any]]], measures: Sequence[Goal], goal: Goal
) -> list[tuple[Candidate, dict[str, Any]]]:
    """Those that no other equals in all measures and beats in one, of equals the first; the best by goal first."""
    values = [tuple(sign * row[column] for column, sign in map(MEASURES.__getitem__, measures)) for _, row in found]
    kept = [
        pair
        for i, pair in enumerate(found)
        if not any(
            all(a <= b for a, b in zip(other, values[i], strict=True)) and (other != values[i] or j < i)
            for j, other in enumerate(values) if j != i
        )
    ]  # fmt: skip
    column, sign = MEASURES[goal]
    return sorted(kept, key=lambda pair: sign * pair[1][column])


def _run(
    problem: Problem, results: Results, candidates: Sequence[Candidate], fidelity: Fidelity, *, workers: int,
    scheduler: str | None, progress: Progress | None,
) -> None:  # fmt: skip
    """Rows of candidates that have none yet."""
    missing = [c for c in candidates if (fidelity, c.key) not in results.rows]
    done = len(candidates) - len(missing)
    if progress is not None:
        progress(fidelity, done, len(candidates))
    for candidate, row in each(partial(_row, problem, fidelity), missing, workers=workers, scheduler=scheduler):
        results.add(fidelity, candidate.key, row)
        done += 1
        if progress is not None:
            progress(fidelity, done, len(candidates))


def _row(problem: Problem, fidelity: Fidelity, candidate: Candidate) -> dict[str, Any]:
    return candidate.row(problem, fidelity)


def _kept(
    found: Sequence[tuple[Candidate, dict[str, Any]]], limits: Limits | None
) -> list[tuple[Candidate, dict[str, Any]]]:
    return [(c, row) for c, row in found if row["feasible"] and (limits is None or limits.met(row))]


def _why_nothing(found: Sequence[tuple[Candidate, dict[str, Any]]], limits: Limits | None) -> str:
    possible = sum(row["feasible"] for _, row in found)
    if possible:
        asked = {name: limit for name, limit in asdict(limits or Limits()).items() if limit is not None}
        given = ", ".join(f"{name} {limit:,g}" for name, limit in asked.items())
        return f"none of {possible} mappings that can be keeps to {given}: expected wider limits"
    reasons = dict.fromkeys(f"{c.strategy}: {row['why_not']}" for c, row in found)
    return "no mapping can be; " + "; ".join(list(reasons)[:3])


def _frame(chosen: Sequence[tuple[Candidate, dict[str, Any]]]) -> pd.DataFrame:
    import pandas as pd

    asked = ("placement", "scale", "stages", "shards")
    rows = []
    for candidate, row in chosen:
        plain = dict(row)
        plain |= {f"stalls.{name}": share for name, share in plain.pop("stalls").items()}
        rows.append(plain | {name: getattr(candidate, name) for name in asked} | {"candidate": candidate})
    return pd.DataFrame(rows)
