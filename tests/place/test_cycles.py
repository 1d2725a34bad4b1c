"""The closed form of a decode step against its simulation."""

from __future__ import annotations

import numpy as np
import pytest

from wse_sim import WSE2, WSE3, Wafer, f16, f32
from wse_sim.hardware import DType
from wse_sim.mapping.generation.session import Session
from wse_sim.mapping.model import GPTConfig, load_shipped, random_weights
from wse_sim.mapping.region.cycles import stage_cycles
from wse_sim.mapping.region.layout import Layout

SMALL = GPTConfig(name="small", n_layer=2, n_embd=120, n_head=4, n_positions=64, vocab_size=300)
CASES = [
    (load_shipped().config, 12, 12, f32, f32, WSE2),
    (load_shipped().config, 24, 16, f16, f32, WSE3),
    (SMALL, 13, 15, f16, f16, WSE2),
    (SMALL, 25, 38, f16, f32, WSE2),
    (SMALL, 24, 37, f32, f32, WSE3),
    (SMALL, 4, 18, f32, f32, WSE3),
]


def simulated(config: GPTConfig, width: int, height: int, dtype: DType, sums: DType, wafer: Wafer) -> tuple[int, int]:
    """Cycles of the third step: simulated, estimated."""
    layout = Layout(config=config, wafer=wafer, width=width, height=height, dtype=dtype, accumulate=sums)
    session = Session(layout, random_weights(config, 0))
    cycles = [session.step(1) for _ in range(3)]
    return cycles[-1], stage_cycles(layout, 2).total


def test_the_estimate_is_close() -> None:
    pairs = np.array([simulated(*case) for case in CASES])
    errors = np.abs(pairs[:, 1] / pairs[:, 0] - 1)
    assert errors.max() <= 0.07
    assert errors.mean() <= 0.04


@pytest.mark.parametrize("position", [0, 63])
def test_the_estimate_grows_with_the_cache(position: int) -> None:
    layout = Layout(config=SMALL, wafer=WSE2, width=8, height=8)
    found = stage_cycles(layout, position)
    assert found.total == found.start + found.embedding + found.layers * found.of_a_layer + found.head
    assert found.total >= stage_cycles(layout, 0).total
