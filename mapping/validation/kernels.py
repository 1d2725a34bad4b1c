"""Whole kernels whose cycles rows of figures give: which program each is, of which sizes."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from wse_sim.errors import ProgramError
from wse_sim.hardware import Wafer
from wse_sim.kernels.published import (
    mesh_gemm,
    mesh_gemv,
    mesh_scores,
    parallel,
    plain,
    plain_attention,
    projections,
    row_tiles,
    summa,
)
from wse_sim.mapping.validation.harness import longest
from wse_sim.mapping.validation.rows import Row, size
from wse_sim.program.program import Program

Sizes = Mapping[str, int]
Arguments = Mapping[str, float]
GEMM_ARGUMENTS = {"step": 0, "wanted": 0}
SUMMA_ARGUMENTS = {"step": 0, "a_at": 0, "b_at": 0}
SCORES_ARGUMENTS = {"step": 0, "block": 0}
CYCLES_PER_SECOND = 2e7  # of one PE that works all the time


@dataclass(frozen=True)
class Part:
    """A program of a kernel, and what its launch is given."""

    program: Callable[[], Program]
    arguments: Arguments = field(default_factory=dict)


@dataclass(frozen=True)
class PublishedKernel:
    """Rows whose workload and size match patterns; `size` names the numbers of the row's size.

    parts    programs that run one after the other; width and height are those of the row's grid
    """

    workload: str
    size: str
    parts: Callable[[Sizes], list[Part]]

    def sizes(self, row: Row) -> Sizes | None:
        """The row's numbers, None if it is no row of this kernel. Raises UsageError for one that is no size."""
        if not re.search(self.workload, row.cells["workload"]):
            return None
        found = re.search(self.size, row.cells["size"])
        if found is None:
            return None
        grid = {name: row.integer(cell) for name, cell in GRID if row.cells[cell].strip().isdigit()}
        return {**grid, **{name: size(text, name) for name, text in found.groupdict().items()}}


GRID = (("width", "grid_x"), ("height", "grid_y"))


def simulate(parts: list[Part], wafer: Wafer) -> int:
    """Cycles of all programs together: of each, those of the PE that takes longest."""
    return sum(longest(part.program(), wafer, part.arguments) for part in parts)


def _share(total: int, parts: int) -> int:
    if parts < 1 or total % parts:
        raise ProgramError(f"{total} over {parts} PEs: expected a multiple")
    return total // parts


def _square(s: Sizes) -> int:
    if s["width"] != s["height"]:
        raise ProgramError(f"{s['width']} x {s['height']} PEs: expected a square")
    return s["width"]


# -- on squares of PEs --------------------------------------------------------------------------------


def _mesh_gemv(s: Sizes) -> list[Part]:
    side = _square(s)
    m, n = _share(s["k"], side), _share(s["n"], side)
    return [Part(lambda: mesh_gemv.make(side, m, n, s["groups"]))]


def _mesh_gemm(s: Sizes) -> list[Part]:
    side = _square(s)
    tiles = mesh_gemm.Tiles(side, *(_share(s[name], side) for name in ("m", "k", "n")))
    return [Part(lambda: mesh_gemm.make(tiles), GEMM_ARGUMENTS)]


def _cube(s: Sizes) -> list[Part]:
    return _mesh_gemm({**s, "m": s["n"], "k": s["n"]})


def _summa(s: Sizes) -> list[Part]:
    side = _square(s)
    return [Part(lambda: summa.make(side, s["t"], descriptors_in_memory=True), SUMMA_ARGUMENTS)]


def _summa_step(s: Sizes) -> list[Part]:
    """The work of one PE in one step."""
    return _summa({"width": 1, "height": 1, "t": s["n"]})


def _projections(s: Sizes) -> list[Part]:
    side = _square(s)
    m, n = _share(s["n"], side), _share(s["f"], side)
    shape = projections.Shape(side, m, n, s["groups"], s["batch"], s["matrices"])
    return [Part(lambda: projections.make(shape))]


def _attention_core(s: Sizes) -> list[Part]:
    """Q K^T, the softmax of its rows, and their product with V."""
    side = _square(s)
    tokens, features = _share(s["tokens"], side), _share(s["features"], side)
    return [
        Part(lambda: mesh_scores.make(mesh_scores.Tiles(side, tokens, tokens, features)), SCORES_ARGUMENTS),
        Part(lambda: row_tiles.softmax(row_tiles.Tile(side, tokens, tokens))),
        Part(lambda: mesh_gemm.make(mesh_gemm.Tiles(side, tokens, tokens, features)), GEMM_ARGUMENTS),
    ]


def _projection_and_norm(s: Sizes) -> list[Part]:
    """A GEMM with a square matrix, the residual, and the norm of its rows."""
    side = _square(s)
    tile = row_tiles.Tile(side, _share(s["tokens"], side), _share(s["features"], side))
    gemm = _mesh_gemm({**s, "m": s["tokens"], "k": s["features"], "n": s["features"]})
    return [*gemm, Part(lambda: row_tiles.rms_norm(tile, residual=True))]


# -- on rows of PEs -----------------------------------------------------------------------------------


def _tile(s: Sizes) -> row_tiles.Tile:
    """The rows of a matrix over the first number of a grid, features over the second, as its size is written."""
    return row_tiles.Tile(s["height"], _share(s["rows"], s["width"]), _share(s["features"], s["height"]))


