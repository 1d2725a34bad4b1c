"""A run in three plain sentences."""

from __future__ import annotations

from typing import TYPE_CHECKING

from wse_sim.hardware.states import BUSY, MEMORY, State
from wse_sim.report.bottleneck import Bottleneck, find_bottleneck

if TYPE_CHECKING:
    from wse_sim.report.report import Report

MOSTLY = 0.5  # what is in use for this part of the run or more is what the others wait for
_WORTH_NAMING = 0.1  # part of all PE-cycles from which on memory comes before links, and idling is named


def explain(report: Report) -> str:
    """What bounded the run and where; the busiest link or the memory limit; what to try. A sentence a line."""
    if report.cycles == 0:
        return f"{report.name!r} has run for no cycle yet.\nThere is no traffic.\nLaunch it first."
    found = find_bottleneck(report)
    return "\n".join([_bound(report, found), _limit(report), _try(found)])


def percent(share: float) -> str:
    """A share for readers: `0 %` only if it is nothing."""
    if 0 < share < 0.01:
        return "less than 1 %"
    if 0.99 < share < 1:
        return "more than 99 %"
    return f"{100 * share:.0f} %"


def amount(number: float) -> str:
    """Thousands apart: 12,345."""
    return f"{round(number):,}"


def wavelets_text(number: int) -> str:
    return f"{amount(number)} wavelet{'s' * (number != 1)}"


def _bound(report: Report, found: Bottleneck) -> str:
    """What took the time, in which section, on which PEs, and who was waited for."""
    when = "after" if found.state is State.IDLE else "in"
    several = f"the {found.sections} sections of " if found.sections > 1 else "section "
    where = f"{when} {several}{found.section!r}"
    if len(report.sections.names) > 1 and found.section_share < 1:
        where = f"{percent(found.section_share)} of it {where}"
    text = f"{found.state.name} ({found.state.meaning}) took {percent(found.share)} of all PE-cycles, {where}, "
    text += f"mainly on {found.box}"
    if found.second is not None:
        text += f"; next comes {found.second.name} ({found.second.meaning}) with {percent(found.second_share)}"
    if found.state is not State.IDLE and found.idle_share >= _WORTH_NAMING:
        text += f"; {percent(found.idle_share)} were idle"
    return text + _waited_for(found) + "."


def _waited_for(found: Bottleneck) -> str:
    if not found.waits:
        return ""
    share, doing = percent(found.worker_share), f"{found.worker_state.name} most of that time"
    if found.worker_share >= MOSTLY:
        return f"; {found.worker} worked for {share} of the run, {doing}: the others wait for it"
    no_worker = f"; no PE worked for more than {share} of the run ({found.worker}, {doing})"
    if found.link_share >= MOSTLY:
        return f"{no_worker}, but one link was in use for {percent(found.link_share)}: the others wait for it"
    return f"{no_worker}: the time goes into the way of the wavelets from PE to PE"


def _limit(report: Report) -> str:
    """The busiest link; the host link where weights are late; where SRAM costs more, the memory limit."""
    wall = report.memory_wall()
    if wall.streamed_bytes and (wall.host_bound or wall.weight_share >= _WORTH_NAMING):
        bound = "bounded the run" if wall.host_bound else "did not bound the run"
        return (
            f"The host link {bound}: {amount(wall.streamed_bytes)} bytes of weights were streamed in, "
            f"{percent(wall.link_share)} of what its busiest entry can give in that time, and PEs waited for them in "
            f"{percent(wall.weight_share)} of all PE-cycles; each byte was worth "
            f"{wall.operations_per_streamed_byte:.2f} arithmetic operations."
        )
    if wall.stall_share >= _WORTH_NAMING:
        worst = max(MEMORY, key=lambda s: report.totals[s])
        return (
            f"SRAM ports and banks cost {percent(wall.stall_share)} of all PE-cycles, {worst.name} "
            f"({worst.meaning}) most; {wall.port_pe} reads {wall.port_bytes_per_cycle:.1f} of the "
            f"{report.wafer.read_bytes_per_cycle} bytes that its ports give in a cycle."
        )
    busiest = report.busiest_links(1)
    room = f"buffers take {amount(wall.peak_bytes)} of {amount(wall.limit_bytes)} bytes of SRAM on {wall.peak_pe}"
    if not busiest:
        return f"No wavelet used a link, and {room}."
    link = busiest[0]
    blocked = f", and wavelets at its end were held up for {amount(link.blocked)} cycles" if link.blocked else ""
    return (
        f"The busiest link leaves PE ({link.x}, {link.y}) to the {link.direction}: {wavelets_text(link.wavelets)}, "
        f"{percent(link.share)} of what it can carry{blocked}; {room}."
    )


def _try(found: Bottleneck) -> str:
    cures = [found.state.cure]
    if found.waits and found.worker_share >= MOSTLY:
        cures.append(f"on {found.worker}: {found.worker_state.cure}")
    elif found.waits and found.link_share >= MOSTLY:
        cures.append("spread the busiest link's wavelets over more rows or columns")
    elif found.waits:
        cures.append("shorten the path, or send longer vectors along it")
    if found.second is not None and found.second not in BUSY:
        cures.append(found.second.cure)
    return f"Try: {'; '.join(dict.fromkeys(cures))}."
