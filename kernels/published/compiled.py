"""What a compiler puts around the instructions of a published kernel: addresses, and descriptors kept in memory.

Here an operand knows its address, there it takes instructions. Their numbers were found from loops of plain code on the
vendor's simulator (FABSIM-082 to 085: 35, 22, 20 and 15 cycles per element) and from MeshGEMM on silicon (42 cycles per
inner step with one column).
"""

from __future__ import annotations

from wse_sim.hardware import f32
from wse_sim.program.code import Code
from wse_sim.program.memory import Buffer
from wse_sim.program.register import Number, Register

DESCRIPTOR = 6  # instructions that move a descriptor from memory into its register
ADVANCE = 3  # a descriptor in memory is moved on: its word is loaded, changed and stored
SCALE = 1  # an index becomes a distance in words, once for all arrays that it is used for
WIDEN = 1  # a product of 16 bits in a computed index becomes one of 32
BASE = 1  # the address of an array is added


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
