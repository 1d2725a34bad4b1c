"""A strict reader of the text log that the viewer wse-viz opens; shares no code with what writes it.

Every line must be one of the grammar's forms. `delivered` walks a wavelet as the viewer does: a departure at cycle t
goes on with a landing at the neighbour at t + 1, on the side that it came from; a gap is an error here.
"""

from __future__ import annotations

import re
from collections import defaultdict
from dataclasses import dataclass, field

Pe = tuple[int, int]
_PE = r"P(?P<x>\d+)\.(?P<y>\d+)"
_HEX4, _IDENT = r"[0-9a-f]{4}", r"(?P<ident>[0-9a-f]{16})"
FORMS = {
    "size": re.compile(r"dimX=(?P<width>\d+), dimY=(?P<height>\d+)"),
    "busy": re.compile(
        _PE + r": \[EX OP\] \^ 0x(?P<pc>" + _HEX4 + r"): T(?P<task>\d{1,2})(\.\d+)?( !?CF\d:[01]\?)? "
        r"(?P<name>[A-Z][A-Z0-9]*)(\.\w+)?"
    ),
    "idle": re.compile(_PE + r": \[EX OP\] IDLE"),
    "hop": re.compile(
        _PE + r" \(hwtile\) wavelet C(?P<color>\d+) ctrl=0, idx=(?P<index>" + _HEX4 + r"), data=(?P<data>" + _HEX4
        + r") \(\w+\([^()]*\)\), half=0, ident=" + _IDENT + r" landing=(?P<landing>[RENWSD-]) "
        r"departing=/(?P<departing>[E ][N ][W ][S ][R ])/(, lf=1 (?P<consumed>to_ce_from_q|to_ce_from_router))?"
    ),
    "write": re.compile(
        _PE + r": pe: Writing wavelet C(?P<color>\d+) data=(?P<data>[0-9a-f]+) to OUT_Q\[(?P<queue>\d)\]"
    ),
    "send": re.compile(
        _PE + r": pe: Sending wavelet C(?P<color>\d+) data=(?P<data>[0-9a-f]+) ident:" + _IDENT
        + r" on OUT_Q\[(?P<queue>\d)\]"
    ),
    "pressure": re.compile(_PE + r": pe: Backpressure on C(?P<color>\d+) for OUT_Q\[(?P<queue>\d)\]"),
    "starved": re.compile(
        _PE + r": T(?P<task>\d{2}) Not enough wavelets \((?P<have>\d+)/(?P<want>\d+)\) for SRC\d with C(?P<color>\d+), "
        r"IN_Q\[(?P<queue>\d)\], SIMD-(?P<simd>\d+)"
    ),
    "stall": re.compile(_PE + r": Pipe: (?P<pipe>\d+), Msg: stall: (?P<reason>\S.*)"),
}
STEP = {"E": (1, 0, "W"), "N": (0, -1, "S"), "W": (-1, 0, "E"), "S": (0, 1, "N")}


@dataclass
class Hop:
    """A record of a wavelet at a router; `color` and `word` as sent."""

    cycle: int
    pe: Pe
    color: int
    word: int
    landing: str
    departing: str
    consumed: bool


@dataclass
class Log:
    """All that a log says.

    size    columns and rows
    states  of each PE: (cycle, mnemonic or IDLE), where they change
    stalls  of each PE: (cycle, reason)
    hops    of each wavelet, in the order of the log
    sent    (cycle written, cycle sent) of each wavelet that left an output queue
    stuck   wavelets written and never sent
    """

    size: tuple[int, int]
    states: dict[Pe, list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))
    stalls: dict[Pe, list[tuple[int, str]]] = field(default_factory=lambda: defaultdict(list))
    hops: dict[str, list[Hop]] = field(default_factory=lambda: defaultdict(list))
    sent: dict[str, tuple[int, int]] = field(default_factory=dict)
    pressure: list[tuple[int, Pe, int]] = field(default_factory=list)
    stuck: int = 0


