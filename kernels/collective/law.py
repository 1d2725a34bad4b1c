"""The published law of reductions on a wafer (Luczynski et al., HPDC'24, arXiv 2404.15888), and what no one can beat.

T = max(C, E / N + L) + R D cycles for a reduction of B wavelets on a line of N links
C  contention: the most wavelets that one PE takes in      D  depth: additions one after the other on the longest way
E  energy: wavelet-hops                                    L  cycles of the links from the farthest PE to the root
R  cycles that an addition on the way adds to the link it came by: 2 T_R + 1 in the paper
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from math import comb

from wse_sim.hardware import Wafer
from wse_sim.kernels.collective.timing import Timing
from wse_sim.kernels.collective.tree import Tree


@dataclass(frozen=True)
class Measures:
    """What the law knows of a tree, for vectors of one wavelet.

    distance  links from the farthest position to the root
    """

    length: int
    depth: int
    contention: int
    energy: int
    distance: int


def measures(tree: Tree) -> Measures:
    """The measures of a tree."""
    below = [0] * tree.length
    for sender, taker in tree.edges:
        below[taker] = max(below[taker], below[sender] + 1)
    return Measures(
        length=tree.length,
        depth=below[tree.root],
        contention=max(map(len, tree.takes)),
        energy=sum(edge.length for edge in tree.edges),
        distance=max(tree.root, tree.length - 1 - tree.root),
    )


def cycles(wafer: Wafer, found: Measures, words: int) -> float:
    """The law for vectors of so many wavelets."""
    if found.length == 1:
        return 0.0
    flow = words * found.energy / (found.length - 1) + found.distance * wafer.hop_cycles
    return max(words * found.contention, flow) + found.depth * _addition(wafer)


def _addition(wafer: Wafer) -> int:
    return Timing(wafer).stage() - wafer.hop_cycles


# -- the least energy ---------------------------------------------------------------------------------


def steps(length: int, depth: int) -> Iterator[int]:
    """How many positions after the first add 1, 2, 3, ... to the least energy; root at an end, at most so deep.

    The best tree on P positions joins two: that on the i next to the root, and that on the others, one addition less
    deep, whose root sends over i links: E(P, D, C) = min over i of E(i, D, C - 1) + E(P - i, D - 1, C) + i, where C is
    the most that a position takes. The steps of E never fall; so the steps of the minimum are those of the first tree,
    each one more, and those of the second, in ascending order: comb(D + k - 1, k) of them are k, for k up to C.
    """
    left, step = length - 1, 1
    while left:
        count = min(left, comb(depth + step - 1, step))
        yield count
        left, step = left - count, step + 1


def least(length: int, root: int, depth: int) -> Measures:
    """The measures of the tree of least energy."""
    sides = [list(steps(points, depth)) for points in (root + 1, length - root)]
    return Measures(
        length=length,
        depth=depth,
        contention=sum(map(len, sides)),
        energy=sum(step * count for side in sides for step, count in enumerate(side, 1)),
        distance=max(root, length - 1 - root),
    )


# -- bounds -------------------------------------------------------------------------------------------


def bound(wafer: Wafer, length: int, root: int, words: int) -> int:
    """Cycles that any tree takes on this machine, from the start on all PEs until the root has the result.

    Whatever its depth, a tree ends no earlier than the farthest PE's last wavelet arrives; than its additions and its
    last wavelet take one after the other; than its busiest PE has taken its wavelets; or, on the average link, than the
    wavelets of the least energy have passed and the last one has come on to the root.
    """
    if length == 1:
        return 0
    t, hop = Timing(wafer), wafer.hop_cycles
    far = max(root, length - 1 - root)
    sides = (root, length - 1 - root)
    onward = t.stage(0) + hop * sum(side * (side + 1) / 2 for side in sides) / (length - 1)
    found = t.stage(far) + words
    forced = [
        max(
            depth * t.stage() + words,
            t.stage() + words * _fan_in(length, depth),
            onward + words * least(length, root, depth).energy / (length - 1),
        )
        for depth in range(1, far + 1)
    ]
    return int(max(found, min(forced))) + t.issue(2)


def _fan_in(length: int, depth: int) -> int:
    """The least fan-in with which a tree so deep has so many positions."""
    found = 1
    while not _reaches(length, depth, found):
        found += 1
    return found


def _reaches(length: int, depth: int, fan_in: int) -> bool:
    reached = level = 1
    for _ in range(depth):
        level *= fan_in
        reached += level
        if reached >= length:
            return True
    return False
