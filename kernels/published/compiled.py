"""What a compiler puts around the instructions of a published kernel: addresses, and descriptors kept in memory.

Here an operand knows its address, there it takes instructions.
"""

from __future__ import annotations

from wse_sim.hardware import f32
from wse_sim.hardware.origin import Stated, assumed, inferred
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer
from wse_sim.program.register import Number, Register

_PLAIN = inferred(
    "plain code on the vendor's simulator: L2 norm, SAXPY, dot product and sum of 512 f32 (FABSIM-082 to 085)",
    "35, 22, 20 and 15 cycles per element come out with these instructions beside loads, arithmetic and the loop",
)
COMPILED = (
    Stated("DESCRIPTOR", 6, "instructions that move a descriptor from memory into its register", inferred(
        "MeshGEMM on silicon, Nt = 1: 42 cycles per inner step, with three descriptors and two views that move on")),
    Stated("ADVANCE", 3, "instructions that move a descriptor in memory on", assumed(
        "its word is loaded, changed and stored")),
    Stated("SCALE", 1, "instructions that make an index a distance in words, for all arrays at once", _PLAIN),
    Stated("WIDEN", 1, "instructions that make a product of 16 bits in a computed index one of 32", assumed(
        "one conversion; a GEMM of plain code on the vendor's simulator (FABSIM-071) is 4 % short with it")),
    Stated("BASE", 1, "instructions that add the address of an array", _PLAIN),
)  # fmt: skip
"""What the compiler's code takes besides the kernel's own instructions, one number for all kernels."""

DESCRIPTOR, ADVANCE, SCALE, WIDEN, BASE = (number.value for number in COMPILED)


def instructions(pe: Code, count: int) -> None:
    """Integer instructions whose results this machine's views do not need."""
    with pe.scope():
        for _ in range(count):
            pe.integer(0)


# -- descriptors --------------------------------------------------------------------------------------


def load_descriptors(pe: Code, count: int) -> None:
    """Reads descriptors from memory, before the operation that uses them loads its own."""
    instructions(pe, count * DESCRIPTOR)


def advance(pe: Code, place: Register, elements: int) -> None:
    """Moves on a view that begins at `place`."""
    place += elements
    instructions(pe, ADVANCE - 1)


# -- elements -----------------------------------------------------------------------------------------


def scale(pe: Code, *, computed: int = 0) -> None:
    """Makes a counter ready to load and store with, or so many indices computed from several."""
    instructions(pe, computed * (SCALE + WIDEN) if computed else SCALE)


def load(pe: Code, buffer: Buffer, index: Register) -> Register:
    """Element `index`, word by word."""
    instructions(pe, BASE + _more_words(buffer))
    return pe.load(buffer.at(index))


def store(pe: Code, buffer: Buffer, index: Register, value: Register | Number, *, addressed: bool = False) -> None:
    """Writes element `index`, word by word; `addressed`: it was loaded just before."""
    instructions(pe, _more_words(buffer) + (0 if addressed else BASE))
    pe.store(buffer.at(index), value)


def _more_words(buffer: Buffer) -> int:
    """Words of 16 bits besides the first."""
    return 1 if buffer.dtype.bytes == f32.bytes else 0