def _rms_norm(s: Sizes) -> list[Part]:
    return [Part(lambda: row_tiles.rms_norm(_tile(s)))]


def _layer_norm(s: Sizes) -> list[Part]:
    return [Part(lambda: row_tiles.layer_norm(_tile(s)))]


def _softmax(s: Sizes) -> list[Part]:
    return [Part(lambda: row_tiles.softmax(_tile(s)))]


def _mapped_softmax(s: Sizes) -> list[Part]:
    return [Part(lambda: row_tiles.softmax(_tile(s), mapped=True))]


def _gate(s: Sizes) -> list[Part]:
    tile = _tile(s)
    return [Part(lambda: row_tiles.silu_gate(tile.rows * tile.cols))]


def _parallel(make: Callable[[int, int], Program]) -> Callable[[Sizes], list[Part]]:
    return lambda s: [Part(lambda: make(s["width"], s["n"]))]


# -- on one PE ----------------------------------------------------------------------------------------


def _alone(make: Callable[[int], Program]) -> Callable[[Sizes], list[Part]]:
    return lambda s: [Part(lambda: make(s["n"]))]


def _attention(*, vectors: bool) -> Callable[[Sizes], list[Part]]:
    """Queries are dealt to the PEs of a grid, keys and values copied to all."""

    def parts(s: Sizes) -> list[Part]:
        queries = _share(s["tokens"], s["width"] * s["height"])
        return [Part(lambda: plain_attention.make(queries, s["tokens"], s["d"], vectors=vectors))]

    return parts


_N, _MATRIX, _SEQUENCE = r"^n=(?P<n>\d+)", r"^(?P<rows>\d+)x(?P<features>\d+)", r"S=(?P<tokens>\d+) d=(?P<d>\d+)"
_TOKENS = r"^(?P<tokens>\d+)x(?P<features>\d+)"
_BATCH = r"batch (?P<batch>\d+), N=(?P<n>\d+), F=(?P<f>\d+) x(?P<matrices>\d+), group (?P<groups>\d+)"
_TILE = r"^(?P<n>\d+)x\d+(x\d+)? tile"

KERNELS = (
    PublishedKernel("^MeshGEMV$", r"\[1,\d+\]x\[(?P<k>\d+),(?P<n>\d+)\].*group (?P<groups>\d+)", _mesh_gemv),
    PublishedKernel("^MeshGEMM two-hop", r"^(?P<n>\d+)\^3", _cube),
    PublishedKernel("^Aligned matmul", r"^(?P<m>\d+)x(?P<k>\d+) ?\* ?\d+x(?P<n>\d+)", _mesh_gemm),
    PublishedKernel("^QKV projection", _BATCH, _projections),
    PublishedKernel("^Attention core", _TOKENS, _attention_core),
    PublishedKernel(r"^Projection\+residual\+RMS", _TOKENS, _projection_and_norm),
    PublishedKernel("^RMSNorm$", _MATRIX, _rms_norm),
    PublishedKernel("^LayerNorm$", _MATRIX, _layer_norm),
    PublishedKernel("^Softmax, scalar", _MATRIX, _softmax),
    PublishedKernel("^Softmax, @map", _MATRIX, _mapped_softmax),
    PublishedKernel("^SiLU gate", _MATRIX, _gate),
    PublishedKernel("^GEMM collectives_2d", r"tile (?P<t>\d+)x", _summa),
    PublishedKernel("^SUMMA local GEMM per round, DSD", _TILE, _summa_step),
    PublishedKernel("^SUMMA local GEMM per round, scalar", _TILE, _alone(plain.matrix_matrix)),
    PublishedKernel("^local GEMV, scalar", _TILE, _alone(plain.matrix_vector)),
    PublishedKernel(r"^GEMM one PE \(scalar\)", r"^(?P<n>\d+)\^3", _alone(plain.matrix_matrix)),
    PublishedKernel("^Attention one PE", _SEQUENCE, _attention(vectors=True)),
    PublishedKernel("^Attention, queries split", _SEQUENCE, _attention(vectors=True)),
    PublishedKernel("^Attention scalar", _SEQUENCE, _attention(vectors=False)),
    PublishedKernel("^RMSNorm one PE", _N, _alone(plain.rms_norm)),
    PublishedKernel("^SiLU one PE", _N, _alone(plain.silu)),
    PublishedKernel("^ReLU one PE", _N, _alone(plain.relu)),
    PublishedKernel("^L2 norm one PE", _N, _alone(plain.l2_norm)),
    PublishedKernel("^SAXPY one PE", _N, _alone(plain.axpy)),
    PublishedKernel("^Dot one PE", _N, _alone(plain.dot_of)),
    PublishedKernel("^Sum reduction one PE", _N, _alone(plain.sum_of)),
    PublishedKernel("^Cross entropy one PE", _N, _alone(lambda n: plain.cross_entropy(n, 0))),
    PublishedKernel("^Parallel sum", r"^(?P<n>\d+) per PE", _parallel(parallel.sum_of)),
    PublishedKernel("^Parallel dot", r"^(?P<n>\d+) per PE", _parallel(parallel.dot_of)),
)  # fmt: skip
