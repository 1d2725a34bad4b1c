"""Where a number comes from."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, get_args

from wse_sim.errors import UsageError

OriginKind = Literal["published", "measured", "inferred", "assumed", "override"]
KINDS: tuple[OriginKind, ...] = get_args(OriginKind)


@dataclass(frozen=True)
class Origin:
    """How far a number can be trusted.

    kind    published: by the vendor or in a paper; measured: on silicon or on the vendor's simulator, by others;
            inferred: follows from such numbers; assumed: a guess; override: set by the user
    source  enough words to find it
    note    what to know before leaning on it, or how it was derived
    """

    kind: OriginKind
    source: str
    note: str = ""

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise UsageError(f"origin kind {self.kind!r}: expected one of {', '.join(KINDS)}")

    @property
    def mark(self) -> str:
        """One capital letter for tables: P, M, I, A or O."""
        return self.kind[0].upper()

    def __str__(self) -> str:
        return f"{self.kind}: {self.source}" + (f" ({self.note})" if self.note else "")


@dataclass(frozen=True)
class Stated:
    """A number that is none of a machine's, with what it is and where it comes from."""

    name: str
    value: int
    meaning: str
    origin: Origin

    def __str__(self) -> str:
        return f"{self.name} = {self.value}: {self.meaning}; {self.origin}"


def published(source: str, note: str = "") -> Origin:
    return Origin("published", source, note)


def measured(source: str, note: str = "") -> Origin:
    return Origin("measured", source, note)


def inferred(source: str, note: str = "") -> Origin:
    return Origin("inferred", source, note)


def assumed(source: str, note: str = "") -> Origin:
    return Origin("assumed", source, note)


def override(note: str) -> Origin:
    return Origin("override", "set by the user", note)
