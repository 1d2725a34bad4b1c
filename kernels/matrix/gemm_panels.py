"""Panels: the tiles of a few PEs in a row, side by side, made known to all PEs of their line.

tile   a view on each PE, of one length along the line
panel  tiles of PEs first .. first + count - 1 at the places that the caller names; the same on all PEs in the end
how    a tile is handed on from PE to PE, from its owner to the root of the line's tree, on the wires of its reductions;
       the root puts the tiles together and broadcasts the panel. So any PE may be the owner, no route ever changes, and
       the lines of other kernels do, without a colour or a queue more.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache

import numpy as np

from wse_sim.hardware import DType, Wafer, i32
from wse_sim.kernels.blocks import Blocks, spread
from wse_sim.kernels.collective import broadcast
from wse_sim.kernels.collective.line import Line
from wse_sim.kernels.collective.timing import Timing, wavelets
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.price import Price
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer, View
from wse_sim.program.register import Register

Place = Callable[[Register], View]
"""Where the root puts a tile, by its index in the panel."""


@dataclass(frozen=True)
class Panels:
    """What a line needs to make panels.

    here       i32[1] on each PE: its position
    low, high  i32[inputs] on each PE: positions behind each of its inputs in the tree, `high` not included
    """

    line: Line
    here: Buffer
    low: Buffer
    high: Buffer

    def emit(
        self, pe: Code, first: Register, count: int | Register, tile: View, place: Place, panel: View
    ) -> None:
        """panel = the tiles of `count` PEs from position `first` on, the one with index i at place(i)."""
        with pe.builder.section("panel"):
            with pe.scope():
                owner = pe.integer(first)
                with pe.loop(count) as index:
                    self._bring(pe, owner, tile, place, index)
                    owner += 1
            self.line.broadcast(pe, panel)

    def _bring(self, pe: Code, owner: Register, tile: View, place: Place, index: Register) -> None:
        """Takes the owner's tile to the root."""
        for code, inputs, outputs, _ in self.line.reduction.wires.places(pe, "a panel"):
            with code.scope(), code.when(code.load(self.here).equals(owner)):
                code.mov(outputs[0] if outputs else place(code.use(index)), tile)
            for i, color in enumerate(inputs):
                with code.scope(), code.when(self._behind(code, i, owner)):
                    to = outputs[0] if outputs else place(code.use(index))
                    code.mov(to, color, n=tile.length, carry=tile.dtype)

    def _behind(self, code: Code, i: int, owner: Register) -> Register:
        """Whether the owner is behind an input."""
        return (code.load(self.low[i]) <= owner) & (code.use(owner) < code.load(self.high[i]))


def make_panels(build: Builder, line: Line, *, name: str = "panel") -> Panels:
    """The constants of a line; its colours serve as they are."""
    found = behind(line.tree)
    width = max(1, *(len(ranges) for ranges in found))

    def constant(what: str, values: list[list[int]]) -> Buffer:
        padded = np.array([row + [0] * (width - len(row)) for row in values])
        init = spread(padded[:, : 1 if what == "here" else width], line.axis)
        return build.buffer(f"{name}.{what}", i32, init.shape[-1], on=line.region, init=init)

    return Panels(
        line=line,
        here=constant("here", [[position] for position in range(line.length)]),
        low=constant("low", [[r.start for r in ranges] for ranges in found]),
        high=constant("high", [[r.stop for r in ranges] for ranges in found]),
    )


def filled(blocks: Blocks) -> int:
    """How many blocks hold anything; they come first."""
    return -(-blocks.total // blocks.size)


def behind(tree: Tree) -> list[list[range]]:
    """For each position, the positions whose tiles come in by each of its inputs, in the order of its station's."""
    found: list[list[range]] = [[] for _ in range(tree.length)]
    for sender, taker in tree.wires:
        ends = [sender, *(end for r in found[sender] for end in (r.start, r.stop - 1))]
        found[taker].append(range(min(ends), max(ends) + 1))
    return found


# -- cycles -------------------------------------------------------------------------------------------


@lru_cache(maxsize=1 << 15)
def cost(wafer: Wafer, tree: Tree, first: int, count: int, n: int, *, dtype: DType, panel: int | None = None) -> int:
    """Cycles from the start on all PEs until the last PE has the panel.

    n      elements of a tile
    panel  elements of the panel; None: those of the tiles

    Tile after tile, each PE asks whether it is the owner and, input by input, whether the owner is behind it, also
    after the one that was; a tile begins to move on where the PE is through with that and with the tile before.
    """
    t, price, paths = Timing(wafer), Price(wafer), _paths(tree)
    words = wavelets(n, dtype)
    stream = words * t.wavelet("mov", dtype, dtype, dtype) + t.pauses(words)
    alone, issue = price.elements("mov", n, dtype, dtype), t.issue(2)
    yes, no = wafer.branch_not_taken_cycles, wafer.branch_taken_cycles
    turn, look = wafer.loop_edge_cycles + price.scalar("iadd load ieq"), price.scalar("load load ile ilt iand")
    place = price.scalar("imul")
    ramps, hop, begun = t.stage(0), wafer.hop_cycles, wafer.loop_start_cycles - wafer.loop_edge_cycles
    free: dict[int, tuple[int, int]] = {}  # positions that something came to: when they were through, and with whom
    start, hops, inputs = (begun, first - 1), paths.hops, paths.inputs
    for owner in range(first, first + count):
        way, arrived = paths.way(owner), 0
        for position, asked in way:
            at, after = free.get(position, start)
            now = at + (owner - after - 1) * (turn + no + inputs[position] * (look + no)) + turn
            left = inputs[position] - asked
            if position == owner:
                now += yes
            else:
                now, left = now + no + asked * (look + no) + look + yes, left - 1
            if position == tree.root:
                now += place
            begin = max(now + issue, arrived)
            arrived = begin + ramps + hops[position] * hop
            free[position] = begin + (stream if len(way) > 1 else alone) + left * (look + no), owner
    last = free[tree.root][0] + price.scalar("iadd mov") + wafer.branch_not_taken_cycles
    return last + broadcast.cost(wafer, tree.length, tree.root, panel or count * n, dtype=dtype)


class _Paths:
    """What `cost` asks a tree again and again.

    inputs  how many each position has
    hops    links from each position to the next one on the way to the root
    """

    def __init__(self, tree: Tree) -> None:
        self._following, self._behind = dict(tree.wires), behind(tree)
        self.inputs = [len(ranges) for ranges in self._behind]
        self.hops = [0] * tree.length
        for edge in tree.wires:
            self.hops[edge.sender] = edge.length
        self._ways: dict[int, list[tuple[int, int]]] = {}

    def way(self, owner: int) -> list[tuple[int, int]]:
        """Positions from an owner to the root, and by which of its inputs the owner is behind each."""
        if owner not in self._ways:
            way = [(owner, 0)]
            while way[-1][0] in self._following:
                taker = self._following[way[-1][0]]
                way.append((taker, next(i for i, there in enumerate(self._behind[taker]) if owner in there)))
            self._ways[owner] = way
        return self._ways[owner]


_paths = lru_cache(maxsize=256)(_Paths)