def read_log(text: str) -> Log:
    """Raises AssertionError, with the line, for anything outside the grammar."""
    lines = text.splitlines()
    assert text.endswith("\n")
    assert text.isascii()
    first = re.fullmatch(r"@\d+ " + FORMS["size"].pattern, lines[0])
    assert first, f"the first line must give the size: {lines[0]!r}"
    log = Log((int(first["width"]), int(first["height"])))
    waiting: dict[tuple[Pe, str, str], list[tuple[int, str]]] = defaultdict(list)
    before = 0
    for line in lines[1:]:
        head = re.fullmatch(r"@(\d+) (.*)", line)
        assert head, f"no event: {line!r}"
        cycle = int(head[1])
        assert cycle >= before, f"out of order: {line!r}"
        before = cycle
        found = {name: m for name, form in FORMS.items() if (m := form.fullmatch(head[2]))}
        assert len(found) == 1, f"{line!r} is {list(found) or 'of no form'}"
        ((form, match),) = found.items()
        assert form != "size", f"a second size: {line!r}"
        pe = (int(match["x"]), int(match["y"]))
        assert 0 <= pe[0] < log.size[0], line
        assert 0 <= pe[1] < log.size[1], line
        _take(log, waiting, form, match, cycle, pe)
    log.stuck = sum(map(len, waiting.values()))
    return log


def _take(log: Log, waiting, form: str, match: re.Match[str], cycle: int, pe: Pe) -> None:  # type: ignore[no-untyped-def]
    if form in ("busy", "idle"):
        changes = log.states[pe]
        name = match["name"] if form == "busy" else "IDLE"
        assert not changes or changes[-1][0] < cycle, f"two instructions of PE {pe} at {cycle}"
        changes.append((cycle, name))
    elif form in ("stall", "starved"):
        assert not log.states[pe] or log.states[pe][-1][0] < cycle, f"stall of PE {pe} after its instruction at {cycle}"
        log.stalls[pe].append((cycle, match["reason"] if form == "stall" else f"C{match['color']}"))
    elif form == "write":
        waiting[pe, match["color"], match["queue"]].append((cycle, match["data"]))
    elif form == "send":
        written, data = waiting[pe, match["color"], match["queue"]].pop(0)
        assert written <= cycle
        assert data == match["data"]
        assert match["ident"] not in log.sent
        log.sent[match["ident"]] = (written, cycle)
    elif form == "pressure":
        log.pressure.append((cycle, pe, int(match["color"])))
    else:
        word = int(match["index"], 16) << 16 | int(match["data"], 16)
        consumed = match["consumed"] is not None
        assert consumed == ("R" in match["departing"]), "a wavelet that departs through the ramp is consumed"
        assert match["landing"] != "-" or match["departing"].strip(), "neither landing nor departing"
        departing = match["departing"].replace(" ", "")
        hop = Hop(cycle, pe, int(match["color"]), word, match["landing"], departing, consumed)
        log.hops[match["ident"]].append(hop)


def delivered(log: Log, ident: str, *, begins: int, ends: int, inside: set[Pe]) -> dict[Pe, int]:
    """PEs at which a wavelet is consumed, and when; its path may not have a gap within the PEs and cycles recorded."""
    hops = log.hops[ident]
    assert len({(hop.color, hop.word) for hop in hops}) == 1, "a wavelet keeps its colour and its word"
    landings = {(hop.pe, hop.cycle, hop.landing) for hop in hops if hop.landing != "-"}
    expected: set[tuple[Pe, int, str]] = set()
    for hop in hops:
        for port in hop.departing.replace("R", ""):
            dx, dy, side = STEP[port]
            place = (hop.pe[0] + dx, hop.pe[1] + dy)
            if place in inside and hop.cycle + 1 <= ends:
                expected.add((place, hop.cycle + 1, side))
    for pe, cycle, side in landings - expected:
        dx, dy, _ = STEP.get(side, (0, 0, ""))
        outside = (pe[0] + dx, pe[1] + dy) not in inside
        assert side == "R" or outside or cycle == begins, f"{ident} lands at {pe}, {cycle} from {side} out of nowhere"
    assert expected <= landings, f"{ident} departed and did not land: {sorted(expected - landings)}"
    for hop in hops:
        if hop.landing == "-":  # it waited where it had landed before
            assert any(h.pe == hop.pe and h.landing != "-" and h.cycle < hop.cycle for h in hops), (ident, hop)
    return {hop.pe: hop.cycle for hop in hops if hop.consumed}


def state_at(log: Log, pe: Pe, cycle: int) -> str:
    """What the viewer shows: the last change at or before the cycle."""
    shown = "IDLE"
    for changed, name in log.states[pe]:
        if changed > cycle:
            break
        shown = name
    return shown
