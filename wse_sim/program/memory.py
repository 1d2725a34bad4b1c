"""Buffers in SRAM and the views that vector operations walk over them."""

from __future__ import annotations

from dataclasses import dataclass, replace

from wse_sim.errors import ProgramError
from wse_sim.hardware.dtypes import DType
from wse_sim.hardware.geometry import Region
from wse_sim.program.register import Register
from wse_sim.program.values import whole

FARTHEST = 1 << 26  # elements; a PE's SRAM holds far fewer


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
        """Bytes on each PE."""
        return self.length * self.dtype.bytes

    @property
    def end(self) -> int:
        """First byte past the buffer."""
        return self.address + self.nbytes

    def view(
        self,
        offset: int = 0,
        length: int | Register | None = None,
        *,
        stride: int = 1,
        inner: int | None = None,
        outer_stride: int = 0,
    ) -> View:
        """A view of `length` elements (default: all there are), `stride` elements apart, the first at `offset`.

        inner  elements in a row; rows start `outer_stride` elements apart
        """
        count = _elements_left(self, offset, stride) if length is None else length
        return View(self, offset, count, stride, inner, outer_stride)

    def __getitem__(self, key: int | slice) -> View:
        if isinstance(key, slice):
            return self._slice(key)
        if isinstance(key, Register):
            raise ProgramError(f"{self.name}[{key!r}]: expected a fixed index; use {self.name}.at({key!r}) instead")
        if not hasattr(key, "__index__"):
            raise ProgramError(f"{self.name}[{key!r}]: expected an index or a slice, as in {self.name}[2:8]")
        index = whole(key, f"index of {self!r}")
        at = index + self.length if index < 0 else index
        if not 0 <= at < self.length:
            raise ProgramError(f"{self.name}[{index}] is outside {self!r}: expected {-self.length}..{self.length - 1}")
        return self.view(at, 1)

    def _slice(self, key: slice) -> View:
        parts = [None if x is None else whole(x, f"bound in {self.name}[...]") for x in _bounds(self, key)]
        if parts[2] == 0:
            raise ProgramError(f"step of a slice of {self!r} is 0: expected another number; use .view(stride=0, ...)")
        start, stop, step = slice(*parts).indices(self.length)
        return self.view(start, len(range(start, stop, step)), stride=step)

    def at(self, where: Register, length: int | Register = 1, *, stride: int = 1) -> View:
        """A view that starts at the element a register names."""
        return self.view(0, length, stride=stride).at(where)

    def __repr__(self) -> str:
        return f"{self.name}: {self.dtype.name}[{self.length}]"


def _bounds(buffer: Buffer, key: slice) -> tuple[object, object, object]:
    bounds = (key.start, key.stop, key.step)
    for bound in bounds:
        if isinstance(bound, Register):
            raise ProgramError(
                f"{buffer.name}[...] has the register {bound!r} as a bound: expected fixed numbers; use "
                f"{buffer.name}.at(first, length)"
            )
    return bounds


