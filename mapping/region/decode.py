"""A GPT as a program: a decode step, layer after layer on one region, and, if asked for, prefill beside it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from wse_sim.kernels.transformer.draw import make_draw
from wse_sim.mapping.model.reference import Weights
from wse_sim.mapping.region.layout import Layout
from wse_sim.mapping.region.prefill import Prefill
from wse_sim.mapping.region.stage import Here, Stage
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.register import Register

if TYPE_CHECKING:
    from wse_sim.engine.machine import Machine

OWN_TOKEN = -1  # launch argument `token`: go on with the one chosen last
DECODE, HEAD = 0, -1  # launch argument `prompt`: see `Decoder`


class Decoder:
    """The program of one step, and how the host talks to it.

    Launch arguments: `token`, `position`, `sample` (0: skip logits and choice); for layouts with candidates those of
    `kernels.transformer.draw`, too; for layouts with prompts `prompt`: tokens of it to take at once, with
    `position` the last one's; or DECODE for a step, or HEAD to choose once more after any token of the last prompt.

    panel_width  of prefill; None: the widest that fits
    """

    def __init__(self, layout: Layout, *, panel_width: int | None = None) -> None:
        self.layout, self._panel_width = layout, panel_width
        build = Builder(layout.width, layout.height, name=f"{layout.config.name} decode")
        self._token = build.argument("token", "int")
        self._position = build.argument("position", "int")
        self._sample = build.argument("sample", "int")
        self._draw = make_draw(build) if layout.candidates else None
        self._prompt = build.argument("prompt", "int") if layout.prompt else None
        self.stage = Stage(build, layout, build.grid)
        self.prefill: Prefill | None = None
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
        if self._prompt is None:
            self._step(pe, here, token, position)
        else:
            self._either(pe, here, token, position, pe.use(self._prompt))
        self.stage.choose(pe, here.hidden, wanted=pe.use(self._sample), how=self._draw)

    def _step(self, pe: Code, here: Here, token: Register, position: Register) -> None:
        self.stage.embed(pe, token, position)
        self.stage.blocks(pe, here)

    def _either(self, pe: Code, here: Here, token: Register, position: Register, count: Register) -> None:
        """A step, or a prompt, or neither; after the latter two the hidden state is that of a token of the prompt."""
        with pe.when(count.equals(DECODE)):
            self._step(pe, here, token, position)
        self.prefill = Prefill(pe.builder, self.stage, width=self._panel_width)
        with pe.when(count > 0):
            self.prefill.emit(pe, count, here.tokens.count)
        with pe.when(count.equals(DECODE) ^ 1):
            self.prefill.take(pe, position, here.tokens.slot)

    # -- host side --------------------------------------------------------------------------------

    def load(self, machine: Machine, tensors: Weights) -> None:
        """Writes all parameters into SRAM."""
        self.stage.load(machine, tensors)
        if self.prefill is not None:
            self.prefill.load(machine, tensors)

    def logits(self, machine: Machine) -> NDArray[np.float32]:
        """Logits (vocabulary,) of the last step that sampled."""
        return self.stage.logits(machine)

    def token(self, machine: Machine) -> int:
        """The token chosen at the last step that sampled."""
        return self.stage.token(machine)
