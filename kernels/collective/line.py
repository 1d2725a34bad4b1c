"""`Line`: reduce, broadcast and all-reduce along the lines of a region, as often as a program likes.

Colours are taken and routes painted once: the tree's and one for the broadcast. A PE needs at most four input queues
for a k-tree with two levels, so the eight of a PE serve a line along x and one along y; of binary and generated trees
`queues` limits them.

Any order of uses is safe as long as it is the same on all PEs of a line: each colour keeps its wavelets in order, each
has a single sender per link, and a wavelet that comes too early waits without holding up other colours.
"""

from __future__ import annotations

from dataclasses import dataclass

from wse_sim.hardware import WSE2, DType, Region, Wafer
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective.broadcast import Broadcast, make_broadcast
from wse_sim.kernels.collective.member import Operand, Palette
from wse_sim.kernels.collective.plan import Algorithm, plan
from wse_sim.kernels.collective.reduce import Operation, Reduce, make_reduce
from wse_sim.kernels.collective.tree import Tree
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code


@dataclass(frozen=True)
class Line:
    """Lines of PEs that run along an axis of a region, ready to work together.

    In all methods `pe` covers whole lines, all of them or some, and `x` is worked on in place; a line of one PE does
    nothing. `carry` is the dtype on the fabric, by default that of x.
    """

    reduction: Reduce
    spread: Broadcast

    @property
    def region(self) -> Region:
        return self.reduction.wires.region

    @property
    def axis(self) -> Axis:
        return self.reduction.wires.axis

    @property
    def tree(self) -> Tree:
        return self.reduction.wires.tree

    @property
    def length(self) -> int:
        """PEs of a line."""
        return self.tree.length

    @property
    def root(self) -> int:
        """Position along the axis where reductions end and broadcasts begin."""
        return self.tree.root

    def reduce(self, pe: Code, x: Operand, operation: Operation = "add", carry: DType | None = None) -> None:
        """Leaves the result at the root; other PEs' `x` are partial results afterwards."""
        self.reduction.emit(pe, x, operation, carry=carry)

    def broadcast(self, pe: Code, x: Operand, carry: DType | None = None) -> None:
        """Copies the root's `x` to all PEs."""
        self.spread.emit(pe, x, carry=carry)

    def all_reduce(self, pe: Code, x: Operand, operation: Operation = "add", carry: DType | None = None) -> None:
        """Leaves the result on all PEs."""
        self.reduce(pe, x, operation, carry)
        self.broadcast(pe, x, carry)


def make_line(
    build: Builder,
    region: Region,
    axis: Axis,
    *,
    algorithm: Algorithm = "k-tree",
    root: int | None = None,
    groups: tuple[int, ...] | None = None,
    queues: int | None = None,
    name: str = "x",
    wafer: Wafer = WSE2,
    words: int = 1,
    color: Palette | None = None,
) -> Line:
    """Lines along `axis`, with the tree that `plan` makes of the options for vectors of `words` wavelets.

    color  gives the colour of a name; lines on disjoint regions may share colours. None: new ones
    """
    tree = plan(
        wafer, axis.length(region), words=words, algorithm=algorithm, root=root, groups=groups, queues=queues
    )  # fmt: skip
    return line_on(build, region, axis, tree, name=name, color=color)


def line_on(
    build: Builder, region: Region, axis: Axis, tree: Tree, *, name: str = "x", color: Palette | None = None
) -> Line:
    """Lines along `axis` with a tree of one's own."""
    reduction = make_reduce(build, region, axis, tree, name=f"{name}.reduce", color=color)
    spread = make_broadcast(build, region, axis, root=tree.root, name=f"{name}.broadcast", color=color)
    return Line(reduction, spread)