def _elements_left(buffer: Buffer, offset: int, stride: int) -> int:
    """Elements from `offset` on that stay inside the buffer."""
    first = whole(offset, f"offset of a view of {buffer!r}")
    step = whole(stride, f"stride of a view of {buffer!r}")
    if step == 0:
        raise ProgramError(f"view of {buffer!r} has stride 0: expected a length then; give one")
    return len(range(first, buffer.length if step > 0 else -1, step))


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
        self._make_whole()
        if isinstance(self.length, int) and self.length and self.where is None:
            low, high = self.extent(self.length)
            if low < 0 or high >= self.buffer.length:
                raise ProgramError(
                    f"view of {self.buffer!r} reaches elements {low}..{high}: expected them within "
                    f"0..{self.buffer.length - 1}; shorten the view or enlarge the buffer"
                )

    def _make_whole(self) -> None:
        """Turns numpy integers into Python's, and refuses other kinds."""
        for name in ("offset", "stride", "outer_stride", "advance", "step"):
            self._make(name, None)
        if self.inner is not None:
            self._make("inner", 1)
        if isinstance(self.length, Register):
            _needs_int(self.length, self, "length")
        else:
            self._make("length", 0)
        if self.where is not None:
            _needs_int(self.where, self, "place")
        for name in ("offset", "stride", "outer_stride", "advance", "step", "inner", "length"):
            value = getattr(self, name)
            if isinstance(value, int) and abs(value) > FARTHEST:
                raise ProgramError(f"{name} of a view of {self.buffer!r} is {value}: expected at most {FARTHEST}")

    def _make(self, name: str, least: int | None) -> None:
        value = getattr(self, name)
        if type(value) is not int or (least is not None and value < least):
            object.__setattr__(self, name, whole(value, f"{name} of a view of {self.buffer!r}", least=least))

    def extent(self, length: int) -> tuple[int, int]:
        """Lowest and highest element that `length` > 0 elements may touch, `where` and steps left out.

        The last row counts as wide as the others, here and when the program runs.
        """
        wide = length if self.inner is None else min(self.inner, length)
        across = (wide - 1) * self.stride
        down = (length - 1) // wide * self.outer_stride
        corners = (0, across, down, across + down)
        return self.offset + min(corners), self.offset + max(corners)

    @property
    def dtype(self) -> DType:
        """Type of the elements."""
        return self.buffer.dtype

    def at(self, where: Register, *, advance: bool = False) -> View:
        """The view moved by a register; with `advance` the register moves past the view after use."""
        if self.where is not None:
            raise ProgramError(f"{self!r} is already moved by {self.where!r}: expected one register; add the two first")
        return replace(self, where=where, advance=self._past() if advance else 0)

    def _past(self) -> int:
        """Elements from the start of the view to the start of the one after it."""
        if not isinstance(self.length, int):
            raise ProgramError(f"auto-advance of {self.buffer!r} needs a fixed length, not a register")
        if self.inner is None:
            return self.length * self.stride
        if self.length % self.inner:
            raise ProgramError(
                f"auto-advance of {self!r}: expected whole rows of {self.inner} elements, not {self.length} elements"
            )
        return self.length // self.inner * self.outer_stride

    def stepping(self, elements: int) -> View:
        """The view moving on by `elements` after each step of a map."""
        return replace(self, step=elements)

    def rows(self, inner: int, outer_stride: int) -> View:
        """The view folded to rows of `inner` elements that start `outer_stride` elements apart."""
        if self.advance:
            raise ProgramError(f"{self!r} already advances: expected .rows(...) before .at(..., advance=True)")
        return replace(self, inner=inner, outer_stride=outer_stride)

    def __repr__(self) -> str:
        start = str(self.offset) if self.where is None else f"{self.offset}+{self.where!r}"
        text = f"{self.buffer.name}[{start} n={self.length!r}"
        text += f" stride={self.stride}" if self.stride != 1 else ""
        text += f" inner={self.inner} outer_stride={self.outer_stride}" if self.inner is not None else ""
        text += f" advance={self.advance}" if self.advance else ""
        text += f" step={self.step}" if self.step else ""
        return text + "]"


def _needs_int(register: object, view: View, name: str) -> None:
    if not isinstance(register, Register) or register.kind != "int":
        raise ProgramError(
            f"{name} of a view of {view.buffer!r} is {register!r}: expected an integer register; make one with "
            "pe.integer(...)"
        )


@dataclass(frozen=True, eq=False)
class Each:
    """The elements of a view, one at a time, as the scalar operand of a map.

    reload  whether each step loads the operation's descriptors again, as a callback that names descriptors does
    """

    view: View
    reload: bool = False

    def __post_init__(self) -> None:
        if not isinstance(self.view, View):
            raise ProgramError(f"each({self.view!r}): expected a view of a buffer")

    def __repr__(self) -> str:
        return f"each({self.view!r}{', reload=True' if self.reload else ''})"


def each(view: View | Buffer, *, reload: bool = False) -> Each:
    """Makes an operation a map: it runs once per element of `view`, that element its scalar `b`.

    reload  loads the operation's descriptors in each step instead of once, as a callback that names descriptors does
    """
    return Each(view[:] if isinstance(view, Buffer) else view, reload)
