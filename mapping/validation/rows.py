"""Rows of published figures: reading CSV files of the kinds that are known by their columns."""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.resources import files
from itertools import zip_longest
from pathlib import Path

from wse_sim.errors import UsageError

Cells = Mapping[str, str]
MESH_GEMM, MESH_GEMV, RELAY, FIGURE = "MeshGEMM", "MeshGEMV", "relay", "figure"
COLUMNS = {
    MESH_GEMM: ("P", "Mt", "Kt", "Nt", "cycles"),
    MESH_GEMV: ("P", "Mt", "Nt", "groups", "cycles"),
    RELAY: ("P", "L", "Mt", "Nt", "cycles"),
    FIGURE: ("id", "source", "workload", "hardware", "grid_x", "grid_y", "dtype", "size", "metric", "value", "unit"),
}
SHOWN = 40  # characters of a cell that is refused
LARGEST = 10**7  # no size of a published figure is larger
SHIPPED = ("meshgemv_wse3.csv", "meshgemm_wse3.csv", "measurements.csv", "relay_wse3_simulator.csv")


def size(text: str, name: str, *, most: int = LARGEST) -> int:
    """A whole number from 1 to `most`. Raises UsageError with `name` if the text is none."""
    digits = re.fullmatch(r"0*([1-9][0-9]{0,7})(\.0)?", text.strip())
    if digits is None or int(digits[1]) > most:
        raise UsageError(f"{name} is {_short(text)}: expected a whole number from 1 to {most}")
    return int(digits[1])


def number(text: str, name: str) -> float:
    """A number above 0. Raises UsageError with `name` if the text is none."""
    plain = re.fullmatch(r"([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]{1,3})?", text.strip())
    return positive(float(plain[0]) if plain else 0.0, name, given=text)


def positive(value: float, name: str, *, given: str | None = None) -> float:
    """The value. Raises UsageError if it is nothing that an error can be relative to."""
    if not 0 < value < float("inf"):
        raise UsageError(f"{name} is {value if given is None else _short(given)}: expected a number above 0")
    return value


def _short(text: str) -> str:
    return repr(text.strip() if len(text) <= SHOWN else text.strip()[:SHOWN] + "...")


@dataclass(frozen=True)
class Row:
    """A line of a file: its kind, a key of COLUMNS, and its cells by column.

    line   where it ends in the file, 0 if it is of no file
    flaw   what is wrong with it as a whole
    apart  whether it is the simulator's in a source that is mostly of silicon
    """

    kind: str
    cells: Cells
    line: int = 0
    flaw: str = ""
    apart: bool = False

    @property
    def source(self) -> str:
        """What rows are summed up by: the table, or the letters of a figure's id."""
        name = self.cells["id"].rsplit("-", 1)[0] if self.kind == FIGURE else self.kind
        return f"{name} (simulator)" if self.apart else name

    @property
    def configuration(self) -> str:
        """The row in words."""
        if self.kind != FIGURE:
            return " ".join(f"{name}={self.cells[name]}" for name in COLUMNS[self.kind][:-1])
        parts = (self.cells[name] for name in ("id", "workload", "dtype", "size", "metric"))
        return ", ".join(part for part in parts if part not in ("", "-"))

    def integer(self, column: str, *, most: int = LARGEST) -> int:
        """A cell that must hold a size."""
        return size(self.cells[column], column, most=most)

    def number(self, column: str) -> float:
        """A cell that must hold a number above 0."""
        return number(self.cells[column], column)


def read_rows(path: Path) -> list[Row]:
    """All rows of a file. Raises UsageError if it is no CSV file or its columns are not those of one known kind."""
    try:
        return _rows(path.name, path.read_bytes().decode("utf-8-sig"))
    except UnicodeDecodeError:
        raise UsageError(f"{path}: expected a text file in UTF-8 with comma-separated values") from None


def shipped_rows() -> list[Row]:
    """The rows that come with the package."""
    folder = files("wse_sim.mapping.validation") / "data"
    return [row for name in SHIPPED for row in _rows(name, (folder / name).read_text("utf-8"))]


def _rows(name: str, text: str) -> list[Row]:
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        given = [column.strip() for column in next(reader, ())]
        kind = _kind(name, given)
        rows = [_row(kind, given, cells, reader.line_num) for cells in reader if any(cell.strip() for cell in cells)]
        return _split(rows) if kind == FIGURE else rows
    except csv.Error as error:
        raise UsageError(f"{name}, line {reader.line_num}: {error}: expected comma-separated values") from None


def _split(rows: list[Row]) -> list[Row]:
    """Silicon and simulator are different machines: of sources with rows of both the simulator's are set apart."""
    silicon = {row.source for row in rows if "silicon" in row.cells["hardware"].lower()}
    return [
        replace(row, apart=row.source in silicon and "simulator" in row.cells["hardware"].lower()) for row in rows
    ]


def _kind(name: str, given: Sequence[str]) -> str:
    twice = [column for column in dict.fromkeys(given) if column and given.count(column) > 1]
    if twice:
        raise UsageError(f"{name} has more than one column {', '.join(twice)}: expected one of each")
    found = [kind for kind, columns in COLUMNS.items() if set(columns) <= set(given)]
    if len(found) > 1:
        raise UsageError(f"{name} has the columns of {' and of '.join(found)}: expected those of one kind")
    if not found:
        known = "; ".join(",".join(columns) for columns in COLUMNS.values())
        raise UsageError(f"{name} has the columns {','.join(given) or 'none'}: expected those of one kind: {known}")
    return found[0]


def _row(kind: str, given: Sequence[str], cells: Sequence[str], line: int) -> Row:
    lacking = [column for column in given[len(cells) :] if column in COLUMNS[kind]]
    flaw = f"no {', '.join(lacking)}: expected all columns of the header" if lacking else ""
    if any(cell.strip() for cell in cells[len(given) :]):
        flaw = f"{len(cells)} cells: expected {len(given)}, as in the header; quote a cell that holds a comma"
    return Row(kind, dict(zip_longest(given, cells[: len(given)], fillvalue="")), line, flaw)
