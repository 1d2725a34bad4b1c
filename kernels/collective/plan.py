"""Which tree a reduction uses: an algorithm by name, and what is left open chosen so that it costs least."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from itertools import chain
from typing import Literal, get_args

from wse_sim.errors import ProgramError
from wse_sim.hardware import Wafer
from wse_sim.kernels.collective import all_reduce, shapes
from wse_sim.kernels.collective.generate import generated
from wse_sim.kernels.collective.timing import Timing
from wse_sim.kernels.collective.tree import Tree

Algorithm = Literal["chain", "two-phase", "k-tree", "star", "binary-tree", "generated"]
ALGORITHMS: tuple[Algorithm, ...] = get_args(Algorithm)


@lru_cache(maxsize=512)
def plan(
    wafer: Wafer,
    length: int,
    *,
    words: int = 1,
    algorithm: Algorithm = "k-tree",
    root: int | None = None,
    groups: tuple[int, ...] | None = None,
    queues: int | None = None,
) -> Tree:
    """The tree of an algorithm, see `shapes`, that costs least on a line of `length` PEs for `words` wavelets.

    root    position of the result; None: the middle, of a generated tree there or farther on. A k-tree takes none
    groups  group sizes of a k-tree, level by level, the last level joining what is left, () for one level; the group
            size of two phases. None: what costs least, in a k-tree of two levels at most
    queues  colours that a PE of the line may receive, those of a broadcast from the root included; None: all there are
    """
    if algorithm not in ALGORITHMS:
        raise ProgramError(f"no reduction is called {algorithm!r}: expected one of {', '.join(ALGORITHMS)}")
    _refuse("root", root, algorithm, [name for name in ALGORITHMS if name != "k-tree"])
    _refuse("groups", groups, algorithm, ["k-tree", "two-phase"])
    most = len(wafer.input_queue_depths) if queues is None else queues
    found = [*_candidates(wafer, length, words, algorithm, root, groups, most)]
    fitting = [tree for tree in found if tree.queues <= most]
    if not fitting:
        raise ProgramError(
            f"a {algorithm} reduction{f' with groups {groups}' if groups else ''} on {length} PEs receives "
            f"{min(tree.queues for tree in found)} colours on a PE, but queues={most}: allow more"
        )
    return min(fitting, key=lambda tree: all_reduce.cost(wafer, tree, words))


def _candidates(
    wafer: Wafer, length: int, words: int, algorithm: Algorithm, root: int | None, groups: tuple[int, ...] | None,
    queues: int,
) -> Iterable[Tree]:  # fmt: skip
    if algorithm == "chain":
        return [shapes.chain(length, root)]
    if algorithm == "star":
        return [shapes.star(length, root)]
    if algorithm == "two-phase":
        return _two_phases(length, groups, root)
    if algorithm == "k-tree":
        return _k_trees(wafer, length, groups, words, queues)
    walks = max(1, len(shapes.sides(length, root)))
    most = max(queues, walks)
    if algorithm == "binary-tree":
        return [shapes.binary_tree(length, root, fan_in=max(walks, min(most, (queues - 1) * walks)))]
    stream = words + Timing(wafer).pauses(words)
    roots = [root] if root is not None else sorted({length // 2 + length * part // 8 for part in range(4)})
    made = (generated(wafer, length, at, stream=stream, fan_in=most, others=max(1, queues - 1)) for at in roots)
    return chain.from_iterable(made)


def _refuse(option: str, value: object, algorithm: Algorithm, takers: list[Algorithm]) -> None:
    if value is not None and algorithm not in takers:
        raise ProgramError(f"{option}={value!r} for the algorithm {algorithm!r}: expected one of {', '.join(takers)}")


def _two_phases(length: int, groups: tuple[int, ...] | None, root: int | None) -> Iterator[Tree]:
    if groups is not None and len(groups) != 1:
        raise ProgramError(f"groups {groups} of two phases: expected one size")
    longest = max(map(len, shapes.sides(length, root)), default=1)
    for size in groups or _sizes(longest):
        yield shapes.two_phase(length, size, root)


def _k_trees(
    wafer: Wafer, length: int, groups: tuple[int, ...] | None, words: int, queues: int
) -> Iterator[Tree]:  # fmt: skip
    """With roots in the middle, or so late that the shorter chain is through just in time.

    To spare queues, roots of the first of two levels lie at an end: they take one chain instead of two.
    """
    if groups is not None:
        yield from _with_sizes(wafer, length, shapes.level_sizes(length, groups), words, queues)
        return
    choices = dict.fromkeys(shapes.level_sizes(length, choice) for choice in [(), *((n,) for n in _sizes(length))])
    least = {sizes: _least(wafer, length, sizes, words) for sizes in choices}
    likely = _with_sizes(wafer, length, min(least, key=lambda sizes: least[sizes]), words, queues)
    reached = min((all_reduce.cost(wafer, tree, words) for tree in likely if tree.queues <= queues), default=None)
    for sizes, bound in least.items():
        if reached is None or bound <= reached:
            yield from _with_sizes(wafer, length, sizes, words, queues)


def _with_sizes(wafer: Wafer, length: int, sizes: tuple[int, ...], words: int, queues: int) -> Iterator[Tree]:
    yield shapes.k_tree(length, sizes)
    yield shapes.k_tree(length, sizes, _late(wafer, sizes, words))
    if len(sizes) > 1 and queues < 4:
        yield shapes.k_tree(length, sizes, [sizes[0] - 1, *(size // 2 for size in sizes[1:])])


def _least(wafer: Wafer, length: int, sizes: tuple[int, ...], words: int) -> int:
    """Cycles that no k-tree of these sizes beats: from the first PE along half a chain of each level, and back."""
    t, step, found = Timing(wafer), 1, 2 * words if sizes else 0
    for level, size in enumerate(sizes):
        found += (size // 2 if level else (size - 1) // 2) * t.stage(step)
        step *= size
    return found + length // 2 * wafer.hop_cycles


def _sizes(length: int) -> list[int]:
    """The least size for each number of groups."""
    return sorted({-(-length // count) for count in range(1, length + 1)})


def _late(wafer: Wafer, sizes: tuple[int, ...], words: int) -> list[int]:
    """Points before the roots with which the shorter chain is through just when the longer one arrives."""
    t, step = Timing(wafer), 1
    befores = []
    for size in sizes:
        ahead = (words + t.issue(2)) // t.stage(step)
        befores.append(min(size - 1, (size + ahead) // 2))
        step *= size
    return befores
