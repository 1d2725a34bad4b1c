"""One decode step of a GPT as a program: layer after layer on one region."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from wse_sim.engine.machine import Machine
from wse_sim.kernels.transformer.draw import make_draw
from wse_sim.mapping.layout import Layout
from wse_sim.mapping.model.reference import Weights
from wse_sim.mapping.stage import Stage
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code

OWN_TOKEN = -1  # launch argument `token`: go on with the one chosen last


class Decoder:
    """The program of one step, and how the host talks to it.

    Launch arguments: `token`, `position`, `sample` (0: skip logits and choice); for layouts with candidates those of
    `kernels.transformer.draw`, too.
    """

    def __init__(self, layout: Layout) -> None:
        self.layout = layout
        build = Builder(layout.width, layout.height, name=f"{layout.config.name} decode")
        self._token = build.argument("token", "int")
        self._position = build.argument("position", "int")
        self._sample = build.argument("sample", "int")
        self._draw = make_draw(build) if layout.candidates else None
        self.stage = Stage(build, layout, build.grid)
        self._emit(build.main())
        self.program = build.finish()

    def _emit(self, pe: Code) -> None:
        head = self.stage.resident.head
        assert head is not None
        token, position = pe.use(self._token), pe.use(self._position)
        with pe.builder.section("start"):
            with pe.when(token < 0):
                pe.set(token, pe.load(head.search.token))
            here = self.stage.here(pe, position)
        self.stage.embed(pe, token, position)
        self.stage.blocks(pe, here)
        self.stage.choose(pe, here.hidden, wanted=pe.use(self._sample), how=self._draw)

    # -- host side --------------------------------------------------------------------------------

    def load(self, machine: Machine, tensors: Weights) -> None:
        """Writes all parameters into SRAM."""
        self.stage.load(machine, tensors)

    def logits(self, machine: Machine) -> NDArray[np.float32]:
        """Logits (vocabulary,) of the last step that sampled."""
        return self.stage.logits(machine)

    def token(self, machine: Machine) -> int:
        """The token chosen at the last step that sampled."""
        return self.stage.token(machine)
