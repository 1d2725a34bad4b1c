"""Rows of published figures: reading CSV files of the kinds that are known by their columns."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.resources import files
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
SHIPPED = ("meshgemv_wse3.csv", "meshgemm_wse3.csv", "measurements.csv", "relay_wse3_simulator.csv")


@dataclass(frozen=True)
class Row:
    """A line of a file: its kind, a key of COLUMNS, and its cells by column."""

    kind: str
    cells: Cells

    @property
    def source(self) -> str:
        """What rows are summed up by: the table, or the letters of a figure's id."""
        return self.cells["id"].rsplit("-", 1)[0] if self.kind == FIGURE else self.kind

    @property
    def configuration(self) -> str:
        """The row in words."""
        if self.kind != FIGURE:
            return " ".join(f"{name}={self.cells[name]}" for name in COLUMNS[self.kind][:-1])
        parts = (self.cells[name] for name in ("id", "workload", "dtype", "size", "metric"))
        return ", ".join(part for part in parts if part not in ("", "-"))

    def integer(self, column: str) -> int:
        """A cell that must hold a whole number, 1 or more."""
        text = self.cells[column].strip()
        digits = text.removesuffix(".0")
        if not re.fullmatch("[0-9]+", digits) or int(digits) < 1:
            raise UsageError(f"{self.configuration}: {column} is {text!r}: expected a whole number, 1 or more")
        return int(digits)

    def number(self, column: str) -> float:
        """A cell that must hold a number above 0."""
        text = self.cells[column].strip()
        try:
            found = float(text)
        except ValueError:
            found = 0.0
        if not 0 < found < float("inf"):
            raise UsageError(f"{self.configuration}: {column} is {text!r}: expected a number above 0")
        return found

    def leading_number(self, column: str) -> float:
        """As `number`, but the first one of a range like 13276-13279."""
        text = self.cells[column].strip()
        head = re.match(r"[\d.]+(?=-[\d.]+$)", text)
        if head is None:
            return self.number(column)
        return Row(self.kind, {**self.cells, column: head[0]}).number(column)


def read_rows(path: Path) -> list[Row]:
    """All rows of a file. Raises UsageError if its columns are not those of a known kind."""
    try:
        lines = path.read_text("utf-8-sig").splitlines()
    except UnicodeDecodeError:
        raise UsageError(f"{path}: expected a text file in UTF-8 with comma-separated values") from None
    return _rows(path.name, lines)


def shipped_rows() -> list[Row]:
    """The rows that come with the package."""
    folder = files("wse_sim.mapping.validation") / "data"
    return [row for name in SHIPPED for row in _rows(name, (folder / name).read_text("utf-8").splitlines())]


def _rows(name: str, lines: Iterable[str]) -> list[Row]:
    reader = csv.DictReader(lines)
    given = [column.strip() for column in reader.fieldnames or ()]
    reader.fieldnames = given
    for kind, columns in COLUMNS.items():
        if set(columns) <= set(given):
            return [Row(kind, _whole(name, columns, cells)) for cells in reader]
    known = "; ".join(",".join(columns) for columns in COLUMNS.values())
    raise UsageError(f"{name} has the columns {','.join(given) or 'none'}: expected those of one kind: {known}")


def _whole(name: str, columns: Iterable[str], cells: Mapping[str, str | None]) -> Cells:
    lacking = [column for column in columns if cells.get(column) is None]
    if lacking:
        raise UsageError(f"{name}: a row without {', '.join(lacking)}: expected all columns of the header in each row")
    return {column: str(text) for column, text in cells.items() if column is not None}
