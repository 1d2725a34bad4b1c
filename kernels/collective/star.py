"""What the PEs of a star do: the root adds up vector after vector; cores between hand them on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from wse_sim.hardware import DType, Wafer, i32
from wse_sim.hardware.dtypes import WAVELET_BYTES
from wse_sim.kernels.collective import chunks
from wse_sim.kernels.collective.timing import Timing, wavelets
from wse_sim.kernels.collective.tree import Tree
from wse_sim.kernels.collective.wires import Place
from wse_sim.program.memory import Buffer, View
from wse_sim.program.register import Register


def send(place: Place, x: View, kind: DType, behind: Buffer) -> None:
    """Sends x, then hands on the vectors of the PEs behind, as they are."""
    code = place.code
    code.mov(place.outputs[0], x, carry=kind)
    with code.scope():
        for color in place.inputs:
            code.mov(place.outputs[0], color, n=code.load(behind) * _words(place, x.length, kind), carry=i32)


def collect(place: Place, operation: str, x: View, kind: DType, counts: Sequence[int]) -> None:
    """Adds so many vectors from each side to x: in one go if the end of a vector is the end of a wavelet."""
    for color, count in zip(place.inputs, counts, strict=True):
        n = x.length
        if isinstance(n, int) and x.inner is None and _whole(n, kind):
            again = replace(x, length=count * n, inner=max(1, n), outer_stride=0)
            place.code.vector(operation, again, color, again, carry=kind)
        else:
            with place.code.loop(count):
                place.code.vector(operation, x, color, x, carry=kind)


def _whole(n: int, kind: DType) -> bool:
    return n * kind.bytes % WAVELET_BYTES == 0


def _words(place: Place, n: int | Register, kind: DType) -> int | Register:
    """Wavelets of a vector, of two elements where they are halves."""
    if kind.per_wavelet == 1:
        return n
    if isinstance(n, int):
        return -(-n // kind.per_wavelet)
    return (place.code.use(n) + 1) >> 1


def cost(wafer: Wafer, tree: Tree, n: int, stream: int, kind: DType) -> int:
    """Cycles until the root has added all vectors, each of which takes `stream` cycles."""
    words = wavelets(n, kind)
    if _whole(n, kind):
        return chunks.gathered_cycles(wafer, tree.length, tree.root, words, each=stream)
    again = Timing(wafer).issue(2) + wafer.loop_edge_cycles
    return chunks.gathered_cycles(wafer, tree.length, tree.root, words, each=stream + again)
