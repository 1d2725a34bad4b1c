"""What a size cell of a row of figures says, whatever its wording.

    matrices   64x128 · [1,128]x[128,128] · 64x64 * 64x128 · 56^3 · tile 14x14x14
    named      P=512 · M=K=N=46 · d = 16 · group size 8 · batch 3 · K-tree group 2
    counted    8 words · 1 hop · 128 per PE · 4096 elements
    ranges     hops 1..128 · <= 32 hops · N in 1,2,4
    bare       2048

in any order, with any of , ; | ( ) between. A number may end in K or M, for 1024 or 1024 * 1024.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field

from wse_sim.mapping.validation.rows import LARGEST, Row, size

_N = r"[0-9]+(?:\.0+)?[KkMm]?(?![0-9^A-WYZa-wyz]|\.[0-9])"
_BY = rf"{_N} *x *{_N}"
_ONE = rf"\[ *{_N} *[,x] *{_N} *\]|{_BY}"
_NAMES = r"group size|groups?|batch|step|hops?|seq|heads?|tokens|block"
_THINGS = r"per PE|hops?|words?|wavelets?|elem(?:ent)?s?|PEs?|groups?|values?|tokens?|shifts?"


def _pattern(text: str) -> re.Pattern[str]:
    return re.compile(text, re.IGNORECASE)


_ASIDE = _pattern(r"\((?:generated|number|same|median|transposed)[^)]*\)")
_THOUSANDS = re.compile(r"(= *[0-9]{1,3}),([0-9]{3})(?![0-9,])")
_LIST = _pattern(r"\b([A-Z]+) +in +([0-9][0-9, ]*)")
_RANGE = _pattern(r"([A-Z]+)? *(?:([0-9]+) *(?:\.\.|-|to|…) *([0-9]+)|(<=|up to|>=?) *([0-9]+))(?: *(hops?))?")
_TIMES = re.compile(rf"({_ONE})(?: *[*@·] *| *x *(?=\[))({_ONE})")
_CUBE = re.compile(r"([0-9]+) *\^ *([23])")
_TILE = _pattern(rf"\btiles?(?: of)? *[:=]? *({_N}(?: *x *{_N})*)|({_N}(?: *x *{_N})+) *tiles?\b")
_EQUAL = re.compile(rf"((?:[A-Za-z][A-Za-z_]*(?: [a-z]+)? *= *)+)({_N})(?: *x *({_N}))?")
_NAMED = _pattern(rf"\b({_NAMES}) *[:=]? +({_N})")
_MATRIX = _pattern(rf"(?<![0-9A-Z])({_N}(?: *x *{_N})+)(?: *(PEs?|grid))?")
_COUNTED = _pattern(rf"({_N}) *-?({_THINGS})\b")
_BARE = re.compile(rf"(?<![0-9A-Za-z.=^<>])({_N})")


@dataclass(frozen=True)
class Sizes:
    """The numbers of a size cell.

    named     by name, in lower case and singular; `bare` for a number without; width and height are the grid's
    ranges    from a to b, b None if open: hops 1..128 · <= 32 hops · hops > 32
    lists     N in 1,2,4
    product   a matrix times a matrix: ((rows, columns), (rows, columns))
    tile      what a PE holds of a matrix
    matrix    sizes joined by x that stand for themselves; a cube gives three equal ones
    """

    named: Mapping[str, int] = field(default_factory=dict)
    ranges: Mapping[str, tuple[int, int | None]] = field(default_factory=dict)
    lists: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    product: tuple[tuple[int, int], tuple[int, int]] | None = None
    tile: tuple[int, ...] | None = None
    matrix: tuple[int, ...] | None = None

    def first(self, *names: str) -> int | None:
        """The first of several names that is given."""
        return next((self.named[name] for name in names if name in self.named), None)


def parse_sizes(row: Row) -> Sizes:
    """What the size cell says, and the grid's width and height. Raises UsageError for a number that is no size."""
    text = _THOUSANDS.sub(r"\1\2", _ASIDE.sub(" ", row.cells["size"]).replace("×", "x"))
    named: dict[str, int] = {}
    ranges: dict[str, tuple[int, int | None]] = {}
    lists: dict[str, tuple[int, ...]] = {}
    taken = _Taker(text)
    for found in taken.all(_LIST):
        lists[_plain(found[1])] = tuple(_count(part, found[1]) for part in found[2].strip(", ").split(","))
    for found in taken.all(_RANGE):
        ranges[_plain(found[1] or found[6] or "bare")] = _range(found)
    product = tile = matrix = None
    for found in taken.all(_TIMES):
        product = (_pair(found[1]), _pair(found[2]))
    for found in taken.all(_CUBE):
        matrix = (size(found[1], "size"),) * int(found[2])
    for found in taken.all(_TILE):
        tile = _dims(found[1] or found[2])
    for found in taken.all(_EQUAL):
        for name in re.findall(r"[A-Za-z_]+(?: [a-z]+)?", found[1]):
            named[_plain(name)] = _count(found[2], name)
        if found[3]:
            named["times"] = _count(found[3], "times")
    for found in taken.all(_NAMED):
        named[_plain(found[1])] = _count(found[2], found[1])
    for found in taken.all(_MATRIX):
        if found[2]:
            named["width"], named["height"] = (*_dims(found[1]), 1)[:2]
        else:
            matrix = matrix or _dims(found[1])
    for found in taken.all(_COUNTED):
        named[_plain(found[2])] = _count(found[1], found[2])
    for found in taken.all(_BARE):
        named.setdefault("bare", _count(found[1], "size"))
    return Sizes({**named, **_grid(row)}, ranges, lists, product, tile, matrix)


class _Taker:
    """Matches of one pattern after the other, none of which sees what an earlier one took."""

    def __init__(self, text: str) -> None:
        self.text = text

    def all(self, pattern: re.Pattern[str]) -> list[re.Match[str]]:
        found = list(pattern.finditer(self.text))
        for match in found:
            self.text = self.text[: match.start()] + "|" * len(match[0]) + self.text[match.end() :]
        return found


def _grid(row: Row) -> dict[str, int]:
    cells = (("width", row.cells["grid_x"]), ("height", row.cells["grid_y"]))
    return {name: size(text, f"grid_{name[0]}") for name, text in cells if text.strip().replace(".0", "").isdigit()}


def _plain(name: str) -> str:
    """A name in lower case and singular."""
    low = " ".join(name.lower().split())
    return low[:-1] if low.endswith("s") and len(low) > 1 else low


def _dims(text: str) -> tuple[int, ...]:
    return tuple(_count(part, "size") for part in re.findall(_N, text))


def _range(found: re.Match[str]) -> tuple[int, int | None]:
    """From, to: None where it is open."""
    if found[2]:
        return size(found[2], "size"), size(found[3], "size")
    end = size(found[5], "size")
    return (end, None) if found[4].startswith(">") else (1, end)


def _pair(text: str) -> tuple[int, int]:
    first, second = _dims(text)
    return first, second


def _count(text: str, name: str) -> int:
    factor = {"k": 1 << 10, "m": 1 << 20}.get(text[-1:].lower(), 1)
    return size(text.rstrip("KkMm"), name, most=LARGEST // factor) * factor
