"""Buffers in SRAM and the views that vector operations walk over them."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from wse_sim.errors import ProgramError
from wse_sim.hardware.dtypes import DType
from wse_sim.hardware.geometry import Region

if TYPE_CHECKING:
    from wse_sim.program.register import Register


@dataclass(frozen=True, eq=False)
class Buffer:
    """A named typed array in the SRAM of every PE of a region.

    length   elements per PE
    address  bytes from the start of the data area, the same on every PE
    """

    name: str
    dtype: DType
    length: int
    region: Region
    address: int

    @property
    def nbytes(self) -> int:
        return self.length * self.dtype.bytes

    @property
    def end(self) -> int:
        return self.address + self.nbytes

    def view(self, offset: int = 0, length: int | Register | None = None, *, stride: int = 1) -> View:
        """A view of `length` elements, `stride` elements apart, the first at `offset`."""
        if length is None:
            length = max(0, -(-(self.length - offset) // stride)) if stride > 0 else self.length - offset
        return View(buffer=self, offset=offset, length=length, stride=stride)

    def __getitem__(self, key: int | slice) -> View:
        if isinstance(key, int):
            index = key + self.length if key < 0 else key
            return self.view(index, 1)
        start, stop, step = key.indices(self.length)
        return self.view(start, len(range(start, stop, step)), stride=step)

    def at(self, where: Register, length: int | Register = 1, *, stride: int = 1) -> View:
        """A view that starts at the element a register names."""
        return self.view(0, length, stride=stride).at(where)

    def __repr__(self) -> str:
        return f"{self.name}: {self.dtype.name}[{self.length}]"


@dataclass(frozen=True, eq=False)
class View:
    """Elements of a buffer in the order an operation walks them.

    Element i is at offset + where + (i // inner) * outer_stride + (i % inner) * stride;
    without `inner` the view has one dimension.
    where    register added to the offset, read when the operation issues
    advance  elements added to `where` once the operation has finished (auto-advance)
    step     elements the view moves on after each step of a map
    """

    buffer: Buffer
    offset: int
    length: int | Register
    stride: int = 1
    inner: int | None = None
    outer_stride: int = 0
    where: Register | None = None
    advance: int = 0
    step: int = 0

    def __post_init__(self) -> None:
        if not isinstance(self.length, int):
            return
        if self.length < 0:
            raise ProgramError(f"view of {self.buffer!r} has length {self.length}: expected 0 or more")
        if self.length and self.where is None:
            low, high = self.extent(self.length)
            if low < 0 or high >= self.buffer.length:
                raise ProgramError(
                    f"view of {self.buffer!r} reaches elements {low}..{high}: expected them within "
                    f"0..{self.buffer.length - 1}; shorten the view or enlarge the buffer"
                )

    def extent(self, length: int) -> tuple[int, int]:
        """Lowest and highest element touched by `length` > 0 elements, `where` and steps left out."""
        last = length - 1
        if self.inner is None:
            corners = [0, last * self.stride]
        else:
            rows, width = last // self.inner, min(self.inner, length) - 1
            corners = [r + c for r in (0, rows * self.outer_stride) for c in (0, width * self.stride)]
        return self.offset + min(corners), self.offset + max(corners)

    @property
    def dtype(self) -> DType:
        return self.buffer.dtype

    def at(self, where: Register, *, advance: bool = False) -> View:
        """The view moved by a register; with `advance` the register moves past the view after use."""
        moved = 0
        if advance:
            if not isinstance(self.length, int):
                raise ProgramError(f"auto-advance of {self.buffer!r} needs a fixed length, not a register")
            moved = self.length * self.stride
        return replace(self, where=where, advance=moved)

    def stepping(self, elements: int) -> View:
        """The view moving on by `elements` after each step of a map."""
        return replace(self, step=elements)

    def rows(self, inner: int, outer_stride: int) -> View:
        """The view folded to rows of `inner` elements that start `outer_stride` elements apart."""
        return replace(self, inner=inner, outer_stride=outer_stride)

    def __repr__(self) -> str:
        start = str(self.offset) if self.where is None else f"{self.offset}+{self.where!r}"
        text = f"{self.buffer.name}[{start} n={self.length!r}"
        text += f" stride={self.stride}" if self.stride != 1 else ""
        text += f" inner={self.inner} outer_stride={self.outer_stride}" if self.inner is not None else ""
        text += f" advance={self.advance}" if self.advance else ""
        text += f" step={self.step}" if self.step else ""
        return text + "]"


@dataclass(frozen=True, eq=False)
class Each:
    """The elements of a view, one at a time, as the scalar operand of a map."""

    view: View

    def __repr__(self) -> str:
        return f"each({self.view!r})"


def each(view: View | Buffer) -> Each:
    """Makes an operation a map: it runs once per element of `view`, that element its scalar `b`."""
    return Each(view[:] if isinstance(view, Buffer) else view)
