"""A recording in the Chrome trace event format, which ui.perfetto.dev and chrome://tracing open.

Every PE is a process: its first thread shows what each cycle counts as, the others its background slots; words in its
queues and the use of its links are counters. A microsecond on the screen is a cycle.
"""

from __future__ import annotations

import gzip
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from wse_sim.hardware.geometry import Direction
from wse_sim.hardware.states import BUSY, State
from wse_sim.report.trace.code import CodeLine
from wse_sim.report.trace.events import PORTS
from wse_sim.report.trace.levels import link_levels, queue_levels

if TYPE_CHECKING:
    from wse_sim.report.trace.recording import Recording

_STATES = tuple(State)
_TEXT = 120  # characters of an instruction that are shown
_NAME = 60  # of a colour or a section
Event = dict[str, Any]


def write_chrome(recording: Recording, path: Path) -> None:
    """Writes the trace; compressed if the name ends in .gz, which viewers open as well."""
    header = {"otherData": {"about": recording.describe(), "unit": "1 us is 1 cycle"}, "displayTimeUnit": "ns"}
    with gzip.open(path, "wt", encoding="utf-8") if path.suffix == ".gz" else path.open("w", encoding="utf-8") as out:
        out.write(json.dumps(header, ensure_ascii=False)[:-1] + ', "traceEvents": [\n')
        separator = ""
        for event in events(recording):
            out.write(separator + json.dumps(event, ensure_ascii=False, separators=(",", ":")))
            separator = ",\n"
        out.write("\n]}\n")


def events(recording: Recording) -> Iterator[Event]:
    """Names first, then slices, background operations and counters."""
    yield from _names(recording)
    yield from _slices(recording)
    yield from _spans(recording)
    yield from _queues(recording)
    yield from _links(recording)


def _names(recording: Recording) -> Iterator[Event]:
    slots = sorted(set(recording.spans.slot.tolist()))
    for x, y in recording.region:
        pe = y * recording.width + x
        yield _metadata(pe, 0, "process_name", {"name": f"PE ({x}, {y})"})
        yield _metadata(pe, 0, "process_sort_index", {"sort_index": pe})
        yield _metadata(pe, 0, "thread_name", {"name": "cycles"})
        for slot in slots:
            yield _metadata(pe, 1 + slot, "thread_name", {"name": f"slot {slot}"})


def _metadata(pe: int, thread: int, name: str, arguments: dict[str, Any]) -> Event:
    return {"name": name, "ph": "M", "pid": pe, "tid": thread, "args": arguments}


def _slices(recording: Recording) -> Iterator[Event]:
    slices = recording.slices
    columns = (slices.pe, slices.state, slices.instruction, slices.start, slices.end)
    for pe, code, row, start, end in zip(*(c.tolist() for c in columns), strict=True):
        state, line = _STATES[code], recording.code[row]
        yield {
            "name": slice_name(state, line), "cat": state.group, "ph": "X", "pid": pe, "tid": 0, "ts": start,
            "dur": end - start, "args": {"state": state.name, **_about(line)},
        }  # fmt: skip


def slice_name(state: State, line: CodeLine) -> str:
    """Work by its instruction, anything else by its state and what it waits for."""
    if state in BUSY:
        return line.name
    if state is State.INPUT_WAIT:
        return f"wait for {(line.receives or '')[:_NAME]}"
    if state is State.OUTPUT_BLOCKED:
        return f"blocked on {(line.sends or '')[:_NAME]}"
    return state.name.lower().replace("_", " ")


def _about(line: CodeLine) -> dict[str, str]:
    text = line.text if len(line.text) <= _TEXT else f"{line.text[: _TEXT - 1]}…"
    return {"instruction": text, "section": line.section[:_NAME]}


def _spans(recording: Recording) -> Iterator[Event]:
    spans = recording.spans
    columns = (spans.pe, spans.slot, spans.instruction, spans.start, spans.end)
    for pe, slot, row, start, end in zip(*(c.tolist() for c in columns), strict=True):
        line, last = recording.code[row], end if end >= 0 else recording.end
        yield {
            "name": line.name, "cat": "background", "ph": "X", "pid": pe, "tid": 1 + slot, "ts": start,
            "dur": last - start, "args": _about(line),
        }  # fmt: skip


def _queues(recording: Recording) -> Iterator[Event]:
    levels = queue_levels(recording)
    for (pe, color, port), cycle, level in zip(
        levels.place.tolist(), levels.cycle.tolist(), levels.level.tolist(), strict=True
    ):
        name = f"queue {recording.colors[color][:_NAME]} {PORTS[port]}"
        yield {"name": name, "ph": "C", "pid": pe, "ts": cycle, "args": {"words": level}}


def _links(recording: Recording) -> Iterator[Event]:
    levels = link_levels(recording)
    for (pe, direction), cycle, level in zip(
        levels.place.tolist(), levels.cycle.tolist(), levels.level.tolist(), strict=True
    ):
        name = f"link {Direction(direction).name}"
        yield {"name": name, "ph": "C", "pid": pe, "ts": cycle, "args": {"wavelets": level}}
