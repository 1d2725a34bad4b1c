"""The page: a template, its parts, and the library that draws, all in one file."""

from __future__ import annotations

import base64
import gzip
import json
from html import escape
from importlib.resources import files
from pathlib import Path
from string import Template
from typing import TYPE_CHECKING

from wse_sim.errors import UsageError
from wse_sim.report.webpage.figures import figures
from wse_sim.report.webpage.tables import provenance, summary, tables
from wse_sim.report.webpage.wafer import wafer_data

if TYPE_CHECKING:
    from wse_sim.report.report import Report
    from wse_sim.report.trace.recording import Recording

CELLS = 1 << 14  # of the wafer's map; a larger wafer is shown in tiles


def write_html(report: Report, path: Path, recording: Recording | None = None, *, cells: int = CELLS) -> Path:
    """Writes the page."""
    path.write_text(page(report, recording, cells=cells), "utf-8")
    return path


def page(report: Report, recording: Recording | None = None, *, cells: int = CELLS) -> str:
    """The page as text; with a recording of the run it has a timeline of PEs.

    cells  most cells of the wafer's map
    Raises UsageError if the library that draws is not installed.
    """
    library = _library()
    shown = report.tiled_to(cells)
    data = {"figures": figures(shown, recording), **wafer_data(shown)}
    folder = files("wse_sim.report.webpage")
    return Template((folder / "page.html").read_text("utf-8")).substitute(
        title=escape(f"{report.name} on {report.wafer.name}"),
        style=(folder / "page.css").read_text("utf-8"),
        script=(folder / "page.js").read_text("utf-8"),
        summary=summary(report),
        explanation="".join(f"<li>{escape(line)}</li>" for line in report.explain().splitlines()),
        options="".join(
            f'<option value="{i}">{escape(q["name"])}, {escape(q["unit"])}</option>'
            for i, q in enumerate(data["quantities"])
        ),
        timeline="" if recording is None else escape(recording.describe()),
        has_timeline="" if recording is not None else "hidden",
        tables=tables(report),
        provenance=provenance(report),
        library=_packed(library),
        data=_packed(json.dumps(data, separators=(",", ":"), ensure_ascii=False)),
    )


def _library() -> str:
    """The text of plotly.js."""
    try:
        from plotly.offline import get_plotlyjs
    except ImportError:
        raise UsageError(
            "an HTML report needs plotly, which is not installed; install it with pip install 'wse-sim[html]'"
        ) from None
    text: str = get_plotlyjs()
    return text


def _packed(text: str) -> str:
    """Compressed, in letters that a page may hold."""
    return base64.b64encode(gzip.compress(text.encode(), 9, mtime=0)).decode()
