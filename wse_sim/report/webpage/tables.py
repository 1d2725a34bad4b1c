"""Text of the page: facts, tables, how the result was made."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from html import escape
from typing import TYPE_CHECKING

from wse_sim.hardware.states import State
from wse_sim.report.breakdown import Line, breakdown, kernel_of
from wse_sim.report.describe import energy_text, time_text
from wse_sim.report.explain import amount, percent

if TYPE_CHECKING:
    from wse_sim.report.report import Report

Row = tuple[str, ...]


def summary(report: Report) -> str:
    """A list of the main figures."""
    return "".join(f"<div><b>{escape(value)}</b><span>{escape(name)}</span></div>" for name, value in _facts(report))


def _facts(report: Report) -> Iterator[tuple[str, str]]:
    yield "PEs", f"{report.width} × {report.height}"
    yield f"cycles in {len(report.launches)} launch{'es' * (len(report.launches) != 1)}", amount(report.cycles)
    yield f"at {report.wafer.clock_hz / 1e9:g} GHz", time_text(report.seconds)
    yield "busy", percent(report.utilisation)
    yield "steps of wavelets over links", amount(int(report.links.hops.sum()))
    yield "busiest link", percent(max((link.share for link in report.busiest_links(1)), default=0.0))
    wall = report.memory_wall()
    yield "bytes of SRAM in use on the fullest PE", f"{amount(wall.peak_bytes)} of {amount(wall.limit_bytes)}"
    yield "energy, estimated", energy_text(report.energy.joules)


def tables(report: Report) -> str:
    """Every table under its title."""
    return "".join((
        _table("States", ("state", "group", "PE-cycles", "share", "meaning"), _states(report)),
        _table("Kernels", ("kernel", "cycles", "share", "busy", "wavelets", "operations"), _kernels(report)),
        _table("Busiest links", ("PE", "to the", "wavelets", "share of the cycles", "held up, cycles"), _links(report)),
        _table("Colours", ("colour", "sent", "steps", "copies", "taken", "on the way"), _colors(report)),
        _table("Buffers", ("buffer", "type", "bytes", "address", "PEs"), _buffers(report)),
    ))  # fmt: skip


def _table(title: str, head: Row, rows: Iterable[Row]) -> str:
    """Columns after the first are numbers or short words; a table folds away."""
    body = "".join(f"<tr>{''.join(f'<td>{escape(cell)}</td>' for cell in row)}</tr>" for row in rows)
    names = "".join(f"<th>{escape(name)}</th>" for name in head)
    opened = " open" if title in ("States", "Kernels") else ""
    return (
        f"<details{opened}><summary>{title}</summary><table><thead><tr>{names}</tr></thead><tbody>{body}</tbody>"
        "</table></details>"
    )


def _states(report: Report) -> Iterator[Row]:
    for state in sorted(State, key=lambda s: -report.totals[s]):
        if report.totals[state]:
            cycles = amount(report.totals[state])
            yield state.name, state.group, cycles, percent(report.share(state)), state.meaning


def _kernels(report: Report) -> Iterator[Row]:
    lines: list[Line] = sorted(breakdown(report, kernel_of), key=lambda line: -line.cycles)
    for line in lines:
        yield (
            line.name, amount(line.cycles), percent(line.cycles / max(report.cycles, 1)), percent(line.share("busy")),
            amount(line.wavelets), amount(line.operations),
        )  # fmt: skip


def _links(report: Report) -> Iterator[Row]:
    for link in report.busiest_links(20):
        place = f"({link.x}, {link.y})"
        yield place, link.direction.name, amount(link.wavelets), percent(link.share), amount(link.blocked)


def _colors(report: Report) -> Iterator[Row]:
    links = report.links
    columns = (links.injections, links.hops, links.copies, links.deliveries, links.held)
    for name, *counts in zip(links.colors, *(c.tolist() for c in columns), strict=True):
        yield name, *map(amount, counts)


def _buffers(report: Report) -> Iterator[Row]:
    for b in sorted(report.sram.buffers, key=lambda b: b.address):
        yield b.name, b.dtype, amount(b.nbytes), amount(b.address), amount(b.pes)


def provenance(report: Report) -> str:
    """How the result was made, and the guesses it leans on."""
    made = report.provenance
    rows = [
        ("made by", f"wse_sim {made.version}, engine {made.engine}, {made.threads} threads"),
        ("libraries", ", ".join(f"{name} {version}" for name, version in made.libraries.items())),
        ("program", made.program_hash),
        ("seed", "nothing was random" if made.seed is None else str(made.seed)),
        ("machine", report.wafer.name),
        ("set by the user", "; ".join(f"{name} = {text}" for name, text in report.overrides.items()) or "nothing"),
        ("numbers that are guesses", ", ".join(report.assumed) or "none"),
        ("energy", report.energy.note),
    ]
    return "".join(f"<tr><th>{escape(name)}</th><td>{escape(text)}</td></tr>" for name, text in rows)
