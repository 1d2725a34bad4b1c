"""Whole kernels whose cycles rows of figures give: which program each is, of which sizes."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import cache, partial
from math import prod

from wse_sim.errors import UsageError
from wse_sim.hardware import DType, Wafer, f16, f32
from wse_sim.kernels.published import (
    attention_core,
    mesh_gemm,
    mesh_gemv,
    parallel,
    plain,
    plain_attention,
    projection_norm,
    projections,
    ring_shift,
    row_tiles,
    summa,
)
from wse_sim.kernels.published.mesh_scores import Tiles as ScoreTiles
from wse_sim.mapping.validation import cost
from wse_sim.mapping.validation.given import Given, Job, Square, share
from wse_sim.mapping.validation.harness import MESH_GEMV_LOOP, on_one_die, spread
from wse_sim.program.program import Program


@dataclass(frozen=True)
class PublishedKernel:
    """Rows whose workload matches.

    not_       workloads that are another's
    on_one_pe  whether the kernel is for a single PE, or only for several; None: for any grid
    job        raises UsageError or ProgramError that says what the row lacks
    beside     cycles on silicon that are not the kernel's
    """

    workload: str
    job: Callable[[Given], Job]
    dtype: DType
    not_: str = "$^"
    on_one_pe: bool | None = None
    beside: int = 0

    def fits(self, workload: str, pes: int) -> bool:
        """Whether a row is this kernel's."""
        if self.on_one_pe is not None and self.on_one_pe != (pes == 1):
            return False
        return bool(re.search(self.workload, workload, re.IGNORECASE)) and not re.search(
            self.not_, workload, re.IGNORECASE
        )


# -- on squares of PEs --------------------------------------------------------------------------------


def _mesh_gemv(g: Given) -> Job:
    """Of a matrix, or of the tiles that it is dealt in."""
    side, groups = g.side, g.need("groups", "group", "g", "k-tree group")
    if groups > side:
        raise UsageError(f"{groups} groups of {side} PEs: expected no more than PEs")
    m, n = _gemv_tile(g, side)
    return Job(lambda: mesh_gemv.make(side, m, n, groups))


def _gemv_tile(g: Given, side: int) -> tuple[int, int]:
    if {"mt", "nt"} <= set(g.sizes.named):
        return g.sizes.named["mt"], g.sizes.named["nt"]
    if g.sizes.product is not None:
        (_, inputs), (_, outputs) = g.sizes.product
    elif g.sizes.matrix is not None and len(g.sizes.matrix) == 2:
        inputs, outputs = g.matrix()
    else:
        inputs, outputs = g.need("inputs", "k", "m", "d_in"), g.need("outputs", "n", "d_out")
    return share(inputs, side), share(outputs, side)


def _mesh_gemm(g: Given) -> Job:
    side = g.side
    if side < 2:
        raise UsageError(f"a ring of {side} PEs: expected 2 or more")
    names, tile = ("mt", "kt", "nt"), g.sizes.tile
    if set(names) <= set(g.sizes.named):
        tile = tuple(g.sizes.named[name] for name in names)
    if tile is None:
        tile = tuple(share(size, side) for size in g.product())
    if len(tile) != 3:
        raise UsageError(f"size gives a tile of {len(tile)} sizes: expected three, m, k and n")
    return mesh_gemm_job(mesh_gemm.Tiles(side, *tile))


def mesh_gemm_job(t: mesh_gemm.Tiles) -> Job:
    """Its steps are alike but for the edges of dies, which the shifts before them wait at."""

    def make(side: int) -> Program:
        return mesh_gemm.make(replace(t, side=side))

    def seconds(side: int) -> float:
        return cost.gemm(replace(t, side=side))

    return Job.of_square(Square(t.side, make, seconds, partial(skew_crossings, t.side)), mesh_gemm.ARGUMENTS)


