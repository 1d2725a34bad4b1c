"""Mappings from what a strategy has decided: cuts between layers, sizes of regions, copies."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from wse_sim.hardware import Region
from wse_sim.mapping.plan.mapping import Mapping, Place
from wse_sim.mapping.region.layout import Layout
from wse_sim.mapping.strategies.strategy import Problem


@dataclass(frozen=True)
class Choice:
    """Cuts and sizes of one replica.

    cuts    layers of part k are range(cuts[k], cuts[k + 1]); the first part has embedding and head, too
    widths  PEs of each part along x, all its shards together
    sequences, tight, turned  as in `Mapping`
    """

    cuts: tuple[int, ...]
    widths: tuple[int, ...]
    height: int
    shards: int = 1
    sequences: int = 1
    tight: bool = False
    turned: bool = False

    @property
    def parts(self) -> range:
        """Indices of the parts."""
        return range(len(self.widths))


def layout_of(problem: Problem, choice: Choice, part: int) -> Layout:
    """The layout of a part."""
    return Layout(
        config=problem.config,
        wafer=problem.wafer,
        width=choice.widths[part],
        height=choice.height,
        dtype=problem.dtype,
        accumulate=problem.accumulate,
        context=problem.context,
        sequences=choice.sequences,
        prompt=problem.prompt if problem.phase == "prefill" else 0,
        shards=choice.shards,
        tight=choice.tight,
        layers=range(choice.cuts[part], choice.cuts[part + 1]),
        embedding=part == 0,
        head=part == 0,
    )


def mapping_of(problem: Problem, strategy: str, choice: Choice, rings: Sequence[Sequence[Region]]) -> Mapping:
    """The mapping with the parts of each replica on these regions."""
    places = [
        Place(
            x=region.xs[0] + shard * (region.width // choice.shards),
            y=region.ys[0],
            width=region.width // choice.shards,
            height=region.height,
            layers=range(choice.cuts[part], choice.cuts[part + 1]),
            embedding=part == 0,
            head=part == 0,
            shard=shard,
            shards=choice.shards,
            replica=replica,
        )
        for replica, own in enumerate(rings)
        for part, region in enumerate(own)
        for shard in range(choice.shards)
    ]
    return Mapping(
        config=problem.config,
        wafer=problem.wafer,
        strategy=strategy,
        phase=problem.phase,
        dtype=problem.dtype,
        accumulate=problem.accumulate,
        context=problem.context,
        sequences=choice.sequences,
        prompt=problem.prompt if problem.phase == "prefill" else 0,
        tight=choice.tight,
        turned=choice.turned,
        placement=problem.placement,
        places=tuple(places),
        dead=frozenset((y, x) for x, y in problem.dead) if choice.turned else problem.dead,
    )
