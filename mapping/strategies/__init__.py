"""Ways to lay a model over a wafer, in one table."""

from collections.abc import Mapping as _Mapping
from types import MappingProxyType

from wse_sim.errors import UsageError
from wse_sim.mapping.strategies.hybrid import HYBRID
from wse_sim.mapping.strategies.layer_sequential import LAYER_SEQUENTIAL
from wse_sim.mapping.strategies.pipeline import PIPELINE
from wse_sim.mapping.strategies.prefill_decode import PREFILL_DECODE
from wse_sim.mapping.strategies.replicas import REPLICAS
from wse_sim.mapping.strategies.strategy import SYMBOLS, Problem, Strategy
from wse_sim.mapping.strategies.tensor import TENSOR
from wse_sim.mapping.strategies.weight_streaming import WEIGHT_STREAMING

STRATEGIES: _Mapping[str, Strategy] = MappingProxyType(
    {s.name: s for s in (LAYER_SEQUENTIAL, PIPELINE, TENSOR, REPLICAS, HYBRID, PREFILL_DECODE, WEIGHT_STREAMING)}
)


def strategy(name: str) -> Strategy:
    """The strategy called `name`; UsageError lists the known ones."""
    if name not in STRATEGIES:
        raise UsageError(f"unknown strategy {name!r}: expected one of {', '.join(STRATEGIES)}")
    return STRATEGIES[name]


__all__ = ["STRATEGIES", "SYMBOLS", "Problem", "Strategy", "strategy"]
