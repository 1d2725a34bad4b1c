"""`compare`: one table of several mappings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING

from wse_sim.errors import FitError, UsageError
from wse_sim.mapping.comparison.found import Found, by_estimate
from wse_sim.mapping.comparison.row import Fidelity, Row, fidelity_of
from wse_sim.mapping.plan.checks import why_not
from wse_sim.mapping.plan.estimate import estimate, hand_over_cycles
from wse_sim.mapping.plan.mapping import Mapping
from wse_sim.mapping.strategies import STRATEGIES, Problem, strategy

if TYPE_CHECKING:
    import pandas as pd

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
    """One mapping: feasible or why not, and a step: a token by decode, or in phase prefill a prompt at once.

    fidelity  estimate: closed forms. sampled: each distinct part simulated alone, the others and the ring composed.
              exact: all regions simulated together
    position  of the token, or of the prompt's last, in its sequence; None: the last there is room for
    """
    fidelity_of(fidelity)
    what, room = ("prompt", mapping.prompt) if mapping.phase == "prefill" else ("context", mapping.context)
    at = room - 1 if position is None else position
    if not 0 <= at < room:
        raise UsageError(f"position {at} in a {what} of {room}: expected 0 to {room - 1}")
    reason = why_not(mapping)
    names = {
        "strategy": mapping.strategy, "model": mapping.config.name, "wafer": mapping.wafer.name,
        "phase": mapping.phase, "fidelity": fidelity,
    }  # fmt: skip
    if reason:
        return Row(**names, feasible=False, why_not=reason)  # type: ignore[arg-type]
    found, guess = _found(mapping, fidelity, at), estimate(mapping, position=at)
    measured = replace(guess, cycles=found.cycles)
    return Row(
        **names,  # type: ignore[arg-type]
        feasible=True,
        replicas=mapping.replicas,
        parts=len(mapping.parts(0)),
        sequences=mapping.sequences,
        pes=mapping.area,
        position=at,
        step_tokens=guess.tokens,
        step_cycles=found.cycles,
        hand_over_cycles=hand_over_cycles(mapping, at + 1) or None,
        cycles_per_token=measured.cycles_per_token,
        tokens_per_s=measured.tokens_per_s,
        utilisation=measured.utilisation,
        wavelets_per_token=found.wavelets,
        busiest_link_share=found.busiest,
        sram_peak_bytes=found.sram_peak_bytes,
        stalls=found.stalls,
        joules_per_token=found.joules,
        estimate_error=None if fidelity == "estimate" else guess.cycles / found.cycles - 1,
    )


def _found(mapping: Mapping, fidelity: Fidelity, position: int) -> Found:
    """The engines are imported where something is simulated only: that takes longer than an estimate."""
    if fidelity == "estimate":
        return by_estimate(mapping, position)
    from wse_sim.mapping.comparison import simulated, simulated_prompt

    if mapping.phase == "prefill":
        return (simulated_prompt.by_parts if fidelity == "sampled" else simulated_prompt.by_simulation)(
            mapping, position
        )
    return (simulated.by_parts if fidelity == "sampled" else simulated.by_simulation)(mapping, position)


def row_of_strategy(
    name: str, problem: Problem, *, fidelity: Fidelity = "estimate", position: int | None = None
) -> Row:
    """What a strategy makes of a problem; a problem that it cannot solve is a row that says why.

    A placement counts for strategies that place regions.
    """
    made = planned(name, problem, fidelity)
    return made if isinstance(made, Row) else row_of(made, fidelity=fidelity, position=position)


def planned(name: str, problem: Problem, fidelity: Fidelity) -> Mapping | Row:
    """The mapping that a strategy makes of a problem; of one that it cannot solve the row that says why."""
    try:
        return strategy(name).plan(strategy(name).placed(problem))
    except FitError as error:
        return Row(
            strategy=name, model=problem.config.name, wafer=problem.wafer.name, phase=problem.phase, fidelity=fidelity,
            feasible=False, why_not=str(error),
        )  # fmt: skip


def names_of(text: str) -> list[str]:
    """Strategies by name, separated by commas, or `all`."""
    if text == "all":
        return list(STRATEGIES)
    return [strategy(name.strip()).name for name in text.split(",")]