@cache
def skew_crossings(side: int, wafer: Wafer) -> int:
    """Cycles that edges of dies add to half a ring of shifts, of any tile: those of the shifts by themselves."""
    program = ring_shift.make(side, 1, side // 2)
    whole, one_die = (spread(program, w, ring_shift.ARGUMENTS) for w in (wafer, on_one_die(wafer)))
    return whole - one_die


def _summa(g: Given) -> Job:
    side, tile, in_memory = g.side, g.square_tile(g.side), in_memory_on(g.wafer)
    make = partial(summa.make, t=tile, descriptors_in_memory=in_memory)
    return Job.of_square(Square(side, make, partial(cost.summa, tile=tile)), summa.ARGUMENTS)


def _summa_step(g: Given) -> Job:
    """The work of one PE in one step."""
    tile, in_memory = g.square_tile(g.side), in_memory_on(g.wafer)
    return Job(lambda: summa.make(1, tile, descriptors_in_memory=in_memory), summa.ARGUMENTS)


def in_memory_on(wafer: Wafer) -> bool:
    """Whether code compiled for the machine keeps SUMMA's descriptors in memory."""
    return wafer.name.startswith("WSE-3")


def _projections(g: Given) -> Job:
    side = g.side
    m, n = share(g.need("inputs", "n", "k"), side), share(g.need("outputs", "f", "m"), side)
    groups, batch = g.need("groups", "group", "g"), g.sizes.first("batch", "b") or 1
    shape = projections.Shape(side, m, n, groups, batch, g.sizes.first("times", "matrice", "matrices") or 1)
    return Job(lambda: projections.make(shape))


def _attention_core(g: Given) -> Job:
    tokens, features = _tokens(g)
    tokens, features, side = share(tokens, g.side), share(features, g.side), g.side
    tiles = ScoreTiles(side, tokens, tokens, features)
    return Job(lambda: attention_core.make(tiles), attention_core.ARGUMENTS)


def _tokens(g: Given) -> tuple[int, int]:
    if g.sizes.matrix is not None:
        return g.matrix()
    return g.need("tokens", "s", "token", "seq"), g.need("features", "d", "n", "feature")


def _projection_and_norm(g: Given) -> Job:
    """A GEMM with a square matrix, the residual, and the norm of its rows."""
    side, (tokens, features) = g.side, _tokens(g)
    m, n = share(tokens, side), share(features, side)
    tiles = mesh_gemm.Tiles(side, m, n, n)
    return Job(lambda: projection_norm.make(tiles), projection_norm.ARGUMENTS)


def _ring_shift(g: Given) -> Job:
    length, shifts = g.width, g.need("shifts", "l", "shift")
    if length < 2:
        raise UsageError(f"a ring of {length} PEs: expected 2 or more")
    tile = g.sizes.tile or g.sizes.matrix or (g.need("elements", "n", "element", "word"),)
    n = prod(tile)
    return Job(lambda: ring_shift.make(length, n, shifts), ring_shift.ARGUMENTS, cost.ring_shift(length, n, shifts))


# -- on rows of PEs -----------------------------------------------------------------------------------


def _rows(make: Callable[[row_tiles.Tile], Program]) -> Callable[[Given], Job]:
    """Rows of a matrix over the first number of a grid, features over the second, as published sizes are written."""

    def job(g: Given) -> Job:
        rows, features = g.matrix()
        tile = row_tiles.Tile(g.height, share(rows, g.width), share(features, g.height))
        return Job(lambda: make(tile))

    return job


def _elements(make: Callable[[int], Program]) -> Callable[[Given], Job]:
    """What each PE does with its elements by itself."""
    return _rows(lambda tile: make(tile.rows * tile.cols))


def _parallel(make: Callable[[int, int], Program]) -> Callable[[Given], Job]:
    def job(g: Given) -> Job:
        n = g.need("elements per PE", "per pe", "n", "element", "bare")
        return Job(lambda: make(g.width, n))

    return job


# -- on one PE ----------------------------------------------------------------------------------------


def _vector(make: Callable[[int], Program]) -> Callable[[Given], Job]:
    def job(g: Given) -> Job:
        n = g.need("elements", "n", "element", "value", "word", "bare")
        return Job(lambda: make(n))

    return job


def _matrix(make: Callable[[int], Program]) -> Callable[[Given], Job]:
    def job(g: Given) -> Job:
        n = g.square_tile(g.side)
        return Job(lambda: make(n))

    return job


def _attention(g: Given) -> Job:
    """Queries are dealt to the PEs of a grid, keys and values copied to all.

    What is called scalar on one PE is so in its softmax alone: scalar products would take four times its cycles.
    """
    tokens, d = g.need("tokens", "s", "token", "seq"), g.need("features", "d", "feature")
    queries, vectors = share(tokens, g.pes), not (g.pes > 1 and re.search("scalar", g.workload, re.IGNORECASE))
    return Job(lambda: plain_attention.make(queries, tokens, d, vectors=vectors))


_GEMM = r"gemm|mat-?mul|matrix.?multipl"
_STEP = r"local|per round|per step|tile"

KERNELS = (
    PublishedKernel(r"mesh.?gemv|k-?tree gemv", _mesh_gemv, f16, beside=MESH_GEMV_LOOP),
    PublishedKernel(rf"mesh.?gemm|two-?hop|aligned ({_GEMM})", _mesh_gemm, f16),
    PublishedKernel(r"projection.*(fan-?out|batch)|qkv projection|fan-?out", _projections, f16),
    PublishedKernel(r"projection.*(residual|norm)", _projection_and_norm, f16),
    PublishedKernel(r"attention", _attention_core, f16, r"tail|cache|decode|one PE|quer|scalar", on_one_pe=False),
    PublishedKernel(r"rms.?norm", _rows(row_tiles.rms_norm), f16, "one PE", on_one_pe=False),
    PublishedKernel(r"layer.?norm", _rows(row_tiles.layer_norm), f16, "one PE", on_one_pe=False),
    PublishedKernel(r"soft-?max.*map", _rows(lambda t: row_tiles.softmax(t, mapped=True)), f16),
    PublishedKernel(r"soft-?max", _rows(row_tiles.softmax), f16, "cross|attention"),
    PublishedKernel(r"(silu|swiglu|activation).*gat|\bgate", _elements(row_tiles.silu_gate), f16),
    PublishedKernel(r"gelu", _elements(row_tiles.gelu), f16),
    PublishedKernel(r"silu", _elements(row_tiles.silu), f16, on_one_pe=False),
    PublishedKernel(r"ring shift|tile relay|interleaved (ring|shift)", _ring_shift, f16),
    PublishedKernel(rf"(summa|collectives_2d).*({_STEP})(?!.*scalar)|local ({_GEMM}).*(dsd|vector)", _summa_step, f32),
    PublishedKernel(rf"(summa|collectives_2d).*({_STEP}).*scalar|({_GEMM}).*scalar", _matrix(plain.matrix_matrix), f32),
    PublishedKernel(rf"summa|({_GEMM}).*collectives|collectives.*({_GEMM})", _summa, f32),
    PublishedKernel(r"gemv.*scalar|scalar.*gemv", _matrix(plain.matrix_vector), f32),
    PublishedKernel(r"attention", _attention, f32, r"tail|cache|decode|core"),
    PublishedKernel(r"rms.?norm", _vector(plain.rms_norm), f32),
    PublishedKernel(r"l2.?norm", _vector(plain.l2_norm), f32),
    PublishedKernel(r"silu", _vector(plain.silu), f32),
    PublishedKernel(r"relu", _vector(plain.relu), f32),
    PublishedKernel(r"^(?!.*(dsd|roofline)).*(saxpy|axpy)", _vector(plain.axpy), f32),
    PublishedKernel(r"cross.?entropy", _vector(lambda n: plain.cross_entropy(n, 0)), f32),
    PublishedKernel(r"parallel (sum|reduc)", _parallel(parallel.sum_of), f32),
    PublishedKernel(r"parallel dot", _parallel(parallel.dot_of), f32),
    PublishedKernel(r"^dot|dot (product )?(on )?one PE", _vector(plain.dot_of), f32, on_one_pe=True),
    PublishedKernel(r"^sum|sum (reduction )?(on )?one PE", _vector(plain.sum_of), f32, "summa", on_one_pe=True),
)  # fmt: skip


def kernel_of(workload: str, pes: int) -> PublishedKernel | None:
    """The first that fits."""
    return next((kernel for kernel in KERNELS if kernel.fits(workload, pes)), None)
