"""Reductions, broadcasts and all-reduces that rows of figures name, along a row of PEs or over a rectangle.

A vector begins on every PE; the first PE of a row, or the corner, gets the sum, sends, or is the tree's root.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from wse_sim.errors import UsageError
from wse_sim.hardware import DType, f32
from wse_sim.kernels.axis import Axis
from wse_sim.kernels.collective import ring_all_reduce
from wse_sim.kernels.collective.broadcast import make_broadcast
from wse_sim.kernels.collective.line import line_on
from wse_sim.kernels.collective.plan import Algorithm, plan
from wse_sim.kernels.collective.plane import make_plane
from wse_sim.kernels.collective.reduce import make_reduce
from wse_sim.kernels.collective.timing import wavelets
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.published import two_phase
from wse_sim.mapping.validation.given import Given, Job
from wse_sim.program.builder import Builder
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer
from wse_sim.program.program import Program

WORKLOAD = r"reduc(e|tion)|broadcast|\bbcast"
OTHERS = "softmax|parallel|to scalar|roofline|laplacian|one PE|8-element|snake|HPDC"
ALGORITHMS: tuple[tuple[str, Algorithm], ...] = (
    (r"two.?phase", "two-phase"), (r"k-?tree", "k-tree"), (r"star", "star"), (r"auto-?gen|generated", "generated"),
    (r"tree", "binary-tree"), (r"chain|pipeline", "chain"),
)  # fmt: skip
PER_WORD = ("b", "word", "wavelet", "n", "element", "elem", "value", "vector", "len", "per pe", "bare")
GROUP = ("step", "group size", "group", "g", "s")


def fits(workload: str) -> bool:
    """Whether a row is one of these."""
    return bool(re.search(WORKLOAD, workload, re.IGNORECASE) and not re.search(OTHERS, workload, re.IGNORECASE))


def job(g: Given) -> tuple[Job, str]:
    """The program and a name of it, sizes included. Raises UsageError if the row lacks something."""
    kind, n, low = g.dtype or f32, g.need("elements", *PER_WORD), g.workload.lower()
    flat = re.search(r"\b2-?d\b", low) is None and (g.height == 1 or g.sizes.first("p", "pe") is not None)
    width, height = (g.sizes.first("p", "pe", "width") or 1, 1) if flat else (g.width, g.height)
    if width * height < 2:
        raise UsageError(f"a collective on {width} x {height} PEs: expected several, as P=64")
    where = f"{kind.name}[{n}] on {width} x {height}"
    if re.search("broadcast|bcast", low) and "reduc" not in low:
        return Job(lambda: _broadcast(width, height, n, kind)), f"broadcast of {where}"
    to_all = re.search(r"all-?reduc", low) is not None
    if "ring" in low:
        if not flat or not to_all:
            raise UsageError("a ring: expected an all-reduce along a row of PEs")
        return Job(lambda: _on_row(width, n, kind, _ring)), f"ring all-reduce of {where}"
    algorithm = next((name for pattern, name in ALGORITHMS if re.search(pattern, low)), None)
    if algorithm is None:
        raise UsageError(f"workload names no algorithm: expected one of {', '.join(name for _, name in ALGORITHMS)}")
    what = f"{algorithm} {'all-reduce' if to_all else 'reduce'} of {where}"
    if not flat:
        return Job(lambda: _over_plane(g, n, kind, algorithm, to_all=to_all)), what
    tree = _tree(g, width, wavelets(n, kind), algorithm)
    emit = _all_reduce(tree) if to_all else _reduce(tree)
    return Job(lambda: _on_row(width, n, kind, emit)), f"{what}, groups {g.sizes.first(*GROUP)}"


Emit = Callable[[Builder, Code, Buffer], None]


def _ring(build: Builder, pe: Code, x: Buffer) -> None:
    ring_all_reduce.make_ring_all_reduce(build, build.grid, Axis.X).emit(pe, x)


def _reduce(tree: Tree) -> Emit:
    return lambda build, pe, x: make_reduce(build, build.grid, Axis.X, tree).emit(pe, x)


def _all_reduce(tree: Tree) -> Emit:
    return lambda build, pe, x: line_on(build, build.grid, Axis.X, tree).all_reduce(pe, x)


def _tree(g: Given, length: int, words: int, algorithm: Algorithm) -> Tree:
    size = g.sizes.first(*GROUP)
    if algorithm == "two-phase" and size is not None:
        return two_phase.tree(length, size)
    groups = (size,) if size is not None and algorithm == "k-tree" else None
    root = None if algorithm == "k-tree" else 0
    return plan(g.wafer, length, words=words, algorithm=algorithm, root=root, groups=groups)


def _on_row(width: int, n: int, dtype: DType, emit: Emit) -> Program:
    build = Builder(width, 1, name=f"collective {width} {n}")
    emit(build, build.main(), build.buffer("x", dtype, n, init=1))
    return build.finish()


def _broadcast(width: int, height: int, n: int, dtype: DType) -> Program:
    """Along the first row, then down every column."""
    build = Builder(width, height, name=f"broadcast {width} {height} {n}")
    x, pe = build.buffer("x", dtype, n, init=1), build.main()
    first = build.grid[:, :1]
    make_broadcast(build, first, Axis.X, name="along x").emit(pe.on(first), x)
    make_broadcast(build, build.grid, Axis.Y, name="along y").emit(pe, x)
    return build.finish()


def _over_plane(g: Given, n: int, dtype: DType, algorithm: Algorithm, *, to_all: bool) -> Program:
    build = Builder(g.width, g.height, name=f"{algorithm} {g.width} {g.height} {n}")
    x = build.buffer("x", dtype, n, init=1)
    root = None if algorithm == "k-tree" else (0, 0)
    made = make_plane(build, build.grid, algorithm=algorithm, root=root, wafer=g.wafer, words=wavelets(n, dtype))
    (made.all_reduce if to_all else made.reduce)(build.main(), x)
    return build.finish()
