"""Replicas whose tokens come through the host link: a token for each step of each, until the link is full."""

from __future__ import annotations

from functools import cache

import numpy as np
import pytest
from place.small_models import lively

from wse_sim import RAMP, WSE2, Wafer, f32, i32
from wse_sim.engine.machine import Machine
from wse_sim.hardware import EAST, WEST
from wse_sim.kernels.transformer.kv_cache import KVCache
from wse_sim.mapping.generation.rounded import RoundedGPT
from wse_sim.mapping.model import GPTConfig
from wse_sim.mapping.plan.estimate import estimate
from wse_sim.mapping.plan.mapping import Mapping, Place
from wse_sim.mapping.region.layout import Layout
from wse_sim.mapping.region.stage import Stage
from wse_sim.program.builder import Builder

CONFIG = GPTConfig(name="small", n_layer=2, n_embd=24, n_head=2, n_positions=40, vocab_size=40)
SIDE, MOST = 6, 4
FULL = 2.5  # replicas whose tokens the link brings


class Fed:
    """A region below the other at the west edge; a step of each begins with a token from the host, on its own row."""

    def __init__(self, wafer: Wafer, layout: Layout, replicas: int) -> None:
        build = Builder(SIDE, MOST * SIDE, name="fed")
        rounds, palette = build.argument("rounds", "int"), cache(build.color)
        tokens = build.color("tokens")
        self.stages, self.replicas = [], replicas
        for replica in range(replicas):
            region = build.grid[:, replica * SIDE : (replica + 1) * SIDE]
            stage = Stage(build, layout, region, color=palette, spare=True)
            x, y = stage.along_x.root, stage.along_y.root
            build.route(tokens, region[:x, y], WEST >> EAST)
            build.route(tokens, region[x, y], WEST >> RAMP)
            build.host_stream(f"tokens.{replica}", tokens, region[0, y], WEST)
            token, position = (build.buffer(name, i32, 1, on=region) for name in ("token", "position"))
            pe = build.main(region)
            with pe.loop(pe.use(rounds)), pe.scope():
                pe.on(region[x, y]).mov(token, tokens)
                stage.along_x.broadcast(pe.on(region[:, y]), token[:])
                stage.along_y.broadcast(pe, token[:])
                at = pe.load(position)
                stage.embed(pe, pe.load(token), at)
                here = stage.here(pe, at)
                stage.blocks(pe, here)
                stage.choose(pe, here.hidden)
                pe.store(position[0], at + 1)
            self.stages.append(stage)
        self.program = build.finish()
        self.machine = Machine(self.program, wafer)

    def launch(self, given: np.ndarray) -> int:
        """Tokens (replicas, rounds); returns the cycles."""
        for stream, row in zip(self.program.streams, given, strict=True):
            self.machine.stream(stream, row[None].astype(np.uint32))
        return self.machine.launch({"rounds": given.shape[1]})


def layout_on(wafer: Wafer) -> Layout:
    return Layout(config=CONFIG, wafer=wafer, width=SIDE, height=SIDE, dtype=f32)


def copies(wafer: Wafer, count: int) -> Mapping:
    places = tuple(
        Place(x=0, y=k * SIDE, width=SIDE, height=SIDE, layers=range(2), embedding=True, head=True, replica=k)
        for k in range(count)
    )
    return Mapping(config=CONFIG, wafer=wafer, strategy="by hand", places=places)


def test_replicas_scale_until_the_host_link_is_full() -> None:
    """Tokens a second are what the closed form says: in proportion, then what one channel brings."""
    free = WSE2.crop(SIDE, MOST * SIDE).with_(io_edges=(WEST,), io_channels=1)
    step = estimate(copies(free, 1), position=20).cycles
    link = free.with_(host_bytes_per_second=int(4 * FULL * free.clock_hz / step))
    speeds = []
    for count in range(1, MOST + 1):
        fed = Fed(link, layout_on(link), count)
        few, more = (fed.launch(np.ones((count, rounds), int)) for rounds in (8, 20))
        speeds.append(count * 12 * link.clock_hz / (more - few))
        assert speeds[-1] == pytest.approx(estimate(copies(link, count), position=20).tokens_per_s, rel=0.05)
    assert speeds[1] == pytest.approx(2 * speeds[0], rel=0.01)
    assert speeds[2] < 2.6 * speeds[0]
    assert speeds[3] == pytest.approx(speeds[2], rel=0.01)


def test_tokens_from_the_link_are_what_the_replicas_work_on() -> None:
    wafer = WSE2.crop(SIDE, MOST * SIDE).with_(io_edges=(WEST,), io_channels=1, host_bytes_per_second=10**6)
    weights, given = lively(CONFIG, 3), np.array([[3, 1, 4], [1, 5, 9]])
    layout = layout_on(wafer)
    fed = Fed(wafer, layout, 2)
    for stage in fed.stages:
        stage.load(fed.machine, weights)
    fed.launch(given)
    assert not fed.machine.report().broken_laws()
    for stage, row in zip(fed.stages, given.tolist(), strict=True):
        expected = RoundedGPT(layout, weights)
        for token in row:
            expected.step(token)
        cache_of: KVCache = stage.resident.layers[1].caches[0]
        held = cache_of.value_tiles(np.ones((3, CONFIG.n_embd))) > 0
        found = fed.machine.read(cache_of.values)
        np.testing.assert_allclose(found[held], cache_of.value_tiles(expected.values[1])[held], rtol=1e-4, atol=1e-4)
