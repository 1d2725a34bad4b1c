"""`compare`: one table of several mappings."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from collections.abc import Mapping as Table
from typing import TYPE_CHECKING

from wse_sim.errors import FitError, UsageError
from wse_sim.mapping.comparison.found import Found, by_estimate, by_parts, by_simulation
from wse_sim.mapping.comparison.row import FIDELITIES, Fidelity, Row
from wse_sim.mapping.plan.checks import why_not
from wse_sim.mapping.plan.estimate import estimate
from wse_sim.mapping.plan.mapping import Mapping
from wse_sim.mapping.strategies import STRATEGIES, Problem, strategy

if TYPE_CHECKING:
    import pandas as pd

_WAYS: Table[Fidelity, Callable[[Mapping, int], Found]] = {
    "estimate": by_estimate,
    "sampled": by_parts,
    "exact": by_simulation,
}


def compare(
    mappings: Iterable[Mapping], *, fidelity: Fidelity = "estimate", position: int | None = None
) -> pd.DataFrame:
    """A table with a row per mapping and the fields of `Row`; see `row_of`."""
    return to_frame([row_of(mapping, fidelity=fidelity, position=position) for mapping in mappings])


def to_frame(rows: Iterable[Row]) -> pd.DataFrame:
    """Rows as a pandas table, a column for each group of stalls."""
    import pandas as pd

    plain = [row.to_dict() for row in rows]
    for row in plain:
        row |= {f"stalls.{name}": share for name, share in row.pop("stalls").items()}
    return pd.DataFrame(plain)


def row_of(mapping: Mapping, *, fidelity: Fidelity = "estimate", position: int | None = None) -> Row:
    """One mapping: feasible or why not, and a decode step at a position.

    fidelity  estimate: closed forms. sampled: each distinct part simulated alone, the others and the ring composed.
              exact: all regions simulated together
    position  of the token in its sequence; None: the last that the context has room for
    """
    if fidelity not in FIDELITIES:
        raise UsageError(f"fidelity {fidelity!r}: expected one of {', '.join(FIDELITIES)}")
    at = mapping.context - 1 if position is None else position
    if not 0 <= at < mapping.context:
        raise UsageError(f"position {at} in a context of {mapping.context}: expected 0 to {mapping.context - 1}")
    reason = why_not(mapping)
    names = {
        "strategy": mapping.strategy, "model": mapping.config.name, "wafer": mapping.wafer.name,
        "phase": mapping.phase, "fidelity": fidelity,
    }  # fmt: skip
    if reason:
        return Row(**names, feasible=False, why_not=reason)  # type: ignore[arg-type]
    found, guess = _WAYS[fidelity](mapping, at), estimate(mapping, position=at)
    faster = guess.cycles_per_token / found.cycles
    return Row(
        **names,  # type: ignore[arg-type]
        feasible=True,
        replicas=mapping.replicas,
        parts=len(mapping.parts(0)),
        sequences=mapping.sequences,
        pes=mapping.area,
        position=at,
        cycles_per_token=found.cycles,
        tokens_per_s=guess.tokens_per_s * faster,
        utilisation=guess.utilisation * faster,
        wavelets_per_token=found.wavelets,
        busiest_link_share=found.busiest,
        sram_peak_bytes=found.sram_peak_bytes,
        stalls=found.stalls,
        joules_per_token=found.joules,
        estimate_error=None if fidelity == "estimate" else faster - 1,
    )


def row_of_strategy(
    name: str, problem: Problem, *, fidelity: Fidelity = "estimate", position: int | None = None
) -> Row:
    """What a strategy makes of a problem; a problem that it cannot solve is a row that says why."""
    try:
        mapping = strategy(name).plan(problem)
    except FitError as error:
        return Row(
            strategy=name, model=problem.config.name, wafer=problem.wafer.name, phase=problem.phase, fidelity=fidelity,
            feasible=False, why_not=str(error),
        )  # fmt: skip
    return row_of(mapping, fidelity=fidelity, position=position)


def names_of(text: str) -> list[str]:
    """Strategies by name, separated by commas, or `all`."""
    if text == "all":
        return list(STRATEGIES)
    return [strategy(name.strip()).name for name in text.split(",")]
