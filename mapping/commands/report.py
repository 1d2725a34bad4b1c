"""`wse-sim report`: the results of a run, again, as text or as a page."""

from __future__ import annotations

from pathlib import Path

from rich.console import Console

from wse_sim.errors import UsageError
from wse_sim.report.report import Report
from wse_sim.report.trace import Recording

REPORT, TRACE = "report.json", "trace.npz"


def report_command(*, run: Path, html: Path | None) -> None:
    """Prints the report, or writes the page."""
    report, recording = read_run(run)
    if html is None:
        Console().print(report.describe(), markup=False, highlight=False, end="", soft_wrap=True)
        return
    if html.is_dir():
        raise UsageError(f"--html {html}: it is a folder; expected the name of a file")
    html.parent.mkdir(parents=True, exist_ok=True)
    report.to_html(html, recording=recording)
    size = html.stat().st_size / 1e6
    Console(stderr=True).print(f"{html} ({size:.1f} MB): open it in a browser", markup=False, highlight=False)


def read_run(run: Path) -> tuple[Report, Recording | None]:
    """What `wse-sim run --out` wrote: the report, and the recording if there was one."""
    folder = run.parent if run.is_file() else run
    file = run if run.is_file() else run / REPORT
    if not file.is_file():
        raise UsageError(f"{run}: no {REPORT} there; expected a folder that `wse-sim run --out` wrote, or its {REPORT}")
    trace = folder / TRACE
    return Report.from_json(file), Recording.load(trace) if trace.is_file() else None
