"""The results file of a search: a line of JSON for what it is about, then one for each result, appended as it comes."""

from __future__ import annotations

import json
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

from wse_sim import __version__
from wse_sim.errors import UsageError
from wse_sim.mapping.comparison.row import FIDELITIES, Row
from wse_sim.mapping.plan.saved import wafer_to_dict
from wse_sim.mapping.strategies import Problem

FORMAT = "wse-sim search 1"
COLUMNS = {f.name for f in fields(Row)}
Key = tuple[str, str]


class Results:
    """Rows by (fidelity, candidate's key); with a path they are kept in a file, and those of an earlier run are there.

    A last line that was cut off, by a full disk or a power failure, is dropped; anything else that is wrong is refused.
    """

    def __init__(self, problem: Problem, path: Path | None = None) -> None:
        self.rows: dict[Key, dict[str, Any]] = {}
        self._path = path
        if path is None:
            return
        head = {"format": FORMAT, "version": __version__, "problem": problem_to_dict(problem)}
        if path.exists() and path.stat().st_size:
            self._read(path, head)
        else:
            self._append(head)

    def add(self, fidelity: str, key: str, row: dict[str, Any]) -> None:
        """Keeps a row, on disk before this returns."""
        self.rows[fidelity, key] = row
        if self._path is not None:
            self._append({"fidelity": fidelity, "key": key, "row": row})

    def _append(self, record: dict[str, Any]) -> None:
        assert self._path is not None
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(record) + "\n")
            file.flush()
            os.fsync(file.fileno())

    def _read(self, path: Path, head: dict[str, Any]) -> None:
        whole, newline, _cut = path.read_bytes().rpartition(b"\n")
        lines = whole.split(b"\n") if newline else []
        found = [self._parse(path, number, line) for number, line in enumerate(lines, 1)]
        _check_head(path, found[0] if found else None, head)
        for number, record in enumerate(found[1:], 2):
            _check_record(path, number, record)
            self.rows[record["fidelity"], record["key"]] = record["row"]
        with path.open("rb+") as file:
            file.truncate(len(whole) + 1)

    def _parse(self, path: Path, number: int, line: bytes) -> Any:
        try:
            return json.loads(line)
        except ValueError as error:
            raise UsageError(f"{path}, line {number} is no JSON: {error}; mend or remove the line") from None


def _check_head(path: Path, found: Any, head: dict[str, Any]) -> None:
    """Refuses what no search wrote, what another simulator wrote, and what another search did."""
    if not isinstance(found, dict) or found.get("format") != FORMAT or not isinstance(found.get("problem"), dict):
        raise UsageError(
            f"{path} holds no results of a search: expected a first line of format {FORMAT!r} with version and "
            "problem, as `wse-sim search --out` writes; give a new file"
        )
    if found.get("version") != head["version"]:
        raise UsageError(
            f"{path} was written by version {found.get('version')} of the simulator, and this is {head['version']}: "
            "expected results of one version; give a new file"
        )
    wanted = head["problem"]
    differs = [name for name in sorted({*wanted, *found["problem"]}) if found["problem"].get(name) != wanted.get(name)]
    if differs:
        raise UsageError(
            f"{path} belongs to another search: {', '.join(differs)} differs; expected that search, or a new file"
        )


def _check_record(path: Path, number: int, record: Any) -> None:
    whole = isinstance(record, dict) and record.get("fidelity") in FIDELITIES and isinstance(record.get("key"), str)
    if not whole or not isinstance(record.get("row"), dict) or not record["row"].keys() >= COLUMNS:
        raise UsageError(
            f"{path}, line {number}: expected a result with fidelity, key and row, as `wse-sim search --out` writes; "
            "remove the line"
        )


def problem_to_dict(problem: Problem) -> dict[str, Any]:
    """Plain values that tell problems apart."""
    plain: dict[str, Any] = {f.name: getattr(problem, f.name) for f in fields(problem)}
    plain |= {
        "config": {f.name: getattr(problem.config, f.name) for f in fields(problem.config)},
        "wafer": wafer_to_dict(problem.wafer),
        "dtype": problem.dtype.name,
        "accumulate": problem.accumulate.name,
        "dead": sorted(problem.dead),
        "weights": {f.name: getattr(problem.weights, f.name) for f in fields(problem.weights)},
    }
    del plain["placement"]  # each candidate has its own
    found: dict[str, Any] = json.loads(json.dumps(plain))
    return found
