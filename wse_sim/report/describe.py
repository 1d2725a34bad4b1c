"""A report as text and as a short HTML paragraph."""

from __future__ import annotations

from collections.abc import Iterator
from html import escape
from typing import TYPE_CHECKING

from wse_sim.hardware.states import GROUPS, State
from wse_sim.report.explain import amount, percent, wavelets_text
from wse_sim.report.parts import UNKNOWN

if TYPE_CHECKING:
    from wse_sim.report.report import Report


def describe(report: Report) -> str:
    """States, sections, traffic, memory, work, energy, and how the result was made."""
    blocks = (_heading, _states, _sections, _counts, _origin)
    return "\n\n".join("\n".join(block(report)) for block in blocks) + "\n"


def describe_html(report: Report) -> str:
    """A short paragraph for a notebook."""
    head = next(_heading(report))
    sentences = "<br>".join(escape(line) for line in report.explain().splitlines())
    return (
        f"<b>{escape(head)}</b>, {amount(report.cycles)} cycles ({escape(time_text(report.seconds))}), "
        f"{escape(percent(report.utilisation))} busy<br>{sentences} "
        "<small>(<code>.describe()</code> shows the tables)</small>"
    )


def time_text(seconds: float) -> str:
    """Seconds with the prefix that fits."""
    return _scaled(seconds, (("s", 1.0), ("ms", 1e-3), ("us", 1e-6), ("ns", 1e-9)))


def energy_text(joules: float) -> str:
    """Joules with the prefix that fits."""
    return _scaled(joules, (("kJ", 1e3), ("J", 1.0), ("mJ", 1e-3), ("uJ", 1e-6), ("nJ", 1e-9), ("pJ", 1e-12)))


def _scaled(value: float, units: tuple[tuple[str, float], ...]) -> str:
    unit, size = next(((u, s) for u, s in units if abs(value) >= s), units[-1])
    return f"{value / size:.3g} {unit}"


def _heading(report: Report) -> Iterator[str]:
    yield f"{report.name} on {report.wafer.name}, {report.width} x {report.height} PEs"
    launches = f"{len(report.launches)} launch" + "es" * (len(report.launches) != 1)
    yield (
        f"{amount(report.cycles)} cycles = {time_text(report.seconds)} at {report.wafer.clock_hz / 1e9:g} GHz in "
        f"{launches}; {percent(report.utilisation)} busy"
    )
    if report.tile > 1:
        yield f"grids hold sums over {report.tile} x {report.tile} PEs"
    yield from (f"BROKEN LAW, a fault of the simulator: {law}" for law in report.broken_laws())


def _states(report: Report) -> Iterator[str]:
    yield f"{'state':16}{'group':8}{'PE-cycles':>16}  share"
    for state in sorted(State, key=lambda s: -report.totals[s]):
        if report.totals[state]:
            cycles = amount(report.totals[state])
            yield f"{state.name:16}{state.group:8}{cycles:>16}  {percent(report.share(state))}"


def _sections(report: Report) -> Iterator[str]:
    sections = report.sections
    names = [f"{name:>8}" for name in GROUPS]
    width = max(8, *(len(name) for name in sections.names)) + 2
    yield f"{'section':{width}}{'PE-cycles':>16}{''.join(names)}{'wavelets':>13}{'first':>11}{'last':>11}"
    for i, name in enumerate(sections.names):
        total = int(sections.cycles[i].sum())
        if not total:
            continue
        shares = (int(sections.cycles[i, list(members)].sum()) / total for members in GROUPS.values())
        groups = "".join(f"{100 * share:7.0f}%" for share in shares)
        span = "".join(f"{_cycle(int(at)):>11}" for at in (sections.first[i], sections.last[i]))
        yield f"{name:{width}}{amount(total):>16}{groups}{amount(sections.wavelets[i]):>13}{span}"


def _cycle(at: int) -> str:
    return "-" if at == UNKNOWN else amount(at)


def _counts(report: Report) -> Iterator[str]:
    links, work = report.links, report.work
    yield (
        f"fabric  {amount(links.injections.sum())} wavelets sent, {amount(links.hops.sum())} hops, "
        f"{amount(links.deliveries.sum())} delivered, {amount(links.held.sum())} on the way"
    )
    for link in report.busiest_links(1):
        yield (
            f"        busiest link: PE ({link.x}, {link.y}) {link.direction}, {wavelets_text(link.wavelets)}, "
            f"{percent(link.share)} of the cycles"
        )
    wall = report.memory_wall()
    yield (
        f"SRAM    {amount(report.sram.read.sum())} bytes read, {amount(report.sram.written.sum())} written; at most "
        f"{amount(wall.peak_bytes)} of {amount(wall.limit_bytes)} bytes in use, on {wall.peak_pe}"
    )
    counts = ", ".join(f"{amount(n)} {name}" for name, n in work.by_operation.items())
    yield f"work    {amount(work.operations.sum())} arithmetic operations; elements: {counts or 'none'}"
    inward, outward = report.host_cycles
    yield (
        f"host    {amount(work.host_bytes_in)} bytes in ({amount(inward)} cycles of its link), "
        f"{amount(work.host_bytes_out)} out ({amount(outward)} cycles), besides the launches"
    )
    if work.streamed_bytes:
        yield (
            f"        {amount(work.streamed_bytes)} bytes streamed in during the launches, in use for "
            f"{percent(report.link_share)} of the cycles"
        )
    energy = report.energy
    largest = max(energy.femtojoules, key=lambda name: energy.femtojoules[name])
    yield (
        f"energy  about {energy_text(energy.joules)}, {percent(energy.share(largest))} of it {largest} "
        f"({energy.note})"
    )


def _origin(report: Report) -> Iterator[str]:
    made = report.provenance
    libraries = ", ".join(f"{name} {version}" for name, version in made.libraries.items())
    threads = f"{made.threads} thread" + "s" * (made.threads != 1)
    seed = "no seed" if made.seed is None else f"seed {made.seed}"
    yield (
        f"made by wse_sim {made.version}, engine {made.engine}, {threads}, {seed}, {libraries}; "
        f"program {made.program_hash}"
    )
    if made.fidelity != "exact":
        yield f"{made.fidelity}: {made.composed}"
    for name, text in report.overrides.items():
        yield f"set     {name} = {text}"
    if report.assumed:
        yield f"assumed {', '.join(report.assumed)}"
