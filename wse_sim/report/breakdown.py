"""Where cycles went, by the names of sections.

`layer 3/qkv/gemv` is the kernel `qkv/gemv` in the phase `layer 3`, and so is `replica 0/stage 1/layer 3/qkv/gemv` in
`replica 0/stage 1/layer 3`: a phase is the numbered parts that a path begins with, or else its first part.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from wse_sim.hardware.states import GROUPS

if TYPE_CHECKING:
    from wse_sim.report.report import Report


_NUMBER = re.compile(r" \d+$")


@dataclass(frozen=True)
class Line:
    """What a phase or a kernel took.

    cycles      of the run, on an average PE; the lines of a breakdown add up to the run
    groups      PE-cycles by group of states: busy, memory, fabric, issue, weights, idle
    wavelets    that its instructions sent
    operations  arithmetic ones
    sram_bytes  that its vector operations read and wrote
    streamed_bytes  that they took from host streams
    """

    name: str
    cycles: float
    groups: dict[str, int]
    wavelets: int
    operations: int
    sram_bytes: int
    streamed_bytes: int

    def share(self, group: str) -> float:
        """Part of its PE-cycles."""
        return self.groups[group] / max(sum(self.groups.values()), 1)


def phase_of(section: str) -> str:
    """The beginning of a section's path."""
    parts = section.split("/")
    return "/".join(parts[: _length(parts)])


def kernel_of(section: str) -> str:
    """The rest of the path; where nothing is left, the last part without its number."""
    parts = section.split("/")
    return "/".join(parts[_length(parts) :]) or _NUMBER.sub("", parts[-1])


def _length(parts: list[str]) -> int:
    """Parts of a path that belong to the phase."""
    plain = (i for i, part in enumerate(parts) if not _NUMBER.search(part))
    return max(1, next(plain, len(parts)))


def breakdown(report: Report, name_of: Callable[[str], str]) -> tuple[Line, ...]:
    """Sections summed by what `name_of` calls them, in the order of the program; those without a cycle left out."""
    sections = report.sections
    names = [name_of(name) for name in sections.names]
    found = []
    for name in dict.fromkeys(names):
        chosen = np.array([other == name for other in names])
        cycles = sections.cycles[chosen].sum(axis=0)
        if cycles.any():
            found.append(Line(
                name=name,
                cycles=int(cycles.sum()) / report.pes,
                groups={group: int(cycles[list(members)].sum()) for group, members in GROUPS.items()},
                wavelets=int(sections.wavelets[chosen].sum()),
                operations=int(sections.operations[chosen].sum()),
                sram_bytes=int(sections.sram_bytes[chosen].sum()),
                streamed_bytes=int(sections.streamed_bytes[chosen].sum()),
            ))  # fmt: skip
    return tuple(found)
