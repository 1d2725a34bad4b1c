"""The results file of a search: a line of JSON for what it is about, then one for each result, appended as it comes."""

from __future__ import annotations

import json
import os
from dataclasses import fields
from pathlib import Path
from typing import Any

from wse_sim.errors import UsageError
from wse_sim.mapping.plan.saved import wafer_to_dict
from wse_sim.mapping.strategies import Problem

FORMAT = "wse-sim search 1"
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
        head = {"format": FORMAT, "problem": problem_to_dict(problem)}
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
        if found and (not isinstance(found[0], dict) or found[0].get("format") != FORMAT):
            raise UsageError(f"{path} holds no results of a search: expected what `wse-sim search --out` writes")
        if not found:
            raise UsageError(f"{path} holds no results of a search: expected a first line of format {FORMAT!r}")
        if found[0] != head:
            differs = [name for name in head["problem"] if found[0]["problem"].get(name) != head["problem"][name]]
            raise UsageError(
                f"{path} belongs to another search: {', '.join(differs) or 'its problem'} differs; expected that "
                "search, or a new file"
            )
        for number, record in enumerate(found[1:], 2):
            try:
                self.rows[record["fidelity"], record["key"]] = record["row"]
            except (KeyError, TypeError):
                raise UsageError(f"{path}, line {number}: expected a result with fidelity, key and row") from None
        with path.open("rb+") as file:
            file.truncate(len(whole) + 1)

    def _parse(self, path: Path, number: int, line: bytes) -> Any:
        try:
            return json.loads(line)
        except ValueError as error:
            raise UsageError(f"{path}, line {number} is no JSON: {error}; mend or remove the line") from None


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
    found: dict[str, Any] = json.loads(json.dumps(plain))
    return found
