"""`wse-sim map`: where a strategy puts a model, what that takes, and whether it can be."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from rich.console import Console

from wse_sim.errors import UsageError
from wse_sim.mapping.commands.problem import Asked, problem_of
from wse_sim.mapping.plan.checks import checks, why_not
from wse_sim.mapping.plan.estimate import estimate
from wse_sim.mapping.plan.mapping import Mapping
from wse_sim.mapping.plan.placed import describe_placement
from wse_sim.mapping.plan.saved import save, to_dict
from wse_sim.mapping.strategies import strategy

SHOWN = 16  # lines of regions


def map_command(asked: Asked, *, name: str, out: Path | None, picture: Path | None, as_json: bool) -> None:
    """Plans, describes, checks, estimates, saves."""
    mapping = strategy(name).plan(problem_of(asked))
    if out is not None:
        save(mapping, out)
    if picture is not None:
        _draw(mapping, picture)
    if as_json:
        found = {"feasible": not why_not(mapping), "why_not": why_not(mapping), "mapping": to_dict(mapping)}
        sys.stdout.write(json.dumps(found) + "\n")
        return
    console = Console()
    for line in lines_of(mapping):
        console.print(line, markup=False, highlight=False)


def lines_of(mapping: Mapping) -> list[str]:
    """What it is, whether it fits, how fast it is."""
    described = mapping.describe().splitlines()
    more = len(described) - SHOWN
    lines = described[:SHOWN] + ([f"  and {more} regions more"] if more > 0 else [])
    lines += [f"{check.name:<12}{'' if check.ok else 'NO: '}{check.text}" for check in checks(mapping)]
    if not why_not(mapping):
        lines.append(f"{'placement':<12}{describe_placement(mapping)}")
        found = estimate(mapping)
        where = f"at position {found.position:,}" if found.tokens == 1 else f"of a prompt of {found.tokens:,}"
        lines.append(
            f"{'estimate':<12}{found.cycles_per_token:,} cycles a token {where}, "
            f"{found.tokens_per_s:,.0f} tokens/s in all, {found.utilisation:.1%} of peak"
        )
    return lines


def _draw(mapping: Mapping, path: Path) -> None:
    import matplotlib.pyplot as plt

    plt.switch_backend("Agg")
    figure = mapping.draw().get_figure(root=True)
    assert figure is not None
    try:
        figure.savefig(path, dpi=150, bbox_inches="tight")
    except ValueError as error:  # an ending that matplotlib does not know
        raise UsageError(f"--picture {path}: {error}; expected a name that ends in .png") from None
    finally:
        plt.close(figure)
